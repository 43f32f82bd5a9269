/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numaplace.conf: every key, every default, and the message for every refused value.
 */
#include "place/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/tap.h"

#include "plugin/base/util.h"

static void is_default(const struct conf *c, const char *what)
{
	struct select_policy p;

	select_policy_init(&p);
	ok(c->without_keys == DEFAULT_NONE && !c->warn_only && c->select.balance == p.balance &&
		   idset_empty(&c->select.reserved_cpus) && nodeset_empty(&c->select.reserved_nodes) &&
		   !c->select.nreserved_memory && !c->max_cpus_each && !c->max_exclusive_each && !c->max_memory &&
		   !c->max_memory_each && !c->max_hugepages && !c->max_hugepages_each && !*c->tenants &&
		   c->container_keys == (1U << KEY_COUNT) - 1 && conf_takes_environment(c) && !c->max_cpus && !c->max_exclusive_cpus &&
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
				   "reserved-memory = 0:4GiB, 2-3:512MiB\n"
				   "balance = 100\n"
				   "share-out = even\n"
				   "work = latency\n"
				   "container-keys = limits.cpu, limits.memory\n"
				   "max-cpus = 64\nmax-cpus-each = 128\n"
				   "max-memory = 30GiB\nmax-memory-each = 64GiB\n"
				   "max-hugepages = 1GiB\nmax-hugepages-each = 2GiB\n"
				   "tenants = /a.slice, /b/pod*\t/c/*/d\n"
				   "max-exclusive-cpus = 8\nmax-exclusive-cpus-each = 4\n"
				   "devices = false\n"
				   "record = file\n"
				   "incus-mode = lead";
	struct error err = { 0 };
	struct conf c;

	is_int(conf_parse(text, "t.conf", &c, &err), 0, "a conf with every key %s", err.text);
	is_int(c.without_keys, DEFAULT_FOLLOW_PINS, "key default");
	ok(c.warn_only, "key on-failure");
	ok(idset_has(&c.select.reserved_cpus, 8) && idset_count(&c.select.reserved_cpus) == 3, "key reserved-cpus");
	ok(!nodeset_has(&c.select.reserved_nodes, 3) && nodeset_count(&c.select.reserved_nodes) == 4,
	   "key reserved-nodes, with an exclusion");
	is_int(c.select.balance, 100, "key balance");
	ok(c.select.even_shares, "key share-out");
	ok(c.select.work.given && c.select.work.kind == WORK_LATENCY, "key work");
	is_int(c.container_keys,
	       1U << KEY_CPU | 1U << KEY_MEMORY | 1U << KEY_VOLATILE_CPU_NODES | 1U << KEY_VOLATILE_MEMORY_NODES,
	       "key container-keys: the given ones, and the hints that numaplace writes");
	ok(!conf_takes_environment(&c), "key container-keys: keys in the environment do not count");
	ok(c.select.nreserved_memory == 2 && reserved_memory_of(&c.select, 0) == 4ULL << 30 &&
		   !reserved_memory_of(&c.select, 1) && reserved_memory_of(&c.select, 3) == 512ULL << 20 &&
		   !reserved_memory_of(&c.select, 4),
	   "key reserved-memory");
	is_int(c.max_cpus, 64, "key max-cpus");
	is_int(c.max_cpus_each, 128, "key max-cpus-each");
	ok(c.max_memory == 30ULL << 30 && c.max_memory_each == 64ULL << 30, "keys max-memory and max-memory-each");
	ok(c.max_hugepages == 1ULL << 30 && c.max_hugepages_each == 2ULL << 30,
	   "keys max-hugepages and max-hugepages-each");
	is_str(c.tenants, "/a.slice /b/pod* /c/*/d", "key tenants");
	is_int(c.max_exclusive_cpus, 8, "key max-exclusive-cpus");
	is_int(c.max_exclusive_each, 4, "key max-exclusive-cpus-each");
	ok(!c.devices_allowed, "key devices");
	is_int(c.record, RECORD_FILE, "key record");
	is_int(c.incus_mode, INCUS_LEAD, "key incus-mode");
}

static void test_values(void)
{
	struct conf c;

	is_int(conf_parse("", "t", &c, NULL), 0, "an empty text: parsed");
	is_default(&c, "an empty text");
	is_int(conf_parse("default=balanced\ndevices=true\nrecord=none\n", "t", &c, NULL), 0,
	       "default=balanced, devices=true and record=none: parsed");
	ok(c.without_keys == DEFAULT_BALANCED && c.devices_allowed && c.record == RECORD_NONE,
	   "default=balanced, devices=true and record=none: values");
	is_int(conf_parse("container-keys = none\nreserved-cpus =\n", "t", &c, NULL), 0,
	       "container-keys = none and an empty reserved-cpus: parsed");
	ok(!(c.container_keys & ~(1U << KEY_VOLATILE_CPU_NODES | 1U << KEY_VOLATILE_MEMORY_NODES)) &&
		   idset_empty(&c.select.reserved_cpus),
	   "container-keys = none and an empty reserved-cpus: no keys, no CPUs");
	is_int(conf_parse("environment-keys = false\n", "t", &c, NULL), 0, "environment-keys = false: parsed");
	ok(!conf_takes_environment(&c), "environment-keys = false: keys in the environment do not count");
	is_int(conf_parse("environment-keys = true\ncontainer-keys = limits.cpu\n", "t", &c, NULL), 0,
	       "environment-keys = true beside container-keys: parsed");
	ok(conf_takes_environment(&c), "environment-keys = true beside container-keys: keys in the environment count");
	is_int(conf_parse("work = any\n", "t", &c, NULL), 0, "work = any: parsed");
	ok(!c.select.work.given, "work = any: the work is unknown");
	is_int(conf_parse("balance = 0\n", "t", &c, NULL), 0, "balance = 0: parsed");
	is_int(c.select.balance, 0, "balance = 0: value");
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
		{ "work = disk\n", "t.conf:1: work: \"disk\": not any, compute, latency or bandwidth" },
		{ "balance = -1\n", "t.conf:1: balance: \"-1\": not a number" },
		{ "balance = 4294967297\n", "t.conf:1: balance: \"4294967297\": more than 100" },
		{ "max-cpus =\n", "t.conf:1: max-cpus: \"\": a number is missing" },
		{ "max-cpus = 1000001\n", "t.conf:1: max-cpus: \"1000001\": more than 1000000" },
		{ "container-keys = limits.cpu,x\n",
		  "t.conf:1: container-keys: \"x\": not all, none or names of keys" },
		{ "container-keys = ,\n", "t.conf:1: container-keys: \"\": all, none or names of keys are expected" },
		{ "max-memory-each = -1\n", "t.conf:1: max-memory-each: \"-1\": a size like 30GiB, 1.5GiB, 512MB or a "
					    "number of bytes is expected" },
		{ "max-memry = 1\n", "t.conf:1: max-memry: unknown key; did you mean max-memory?" },
		{ "reserved-memory = 4GiB\n", "t.conf:1: reserved-memory: \"4GiB\": not NODE:SIZE or NODE-NODE:SIZE" },
		{ "reserved-memory = x:1GiB\n", "t.conf:1: reserved-memory: \"x\": not a number" },
		{ "reserved-memory = 1024:1GiB\n", "t.conf:1: reserved-memory: \"1024\": more than 1023" },
		{ "reserved-memory = 3-1:1GiB\n", "t.conf:1: reserved-memory: \"3-1\": the range runs backwards" },
		{ "reserved-memory = 0-3:1GiB,2:1GiB\n", "t.conf:1: reserved-memory: node 2: given twice" },
		{ "tenants =\n", "t.conf:1: tenants: \"\": none or paths of cgroups are expected" },
		{ "tenants = a.slice\n",
		  "t.conf:1: tenants: \"a.slice\": not none, or paths of cgroups such as /a.slice or /b/*" },
		{ "tenants = /\n", "t.conf:1: tenants: \"/\": not none, or paths of cgroups such as /a.slice or /b/*" },
		{ "tenants = /a/../b\n",
		  "t.conf:1: tenants: \"/a/../b\": not none, or paths of cgroups such as /a.slice or /b/*" },
		{ "tenants = /a/\n",
		  "t.conf:1: tenants: \"/a/\": not none, or paths of cgroups such as /a.slice or /b/*" },
		{ "tenants = /a*b\n",
		  "t.conf:1: tenants: \"/a*b\": not none, or paths of cgroups such as /a.slice or /b/*" },
		{ "tenants = /a none\n",
		  "t.conf:1: tenants: \"none\": not none, or paths of cgroups such as /a.slice or /b/*" },
		{ "reserved-cpus = 3-1\n",
		  "t.conf:1: reserved-cpus: list \"3-1\": the range at \"3-1\" runs backwards" },
		{ "balance = 1\nbalance = 1\n", "t.conf:2: balance: given twice" },
		{ "bal\033ance = 1\n", "t.conf:1: bal\\x1bance: unknown key; did you mean balance?" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct conf c = { .max_cpus = 77 };
		struct error err = { 0 };

		is_int(conf_parse(cases[i].text, "t.conf", &c, &err), -EINVAL, "refused conf: case %zu", i);
		is_str(err.text, cases[i].message, "refused conf: message");
		is_int(c.max_cpus, 77, "refused conf: the output is unchanged");
		is_int(conf_parse(cases[i].text, "t.conf", &c, NULL), -EINVAL,
		       "refused conf: also without struct error");
	}
}

/* Lists of the maximum length, and longer ones. */
static void test_long(void)
{
	char text[4096] = "reserved-memory = ";
	struct error err = { 0 };
	struct conf c;

	for (unsigned int i = 0; i < RESERVED_MEMORY_MAX; i++)
		snprintf(text + strlen(text), 32, "%u:1GiB,", i);
	is_int(conf_parse(text, "t.conf", &c, &err), 0, "reserved-memory: the maximum number of entries");
	is_int(c.select.nreserved_memory, RESERVED_MEMORY_MAX,
	       "reserved-memory: the maximum number of entries is kept");
	strcat(text, "900:1GiB");
	is_int(conf_parse(text, "t.conf", &c, &err), -EINVAL, "reserved-memory: one entry too many is refused");
	is_str(err.text,
	       "t.conf:1: reserved-memory: more than 32 entries; nodes that keep the same size can be a range",
	       "reserved-memory: message for too many entries");
	strcpy(text, "tenants = ");
	for (unsigned int i = 0; i < CONF_TENANTS_MAX / 4; i++)
		strcat(text, "/ab ");
	text[strlen(text) - 1] = '\0';
	is_int(conf_parse(text, "t.conf", &c, &err), 0, "tenants: the maximum length");
	is_int(strlen(c.tenants), CONF_TENANTS_MAX - 1, "tenants: the maximum length is kept");
	strcat(text, "c");
	is_int(conf_parse(text, "t.conf", &c, &err), -EINVAL, "tenants: one byte too many is refused");
	is_str(err.text, "t.conf:1: tenants: more than 1023 bytes", "tenants: message for a too long list");
}

static void write_file(int dir, const char *name, const char *text, size_t len)
{
	cleanup_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len || fchmod(fd, 0644) < 0)
		ok(false, "write %s: %s", name, strerror(errno));
}

/*
 * Reads a file of real root in a user namespace where uid 1 is root and real root is not mapped, as in rootless podman.
 * Returns 0 if conf_read() accepts it, or if no user namespace can be made.
 */
static int conf_in_user_namespace(int dir)
{
	int status;
	pid_t pid = fchownat(dir, "good", 0, 0, 0) < 0 || fchmod(dir, 0711) < 0 ? -1 : fork();

	if (pid == 0) {
		struct conf c;
		int fd;

		if (setresuid(1, 1, 1) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0 || unshare(CLONE_NEWUSER) < 0)
			_exit(0);
		fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0 1 1", 5) != 5)
			_exit(0);
		_exit(conf_read(dir, "good", &c, NULL) < 0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_files(int dir)
{
	cleanup_free char *large = malloc(65537);
	struct error err = { 0 };
	struct conf c;

	is_int(conf_read(dir, "missing", &c, &err), 0, "conf_read: a missing file is not an error");
	is_default(&c, "a missing file");
	write_file(dir, "good", "max-cpus = 5\n", 13);
	is_int(conf_read(dir, "good", &c, &err), 0, "conf_read: a file");
	is_int(c.max_cpus, 5, "conf_read: value in the file");
	for (unsigned int mode = 0620; mode; mode = mode == 0620 ? 0602 : 0) {
		is_int(fchmodat(dir, "good", mode, 0), 0, "conf_read: the file gets mode %04o", mode);
		is_int(conf_read(dir, "good", &c, &err), -EPERM,
		       "conf_read: a file that others may write to is refused");
	}
	is_str(err.text, "good: writable by other users (mode 0602): run chmod go-w on it",
	       "conf_read: message for a file that others may write to");
	if (geteuid() == 0) {
		is_int(fchmodat(dir, "good", 0644, 0), 0, "conf_read: the file gets mode 0644");
		for (uid_t owner = 1; owner; owner = owner == 1 ? 65534 : 0) {
			is_int(fchownat(dir, "good", owner, 0, 0), 0, "conf_read: the file gets owner %u", owner);
			is_int(conf_read(dir, "good", &c, &err), -EPERM,
			       "conf_read: a file of another user is refused");
		}
		is_str(err.text, "good: owned by uid 65534, must be root's: run chown 0 on it",
		       "conf_read: message for a file of another user");
		is_int(conf_in_user_namespace(dir), 0,
		       "conf_read: in a user namespace, a file of unmapped real root is accepted");
	}
	is_int(conf_read(dir, ".", &c, &err), -EINVAL, "conf_read: a directory is refused");
	is_int(mkfifoat(dir, "fifo", 0600), 0, "conf_read: a FIFO is made");
	is_int(conf_read(dir, "fifo", &c, &err), -EINVAL, "conf_read: a FIFO is refused without blocking");
	is_str(err.text, "fifo: not a regular file", "conf_read: message for a FIFO");
	is_int(conf_read(AT_FDCWD, "/dev/null", &c, &err), 0, "conf_read: /dev/null is an empty conf");
	memset(large, '#', 65537);
	write_file(dir, "large", large, 65536);
	is_int(conf_read(dir, "large", &c, &err), 0, "conf_read: a file of 64KiB");
	write_file(dir, "large", large, 65537);
	is_int(conf_read(dir, "large", &c, &err), -EINVAL, "conf_read: a file of 64KiB and one byte is refused");
	is_str(err.text, "large: larger than 64KiB", "conf_read: message for a too large file");
	write_file(dir, "nul", "max-cpus = 5\n\0x", 15);
	is_int(conf_read(dir, "nul", &c, &err), -EINVAL, "conf_read: a file that contains a NUL is refused");
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
	test_long();
	if (ok(dir >= 0, "a temporary folder is made"))
		test_files(dir);
	rmdir(name);
	return done();
}
