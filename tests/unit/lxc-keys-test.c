/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lines of a container's config file: which have our keys, their values, and the line number in messages.
 */
#include "runtime-hooks/lxc/lxc-config.h"
#include "runtime-hooks/lxc/lxc-keys.h"
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
	       0, "our lines: a config is parsed (%s)", err.text);
	is_str(k.value[KEY_CPU], "4", "our lines: blanks around a value are removed");
	is_int(k.line[KEY_CPU], 4, "our lines: line numbers include comments and empty lines");
	is_str(k.value[KEY_MEMORY], "30GiB", "our lines: double quotes are removed");
	is_str(k.value[KEY_CPU_NODES], "0-4,^3", "our lines: single quotes are removed");
	is_str(k.value[KEY_MEMORY_POLICY], "", "our lines: an empty value without a newline");
	ok(lxc_keys_ask(&k), "our lines: they are a request");
}

static void last_wins(void)
{
	cleanup_lxc_keys struct lxc_keys k = { 0 };
	struct request r;
	struct error err;

	is_int(parse("limits.cpu = 4\nlimits.cpu = 5\n", &k, &err), 0, "a repeated key: parsed");
	is_str(k.value[KEY_CPU], "5", "a repeated key: the last value is used");
	is_int(k.line[KEY_CPU], 2, "a repeated key: line number of the last value");
	is_int(lxc_keys_set(&k, "limits.cpu=6", &err), 0, "--set of a key");
	is_int(lxc_keys_request(&k, "o", ~0U, &r, &err), 0, "--set: the request is made");
	is_int(r.cpu_count, 6, "--set is used instead of the config");
	is_int(lxc_keys_set(&k, "limits.cpus=6", &err), -EINVAL, "--set of an unknown key is refused");
	is_str(err.text, "--set limits.cpus=6: no such key", "--set: message for an unknown key");
	is_int(lxc_keys_set(&k, "volatile.cpu.nodes=1", &err), -EINVAL,
	       "--set of a key that numaplace writes is refused");
	is_int(lxc_keys_set(&k, "limits.cpu", &err), -EINVAL, "--set without a value is refused");
}

static const struct {
	const char *text, *said;
} faults[] = {
	{ "\nlimits.cpus = 4\n", "/c/config:2: limits.cpus: \"4\": no such key" },
	{ "limits.cpu 4\n", "/c/config:1: \"limits.cpu 4\": not limits.KEY = VALUE" },
	{ "limits. = \n", "/c/config:1: limits.: \"\": no such key" },
	{ "lxc.a = b\n\xef\xbb\xbflimits.cpu = 4\n",
	  "/c/config:2: \"\\xef\\xbb\\xbflimits.cpu\": bytes that are not text before a key" },
	{ "\xc2\xa0limits.cpu = 4\n",
	  "/c/config:1: \"\\xc2\\xa0limits.cpu\": bytes that are not text before a key" },
	{ "\xe2\x80\x8blimits.cpu = 4\n",
	  "/c/config:1: \"\\xe2\\x80\\x8blimits.cpu\": bytes that are not text before a key" },
	{ "\v limits.cpu = 4\n", "/c/config:1: \"\\x0b limits.cpu\": bytes that are not text before a key" },
	{ "\xff\xfel", "/c/config: in UTF-16, which LXC does not read: save it as UTF-8" },
	{ "\xfe\xff", "/c/config: in UTF-16, which LXC does not read: save it as UTF-8" },
	{ "limits.memory.hugepage = true", "/c/config:1: limits.memory.hugepage: \"true\": no such key" },
};

/* Some editors write it in front of the first line. */
static void byte_order_mark(void)
{
	cleanup_lxc_keys struct lxc_keys k = { 0 };
	struct error err;

	is_int(parse("\xef\xbb\xbflimits.cpu = 4\nlimits.cpu.nodes = 1\n", &k, &err), 0, "byte order mark: parsed");
	ok(k.value[KEY_CPU] && strcmp(k.value[KEY_CPU], "4") == 0, "byte order mark: the first line is used");
	is_int(k.line[KEY_CPU], 1, "byte order mark: the first line has number 1");
	ok(k.value[KEY_CPU_NODES] != NULL, "byte order mark: the second line is used");
	lxc_keys_free(&k);
	is_int(parse("\xef\xbb\xbf", &k, &err), 0, "byte order mark alone: parsed");
	is_int(parse("\xef\xbb\xbflimits.cpus = 4\n", &k, &err), -EINVAL,
	       "byte order mark: a fault in the first line is refused");
	is_int(parse("\xef\xbb\xbf# limits.cpu = 4\n# \xc3\xa9 limits.cpu\n", &k, &err), 0,
	       "byte order mark: comments may contain any text");
	ok(!lxc_keys_ask(&k), "byte order mark: comments are not a request");
}

static void slips(void)
{
	cleanup_lxc_keys struct lxc_keys k = { 0 };
	struct request r;
	struct error err;

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		is_int(parse(faults[i].text, &k, &err), -EINVAL, "refused line: %s", faults[i].said);
		is_str(err.text, faults[i].said, "message of a refused line");
		lxc_keys_free(&k);
	}
	is_int(lxc_keys_parse("a\0b", 3, "/c/config", &k, &err), -EINVAL, "a config that contains a NUL is refused");
	parse("\n\nlimits.cpu = 0\n", &k, &err);
	is_int(lxc_keys_request(&k, "o", ~0U, &r, &err), -EINVAL, "a bad value is refused");
	lxc_keys_locate(&k, "/c/config", &err);
	ok(strncmp(err.text, "/c/config:3: limits.cpu: \"0\"", 27) == 0,
	   "a bad value: message with file, line, key and value: %s", err.text);
	lxc_keys_free(&k);
	parse("limits.cpu = 2\n", &k, &err);
	is_int(lxc_keys_request(&k, "o", 1U << KEY_MEMORY, &r, &err), -EINVAL,
	       "a key that container-keys does not allow is refused");
	lxc_keys_locate(&k, "/c/config", &err);
	is_str(err.text, "/c/config:1: limits.cpu: \"2\": containers may not set this key (container-keys)",
	       "a key that is not allowed: message");
}

static void hints(void)
{
	cleanup_lxc_keys struct lxc_keys k = { 0 };
	struct request r;
	struct error err;

	parse("limits.cpu = 2\nvolatile.cpu.nodes = 0,1\nvolatile.numaplace.origin = me\n", &k, &err);
	is_int(lxc_keys_request(&k, "me", ~0U, &r, &err), 0, "volatile lines of this container: request");
	is_int(nodeset_count(&r.last_nodes), 2, "volatile lines of this container are a hint");
	is_int(lxc_keys_request(&k, "other", ~0U, &r, &err), 0, "volatile lines of another container: request");
	ok(nodeset_empty(&r.last_nodes), "volatile lines of another container are ignored");
	lxc_keys_free(&k);
	parse("volatile.cpu.nodes = 0,1\nvolatile.eth0.hwaddr = aa:bb\nvolatile.idmap", &k, &err);
	ok(!lxc_keys_ask(&k), "a hint alone is not a request");
	is_int(lxc_keys_request(&k, "", ~0U, &r, &err), 0, "volatile lines without an origin: request");
	ok(nodeset_empty(&r.last_nodes), "volatile lines without an origin are ignored");
	lxc_keys_free(&k);
	parse("volatile.cpu.nodes = zero\nvolatile.numaplace.origin = me\n", &k, &err);
	is_int(lxc_keys_request(&k, "me", ~0U, &r, &err), 0, "malformed volatile lines are ignored");
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
	       0, "lxc.cgroup2 lines are parsed");
	request_init(&r);
	is_int(lxc_limits_fallback(&l, &r, &err), 0, "lxc.cgroup2 lines complete a request (%s)", err.text);
	is_int(idset_count(&r.pin_cpus), 4, "lxc.cgroup2.cpuset.cpus: the last line is the pin");
	is_int(r.memory, 1 << 30, "lxc.cgroup2.memory.max is the requested memory");
	is_int(r.cpu_count, 2, "lxc.cgroup2.cpu.max is rounded up to CPUs");
	is_int(r.nhuge, 1, "lxc.cgroup2.hugetlb: one size of hugepages");
	is_int(r.huge[0].count, 4, "lxc.cgroup2.hugetlb: number of hugepages");
	request_init(&r);
	request_follow_pins(&r, l.cpus, l.mems);
	is_int(r.cpu_count, 4, "follow-pins requests the pinned CPUs");
	ok(r.cpu_listed && request_asks(&r), "follow-pins requests a list of CPUs");
	lxc_limits_free(&l);
	lxc_limits_parse("lxc.cgroup2.memory.max = max\nlxc.cgroup2.cpu.max = max 100000\n"
			 "lxc.cgroup2.cpuset.cpus = 0-1\nlxc.cgroup2.cpuset.mems = 0\n",
			 &l, &err);
	request_init(&r);
	lxc_limits_fallback(&l, &r, &err);
	ok(!r.memory && !r.cpu_count, "a limit of max is not a limit");
	request_init(&r);
	request_follow_pins(&r, l.cpus, l.mems);
	ok(!request_asks(&r), "follow-pins ignores a container whose memory is pinned, too");
}

static const char *refusal(const char *text, unsigned int allowed)
{
	static struct error err;
	cleanup_lxc_keys struct lxc_keys k = { 0 };
	struct request r;

	err.text[0] = '\0';
	if (lxc_keys_parse(text, strlen(text), "config", &k, &err) == 0 &&
	    lxc_keys_request(&k, "", allowed, &r, &err) < 0)
		lxc_keys_locate(&k, "config", &err);
	return err.text;
}

static void variables(void)
{
	static const char text[] = "lxc.environment = PATH=/bin\nlxc.environment = NUMAPLACE_LIMITS_CPU=2\n"
				   "lxc.environment.runtime = NUMAPLACE_LIMITS_CPU=3\nlxc.environment = NUMAPLACE_LIMITS_MEMORY\n"
				   "lxc.environment = NUMAPLACE_LIMITS_CPU_NODES=\nlxc.environment = NUMAPLACE_CPUS=0\n";
	cleanup_lxc_keys struct lxc_keys k = { 0 };
	struct error err = { 0 };
	struct request r;

	is_int(lxc_keys_parse(text, strlen(text), "config", &k, &err), 0, "variables are parsed %s", err.text);
	ok(lxc_keys_ask(&k), "a variable is a request");
	is_int(lxc_keys_request(&k, "", ~0U, &r, &err), 0, "it is valid %s", err.text);
	is_int(r.cpu_count, 3, "the last line counts");
	is_int(r.given, 1U << KEY_CPU, "a variable without a value does not count");
	is_int(lxc_keys_set(&k, "limits.cpu=5", &err), 0, "the command line sets the same key");
	lxc_keys_request(&k, "", ~0U, &r, &err);
	is_int(r.cpu_count, 5, "the command line wins over a variable");
	lxc_keys_free(&k);
	lxc_keys_parse(text, strlen(text), "config", &k, &err);
	lxc_keys_drop_variables(&k);
	ok(!lxc_keys_ask(&k), "dropped variables are no request");
	is_str(refusal("\nlxc.environment = NUMAPLACE_LIMITS_MEMORY_POLICY=lax\n", ~0U),
	       "config:2: NUMAPLACE_LIMITS_MEMORY_POLICY: limits.memory.policy: \"lax\": not strict, preferred, interleave or "
	       "weighted-interleave",
	       "a bad value: the message has the line and the variable");
	is_str(refusal("limits.cpu = 2\nlxc.environment = NUMAPLACE_LIMITS_CPU=3\n", ~0U),
	       "limits.cpu is \"2\" but NUMAPLACE_LIMITS_CPU is \"3\"", "a line and a variable with different values");
	is_str(refusal("limits.cpu = 2\nlxc.environment = NUMAPLACE_LIMITS_CPU=2\n", ~0U), "",
	       "a line and a variable with the same value");
	is_str(refusal("lxc.environment = NUMAPLACE_LIMITS_CPUS=2\n", ~0U),
	       "lxc.environment: NUMAPLACE_LIMITS_CPUS: no such key", "an unknown key in a variable");
	is_str(refusal("lxc.environment = NUMAPLACE_LIMITS_CPU=2\n", 0),
	       "config:1: NUMAPLACE_LIMITS_CPU: \"2\": containers may not set this key (container-keys)",
	       "a variable whose key is not allowed");
}

static void devices(void)
{
	cleanup_lxc_limits struct lxc_limits l = { 0 };
	struct error err = { 0 };

	lxc_limits_parse("lxc.cgroup2.devices.deny = a\nlxc.cgroup2.devices.allow = c 1:3 rwm\n"
			 "lxc.cgroup2.devices.allow = c 136:* rwm\nlxc.cgroup2.devices.allow = c *:* m\n"
			 "lxc.cgroup2.devices.allow = c 10:200 rwm\n",
			 &l, &err);
	is_int(l.devices.n, 0, "the rules of LXC's own configuration name no device that has a node");
	lxc_limits_parse("lxc.cgroup2.devices.allow = b 259:0 rwm\nlxc.cgroup2.devices.allow = c 226:128 rw\n"
			 "lxc.cgroup2.devices.allow = b 259:0 r\nlxc.cgroup2.devices.allow = b259:0 r\n",
			 &l, &err);
	is_int(l.devices.n, 2, "rules for a disk and a GPU");
	lxc_mounts_parse("proc proc proc\n  /dev/nvme0n1 dev/d none bind,create=file 0 0\n/dev/../etc x none bind\n/devices x none bind\n\n/dev/sda x",
			 &l, &err);
	is_int(l.devices.n, 4, "mounts of two device nodes");
	ok(!l.devices.all, "not every device is allowed");
	/* the value is a copy of its size, so that the sanitizers see a read behind it */
	is_int(lxc_limits_parse("lxc.cgroup2.devices.allow =\nlxc.cgroup2.devices.allow = c\n", &l, &err), 0,
	       "device rules without a number are left out");
	lxc_limits_parse("lxc.cgroup2.devices.allow = a\n", &l, &err);
	ok(l.devices.all, "every device is allowed");
	lxc_limits_parse("lxc.cgroup2.devices.deny = a\n", &l, &err);
	ok(!l.devices.all, "the last rule for every device counts");
}

int main(void)
{
	lines_of_ours();
	last_wins();
	byte_order_mark();
	slips();
	hints();
	limits();
	variables();
	devices();
	return done();
}
