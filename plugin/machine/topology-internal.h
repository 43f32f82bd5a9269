/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared by the readers of a machine only: topology-read.c reads everything, topology-memory.c what changes at run
 * time.
 */
#ifndef NUMAPLACE_TOPOLOGY_INTERNAL_H
#define NUMAPLACE_TOPOLOGY_INTERNAL_H

#include "plugin/machine/topology.h"

struct memory_reading {
	uint64_t nodes_bytes;   /* sum of MemTotal of all nodes, by which low_bytes is divided; 0 unknown */
	uint64_t said_bytes;    /* MemTotal of /proc/meminfo; 0 unknown */
	uint64_t low_bytes;     /* the kernel's low watermark, for the whole machine */
	char text[16384];
};

/* Reads the machine-wide values; sets @t's huge_default, and nodes_bytes from /proc/meminfo. */
void memory_begin(struct memory_reading *m, int root, struct topology *t);

/*
 * Call when all nodes of @t are known. If the sum of their memory differs from /proc/meminfo (LXCFS shows a
 * container's limit there), reads their memory again; then adds what is counted machine-wide. @nodes: the folder of
 * nodes, or -1.
 */
void memory_end(struct memory_reading *m, int root, int nodes, struct topology *t);

/* Adds a node's meminfo to @node; several ids may be merged into one node. */
void memory_add_node(struct memory_reading *m, int dir, const char *path, struct topo_node *node);

/* Adds the hugepages below @dir, of @t's sizes, to @node. */
void memory_add_huge(const struct topology *t, int dir, struct topo_node *node);

/* Whether /proc/meminfo is a container's (LXCFS): its size differs from the sum of @t's nodes, which have been read. */
bool memory_is_foreign(const struct memory_reading *m, const struct topology *t);

/* All memory of a machine without nodes. */
void memory_add_machine(struct memory_reading *m, int root, struct topo_node *node);

/* Sets every node's memory_kind from the files below @root. Returns 0 or -ENOMEM. */
int topology_settle_kinds(struct topology *t, int root);

/* Sets the memory_kind of nodes without one, from the nodes alone. */
void topology_fill_kinds(struct topology *t);

#endif
