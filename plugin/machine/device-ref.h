/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The devices in a container's configuration: by number, by path or by name, and from that their nodes. A configuration
 * is hostile input: it may name any device, and any number of them.
 */
#ifndef NUMAPLACE_DEVICE_REF_H
#define NUMAPLACE_DEVICE_REF_H

#include "plugin/base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define DEVICE_REFS_MAX 128  /* devices of one container that are looked up */
#define DEVICES_FOUND_MAX 32 /* of these, pieces of hardware that have a node */
#define DEVICE_FOUND_NAME 40

/* A device that was found in a configuration, and whose node the kernel knows. */
struct device_found {
	char name[DEVICE_FOUND_NAME]; /* for people: "nvme0n1" */
	uint16_t node;
};

struct device_ref;

struct device_refs {
	struct device_ref *ref;
	unsigned int n, room;
	bool more; /* the configuration has more than DEVICE_REFS_MAX */
	bool all;  /* the container may use every device: those that it lists say nothing about it */
};

/*
 * Each adds a device, unless it can have no node (/dev/null, a terminal) or is there already. 0 or -ENOMEM: what is not a
 * device is left out, because the runtime validates its configuration.
 */
int device_refs_add_number(struct device_refs *r, bool block, int64_t major, int64_t minor, struct error *err);
/* A network interface, or a PCI address in any usual spelling. */
int device_refs_add_name(struct device_refs *r, const char *name, struct error *err);
/* The host's path of a device node; paths outside of /dev are left out. */
int device_refs_add_path(struct device_refs *r, const char *path, struct error *err);
/* "c 226:128 rwm", as a cgroup of version 1 has it; "a" sets @r->all. */
int device_refs_add_rule(struct device_refs *r, const char *rule, struct error *err);

void device_refs_free(struct device_refs *r);
#define cleanup_device_refs __attribute__((cleanup(device_refs_free)))

/*
 * Looks the devices up below @root, in their order. Writes those with a node to @out, each piece of hardware once, and
 * returns their number. @out has room for DEVICES_FOUND_MAX.
 */
unsigned int device_refs_find(int root, const struct device_refs *r, struct device_found *out);

#endif
