/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Walks up from a device in sysfs to the nearest one with a node.
 */
#include "plugin/machine/device-node.h"

#include "plugin/base/file.h"
#include "plugin/base/number.h"
#include "plugin/base/path.h"
#include "plugin/base/util.h"
#include "plugin/machine/topology.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#define STACK_MAX 3  /* LVM on RAID on encryption */
#define DEPTH_MAX 12 /* devices on top of each other: a partition of a disk behind USB has eight */

static bool read_numa_node(int dir, int *node)
{
	char text[32], *end;
	long v;

	if (file_read(dir, "numa_node", text, sizeof(text)) <= 0)
		return false;
	v = strtol(text, &end, 10);
	if (end == text || v < -1 || v >= NODE_ID_MAX)
		return false;
	*node = (int)v;
	return true;
}

int device_open_above(int dir, bool first)
{
	bool device = first || faccessat(dir, "uevent", F_OK, 0) == 0;
	/* A PCI function has a file of this name, and a class has only folders of devices, which may have it. */
	int fd = device ? openat(dir, "device", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd < 0 && (device || faccessat(dir, "numa_node", F_OK, 0) == 0))
		fd = openat(dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd;
}

static struct device_place place_above(int dir)
{
	struct device_place place = { .node = -1 };
	int fd = openat(dir, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (int depth = 0; fd >= 0 && depth < DEPTH_MAX; depth++) {
		struct stat st;
		int above;

		if (read_numa_node(fd, &place.node) && place.node >= 0 && fstat(fd, &st) == 0) {
			place.dev = st.st_dev;
			place.inode = st.st_ino;
			break;
		}
		above = device_open_above(fd, depth == 0);
		close(fd);
		fd = above;
	}
	if (fd >= 0)
		close(fd);
	return place;
}

/*
 * The place that all devices share of which @dir is made: a disk of LVM or RAID has no node itself. Without one if they
 * are on several nodes.
 */
static struct device_place place_below(int dir, unsigned int levels)
{
	const struct device_place none = { .node = -1 };
	cleanup_closedir DIR *slaves = dir_list(openat(dir, "slaves", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct device_place place = none;

	for (struct dirent *e; slaves && (e = readdir(slaves));) {
		cleanup_close int fd = *e->d_name == '.' ? -1 : path_open(dirfd(slaves), O_PATH | O_DIRECTORY, "%s", e->d_name);
		struct device_place one = fd < 0 ? none : place_above(fd);

		if (fd >= 0 && one.node < 0 && levels > 1)
			one = place_below(fd, levels - 1);
		if (one.node >= 0 && place.node >= 0 && one.node != place.node)
			return none;
		if (one.node >= 0)
			place = one;
	}
	return place;
}

struct device_place device_place_of(int dir)
{
	struct device_place place = place_above(dir);

	return place.node < 0 ? place_below(dir, STACK_MAX) : place;
}

int device_open(int root, const char *name)
{
	static const char *const folders[] = {
		"sys/class/net", "sys/class/block",      "sys/class/nvme", "sys/bus/pci/devices",
		"sys/class/drm", "sys/class/infiniband", "sys/class/dax",
	};

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		int dir = path_open(root, O_RDONLY | O_DIRECTORY, "%s/%s", folders[i], name);

		if (dir >= 0)
			return dir;
	}
	return -ENOENT;
}

DIR *device_list_group(int root, const char *group)
{
	uint64_t number;
	char path[64];

	if (!number_parse(group, UINT32_MAX, &number))
		return NULL;
	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%llu/devices", (unsigned long long)number);
	return path_list(root, path);
}

int device_node(int root, const char *device, int *node, struct error *err)
{
	cleanup_close int dir = device_open(root, device);

	if (dir < 0)
		return error_set(err, -EINVAL, "limits.cpu.device: \"%s\": no such network, block or PCI device",
				 quote(device).text);
	*node = device_place_of(dir).node;
	return 0;
}
