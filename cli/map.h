/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared by `numaplace map` and its SVG output: which containers use which CPU.
 */
#ifndef NUMAPLACE_MAP_H
#define NUMAPLACE_MAP_H

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

/* Draws the SVG picture, for any number of nodes. Write errors stay in @f (ferror()). -ENOMEM. */
int map_svg(const struct map *m, FILE *f, struct error *err);

/* Whether containers get the CPU (index) only by naming it. */
bool map_left_out(const struct map *m, unsigned int cpu);

/* "2.0 of 4 CPUs, 2 isolated" */
struct left_out_text map_load_text(const struct map *m, unsigned int node, const char *unit);

/* A node's load divided by its usable CPUs. */
double map_load(const struct map *m, unsigned int node);

#endif
