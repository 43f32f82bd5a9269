/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup/text: the kernel's texts about cgroups, as found on real machines, and malformed ones.
 */
#include "cgroup/open.h"
#include "cgroup/text.h"
#include "plugin/base/util.h"
#include "tests/unit/tap.h"

#include <errno.h>

static void test_membership(void)
{
	static const struct {
		const char *what, *text;
		int rc;
		const char *path;
	} cases[] = {
		{ "pure v2", "0::/machine.slice/libpod-1.scope/container\n", 0,
		  "/machine.slice/libpod-1.scope/container" },
		{ "root", "0::/\n", 0, "/" },
		{ "no newline at the end", "0::/a", 0, "/a" },
		{ "hybrid: v1 lines before", "9:name=systemd:/x\n3:cpuset:/y\n0::/z\n", 0, "/z" },
		{ "v2 line first", "0::/z\n1:name=systemd:/\n", 0, "/z" },
		{ "a v1 path that looks like the line", "3:cpuset:/0::/no\n0::/yes\n", 0, "/yes" },
		{ "no v2 line", "3:cpuset:/\n1:cpu:/\n", -ENOENT, NULL },
		{ "hierarchy 10 is not 0", "10::/a\n", -ENOENT, NULL },
		{ "an empty text", "", -ENOENT, NULL },
		{ "a deleted cgroup", "0::/a/b (deleted)\n", -ESRCH, NULL },
		{ "outside of the cgroup namespace", "0::/../other\n", -EXDEV, NULL },
		{ "the parent of the cgroup namespace's root", "0::/..\n", -EXDEV, NULL },
		{ "a name that begins with two dots", "0::/..a\n", 0, "/..a" },
		{ "two dots inside the path", "0::/a/../b\n", -EINVAL, NULL },
		{ "no leading slash", "0::a\n", -EINVAL, NULL },
		{ "no path", "0::\n", -EINVAL, NULL },
		{ "two slashes", "0::/a//b\n", -EINVAL, NULL },
		{ "a trailing slash", "0::/a/\n", -EINVAL, NULL },
		{ "colons and spaces in a name", "0::/a:b c\n", 0, "/a:b c" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char path[CGROUP_PATH_MAX] = "untouched";

		is_int(membership_parse(cases[i].text, path, sizeof(path)), cases[i].rc, "membership_parse: %s",
		       cases[i].what);
		is_str(path, cases[i].path ? cases[i].path : "untouched", "membership_parse: %s: path", cases[i].what);
	}
}

static void test_membership_long(void)
{
	char text[2 * CGROUP_PATH_MAX], path[CGROUP_PATH_MAX];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "0::/", 4);
	is_int(membership_parse(text, path, sizeof(path)), -ENAMETOOLONG,
	       "membership_parse: a path longer than CGROUP_PATH_MAX");
	is_int(membership_parse("0::/abcdef\n", path, 7), -ENAMETOOLONG,
	       "membership_parse: a path longer than the buffer");
	is_int(membership_parse("0::/abcdef\n", path, 8), 0, "membership_parse: a path that just fits into the buffer");
}

#define STAT_MIDDLE " S 1 2 3 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 "

static void test_stat_start(void)
{
	static const struct {
		const char *what, *text;
		uint64_t ticks; /* UINT64_MAX: cannot be parsed */
	} cases[] = {
		{ "a usual line", "7 (sleep)" STAT_MIDDLE "8765 2 3\n", 8765 },
		{ "a name with spaces and brackets", "7 (a) S 1 (b 2)" STAT_MIDDLE "8765 2 3\n", 8765 },
		{ "the largest number", "7 (a)" STAT_MIDDLE "18446744073709551614 2\n", UINT64_MAX - 1 },
		{ "a number too large", "7 (a)" STAT_MIDDLE "18446744073709551616 2\n", UINT64_MAX },
		{ "ends inside the number", "7 (a)" STAT_MIDDLE "8765", UINT64_MAX },
		{ "ends before the number", "7 (a)" STAT_MIDDLE, UINT64_MAX },
		{ "not a number", "7 (a)" STAT_MIDDLE "x 2\n", UINT64_MAX },
		{ "a negative number", "7 (a)" STAT_MIDDLE "-1 2\n", UINT64_MAX },
		{ "no name", "7" STAT_MIDDLE "8765 2\n", UINT64_MAX },
		{ "an empty text", "", UINT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t ticks = UINT64_MAX;

		is_int(stat_start_parse(cases[i].text, &ticks), cases[i].ticks != UINT64_MAX, "stat_start_parse: %s",
		       cases[i].what);
		ok(ticks == cases[i].ticks, "stat_start_parse: %s: %ju", cases[i].what, (uintmax_t)ticks);
	}
}

static void test_stat_parent(void)
{
	static const struct {
		const char *what, *text;
		uint64_t parent; /* UINT64_MAX: cannot be parsed */
	} cases[] = {
		{ "a usual line", "7 (sleep) S 12 7 7 0\n", 12 },
		{ "a name with brackets", "7 (a) S 1 (b) S 12 7 7 0\n", 12 },
		{ "a parent that is not visible", "1 (init) S 0 1 1 0\n", 0 },
		{ "a negative number", "7 (a) S -1 7\n", UINT64_MAX },
		{ "a number too large for a pid", "7 (a) S 2147483648 7\n", UINT64_MAX },
		{ "ends inside the number", "7 (a) S 12", UINT64_MAX },
		{ "an empty text", "", UINT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t parent = UINT64_MAX;

		is_int(stat_parent_parse(cases[i].text, &parent), cases[i].parent != UINT64_MAX,
		       "stat_parent_parse: %s", cases[i].what);
		ok(parent == cases[i].parent, "stat_parent_parse: %s: %ju", cases[i].what, (uintmax_t)parent);
	}
}

#define V2_LINE "25 20 0:22 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_LINES                                                                                                       \
	"30 20 0:25 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"                                                   \
	"31 30 0:26 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu\n"                                         \
	"32 30 0:27 / /sys/fs/cgroup/cpuset rw shared:10 master:3 - cgroup cgroup rw,cpuset\n"

static void test_mountinfo(void)
{
	struct cgroup_mounts m;

	mountinfo_parse(V2_LINE, &m);
	is_str(m.v2, "/sys/fs/cgroup", "mountinfo: pure v2: its mount");
	ok(!m.v1 && !m.v1_cpuset[0], "mountinfo: pure v2 has no v1");

	mountinfo_parse(V1_LINES "33 30 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n", &m);
	is_str(m.v2, "/sys/fs/cgroup/unified", "mountinfo: hybrid: the v2 mount");
	is_str(m.v1_cpuset, "/sys/fs/cgroup/cpuset", "mountinfo: hybrid: cpuset is in v1");

	mountinfo_parse(V1_LINES, &m);
	ok(!m.v2[0] && m.v1, "mountinfo: v1 only: no v2 mount");

	mountinfo_parse("30 20 0:22 /sub /bind rw - cgroup2 cgroup2 rw\n" V2_LINE
			"35 20 0:22 / /second rw - cgroup2 cgroup2 rw\n",
			&m);
	is_str(m.v2, "/sys/fs/cgroup", "mountinfo: the first complete hierarchy is preferred to an earlier bind mount");
	mountinfo_parse("30 20 0:22 /sub /bind rw - cgroup2 cgroup2 rw\n", &m);
	is_str(m.v2, "/bind", "mountinfo: a bind mount of a part is used if there is nothing else");
	mountinfo_parse("30 20 0:22 / /odd\\040place\\134x rw - cgroup2 cgroup2 rw\n", &m);
	is_str(m.v2, "/odd place\\x", "mountinfo: octal escapes are decoded");
	mountinfo_parse("30 20 0:25 / /c rw - cgroup cgroup rw,cpuset_not,xcpuset\n", &m);
	ok(m.v1 && !m.v1_cpuset[0], "mountinfo: options that resemble cpuset are not cpuset");
	mountinfo_parse("", &m);
	ok(!m.v2[0] && !m.v1, "mountinfo: an empty text has no mounts");
	mountinfo_parse("1\n1 2\n1 2 3 4\n1 2 3 4 5 6 7\n1 2 3 / /x rw -\n- cgroup2\n\n" V2_LINE, &m);
	is_str(m.v2, "/sys/fs/cgroup", "mountinfo: short lines are skipped");
}

static void test_words(void)
{
	ok(words_have("cpuset cpu io\n", "cpuset"), "words_have: the first word");
	ok(words_have("cpu io cpuset\n", "cpuset"), "words_have: the last word");
	ok(words_have("cpuset", "cpuset"), "words_have: the only word");
	ok(!words_have("cpu io cpusets\n", "cpuset"), "words_have: not a longer word");
	ok(!words_have("cpu\n", "cpuset"), "words_have: not a shorter word");
	ok(!words_have("", "cpuset") && !words_have("\n", "cpuset"), "words_have: nothing in an empty text");
	ok(words_have("12\n345\n6\n", "345") && !words_have("12\n3456\n", "345"), "words_have: pids, one per line");
}

#define NUMA_STAT                                                                                                      \
	"anon N0=4096 N1=0 N12=8192\nfile N0=100 N1=200 N12=0\nkernel_stack N0=1 N1=0 N12=0\n"                         \
	"pagetables N0=2 N1=0 N12=5\nsec_pagetables N0=0 N1=0 N12=0\nshmem N0=7 N1=7 N12=7\n"                          \
	"file_mapped N0=9 N1=9 N12=9\ninactive_anon N0=9 N1=9 N12=9\nslab_reclaimable N0=4 N1=0 N12=0\n"               \
	"slab_unreclaimable N0=8 N1=0 N12=0\nworkingset_refault_anon N0=9 N1=9 N12=9\n"

#define SOME "some avg10=0.30 avg60=12.05 avg300=0.31 total=12345678901\n"

static void test_pressure(void)
{
	static const char *const bad[] = {
		"", "some\n", "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", "some avg10=0.00 avg300=0.00 total=0\n",
		"some avg10=0.00\nfull avg60=0.00 avg300=0.00 total=0\n", "some avg10=0.00 avg60=101.00 total=0\n",
		"some avg10=-1.00 avg60=0.00 total=0\n", "some avg10=1 avg60=1 total=0\n", "some avg10=0.100 avg60=0.00 ",
		"some avg10=0.00 avg60=0.00x avg300=0.00\n",
	};
	struct pressure p = { 0 };
	uint64_t usec = 7;
	struct error err;

	is_int(pressure_parse(SOME "full avg10=9.00 avg60=9.00 avg300=9.00 total=9\n", &p, &err), 0,
	       "pressure_parse: the kernel's text");
	ok(p.now > 0.002999 && p.now < 0.003001, "pressure_parse: 0.30 %% is %.4f", p.now);
	ok(p.minute > 0.120499 && p.minute < 0.120501, "pressure_parse: 12.05 %% is %.4f", p.minute);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		is_int(pressure_parse(bad[i], &p, &err), -EINVAL, "pressure_parse: malformed text %zu", i);
	ok(p.minute > 0.120499 && p.minute < 0.120501, "pressure_parse: malformed texts change nothing");
	is_int(cpu_usage_parse("usage_usec 123\nuser_usec 100\n", &usec, &err), 0, "cpu_usage_parse: the kernel's text");
	is_int((int64_t)usec, 123, "cpu_usage_parse: the number");
	is_int(cpu_usage_parse("user_usec 100\nusage_usec 123\n", &usec, &err), -EINVAL, "cpu_usage_parse: another first line");
	is_int(cpu_usage_parse("usage_usec 1x\n", &usec, &err), -EINVAL, "cpu_usage_parse: text after the number");
}

static void test_numa_stat(void)
{
	struct numa_stat *s = malloc(sizeof(*s));
	struct error err;

	is_int(numa_stat_parse(NUMA_STAT, s, &err), 0, "numa_stat_parse: the kernel's text");
	is_int(s->n, 3, "numa_stat_parse: number of nodes");
	is_int(s->node[2].id, 12, "numa_stat_parse: sparse node ids");
	is_int(s->node[0].anon, 4096, "numa_stat_parse: anon without inactive_anon");
	is_int(s->node[1].file, 200, "numa_stat_parse: file without file_mapped and shmem, which are parts of it");
	is_int(s->node[0].kernel, 15, "numa_stat_parse: sum of the kernel's kinds");
	is_int(s->node[2].kernel, 5, "numa_stat_parse: the kernel's kinds on node 12");
	is_int(numa_stat_parse("", s, &err), 0, "numa_stat_parse: an empty text");
	is_int(s->n, 0, "numa_stat_parse: an empty text has no nodes");
	is_int(numa_stat_parse("anon\nfile N0=1", s, &err), 0,
	       "numa_stat_parse: a kind without nodes, and no newline at the end");
	is_int(s->node[0].file, 1, "numa_stat_parse: the value of a line without a newline");
	is_int(numa_stat_parse("anon N0=18446744073709551615\n", s, &err), 0, "numa_stat_parse: the largest number");
	is_int(numa_stat_parse("anon N0=18446744073709551616\n", s, &err), -EINVAL,
	       "numa_stat_parse: a number too large");
	is_str(err.text, "memory.numa_stat: malformed line \"anon N0=18446744073709551616\\x0a\"",
	       "numa_stat_parse: message for a number too large");
	is_int(numa_stat_parse("anon N1024=1\n", s, &err), -EINVAL, "numa_stat_parse: node 1024 is refused");
	is_int(numa_stat_parse("anon N4294967296=1\n", s, &err), -EINVAL, "numa_stat_parse: node 2^32 is not node 0");
	is_int(numa_stat_parse("anon N0=\n", s, &err), -EINVAL, "numa_stat_parse: no number");
	is_int(numa_stat_parse("anon N0=-1\n", s, &err), -EINVAL, "numa_stat_parse: a negative number");
	is_int(numa_stat_parse("anon N0=1x\n", s, &err), -EINVAL, "numa_stat_parse: text after a number");
	is_int(numa_stat_parse("anon 0=1\n", s, &err), -EINVAL, "numa_stat_parse: a node without N");
	is_int(numa_stat_parse("anon  N0=1  \n", s, &err), 0, "numa_stat_parse: several spaces");
	is_int(hugetlb_stat_parse("total=6291456 N0=2097152 N3=4194304\n", s, &err), 0,
	       "hugetlb_stat_parse: the kernel's text");
	ok(s->n == 2 && s->node[1].id == 3 && s->node[1].anon == 4194304,
	   "hugetlb_stat_parse: bytes per node, without the total");
	is_int(hugetlb_stat_parse("N0=1\n", s, &err), -EINVAL, "hugetlb_stat_parse: no total");
	is_int(hugetlb_stat_parse("", s, &err), -EINVAL, "hugetlb_stat_parse: an empty text");
	free(s);
}

static void test_plain(void)
{
	static const char *const good[] = { "/", "/a", "/a/b.c", "/...", "/..a/b", "/a b" };
	static const char *const bad[] = { "",	  "a",	  "//",	   "/a/",     "/a//b", "/.",
					   "/..", "/a/.", "/a/..", "/a/../b", "/./a" };
	char large[CGROUP_PATH_MAX + 8];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ok(path_is_plain(good[i]), "path_is_plain: %s", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok(!path_is_plain(bad[i]), "path_is_plain: not \"%s\"", bad[i]);
	memset(large, 'a', sizeof(large) - 1);
	large[0] = '/';
	large[sizeof(large) - 1] = '\0';
	ok(!path_is_plain(large), "path_is_plain: not a too long path");
}

int main(void)
{
	test_membership();
	test_membership_long();
	test_stat_start();
	test_stat_parent();
	test_mountinfo();
	test_words();
	test_numa_stat();
	test_pressure();
	test_plain();
	return done();
}
