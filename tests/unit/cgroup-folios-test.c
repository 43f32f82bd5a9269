/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Folios from a mock /proc: absent pages are skipped, a huge page is one folio, consecutive frames alone are not.
 */
#include "cgroup/folios.h"
#include "plugin/base/util.h"
#include "tests/unit/tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PRESENT (1ULL << 63)
#define HEAD	(1ULL << 15)
#define TAIL	(1ULL << 16)
#define BASE	0x40000000ULL /* first address; a multiple of the step */

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

/* Maps the page at BASE + @n pages to @frame. */
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
	put("proc/7/pagemap", BASE / page + 2 * FOLIOS_STEP, 0); /* long enough for every read, as the kernel's is */
	put("proc/kpageflags", 1 << 16, 0);
}

static size_t look(uint64_t from, uint64_t to)
{
	uint64_t at = BASE + from * page;
	size_t n;

	folios_open(root, 7, &f);
	n = folios_next(&f, &at, BASE + to * page, out);
	folios_close(&f);
	is_int((int64_t)((at - BASE) / page), (int64_t)(to < FOLIOS_STEP ? to : FOLIOS_STEP),
	       "folios_next() advances to page %d", (int)((at - BASE) / page));
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
	is_int((int64_t)look(0, 100), 0, "small: no page is present");
	map(3, 1000);
	map(4, 1001);
	map(5, 1002);
	map(90, 17);
	is_int((int64_t)look(0, 100), 4, "small: consecutive frames without tails are single pages");
	is_folio(1, 4, 1, "small: the second of three consecutive frames");
	is_folio(3, 90, 1, "small: a page with no neighbours");
	is_int((int64_t)look(4, 90), 2, "small: a range that begins between pages");
}

/* Maps a folio of @size pages at page @n, to frames from @frame. */
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
	map_huge(1024, 2560, 512); /* with frames right after those of the first */
	map(1536, 3072);           /* and those of a small page after these */
	map_huge(1540, 4096, 16);
	is_int((int64_t)look(0, 2048), 4, "huge: two huge pages, a small page and a folio of 16 pages");
	is_folio(0, 512, 512, "huge: the first huge page");
	is_folio(1, 1024, 512, "huge: the second huge page");
	is_folio(2, 1536, 1, "huge: the small page");
	is_folio(3, 1540, 16, "huge: the folio of 16 pages");
	is_int((int64_t)look(600, 1030), 2, "huge: a range that begins inside a huge page");
	is_folio(0, 600, 424, "huge: the mapped rest of the first huge page");
	is_folio(1, 1024, 6, "huge: the mapped beginning of the second huge page");
}

/* Folios that are smaller than the alignment of their first frame. */
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
	is_folio(2, 1088, 1, "a small page behind a folio of 64 pages");
}

static void test_torn(void)
{
	begin();
	map_huge(0, 2048, 512);
	put("proc/7/pagemap", BASE / page + 100, 0);
	is_int((int64_t)look(0, 512), 2, "torn: a huge page with a hole is two folios");
	is_folio(1, 101, 411, "torn: the folio after the hole");
	begin();
	map_huge(FOLIOS_STEP - 256, 2048, 512);
	is_int((int64_t)look(0, 2 * FOLIOS_STEP), 1, "torn: a call ends at a multiple of the step");
	is_folio(0, FOLIOS_STEP - 256, 256, "torn: the rest of the huge page is left for the next call");
}

static void test_not_told(void)
{
	begin();
	map_huge(0, 2048, 512);
	unlinkat(root, "proc/kpageflags", 0);
	is_int((int64_t)look(0, 512), 512, "unreadable: without kpageflags each page is a folio");
	begin();
	for (uint64_t i = 0; i < 8; i++)
		map(i, 0);
	is_int((int64_t)look(0, 16), 8, "unreadable: hidden frames do not count as consecutive");
	unlinkat(root, "proc/7/pagemap", 0);
	is_int((int64_t)look(0, 16), 16, "unreadable: without pagemap each address is a folio");
	is_folio(15, 15, 1, "unreadable: without pagemap, the last address");
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
