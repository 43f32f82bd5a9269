/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replaces files by a rename.
 */
#include "plugin/base/atomic-file.h"

#include "plugin/base/file.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>

int atomic_file_begin(int dir, const char *tmp, int access)
{
	int fd = openat(dir, tmp, access | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

int atomic_file_end(int dir, const char *tmp, const char *name, int status)
{
	if (status == 0 && renameat(dir, tmp, dir, name) < 0)
		status = -errno;
	if (status < 0)
		unlinkat(dir, tmp, 0);
	return status;
}

int atomic_file_write(int dir, const char *tmp, const char *name, const void *data, size_t len)
{
	cleanup_close int fd = atomic_file_begin(dir, tmp, O_WRONLY);

	return fd < 0 ? fd : atomic_file_end(dir, tmp, name, file_pwrite_all(fd, data, len, 0));
}
