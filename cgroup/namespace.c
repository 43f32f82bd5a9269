/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cgroup namespace of this process. A runtime gives a container a namespace whose root is the container's own
 * cgroup, and the kernel then names the cgroups of other containers "/../OTHER", which says nothing about where they are.
 */
#include "cgroup/cgroup.h"

#include "cgroup/text.h"
#include "plugin/base/file.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>

/* Whether process 1 is outside of this namespace. Each user may read this, unlike the namespaces of a process of root. */
static bool host_is_outside(void)
{
	char text[4096], path[CGROUP_PATH_MAX];
	ssize_t n = file_read(AT_FDCWD, "/proc/1/cgroup", text, sizeof(text));

	return n > 0 && membership_parse(text, path, sizeof(path)) == -EXDEV;
}

int cgroup_enter_host(struct error *err)
{
	cleanup_close int fd = -1;

	if (!host_is_outside())
		return 0;
	fd = open("/proc/1/ns/cgroup", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && setns(fd, CLONE_NEWCGROUP) == 0)
		return 0;
	return error_errno(err, -errno, "enter the cgroup namespace of process 1 (CAP_SYS_ADMIN and CAP_SYS_PTRACE are needed)");
}
