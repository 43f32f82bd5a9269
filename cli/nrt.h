/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine as a NodeResourceTopology object of Kubernetes, for schedulers that see NUMA nodes.
 */
#ifndef NUMAPLACE_NRT_H
#define NUMAPLACE_NRT_H

#include "cli/cli.h"

#define NRT_NAME_MAX 253 /* of a node of Kubernetes */

/*
 * The name of this node: @option, else NODE_NAME in the environment, else the name of the host, in lower case as a
 * kubelet registers it. -EINVAL: it cannot be the name of a node.
 */
int nrt_node_name(const struct cli *cli, const char *option, char out[NRT_NAME_MAX + 1], struct error *err);

/* Prints the object on stdout. */
void nrt_print(const struct numaplace_snapshot *s, const char *node_name);

#endif
