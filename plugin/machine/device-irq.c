/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Walks up from a device in sysfs to the nearest one with interrupts: the folder msi_irqs, or the file irq of a PCI function
 * without MSI.
 */
#include "plugin/machine/device-irq.h"

#include "plugin/base/number.h"
#include "plugin/base/path.h"
#include "plugin/base/util.h"
#include "plugin/machine/device-node.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 12 /* as for nodes */
#define VFIO_GROUP "vfio group "

/* -ENOENT: none here. */
static int each_here(int dir, int (*each)(void *arg, int irq), void *arg)
{
	cleanup_closedir DIR *list = path_list(dir, "msi_irqs");
	uint64_t irq;
	int rc = -ENOENT;

	for (struct dirent *e; list && (rc == -ENOENT || rc == 0) && (e = readdir(list));)
		if (number_parse(e->d_name, INT_MAX, &irq))
			rc = each(arg, (int)irq);
	if (rc == -ENOENT && path_read_u64(dir, &irq, "irq") == 0 && irq && irq <= INT_MAX)
		rc = each(arg, (int)irq);
	return rc;
}

static int each_above(int dir, int (*each)(void *arg, int irq), void *arg)
{
	int fd = openat(dir, ".", O_PATH | O_DIRECTORY | O_CLOEXEC), rc = -ENOENT;

	for (int depth = 0; fd >= 0 && depth < DEPTH_MAX; depth++) {
		int above;

		rc = each_here(fd, each, arg);
		if (rc != -ENOENT)
			break;
		above = device_open_above(fd, depth == 0);
		close(fd);
		fd = above;
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

static int each_of_group(int root, const char *group, int (*each)(void *arg, int irq), void *arg)
{
	cleanup_closedir DIR *dir = device_list_group(root, group);
	int rc = -ENOENT;

	for (struct dirent *e; dir && (rc == -ENOENT || rc == 0) && (e = readdir(dir));) {
		cleanup_close int fd =
			*e->d_name == '.' ? -1 : path_open(dirfd(dir), O_PATH | O_DIRECTORY, "%s", e->d_name);
		int one = fd < 0 ? -ENOENT : each_here(fd, each, arg);

		if (one != -ENOENT)
			rc = one;
	}
	return rc;
}

int device_each_irq(int root, const char *name, int (*each)(void *arg, int irq), void *arg)
{
	cleanup_close int dir = -1;

	if (strncmp(name, VFIO_GROUP, strlen(VFIO_GROUP)) == 0)
		return each_of_group(root, name + strlen(VFIO_GROUP), each, arg);
	if (!*name || strchr(name, '/') || *name == '.')
		return -ENOENT;
	dir = device_open(root, name);
	return dir < 0 ? dir : each_above(dir, each, arg);
}
