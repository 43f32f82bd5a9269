/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads the nodes of a machine: their CPU lists, distances, memory and page sizes.
 */
#include "plugin/base/file.h"
#include "plugin/base/number.h"
#include "plugin/base/path.h"
#include "plugin/base/util.h"
#include "plugin/machine/reading.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

int reading_find_nodes(struct reading *r, struct error *err)
{
	cleanup_closedir DIR *dir = path_list(r->root, NODE_DIR);
	struct dirent *d;

	if (!dir)
		return errno == ENOENT ? 0 : error_errno(err, -errno, "open %s", NODE_DIR);
	r->node_dir = fcntl(dirfd(dir), F_DUPFD_CLOEXEC, 0);
	if (r->node_dir < 0)
		return error_errno(err, -errno, "read %s", NODE_DIR);
	while ((d = readdir(dir))) {
		uint64_t id;

		if (strncmp(d->d_name, "node", 4) != 0 || !number_parse(d->d_name + 4, UINT64_MAX, &id))
			continue;
		if (id >= NODE_ID_MAX)
			return error_set(err, -EINVAL, "%s/%s: node ids end at %d", NODE_DIR, quote(d->d_name).text,
					 NODE_ID_MAX - 1);
		nodeset_add(&r->ids, (unsigned int)id);
	}
	return 0;
}

static uint32_t read_access(int dir, unsigned int access, const char *name)
{
	uint64_t v;

	return path_read_u64(dir, &v, "access%u/initiators/%s", access, name) == 0 && v < UINT32_MAX ? (uint32_t)v : 0;
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
	cleanup_closedir DIR *d = path_list(dir, path);
	struct dirent *entry;

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
	const char *p = r->text;

	if (file_read(dir, "distance", r->text, sizeof(r->text)) <= 0)
		return false;
	p += strspn(p, " ");
	while (*p >= '0' && *p <= '9') {
		uint64_t d;

		if (!number_prefix(&p, UINT16_MAX, &d))
			return false;
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
	ret = reading_set(r, dir, "cpulist", "cpumap", &r->claims[i], err);
	if (ret == -EINVAL)
		return error_prefix(err, ret, "%s/%s", NODE_DIR, name);
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

int reading_nodes(struct reading *r, struct error *err)
{
	struct topology *t = r->t;
	bool distances = true;
	unsigned int i = 0;

	t->nnodes = nodeset_count(&r->ids);
	t->nodes = calloc(t->nnodes ? t->nnodes : 1, sizeof(*t->nodes));
	t->distance = calloc(t->nnodes ? (size_t)t->nnodes * t->nnodes : 1, sizeof(*t->distance));
	r->claims = calloc(t->nnodes ? t->nnodes : 1, sizeof(*r->claims));
	if (!t->nodes || !t->distance || !r->claims)
		return error_errno(err, -ENOMEM, "read %s", NODE_DIR);
	read_huge_sizes(t, r->root, "sys/kernel/mm/hugepages");
	nodeset_foreach(id, &r->ids) {
		int ret;

		t->nodes[i].id = (uint16_t)id;
		ret = read_node(r, i++, &distances, err);
		if (ret < 0)
			return ret;
	}
	if (!distances) {
		if (t->nnodes > 1)
			topology_warn(t, "the kernel gives no usable distances: using 10 within a node, 20 between nodes");
		default_distances(t);
	} else if (distances_all_equal(t)) {
		topology_warn(t, "firmware says that all distances are %u: using 10 within a node, 20 between nodes",
		     t->distance[0]);
		default_distances(t);
	} else if (nearer_than_itself(t) >= 0) {
		topology_warn(t, "firmware says that node %d is nearer to another node than to itself: using distances 10 within a "
		     "node, 20 between nodes", nearer_than_itself(t));
		default_distances(t);
	}
	return 0;
}

/* CPUs that have a folder; old kernels have no other list. -ENOENT: none found. */
static int list_cpu_folders(struct reading *r, struct idset *out)
{
	cleanup_closedir DIR *dir = path_list(r->root, CPU_DIR);
	struct dirent *d;

	if (!dir)
		return -ENOENT;
	while ((d = readdir(dir))) {
		unsigned int id;
		char end;

		if (sscanf(d->d_name, "cpu%u%c", &id, &end) == 1 && id < IDSET_MAX)
			idset_add(out, id);
	}
	return idset_empty(out) ? -ENOENT : 0;
}

int reading_single_node(struct reading *r, struct error *err)
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
	ret = r->cpu_dir < 0 ? -ENOENT : reading_list(r, r->cpu_dir, "online", ids_into(&r->claims[0]), err);
	if (ret == -ENOENT)
		ret = list_cpu_folders(r, &r->claims[0]);
	if (ret == -ENOENT)
		return error_set(err, ret, "neither %s nor %s/online exists", NODE_DIR, CPU_DIR);
	if (ret == -EINVAL)
		return error_prefix(err, ret, "%s", CPU_DIR);
	if (ret < 0)
		return error_errno(err, ret, "read %s/online", CPU_DIR);
	read_huge_sizes(t, r->root, "sys/kernel/mm/hugepages");
	mm = openat(r->root, "sys/kernel/mm", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mm >= 0)
		memory_add_huge(t, mm, &t->nodes[0]);
	memory_add_machine(&r->memory, r->root, &t->nodes[0]);
	return 0;
}
