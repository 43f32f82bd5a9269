/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Uses openat2 if the kernel has it; else gives the same guarantees part by part.
 */
#include "cgroup/open.h"

#include "cgroup/cgroup.h"
#include "plugin/base/file.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define EAGAIN_TRIES 32 /* a rename anywhere may make openat2 fail with EAGAIN */

bool path_is_plain(const char *path)
{
	size_t len = strnlen(path, CGROUP_PATH_MAX);

	if (path[0] != '/' || len >= CGROUP_PATH_MAX)
		return false;
	if (len == 1)
		return true;
	for (const char *p = path; *p;) {
		size_t part = strcspn(++p, "/");

		if (part == 0 || (part == 1 && p[0] == '.') || (part == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += part;
	}
	return true;
}

static const char *below(const char *path)
{
	path += strspn(path, "/");
	return *path ? path : ".";
}

int open_beneath(int dir, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};

	for (int tries = 0;; tries++) {
		long fd = syscall(SYS_openat2, dir, below(path), &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno == ENOSYS)
			return open_beneath_by_steps(dir, path, flags);
		if ((errno != EAGAIN && errno != EINTR) || tries == EAGAIN_TRIES)
			return -errno;
	}
}

/* Opens one part of a path below @dir; -EXDEV if it is not on the device @dev. */
static int open_step(int dir, const char *name, size_t len, int flags, dev_t dev)
{
	char part[NAME_MAX + 1];
	cleanup_close int fd = -1;
	struct stat st;

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(part, name, len);
	part[len] = '\0';
	if (strcmp(part, "..") == 0)
		return -EXDEV;
	fd = openat(dir, part, flags | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		int status = -errno;

		/* For a symlink, O_DIRECTORY gives ENOTDIR. */
		if (status == -ENOTDIR && fstatat(dir, part, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
			return -ELOOP;
		return status;
	}
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_dev == dev ? steal_fd(&fd) : -EXDEV;
}

int open_beneath_by_steps(int dir, const char *path, int flags)
{
	cleanup_close int at = -1;
	const char *p = below(path);
	struct stat st;

	if (fstat(dir, &st) < 0)
		return -errno;
	for (;;) {
		size_t len = strcspn(p, "/");
		const char *next = p + len + strspn(p + len, "/");
		int fd = open_step(at < 0 ? dir : at, p, len, *next ? O_PATH | O_DIRECTORY : flags, st.st_dev);

		if (fd < 0 || !*next)
			return fd;
		if (at >= 0)
			close(at);
		at = fd;
		p = next;
	}
}

ssize_t read_beneath(int dir, const char *path, char *buf, size_t size)
{
	cleanup_close int fd = open_beneath(dir, path, O_RDONLY);

	return fd < 0 ? fd : file_read_text(fd, buf, size);
}

int write_beneath(int dir, const char *path, const char *text)
{
	cleanup_close int fd = open_beneath(dir, path, O_WRONLY);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return fd;
	do
		n = write(fd, text, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}
