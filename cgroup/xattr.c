/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Extended attributes on the cgroup's directory: they die with it, so they
 * never speak of a container that is gone.
 */
#include "cgroup/cgroup.h"

#include <errno.h>
#include <sys/xattr.h>

int cgroup_set_xattr(const struct cgroup_dir *c, const char *name, const void *value, size_t len, struct error *err)
{
	if (fsetxattr(c->fd, name, value, len, 0) < 0)
		return error_errno(err, -errno, "cgroup %.200s: set %s (%zu bytes)", c->path, name, len);
	return 0;
}

ssize_t cgroup_get_xattr(const struct cgroup_dir *c, const char *name, void *value, size_t size)
{
	ssize_t n = fgetxattr(c->fd, name, value, size);

	return n < 0 ? -errno : n;
}

int cgroup_remove_xattr(const struct cgroup_dir *c, const char *name)
{
	return fremovexattr(c->fd, name) < 0 ? -errno : 0;
}
