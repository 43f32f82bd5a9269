/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Classifies the memory of nodes without CPUs: ordinary memory (POWER partitions, guests), or slow, fast or device
 * memory, which containers get only if they name the node.
 *
 * Evidence, strongest first:
 * - device memory: a GPU driver names the node, or the node is farther from all CPUs than they are from each other
 *   (as far, if it has only movable memory), and more than 4 times the local distance;
 * - latency and bandwidth of the HMAT, compared with nodes with CPUs;
 * - the memory tier, compared with nodes with CPUs;
 * - ordinary: the node's CPUs are offline, or the machine is a partition of a POWER hypervisor;
 * - slow: a DAX device provides the memory.
 *
 * Without evidence the kind is unknown, and the node is used only if it is named: unused memory costs less than a
 * container that is slow for a reason that no log shows. If no node is ordinary, the best nodes of unknown kind are,
 * or else all.
 */
#include "plugin/machine/topology-internal.h"

#include "plugin/base/file.h"
#include "plugin/base/path.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define TIERS "sys/devices/virtual/memory_tiering"
#define DEVICE_DISTANCE 40 /* a local access is 10 */
#define DRAM_TIER 4 /* the kernel's number of the default DRAM tier */
#define NO_TIER UINT32_MAX

/* Whether @a is more than 1.5 times @b: smaller differences are measuring noise, or depend on the CPUs. */
static bool much_more(uint32_t a, uint32_t b)
{
	return (uint64_t)a * 2 > (uint64_t)b * 3;
}

struct evidence {
	const struct topology *t;
	uint32_t *tier;          /* by node index */
	bool *ordinary;          /* by node index: the nodes to compare with */
	struct nodeset gpu, dax;   /* node ids */
	bool power_partition;
};

/* Calls @see for every entry of the folder whose name begins with @prefix. */
static void each_entry(int root, const char *path, const char *prefix,
		       void (*see)(struct evidence *, int dir, const char *name), struct evidence *e)
{
	cleanup_closedir DIR *dir = path_list(root, path);
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (d->d_name[0] != '.' && strncmp(d->d_name, prefix, strlen(prefix)) == 0)
			see(e, dirfd(dir), d->d_name);
}

static void see_tier(struct evidence *e, int dir, const char *name)
{
	struct nodeset nodes;
	unsigned int tier;
	char end;

	if (sscanf(name, "memory_tier%u%c", &tier, &end) != 1 || tier == NO_TIER)
		return;
	if (path_read_list(dir, ids_into(&nodes), "%s/nodelist", name) < 0)
		return;
	for (unsigned int i = 0; i < e->t->nnodes; i++)
		if (nodeset_has(&nodes, e->t->nodes[i].id))
			e->tier[i] = tier;
}

/* The file has a line "Node: 2". */
static void see_gpu(struct evidence *e, int dir, const char *name)
{
	char text[1024];
	const char *p;
	unsigned int id;

	if (path_read(dir, text, sizeof(text), "%s/numa_status", name) <= 0)
		return;
	p = strstr(text, "Node:");
	if (p && sscanf(p + 5, "%u", &id) == 1 && id < NODE_ID_MAX)
		nodeset_add(&e->gpu, id);
}

static void see_dax(struct evidence *e, int dir, const char *name)
{
	uint64_t id;

	if (path_read_u64(dir, &id, "%s/target_node", name) == 0 && id < NODE_ID_MAX)
		nodeset_add(&e->dax, (unsigned int)id);
}

/* Distance from the CPUs of @b; a local access is 10. */
static unsigned int distance_of(const struct topology *t, unsigned int a, unsigned int b)
{
	unsigned int self = topology_distance(t, b, b), d = topology_distance(t, b, a);

	return self ? d * 10 / self : d;
}

static bool is_device(const struct evidence *e, unsigned int node)
{
	const struct topology *t = e->t;
	unsigned int nearest = UINT32_MAX, farthest = 0;

	if (nodeset_has(&e->gpu, t->nodes[node].id))
		return true;
	if (e->power_partition)
		return false; /* there, distances double with each level */
	for (unsigned int i = 0; i < t->nnodes; i++) {
		if (!t->nodes[i].ncpus)
			continue;
		if (distance_of(t, node, i) < nearest)
			nearest = distance_of(t, node, i);
		for (unsigned int j = 0; j < t->nnodes; j++)
			if (t->nodes[j].ncpus && distance_of(t, i, j) > farthest)
				farthest = distance_of(t, i, j);
	}
	if (nearest == UINT32_MAX || nearest <= DEVICE_DISTANCE)
		return false;
	/* At the distance of another socket: drivers add their memory as movable, the firmware does not. */
	return nearest > farthest || (nearest == farthest && t->nodes[node].movable_only && !t->nodes[node].offline);
}

/* MEMORY_NONE: unknown to the HMAT. */
static enum memory_kind by_hmat(const struct evidence *e, unsigned int node)
{
	const struct topology *t = e->t;
	const struct topo_node *x = &t->nodes[node];
	uint32_t latency = 0, narrow = 0, wide = 0;

	if (!x->read_bandwidth)
		return MEMORY_NONE;
	for (unsigned int i = 0; i < t->nnodes; i++) {
		const struct topo_node *n = &t->nodes[i];

		if (!e->ordinary[i] || !n->read_bandwidth)
			continue;
		latency = n->read_latency > latency ? n->read_latency : latency;
		narrow = !narrow || n->read_bandwidth < narrow ? n->read_bandwidth : narrow;
		wide = n->read_bandwidth > wide ? n->read_bandwidth : wide;
	}
	if (!wide)
		return MEMORY_NONE;
	if ((latency && much_more(x->read_latency, latency)) || much_more(narrow, x->read_bandwidth))
		return MEMORY_SLOW;
	return much_more(x->read_bandwidth, wide) ? MEMORY_FAST : MEMORY_ORDINARY;
}

static enum memory_kind by_tier(const struct evidence *e, unsigned int node)
{
	uint32_t fastest = NO_TIER;

	for (unsigned int i = 0; e->tier[node] != NO_TIER && i < e->t->nnodes; i++) {
		if (!e->ordinary[i] || e->tier[i] == NO_TIER)
			continue;
		if (e->tier[i] == e->tier[node])
			return MEMORY_ORDINARY;
		fastest = e->tier[i] < fastest ? e->tier[i] : fastest;
	}
	return fastest == NO_TIER ? MEMORY_NONE : e->tier[node] < fastest ? MEMORY_FAST : MEMORY_SLOW;
}

static enum memory_kind by_comparison(const struct evidence *e, unsigned int node)
{
	enum memory_kind kind = by_hmat(e, node);

	return kind == MEMORY_NONE ? by_tier(e, node) : kind;
}

static enum memory_kind kind_of(const struct evidence *e, unsigned int i)
{
	const struct topo_node *n = &e->t->nodes[i];
	enum memory_kind kind;

	if (!n->has_memory)
		return MEMORY_NONE;
	if (n->ncpus)
		return MEMORY_ORDINARY;
	if (is_device(e, i))
		return MEMORY_DEVICE;
	kind = by_comparison(e, i);
	if (kind != MEMORY_NONE)
		return kind;
	if (n->offline)
		return MEMORY_ORDINARY;
	if (nodeset_has(&e->dax, n->id))
		return MEMORY_SLOW;
	return e->power_partition && !n->movable_only ? MEMORY_ORDINARY : MEMORY_UNKNOWN;
}

/*
 * Marks the nodes of unknown kind that are most like main memory (by tier, else by latency); the others are compared
 * with them.
 */
static void choose_ordinary(const struct evidence *e)
{
	const struct topology *t = e->t;
	uint32_t tier = NO_TIER, latency = 0;

	for (unsigned int i = 0; i < t->nnodes; i++) {
		const struct topo_node *n = &t->nodes[i];

		e->ordinary[i] = false;
		if (n->memory_kind != MEMORY_UNKNOWN)
			continue;
		if (tier != DRAM_TIER && (e->tier[i] == DRAM_TIER || e->tier[i] < tier))
			tier = e->tier[i];
		if (n->read_latency && (!latency || n->read_latency < latency))
			latency = n->read_latency;
	}
	for (unsigned int i = 0; i < t->nnodes; i++)
		if (t->nodes[i].memory_kind == MEMORY_UNKNOWN)
			e->ordinary[i] = tier != NO_TIER ? e->tier[i] == tier :
							   !latency || !much_more(t->nodes[i].read_latency, latency);
}

/* Whether some node is ordinary; if not, *@unknown says whether some node's kind is unknown. */
static bool has_ordinary(const struct topology *t, bool *unknown)
{
	*unknown = false;
	for (unsigned int i = 0; i < t->nnodes; i++) {
		if (t->nodes[i].memory_kind == MEMORY_ORDINARY)
			return true;
		*unknown |= t->nodes[i].memory_kind == MEMORY_UNKNOWN;
	}
	return false;
}

/* Makes some nodes ordinary if none is. */
static void settle_only(struct topology *t, const struct evidence *e)
{
	bool unknown;

	if (has_ordinary(t, &unknown))
		return;
	if (unknown && e)
		choose_ordinary(e);
	for (unsigned int i = 0; i < t->nnodes; i++) {
		struct topo_node *n = &t->nodes[i];

		if (n->memory_kind == MEMORY_NONE || (unknown && n->memory_kind != MEMORY_UNKNOWN))
			continue;
		n->memory_kind = unknown && e ? by_comparison(e, i) : MEMORY_NONE;
		if (n->memory_kind == MEMORY_NONE)
			n->memory_kind = MEMORY_ORDINARY;
	}
}

void topology_fill_kinds(struct topology *t)
{
	for (unsigned int i = 0; i < t->nnodes; i++) {
		struct topo_node *n = &t->nodes[i];

		if (n->has_memory && n->memory_kind == MEMORY_NONE)
			n->memory_kind = n->ncpus ? MEMORY_ORDINARY : MEMORY_UNKNOWN;
	}
	settle_only(t, NULL);
}

static bool any_to_judge(const struct topology *t)
{
	for (unsigned int i = 0; i < t->nnodes; i++)
		if (t->nodes[i].has_memory && !t->nodes[i].ncpus)
			return true;
	return false;
}

int topology_settle_kinds(struct topology *t, int root)
{
	cleanup_free uint32_t *tier = NULL;
	cleanup_free bool *ordinary = NULL;
	struct evidence e = { .t = t };

	if (!any_to_judge(t)) {
		topology_fill_kinds(t);
		return 0;
	}
	tier = malloc(t->nnodes * sizeof(*tier));
	ordinary = malloc(t->nnodes * sizeof(*ordinary));
	if (!tier || !ordinary)
		return -ENOMEM;
	memset(tier, 0xff, t->nnodes * sizeof(*tier));
	for (unsigned int i = 0; i < t->nnodes; i++)
		ordinary[i] = t->nodes[i].ncpus && t->nodes[i].has_memory;
	e.tier = tier;
	e.ordinary = ordinary;
	each_entry(root, TIERS, "memory_tier", see_tier, &e);
	each_entry(root, "proc/driver/nvidia/gpus", "", see_gpu, &e);
	each_entry(root, "sys/bus/dax/devices", "dax", see_dax, &e);
	e.power_partition = faccessat(root, "proc/powerpc/lparcfg", F_OK, 0) == 0;
	for (unsigned int i = 0; i < t->nnodes; i++)
		t->nodes[i].memory_kind = kind_of(&e, i);
	settle_only(t, &e);
	return 0;
}
