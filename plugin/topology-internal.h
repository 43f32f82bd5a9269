/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the readers of a machine share: topology-read.c reads all of it,
 * topology-memory.c what changes from one moment to the next.  For these alone.
 */
#ifndef NUMAPLACE_TOPOLOGY_INTERNAL_H
#define NUMAPLACE_TOPOLOGY_INTERNAL_H

#include "plugin/topology.h"

struct memory_reading {
	uint64_t machine_bytes; /* MemTotal of the machine; 0 unknown */
	uint64_t low_bytes;     /* the kernel's low watermark, over the machine */
	char text[8192];
};

/* The first number of a file; false: it is not there, or none. */
bool topology_read_u64(int dir, const char *path, uint64_t *out);

/* What is said of the machine as a whole; sets @t's huge_default and machine_bytes. */
void memory_begin(struct memory_reading *m, int root, struct topology *t);

/* A node's meminfo, added to what @node has: several ids may be one node. */
void memory_add_node(struct memory_reading *m, int dir, const char *path, struct topo_node *node);

/* The hugepages in @dir, of @t's sizes, likewise. */
void memory_add_huge(const struct topology *t, int dir, struct topo_node *node);

/* MemTotal of all nodes together. */
uint64_t memory_of_nodes(const struct topology *t);

/* A machine without nodes: all of its memory. */
void memory_add_machine(struct memory_reading *m, int root, struct topo_node *node);

#endif
