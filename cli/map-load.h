/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which containers use which CPU, and how loaded each node is: what `numaplace map` shows as letters or as a picture.
 */
#ifndef NUMAPLACE_MAP_LOAD_H
#define NUMAPLACE_MAP_LOAD_H

#include "cli/left-out.h"

#define MAP_SHOWN 4 /* containers shown separately on one CPU */

/* The containers on a CPU, as numbers of the snapshot's placements. */
struct map_cpu {
	bool left_out;  /* containers get it only by naming it */
	unsigned int n; /* number of containers */
	unsigned int who[MAP_SHOWN];
};

struct map {
	const struct numaplace_snapshot *s;
	const struct numaplace_machine *machine;
	struct map_cpu *cpu;     /* by number of the CPU */
	unsigned int ncontainers;
	double worst;            /* highest load of a node divided by the mean; 0 if nothing is placed */
};

/* -ENOMEM; free it with map_free(). */
int map_make(struct map *m, const struct numaplace_snapshot *s, struct error *err);
void map_free(struct map *m);

/* The CPUs of containers that are on CPUs of the node. */
double map_node_load(const struct map *m, const struct numaplace_node *n);

#endif
