/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numaplace.conf: every key, every default, and the message for everything
 * that is refused.
 */
#include "plugin/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/tap.h"

#include "plugin/util.h"

static void is_default(const struct conf *c, const char *what)
{
	struct select_policy p;

	select_policy_init(&p);
	ok(c->without_keys == DEFAULT_NONE && !c->warn_only && c->select.balance == p.balance &&
		   idset_empty(&c->select.reserved_cpus) && idset_empty(&c->select.reserved_nodes) &&
		   c->container_keys == (1U << KEY_COUNT) - 1 && !c->max_cpus && !c->max_exclusive_cpus &&
		   c->devices_allowed && c->record == RECORD_CONFIG && c->incus_mode == INCUS_FOLLOW,
	   "%s: the defaults", what);
}

static void test_whole(void)
{
	static const char text[] = "# a comment\n"
				   "; another\n"
				   "\n"
				   "[numaplace]\n"
				   "default = follow-pins\r\n"
				   "  on-failure\t=warn  \n"
				   "reserved-cpus=0-1,8\n"
				   "reserved-nodes = 0-4,^3\n"
				   "balance = 100\n"
				   "share-out = even\n"
				   "container-keys = limits.cpu, limits.memory\n"
				   "max-cpus = 64\n"
				   "max-exclusive-cpus = 8\nmax-exclusive-cpus-each = 4\n"
				   "devices = false\n"
				   "record = file\n"
				   "incus-mode = lead";
	struct error err = { 0 };
	struct conf c;

	is_int(conf_parse(text, "t.conf", &c, &err), 0, "every key at once %s", err.text);
	is_int(c.without_keys, DEFAULT_FOLLOW_PINS, "default");
	ok(c.warn_only, "on-failure");
	ok(idset_has(&c.select.reserved_cpus, 8) && idset_count(&c.select.reserved_cpus) == 3, "reserved-cpus");
	ok(!idset_has(&c.select.reserved_nodes, 3) && idset_count(&c.select.reserved_nodes) == 4,
	   "reserved-nodes, with an exclusion");
	is_int(c.select.balance, 100, "balance");
	ok(c.select.even_shares, "share-out");
	is_int(c.container_keys,
	       1U << KEY_CPU | 1U << KEY_MEMORY | 1U << KEY_VOLATILE_CPU_NODES | 1U << KEY_VOLATILE_MEMORY_NODES,
	       "container-keys: those, and the hints that numaplace writes itself");
	is_int(c.max_cpus, 64, "max-cpus");
	is_int(c.max_exclusive_cpus, 8, "max-exclusive-cpus");
	is_int(c.max_exclusive_each, 4, "max-exclusive-cpus-each");
	ok(!c.devices_allowed, "devices");
	is_int(c.record, RECORD_FILE, "record");
	is_int(c.incus_mode, INCUS_LEAD, "incus-mode");
}

static void test_values(void)
{
	struct conf c;

	is_int(conf_parse("", "t", &c, NULL), 0, "an empty text");
	is_default(&c, "an empty text");
	is_int(conf_parse("default=balanced\ndevices=true\nrecord=none\n", "t", &c, NULL), 0, "the other values");
	ok(c.without_keys == DEFAULT_BALANCED && c.devices_allowed && c.record == RECORD_NONE, "are taken");
	is_int(conf_parse("container-keys = none\nreserved-cpus =\n", "t", &c, NULL), 0, "none and nothing");
	ok(!(c.container_keys & ~(1U << KEY_VOLATILE_CPU_NODES | 1U << KEY_VOLATILE_MEMORY_NODES)) &&
		   idset_empty(&c.select.reserved_cpus),
	   "are no keys and no CPUs");
	is_int(conf_parse("balance = 0\n", "t", &c, NULL), 0, "the least balance");
	is_int(c.select.balance, 0, "is 0");
}

static void test_refused(void)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "\nmax-cpu = 3\n", "t.conf:2: max-cpu: unknown key; did you mean max-cpus?" },
		{ "reservd-cpus = 3\n", "t.conf:1: reservd-cpus: unknown key; did you mean reserved-cpus?" },
		{ "colour = red\n", "t.conf:1: colour: unknown key" },
		{ "a-very-long-name-that-no-one-would-ever-give = 1\n",
		  "t.conf:1: a-very-long-name-that-no-one-would-ever-give: unknown key" },
		{ "= 1\n", "t.conf:1: : unknown key" },
		{ "default\n", "t.conf:1: \"default\": not key = value" },
		{ "[incus]\n", "t.conf:1: \"[incus]\": unknown section; [numaplace] is the only one" },
		{ "default = all\n", "t.conf:1: default: \"all\": not none, balanced or follow-pins" },
		{ "default =\n", "t.conf:1: default: \"\": not none, balanced or follow-pins" },
		{ "on-failure = ignore\n", "t.conf:1: on-failure: \"ignore\": not fail or warn" },
		{ "devices = yes\n", "t.conf:1: devices: \"yes\": not false or true" },
		{ "record = x\n", "t.conf:1: record: \"x\": not config, file or none" },
		{ "incus-mode = x\n", "t.conf:1: incus-mode: \"x\": not follow or lead" },
		{ "balance = 101\n", "t.conf:1: balance: \"101\": more than 100" },
		{ "share-out = odd\n", "t.conf:1: share-out: \"odd\": not nearest or even" },
		{ "balance = -1\n", "t.conf:1: balance: \"-1\": not a number" },
		{ "balance = 4294967297\n", "t.conf:1: balance: \"4294967297\": more than 100" },
		{ "max-cpus =\n", "t.conf:1: max-cpus: \"\": a number is missing" },
		{ "max-cpus = 1000001\n", "t.conf:1: max-cpus: \"1000001\": more than 1000000" },
		{ "container-keys = limits.cpu,x\n",
		  "t.conf:1: container-keys: \"x\": not all, none or names of keys" },
		{ "container-keys = ,\n", "t.conf:1: container-keys: \"\": all, none or names of keys are wanted" },
		{ "reserved-cpus = 3-1\n",
		  "t.conf:1: reserved-cpus: list \"3-1\": the range at \"3-1\" runs backwards" },
		{ "balance = 1\nbalance = 1\n", "t.conf:2: balance: given twice" },
		{ "bal\033ance = 1\n", "t.conf:1: bal\\x1bance: unknown key; did you mean balance?" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct conf c = { .max_cpus = 77 };
		struct error err = { 0 };

		is_int(conf_parse(cases[i].text, "t.conf", &c, &err), -EINVAL, "refused: case %zu", i);
		is_str(err.text, cases[i].message, "with its message");
		is_int(c.max_cpus, 77, "and the output is untouched");
		is_int(conf_parse(cases[i].text, "t.conf", &c, NULL), -EINVAL, "also where nobody listens");
	}
}

static void write_file(int dir, const char *name, const char *text, size_t len)
{
	cleanup_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len || fchmod(fd, 0644) < 0)
		ok(false, "write %s: %s", name, strerror(errno));
}

static void test_files(int dir)
{
	cleanup_free char *large = malloc(65537);
	struct error err = { 0 };
	struct conf c;

	is_int(conf_read(dir, "missing", &c, &err), 0, "a missing file is no error");
	is_default(&c, "a missing file");
	write_file(dir, "good", "max-cpus = 5\n", 13);
	is_int(conf_read(dir, "good", &c, &err), 0, "a file");
	is_int(c.max_cpus, 5, "is read");
	for (unsigned int mode = 0620; mode; mode = mode == 0620 ? 0602 : 0) {
		is_int(fchmodat(dir, "good", mode, 0), 0, "mode %04o", mode);
		is_int(conf_read(dir, "good", &c, &err), -EPERM, "one that others may write is refused");
	}
	is_str(err.text, "good: writable by others than its owner (mode 0602): chmod go-w it", "and says so");
	is_int(conf_read(dir, ".", &c, &err), -EINVAL, "a folder is refused");
	is_int(mkfifoat(dir, "fifo", 0600), 0, "a fifo");
	is_int(conf_read(dir, "fifo", &c, &err), -EINVAL, "is refused, without waiting for its writer");
	is_str(err.text, "fifo: not a regular file", "and says so");
	is_int(conf_read(AT_FDCWD, "/dev/null", &c, &err), 0, "/dev/null is no conf");
	memset(large, '#', 65537);
	write_file(dir, "large", large, 65536);
	is_int(conf_read(dir, "large", &c, &err), 0, "64KiB are read");
	write_file(dir, "large", large, 65537);
	is_int(conf_read(dir, "large", &c, &err), -EINVAL, "a byte more is not");
	is_str(err.text, "large: larger than 64KiB", "and says so");
	write_file(dir, "nul", "max-cpus = 5\n\0x", 15);
	is_int(conf_read(dir, "nul", &c, &err), -EINVAL, "a NUL byte hides nothing");
	unlinkat(dir, "good", 0);
	unlinkat(dir, "fifo", 0);
	unlinkat(dir, "large", 0);
	unlinkat(dir, "nul", 0);
}

int main(void)
{
	char name[] = "/tmp/numaplace-conf.XXXXXX";
	cleanup_close int dir = mkdtemp(name) ? open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	test_whole();
	test_values();
	test_refused();
	if (ok(dir >= 0, "a scratch folder"))
		test_files(dir);
	rmdir(name);
	return done();
}
