/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * touch [DIR] KIND MIB...: maps and touches memory, and keeps it. KIND: anon, shm (shared, without a file), huge (hugetlb,
 * private), pinned (anon, with its first page in a pipe, so that it cannot be moved), cow (DIR/data, private: every page
 * read, every second one changed), thp (transparent huge pages), small (no transparent huge pages), mixed (2 MiB of thp and
 * of small in turn). DIR is /out by default. Writes "ready" to the FIFO DIR/ready, then executes each line of DIR/go:
 * "KIND MIB", or "end". Ends with status 3 if memory cannot be mapped. Linked statically, so that it runs in any container.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *dir = "/out";

static void say(const char *word)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/ready", dir);
	f = fopen(path, "w");
	if (f) {
		fprintf(f, "%s\n", word);
		fclose(f);
	}
}

static void fail(const char *what)
{
	perror(what);
	say("failed");
	exit(3);
}

/* The pipe, which is never read, keeps a reference to the page. */
static void pin(void *page)
{
	struct iovec one = { .iov_base = page, .iov_len = 4096 };
	int ends[2];

	if (pipe(ends) < 0 || vmsplice(ends[1], &one, 1, 0) != 4096)
		fail("vmsplice");
}

static int open_data(void)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/data", dir);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		fail("open data");
	return fd;
}

/* Allows or forbids huge pages for each 2 MiB, as KIND requires. */
static void touch_aligned(const char *kind, size_t size)
{
	const size_t huge = 2 << 20;
	char *p = mmap(NULL, size + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	p += huge - (size_t)p % huge;
	for (size_t i = 0; i < size; i += huge) {
		int allowed = strcmp(kind, "mixed") == 0 ? i / huge % 2 == 0 : strcmp(kind, "thp") == 0;

		madvise(p + i, huge, allowed ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	}
	for (size_t i = 0; i < size; i += 4096)
		((volatile char *)p)[i] = 1;
}

static void touch(const char *kind, size_t mib)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS, file = -1;
	size_t step = 4096, size = mib << 20;
	volatile char *p;

	if (strcmp(kind, "thp") == 0 || strcmp(kind, "small") == 0 || strcmp(kind, "mixed") == 0) {
		touch_aligned(kind, size);
		return;
	}
	if (strcmp(kind, "shm") == 0)
		flags = MAP_SHARED | MAP_ANONYMOUS;
	if (strcmp(kind, "huge") == 0) {
		flags |= MAP_HUGETLB;
		step = 2 << 20;
	}
	if (strcmp(kind, "cow") == 0) {
		flags = MAP_PRIVATE;
		file = open_data();
		step = 8192;
	}
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, file, 0);
	if (p == MAP_FAILED)
		fail("mmap");
	for (size_t i = 0; file >= 0 && i < size; i += 4096)
		(void)p[i];
	for (size_t i = 0; i < size; i += step)
		p[i] = 1;
	if (strcmp(kind, "pinned") == 0)
		pin((void *)p);
}

int main(int argc, char **argv)
{
	char path[256], line[256], kind[16];
	unsigned long mib;
	int i = 1;

	if (argc > 1 && argv[1][0] == '/')
		dir = argv[i++];
	for (; i + 1 < argc; i += 2)
		touch(argv[i], strtoul(argv[i + 1], NULL, 10));
	say("ready");
	snprintf(path, sizeof(path), "%s/go", dir);
	for (;;) {
		FILE *f = fopen(path, "r");

		if (!f)
			return 1;
		while (fgets(line, sizeof(line), f)) {
			if (sscanf(line, "%15s %lu", kind, &mib) != 2)
				return 0;
			touch(kind, mib);
			say("ready");
		}
		fclose(f);
	}
}
