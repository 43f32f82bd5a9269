/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine as a NodeResourceTopology object of Kubernetes, for schedulers that see NUMA nodes. `numaplace topology
 * --nrt` prints it, and numaplace-kube sends it to the API server.
 */
#ifndef NUMAPLACE_NRT_H
#define NUMAPLACE_NRT_H

#include "include/numaplace.h"
#include "plugin/base/error.h"
#include "runtime-hooks/common/json-write.h"
#include "runtime-hooks/kube/kube-name.h"

#define NRT_GROUP "topology.node.k8s.io"
#define NRT_VERSION "v1alpha2"
#define NRT_RESOURCE "noderesourcetopologies"

/*
 * The name of this node: @option (of --node-name), else NODE_NAME in the environment, else the name of the host below
 * @root, in lower case as a kubelet registers it. -EINVAL: it cannot be the name of a node.
 */
int nrt_node_name(int root, const char *option, char out[KUBE_NAME_MAX + 1], struct error *err);

/* Writes the object of @s. */
void nrt_write(struct json_writer *o, const struct numaplace_snapshot *s, const char *node_name);

#endif
