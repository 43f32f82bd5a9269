/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup/pages: numa_maps line by line, and complete ones below a mock root.
 */
#include "cgroup/pages.h"
#include "plugin/base/util.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct pages p;

static int add(const char *line)
{
	memset(&p, 0, sizeof(p));
	return pages_add_line(&p, line);
}

static void test_kinds(void)
{
	is_int(add("7f0000 default anon=3 dirty=3 active=0 N0=1 N2=2 kernelpagesize_kB=4\n"), 0,
	       "anonymous: a line is parsed");
	ok(p.n == 2 && p.node[0].anon == 4096 && p.node[1].id == 2 && p.node[1].anon == 8192,
	   "anonymous: bytes per node");
	is_int(add("7f0000 bind:0-1 file=/lib/libc.so.6 mapped=10 mapmax=30 N1=10 kernelpagesize_kB=4\n"), 0,
	       "file: a line is parsed");
	ok(p.n == 1 && p.node[0].file == 40960 && !p.node[0].anon, "file: bytes");
	is_int(add("7f0000 default file=/lib/libc.so.6 anon=4 dirty=4 N1=4 kernelpagesize_kB=4\n"), 0,
	       "private copies: a line is parsed");
	ok(p.node[0].anon == 16384 && !p.node[0].file,
	   "private copies: a file mapping with only copied pages is anonymous");
	is_int(add("7f0000 default file=/x anon=1 mapped=3 N0=2 N1=2 kernelpagesize_kB=4\n"), 0,
	       "mixed: a line with file pages and copies is parsed");
	ok(p.node[0].mixed == 8192 && p.node[1].mixed == 8192 && !p.node[0].anon && !p.node[0].file,
	   "mixed: bytes per node");
	is_int(add("7f0000 default file=/anon_hugepage\\040(deleted) huge anon=2 dirty=2 N1=2 "
		   "kernelpagesize_kB=2048\n"),
	       0, "hugetlb: a line is parsed");
	ok(p.node[0].huge == 2 * 2097152 && !p.node[0].anon, "hugetlb: bytes in its own page size");
	is_int(add("7ffd00 default stack anon=5 dirty=5 N0=5 kernelpagesize_kB=4"), 0,
	       "stack: a line without a newline is parsed");
	is_int(p.node[0].anon, 20480, "stack: bytes");
	is_int(add("ffff00 default\n"), 0, "empty mapping: a line is parsed");
	is_int(p.n, 0, "empty mapping: no nodes");
	is_int(add("7f0000 prefer=relative:1 anon=1 N1=1 kernelpagesize_kB=64\n"), 0,
	       "page size of 64 kB: a line is parsed");
	is_int(p.node[0].anon, 65536, "page size of 64 kB: bytes");
	is_int(add("7f0000 default file=/N5=9 mapped=1 N0=1\n"), 0, "file name that contains N5=9: a line is parsed");
	ok(p.n == 1 && p.node[0].id == 0 && p.node[0].file == 4096, "file name that contains N5=9: not a node");
	is_int(add("7f0000 default file=/a\\040N7=7 mapped=1 N0=1\n"), 0,
	       "file name with an escaped space: a line is parsed");
	is_int(p.n, 1, "file name with an escaped space: one word");
	is_int(add("7f0000 default hugefile=1 N0=1\n"), 0, "a word that begins with huge: a line is parsed");
	is_int(p.node[0].huge, 0, "a word that begins with huge: no hugepages");
}

static void test_shared(void)
{
	is_int(add("7f0000 default file=/memfd:x\\040(deleted) mapped=3 N1=3 kernelpagesize_kB=4\n"), 0,
	       "memfd: a line is parsed");
	ok(p.node[0].file == 12288 && p.node[0].shared == 12288, "memfd: shared memory");
	is_int(pages_own(&p.node[0]), 12288, "memfd: the process's own bytes");
	is_int(add("7f0000 default file=/memfd:runc_cloned:/proc/self/exe\\040(deleted) mapped=3 N1=3\n"), 0,
	       "runc's copy of itself: a line is parsed");
	is_int(p.node[0].shared, 0, "runc's copy of itself: counts as a file");
	is_int(add("7f0000 default file=/dev/zero\\040(deleted) dirty=3 N1=3\n"), 0,
	       "MAP_SHARED without a file: a line is parsed");
	is_int(p.node[0].shared, 12288, "MAP_SHARED without a file: shared memory");
	is_int(add("7f0000 default file=/memfd:x\\040(deleted) anon=1 mapped=3 N1=3 kernelpagesize_kB=4\n"), 0,
	       "private memfd: a line is parsed");
	ok(!p.node[0].mixed && pages_own(&p.node[0]) == 12288, "private memfd: all of it is the process's own");
	is_int(add("7f0000 default file=/SYSV00000000\\040(deleted) dirty=1 N0=1\n"), 0, "SysV: a line is parsed");
	is_int(p.node[0].shared, 4096, "SysV: shared memory");
	is_int(add("7f0000 default file=/anon_hugepage\\040(deleted) huge dirty=1 N0=1 kernelpagesize_kB=2048\n"), 0,
	       "hugetlb: a line without anonymous pages is parsed");
	ok(!p.node[0].shared && pages_own(&p.node[0]) == 2097152, "hugetlb: its bytes count once");
	is_int(add("7f0000 weighted interleave=static:0-1 anon=3 N0=2 N1=1 kernelpagesize_kB=4\n"), 0,
	       "policy of two words: a line is parsed");
	is_int(p.node[0].anon, 8192, "policy of two words: bytes");
}

static struct nodeset set(const char *text)
{
	struct nodeset s;

	nodeset_clear(&s);
	nodeset_parse_kernel(text, &s, NULL);
	return s;
}

static void test_policies(void)
{
	static const struct {
		enum memory_policy policy;
		const char *nodes, *text;
	} cases[] = {
		{ POLICY_STRICT, "1", "" },
		{ POLICY_PREFERRED, "1", "prefer=static:1" },
		{ POLICY_PREFERRED, "0-1", "prefer (many)=static:0-1" },
		{ POLICY_INTERLEAVE, "0,2", "interleave=static:0,2" },
		{ POLICY_WEIGHTED, "0-3", "weighted interleave=static:0-3" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nodeset nodes = set(cases[i].nodes);
		char text[64];

		pages_policy_text(cases[i].policy, &nodes, text, sizeof(text));
		is_str(text, cases[i].text, "policy text: %s on %s", memory_policy_name(cases[i].policy),
		       cases[i].nodes);
	}
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (f) {
		fputs(text, f);
		fclose(f);
	}
}

static void test_mappings(void)
{
	char dir[] = "/tmp/numaplace-maps-XXXXXX", clean[128], text[64];
	cleanup_mappings struct mappings maps = { 0 };
	struct nodeset nodes = set("1");
	cleanup_close int root = -1;
	struct error err = { 0 };

	snprintf(clean, sizeof(clean), "mkdir -p %s/proc/7 %s/proc/8", mkdtemp(dir), dir);
	ok(system(clean) == 0, "mappings: a mock process is created");
	root = open(dir, O_RDONLY | O_DIRECTORY);
	put(dir, "proc/7/maps",
	    "00010000-00014000 rw-p 00000000 00:00 0 \n00020000-00040000 r--p 00000000 fe:01 9 /lib/x\n"
	    "7f0000000000-7f0000400000 rw-p 00000000 00:0f 9 /anon_hugepage (deleted)\n7ffd00000000-7ffd00001000 rw-p "
	    "0 0:0 0 [stack]\n");
	put(dir, "proc/7/numa_maps",
	    "00010000 prefer (many)=static:0-1 anon=4 N0=3 N1=1 kernelpagesize_kB=4\n"
	    "00020000 default file=/lib/x mapped=5 N0=5 kernelpagesize_kB=4\n"
	    "7f0000000000 default file=/anon_hugepage\\040(deleted) huge anon=2 N2=2 kernelpagesize_kB=2048\n"
	    "7ffd00000000 default stack anon=1 N1=1 kernelpagesize_kB=4\n7fff00000000 default anon=1 N0=1\n");
	is_int(mappings_of_pid(root, 7, &nodes, &maps, &err), 0, "mappings_of_pid (%s)", err.text);
	is_int(maps.n, 2, "mappings_of_pid: the number of mappings with own pages on other nodes");
	ok(maps.n == 2 && maps.map[0].start == 0x10000 && maps.map[0].end == 0x14000 &&
		   maps.map[0].elsewhere == 12288 && maps.map[0].own && maps.map[0].page_size == 4096,
	   "mappings_of_pid: small pages");
	ok(maps.n == 2 && maps.map[1].page_size == 2097152 && maps.map[1].elsewhere == 4194304,
	   "mappings_of_pid: hugepages");
	is_int(pages_policy_of_pid(root, 7, text, sizeof(text), &err), 0,
	       "pages_policy_of_pid: a process with a policy");
	is_str(text, "prefer (many)=static:0-1", "pages_policy_of_pid: text");
	is_int(pages_policy_of_pid(root, 9, text, sizeof(text), &err), -ESRCH,
	       "pages_policy_of_pid: a process that does not exist");
	put(dir, "proc/8/maps", "");
	put(dir, "proc/8/numa_maps", "");
	is_int(pages_policy_of_pid(root, 8, text, sizeof(text), &err), -ESRCH, "pages_policy_of_pid: a zombie");
	snprintf(clean, sizeof(clean), "rm -rf %s", dir);
	ok(system(clean) == 0, "mappings: the test's folder is removed");
}

static void test_bad(void)
{
	static const char *const bad[] = {
		"7f default N1024=1\n",
		"7f default N4294967296=1\n",
		"7f default N0=\n",
		"7f default N0=-1\n",
		"7f default N0=99999999999999999999\n",
		"7f default anon=x N0=1\n",
		"7f default N0=1x\n",
		"7f default N0=1 kernelpagesize_kB=99999999999\n",
		"7f default N0\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		is_int(add(bad[i]), -EINVAL, "malformed line is refused: %.40s", quote(bad[i]).text);
		is_int(p.n, 0, "malformed line: nothing is added");
	}
	is_int(add(""), 0, "an empty line is parsed");
	is_int(add("\n"), 0, "a newline alone is parsed");
}

static int mock(char *dir)
{
	char path[256];
	FILE *f;

	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/proc", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/proc/7", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/proc/8", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/proc/7/numa_maps", dir);
	f = fopen(path, "w");
	for (int i = 0; i < 20000; i++)
		fprintf(f, "%x default anon=1 N%d=1 kernelpagesize_kB=4\n", i, i % 3);
	fclose(f);
	return open(dir, O_RDONLY | O_DIRECTORY);
}

static void test_process(void)
{
	char dir[] = "/tmp/numaplace-pages-XXXXXX", clean[128];
	cleanup_close int root = mock(dir);
	struct error err;

	is_int(pages_of_pid(root, 7, &p, &err), 0, "pages_of_pid: a process with 20,000 mappings");
	ok(p.n == 3 && p.node[0].anon == 6667 * 4096ULL && p.node[2].anon == 6666 * 4096ULL,
	   "pages_of_pid: bytes of 20,000 mappings");
	is_int(pages_of_pid(root, 8, &p, &err), -ENOENT, "pages_of_pid: a kernel without numa_maps");
	is_str(err.text, "proc/8/numa_maps: does not exist: the kernel has no NUMA support",
	       "pages_of_pid: message for a kernel without numa_maps");
	is_int(pages_of_pid(root, 9, &p, &err), -ESRCH, "pages_of_pid: a process that does not exist");
	is_str(err.text, "pid 9 is gone", "pages_of_pid: message for a process that does not exist");
	ok(p.n == 3, "pages_of_pid: the output is unchanged after a failure");
	snprintf(clean, sizeof(clean), "rm -rf %s", dir);
	ok(system(clean) == 0, "pages_of_pid: the test's folder is removed");
}

/* --- a real process that maps a file privately and changes some of its pages --- */

struct subject {
	pid_t pid;
	int go[2], ready[2];
	int file;
	size_t pages; /* of the file, all mapped */
};

#define READ_PAGES 64

/* Round 0 reads all pages and changes one; each later round changes nine more. */
static void subject_run(const struct subject *s)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE), next = 0;
	volatile char *at =
		mmap(NULL, s->pages * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, s->file, 0);
	char word = 0;

	for (size_t i = 0; at != MAP_FAILED && i < READ_PAGES; i++)
		word = (char)(word + at[i * size]);
	for (size_t n = 1; at != MAP_FAILED; n = 9) {
		while (n--)
			at[next++ * size] = 1;
		if (write(s->ready[1], &word, 1) != 1 || read(s->go[0], &word, 1) != 1)
			break;
	}
	_exit(0);
}

static bool subject_start(struct subject *s, size_t pages)
{
	char path[] = "/tmp/numaplace-file-XXXXXX";
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	cleanup_free char *data = calloc(READ_PAGES, size);

	s->pages = pages;
	s->file = mkostemp(path, O_CLOEXEC);
	unlink(path);
	if (!data || s->file < 0 || write(s->file, data, READ_PAGES * size) != (ssize_t)(READ_PAGES * size) ||
	    ftruncate(s->file, (off_t)(pages * size)) < 0 || pipe(s->go) < 0 || pipe(s->ready) < 0)
		return false;
	s->pid = fork();
	if (s->pid == 0) {
		close(s->go[1]);
		close(s->ready[0]);
		subject_run(s);
	}
	close(s->go[0]);
	close(s->ready[1]);
	return s->pid > 0;
}

struct sums {
	uint64_t anon, file, mixed;
};

static struct sums subject_look(const struct subject *s, bool go)
{
	struct sums sum = { 0 };
	struct error err = { 0 };
	cleanup_close int root = open("/", O_RDONLY | O_DIRECTORY);
	char word = 0;

	ok((!go || write(s->go[1], &word, 1) == 1) && read(s->ready[0], &word, 1) == 1,
	   "pages of a real process: it is ready");
	is_int(pages_of_pid(root, s->pid, &p, &err), 0, "pages of a real process: read (%s)", err.text);
	for (unsigned int i = 0; i < p.n; i++) {
		sum.anon += p.node[i].anon;
		sum.file += p.node[i].file;
		sum.mixed += p.node[i].mixed;
	}
	return sum;
}

static void subject_end(const struct subject *s)
{
	close(s->go[1]);
	close(s->ready[0]);
	close(s->file);
	waitpid(s->pid, NULL, 0);
}

static void test_apart(void)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct sums one, ten, much, more;
	struct subject s;

	ok(subject_start(&s, READ_PAGES), "private file mapping: a process with 64 pages starts");
	one = subject_look(&s, false);
	ten = subject_look(&s, true);
	is_int(one.mixed + ten.mixed, 0, "private file mapping: no pages stay mixed");
	is_int(ten.anon - one.anon, 9 * page, "private file mapping: nine changed pages add nine own pages");
	is_int(one.file - ten.file, 9 * page, "private file mapping: nine changed pages take nine from the file");
	subject_end(&s);

	ok(subject_start(&s, (17ULL << 30) / page), "large private file mapping: a process with 17 GiB starts");
	much = subject_look(&s, false);
	more = subject_look(&s, true);
	is_int(much.mixed, READ_PAGES * page, "large private file mapping: its pages stay mixed");
	is_int(more.mixed, READ_PAGES * page, "large private file mapping: still mixed after more changes");
	is_int(more.anon - much.anon, 0, "large private file mapping: no own pages are guessed");
	subject_end(&s);
}

int main(void)
{
	test_apart();
	test_kinds();
	test_shared();
	test_policies();
	test_mappings();
	test_bad();
	test_process();
	return done();
}
