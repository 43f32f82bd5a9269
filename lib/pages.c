/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages of the public API: joins what numa_maps of the processes and memory.numa_stat of the cgroup report by node.
 */
#include "lib/context.h"

#include "cgroup/pages.h"
#include "lib/placement.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

struct numaplace_pages {
	unsigned int n;
	struct numaplace_node_pages node[];
};

static void add_processes(struct numaplace_node_pages *node, const struct pages *from)
{
	for (unsigned int i = 0; i < from->n; i++) {
		const struct pages_node *n = &from->node[i];
		struct numaplace_node_pages *to = &node[n->id];

		to->anonymous = n->anon;
		to->shared = n->shared;
		to->huge = n->huge;
		to->files = n->file - n->shared;
		to->mixed = n->mixed;
	}
}

static void add_cgroup(struct numaplace_node_pages *node, const struct numa_stat *from)
{
	for (unsigned int i = 0; i < from->n; i++) {
		struct numaplace_node_pages *to = &node[from->node[i].id];

		to->cgroup_anonymous = from->node[i].anon;
		to->cgroup_files = from->node[i].file;
		to->cgroup_kernel = from->node[i].kernel;
	}
}

static bool has_pages(const struct numaplace_node_pages *n)
{
	return n->anonymous || n->shared || n->huge || n->files || n->mixed || n->cgroup_anonymous || n->cgroup_files ||
	       n->cgroup_kernel;
}

/* The highest node id of both, and 1. */
static unsigned int id_limit(const struct pages *processes, const struct numa_stat *cgroup)
{
	unsigned int ids = 0;

	for (unsigned int i = 0; i < processes->n; i++)
		ids = processes->node[i].id >= ids ? processes->node[i].id + 1U : ids;
	for (unsigned int i = 0; cgroup && i < cgroup->n; i++)
		ids = cgroup->node[i].id >= ids ? cgroup->node[i].id + 1U : ids;
	return ids;
}

/* @cgroup NULL: its sums are not known. */
static struct numaplace_pages *join(const struct pages *processes, const struct numa_stat *cgroup)
{
	unsigned int ids = id_limit(processes, cgroup), n = 0;
	cleanup_free struct numaplace_node_pages *node = calloc(ids + 1, sizeof(*node));
	struct numaplace_pages *out = NULL;

	if (!node)
		return NULL;
	add_processes(node, processes);
	if (cgroup)
		add_cgroup(node, cgroup);
	for (unsigned int id = 0; id < ids; id++) {
		if (!has_pages(&node[id]))
			continue;
		node[n] = node[id];
		node[n].id = id;
		node[n++].cgroup_known = cgroup != NULL;
	}
	out = calloc(1, sizeof(*out) + n * sizeof(*node));
	if (!out)
		return NULL;
	out->n = n;
	memcpy(out->node, node, n * sizeof(*node));
	return out;
}

/* What is read of a container or a process, before it is joined. */
struct reading_pages {
	struct pages processes;
	struct numa_stat cgroup;
	bool has_cgroup; /* .cgroup is valid */
};

static int open_mount(const struct numaplace *np, int *mount, struct error *err)
{
	if (np->real && cgroup_mount(mount, NULL, 0, NULL) == 0)
		return 0;
	return error_set(err, -ENOENT, "no cgroup2 to find its processes in");
}

static int read_container(const struct numaplace *np, const char *cgroup, struct reading_pages *r, struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	cleanup_close int mount = -1;
	int rc = open_mount(np, &mount, err);

	if (rc == 0)
		rc = pages_of_cgroup(np->root, mount, cgroup, &r->processes, err);
	if (rc == 0)
		r->has_cgroup = cgroup_open(mount, cgroup, &c, NULL) == 0 &&
				cgroup_read_numa_stat(&c, &r->cgroup, NULL) == 0;
	return rc;
}

static int read_cgroup(const struct numaplace *np, const struct numaplace_placement *p, struct reading_pages *r,
		       struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	cleanup_close int mount = -1;
	int rc = open_mount(np, &mount, err);

	if (rc == 0)
		rc = cgroup_open(mount, p->cgroup, &c, err);
	if (rc == 0 && c.inode != p->inode)
		rc = error_set(err, -ENOENT, "%s: the cgroup was replaced by another one", quote(p->cgroup).text);
	if (rc == 0)
		rc = cgroup_read_numa_stat(&c, &r->cgroup, err);
	r->has_cgroup = rc == 0;
	return rc;
}

/* Joins what was read if @rc is 0. */
static int give(struct numaplace *np, int rc, const struct reading_pages *r, struct numaplace_pages **out, struct error *err)
{
	struct numaplace_pages *joined;

	if (rc < 0)
		return lib_keep(np, rc, err);
	joined = join(&r->processes, r->has_cgroup ? &r->cgroup : NULL);
	if (!joined)
		return lib_keep(np, error_set(err, -ENOMEM, "out of memory"), err);
	*out = joined;
	return 0;
}

int numaplace_pages_read(struct numaplace *np, const struct numaplace_placement *p, unsigned int flags,
			 struct numaplace_pages **out)
{
	cleanup_free struct reading_pages *r = calloc(1, sizeof(*r));
	struct error err = { 0 };
	int rc;

	if (!np)
		return -EINVAL;
	if (!p || !out)
		return lib_missing(np, p ? "pages" : "placement");
	if (!r)
		return lib_keep(np, error_set(&err, -ENOMEM, "out of memory"), &err);
	if (flags & ~NUMAPLACE_CGROUP_ONLY)
		rc = error_set(&err, -EINVAL, "flags 0x%x: unknown", flags);
	else if (flags)
		rc = read_cgroup(np, p, r, &err);
	else
		rc = read_container(np, p->cgroup, r, &err);
	return give(np, rc, r, out, &err);
}

int numaplace_pages_read_pid(struct numaplace *np, pid_t pid, struct numaplace_pages **out)
{
	cleanup_free struct reading_pages *r = calloc(1, sizeof(*r));
	struct error err = { 0 };
	int rc;

	if (!np)
		return -EINVAL;
	if (!out)
		return lib_missing(np, "pages");
	if (!r)
		return lib_keep(np, error_set(&err, -ENOMEM, "out of memory"), &err);
	if (pid <= 0)
		rc = error_set(&err, -EINVAL, "pid: %d: no process", (int)pid);
	else
		rc = pages_of_pid(np->root, pid, &r->processes, &err);
	return give(np, rc, r, out, &err);
}

const struct numaplace_node_pages *numaplace_pages_node(const struct numaplace_pages *pages, unsigned int i)
{
	return i < pages->n ? &pages->node[i] : NULL;
}

void numaplace_pages_free(struct numaplace_pages *pages)
{
	free(pages);
}
