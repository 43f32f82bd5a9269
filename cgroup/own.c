/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gathers the facts about a cgroup before it is written to, and judges them. At nearly every start the cgroup has one
 * process and no child cgroups, as cgroup_of_pid() has seen already; only other cases are examined process by process.
 */
#include "cgroup/own.h"

#include "cgroup/open.h"
#include "cgroup/text.h"
#include "plugin/base/file.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define PROCS_TEXT_MAX 8192 /* a starting container has one process, with some runtimes a few */
#define CHAIN_MAX      128  /* generations from a process to an ancestor */

/* --- the verdict --- */

enum own_verdict own_judge_start(const struct own_facts *f)
{
	if (f->root)
		return OWN_ROOT;
	if (!f->member)
		return OWN_LEFT;
	if (f->caller)
		return OWN_CALLER;
	if (f->mark == OWN_MARK_OTHER && (!f->listed || f->stranger || f->child))
		return OWN_MARKED;
	if (!f->listed)
		return OWN_UNLISTED;
	if (f->stranger)
		return OWN_STRANGER;
	return f->child ? OWN_CHILD : OWN_YES;
}

enum own_verdict own_judge_placed(const struct own_facts *f)
{
	if (f->root)
		return OWN_ROOT;
	if (!f->member)
		return OWN_LEFT;
	if (f->mark == OWN_MARK_OTHER)
		return OWN_MARKED;
	if (f->mark == OWN_MARK_NONE)
		return OWN_UNMARKED;
	return f->child ? OWN_NESTED : OWN_YES;
}

enum own_mark own_mark_of(const struct record *found, uint64_t inode, const char *runtime_class, const char *id)
{
	if (!found || found->cgroup_inode != inode)
		return OWN_MARK_NONE;
	if (strcmp(found->id, id) == 0 && strcmp(record_class(found), runtime_class) == 0)
		return OWN_MARK_SAME;
	return OWN_MARK_OTHER;
}

/* Names for the messages, besides the cgroup. */
struct own_names {
	pid_t pid, stranger;
	bool control; /* own_at_start() */
	const char *id;
	char child[NAME_MAX + 1];
	const struct record *mark;
};

static int say_verdict(enum own_verdict v, const struct cgroup_dir *c, const struct own_names *n, struct error *err)
{
	switch (v) {
	case OWN_YES:
		return 0;
	case OWN_ROOT:
		return error_set(err, -EPERM, "cgroup %.200s: the root cgroup is not a container's", c->path);
	case OWN_LEFT:
		return error_set(err, -ESRCH, "cgroup %.200s no longer holds the container", c->path);
	case OWN_CALLER: /* podman --cgroups=disabled: the cgroup is a login's */
		return error_set(err, -EPERM, "cgroup %.200s also holds the runtime: it is not the container's own",
				 c->path);
	case OWN_MARKED:
		return error_set(err, -EBUSY, "cgroup %.150s: container \"%s\" (%s) is placed there, \"%s\" cannot be",
				 c->path, quote(n->mark->id).text, n->mark->runtime, quote(n->id).text);
	case OWN_UNLISTED:
		return error_set(err, -EOPNOTSUPP,
				 "cgroup %.200s: its processes cannot be listed (threaded, or too many): it is not "
				 "known to be the container's own",
				 c->path);
	case OWN_STRANGER:
		return error_set(err, -EBUSY,
				 "cgroup %.200s also holds process %d, which does not descend from %d: it is not the "
				 "container's own",
				 c->path, (int)n->stranger, (int)n->pid);
	case OWN_CHILD:
		return error_set(err, -EBUSY,
				 "cgroup %.200s: a cgroup below it, %.60s, has other processes: it is not the container's own",
				 c->path, quote(n->child).text);
	case OWN_NESTED:
		return error_set(err, -EBUSY, "cgroup %.200s: container \"%s\" is placed below it", c->path,
				 quote(n->child).text);
	case OWN_UNMARKED:
		return error_set(err, -EBUSY, "cgroup %.200s does not carry the mark of \"%s\": its placement is not "
				 "finished", c->path, quote(n->id).text);
	}
	return error_set(err, -EINVAL, "cgroup %.200s: ownership was not checked", c->path);
}

/* --- the mark --- */

void own_mark_free(struct record *mark)
{
	if (mark)
		record_free(mark);
	free(mark);
}

static int parse_mark(const struct cgroup_dir *c, struct record **out, struct error *err)
{
	cleanup_own_mark struct record *r = calloc(1, sizeof(*r));
	cleanup_free char *text = malloc(RECORD_TEXT_MAX);
	struct error why;
	ssize_t n;
	int rc;

	if (!text || !r)
		return error_errno(err, -ENOMEM, "cgroup %.200s: read its mark", c->path);
	n = cgroup_get_xattr(c, CGROUP_XATTR_RECORD, text, RECORD_TEXT_MAX);
	if (n <= 0)
		return 0;
	rc = record_parse(text, (size_t)n, r, &why);
	if (rc == -ENOMEM)
		return error_errno(err, rc, "cgroup %.200s: read its mark", c->path);
	if (rc < 0 || r->cgroup_inode != c->inode)
		return 0;
	*out = steal_ptr(r);
	return 1;
}

int own_read_mark(const struct cgroup_dir *c, struct record **out, struct error *err)
{
	*out = NULL;
	/* Most cgroups have no mark, or the file system has no attributes. */
	return cgroup_get_xattr(c, CGROUP_XATTR_RECORD, NULL, 0) <= 0 ? 0 : parse_mark(c, out, err);
}

/* --- processes --- */

/* 0: the process has ended, or is hidden. */
static pid_t parent_of(pid_t pid)
{
	char name[64], text[2048];
	uint64_t parent;

	snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
	if (file_read(AT_FDCWD, name, text, sizeof(text)) < 0 || !stat_parent_parse(text, &parent))
		return 0;
	return (pid_t)parent;
}

static bool descends_from(pid_t pid, pid_t ancestor)
{
	for (int i = 0; pid > 0 && i < CHAIN_MAX; i++) {
		if (pid == ancestor)
			return true;
		pid = parent_of(pid);
	}
	return false;
}

/* A process that has ended since is no longer in the list. */
static bool still_listed(const struct cgroup_dir *c, pid_t pid)
{
	char procs[PROCS_TEXT_MAX], name[16];

	snprintf(name, sizeof(name), "%d", (int)pid);
	return read_beneath(c->fd, "cgroup.procs", procs, sizeof(procs)) < 0 || words_have(procs, name);
}

/* Whether the list has this process or one of its ancestors. */
static bool lists_caller(const char *procs)
{
	pid_t pid = getpid();
	char name[16];

	for (int i = 0; pid > 0 && i < CHAIN_MAX; i++) {
		snprintf(name, sizeof(name), "%d", (int)pid);
		if (words_have(procs, name))
			return true;
		pid = parent_of(pid);
	}
	return false;
}

/*
 * A process that is not visible in our pid namespace is listed as 0 and counts as a stranger. The container's own are
 * visible: they are below its first process.
 */
static void look_at_processes(const struct cgroup_dir *c, struct own_facts *f, struct own_names *n)
{
	char procs[PROCS_TEXT_MAX], *at = procs, *end;

	f->listed = read_beneath(c->fd, "cgroup.procs", procs, sizeof(procs)) >= 0;
	if (!f->listed)
		return;
	f->caller = !n->control && lists_caller(procs);
	for (; !f->caller && !f->stranger; at = end) {
		pid_t pid = (pid_t)strtol(at, &end, 10);

		if (end == at)
			break;
		f->stranger = pid <= 0 || (!descends_from(pid, n->pid) && still_listed(c, pid));
		n->stranger = pid;
	}
}

/* --- cgroups below --- */

static bool is_populated(const struct cgroup_dir *c, const char *child)
{
	char path[NAME_MAX + 32], events[256];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/cgroup.events", child);
	n = read_beneath(c->fd, path, events, sizeof(events));
	if (n == -ENOENT || n == -ENODEV)
		return false;
	return n < 0 || !strstr(events, "populated 0");
}

/* The link count is 2 plus the number of child directories. */
static int look_below(const struct cgroup_dir *c, const char *inner, struct own_facts *f, struct own_names *n,
		      struct error *err)
{
	cleanup_closedir DIR *dir = NULL;
	const struct dirent *e;
	int fd;

	if (c->links == (inner ? 3 : 2))
		return 0;
	fd = open_beneath(c->fd, ".", O_RDONLY | O_DIRECTORY);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		cleanup_closep(&fd);
		return error_errno(err, fd < 0 ? fd : -errno, "cgroup %.200s: list", c->path);
	}
	while (errno = 0, e = readdir(dir)) {
		if ((e->d_type != DT_DIR && e->d_type != DT_UNKNOWN) || strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0 || (inner && strcmp(e->d_name, inner) == 0))
			continue;
		if (!is_populated(c, e->d_name))
			continue;
		f->child = true;
		snprintf(n->child, sizeof(n->child), "%s", e->d_name);
		return 0;
	}
	return errno ? error_errno(err, -errno, "cgroup %.200s: list", c->path) : 0;
}

/* --- at the start --- */

/* LXC creates both cgroups at each start and fails if they exist, so the outer one is the container's own as well. */
static int step_out(int mount, struct cgroup_dir *c, struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir outer = CGROUP_DIR_NONE;
	int rc = cgroup_parent(mount, c, &outer, err);

	if (rc < 0)
		return rc;
	cgroup_dir_close(c);
	*c = outer;
	outer.fd = -1;
	return 0;
}

static int judge_at_start(struct cgroup_dir *c, const char *inner, enum own_mark mark, struct own_names *n,
			  struct error *err)
{
	struct own_facts f = { .root = strcmp(c->path, "/") == 0, .member = true, .mark = mark };
	int rc;

	if (!inner && c->alone) {
		f.listed = true;
		/* Init is an ancestor of each process, and each process descends from it. */
		f.caller = n->pid == 1 || n->pid == getppid();
	} else {
		look_at_processes(c, &f, n);
	}
	/* Processes that an earlier start of the unit has left are the unit's, too. */
	if (n->control && mark != OWN_MARK_OTHER)
		f.stranger = false;
	rc = look_below(c, inner, &f, n, err);
	return rc < 0 ? rc : say_verdict(own_judge_start(&f), c, n, err);
}

int own_at_start(int mount, const struct own_start *s, struct cgroup_dir *c, struct record **mark, struct error *err)
{
	cleanup_own_mark struct record *found = NULL;
	struct own_names n = { .pid = s->pid, .id = s->id, .control = s->control };
	const char *last = strrchr(c->path, '/'), *inner = s->inner;
	int rc = 0;

	if (inner && ((strcmp(s->runtime_class, "lxc") != 0 && !s->control) || !last || strcmp(last + 1, inner) != 0))
		inner = NULL;
	if (inner) {
		/* The inner cgroup must be the container's own before the outer one is considered. */
		rc = judge_at_start(c, NULL, OWN_MARK_NONE, &n, err);
		if (rc == 0)
			rc = step_out(mount, c, err);
	}
	if (rc == 0)
		rc = own_read_mark(c, &found, err);
	if (rc < 0)
		return rc;
	n.mark = found;
	rc = judge_at_start(c, inner, own_mark_of(found, c->inode, s->runtime_class, s->id), &n, err);
	if (rc < 0)
		return rc;
	c->owned = true;
	*mark = steal_ptr(found);
	return 0;
}

/* --- later --- */

struct below {
	const struct cgroup_dir *c;
	struct own_facts *f;
	struct own_names *n;
	struct error *err;
	unsigned int left; /* cgroups that may still be visited */
};

#define WALK_MAX 256  /* cgroups; an init system in a container makes a few dozen */
#define WALK_ENDED 1

/* A record made for a cgroup below @c: another container is placed there. */
static int look_at_mark(void *arg, const struct cgroup_dir *c)
{
	struct below *b = arg;
	cleanup_own_mark struct record *r = NULL;
	size_t len = strlen(b->c->path);
	int rc;

	if (!b->left--)
		return WALK_ENDED;
	if (strncmp(c->path, b->c->path, len) != 0 || c->path[len] != '/')
		return 0;
	rc = own_read_mark(c, &r, b->err);
	if (rc <= 0)
		return rc;
	b->f->child = true;
	snprintf(b->n->child, sizeof(b->n->child), "%.200s", r->id);
	return 0;
}

/*
 * A container may make cgroups by the hundred thousand while the caller holds the lock. A container below it has
 * processes; so if there are many cgroups, only those with processes are visited.
 */
static int look_for_marks(int mount, struct below *b)
{
	uint64_t cursor = 0;
	int rc;

	b->left = WALK_MAX;
	rc = cgroup_walk_from(mount, b->c->path, look_at_mark, b, b->err);
	if (rc != WALK_ENDED)
		return rc;
	b->left = UINT_MAX;
	return cgroup_scan(mount, &cursor, UINT64_MAX, look_at_mark, b, b->err);
}

int own_while_placed(int mount, const struct record *r, struct cgroup_dir *c, struct error *err)
{
	cleanup_own_mark struct record *found = NULL;
	struct own_names n = { .id = r->id };
	struct own_facts f = { .root = strcmp(c->path, "/") == 0, .member = c->inode == r->cgroup_inode, .listed = true };
	struct below b = { .c = c, .f = &f, .n = &n, .err = err };
	int rc = own_read_mark(c, &found, err);

	if (rc < 0)
		return rc;
	n.mark = found;
	f.mark = own_mark_of(found, c->inode, record_class(r), r->id);
	rc = c->links == 2 ? 0 : look_for_marks(mount, &b);
	if (rc < 0)
		return rc;
	rc = say_verdict(own_judge_placed(&f), c, &n, err);
	c->owned = rc == 0;
	return rc;
}
