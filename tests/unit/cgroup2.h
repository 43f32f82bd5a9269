/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A real cgroup2 for unit tests, mounted in a mount namespace of their own, with a
 * cgroup that is theirs.
 */
#ifndef TEST_CGROUP2_H
#define TEST_CGROUP2_H

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

struct cgroup2 {
	char path[40];	   /* of the mount */
	char top[64];	   /* our cgroup, from the mount on, begins with / */
	int mount, folder; /* descriptors of both */
};

/* False where it cannot be had: to be skipped. */
static inline bool cgroup2_begin(struct cgroup2 *c)
{
	snprintf(c->path, sizeof(c->path), "/tmp/numaplace-cgroup2-XXXXXX");
	snprintf(c->top, sizeof(c->top), "/numaplace-test-%d", (int)getpid());
	if (!mkdtemp(c->path))
		return false;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", c->path, "cgroup2", 0, NULL) < 0) {
		rmdir(c->path);
		return false;
	}
	c->mount = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(c->mount, c->top + 1, 0755) < 0)
		return false;
	c->folder = openat(c->mount, c->top + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return c->folder >= 0;
}

/* True when all of it is gone; what the test made in its cgroup it has to have taken away. */
static inline bool cgroup2_end(struct cgroup2 *c)
{
	bool gone = unlinkat(c->mount, c->top + 1, AT_REMOVEDIR) == 0;

	close(c->folder);
	close(c->mount);
	umount(c->path);
	return rmdir(c->path) == 0 && gone;
}

#endif
