/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Visits every cgroup below the mount or below one cgroup, depth first. Pending paths are in a list on the heap, and
 * one descriptor is open at a time: a tree nested a thousand deep costs neither stack nor descriptors.
 */
#include "cgroup/cgroup.h"
#include "cgroup/open.h"
#include "plugin/base/path.h"
#include "plugin/base/util.h"
#include "plugin/base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

struct waiting {
	char **path;
	size_t n, room;
};

static void waiting_free(struct waiting *w)
{
	while (w->n)
		free(w->path[--w->n]);
	free(w->path);
}
#define cleanup_waiting __attribute__((cleanup(waiting_free)))

/* Appends "@parent/@name" to the list. */
static int waiting_push(struct waiting *w, const char *parent, const char *name)
{
	char *path, **last;

	if (asprintf(&path, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, name) < 0)
		return -ENOMEM;
	last = vec_push(w->path, w->n, w->room);
	if (last)
		*last = path;
	else
		free(path);
	return last ? 0 : -ENOMEM;
}

static int push_children(struct waiting *w, const struct cgroup_dir *c)
{
	int fd = open_beneath(c->fd, ".", O_RDONLY | O_DIRECTORY);
	cleanup_closedir DIR *dir = dir_list(fd);
	const struct dirent *e;

	if (!dir)
		return fd < 0 ? fd : -errno;
	while ((e = readdir(dir))) {
		int rc;

		if (e->d_type != DT_DIR || e->d_name[0] == '\0' || strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0)
			continue;
		rc = waiting_push(w, c->path, e->d_name);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/*
 * One step: appends the children, then visits the cgroup. A cgroup that is gone, or whose path is too long, is skipped.
 */
static int visit(int mount, const char *path, struct waiting *w, int (*each)(void *arg, const struct cgroup_dir *c),
		 void *arg, struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	bool root = strcmp(path, "/") == 0;
	struct error why;
	int rc;

	if (!path_is_plain(path))
		return 0;
	rc = cgroup_open(mount, path, &c, &why);
	if (!root && (rc == -ENOENT || rc == -ENODEV || rc == -ENOTSUP || rc == -EXDEV))
		return 0;
	if (rc < 0)
		return error_set(err, rc, "%s", why.text);
	rc = push_children(w, &c);
	if (rc == -ENOENT || rc == -ENODEV)
		return 0;
	if (rc < 0)
		return error_errno(err, rc, "cgroup %.200s: list", path);
	return root ? 0 : each(arg, &c);
}

int cgroup_walk(int mount, int (*each)(void *arg, const struct cgroup_dir *c), void *arg, struct error *err)
{
	return cgroup_walk_from(mount, "/", each, arg, err);
}

int cgroup_walk_from(int mount, const char *path, int (*each)(void *arg, const struct cgroup_dir *c), void *arg,
		     struct error *err)
{
	cleanup_waiting struct waiting w = { 0 };
	int rc = visit(mount, path, &w, each, arg, err);

	while (rc == 0 && w.n) {
		cleanup_free char *next = w.path[--w.n];

		rc = visit(mount, next, &w, each, arg, err);
	}
	return rc;
}

struct pid_search {
	struct cgroup_pids *pids;
	struct error *err;
};

static int add_pid(struct cgroup_pids *p, pid_t pid)
{
	pid_t *last = vec_push(p->pid, p->n, p->room);

	if (last)
		*last = pid;
	return last ? 0 : -ENOMEM;
}

/* A cgroup that is gone, or is threaded, has no list of processes. */
static int add_pids_of(void *arg, const struct cgroup_dir *c)
{
	const struct pid_search *s = arg;
	cleanup_close int fd = open_beneath(c->fd, "cgroup.procs", O_RDONLY);
	cleanup_fclose FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	int pid, rc = 0;

	if (!file)
		return 0;
	fd = -1; /* owned by file now */
	while (rc == 0 && fscanf(file, "%d", &pid) == 1)
		rc = pid > 0 ? add_pid(s->pids, pid) : 0;
	return rc < 0 ? error_errno(s->err, rc, "cgroup %.200s: list its processes", c->path) : 0;
}

int cgroup_read_pids(int mount, const char *path, struct cgroup_pids *out, struct error *err)
{
	struct pid_search search = { .pids = out, .err = err };

	return cgroup_walk_from(mount, path, add_pids_of, &search, err);
}

void cgroup_pids_free(struct cgroup_pids *p)
{
	free(p->pid);
	*p = (struct cgroup_pids){ 0 };
}
