/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bounded reads of small files below a directory descriptor, and complete writes.
 */
#ifndef NUMAPLACE_FILE_H
#define NUMAPLACE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Reads @path below @dir into @buf: up to @size - 1 bytes and a NUL, as file_read_text(). Returns the length, -EFBIG
 * if the file is longer, or another negative errno. Never blocks: an empty file that is not regular (a FIFO, say) is
 * -EINVAL.
 */
ssize_t file_read(int dir, const char *path, char *buf, size_t size);

/*
 * Opens @path below @dir for reading. Returns a descriptor, -EINVAL if it is not a regular file, or another negative
 * errno.
 */
int file_open(int dir, const char *path);

/*
 * Reads @path below @dir into a new buffer *@out with a NUL at the end; the caller frees it. Returns the length,
 * -EFBIG if it is more than @max bytes, or another negative errno.
 */
ssize_t file_read_all(int dir, const char *path, size_t max, char **out);

/* How file_read_growing() reads. */
struct file_growth {
	size_t first, max; /* bytes: of the first buffer (at least 2), and of the longest text */
	/* Reads up to @size bytes and returns their number or a negative errno; fewer are the end of the file. */
	ssize_t (*read)(int fd, char *buf, size_t size);
	/* Whether the text so far has @lines lines, which ends the reading; it may cut the text. NULL: read to the end. */
	bool (*enough)(char *text, unsigned int lines);
	unsigned int lines;
};

/*
 * Reads @fd into a new buffer *@out with a NUL at the end; the caller frees it. Returns the number of bytes that were
 * read, -EFBIG if there are more than .max, or another negative errno.
 */
ssize_t file_read_growing(int fd, const struct file_growth *how, char **out);

/* Reads @fd up to its end or @size bytes. Returns the length or a negative errno. */
ssize_t file_read_fd(int fd, char *buf, size_t size);

/*
 * As file_read_fd(), for regular files and kernel files of one value or short lines: less than half a page from
 * read() is the end of the file, which saves the read() that returns 0.
 */
ssize_t file_read_value(int fd, char *buf, size_t size);

/* As file_read_value(), for text: up to @size - 1 bytes and a NUL; -EFBIG if there is more. */
ssize_t file_read_text(int fd, char *buf, size_t size);

/* Writes @len bytes to @fd at @offset; handles short writes and EINTR. Returns 0 or a negative errno. */
int file_pwrite_all(int fd, const void *data, size_t len, off_t offset);

#endif
