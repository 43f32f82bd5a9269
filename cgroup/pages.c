/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numa_maps: a line per mapping, with a count of pages per node in units of its
 * page size.  Read line by line, as a large process has megabytes of it.
 */
#include "cgroup/pages.h"

#include "cgroup/open.h"
#include "plugin/util.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

struct line {
	bool file, huge;
	uint64_t anon, total; /* pages */
	uint64_t page_size;   /* bytes */
};

/* The number behind "key=" at @p; false: it is another word. A malformed or huge one clears *@good. */
static bool number(const char *p, const char *key, uint64_t *out, bool *good)
{
	size_t n = strlen(key);
	char *end;

	if (strncmp(p, key, n) != 0)
		return false;
	errno = 0;
	*out = strtoumax(p + n, &end, 10);
	if (errno || p[n] < '0' || p[n] > '9' || (*end && *end != ' ' && *end != '\n') || *out > 1ULL << 52)
		*good = false;
	return true;
}

/* "N3=17": the node, or -1 when it is another word. */
static int node_word(const char *p, uint64_t *count, bool *good)
{
	unsigned long id;
	char *end;

	if (p[0] != 'N' || p[1] < '0' || p[1] > '9')
		return -1;
	id = strtoul(p + 1, &end, 10);
	if (*end != '=' || id >= PAGES_NODE_MAX)
		*good = false;
	else
		number(end, "=", count, good);
	return *good ? (int)id : -1;
}

static const char *next_word(const char *p)
{
	p += strcspn(p, " \n");
	return p + strspn(p, " ");
}

/* What the line is; its nodes come in a second pass, when that is known. */
static bool classify(const char *words, struct line *l)
{
	bool good = true;
	uint64_t value = 0, kb = 4;

	*l = (struct line){ .page_size = 4096 };
	for (const char *p = words; *p && *p != '\n'; p = next_word(p)) {
		if (strncmp(p, "file=", 5) == 0)
			l->file = true;
		else if (strncmp(p, "huge", 4) == 0 && (!p[4] || p[4] == ' ' || p[4] == '\n'))
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

static struct pages_node *node_of(struct pages *p, int id)
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
	/* "7f0c1000 default file=/bin/x mapped=3 N0=3 kernelpagesize_kB=4": address and policy are passed over. */
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
		n = node_of(p, id);
		if (l.huge)
			n->huge += count * l.page_size;
		else if (!l.file || l.anon >= l.total)
			n->anon += count * l.page_size;
		else if (l.anon == 0)
			n->file += count * l.page_size;
		else
			n->mixed += count * l.page_size;
	}
	return 0;
}

int pages_of_pid(int root, pid_t pid, struct pages *out, struct error *err)
{
	cleanup_free struct pages *found = calloc(1, sizeof(*found));
	cleanup_fclose FILE *file = NULL;
	cleanup_free char *line = NULL;
	size_t size = 0;
	char path[64];
	int fd;

	if (!found)
		return error_errno(err, -ENOMEM, "pid %d", (int)pid);
	snprintf(path, sizeof(path), "proc/%d/numa_maps", (int)pid);
	fd = openat(root, path, O_RDONLY | O_CLOEXEC);
	file = fd < 0 ? NULL : fdopen(fd, "r");
	if (!file) {
		int status = -errno;

		snprintf(path, sizeof(path), "proc/%d", (int)pid);
		if (status == -ENOENT && faccessat(root, path, F_OK, 0) < 0)
			return error_set(err, -ESRCH, "pid %d is gone", (int)pid);
		if (status == -ENOENT)
			return error_set(err, status, "%s/numa_maps: not there: a kernel without NUMA", path);
		return error_errno(err, status, "open %s/numa_maps", path);
	}
	while (getline(&line, &size, file) >= 0)
		if (pages_add_line(found, line) < 0)
			return error_set(err, -EINVAL, "%s: \"%s\" makes no sense", path, quote(line).text);
	if (ferror(file))
		return error_errno(err, errno ? -errno : -EIO, "read %s", path);
	*out = *found;
	return 0;
}
