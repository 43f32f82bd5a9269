/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads numa_maps: a line per mapping, with the number of pages on each node, in units of its page size. Read line by
 * line, as it is megabytes long for a large process.
 */
#include "cgroup/pages.h"

#include "cgroup/cgroup.h"
#include "cgroup/open.h"
#include "plugin/base/file.h"
#include "plugin/base/number.h"
#include "plugin/base/util.h"
#include "plugin/base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

struct line {
	bool file, huge, shared;
	uint64_t anon, total; /* pages */
	uint64_t page_size;   /* bytes */
};

/* Parses the number after "key=" at @p; false: a different word. A malformed or too large number clears *@good. */
static bool number(const char *p, const char *key, uint64_t *out, bool *good)
{
	size_t n = strlen(key);

	if (strncmp(p, key, n) != 0)
		return false;
	p += n;
	if (!number_prefix(&p, 1ULL << 52, out) || (*p && *p != ' ' && *p != '\n'))
		*good = false;
	return true;
}

/* Parses "N3=17": the node id, or -1 for a different word. */
static int node_word(const char *p, uint64_t *count, bool *good)
{
	uint64_t id = 0;

	if (p[0] != 'N' || p[1] < '0' || p[1] > '9')
		return -1;
	p++;
	if (!number_prefix(&p, NODESET_MAX - 1, &id) || !number(p, "=", count, good))
		*good = false;
	return *good ? (int)id : -1;
}

static const char *next_word(const char *p)
{
	p += strcspn(p, " \n");
	return p + strspn(p, " ");
}

/*
 * Whether a "file" is shared memory. A runtime's copy of its own program counts as a file: it was made before the
 * placement.
 */
static bool is_memory(const char *name)
{
	static const char *const begins[] = { "/memfd:", "/dev/zero", "/SYSV", "/dev/shm/" };

	if (strncmp(name, "/memfd:runc_cloned", 18) == 0 || strncmp(name, "/memfd:crun_cloned", 18) == 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(begins); i++)
		if (strncmp(name, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}

/* Determines the kind of mapping; a second pass adds up its nodes. */
static bool classify(const char *words, struct line *l)
{
	bool good = true;
	uint64_t value = 0, kb = 4;

	*l = (struct line){ .page_size = 4096 };
	for (const char *p = words; *p && *p != '\n'; p = next_word(p)) {
		if (strncmp(p, "file=", 5) == 0) {
			l->file = true;
			l->shared = is_memory(p + 5);
		} else if (strncmp(p, "huge", 4) == 0 && (!p[4] || p[4] == ' ' || p[4] == '\n'))
			l->huge = true;
		else if (node_word(p, &value, &good) >= 0)
			l->total += value;
		else if (good && !number(p, "anon=", &l->anon, &good))
			number(p, "kernelpagesize_kB=", &kb, &good);
		if (!good || l->total > 1ULL << 52)
			return false;
	}
	if (kb > 1ULL << 24)
		return false;
	l->page_size = kb * 1024;
	return true;
}

struct pages_node *pages_node(struct pages *p, unsigned int id)
{
	unsigned int i;

	for (i = 0; i < p->n; i++)
		if (p->node[i].id == id)
			return &p->node[i];
	p->n++;
	p->node[i] = (struct pages_node){ .id = (uint16_t)id };
	return &p->node[i];
}

int pages_add_line(struct pages *p, const char *line)
{
	/* Skip address and policy: "7f0c1000 default file=/bin/x mapped=3 N0=3 kernelpagesize_kB=4". */
	const char *words = next_word(next_word(line));
	struct line l;
	bool good = true;

	if (!classify(words, &l))
		return -EINVAL;
	for (const char *w = words; *w && *w != '\n'; w = next_word(w)) {
		uint64_t count;
		int id = node_word(w, &count, &good);
		struct pages_node *n;

		if (id < 0)
			continue;
		n = pages_node(p, (unsigned int)id);
		if (l.huge)
			n->huge += count * l.page_size;
		else if (!l.file || l.anon >= l.total || (l.shared && l.anon))
			n->anon += count * l.page_size;
		else if (l.anon == 0)
			n->file += count * l.page_size;
		else
			n->mixed += count * l.page_size;
		/* These bytes are part of .file, added above. */
		if (l.shared && !l.huge && l.anon == 0)
			n->shared += count * l.page_size;
	}
	return 0;
}

void pages_add(struct pages *to, const struct pages *from)
{
	for (unsigned int i = 0; i < from->n; i++) {
		struct pages_node *n = pages_node(to, from->node[i].id);

		n->anon += from->node[i].anon;
		n->file += from->node[i].file;
		n->mixed += from->node[i].mixed;
		n->huge += from->node[i].huge;
		n->shared += from->node[i].shared;
	}
}

int numa_maps_open(int root, pid_t pid, char path[NUMA_MAPS_PATH], FILE **out, struct error *err)
{
	int fd;

	snprintf(path, NUMA_MAPS_PATH, "proc/%d/numa_maps", (int)pid);
	fd = file_open(root, path);
	*out = fd < 0 ? NULL : fdopen(fd, "r");
	if (!*out) {
		int status = fd < 0 ? fd : -errno;

		snprintf(path, NUMA_MAPS_PATH, "proc/%d", (int)pid);
		if (status == -ENOENT && faccessat(root, path, F_OK, 0) < 0)
			return error_set(err, -ESRCH, "pid %d is gone", (int)pid);
		if (status == -ENOENT)
			return error_set(err, status, "%s/numa_maps: does not exist: the kernel has no NUMA support", path);
		if (status == -EINVAL)
			return error_set(err, status, "%s/numa_maps: not a regular file", path);
		return error_errno(err, status, "open %s/numa_maps", path);
	}
	return 0;
}

uint64_t pages_own(const struct pages_node *n)
{
	return n->anon + n->shared + n->huge;
}

uint64_t pages_elsewhere(const struct pages *p, const struct nodeset *nodes)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < p->n; i++)
		if (!nodeset_has(nodes, p->node[i].id))
			sum += pages_own(&p->node[i]);
	return sum;
}

/* The length of the policy in a line. "prefer (many)" and "weighted interleave" are two words. */
static size_t policy_length(const char *p)
{
	size_t n = strcspn(p, " \n");

	if ((strncmp(p, "prefer (many)", 13) == 0 || strncmp(p, "weighted interleave", 19) == 0) && p[n] == ' ')
		n += 1 + strcspn(p + n + 1, " \n");
	return n;
}

int pages_policy_of_pid(int root, pid_t pid, char *buf, size_t size, struct error *err)
{
	cleanup_fclose FILE *file = NULL;
	cleanup_free char *line = NULL;
	char path[NUMA_MAPS_PATH];
	size_t room = 0;
	int r = numa_maps_open(root, pid, path, &file, err);

	if (r < 0)
		return r;
	if (getline(&line, &room, file) < 0) {
		if (ferror(file))
			return error_errno(err, errno ? -errno : -EIO, "read %s", path);
		return error_set(err, -ESRCH, "pid %d has no memory: it is about to end", (int)pid);
	}
	snprintf(buf, size, "%.*s", (int)policy_length(next_word(line)), next_word(line));
	return 0;
}

void pages_policy_text(enum memory_policy policy, const struct nodeset *nodes, char *buf, size_t size)
{
	const char *mode = policy == POLICY_INTERLEAVE ? "interleave" :
			   policy == POLICY_WEIGHTED   ? "weighted interleave" :
			   nodeset_count(nodes) == 1   ? "prefer" :
							 "prefer (many)";
	int n;

	buf[0] = '\0';
	if (policy == POLICY_STRICT)
		return;
	n = snprintf(buf, size, "%s=static:", mode);
	if (n > 0 && (size_t)n < size)
		nodeset_format(nodes, buf + n, size - (size_t)n);
}

void mappings_free(struct mappings *m)
{
	free(m->map);
	*m = (struct mappings){ 0 };
}

static struct mapping *new_mapping(struct mappings *m)
{
	return vec_push(m->map, m->n, m->room);
}

int mappings_read(int root, pid_t pid, struct mappings *out, struct error *err)
{
	cleanup_fclose FILE *file = NULL;
	cleanup_free char *line = NULL;
	char path[NUMA_MAPS_PATH];
	size_t size = 0;
	int fd;

	snprintf(path, sizeof(path), "proc/%d/maps", (int)pid);
	fd = file_open(root, path);
	file = fd < 0 ? NULL : fdopen(fd, "r");
	if (!file)
		return error_errno(err, fd == -ENOENT ? -ESRCH : fd < 0 ? fd : -errno, "open %s", path);
	while (getline(&line, &size, file) >= 0) {
		struct mapping *m = new_mapping(out);

		if (!m)
			return error_errno(err, -ENOMEM, "read %s", path);
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &m->start, &m->end) != 2 || m->end <= m->start)
			return error_set(err, -EINVAL, "%s: malformed line \"%s\"", path, quote(line).text);
	}
	return 0;
}

struct mapping *mappings_find(const struct mappings *m, uint64_t start)
{
	size_t low = 0, high = m->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->map[middle].start < start)
			low = middle + 1;
		else
			high = middle;
	}
	return low < m->n && m->map[low].start == start ? &m->map[low] : NULL;
}

/* Adds a line of numa_maps to the mapping that begins there; skips mappings that are newer than @m. */
static int judge_mapping(const char *line, const struct nodeset *nodes, const struct mappings *m, struct pages *p)
{
	struct mapping *map = mappings_find(m, strtoull(line, NULL, 16));
	struct line l;

	p->n = 0;
	if (pages_add_line(p, line) < 0 || !classify(next_word(next_word(line)), &l))
		return -EINVAL;
	if (!map)
		return 0;
	map->page_size = l.page_size;
	map->own = l.huge || l.shared || !l.file;
	for (unsigned int i = 0; i < p->n; i++)
		if (!nodeset_has(nodes, p->node[i].id))
			map->elsewhere += pages_own(&p->node[i]) + p->node[i].mixed;
		else
			map->partly = true;
	return 0;
}

int mappings_of_pid(int root, pid_t pid, const struct nodeset *nodes, struct mappings *out, struct error *err)
{
	cleanup_mappings struct mappings all = { 0 };
	cleanup_free struct pages *p = calloc(1, sizeof(*p));
	cleanup_fclose FILE *file = NULL;
	cleanup_free char *line = NULL;
	char path[NUMA_MAPS_PATH];
	size_t size = 0, kept = 0;
	int r = p ? mappings_read(root, pid, &all, err) : error_errno(err, -ENOMEM, "pid %d", (int)pid);

	if (r == 0)
		r = numa_maps_open(root, pid, path, &file, err);
	if (r < 0)
		return r;
	while (getline(&line, &size, file) >= 0)
		if (judge_mapping(line, nodes, &all, p) < 0)
			return error_set(err, -EINVAL, "%s: malformed line \"%s\"", path, quote(line).text);
	for (size_t i = 0; i < all.n; i++)
		if (all.map[i].elsewhere && all.map[i].page_size)
			all.map[kept++] = all.map[i];
	all.n = kept;
	*out = all;
	all = (struct mappings){ 0 };
	return 0;
}
