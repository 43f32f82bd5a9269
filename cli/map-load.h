/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which containers use which CPU, and how loaded each node is: what `numaplace map` shows as letters or as a picture.
 */
#ifndef NUMAPLACE_MAP_LOAD_H
#define NUMAPLACE_MAP_LOAD_H

#include "cli/snapshot.h"

#define MAP_SHOWN 4 /* containers shown separately on one CPU */

/* The containers on a CPU (index), as indexes of snapshot.record. */
struct map_cpu {
	unsigned int n; /* number of containers */
	unsigned int who[MAP_SHOWN];
};

struct map {
	const struct snapshot *s;
	struct map_cpu *cpu;     /* by CPU index */
	double worst;            /* highest load of a node divided by the mean; 0 if nothing is placed */
};

/* -ENOMEM; free it with map_free(). */
int map_make(struct map *m, const struct snapshot *s, struct error *err);
void map_free(struct map *m);

/* Whether containers get the CPU (index) only by naming it. */
bool map_left_out(const struct map *m, unsigned int cpu);

/* "2.0 of 4 CPUs, 2 isolated" */
struct left_out_text map_load_text(const struct map *m, unsigned int node, const char *unit);

/* A node's load divided by its usable CPUs. */
double map_load(const struct map *m, unsigned int node);

#endif
