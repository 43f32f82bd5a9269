/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads a machine from /sys and /proc below a root directory. The nodes are read in topology-nodes.c, the CPUs in
 * topology-cpus.c, the memory in topology-memory.c.
 *
 * Omissions by the kernel are normal: offline CPUs, memory-less nodes, no distance, meminfo or cache files, cpumap
 * instead of cpulist. Firmware errors are corrected with a warning: every CPU on every node, all distances equal, a
 * CPU on two nodes. Invalid contents are an error that names the file.
 */
#include "plugin/machine/reading.h"

#include "plugin/base/path.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define OFFLINE_LOOKS 65536 /* most lookups for the nodes of offline CPUs */

/* Adds the memory of @from to @into, as both nodes list the same CPUs. */
static void merge_memory(struct topology *t, struct topo_node *into, const struct topo_node *from)
{
	if (from->has_memory || from->mem_total)
		nodeset_add(&t->merged, from->id);
	if (from->has_memory)
		into->movable_only = from->movable_only && (into->movable_only || !into->has_memory);
	into->mem_total += from->mem_total;
	into->mem_free += from->mem_free;
	into->mem_known |= from->mem_known;
	into->has_memory |= from->has_memory;
	for (unsigned int i = 0; i < HUGE_SIZES_MAX; i++) {
		into->huge_total[i] += from->huge_total[i];
		into->huge_free[i] += from->huge_free[i];
	}
}

static void drop_node(struct reading *r, unsigned int gone)
{
	struct topology *t = r->t;
	unsigned int n = t->nnodes, k = 0;

	for (unsigned int i = 0; i < n; i++)
		for (unsigned int j = 0; j < n; j++)
			if (i != gone && j != gone)
				t->distance[k++] = t->distance[i * n + j];
	memmove(&t->nodes[gone], &t->nodes[gone + 1], (n - gone - 1) * sizeof(*t->nodes));
	memmove(&r->claims[gone], &r->claims[gone + 1], (n - gone - 1) * sizeof(*r->claims));
	t->nnodes--;
}

/* If all nodes with CPUs list the same CPUs, the firmware does not know their nodes: merges them into one. */
static void merge_claims(struct reading *r)
{
	struct topology *t = r->t;
	unsigned int same = 0, keep = NO_NODE;
	struct idset *first = NULL;

	for (unsigned int i = 0; i < t->nnodes; i++) {
		if (idset_empty(&r->claims[i]))
			continue;
		if (first && !idset_equal(first, &r->claims[i]))
			return;
		first = first ? first : &r->claims[i];
		if (keep == NO_NODE || (!t->nodes[keep].has_memory && t->nodes[i].has_memory))
			keep = i;
		same++;
	}
	if (same < 2)
		return;
	topology_warn(t, "firmware puts the same CPUs on %u nodes: treated as one node, %u", same, t->nodes[keep].id);
	if (t->nodes[keep].has_memory)
		nodeset_add(&t->merged, t->nodes[keep].id);
	for (unsigned int i = t->nnodes; i-- > 0;) {
		if (i == keep || idset_empty(&r->claims[i]))
			continue;
		merge_memory(t, &t->nodes[keep], &t->nodes[i]);
		drop_node(r, i);
		if (i < keep)
			keep--;
	}
}

/* Counts the CPUs in @claims that are not online. */
static void note_offline(struct topology *t, struct topo_node *node, const struct idset *claims)
{
	struct idset off = *claims;

	idset_andnot(&off, &t->online);
	idset_andnot(&off, &t->offline);
	node->offline = (uint16_t)idset_count(&off);
	idset_or(&t->offline, &off);
}

/* Newer kernels list only a node's online CPUs; offline ones are links in the node's folder. */
static void find_offline(struct reading *r)
{
	struct topology *t = r->t;
	struct idset present;
	unsigned int looks = 0;

	if (r->node_dir < 0 || reading_list(r, r->cpu_dir, "present", ids_into(&present), NULL) < 0)
		return;
	idset_andnot(&present, &r->online);
	idset_andnot(&present, &t->offline);
	idset_or(&t->offline, &present);
	idset_foreach(id, &present)
		for (unsigned int i = 0; i < t->nnodes && looks < OFFLINE_LOOKS; i++) {
			char link[48];

			looks++;
			snprintf(link, sizeof(link), "node%u/cpu%d", t->nodes[i].id, id);
			if (faccessat(r->node_dir, link, F_OK, 0) == 0) {
				t->nodes[i].offline++;
				break;
			}
		}
}

/* Assigns each CPU to the first node that lists it. @online_known: the kernel reports which CPUs are online. */
static void settle_claims(struct reading *r, bool online_known)
{
	struct topology *t = r->t;
	struct idset taken = { { 0 } }, left = t->online;
	bool overlap = false;
	char list[64];

	for (unsigned int i = 0; i < t->nnodes; i++) {
		note_offline(t, &t->nodes[i], &r->claims[i]);
		idset_and(&r->claims[i], &t->online);
		if (idset_intersects(&r->claims[i], &taken)) {
			overlap = true;
			idset_andnot(&r->claims[i], &taken);
		}
		idset_or(&taken, &r->claims[i]);
	}
	if (overlap)
		topology_warn(t, "firmware puts a CPU on two nodes: it is assigned to the lower one");
	idset_andnot(&left, &taken);
	if (online_known && !idset_empty(&left)) {
		if (idset_format(&left, list, sizeof(list)) >= sizeof(list))
			memcpy(list + sizeof(list) - 4, "...", 4);
		topology_warn(t, "online but on no node, so left out: CPU %s", list);
	}
	t->online = taken;
}

static int place_cpus(struct reading *r, struct error *err)
{
	struct topology *t = r->t;
	unsigned int n = 0;

	t->ncpus = idset_count(&t->online);
	if (!t->ncpus)
		return error_set(err, -EINVAL, "%s: no node has a CPU that is online", NODE_DIR);
	t->cpus = calloc(t->ncpus, sizeof(*t->cpus));
	idset_foreach(id, &t->online)
		t->cpu_ids = (unsigned int)id + 1;
	t->cpu_index = calloc(t->cpu_ids, sizeof(*t->cpu_index));
	t->node_index = calloc(NODE_ID_MAX, sizeof(*t->node_index));
	if (!t->cpus || !t->cpu_index || !t->node_index)
		return error_errno(err, -ENOMEM, "read %s", CPU_DIR);
	memset(t->cpu_index, 0xff, t->cpu_ids * sizeof(*t->cpu_index));
	memset(t->node_index, 0xff, NODE_ID_MAX * sizeof(*t->node_index));
	for (unsigned int i = 0; i < t->nnodes; i++) {
		struct topo_node *node = &t->nodes[i];

		node->first_cpu = n;
		t->node_index[node->id] = (uint16_t)i;
		idset_foreach(id, &r->claims[i]) {
			t->cpu_index[id] = (uint16_t)n;
			t->cpus[n++] = (struct topo_cpu){
				.id = (uint16_t)id,
				.node = (uint16_t)i,
				.core = r->core[id],
				.llc = r->llc[id],
				.capacity = r->capacity[id],
				.isolated = idset_has(&t->isolated, (unsigned int)id),
			};
		}
		node->ncpus = n - node->first_cpu;
		if (node->ncpus)
			nodeset_add(&t->cpu_nodes, node->id);
		if (node->has_memory && !nodeset_has(&t->merged, node->id))
			nodeset_add(&t->mem_nodes, node->id);
	}
	nodeset_or(&t->mem_nodes, &t->merged);
	return 0;
}

static bool read_node_list(struct reading *r, const char *name, struct nodeset *out)
{
	return r->node_dir >= 0 && reading_list(r, r->node_dir, name, ids_into(out), NULL) == 0;
}

/* Determines the nodes allowed in cpuset.mems: those with memory, or, without meminfo, those that the kernel lists. */
static void settle_memory(struct reading *r)
{
	struct topology *t = r->t;
	struct nodeset listed, normal;
	bool have_list = read_node_list(r, "has_memory", &listed);
	/* An old kernel has no list. A list with absent nodes contradicts the rest of sysfs. */
	bool have_normal = read_node_list(r, "has_normal_memory", &normal) && !nodeset_empty(&normal) &&
			   nodeset_subset(&normal, &r->ids);

	for (unsigned int i = 0; i < t->nnodes; i++) {
		struct topo_node *node = &t->nodes[i];

		if (node->mem_known)
			node->has_memory = node->mem_total > 0;
		else
			node->has_memory = !have_list || nodeset_has(&listed, node->id);
		node->movable_only = node->has_memory && have_normal && !nodeset_has(&normal, node->id);
	}
}

/*
 * LXCFS shows a container its number of CPUs, as "0-3", instead of the kernel's ids. The nodes' lists are the
 * kernel's, and hold only online CPUs. A difference alone proves nothing, as old kernels also list offline CPUs
 * there.
 */
static bool online_is_a_count(struct reading *r)
{
	struct topology *t = r->t;
	struct idset counted = { { 0 } }, claimed = { { 0 } };
	unsigned int n = idset_count(&t->online);

	if (!n)
		return false;
	idset_add_range(&counted, 0, n - 1);
	for (unsigned int i = 0; i < t->nnodes; i++)
		idset_or(&claimed, &r->claims[i]);
	if (!idset_equal(&counted, &t->online) || idset_subset(&claimed, &counted))
		return false;
	if (memory_is_foreign(&r->memory, t))
		return true;
	idset_andnot(&claimed, &counted);
	idset_foreach(id, &claimed) {
		uint64_t on;

		if (path_read_u64(r->cpu_dir, &on, "cpu%d/online", id) == 0)
			return on == 1;
	}
	return false;
}

static void settle_online(struct reading *r)
{
	struct topology *t = r->t;

	if (!online_is_a_count(r))
		return;
	topology_warn(t, "%s/online is a container's count of CPUs (LXCFS): using the nodes' own lists", CPU_DIR);
	idset_clear(&t->online);
	for (unsigned int i = 0; i < t->nnodes; i++)
		idset_or(&t->online, &r->claims[i]);
}

static int read_machine(struct reading *r, struct error *err)
{
	struct topology *t = r->t;
	bool online_known;
	int ret;

	r->cpu_dir = openat(r->root, CPU_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ret = reading_find_nodes(r, err);
	if (ret < 0)
		return ret;
	memory_begin(&r->memory, r->root, t);
	ret = nodeset_empty(&r->ids) ? reading_single_node(r, err) : reading_nodes(r, err);
	if (ret < 0)
		return ret;
	settle_memory(r);
	ret = reading_list(r, r->cpu_dir, "online", ids_into(&t->online), err);
	if (ret == -EINVAL)
		return error_prefix(err, ret, "%s", CPU_DIR);
	online_known = ret == 0;
	if (!online_known)
		idset_fill(&t->online);
	else
		settle_online(r);
	r->online = t->online;
	if (reading_list(r, r->cpu_dir, "isolated", ids_into(&t->isolated), NULL) < 0)
		idset_clear(&t->isolated);
	merge_claims(r);
	settle_claims(r, online_known);
	if (online_known)
		find_offline(r);
	memset(r->core, 0xff, IDSET_MAX * sizeof(uint16_t));
	memset(r->llc, 0xff, IDSET_MAX * sizeof(uint16_t));
	ret = reading_cpus(r, err);
	if (ret < 0)
		return ret;
	ret = place_cpus(r, err);
	if (ret < 0)
		return ret;
	reading_packages(r);
	ret = topology_settle_kinds(t, r->root);
	if (ret == 0)
		ret = topology_finish(t);
	if (ret < 0)
		return error_errno(err, ret, "read %s", NODE_DIR);
	memory_end(&r->memory, r->root, r->node_dir, t);
	return 0;
}

static void reading_end(struct reading *r)
{
	if (r->node_dir >= 0)
		close(r->node_dir);
	if (r->cpu_dir >= 0)
		close(r->cpu_dir);
	free(r->claims);
	free(r->core);
	free(r->llc);
	free(r->capacity);
	free(r);
}

static struct reading *reading_start(int root, struct topology *t)
{
	struct reading *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->t = t;
	r->root = root;
	r->node_dir = r->cpu_dir = -1;
	return r;
}

int topology_read(int root, struct topology **out, struct error *err)
{
	cleanup_topology struct topology *t = calloc(1, sizeof(*t));
	struct reading *r = t ? reading_start(root, t) : NULL;
	int ret;

	if (!r)
		return error_errno(err, -ENOMEM, "read the machine");
	r->core = malloc(IDSET_MAX * sizeof(uint16_t));
	r->llc = malloc(IDSET_MAX * sizeof(uint16_t));
	r->capacity = malloc(IDSET_MAX * sizeof(uint16_t));
	if (r->core && r->llc && r->capacity)
		ret = read_machine(r, err);
	else
		ret = error_errno(err, -ENOMEM, "read the machine");
	reading_end(r);
	if (ret == 0)
		*out = steal_ptr(t);
	return ret;
}
