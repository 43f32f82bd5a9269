/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The NUMA node of a device, which sysfs has at the device itself or at one above it: a virtio disk is below the PCI
 * function that has the node.
 */
#ifndef NUMAPLACE_DEVICE_NODE_H
#define NUMAPLACE_DEVICE_NODE_H

#include "plugin/base/error.h"

#include <dirent.h>
#include <stdbool.h>
#include <sys/types.h>

/* What has a node: two devices with the same one are parts of the same piece of hardware. */
struct device_place {
	int node;    /* -1: the kernel does not know */
	dev_t dev;   /* of the folder in sysfs that has the node */
	ino_t inode;
};

/* Opens the folder in sysfs of the device with this name: a network, block, nvme, drm, infiniband or dax device, or a
 * PCI address. -ENOENT: none has it. */
int device_open(int root, const char *name);

/*
 * Opens the folder of the device that @dir belongs to or is below of. -1: @dir is no device; the @first of a walk always is
 * one.
 */
int device_open_above(int dir, bool first);

/* The devices of the VFIO group with this number, links to their folders. NULL: there is no such group. */
DIR *device_list_group(int root, const char *group);

/* The place of the device with the folder @dir. */
struct device_place device_place_of(int dir);

/*
 * Node id of the device with this name. Returns 0 with *@node (-1: the kernel does not know), or -EINVAL if there is no
 * such device.
 */
int device_node(int root, const char *device, int *node, struct error *err);

#endif
