/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CPUs and memory that containers do not get by themselves, and why: what topology, status and map show beside the
 * rest.
 */
#ifndef NUMAPLACE_LEFT_OUT_H
#define NUMAPLACE_LEFT_OUT_H

#include "cli/cli.h"
#include "cli/out.h"
#include "plugin/usage.h"

/* All are sets of CPU ids; a CPU may be in several. */
struct left_out {
	struct idset isolated;    /* isolcpus: only where a list names them */
	struct idset reserved;    /* reserved-cpus and reserved-nodes of the conf */
	struct idset not_allowed; /* outside of the topmost cgroup's effective CPUs */
	struct idset offline;
	struct idset held;        /* exclusively, by placed containers: in the load, too */
	struct idset bad_mems;    /* node ids: outside of the topmost cgroup's effective memory nodes */
};

/* Of the whole machine; @usage may be NULL. A conf that cannot be read reserves nothing here: others report it. */
void left_out_read(const struct cli *cli, const struct topology *t, const struct usage *usage, struct left_out *out);

/* The part of a node (index). */
void left_out_of(int root, const struct topology *t, const struct left_out *all, unsigned int node,
		 struct left_out *out);

/* The node's CPUs that a container may get without naming them. */
void left_out_usable(const struct topology *t, const struct left_out *all, unsigned int node, struct idset *cpus);

/* "0.0 of 2, 6 isolated"; without @usage "- of 2". A CPU counts for one reason, the first of the struct. */
struct left_out_text {
	char text[160];
};
struct left_out_text left_out_load(const struct topology *t, const struct left_out *node, unsigned int i,
				   const struct usage *usage, const char *unit);

/* "slow memory: only where named, 2.0GiB of it free in ZFS's cache", or @none. */
struct left_out_text left_out_memory(const struct topology *t, const struct left_out *all, unsigned int node,
				     const char *none);

/* How full the usable CPUs of the node are: 1 is all of them. */
double left_out_fill(const struct topology *t, const struct left_out *all, unsigned int node, const struct usage *usage);

/* The fields "isolated", "reserved"... of a node's object. */
void left_out_json(struct out *o, const struct left_out *node);

#endif
