/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files below a directory descriptor, whose paths are made of a pattern:
 *
 * 	path_read_u64(dir, &v, "node%u/distance", i)
 *
 * A pattern that does not fit is -ENAMETOOLONG.
 */
#ifndef NUMAPLACE_PATH_H
#define NUMAPLACE_PATH_H

#include "plugin/base/idset.h"

#include <dirent.h>
#include <stdint.h>
#include <sys/types.h>

/* As openat() with O_CLOEXEC, but returns a negative errno. */
int path_open(int dir, int flags, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As file_read(). */
ssize_t path_read(int dir, char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* A file that holds one number, alone on its line: 0, -EINVAL (it does not), or another negative errno. */
int path_read_u64(int dir, uint64_t *out, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A short file that holds a list of the kernel ("0-3,8"; at most 4095 bytes): 0, -EINVAL, or another negative errno. */
int path_read_list(int dir, struct ids_out out, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * A list of the entries of the directory @fd, which belongs to the list from then on; NULL, with errno, if @fd is -1 or
 * it is not a directory; @fd is then closed.
 */
DIR *dir_list(int fd);

/* As dir_list(), of the folder @path below @dir. */
DIR *path_list(int dir, const char *path);

#endif
