/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that are replaced as a whole: written under a temporary name in the same folder, and renamed. A reader sees the
 * old file or the new one. fsync() is left to those callers whose file must survive a loss of power.
 */
#ifndef NUMAPLACE_ATOMIC_FILE_H
#define NUMAPLACE_ATOMIC_FILE_H

#include <stddef.h>

/*
 * Creates the temporary file @tmp below @dir, mode 0600. @access: O_WRONLY or O_RDWR. Returns a descriptor, -EEXIST (a
 * killed process has left one), or another negative errno.
 */
int atomic_file_begin(int dir, const char *tmp, int access);

/*
 * Renames @tmp to @name, if @status, the result of writing it, is 0. Otherwise, or if that fails, removes @tmp. Returns
 * @status or the negative errno of the rename.
 */
int atomic_file_end(int dir, const char *tmp, const char *name, int status);

/* All of it: creates @tmp, writes @data, renames. Returns 0 or a negative errno, as atomic_file_begin(). */
int atomic_file_write(int dir, const char *tmp, const char *name, const void *data, size_t len);

#endif
