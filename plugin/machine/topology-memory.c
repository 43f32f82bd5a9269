/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory and hugepages of nodes, which change at run time and are read again for every decision.
 */
#include "plugin/machine/topology-internal.h"

#include "plugin/base/file.h"
#include "plugin/base/number.h"
#include "plugin/base/path.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define NODE_DIR "sys/devices/system/node"

/* --- meminfo --- */

enum field { MEM_TOTAL, MEM_FREE, ACTIVE_FILE, INACTIVE_FILE, RECLAIMABLE, SLAB_RECLAIMABLE, FIELDS };

/* In bytes; absent fields are 0 and not in @known. */
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

/* " 1234 kB"; false if it is not a number, or overflows in bytes. */
static bool parse_kb(const char *value, uint64_t *out)
{
	value += strspn(value, " ");
	return number_prefix(&value, UINT64_MAX / 1024, out);
}

/* Parses one line, without its "Node N ". */
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
 * "Node 0 MemFree: 1234 kB", in /proc/meminfo without the node; old kernels begin a node's file with an empty line.
 * Stops when all fields are known, as they come early.
 */
static void parse_meminfo(const char *text, struct meminfo *m)
{
	const unsigned int all = (1U << SLAB_RECLAIMABLE) - 1;
	size_t front = 0; /* length of "Node N ", equal on each line */

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
 * Memory available without swapping, computed as the kernel's MemAvailable: free memory above the low watermark, plus
 * the reclaimable part of page cache and slab.
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
	if (path_read_u64(root, &kb, "proc/sys/vm/min_free_kbytes") == 0 && kb < 1ULL << 40)
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
			t->nodes_bytes = kb * 1024;
	}
	m->said_bytes = m->nodes_bytes = t->nodes_bytes;
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
	if (m->nodes_bytes)
		low = (uint64_t)((double)m->low_bytes * (double)info.bytes[MEM_TOTAL] / (double)m->nodes_bytes);
	node->mem_known = true;
	node->mem_total += info.bytes[MEM_TOTAL];
	node->mem_free += available(&info, low);
}

void memory_add_huge(const struct topology *t, int dir, struct topo_node *node)
{
	for (unsigned int i = 0; i < t->nhuge; i++) {
		unsigned long long kb = t->huge_size[i] / 1024;
		uint64_t total = 0, idle = 0;

		if (path_read_u64(dir, &total, "hugepages/hugepages-%llukB/nr_hugepages", kb) < 0 || !total)
			continue;
		path_read_u64(dir, &idle, "hugepages/hugepages-%llukB/free_hugepages", kb);
		node->huge_total[i] += total;
		node->huge_free[i] += idle < total ? idle : total;
	}
}

/* Machine-wide count of reserved pages; read only for sizes with free pages. */
static void read_reserved(int root, struct topology *t)
{
	for (unsigned int h = 0; h < t->nhuge; h++) {
		uint64_t pages = 0;

		t->huge_reserved[h] = 0;
		for (unsigned int i = 0; i < t->nnodes; i++)
			pages |= t->nodes[i].huge_free[h];
		if (!pages)
			continue;
		if (path_read_u64(root, &pages, "sys/kernel/mm/hugepages/hugepages-%llukB/resv_hugepages",
				  (unsigned long long)t->huge_size[h] / 1024) == 0)
			t->huge_reserved[h] = pages;
	}
}

static uint64_t memory_of_nodes(const struct topology *t)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < t->nnodes; i++)
		sum += t->nodes[i].mem_total;
	return sum;
}

/* --- ZFS's cache (ARC) --- */

#define ARC_STATS "proc/spl/kstat/zfs/arcstats"

/* Parses a line "name type number" if @line begins with @name. */
static bool arc_number(const char *line, const char *name, uint64_t *out)
{
	size_t len = strlen(name);
	unsigned long long v;
	unsigned int type;

	if (strncmp(line, name, len) != 0 || sscanf(line + len, " %u %llu", &type, &v) != 2)
		return false;
	*out = v;
	return true;
}

static bool arc_evictable(const char *line, uint64_t *out)
{
	static const char *const lists[] = { "mru_evict", "mfu_evict", "uncached_evict" };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		size_t len = strlen(lists[i]);

		if (strncmp(line, lists[i], len) != 0)
			continue;
		line += len;
		line += strncmp(line, "able", 4) ? 0 : 4;
		return arc_number(line, "_data ", out) || arc_number(line, "_metadata ", out);
	}
	return false;
}

/* What the cache releases under memory pressure: no ghost lists, and nothing below its minimum size. */
static uint64_t arc_gives(const char *text)
{
	uint64_t size = 0, least = 0, evictable = 0, v;
	bool listed = false;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (arc_number(line, "size ", &v)) {
			size = v;
		} else if (arc_number(line, "c_min ", &v)) {
			least = v;
		} else if (arc_evictable(line, &v)) {
			listed = true;
			if (__builtin_add_overflow(evictable, v, &evictable))
				evictable = UINT64_MAX;
		}
	}
	size = size > least ? size - least : 0;
	return listed && evictable < size ? evictable : size;
}

/*
 * The kernel does not report on which nodes the cache lies. Assume the nodes with memory that the kernel can use for
 * itself, in proportion to their size.
 */
static bool may_hold_arc(const struct topo_node *n)
{
	return n->mem_known && n->memory_kind == MEMORY_ORDINARY && !n->movable_only;
}

static void add_arc(struct memory_reading *m, int root, struct topology *t)
{
	uint64_t total = 0, gives;

	if (file_read(root, ARC_STATS, m->text, sizeof(m->text)) <= 0)
		return;
	gives = arc_gives(m->text);
	for (unsigned int i = 0; i < t->nnodes; i++)
		total += may_hold_arc(&t->nodes[i]) ? t->nodes[i].mem_total : 0;
	for (unsigned int i = 0; i < t->nnodes; i++) {
		struct topo_node *n = &t->nodes[i];
		uint64_t taken = n->mem_total - n->mem_free, share;

		if (!may_hold_arc(n) || !total)
			continue;
		share = (uint64_t)((double)gives * ((double)n->mem_total / (double)total));
		n->arc_bytes = share < taken ? share : taken;
		n->mem_free += n->arc_bytes;
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

/* --- refresh --- */

/* Adds the memory of one node id to @node; opens its folder only if more than one file is read. */
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
	fresh.mem_total = fresh.mem_free = fresh.arc_bytes = 0;
	memset(fresh.huge_total, 0, sizeof(fresh.huge_total));
	memset(fresh.huge_free, 0, sizeof(fresh.huge_free));
	if (nodeset_has(&t->merged, node->id)) {
		nodeset_foreach(id, &t->merged)
			refresh_id(m, nodes, t, huge, (unsigned int)id, &fresh);
	} else {
		refresh_id(m, nodes, t, huge, node->id, &fresh);
	}
	if (fresh.mem_known != node->mem_known || (fresh.mem_known && (fresh.mem_total > 0) != node->has_memory))
		return -ESTALE;
	*node = fresh;
	return 0;
}

static int refresh_nodes(struct memory_reading *m, int nodes, struct topology *t, bool huge, struct error *err)
{
	m->nodes_bytes = t->nodes_bytes;
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
	/* Memory was added or removed (balloon), so the nodes' shares of the watermark have changed. */
	if (r == 0 && memory_of_nodes(t) != t->nodes_bytes) {
		t->nodes_bytes = memory_of_nodes(t);
		r = refresh_nodes(m, nodes, t, huge, err);
	}
	if (r < 0)
		return r;
	if (huge)
		read_reserved(root, t);
	if (t->arc)
		add_arc(m, root, t);
	return 0;
}

bool memory_is_foreign(const struct memory_reading *m, const struct topology *t)
{
	uint64_t nodes_bytes = memory_of_nodes(t);
	uint64_t off = m->said_bytes > nodes_bytes ? m->said_bytes - nodes_bytes : nodes_bytes - m->said_bytes;

	return m->said_bytes && off > nodes_bytes / 8;
}

void memory_end(struct memory_reading *m, int root, int nodes, struct topology *t)
{
	t->nodes_bytes = memory_of_nodes(t);
	if (nodes >= 0 && m->low_bytes && t->nodes_bytes != m->nodes_bytes)
		refresh_nodes(m, nodes, t, true, NULL); /* on failure, the first reading stays */
	read_reserved(root, t);
	t->arc = !memory_is_foreign(m, t) && faccessat(root, ARC_STATS, R_OK, 0) == 0;
	if (t->arc)
		add_arc(m, root, t);
}
