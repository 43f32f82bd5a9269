/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Extended attributes of the cgroup's directory. They disappear with it, so they never describe a container that is
 * gone.
 *
 * trusted.* attributes are root's: other users, and root in a user namespace, can neither read nor write them, and use
 * user.* attributes of the same names instead. Real root never reads those, as a container may be able to write them.
 */
#include "cgroup/cgroup.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TRUSTED "trusted."
#define OVERFLOW_UID 65534 /* what the kernel reports for a uid that the user namespace does not map */

/* Removing this never-set attribute tests for permission: ENODATA if we may write trusted.*, EPERM if not. */
#define NOBODYS TRUSTED "numaplace.nobody"

static bool own_the_machine(int fd)
{
	/*
	 * A fact about the user and the user namespace of the process, the same for every caller and not changed by
	 * any program here: without it, each attribute would cost another system call.
	 */
	static _Atomic int known = -1;

	/*
	 * If unsure, assume real root: a failing mark is then an error, and no user.* mark is left where it would not
	 * be read.
	 */
	if (known < 0)
		known = own_uid() == 0 && (fremovexattr(fd, NOBODYS) == 0 || errno != EPERM);
	return known;
}

bool cgroup_mark_may_be_ours(const struct cgroup_dir *c)
{
	struct stat st;

	if (own_the_machine(c->fd))
		return true;
	if (fstat(c->fd, &st) < 0)
		return false;
	return own_uid() == 0 ? st.st_uid != OVERFLOW_UID : st.st_uid == own_uid();
}

struct name {
	char text[64];
};

static struct name name_for_us(int fd, const char *name)
{
	struct name n;

	if (strncmp(name, TRUSTED, strlen(TRUSTED)) == 0 && !own_the_machine(fd))
		snprintf(n.text, sizeof(n.text), "user.%s", name + strlen(TRUSTED));
	else
		snprintf(n.text, sizeof(n.text), "%s", name);
	return n;
}

int cgroup_set_xattr(const struct cgroup_dir *c, const char *name, const void *value, size_t len, struct error *err)
{
	struct name n = name_for_us(c->fd, name);

	if (fsetxattr(c->fd, n.text, value, len, 0) < 0)
		return error_errno(err, -errno, "cgroup %.200s: set %s (%zu bytes)", c->path, n.text, len);
	return 0;
}

ssize_t cgroup_get_xattr(const struct cgroup_dir *c, const char *name, void *value, size_t size)
{
	ssize_t n = fgetxattr(c->fd, name_for_us(c->fd, name).text, value, size);

	return n < 0 ? -errno : n;
}

int cgroup_remove_xattr(const struct cgroup_dir *c, const char *name)
{
	return fremovexattr(c->fd, name_for_us(c->fd, name).text) < 0 ? -errno : 0;
}
