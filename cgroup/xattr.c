/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Extended attributes on the cgroup's directory: they die with it, so they
 * never speak of a container that is gone.
 *
 * trusted.* ones are for the owner of the machine.  To a user, and to root in a user namespace, the kernel gives
 * neither sight nor write of them; these have user.* ones of the same names.  The owner never reads
 * those: a container may be able to write them.
 */
#include "cgroup/cgroup.h"
#include "plugin/util.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TRUSTED "trusted."

/* A name that no one gives: who may take it off is told that it is not there, everybody else that he may not. */
#define NOBODYS TRUSTED "numaplace.nobody"

static bool own_the_machine(int fd)
{
	static int known = -1;

	/* Root that cannot be told is the machine's: it hears of a mark that fails, and leaves none where nobody looks. */
	if (known < 0)
		known = own_uid() == 0 && (fremovexattr(fd, NOBODYS) == 0 || errno != EPERM);
	return known;
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
