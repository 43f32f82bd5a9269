/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pages of a process, and of all processes in a cgroup. numa_maps does not show which pages of a private file
 * mapping the process has changed (copied). For such mappings the page table is read, up to MOST_PAGES pages.
 */
#include "cgroup/cgroup.h"
#include "cgroup/open.h"
#include "cgroup/pages.h"
#include "plugin/base/file.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#define STEP 4096              /* addresses per call */
#define MOST_PAGES (1ULL << 22) /* per process: 16 GiB of small pages, with 32 MiB of page table */

/* Bits of an entry of /proc/PID/pagemap. */
#define ENTRY_PRESENT (1ULL << 63)
#define ENTRY_FILE_OR_SHARED (1ULL << 61)

struct apart {
	int root;
	pid_t pid;
	bool failed;          /* no permission, or the process has ended */
	int pagemap;
	struct mappings maps;
	uint64_t page_size, left; /* bytes; pages */
	struct pages found;   /* of one mapping */
	uint64_t entry[STEP];
	void *page[STEP];
	int status[STEP];
};

static void apart_freep(struct apart **a)
{
	if (!*a)
		return;
	mappings_free(&(*a)->maps);
	cleanup_closep(&(*a)->pagemap);
	free(*a);
}
#define cleanup_apart __attribute__((cleanup(apart_freep)))

/* NULL: out of memory; all pages then stay mixed. */
static struct apart *apart_new(int root, pid_t pid)
{
	struct apart *a = calloc(1, sizeof(*a));
	char path[64];

	if (!a)
		return NULL;
	a->root = root;
	a->pid = pid;
	a->page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	a->left = MOST_PAGES;
	snprintf(path, sizeof(path), "proc/%d/pagemap", (int)pid);
	a->pagemap = file_open(root, path);
	a->failed = a->pagemap < 0 || mappings_read(root, pid, &a->maps, NULL) < 0;
	return a;
}

/* Finds the changed (private) pages among @n entries from address @at, and adds them to their nodes. */
static bool look_at(struct apart *a, uint64_t at, size_t n)
{
	size_t changed = 0;

	for (size_t i = 0; i < n; i++)
		if ((a->entry[i] & ENTRY_PRESENT) && !(a->entry[i] & ENTRY_FILE_OR_SHARED))
			a->page[changed++] = (void *)(uintptr_t)(at + i * a->page_size);
	if (changed && libnuma_move_pages(a->pid, changed, a->page, NULL, a->status, false) < 0)
		return false;
	for (size_t i = 0; i < changed; i++)
		if (a->status[i] >= 0 && a->status[i] < NODESET_MAX)
			pages_node(&a->found, (unsigned int)a->status[i])->anon += a->page_size;
	return true;
}

static bool look_through(struct apart *a, const struct mapping *map)
{
	uint64_t at = map->start;

	a->found.n = 0;
	if (a->failed || (map->end - map->start) / a->page_size > a->left)
		return false;
	a->left -= (map->end - map->start) / a->page_size;
	while (at < map->end) {
		uint64_t want = (map->end - at) / a->page_size;
		ssize_t got = pread(a->pagemap, a->entry, (want < STEP ? want : STEP) * sizeof(a->entry[0]),
				    (off_t)(at / a->page_size * sizeof(a->entry[0])));

		if (got < (ssize_t)sizeof(a->entry[0]) || !look_at(a, at, (size_t)got / sizeof(a->entry[0])))
			return false;
		at += (uint64_t)got / sizeof(a->entry[0]) * a->page_size;
	}
	return true;
}

/* Splits the mixed pages in @p, those of the mapping at @start, into private ones and the file's, if possible. */
static void tell_apart(struct apart *a, uint64_t start, struct pages *p)
{
	const struct mapping *map = a ? mappings_find(&a->maps, start) : NULL;

	if (!map || !look_through(a, map))
		return;
	for (unsigned int i = 0; i < p->n; i++) {
		struct pages_node *n = &p->node[i];
		uint64_t changed = pages_node(&a->found, n->id)->anon;

		/* The process continues to run. */
		if (changed > n->mixed)
			changed = n->mixed;
		n->anon += changed;
		n->file += n->mixed - changed;
		n->mixed = 0;
	}
}

static bool is_mixed(const struct pages *p)
{
	for (unsigned int i = 0; i < p->n; i++)
		if (p->node[i].mixed)
			return true;
	return false;
}

int pages_of_pid(int root, pid_t pid, struct pages *out, struct error *err)
{
	cleanup_free struct pages *found = calloc(1, sizeof(*found)), *one = calloc(1, sizeof(*one));
	cleanup_apart struct apart *apart = NULL;
	cleanup_fclose FILE *file = NULL;
	cleanup_free char *line = NULL;
	char path[NUMA_MAPS_PATH];
	size_t size = 0;
	int r;

	if (!found || !one)
		return error_errno(err, -ENOMEM, "pid %d", (int)pid);
	r = numa_maps_open(root, pid, path, &file, err);
	if (r < 0)
		return r;
	while (getline(&line, &size, file) >= 0) {
		one->n = 0;
		if (pages_add_line(one, line) < 0)
			return error_set(err, -EINVAL, "%s: malformed line \"%s\"", path, quote(line).text);
		if (is_mixed(one)) {
			apart = apart ? apart : apart_new(root, pid);
			tell_apart(apart, strtoull(line, NULL, 16), one);
		}
		pages_add(found, one);
	}
	if (ferror(file))
		return error_errno(err, errno ? -errno : -EIO, "read %s", path);
	*out = *found;
	return 0;
}

int pages_of_cgroup(int root, int mount, const char *path, struct pages *out, struct error *err)
{
	cleanup_free struct pages *all = calloc(1, sizeof(*all)), *one = malloc(sizeof(*one));
	cleanup_cgroup_pids struct cgroup_pids pids = { 0 };
	int r;

	if (!all || !one)
		return error_errno(err, -ENOMEM, "cgroup %.200s", path);
	r = cgroup_read_pids(mount, path, &pids, err);
	for (size_t i = 0; r == 0 && i < pids.n; i++) {
		r = pages_of_pid(root, pids.pid[i], one, err);
		if (r == 0)
			pages_add(all, one);
		else if (r == -ESRCH || r == -EACCES)
			r = 0; /* has ended, or cannot be read */
	}
	if (r == 0)
		*out = *all;
	return r;
}
