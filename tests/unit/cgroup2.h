/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A real cgroup2 for unit tests: mounted in a mount namespace of the test, with a cgroup of its own.
 */
#ifndef TEST_CGROUP2_H
#define TEST_CGROUP2_H

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

struct cgroup2 {
	char path[40];	   /* of the mount */
	char top[64];	   /* the test's cgroup, below the mount, begins with / */
	int mount, folder; /* descriptors of the mount and of the cgroup */
};

/* False: not possible here; the caller skips its tests. */
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

/* Waits up to @ms until no process is in the cgroup: the kernel counts a killed one until it has left. */
static inline bool cgroup2_empty(const struct cgroup2 *c, int ms)
{
	struct pollfd events = { .fd = openat(c->folder, "cgroup.events", O_RDONLY | O_CLOEXEC), .events = POLLPRI };
	char text[128];
	ssize_t n;
	bool empty;

	do {
		n = pread(events.fd, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		empty = strstr(text, "populated 0") != NULL;
	} while (!empty && n > 0 && poll(&events, 1, ms) > 0);
	close(events.fd);
	return empty;
}

/* Removes the cgroup, which must have no children, and the mount. True: both are gone. */
static inline bool cgroup2_end(struct cgroup2 *c)
{
	bool gone = cgroup2_empty(c, 10000) && unlinkat(c->mount, c->top + 1, AT_REMOVEDIR) == 0;

	close(c->folder);
	close(c->mount);
	umount(c->path);
	return rmdir(c->path) == 0 && gone;
}

#endif
