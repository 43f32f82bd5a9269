/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between `numaplace map` and its drawings: which containers are on which CPU.
 */
#ifndef NUMAPLACE_MAP_H
#define NUMAPLACE_MAP_H

#include "cli/snapshot.h"

#define MAP_SHOWN 4 /* containers that are told apart on one CPU */

/* Who is on a CPU (index): places in snapshot.record. */
struct map_cpu {
	unsigned int n; /* all of them */
	unsigned int who[MAP_SHOWN];
};

struct map {
	const struct snapshot *s;
	struct map_cpu *cpu;     /* by CPU index */
	double worst;            /* the highest load of a node over the mean; 0 where nothing is placed */
};

/* The picture, of 1 to 1,024 nodes and more; errors of @f are left in it. -ENOMEM. */
int map_svg(const struct map *m, FILE *f, struct error *err);

/* Whether containers do not get the CPU (index) without naming it. */
bool map_left_out(const struct map *m, unsigned int cpu);

/* "2.0 of 4 CPUs, 2 isolated" */
struct left_out_text map_load_text(const struct map *m, unsigned int node, const char *unit);

/* A node's load as a part of its usable CPUs. */
double map_load(const struct map *m, unsigned int node);

#endif
