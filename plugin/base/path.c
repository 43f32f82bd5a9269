/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads files below a directory descriptor.
 */
#include "plugin/base/path.h"

#include "plugin/base/file.h"
#include "plugin/base/number.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define PATH_TEXT 320 /* small, so that a frame does not touch another page of the stack */
#define LIST_TEXT 4096

struct path {
	char text[PATH_TEXT];
};

/* Formats the pattern into @path. Not a function, as it reads the variable arguments of its caller. */
#define path_format(path, fmt)                                                                     \
	__extension__({                                                                            \
		va_list ap_;                                                                       \
		int n_;                                                                            \
		va_start(ap_, fmt);                                                                \
		n_ = vsnprintf((path)->text, sizeof((path)->text), fmt, ap_);                      \
		va_end(ap_);                                                                       \
		n_ < 0 || (size_t)n_ >= sizeof((path)->text) ? -ENAMETOOLONG : 0;                  \
	})

int path_open(int dir, int flags, const char *fmt, ...)
{
	struct path path;
	int fd, r = path_format(&path, fmt);

	if (r < 0)
		return r;
	fd = openat(dir, path.text, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

ssize_t path_read(int dir, char *buf, size_t size, const char *fmt, ...)
{
	struct path path;
	int r = path_format(&path, fmt);

	return r < 0 ? r : file_read(dir, path.text, buf, size);
}

int path_read_u64(int dir, uint64_t *out, const char *fmt, ...)
{
	struct path path;
	char text[64];
	ssize_t n = path_format(&path, fmt);

	if (n == 0)
		n = file_read(dir, path.text, text, sizeof(text));
	if (n < 0)
		return n == -EFBIG ? -EINVAL : (int)n;
	return number_parse_line(text, UINT64_MAX, out) ? 0 : -EINVAL;
}

int path_read_list(int dir, struct ids_out out, const char *fmt, ...)
{
	struct path path;
	char text[LIST_TEXT];
	ssize_t n = path_format(&path, fmt);

	if (n == 0)
		n = file_read(dir, path.text, text, sizeof(text));
	return n < 0 ? (int)n : ids_parse_kernel(text, out, NULL);
}

DIR *dir_list(int fd)
{
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0) {
		int error = errno;

		close(fd);
		errno = error;
	}
	return dir;
}

DIR *path_list(int dir, const char *path)
{
	return dir_list(openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}
