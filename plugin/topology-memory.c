/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory and hugepages of nodes: what changes while a machine runs, and so is
 * read afresh for every decision, in one pass over each file.
 */
#include "plugin/topology-internal.h"

#include "plugin/file.h"
#include "plugin/util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define NODE_DIR "sys/devices/system/node"

bool topology_read_u64(int dir, const char *path, uint64_t *out)
{
	char text[64], *end;
	unsigned long long v;

	if (file_read(dir, path, text, sizeof(text)) <= 0 || text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || (*end && *end != '\n'))
		return false;
	*out = v;
	return true;
}

/* --- meminfo --- */

enum field { MEM_TOTAL, MEM_FREE, ACTIVE_FILE, INACTIVE_FILE, RECLAIMABLE, SLAB_RECLAIMABLE, FIELDS };

/* Bytes; those that are not there are 0 and not in @known. */
struct meminfo {
	unsigned int known; /* bits 1 << enum field */
	uint64_t bytes[FIELDS];
};

static const struct {
	const char *name;
	size_t len;
} fields[FIELDS] = {
#define FIELD(name) { name, sizeof(name) - 1 }
	[MEM_TOTAL] = FIELD("MemTotal:"),
	[MEM_FREE] = FIELD("MemFree:"),
	[ACTIVE_FILE] = FIELD("Active(file):"),
	[INACTIVE_FILE] = FIELD("Inactive(file):"),
	[RECLAIMABLE] = FIELD("KReclaimable:"),
	[SLAB_RECLAIMABLE] = FIELD("SReclaimable:"),
};

static bool has(const struct meminfo *m, enum field f)
{
	return m->known >> f & 1;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "   1234 kB"; false: no number, or more bytes than there can be. */
static bool parse_kb(const char *value, uint64_t *out)
{
	uint64_t kb = 0;

	value += strspn(value, " ");
	if (!is_digit(*value))
		return false;
	while (is_digit(*value) && kb <= UINT64_MAX / 1024)
		kb = kb * 10 + (uint64_t)(*value++ - '0');
	*out = kb;
	return kb <= UINT64_MAX / 1024;
}

/* One line behind its "Node N ". */
static void parse_field(const char *line, struct meminfo *m)
{
	for (unsigned int f = 0; f < FIELDS; f++) {
		uint64_t kb;

		if (line[0] != fields[f].name[0] || has(m, f) || strncmp(line, fields[f].name, fields[f].len) != 0)
			continue;
		if (!parse_kb(line + fields[f].len, &kb))
			return;
		m->bytes[f] = kb * 1024;
		m->known |= 1U << f;
		return;
	}
}

/*
 * "Node 0 MemFree:   1234 kB", or /proc's without the node; old kernels
 * begin a node's with an empty line.
 * What is wanted comes early: the rest is not looked at.
 */
static void parse_meminfo(const char *text, struct meminfo *m)
{
	const unsigned int all = (1U << SLAB_RECLAIMABLE) - 1;
	size_t front = 0; /* the same before each line */

	*m = (struct meminfo){ 0 };
	text += strspn(text, "\n");
	if (strncmp(text, "Node ", 5) == 0) {
		front = 5 + strspn(text + 5, "0123456789");
		front += strspn(text + front, " ");
	}
	while ((m->known & all) != all && strnlen(text, front) == front) {
		parse_field(text + front, m);
		text = strchr(text + front, '\n');
		if (!text)
			return;
		text++;
	}
}

static uint64_t less_half_or(uint64_t value, uint64_t low)
{
	return value - (value / 2 < low ? value / 2 : low);
}

/*
 * What could be had without swapping, reckoned as the kernel does for
 * MemAvailable: free above the low watermark, and the page cache and slab that can be given back.
 */
static uint64_t available(const struct meminfo *m, uint64_t low)
{
	uint64_t total = m->bytes[MEM_TOTAL], mem_free = m->bytes[MEM_FREE], sum;
	uint64_t slab = m->bytes[has(m, RECLAIMABLE) ? RECLAIMABLE : SLAB_RECLAIMABLE];

	if (!has(m, MEM_FREE))
		return total;
	sum = mem_free > low ? mem_free - low : 0;
	sum += less_half_or(m->bytes[ACTIVE_FILE] + m->bytes[INACTIVE_FILE], low);
	sum += less_half_or(slab, low);
	return sum < total ? sum : total;
}

/* --- nodes --- */

static void read_watermark(struct memory_reading *m, int root)
{
	uint64_t kb;

	m->low_bytes = 0;
	if (topology_read_u64(root, "proc/sys/vm/min_free_kbytes", &kb) && kb < 1ULL << 40)
		m->low_bytes = kb * 1024 / 4 * 5;
}

void memory_begin(struct memory_reading *m, int root, struct topology *t)
{
	if (file_read(root, "proc/meminfo", m->text, sizeof(m->text)) > 0) {
		const char *p = strstr(m->text, "Hugepagesize:");
		uint64_t kb;

		if (p && parse_kb(p + strlen("Hugepagesize:"), &kb))
			t->huge_default = kb * 1024;
		if (!strncmp(m->text, "MemTotal:", 9) && parse_kb(m->text + 9, &kb))
			t->machine_bytes = kb * 1024;
	}
	m->machine_bytes = t->machine_bytes;
	read_watermark(m, root);
}

void memory_add_node(struct memory_reading *m, int dir, const char *path, struct topo_node *node)
{
	struct meminfo info;
	uint64_t low = 0;

	if (file_read(dir, path, m->text, sizeof(m->text)) <= 0)
		return;
	parse_meminfo(m->text, &info);
	if (!has(&info, MEM_TOTAL))
		return;
	if (m->machine_bytes)
		low = (uint64_t)((double)m->low_bytes * (double)info.bytes[MEM_TOTAL] / (double)m->machine_bytes);
	node->mem_known = true;
	node->mem_total += info.bytes[MEM_TOTAL];
	node->mem_free += available(&info, low);
}

void memory_add_huge(const struct topology *t, int dir, struct topo_node *node)
{
	char path[96];

	for (unsigned int i = 0; i < t->nhuge; i++) {
		unsigned long long kb = t->huge_size[i] / 1024;
		uint64_t total = 0, idle = 0;

		snprintf(path, sizeof(path), "hugepages/hugepages-%llukB/nr_hugepages", kb);
		if (!topology_read_u64(dir, path, &total) || !total)
			continue;
		snprintf(path, sizeof(path), "hugepages/hugepages-%llukB/free_hugepages", kb);
		topology_read_u64(dir, path, &idle);
		node->huge_total[i] += total;
		node->huge_free[i] += idle;
	}
}

void memory_add_machine(struct memory_reading *m, int root, struct topo_node *node)
{
	struct meminfo info;

	if (file_read(root, "proc/meminfo", m->text, sizeof(m->text)) <= 0)
		return;
	parse_meminfo(m->text, &info);
	if (!has(&info, MEM_TOTAL))
		return;
	node->mem_known = true;
	node->mem_total = info.bytes[MEM_TOTAL];
	node->mem_free = available(&info, 0);
}

/* --- again --- */

/* The memory of one node id, added to @node; its folder is opened only where there is more than one file to read. */
static void refresh_id(struct memory_reading *m, int nodes, const struct topology *t, bool huge, unsigned int id,
		       struct topo_node *node)
{
	cleanup_close int dir = -1;
	char name[32];

	snprintf(name, sizeof(name), "node%u/meminfo", id);
	memory_add_node(m, nodes, name, node);
	if (!huge)
		return;
	*strchr(name, '/') = '\0';
	dir = openat(nodes, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		memory_add_huge(t, dir, node);
}

static int refresh_node(struct memory_reading *m, int nodes, const struct topology *t, bool huge,
			struct topo_node *node)
{
	struct topo_node fresh = *node;

	fresh.mem_known = false;
	fresh.mem_total = fresh.mem_free = 0;
	memset(fresh.huge_total, 0, sizeof(fresh.huge_total));
	memset(fresh.huge_free, 0, sizeof(fresh.huge_free));
	if (idset_has(&t->merged, node->id)) {
		idset_foreach(id, &t->merged)
			refresh_id(m, nodes, t, huge, (unsigned int)id, &fresh);
	} else {
		refresh_id(m, nodes, t, huge, node->id, &fresh);
	}
	if (fresh.mem_known != node->mem_known || (fresh.mem_known && (fresh.mem_total > 0) != node->has_memory))
		return -ESTALE;
	*node = fresh;
	return 0;
}

uint64_t memory_of_nodes(const struct topology *t)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < t->nnodes; i++)
		sum += t->nodes[i].mem_total;
	return sum;
}

static int refresh_nodes(struct memory_reading *m, int nodes, struct topology *t, bool huge, struct error *err)
{
	m->machine_bytes = t->machine_bytes;
	for (unsigned int i = 0; i < t->nnodes; i++)
		if (refresh_node(m, nodes, t, huge, &t->nodes[i]) < 0)
			return error_set(err, -ESTALE, "node %u has changed", t->nodes[i].id);
	return 0;
}

int topology_refresh(int root, struct topology *t, bool huge, struct error *err)
{
	cleanup_close int nodes = openat(root, NODE_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_free struct memory_reading *m = malloc(sizeof(*m));
	int r;

	if (!m)
		return error_errno(err, -ENOMEM, "read memory");
	if (nodes < 0)
		return error_errno(err, -ESTALE, "open %s", NODE_DIR);
	read_watermark(m, root);
	r = refresh_nodes(m, nodes, t, huge, err);
	if (r < 0 || memory_of_nodes(t) == t->nodes_bytes)
		return r;
	/* Memory was added, or taken by a balloon: the machine has so much more or less, and nodes other shares of it. */
	if (t->machine_bytes)
		t->machine_bytes += memory_of_nodes(t) - t->nodes_bytes;
	t->nodes_bytes = memory_of_nodes(t);
	return refresh_nodes(m, nodes, t, huge, err);
}
