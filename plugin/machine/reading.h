/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared by the readers of a machine only: what one reading has found so far.
 */
#ifndef NUMAPLACE_READING_H
#define NUMAPLACE_READING_H

#include "plugin/base/idset.h"
#include "plugin/machine/topology-internal.h"

#define NODE_DIR "sys/devices/system/node"
#define CPU_DIR "sys/devices/system/cpu"
#define TEXT_MAX 65536

/* State of one reading. */
struct reading {
	struct topology *t;
	int root, node_dir, cpu_dir;  /* -1 if missing */
	struct idset *claims;         /* by node index: CPUs that the node lists */
	struct nodeset ids;           /* node ids found */
	struct idset online;          /* CPUs, as the kernel reports */
	struct memory_reading memory;
	uint16_t *core, *llc, *capacity; /* by CPU id */
	char text[TEXT_MAX];
};

/* Adds a warning to @t; dropped if there are too many. */
void topology_warn(struct topology *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Reads the kernel's list in @path below @dir. */
int reading_list(struct reading *r, int dir, const char *path, struct ids_out out, struct error *err);

/* Reads a set from the file @list, or else from the file @map. -ENOENT: both are missing. */
int reading_set(struct reading *r, int dir, const char *list, const char *map, struct idset *out, struct error *err);

/* --- topology-nodes.c --- */

/* Opens node_dir, if there is one, and lists the ids of the nodes. */
int reading_find_nodes(struct reading *r, struct error *err);
int reading_nodes(struct reading *r, struct error *err);
/* A kernel without nodes: one node 0 that has everything. */
int reading_single_node(struct reading *r, struct error *err);

/* --- topology-cpus.c --- */

int reading_cpus(struct reading *r, struct error *err);
/* Reads the package of each node; call it when the CPUs of the nodes are known. */
void reading_packages(struct reading *r);

#endif
