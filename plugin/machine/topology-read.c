/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads a machine from /sys and /proc below a root directory.
 *
 * Omissions by the kernel are normal: offline CPUs, memory-less nodes, no distance, meminfo or cache files, cpumap
 * instead of cpulist. Firmware errors are corrected with a warning: every CPU on every node, all distances equal, a
 * CPU on two nodes. Invalid contents are an error that names the file.
 */
#include "plugin/machine/topology-internal.h"

#include "plugin/base/file.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

#define NODE_DIR "sys/devices/system/node"
#define CPU_DIR "sys/devices/system/cpu"
#define TEXT_MAX 65536
#define OFFLINE_LOOKS 65536 /* most lookups for the nodes of offline CPUs */

/* State of one reading. */
struct reading {
	struct topology *t;
	int root, node_dir, cpu_dir;  /* -1 if missing */
	struct idset *claims;         /* by node index: CPUs that the node lists */
	struct idset ids;             /* node ids found */
	struct idset online;          /* CPUs, as the kernel reports */
	struct memory_reading memory;
	uint16_t *core, *llc, *capacity; /* by CPU id */
	char text[TEXT_MAX];
};

static void __attribute__((format(printf, 2, 3))) warn(struct topology *t, const char *fmt, ...)
{
	va_list ap;

	if (t->nwarnings == ARRAY_SIZE(t->warnings))
		return;
	va_start(ap, fmt);
	vsnprintf(t->warnings[t->nwarnings++], sizeof(t->warnings[0]), fmt, ap);
	va_end(ap);
}

/* -EINVAL (not a regular file) gets a message, as invalid contents do. */
static int unread(const char *path, ssize_t status, struct error *err)
{
	return status == -EINVAL ? error_set(err, -EINVAL, "%s: not a regular file", path) : (int)status;
}

static int read_list(struct reading *r, int dir, const char *path, struct idset *out, struct error *err)
{
	ssize_t n = file_read(dir, path, r->text, sizeof(r->text));
	int ret;

	if (n < 0)
		return unread(path, n, err);
	ret = idset_parse_kernel(r->text, out, err);
	return ret < 0 ? error_prefix(err, "%s", path) : 0;
}

static int read_map(struct reading *r, int dir, const char *path, struct idset *out, struct error *err)
{
	ssize_t n = file_read(dir, path, r->text, sizeof(r->text));
	int ret;

	if (n < 0)
		return unread(path, n, err);
	ret = idset_parse_map(r->text, out, err);
	return ret < 0 ? error_prefix(err, "%s", path) : 0;
}

/* Reads a set from the file @list, or else from the file @map. -ENOENT: both are missing. */
static int read_set(struct reading *r, int dir, const char *list, const char *map, struct idset *out,
		    struct error *err)
{
	int ret = read_list(r, dir, list, out, err);

	if (ret == -ENOENT)
		ret = read_map(r, dir, map, out, err);
	return ret;
}

static int find_nodes(struct reading *r, struct error *err)
{
	cleanup_closedir DIR *dir = NULL;
	cleanup_close int fd = openat(r->root, NODE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *d;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, -errno, "open %s", NODE_DIR);
	r->node_dir = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	dir = fdopendir(steal_fd(&fd));
	if (!dir || r->node_dir < 0)
		return error_errno(err, -errno, "read %s", NODE_DIR);
	while ((d = readdir(dir))) {
		char *end;
		unsigned long id;

		if (strncmp(d->d_name, "node", 4) != 0 || d->d_name[4] < '0' || d->d_name[4] > '9')
			continue;
		id = strtoul(d->d_name + 4, &end, 10);
		if (*end)
			continue;
		if (id >= NODE_ID_MAX)
			return error_set(err, -EINVAL, "%s/%s: node ids end at %d", NODE_DIR, quote(d->d_name).text,
					 NODE_ID_MAX - 1);
		idset_add(&r->ids, (unsigned int)id);
	}
	return 0;
}

static uint32_t read_access(int dir, unsigned int access, const char *name)
{
	char path[64];
	uint64_t v;

	snprintf(path, sizeof(path), "access%u/initiators/%s", access, name);
	return topology_read_u64(dir, path, &v) && v < UINT32_MAX ? (uint32_t)v : 0;
}

/*
 * access1 has the nearest CPUs, access0 the nearest initiators of any kind, such as a GPU. Old kernels have only
 * access0.
 */
static void read_node_attributes(int dir, struct topo_node *node)
{
	for (unsigned int access = 2; access-- > 0 && !node->read_bandwidth;) {
		node->read_bandwidth = read_access(dir, access, "read_bandwidth");
		if (node->read_bandwidth)
			node->read_latency = read_access(dir, access, "read_latency");
	}
}

/* Page sizes from the folder below @dir; the smallest HUGE_SIZES_MAX are kept, ascending. */
static void read_huge_sizes(struct topology *t, int dir, const char *path)
{
	cleanup_close int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *d = NULL;
	struct dirent *entry;

	if (fd < 0)
		return;
	d = fdopendir(steal_fd(&fd));
	while (d && (entry = readdir(d))) {
		unsigned long long kb;
		unsigned int i;
		char end;

		if (sscanf(entry->d_name, "hugepages-%llukB%c", &kb, &end) != 1 || !kb || kb > 1ULL << 34)
			continue;
		for (i = 0; i < t->nhuge && t->huge_size[i] < kb * 1024; i++)
			;
		if (i == HUGE_SIZES_MAX || (i < t->nhuge && t->huge_size[i] == kb * 1024))
			continue;
		if (t->nhuge < HUGE_SIZES_MAX)
			t->nhuge++;
		memmove(&t->huge_size[i + 1], &t->huge_size[i], (t->nhuge - i - 1) * sizeof(t->huge_size[0]));
		t->huge_size[i] = kb * 1024;
	}
}

/* Reads @from's row of distances; false if the file is missing or does not have one number per node. */
static bool read_distances(struct reading *r, int dir, unsigned int from)
{
	struct topology *t = r->t;
	unsigned int n = 0;
	char *p = r->text;

	if (file_read(dir, "distance", r->text, sizeof(r->text)) <= 0)
		return false;
	/* Not with strtoul(), for speed: a thousand nodes have a million numbers. */
	p += strspn(p, " ");
	while (*p >= '0' && *p <= '9') {
		unsigned int d = 0;

		for (; *p >= '0' && *p <= '9'; p++) {
			d = d * 10 + (unsigned int)(*p - '0');
			if (d > UINT16_MAX)
				return false;
		}
		if (n == t->nnodes || d == 0)
			return false;
		t->distance[from * t->nnodes + n++] = (uint16_t)d;
		while (*p == ' ')
			p++;
	}
	return n == t->nnodes;
}

static void default_distances(struct topology *t)
{
	for (unsigned int i = 0; i < t->nnodes; i++)
		for (unsigned int j = 0; j < t->nnodes; j++)
			t->distance[i * t->nnodes + j] = i == j ? 10 : 20;
}

static bool distances_all_equal(const struct topology *t)
{
	for (unsigned int i = 1; i < t->nnodes * t->nnodes; i++)
		if (t->distance[i] != t->distance[0])
			return false;
	return t->nnodes > 1;
}

/* The id of a node that is nearer to another node than to itself, or -1. */
static int nearer_than_itself(const struct topology *t)
{
	for (unsigned int i = 0; i < t->nnodes; i++)
		for (unsigned int j = 0; j < t->nnodes; j++)
			if (topology_distance(t, i, j) < topology_distance(t, i, i))
				return t->nodes[i].id;
	return -1;
}

static int read_node(struct reading *r, unsigned int i, bool *distances, struct error *err)
{
	struct topo_node *node = &r->t->nodes[i];
	cleanup_close int dir = -1;
	char name[16];
	int ret;

	snprintf(name, sizeof(name), "node%u", node->id);
	dir = openat(r->node_dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return error_errno(err, -errno, "open %s/%s", NODE_DIR, name);
	ret = read_set(r, dir, "cpulist", "cpumap", &r->claims[i], err);
	if (ret == -EINVAL)
		return error_prefix(err, "%s/%s", NODE_DIR, name);
	if (ret < 0 && ret != -ENOENT)
		return error_errno(err, ret, "read %s/%s/cpulist", NODE_DIR, name);
	if (*distances)
		*distances = read_distances(r, dir, i);
	if (i == 0 && !r->t->nhuge)
		read_huge_sizes(r->t, dir, "hugepages");
	memory_add_node(&r->memory, dir, "meminfo", node);
	memory_add_huge(r->t, dir, node);
	read_node_attributes(dir, node);
	return 0;
}

static int read_nodes(struct reading *r, struct error *err)
{
	struct topology *t = r->t;
	bool distances = true;
	unsigned int i = 0;

	t->nnodes = idset_count(&r->ids);
	t->nodes = calloc(t->nnodes ? t->nnodes : 1, sizeof(*t->nodes));
	t->distance = calloc(t->nnodes ? (size_t)t->nnodes * t->nnodes : 1, sizeof(*t->distance));
	r->claims = calloc(t->nnodes ? t->nnodes : 1, sizeof(*r->claims));
	if (!t->nodes || !t->distance || !r->claims)
		return error_errno(err, -ENOMEM, "read %s", NODE_DIR);
	read_huge_sizes(t, r->root, "sys/kernel/mm/hugepages");
	idset_foreach(id, &r->ids) {
		int ret;

		t->nodes[i].id = (uint16_t)id;
		ret = read_node(r, i++, &distances, err);
		if (ret < 0)
			return ret;
	}
	if (!distances) {
		if (t->nnodes > 1)
			warn(t, "the kernel gives no usable distances: using 10 within a node, 20 between nodes");
		default_distances(t);
	} else if (distances_all_equal(t)) {
		warn(t, "firmware says that all distances are %u: using 10 within a node, 20 between nodes",
		     t->distance[0]);
		default_distances(t);
	} else if (nearer_than_itself(t) >= 0) {
		warn(t, "firmware says that node %d is nearer to another node than to itself: using distances 10 within a "
		     "node, 20 between nodes", nearer_than_itself(t));
		default_distances(t);
	}
	return 0;
}

/* CPUs that have a folder; old kernels have no other list. -ENOENT: none found. */
static int list_cpu_folders(struct reading *r, struct idset *out)
{
	cleanup_close int fd = openat(r->root, CPU_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!dir)
		return -ENOENT;
	steal_fd(&fd);
	while ((d = readdir(dir))) {
		unsigned int id;
		char end;

		if (sscanf(d->d_name, "cpu%u%c", &id, &end) == 1 && id < IDSET_MAX)
			idset_add(out, id);
	}
	return idset_empty(out) ? -ENOENT : 0;
}

/* A kernel without nodes: one node 0 that has everything. */
static int make_single_node(struct reading *r, struct error *err)
{
	struct topology *t = r->t;
	cleanup_close int mm = -1;
	int ret;

	t->nnodes = 1;
	t->nodes = calloc(1, sizeof(*t->nodes));
	t->distance = calloc(1, sizeof(*t->distance));
	r->claims = calloc(1, sizeof(*r->claims));
	if (!t->nodes || !t->distance || !r->claims)
		return error_errno(err, -ENOMEM, "read %s", CPU_DIR);
	t->distance[0] = 10;
	ret = r->cpu_dir < 0 ? -ENOENT : read_list(r, r->cpu_dir, "online", &r->claims[0], err);
	if (ret == -ENOENT)
		ret = list_cpu_folders(r, &r->claims[0]);
	if (ret == -ENOENT)
		return error_set(err, ret, "neither %s nor %s/online exists", NODE_DIR, CPU_DIR);
	if (ret == -EINVAL)
		return error_prefix(err, "%s", CPU_DIR);
	if (ret < 0)
		return error_errno(err, ret, "read %s/online", CPU_DIR);
	read_huge_sizes(t, r->root, "sys/kernel/mm/hugepages");
	mm = openat(r->root, "sys/kernel/mm", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mm >= 0)
		memory_add_huge(t, mm, &t->nodes[0]);
	memory_add_machine(&r->memory, r->root, &t->nodes[0]);
	return 0;
}

/* Adds the memory of @from to @into, as both nodes list the same CPUs. */
static void merge_memory(struct topology *t, struct topo_node *into, const struct topo_node *from)
{
	if (from->has_memory || from->mem_total)
		idset_add(&t->merged, from->id);
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
	warn(t, "firmware puts the same CPUs on %u nodes: treated as one node, %u", same, t->nodes[keep].id);
	if (t->nodes[keep].has_memory)
		idset_add(&t->merged, t->nodes[keep].id);
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

	if (r->node_dir < 0 || read_list(r, r->cpu_dir, "present", &present, NULL) < 0)
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
		warn(t, "firmware puts a CPU on two nodes: it is assigned to the lower one");
	idset_andnot(&left, &taken);
	if (online_known && !idset_empty(&left)) {
		if (idset_format(&left, list, sizeof(list)) >= sizeof(list))
			memcpy(list + sizeof(list) - 4, "...", 4);
		warn(t, "online but on no node, so left out: CPU %s", list);
	}
	t->online = taken;
}

/* Numbers the group of @cpu with *@next; members that have a number keep it. */
static void number_group(uint16_t *group, const struct idset *members, unsigned int cpu, unsigned int *next)
{
	idset_foreach(id, members)
		if (group[id] == NO_NODE)
			group[id] = (uint16_t)*next;
	group[cpu] = (uint16_t)*next;
	(*next)++;
}

static void read_core(struct reading *r, unsigned int cpu, int dir)
{
	struct idset members;

	if (read_set(r, dir, "topology/thread_siblings_list", "topology/thread_siblings", &members, NULL) < 0)
		idset_clear(&members);
	number_group(r->core, &members, cpu, &r->t->ncores);
}

/* The highest N of the folders "indexN" in a CPU's @cache, or -1. */
static int highest_index(int cache)
{
	cleanup_close int fd = openat(cache, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *dir = NULL;
	struct dirent *d;
	int highest = -1;

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return -1;
	steal_fd(&fd);
	while ((d = readdir(dir))) {
		int i;
		char end;

		if (sscanf(d->d_name, "index%d%c", &i, &end) == 1 && i > highest && i < 100)
			highest = i;
	}
	return highest;
}

/*
 * The kernel numbers caches by level, so the highest index is the last level; it may differ between CPUs. A CPU
 * without cache files gets no number here, unless another CPU's cache lists it.
 */
static void read_llc(struct reading *r, unsigned int cpu, int dir)
{
	cleanup_close int cache = dir < 0 ? -1 : openat(dir, "cache", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct idset members;
	char list[64], map[64];

	for (int i = cache < 0 ? -1 : highest_index(cache); i >= 0; i--) {
		snprintf(list, sizeof(list), "index%d/shared_cpu_list", i);
		snprintf(map, sizeof(map), "index%d/shared_cpu_map", i);
		if (read_set(r, cache, list, map, &members, NULL) == 0) {
			number_group(r->llc, &members, cpu, &r->t->nllcs);
			return;
		}
	}
}

/* CPUs without cache files: one group if no CPU of the node has any, otherwise a group for each such CPU. */
static void fill_llcs(struct reading *r)
{
	static const struct idset none;

	for (unsigned int n = 0; n < r->t->nnodes; n++) {
		const struct idset *cpus = &r->claims[n], *group = cpus;

		idset_foreach(id, cpus)
			if (r->llc[id] != NO_NODE)
				group = &none;
		idset_foreach(id, cpus)
			if (r->llc[id] == NO_NODE)
				number_group(r->llc, group, (unsigned int)id, &r->t->nllcs);
	}
}

/* What the kernel reports about the speed of cores. */
struct speeds {
	struct idset atoms;   /* Intel's E-cores and LP-E-cores */
	uint32_t *clock;      /* highest clock in kHz, by core */
	bool capacities, clocks; /* so far, every CPU has this file */
};

/*
 * Derives capacities from the highest clocks, if the kernel reports no capacities. Among P- and E-cores, a clock is
 * compared with cores of the same design only: LP-E-cores are slow E-cores.
 */
static void capacities_from_clocks(struct reading *r, const struct speeds *s)
{
	uint32_t most[2] = { 1, 1 };

	idset_foreach(id, &r->t->online) {
		uint32_t *m = &most[idset_has(&s->atoms, (unsigned int)id)];

		*m = s->clock[r->core[id]] > *m ? s->clock[r->core[id]] : *m;
	}
	idset_foreach(id, &r->t->online) {
		bool atom = idset_has(&s->atoms, (unsigned int)id);
		uint64_t part = (uint64_t)s->clock[r->core[id]] * (atom ? 512 : 1024) / most[atom];

		r->capacity[id] = (uint16_t)(part ? part : 1);
	}
}

static void read_clock(struct speeds *s, unsigned int core, int dir, const char *path)
{
	uint64_t v;

	if (!s->clocks || s->clock[core])
		return;
	s->clocks = topology_read_u64(dir, path, &v) && v && v < UINT32_MAX;
	if (s->clocks)
		s->clock[core] = (uint32_t)v;
}

static void read_speed(struct reading *r, struct speeds *s, unsigned int cpu, int dir)
{
	uint64_t v;

	s->capacities = s->capacities && topology_read_u64(dir, "cpu_capacity", &v) && v && v <= 1024;
	if (s->capacities)
		r->capacity[cpu] = (uint16_t)v;
	else
		read_clock(s, r->core[cpu], dir, "cpufreq/cpuinfo_max_freq");
}

/* Without a capacity of each CPU, those of the others say nothing: uses clocks for all, also of CPUs read before. */
static void settle_speeds(struct reading *r, struct speeds *s)
{
	char path[48];

	if (s->capacities)
		return;
	idset_foreach(id, &r->t->online) {
		r->capacity[id] = idset_has(&s->atoms, (unsigned int)id) ? 512 : 1024;
		snprintf(path, sizeof(path), "cpu%d/cpufreq/cpuinfo_max_freq", id);
		read_clock(s, r->core[id], r->cpu_dir, path);
	}
	if (s->clocks)
		capacities_from_clocks(r, s);
}

static int read_cpus(struct reading *r, struct error *err)
{
	struct topology *t = r->t;
	cleanup_free uint32_t *clock = calloc(IDSET_MAX, sizeof(*clock));
	struct speeds speeds = { .clock = clock, .capacities = true, .clocks = true };

	if (read_list(r, r->root, "sys/devices/cpu_atom/cpus", &speeds.atoms, NULL) < 0)
		idset_clear(&speeds.atoms);
	if (!clock)
		return error_errno(err, -ENOMEM, "read %s", CPU_DIR);
	idset_foreach(id, &t->online) {
		cleanup_close int dir = -1;
		unsigned int cpu = (unsigned int)id;
		char name[24];

		if (r->core[cpu] != NO_NODE && r->llc[cpu] != NO_NODE && !speeds.capacities)
			continue;
		snprintf(name, sizeof(name), "cpu%u", cpu);
		dir = r->cpu_dir < 0 ? -1 : openat(r->cpu_dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (r->core[cpu] == NO_NODE)
			read_core(r, cpu, dir);
		if (r->llc[cpu] == NO_NODE)
			read_llc(r, cpu, dir);
		read_speed(r, &speeds, cpu, dir);
	}
	settle_speeds(r, &speeds);
	fill_llcs(r);
	return t->ncores > IDSET_MAX ? error_set(err, -EINVAL, "%s: more cores than CPUs", CPU_DIR) : 0;
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
			idset_add(&t->cpu_nodes, node->id);
		if (node->has_memory && !idset_has(&t->merged, node->id))
			idset_add(&t->mem_nodes, node->id);
	}
	idset_or(&t->mem_nodes, &t->merged);
	return 0;
}

static void read_packages(struct reading *r)
{
	for (unsigned int i = 0; i < r->t->nnodes; i++) {
		struct topo_node *node = &r->t->nodes[i];
		char path[64];
		uint64_t v;

		if (!node->ncpus)
			continue;
		snprintf(path, sizeof(path), "cpu%u/topology/physical_package_id", r->t->cpus[node->first_cpu].id);
		if (topology_read_u64(r->cpu_dir, path, &v) && v < UINT16_MAX)
			node->package = (uint16_t)v;
	}
}

static bool read_node_list(struct reading *r, const char *name, struct idset *out)
{
	return r->node_dir >= 0 && read_list(r, r->node_dir, name, out, NULL) == 0;
}

/* Determines the nodes allowed in cpuset.mems: those with memory, or, without meminfo, those that the kernel lists. */
static void settle_memory(struct reading *r)
{
	struct topology *t = r->t;
	struct idset listed, normal;
	bool have_list = read_node_list(r, "has_memory", &listed);
	/* An old kernel has no list. A list with absent nodes contradicts the rest of sysfs. */
	bool have_normal = read_node_list(r, "has_normal_memory", &normal) && !idset_empty(&normal) &&
			   idset_subset(&normal, &r->ids);

	for (unsigned int i = 0; i < t->nnodes; i++) {
		struct topo_node *node = &t->nodes[i];

		if (node->mem_known)
			node->has_memory = node->mem_total > 0;
		else
			node->has_memory = !have_list || idset_has(&listed, node->id);
		node->movable_only = node->has_memory && have_normal && !idset_has(&normal, node->id);
	}
}

static void read_weights(struct reading *r)
{
	cleanup_close int dir =
		openat(r->root, "sys/kernel/mm/mempolicy/weighted_interleave", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (unsigned int i = 0; dir >= 0 && i < r->t->nnodes; i++) {
		char name[16];
		uint64_t v;

		snprintf(name, sizeof(name), "node%u", r->t->nodes[i].id);
		if (topology_read_u64(dir, name, &v) && v < UINT32_MAX)
			r->t->nodes[i].weight = (uint32_t)v;
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
		char path[32];
		uint64_t on;

		snprintf(path, sizeof(path), "cpu%d/online", id);
		if (topology_read_u64(r->cpu_dir, path, &on))
			return on == 1;
	}
	return false;
}

static void settle_online(struct reading *r)
{
	struct topology *t = r->t;

	if (!online_is_a_count(r))
		return;
	warn(t, "%s/online is a container's count of CPUs (LXCFS): using the nodes' own lists", CPU_DIR);
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
	ret = find_nodes(r, err);
	if (ret < 0)
		return ret;
	memory_begin(&r->memory, r->root, t);
	ret = idset_empty(&r->ids) ? make_single_node(r, err) : read_nodes(r, err);
	if (ret < 0)
		return ret;
	settle_memory(r);
	ret = read_list(r, r->cpu_dir, "online", &t->online, err);
	if (ret == -EINVAL)
		return error_prefix(err, "%s", CPU_DIR);
	online_known = ret == 0;
	if (!online_known)
		idset_fill(&t->online);
	else
		settle_online(r);
	r->online = t->online;
	if (read_list(r, r->cpu_dir, "isolated", &t->isolated, NULL) < 0)
		idset_clear(&t->isolated);
	merge_claims(r);
	settle_claims(r, online_known);
	if (online_known)
		find_offline(r);
	memset(r->core, 0xff, IDSET_MAX * sizeof(uint16_t));
	memset(r->llc, 0xff, IDSET_MAX * sizeof(uint16_t));
	ret = read_cpus(r, err);
	if (ret < 0)
		return ret;
	ret = place_cpus(r, err);
	if (ret < 0)
		return ret;
	read_packages(r);
	read_weights(r);
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
