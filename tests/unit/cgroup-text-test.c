/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup/text: the kernel's texts about cgroups, as they are on the machines
 * that we met and as nobody should ever write them.
 */
#include "cgroup/open.h"
#include "cgroup/text.h"
#include "plugin/util.h"
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
		{ "v1 only", "3:cpuset:/\n1:cpu:/\n", -ENOENT, NULL },
		{ "controller 10 is not 0", "10::/a\n", -ENOENT, NULL },
		{ "empty", "", -ENOENT, NULL },
		{ "deleted", "0::/a/b (deleted)\n", -ESRCH, NULL },
		{ "outside of the cgroup namespace", "0::/../other\n", -EXDEV, NULL },
		{ "just outside of it", "0::/..\n", -EXDEV, NULL },
		{ "a name that begins with dots is a name", "0::/..a\n", 0, "/..a" },
		{ "dots inside", "0::/a/../b\n", -EINVAL, NULL },
		{ "no slash", "0::a\n", -EINVAL, NULL },
		{ "no path", "0::\n", -EINVAL, NULL },
		{ "two slashes", "0::/a//b\n", -EINVAL, NULL },
		{ "slash at the end", "0::/a/\n", -EINVAL, NULL },
		{ "colons and spaces in a name", "0::/a:b c\n", 0, "/a:b c" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char path[CGROUP_PATH_MAX] = "untouched";

		is_int(membership_parse(cases[i].text, path, sizeof(path)), cases[i].rc, "membership: %s",
		       cases[i].what);
		is_str(path, cases[i].path ? cases[i].path : "untouched", "membership: %s: path", cases[i].what);
	}
}

static void test_membership_long(void)
{
	char text[2 * CGROUP_PATH_MAX], path[CGROUP_PATH_MAX];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "0::/", 4);
	is_int(membership_parse(text, path, sizeof(path)), -ENAMETOOLONG, "membership: longer than any path");
	is_int(membership_parse("0::/abcdef\n", path, 7), -ENAMETOOLONG, "membership: longer than the buffer");
	is_int(membership_parse("0::/abcdef\n", path, 8), 0, "membership: just fits");
}

#define STAT_MIDDLE " S 1 2 3 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 "

static void test_stat_start(void)
{
	static const struct {
		const char *what, *text;
		uint64_t ticks; /* UINT64_MAX: makes no sense */
	} cases[] = {
		{ "as usual", "7 (sleep)" STAT_MIDDLE "8765 2 3\n", 8765 },
		{ "a name with blanks and brackets", "7 (a) S 1 (b 2)" STAT_MIDDLE "8765 2 3\n", 8765 },
		{ "the largest", "7 (a)" STAT_MIDDLE "18446744073709551614 2\n", UINT64_MAX - 1 },
		{ "too large", "7 (a)" STAT_MIDDLE "18446744073709551616 2\n", UINT64_MAX },
		{ "cut off in the number", "7 (a)" STAT_MIDDLE "8765", UINT64_MAX },
		{ "cut off before it", "7 (a)" STAT_MIDDLE, UINT64_MAX },
		{ "no number", "7 (a)" STAT_MIDDLE "x 2\n", UINT64_MAX },
		{ "below 0", "7 (a)" STAT_MIDDLE "-1 2\n", UINT64_MAX },
		{ "no name", "7" STAT_MIDDLE "8765 2\n", UINT64_MAX },
		{ "nothing", "", UINT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t ticks = UINT64_MAX;

		is_int(stat_start_parse(cases[i].text, &ticks), cases[i].ticks != UINT64_MAX, "stat: %s", cases[i].what);
		ok(ticks == cases[i].ticks, "stat: %s: %ju", cases[i].what, (uintmax_t)ticks);
	}
}

static void test_stat_parent(void)
{
	static const struct {
		const char *what, *text;
		uint64_t parent; /* UINT64_MAX: makes no sense */
	} cases[] = {
		{ "as usual", "7 (sleep) S 12 7 7 0\n", 12 },
		{ "a name with brackets", "7 (a) S 1 (b) S 12 7 7 0\n", 12 },
		{ "none that is seen", "1 (init) S 0 1 1 0\n", 0 },
		{ "below 0", "7 (a) S -1 7\n", UINT64_MAX },
		{ "no process number", "7 (a) S 2147483648 7\n", UINT64_MAX },
		{ "cut off", "7 (a) S 12", UINT64_MAX },
		{ "nothing", "", UINT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t parent = UINT64_MAX;

		is_int(stat_parent_parse(cases[i].text, &parent), cases[i].parent != UINT64_MAX, "parent: %s",
		       cases[i].what);
		ok(parent == cases[i].parent, "parent: %s: %ju", cases[i].what, (uintmax_t)parent);
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
	is_str(m.v2, "/sys/fs/cgroup", "mountinfo: pure v2");
	ok(!m.v1 && !m.v1_cpuset[0], "mountinfo: pure v2 has no v1");

	mountinfo_parse(V1_LINES "33 30 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n", &m);
	is_str(m.v2, "/sys/fs/cgroup/unified", "mountinfo: hybrid");
	is_str(m.v1_cpuset, "/sys/fs/cgroup/cpuset", "mountinfo: hybrid: cpuset is v1's");

	mountinfo_parse(V1_LINES, &m);
	ok(!m.v2[0] && m.v1, "mountinfo: v1 only");

	mountinfo_parse("30 20 0:22 /sub /bind rw - cgroup2 cgroup2 rw\n" V2_LINE
			"35 20 0:22 / /second rw - cgroup2 cgroup2 rw\n",
			&m);
	is_str(m.v2, "/sys/fs/cgroup", "mountinfo: the first whole hierarchy beats a bind mount before it");
	mountinfo_parse("30 20 0:22 /sub /bind rw - cgroup2 cgroup2 rw\n", &m);
	is_str(m.v2, "/bind", "mountinfo: a part is better than nothing");
	mountinfo_parse("30 20 0:22 / /odd\\040place\\134x rw - cgroup2 cgroup2 rw\n", &m);
	is_str(m.v2, "/odd place\\x", "mountinfo: octal escapes");
	mountinfo_parse("30 20 0:25 / /c rw - cgroup cgroup rw,cpuset_not,xcpuset\n", &m);
	ok(m.v1 && !m.v1_cpuset[0], "mountinfo: options that only look like cpuset");
	mountinfo_parse("", &m);
	ok(!m.v2[0] && !m.v1, "mountinfo: empty");
	mountinfo_parse("1\n1 2\n1 2 3 4\n1 2 3 4 5 6 7\n1 2 3 / /x rw -\n- cgroup2\n\n" V2_LINE, &m);
	is_str(m.v2, "/sys/fs/cgroup", "mountinfo: short lines are passed over");
}

static void test_words(void)
{
	ok(words_have("cpuset cpu io\n", "cpuset"), "words: first");
	ok(words_have("cpu io cpuset\n", "cpuset"), "words: last");
	ok(words_have("cpuset", "cpuset"), "words: only");
	ok(!words_have("cpu io cpusets\n", "cpuset"), "words: longer one");
	ok(!words_have("cpu\n", "cpuset"), "words: shorter one");
	ok(!words_have("", "cpuset") && !words_have("\n", "cpuset"), "words: none");
	ok(words_have("12\n345\n6\n", "345") && !words_have("12\n3456\n", "345"), "words: pids");
}

#define NUMA_STAT                                                                                                      \
	"anon N0=4096 N1=0 N12=8192\nfile N0=100 N1=200 N12=0\nkernel_stack N0=1 N1=0 N12=0\n"                         \
	"pagetables N0=2 N1=0 N12=5\nsec_pagetables N0=0 N1=0 N12=0\nshmem N0=7 N1=7 N12=7\n"                          \
	"file_mapped N0=9 N1=9 N12=9\ninactive_anon N0=9 N1=9 N12=9\nslab_reclaimable N0=4 N1=0 N12=0\n"               \
	"slab_unreclaimable N0=8 N1=0 N12=0\nworkingset_refault_anon N0=9 N1=9 N12=9\n"

static void test_numa_stat(void)
{
	struct numa_stat *s = malloc(sizeof(*s));
	struct error err;

	is_int(numa_stat_parse(NUMA_STAT, s, &err), 0, "numa_stat: as the kernel writes it");
	is_int(s->n, 3, "numa_stat: nodes");
	is_int(s->node[2].id, 12, "numa_stat: sparse ids");
	is_int(s->node[0].anon, 4096, "numa_stat: anon, not inactive_anon");
	is_int(s->node[1].file, 200, "numa_stat: file, not file_mapped and not shmem, which is part of it");
	is_int(s->node[0].kernel, 15, "numa_stat: the kernel's kinds");
	is_int(s->node[2].kernel, 5, "numa_stat: of node 12");
	is_int(numa_stat_parse("", s, &err), 0, "numa_stat: empty");
	is_int(s->n, 0, "numa_stat: empty has no nodes");
	is_int(numa_stat_parse("anon\nfile N0=1", s, &err), 0,
	       "numa_stat: a kind without nodes, no newline at the end");
	is_int(s->node[0].file, 1, "numa_stat: its value");
	is_int(numa_stat_parse("anon N0=18446744073709551615\n", s, &err), 0, "numa_stat: the largest number");
	is_int(numa_stat_parse("anon N0=18446744073709551616\n", s, &err), -EINVAL, "numa_stat: over it");
	is_str(err.text, "memory.numa_stat: malformed line \"anon N0=18446744073709551616\\x0a\"", "numa_stat: message");
	is_int(numa_stat_parse("anon N1024=1\n", s, &err), -EINVAL, "numa_stat: node 1024");
	is_int(numa_stat_parse("anon N4294967296=1\n", s, &err), -EINVAL, "numa_stat: node 2^32 is not node 0");
	is_int(numa_stat_parse("anon N0=\n", s, &err), -EINVAL, "numa_stat: no number");
	is_int(numa_stat_parse("anon N0=-1\n", s, &err), -EINVAL, "numa_stat: negative");
	is_int(numa_stat_parse("anon N0=1x\n", s, &err), -EINVAL, "numa_stat: junk behind a number");
	is_int(numa_stat_parse("anon 0=1\n", s, &err), -EINVAL, "numa_stat: no N");
	is_int(numa_stat_parse("anon  N0=1  \n", s, &err), 0, "numa_stat: spaces");
	is_int(hugetlb_stat_parse("total=6291456 N0=2097152 N3=4194304\n", s, &err), 0, "hugetlb: read");
	ok(s->n == 2 && s->node[1].id == 3 && s->node[1].anon == 4194304, "hugetlb: bytes per node, total aside");
	is_int(hugetlb_stat_parse("N0=1\n", s, &err), -EINVAL, "hugetlb: no total");
	is_int(hugetlb_stat_parse("", s, &err), -EINVAL, "hugetlb: empty");
	free(s);
}

static void test_plain(void)
{
	static const char *const good[] = { "/", "/a", "/a/b.c", "/...", "/..a/b", "/a b" };
	static const char *const bad[] = { "",	  "a",	  "//",	   "/a/",     "/a//b", "/.",
					   "/..", "/a/.", "/a/..", "/a/../b", "/./a" };
	char large[CGROUP_PATH_MAX + 8];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ok(path_is_plain(good[i]), "plain: %s", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok(!path_is_plain(bad[i]), "not plain: \"%s\"", bad[i]);
	memset(large, 'a', sizeof(large) - 1);
	large[0] = '/';
	large[sizeof(large) - 1] = '\0';
	ok(!path_is_plain(large), "not plain: too long");
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
	test_plain();
	return done();
}
