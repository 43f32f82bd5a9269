/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading small files through a directory descriptor, bounded.
 */
#ifndef NUMAPLACE_FILE_H
#define NUMAPLACE_FILE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Reads up to @size - 1 bytes of @path below @dir (as file_read_value reads) into @buf and ends it with a
 * NUL.  Returns the length, -errno, or -EFBIG when there is more.  Waits for nobody: a FIFO that has nothing to
 * say, or whatever else is empty and no regular file, is -EINVAL.
 */
ssize_t file_read(int dir, const char *path, char *buf, size_t size);

/* Opens @path below @dir for reading; -EINVAL: it is no regular file. */
int file_open(int dir, const char *path);

/* The same into malloc'd memory, at most @max bytes. */
ssize_t file_read_all(int dir, const char *path, size_t max, char **out);

/* Fills @buf from @fd as far as the file goes; the length, or -errno. */
ssize_t file_read_fd(int fd, char *buf, size_t size);

/*
 * The same where it is a file of the kernel, of one value or of short lines, or a regular one: a read that
 * brings less than half a page has brought the end, and need not be followed by one that brings nothing.
 */
ssize_t file_read_value(int fd, char *buf, size_t size);

/* The same as a text: up to @size - 1 bytes and a NUL behind them; -EFBIG when there is more. */
ssize_t file_read_text(int fd, char *buf, size_t size);

/* Writes all of @len bytes to @fd at @offset, through short writes and EINTR. */
int file_pwrite_all(int fd, const void *data, size_t len, off_t offset);

#endif
