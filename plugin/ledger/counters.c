/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file is a magic number and a fixed array of 64-bit numbers, mapped shared. Each addition is atomic, so no lock
 * is needed, and a process that is killed has counted or has not.
 */
#include "plugin/ledger/counters.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "plugin/base/atomic-file.h"
#include "plugin/base/file.h"
#include "plugin/base/util.h"

#define FILE_NAME "counters"
#define MARK 0x31746e756f634e50ULL /* "PNcount1" */

struct image {
	uint64_t mark;
	struct counters counters;
};

const uint32_t counters_bounds[COUNTERS_BUCKETS] = {
	1000, 2000, 5000, 10000, 20000, 50000, 100000, 500000, 1000000, 5000000,
};

/* Write to a temporary file and rename, so that readers see a complete file. */
static int make_file(int dir)
{
	struct image zero = { .mark = MARK };
	char name[32];
	int fd, r;

	snprintf(name, sizeof(name), FILE_NAME ".%d", (int)getpid());
	fd = atomic_file_begin(dir, name, O_RDWR);
	if (fd < 0)
		return fd;
	r = file_pwrite_all(fd, &zero, sizeof(zero), 0);
	close(fd);
	if (r == 0 && renameat2(dir, name, dir, FILE_NAME, RENAME_NOREPLACE) == 0)
		return 0;
	if (r == 0 && errno != EEXIST)
		r = -errno;
	unlinkat(dir, name, 0);
	return r;
}

static int open_file(int dir)
{
	int fd = openat(dir, FILE_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && make_file(dir) == 0)
		fd = openat(dir, FILE_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	return fd;
}

static void add(uint64_t *to, uint64_t by)
{
	__atomic_fetch_add(to, by, __ATOMIC_RELAXED);
}

void counters_add(int dir, enum counter what, uint64_t microseconds)
{
	cleanup_close int fd = open_file(dir);
	struct image *image;
	struct stat st;
	size_t b = 0;

	/* A truncated file would cause SIGBUS; one with another link may be another program's. */
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 ||
	    (uint64_t)st.st_size < sizeof(*image))
		return;
	/* Not unmapped: the hook exits next, and munmap() costs more than the update. */
	image = mmap(NULL, sizeof(*image), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (image == MAP_FAILED)
		return;
	while (b < COUNTERS_BUCKETS && microseconds > counters_bounds[b])
		b++;
	if (image->mark == MARK) {
		add(&image->counters.count[what], 1);
		if (what != COUNT_RELEASED) {
			if (b < COUNTERS_BUCKETS)
				add(&image->counters.bucket[b], 1);
			add(&image->counters.all, 1);
			add(&image->counters.microseconds, microseconds);
		}
	}
}

int counters_read(int dir, struct counters *out, struct error *err)
{
	cleanup_close int fd = openat(dir, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct image image;
	ssize_t n;

	if (fd < 0)
		return error_errno(err, -errno, "counters");
	n = file_read_fd(fd, (char *)&image, sizeof(image));
	if (n < 0)
		return error_errno(err, (int)n, "counters");
	if ((size_t)n != sizeof(image) || image.mark != MARK)
		return error_set(err, -EBADMSG, "counters: not a file of this version");
	*out = image.counters;
	return 0;
}

enum counter counters_of(int status)
{
	if (status >= 0)
		return COUNT_PLACED;
	return status == -ENOSPC || status == -EINVAL || status == -EPERM || status == -ENOTSUP ? COUNT_REFUSED :
												  COUNT_FAILED;
}
