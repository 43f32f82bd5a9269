/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bounded reads and complete writes.
 */
#include "plugin/base/file.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#define HALF_A_PAGE 2048
#define READ_FLAGS  (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) /* a FIFO must not block */

static ssize_t read_until(int fd, char *buf, size_t size, ssize_t enough)
{
	size_t used = 0;

	while (used < size) {
		ssize_t n = read(fd, buf + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		used += (size_t)n;
		if (n < enough)
			break;
	}
	return (ssize_t)used;
}

ssize_t file_read_fd(int fd, char *buf, size_t size)
{
	return read_until(fd, buf, size, 1);
}

ssize_t file_read_value(int fd, char *buf, size_t size)
{
	return read_until(fd, buf, size, HALF_A_PAGE);
}

ssize_t file_read_text(int fd, char *buf, size_t size)
{
	ssize_t n = file_read_value(fd, buf, size);

	if (n < 0)
		return n;
	if ((size_t)n == size)
		return -EFBIG;
	buf[n] = '\0';
	return n;
}

static bool is_regular(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

ssize_t file_read(int dir, const char *path, char *buf, size_t size)
{
	cleanup_close int fd = openat(dir, path, READ_FLAGS);
	ssize_t n = fd < 0 ? -errno : file_read_text(fd, buf, size);

	/* Only fstat() if nothing was read (a FIFO, say), to save a system call otherwise. */
	return fd >= 0 && (n == 0 || n == -EAGAIN) && !is_regular(fd) ? -EINVAL : n;
}

int file_open(int dir, const char *path)
{
	cleanup_close int fd = openat(dir, path, READ_FLAGS);

	if (fd < 0)
		return -errno;
	return is_regular(fd) ? steal_fd(&fd) : -EINVAL;
}

ssize_t file_read_growing(int fd, const struct file_growth *how, char **out)
{
	cleanup_free char *buf = NULL;
	size_t used = 0, size = how->first;

	for (;;) {
		char *bigger = realloc(buf, size);
		ssize_t n;

		if (!bigger)
			return -ENOMEM;
		buf = bigger;
		n = how->read(fd, buf + used, size - 1 - used);
		if (n < 0)
			return n;
		used += (size_t)n;
		if (used > how->max)
			return -EFBIG;
		buf[used] = '\0';
		if ((how->enough && how->enough(buf, how->lines)) || used < size - 1)
			break;
		size = size < how->max / 4 ? size * 4 : how->max + 2;
	}
	*out = steal_ptr(buf);
	return (ssize_t)used;
}

ssize_t file_read_all(int dir, const char *path, size_t max, char **out)
{
	cleanup_close int fd = openat(dir, path, READ_FLAGS);
	struct file_growth how = { .first = 4096, .max = max, .read = file_read_fd };
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && (size_t)st.st_size <= max &&
	    (size_t)st.st_size + 2 > how.first)
		how.first = (size_t)st.st_size + 2;
	return file_read_growing(fd, &how, out);
}

int file_pwrite_all(int fd, const void *data, size_t len, off_t offset)
{
	const char *p = data;

	while (len) {
		ssize_t n = pwrite(fd, p, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		p += n;
		len -= (size_t)n;
		offset += n;
	}
	return 0;
}
