/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lines of a container's config file: which are ours, what they say, and
 * where a fault is said to be.
 */
#include "runtime-hooks/lxc-config.h"
#include "runtime-hooks/lxc-keys.h"
#include "tests/unit/tap.h"

#include <errno.h>

static int parse(const char *text, struct lxc_keys *k, struct error *err)
{
	*k = (struct lxc_keys){ 0 };
	*err = (struct error){ 0 };
	return lxc_keys_parse(text, strlen(text), "/c/config", k, err);
}

static void lines_of_ours(void)
{
	cleanup_lxc_keys struct lxc_keys k = { 0 };
	struct error err;

	is_int(parse("lxc.uts.name = x\n# limits.cpu = 9\n\n \tlimits.cpu\t=  4  \nlimits.memory = \"30GiB\"\n"
		     "limits.cpu.nodes='0-4,^3'\nlimits.memory.policy =",
		     &k, &err),
	       0, "a file is read (%s)", err.text);
	is_str(k.value[KEY_CPU], "4", "blanks are cut off");
	is_int(k.line[KEY_CPU], 4, "the line is counted with comments and empty ones");
	is_str(k.value[KEY_MEMORY], "30GiB", "quotes are taken off");
	is_str(k.value[KEY_CPU_NODES], "0-4,^3", "single ones too");
	is_str(k.value[KEY_MEMORY_POLICY], "", "nothing behind the =, and no line end");
	ok(lxc_keys_ask(&k), "it asks");
}

static void last_wins(void)
{
	cleanup_lxc_keys struct lxc_keys k = { 0 };
	struct request r;
	struct error err;

	is_int(parse("limits.cpu = 4\nlimits.cpu = 5\n", &k, &err), 0, "twice: read");
	is_str(k.value[KEY_CPU], "5", "the last counts");
	is_int(k.line[KEY_CPU], 2, "its line");
	is_int(lxc_keys_set(&k, "limits.cpu=6", &err), 0, "--set");
	is_int(lxc_keys_request(&k, "o", ~0U, &r, &err), 0, "request");
	is_int(r.cpu_count, 6, "the command line wins");
	is_int(lxc_keys_set(&k, "limits.cpus=6", &err), -EINVAL, "--set of no key");
	is_str(err.text, "--set limits.cpus=6: no such key", "says so");
	is_int(lxc_keys_set(&k, "volatile.cpu.nodes=1", &err), -EINVAL, "--set of what numaplace writes");
	is_int(lxc_keys_set(&k, "limits.cpu", &err), -EINVAL, "--set without a value");
}

static const struct {
	const char *text, *said;
} faults[] = {
	{ "\nlimits.cpus = 4\n", "/c/config:2: limits.cpus: \"4\": no such key" },
	{ "limits.cpu 4\n", "/c/config:1: \"limits.cpu 4\": not limits.KEY = VALUE" },
	{ "limits. = \n", "/c/config:1: limits.: \"\": no such key" },
	{ "lxc.a = b\n\xef\xbb\xbflimits.cpu = 4\n",
	  "/c/config:2: \"\\xef\\xbb\\xbflimits.cpu\": bytes that are not text before a key" },
	{ "\xc2\xa0limits.cpu = 4\n", "/c/config:1: \"\\xc2\\xa0limits.cpu\": bytes that are not text before a key" },
	{ "\xe2\x80\x8blimits.cpu = 4\n",
	  "/c/config:1: \"\\xe2\\x80\\x8blimits.cpu\": bytes that are not text before a key" },
	{ "\v limits.cpu = 4\n", "/c/config:1: \"\\x0b limits.cpu\": bytes that are not text before a key" },
	{ "\xff\xfel", "/c/config: in UTF-16, which LXC does not read: save it as UTF-8" },
	{ "\xfe\xff", "/c/config: in UTF-16, which LXC does not read: save it as UTF-8" },
	{ "limits.memory.hugepage = true", "/c/config:1: limits.memory.hugepage: \"true\": no such key" },
};

/* As some editors write it, in front of the first line. */
static void byte_order_mark(void)
{
	cleanup_lxc_keys struct lxc_keys k = { 0 };
	struct error err;

	is_int(parse("\xef\xbb\xbflimits.cpu = 4\nlimits.cpu.nodes = 1\n", &k, &err), 0, "a byte order mark: read");
	ok(k.value[KEY_CPU] && strcmp(k.value[KEY_CPU], "4") == 0, "and the first line counts");
	is_int(k.line[KEY_CPU], 1, "as line 1");
	ok(k.value[KEY_CPU_NODES] != NULL, "and the next");
	lxc_keys_free(&k);
	is_int(parse("\xef\xbb\xbf", &k, &err), 0, "the mark alone");
	is_int(parse("\xef\xbb\xbflimits.cpus = 4\n", &k, &err), -EINVAL, "a slip behind it is one");
	is_int(parse("\xef\xbb\xbf# limits.cpu = 4\n# \xc3\xa9 limits.cpu\n", &k, &err), 0, "comments may hold anything");
	ok(!lxc_keys_ask(&k), "and ask for nothing");
}

static void slips(void)
{
	cleanup_lxc_keys struct lxc_keys k = { 0 };
	struct request r;
	struct error err;

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		is_int(parse(faults[i].text, &k, &err), -EINVAL, "refused: %s", faults[i].said);
		is_str(err.text, faults[i].said, "with this message");
		lxc_keys_free(&k);
	}
	is_int(lxc_keys_parse("a\0b", 3, "/c/config", &k, &err), -EINVAL, "a NUL");
	parse("\n\nlimits.cpu = 0\n", &k, &err);
	is_int(lxc_keys_request(&k, "o", ~0U, &r, &err), -EINVAL, "a bad value");
	lxc_keys_locate(&k, "/c/config", &err);
	ok(strncmp(err.text, "/c/config:3: limits.cpu: \"0\"", 27) == 0, "file, line, key, value: %s", err.text);
	lxc_keys_free(&k);
	parse("limits.cpu = 2\n", &k, &err);
	is_int(lxc_keys_request(&k, "o", 1U << KEY_MEMORY, &r, &err), -EINVAL, "a key that is not allowed");
	lxc_keys_locate(&k, "/c/config", &err);
	is_str(err.text, "/c/config:1: limits.cpu: \"2\": containers may not set this key (container-keys)", "said");
}

static void hints(void)
{
	cleanup_lxc_keys struct lxc_keys k = { 0 };
	struct request r;
	struct error err;

	parse("limits.cpu = 2\nvolatile.cpu.nodes = 0,1\nvolatile.numaplace.origin = me\n", &k, &err);
	is_int(lxc_keys_request(&k, "me", ~0U, &r, &err), 0, "volatile lines of its own");
	is_int(idset_count(&r.last_nodes), 2, "are a hint");
	is_int(lxc_keys_request(&k, "other", ~0U, &r, &err), 0, "those of another");
	ok(idset_empty(&r.last_nodes), "are not");
	lxc_keys_free(&k);
	parse("volatile.cpu.nodes = 0,1\nvolatile.eth0.hwaddr = aa:bb\nvolatile.idmap", &k, &err);
	ok(!lxc_keys_ask(&k), "a hint alone asks for nothing");
	is_int(lxc_keys_request(&k, "", ~0U, &r, &err), 0, "without an origin");
	ok(idset_empty(&r.last_nodes), "it is not believed");
	lxc_keys_free(&k);
	parse("volatile.cpu.nodes = zero\nvolatile.numaplace.origin = me\n", &k, &err);
	is_int(lxc_keys_request(&k, "me", ~0U, &r, &err), 0, "one that makes no sense is passed over");
}

static void limits(void)
{
	cleanup_lxc_limits struct lxc_limits l = { 0 };
	struct request r;
	struct error err = { 0 };

	is_int(lxc_limits_parse("lxc.cgroup2.devices.deny = a\nlxc.cgroup2.cpuset.cpus = 0\n"
				"lxc.cgroup2.cpuset.cpus = 2-5\nlxc.cgroup2.memory.max = 1g\n"
				"lxc.cgroup2.cpu.max = 150000 100000\nlxc.cgroup2.hugetlb.2MB.max = 8M\n"
				"lxc.cgroup2.hugetlb.1GB.rsvd.max = 1G\nlxc.cgroup2.hugetlb.1GB.max = max\n",
				&l, &err),
	       0, "lxc.cgroup2 lines");
	request_init(&r);
	is_int(lxc_limits_fallback(&l, &r, &err), 0, "fill a request (%s)", err.text);
	is_int(idset_count(&r.pin_cpus), 4, "the last cpuset is the pin");
	is_int(r.memory, 1 << 30, "memory.max");
	is_int(r.cpu_count, 2, "cpu.max, rounded up");
	is_int(r.nhuge, 1, "one size of hugepages");
	is_int(r.huge[0].count, 4, "four of them");
	request_init(&r);
	lxc_limits_follow_pins(&l, &r);
	is_int(r.cpu_count, 4, "follow-pins asks for the pinned CPUs");
	ok(r.cpu_listed && request_asks(&r), "as a list");
	lxc_limits_free(&l);
	lxc_limits_parse("lxc.cgroup2.memory.max = max\nlxc.cgroup2.cpu.max = max 100000\n"
			 "lxc.cgroup2.cpuset.cpus = 0-1\nlxc.cgroup2.cpuset.mems = 0\n",
			 &l, &err);
	request_init(&r);
	lxc_limits_fallback(&l, &r, &err);
	ok(!r.memory && !r.cpu_count, "max is no limit");
	request_init(&r);
	lxc_limits_follow_pins(&l, &r);
	ok(!request_asks(&r), "follow-pins leaves one alone whose memory is pinned, too");
}

int main(void)
{
	lines_of_ours();
	last_wins();
	byte_order_mark();
	slips();
	hints();
	limits();
	return done();
}
