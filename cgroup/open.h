/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening and reading below a directory descriptor without leaving it: no symlinks, no "..", no other mount.
 */
#ifndef NUMAPLACE_CGROUP_OPEN_H
#define NUMAPLACE_CGROUP_OPEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* True for "/" and "/a/b": no empty part, no ".", no "..", no trailing slash, and shorter than CGROUP_PATH_MAX. */
bool path_is_plain(const char *path);

/*
 * Opens @path relative to @dir, with or without a leading slash; O_CLOEXEC is added to @flags. Returns a descriptor,
 * which the caller closes, or -errno: -ELOOP for a symlink, -EXDEV for a path that leaves @dir or its mount.
 */
int open_beneath(int dir, const char *path, int flags);

/* The same without openat2(), for kernels before 5.6: opens part by part. */
int open_beneath_by_steps(int dir, const char *path, int flags);

/* Reads a file below @dir: up to @size - 1 bytes, and a NUL. Returns the length, or -errno; -EFBIG: it is longer. */
ssize_t read_beneath(int dir, const char *path, char *buf, size_t size);

/* Writes @text in one write(2), as control files require. 0 or -errno; -EIO: a short write. */
int write_beneath(int dir, const char *path, const char *text);

#endif
