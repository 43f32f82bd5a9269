/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening and reading below a directory descriptor, never leaving it: no
 * symlinks, no "..", no other mount.
 */
#ifndef NUMAPLACE_CGROUP_OPEN_H
#define NUMAPLACE_CGROUP_OPEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* True for "/" and "/a/b": no empty part, no ".", no "..", no end slash, and short enough. */
bool path_is_plain(const char *path);

/*
 * Opens @path below @dir; a leading / is @dir itself.  The descriptor, or -errno: -ELOOP for a
 * symlink, -EXDEV for what leads out.
 */
int open_beneath(int dir, const char *path, int flags);

/* What open_beneath does on kernels before 5.6, part by part. */
int open_beneath_by_steps(int dir, const char *path, int flags);

/* Reads up to @size - 1 bytes and ends them with a NUL. The length, -errno, -EFBIG when there is more. */
ssize_t read_beneath(int dir, const char *path, char *buf, size_t size);

/* Writes @text in one write(2), as control files want it. */
int write_beneath(int dir, const char *path, const char *text);

#endif
