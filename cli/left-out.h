/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CPUs and memory that containers do not get by default, and why: topology, status and map show them.
 */
#ifndef NUMAPLACE_LEFT_OUT_H
#define NUMAPLACE_LEFT_OUT_H

#include "cli/cli.h"
#include "runtime-hooks/common/json-write.h"
#include "plugin/select/usage.h"

/* Sets of CPU ids; a CPU may be in several. */
struct left_out {
	struct idset isolated;    /* isolcpus: used only if a list names them */
	struct idset reserved;    /* reserved-cpus and reserved-nodes of the conf */
	struct idset not_allowed; /* not among the root cgroup's effective CPUs */
	struct idset offline;
	struct idset held;        /* held exclusively by placed containers; part of the load, too */
	struct nodeset bad_mems;  /* node ids: not among the root cgroup's effective memory nodes */
};

/*
 * Finds the sets for the whole machine; @usage may be NULL. If the conf cannot be read, nothing counts as reserved;
 * other functions report the error.
 */
void left_out_read(const struct cli *cli, const struct topology *t, const struct usage *usage, struct left_out *out);

/* Reduces the sets to those of one node (index). */
void left_out_of(int root, const struct topology *t, const struct left_out *all, unsigned int node,
		 struct left_out *out);

/* All CPUs of a node (index). */
void left_out_cpus_of(const struct topology *t, unsigned int node, struct idset *cpus);

/* The node's CPUs that a container may get without naming them. */
void left_out_usable(const struct topology *t, const struct left_out *all, unsigned int node, struct idset *cpus);

/* "0.0 of 2, 6 isolated"; without @usage "- of 2". Each CPU counts for one reason, the first in the struct. */
struct left_out_text {
	char text[160];
};
struct left_out_text left_out_load(const struct topology *t, const struct left_out *node, unsigned int i,
				   const struct usage *usage, const char *unit);

/* "slow memory: only where named, 2.0GiB of it free in ZFS's cache", or @none if there is nothing to note. */
struct left_out_text left_out_memory(const struct topology *t, const struct left_out *all, unsigned int node,
				     const char *none);

/* The load of the node's usable CPUs; 1: all are loaded. */
double left_out_fill(const struct topology *t, const struct left_out *all, unsigned int node, const struct usage *usage);

/* Writes the fields "isolated", "reserved"... of a node's object. */
void left_out_json(struct json_writer *o, const struct left_out *node);

#endif
