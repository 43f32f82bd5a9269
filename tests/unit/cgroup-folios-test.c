/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Folios by a made /proc: what is not there is left out, a huge page is one, frames in a row alone are none.
 */
#include "cgroup/folios.h"
#include "plugin/util.h"
#include "tests/unit/tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PRESENT (1ULL << 63)
#define HEAD	(1ULL << 15)
#define TAIL	(1ULL << 16)
#define BASE	0x40000000ULL /* the first address; a multiple of the step */

static char dir[] = "/tmp/numaplace-folios-XXXXXX";
static int root = -1;
static struct folios f;
static struct folio out[FOLIOS_STEP];
static uint64_t page;

static void put(const char *path, uint64_t index, uint64_t value)
{
	int fd = openat(root, path, O_WRONLY | O_CREAT, 0600);

	if (fd < 0 || pwrite(fd, &value, sizeof(value), (off_t)(index * sizeof(value))) != sizeof(value))
		abort();
	close(fd);
}

/* The page at BASE + @n pages is in @frame. */
static void map(uint64_t n, uint64_t frame)
{
	put("proc/7/pagemap", BASE / page + n, PRESENT | frame);
}

static void flag(uint64_t frame, uint64_t flags)
{
	put("proc/kpageflags", frame, flags);
}

static void begin(void)
{
	unlinkat(root, "proc/7/pagemap", 0);
	unlinkat(root, "proc/kpageflags", 0);
	put("proc/7/pagemap", BASE / page + 2 * FOLIOS_STEP, 0); /* as long as the kernel's, which has no end */
	put("proc/kpageflags", 1 << 16, 0);
}

static size_t look(uint64_t from, uint64_t to)
{
	uint64_t at = BASE + from * page;
	size_t n;

	folios_open(root, 7, &f);
	n = folios_next(&f, &at, BASE + to * page, out);
	folios_close(&f);
	is_int((int64_t)((at - BASE) / page), (int64_t)(to < FOLIOS_STEP ? to : FOLIOS_STEP), "it is looked at up to page %d",
	       (int)((at - BASE) / page));
	return n;
}

static void is_folio(size_t i, uint64_t first, uint64_t pages, const char *what)
{
	ok(out[i].address == BASE + first * page && out[i].size == pages * page, "%s: from page %d, %d pages", what,
	   (int)((out[i].address - BASE) / page), (int)(out[i].size / page));
}

static void test_small(void)
{
	begin();
	is_int((int64_t)look(0, 100), 0, "nothing is there: nothing to move");
	map(3, 1000);
	map(4, 1001);
	map(5, 1002);
	map(90, 17);
	is_int((int64_t)look(0, 100), 4, "frames in a row that are no folio are pages of their own");
	is_folio(1, 4, 1, "one of them");
	is_folio(3, 90, 1, "one by itself");
	is_int((int64_t)look(4, 90), 2, "from the middle, up to the end");
}

/* 512 pages at @n, in frames from @frame on. */
static void map_huge(uint64_t n, uint64_t frame, uint64_t size)
{
	for (uint64_t i = 0; i < size; i++) {
		map(n + i, frame + i);
		flag(frame + i, i ? TAIL : HEAD);
	}
}

static void test_huge(void)
{
	begin();
	map_huge(512, 2048, 512);
	map_huge(1024, 2560, 512); /* its frames follow */
	map(1536, 3072);           /* and those of a small one */
	map_huge(1540, 4096, 16);
	is_int((int64_t)look(0, 2048), 4, "two huge pages, a small one, one of 16 pages");
	is_folio(0, 512, 512, "the first huge page");
	is_folio(1, 1024, 512, "the second");
	is_folio(2, 1536, 1, "the small one");
	is_folio(3, 1540, 16, "that of 16 pages");
	is_int((int64_t)look(600, 1030), 2, "in the middle of one");
	is_folio(0, 600, 424, "what is mapped of the first");
	is_folio(1, 1024, 6, "and of the second");
}

/* Frames that begin at a multiple of many sizes, and what lies there is smaller than the largest of these. */
static void test_aligned(void)
{
	begin();
	for (uint64_t i = 0; i < 1024; i++)
		map(i, 8192 + i);
	is_int((int64_t)look(0, 1024), 1024, "small pages in frames that could be huge pages are small");
	begin();
	map_huge(0, 8192, 256);
	map_huge(256, 8448, 256);
	map_huge(512, 8704, 512);
	is_int((int64_t)look(0, 1024), 3, "two folios of 256 pages, and a huge page");
	is_folio(1, 256, 256, "the second");
	is_folio(2, 512, 512, "the huge page");
	begin();
	map_huge(0, 8192, 1024);
	is_int((int64_t)look(0, 1024), 1, "a folio of 1,024 pages is one");
	map_huge(1024, 12288, 64);
	map(1088, 12352);
	is_int((int64_t)look(0, 1100), 3, "a small page behind a folio of 64 pages is by itself");
	is_folio(2, 1088, 1, "it");
}

static void test_torn(void)
{
	begin();
	map_huge(0, 2048, 512);
	put("proc/7/pagemap", BASE / page + 100, 0);
	is_int((int64_t)look(0, 512), 2, "a huge page with a hole in it is two");
	is_folio(1, 101, 411, "behind the hole");
	begin();
	map_huge(FOLIOS_STEP - 256, 2048, 512);
	is_int((int64_t)look(0, 2 * FOLIOS_STEP), 1, "the step ends at a multiple of itself");
	is_folio(0, FOLIOS_STEP - 256, 256, "and what goes on behind it comes with the next");
}

static void test_not_told(void)
{
	begin();
	map_huge(0, 2048, 512);
	unlinkat(root, "proc/kpageflags", 0);
	is_int((int64_t)look(0, 512), 512, "without kpageflags each page is one");
	begin();
	for (uint64_t i = 0; i < 8; i++)
		map(i, 0);
	is_int((int64_t)look(0, 16), 8, "frames that are hidden are no row");
	unlinkat(root, "proc/7/pagemap", 0);
	is_int((int64_t)look(0, 16), 16, "without pagemap every address is one");
	is_folio(15, 15, 1, "the last");
}

int main(void)
{
	if (!mkdtemp(dir))
		abort();
	root = open(dir, O_PATH | O_DIRECTORY);
	mkdirat(root, "proc", 0700);
	mkdirat(root, "proc/7", 0700);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	test_small();
	test_huge();
	test_aligned();
	test_torn();
	test_not_told();
	begin();
	unlinkat(root, "proc/7/pagemap", 0);
	unlinkat(root, "proc/kpageflags", 0);
	unlinkat(root, "proc/7", AT_REMOVEDIR);
	unlinkat(root, "proc", AT_REMOVEDIR);
	rmdir(dir);
	return done();
}
