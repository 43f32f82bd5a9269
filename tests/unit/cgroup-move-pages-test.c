/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The move_pages(2) calls for one process, in one pass. The test writes the process's mappings, page table and page flags
 * as files, and replaces move_pages() by a function that keeps the node of each page.
 */
#include "cgroup/move-pages.h"
#include "plugin/base/util.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <numaif.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PID	7
#define PRESENT (1ULL << 63)
#define TAIL	(1ULL << 16)
#define BASE	0x40000000ULL
#define PAGES	32768U /* from BASE on */
#define HUGE	512U

static char dir[] = "/tmp/numaplace-move-pages-XXXXXX";
static int root = -1;
static uint64_t page;
static FILE *maps, *numa_maps;
static int node_of[PAGES];	  /* -1: no page */
static unsigned int busy;	  /* the move of this page fails once; 0: none */
static unsigned int moves, queries, moved, again;
static unsigned int most;	  /* the largest number of addresses in one move */
static struct page_move m;

int fstatfs(int fd, struct statfs *out)
{
	(void)fd;
	*out = (struct statfs){ .f_type = CGROUP2_SUPER_MAGIC };
	return 0;
}

long move_pages(int pid, unsigned long count, void **pages, const int *nodes, int *status, int flags)
{
	(void)pid;
	(void)flags;
	if (nodes)
		moves++;
	else
		queries++;
	if (nodes && count > most)
		most = (unsigned int)count;
	for (unsigned long i = 0; i < count; i++) {
		uint64_t n = ((uint64_t)(uintptr_t)pages[i] - BASE) / page;

		if (n >= PAGES || node_of[n] < 0) {
			status[i] = -ENOENT;
		} else if (nodes && busy && n == busy) {
			status[i] = -EBUSY;
			busy = 0;
		} else {
			again += nodes && node_of[n] == nodes[i];
			moved += nodes != NULL;
			if (nodes)
				node_of[n] = nodes[i];
			status[i] = node_of[n];
		}
	}
	return 0;
}

static FILE *create(const char *path)
{
	int fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f)
		abort();
	return f;
}

static void put(const char *path, uint64_t index, uint64_t value)
{
	int fd = openat(root, path, O_WRONLY | O_CREAT, 0600);

	if (fd < 0 || pwrite(fd, &value, sizeof(value), (off_t)(index * sizeof(value))) != sizeof(value))
		abort();
	close(fd);
}

static void begin(const char *nodes)
{
	static struct nodeset to;
	const struct topology none = { 0 };
	const struct placement same = { 0 };

	maps = create("proc/7/maps");
	numa_maps = create("proc/7/numa_maps");
	unlinkat(root, "proc/7/pagemap", 0);
	unlinkat(root, "proc/kpageflags", 0);
	put("proc/7/pagemap", BASE / page + PAGES, 0);
	put("proc/kpageflags", 2 * PAGES, 0);
	for (unsigned int i = 0; i < PAGES; i++)
		node_of[i] = -1;
	moves = queries = moved = again = most = busy = 0;
	nodeset_parse(nodes, &to, NULL);
	m = (struct page_move){ .root = root, .mount = root, .cgroup = "/c", .nodes = &to };
	page_move_begin(&m, &none, &same);
}

/* Maps @pages pages from page @at on; @size: 1 for small pages, HUGE for huge ones. */
static void map(unsigned int at, unsigned int pages, unsigned int size, int node)
{
	fprintf(maps, "%llx-%llx rw-p 00000000 00:00 0\n", (unsigned long long)(BASE + at * page),
		(unsigned long long)(BASE + (at + pages) * page));
	fprintf(numa_maps, "%llx default anon=%u dirty=%u N%d=%u kernelpagesize_kB=%u\n",
		(unsigned long long)(BASE + at * page), pages, pages, node, pages, (unsigned int)(page / 1024));
	for (unsigned int i = at; i < at + pages; i++) {
		put("proc/7/pagemap", BASE / page + i, PRESENT | (HUGE + i));
		put("proc/kpageflags", HUGE + i, size == HUGE && i % HUGE ? TAIL : 0);
		if (size == 1 || i % HUGE == 0)
			node_of[i] = node;
	}
}

static void go(void)
{
	struct error err = { 0 };

	fclose(maps);
	fclose(numa_maps);
	is_int(page_move_count_first(&m, &err), 0, "the first count of pages succeeds %s", err.text);
	is_int(page_move_round(&m, &err), 0, "the first round of the move succeeds %s", err.text);
}

static unsigned int on(int node)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < PAGES; i++)
		n += node_of[i] == node;
	return n;
}

static void test_one_node(void)
{
	begin("1");
	for (unsigned int i = 0; i < 100; i++)
		map(2 * i * 16, 16, 1, 0);
	go();
	ok(moves == 1 && queries == 0, "100 small mappings are moved in one call, without a query: %u, %u", moves, queries);
	is_int(on(1), 1600, "100 small mappings: all pages are on the new node");
	is_int((int64_t)m.done, (int64_t)(1600 * page), "100 small mappings: the progress is their size");

	begin("1");
	map(0, 16384, HUGE, 0);
	go();
	ok(moves == (page == 4096 ? 2 : 4) && most == 32 / moves && queries == 0,
	   "32 huge pages are moved in few calls with one address each: %u calls of %u addresses", moves, most);
	begin("1");
	map(0, 16384, 1, 0);
	go();
	ok(moves == 4 && most == 4096, "16,384 small pages are moved in four calls: %u calls of up to %u addresses", moves, most);
}

static void test_partly(void)
{
	begin("1");
	map(0, 64, 1, 0);
	fprintf(maps, "%llx-%llx rw-p 00000000 00:00 0\n", (unsigned long long)(BASE + 512 * page),
		(unsigned long long)(BASE + 8704 * page));
	fprintf(numa_maps, "%llx default anon=64 N0=32 N1=32 kernelpagesize_kB=%u\n",
		(unsigned long long)(BASE + 512 * page), (unsigned int)(page / 1024));
	for (unsigned int i = 512; i < 576; i++) {
		put("proc/7/pagemap", BASE / page + i, PRESENT | (HUGE + i));
		node_of[i] = i % 2;
	}
	go();
	ok(moves == 1 && queries == 1 && moved == 96 && again == 0, "a mapping on two nodes: only pages on the other node are moved: %u",
	   moved);
}

/* From node 0 to nodes 1 to 3; @size as for map(). */
static void test_three(unsigned int size)
{
	begin("1-3");
	map(0, 12 * HUGE, size, 0);
	go();
	for (int n = 1; n <= 3; n++)
		is_int(on(n), 4 * HUGE / size, "%s pages: a third is on node %d", size == 1 ? "small" : "huge", n);
	is_int(again, 0, "%s pages: no page is moved to the node that it is on", size == 1 ? "small" : "huge");
}

static void test_busy(void)
{
	struct error err = { 0 };

	begin("1-2");
	map(0, 64, 1, 0);
	busy = 17;
	go();
	is_int(on(0), 1, "a busy page stays on its node");
	is_int((int64_t)m.done, (int64_t)(63 * page), "a busy page is not counted as progress");
	is_int((int64_t)(m.small.given[0] + m.small.given[1]), (int64_t)(63 * page), "a busy page is not counted for any node");
	is_int(page_move_round(&m, &err), 0, "a second round with a page that was busy succeeds");
	ok(on(0) == 0 && queries == 1 && moved == 64, "a second round queries all pages and moves only the one that was busy: %u queries, %u moved", queries, moved);
}

/* pagemap cannot be read. */
static void test_blind(void)
{
	begin("1");
	map(0, 64, 1, 0);
	unlinkat(root, "proc/7/pagemap", 0);
	go();
	ok(queries == 1 && on(1) == 64, "without pagemap, the node of each page is queried first: %u", queries);
}

static void test_time(void)
{
	struct error err = { 0 };

	begin("1");
	map(0, 16384, 1, 0);
	fclose(maps);
	fclose(numa_maps);
	page_move_limit(&m, 1);
	m.end = 1;
	is_int(page_move_round(&m, &err), -ETIMEDOUT, "after its time it ends: %s", err.text);
	is_int(moves, 1, "after the call that it was in");
}

int main(void)
{
	FILE *f;

	if (!mkdtemp(dir))
		abort();
	root = open(dir, O_RDONLY | O_DIRECTORY);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	mkdirat(root, "proc", 0700);
	mkdirat(root, "proc/7", 0700);
	mkdirat(root, "c", 0700);
	f = create("c/cgroup.procs");
	fprintf(f, "%d\n", PID);
	fclose(f);
	test_one_node();
	test_partly();
	test_three(1);
	test_three(HUGE);
	test_busy();
	test_blind();
	test_time();
	for (const char *const *p = (const char *const[]){ "proc/7/maps", "proc/7/numa_maps", "proc/7/pagemap",
							   "proc/kpageflags", "c/cgroup.procs", NULL }; *p; p++)
		unlinkat(root, *p, 0);
	for (const char *const *p = (const char *const[]){ "proc/7", "proc", "c", NULL }; *p; p++)
		unlinkat(root, *p, AT_REMOVEDIR);
	rmdir(dir);
	return done();
}
