/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CPUs and memory that containers do not get by default, and why: topology, status and map show them.
 */
#ifndef NUMAPLACE_LEFT_OUT_H
#define NUMAPLACE_LEFT_OUT_H

#include "cli/cli.h"

/* "0.0 of 2, 6 isolated"; "- of 2" without a ledger. Each CPU counts for one reason, the first in the struct. */
struct left_out_text {
	char text[160];
};
struct left_out_text left_out_load(const struct numaplace_snapshot *s, const struct numaplace_node *n, const char *unit);

/* "slow memory: only where named, 2.0GiB of it free in ZFS's cache", or @none if there is nothing to note. */
struct left_out_text left_out_memory(const struct numaplace_node *n, const char *none);

/* Whether containers get the memory of this node only if they name it, because of its kind. */
bool left_out_kind(const struct numaplace_node *n);

/* The load of the node's usable CPUs; 1: all are loaded. */
double left_out_fill(const struct numaplace_snapshot *s, const struct numaplace_node *n);

/* Writes the fields "isolated", "reserved"... of a node's object. */
void left_out_json(struct json_writer *o, const struct numaplace_node *n);

#endif
