/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Computes derived fields of a topology, and looks up nodes and CPUs.
 */
#include "plugin/machine/topology-internal.h"

#include "plugin/base/file.h"
#include "plugin/base/path.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

void topology_free(struct topology *t)
{
	if (!t)
		return;
	free(t->nodes);
	if (t->image_mapped) {
		munmap(t->image, t->image_len);
	} else if (t->image) {
		free(t->image);
	} else {
		free(t->cpus);
		free(t->distance);
		free(t->near);
		free(t->twin);
		free(t->cpu_index);
		free(t->node_index);
	}
	free(t);
}

/* Distance relative to the firmware's local distance, which becomes 10. */
static unsigned int normal_distance(const struct topology *t, unsigned int from, unsigned int to)
{
	unsigned int d = topology_distance(t, from, to);
	unsigned int self = topology_distance(t, from, from);

	if (from == to)
		return 10;
	if (self && self != 10)
		d = d * 10 / self;
	return d < 10 ? 10 : d;
}

/* The lowest read latency if it is known for every node with memory, else 0. */
static uint32_t lowest_latency(const struct topology *t)
{
	uint32_t lowest = 0;

	for (unsigned int i = 0; i < t->nnodes; i++) {
		uint32_t latency = t->nodes[i].read_latency;

		if (!t->nodes[i].has_memory)
			continue;
		if (!latency)
			return 0;
		if (!lowest || latency < lowest)
			lowest = latency;
	}
	return lowest;
}

static unsigned int latency_scaled(const struct topology *t, unsigned int d, unsigned int memory, uint32_t lowest)
{
	uint64_t scaled = d;

	if (lowest && t->nodes[memory].has_memory)
		scaled = (uint64_t)d * t->nodes[memory].read_latency / lowest;
	return scaled < 15000 ? (unsigned int)scaled : 15000;
}

/* Hash multiplier of column @i; distinct and odd. */
static uint64_t factor(unsigned int i)
{
	return (2ULL * i + 1) * 0x9e3779b97f4a7c15U;
}

/* @sums: a hash of each row; unequal hashes settle nearly all comparisons. */
static bool alike(const struct topology *t, const uint64_t *sums, unsigned int a, unsigned int b)
{
	const uint16_t *ra = t->near + (size_t)a * t->nnodes, *rb = t->near + (size_t)b * t->nnodes;

	if (ra[a] != rb[b] || sums[a] - factor(a) * ra[a] - factor(b) * ra[b] !=
				      sums[b] - factor(a) * rb[a] - factor(b) * rb[b])
		return false;
	for (unsigned int i = 0; i < t->nnodes; i++)
		if (ra[i] != rb[i] && i != a && i != b)
			return false;
	return true;
}

static int find_twins(struct topology *t)
{
	unsigned int n = t->nnodes;
	cleanup_free uint64_t *sums = calloc(n, sizeof(*sums));

	if (!sums)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int j = 0; j < n; j++)
			sums[i] += factor(j) * t->near[i * n + j];
	for (unsigned int i = 0; i < n; i++) {
		t->twin[i] = (uint16_t)i;
		for (unsigned int j = 0; j < i; j++)
			if (t->twin[j] == j && alike(t, sums, i, j)) {
				t->twin[i] = (uint16_t)j;
				break;
			}
	}
	return 0;
}

/* Whether any core has threads on different nodes, as the firmware of some machines reports. */
static int find_crossing(struct topology *t)
{
	cleanup_free uint16_t *node = malloc((t->ncores + 1) * sizeof(*node));

	if (!node)
		return -ENOMEM;
	memset(node, 0xff, (t->ncores + 1) * sizeof(*node));
	t->cores_cross = false;
	for (unsigned int i = 0; i < t->ncpus; i++) {
		const struct topo_cpu *cpu = &t->cpus[i];

		if (node[cpu->core] == NO_NODE)
			node[cpu->core] = cpu->node;
		t->cores_cross |= node[cpu->core] != cpu->node;
	}
	return 0;
}

int topology_finish(struct topology *t)
{
	unsigned int n = t->nnodes;
	uint32_t lowest = lowest_latency(t);
	unsigned int least = 0;

	for (unsigned int i = 1; i < t->ncpus; i++)
		t->mixed |= t->cpus[i].capacity != t->cpus[0].capacity;
	topology_fill_kinds(t);
	free(t->near);
	free(t->twin);
	if (find_crossing(t) < 0)
		return -ENOMEM;
	t->near = calloc((size_t)n * n, sizeof(*t->near));
	t->twin = calloc(n, sizeof(*t->twin));
	if (!t->near || !t->twin)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int j = i; j < n; j++) {
			unsigned int both = latency_scaled(t, normal_distance(t, i, j), j, lowest) +
					    latency_scaled(t, normal_distance(t, j, i), i, lowest);

			t->near[i * n + j] = t->near[j * n + i] = (uint16_t)both;
			if (i != j && (!least || both < least))
				least = both;
		}
	t->near_least = (uint16_t)(least ? least : 20);
	return find_twins(t);
}

void topology_idle(struct topology *t)
{
	for (unsigned int i = 0; i < t->nnodes; i++) {
		struct topo_node *node = &t->nodes[i];

		node->mem_free = node->mem_total;
		node->arc_bytes = 0;
		for (unsigned int h = 0; h < t->nhuge; h++) {
			uint64_t pool;

			node->huge_free[h] = node->huge_total[h];
			if (__builtin_mul_overflow(node->huge_total[h], t->huge_size[h], &pool) ||
			    pool > node->mem_free)
				pool = node->mem_free;
			node->mem_free -= pool;
		}
	}
	memset(t->huge_reserved, 0, sizeof(t->huge_reserved));
}

const char *memory_kind_name(enum memory_kind kind)
{
	static const char *const names[] = {
		[MEMORY_NONE] = "none", [MEMORY_ORDINARY] = "ordinary", [MEMORY_SLOW] = "slow",
		[MEMORY_FAST] = "fast", [MEMORY_DEVICE] = "device",     [MEMORY_UNKNOWN] = "unknown",
	};

	return kind < ARRAY_SIZE(names) ? names[kind] : "?";
}

int topology_find_node(const struct topology *t, int id)
{
	if (id < 0 || id >= NODE_ID_MAX || t->node_index[id] == NO_NODE)
		return -1;
	return t->node_index[id];
}

int topology_find_cpu(const struct topology *t, int id)
{
	if (id < 0 || (unsigned int)id >= t->cpu_ids || t->cpu_index[id] == NO_NODE)
		return -1;
	return t->cpu_index[id];
}

void topology_nodes_of(const struct topology *t, const struct idset *cpus, struct nodeset *nodes)
{
	nodeset_clear(nodes);
	idset_foreach(id, cpus) {
		int i = topology_find_cpu(t, id);

		if (i >= 0)
			nodeset_add(nodes, t->nodes[t->cpus[i].node].id);
	}
}

void topology_whole_cores(const struct topology *t, const struct idset *cpus, struct idset *out)
{
	struct idset cores = { { 0 } }; /* there are no more cores than CPUs */

	idset_foreach(id, cpus) {
		int i = topology_find_cpu(t, id);

		if (i >= 0)
			idset_add(&cores, t->cpus[i].core);
	}
	idset_clear(out);
	for (unsigned int i = 0; i < t->ncpus; i++)
		if (idset_has(&cores, t->cpus[i].core))
			idset_add(out, t->cpus[i].id);
}

void topology_offline_of(int root, const struct topology *t, unsigned int node, struct idset *cpus)
{
	cleanup_close int dir = -1;
	char path[64];

	idset_clear(cpus);
	if (!t->nodes[node].offline)
		return;
	dir = path_open(root, O_PATH | O_DIRECTORY, "sys/devices/system/node/node%u", t->nodes[node].id);
	if (dir < 0)
		return;
	if (path_read_list(dir, ids_into(cpus), "cpulist") < 0)
		idset_clear(cpus);
	idset_and(cpus, &t->offline);
	idset_foreach(id, &t->offline) {
		snprintf(path, sizeof(path), "cpu%d", id);
		if (faccessat(dir, path, F_OK, 0) == 0)
			idset_add(cpus, (unsigned int)id);
	}
}

static bool read_allowed(int root, const char *v2, const char *v1, struct ids_out out)
{
	char text[4096];

	return (file_read(root, v2, text, sizeof(text)) > 0 || file_read(root, v1, text, sizeof(text)) > 0) &&
	       text[strspn(text, "\n")] && ids_parse_kernel(text, out, NULL) == 0;
}

void topology_allowed(int root, const struct topology *t, struct idset *cpus, struct nodeset *mems)
{
	if (!read_allowed(root, "sys/fs/cgroup/cpuset.cpus.effective", "sys/fs/cgroup/cpuset/cpuset.effective_cpus",
			  ids_into(cpus)))
		*cpus = t->online;
	if (!read_allowed(root, "sys/fs/cgroup/cpuset.mems.effective", "sys/fs/cgroup/cpuset/cpuset.effective_mems",
			  ids_into(mems)))
		*mems = t->mem_nodes;
}
