/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose cgroup it is.  A placement may change one cgroup: the one that holds this container's
 * processes and no others.  Every writer asks here first: a cgroup_dir that these functions did not
 * set .owned in is not written to (cgroup/cpuset.c).
 *
 * The facts are gathered by own_at_start and own_while_placed; the verdict on them is a pure function.
 */
#ifndef NUMAPLACE_OWN_H
#define NUMAPLACE_OWN_H

#include "cgroup/cgroup.h"
#include "plugin/record.h"

enum own_mark {
	OWN_MARK_NONE,  /* no record on the cgroup, or one that was written for another inode */
	OWN_MARK_SAME,  /* the record of this container */
	OWN_MARK_OTHER, /* a whole record of another id or class, made for this cgroup */
};

struct own_facts {
	bool root;     /* it is the root cgroup */
	bool member;   /* at the start: the container's first process is in it; later: its inode is the recorded one */
	bool listed;   /* all of its processes could be listed */
	bool caller;   /* this process, or one that it descends from, is in it */
	bool stranger; /* a process that does not descend from the container's first one is in it */
	bool child;    /* at the start: another cgroup below it has processes; later: another container is placed below */
	enum own_mark mark;
};

enum own_verdict {
	OWN_YES,
	OWN_ROOT,
	OWN_LEFT,
	OWN_CALLER,
	OWN_MARKED,   /* another container that lives is placed there */
	OWN_UNLISTED,
	OWN_STRANGER,
	OWN_CHILD,
	OWN_NESTED,   /* later: another container is placed in a cgroup below it */
	OWN_UNMARKED, /* later: it does not carry the container's mark */
};

/*
 * Before the container's first instruction.  The mark of another container counts as long as that one may have
 * processes; where the container is alone, the other one has ended.
 */
enum own_verdict own_judge_start(const struct own_facts *f);

/* Later, when the container may have made processes and cgroups of its own: the mark says whose it is. */
enum own_verdict own_judge_placed(const struct own_facts *f);

/* Whose mark @found (NULL: none) is, on a cgroup of this @inode, seen from the container @id. */
enum own_mark own_mark_of(const struct record *found, uint64_t inode, const char *runtime_class, const char *id);

/*
 * The record that @c carries, if it is whole and was made for this inode: 1, and *@out is the caller's (own_mark_free);
 * 0: there is none.
 */
int own_read_mark(const struct cgroup_dir *c, struct record **out, struct error *err);
void own_mark_free(struct record *mark);
static inline void cleanup_own_markp(struct record **mark)
{
	own_mark_free(*mark);
}
#define cleanup_own_mark __attribute__((cleanup(cleanup_own_markp)))

/*
 * @c: cgroup_of_pid's, of a container's first process @pid that a runtime holds back.  0 and .owned: it may be written
 * to.  @inner: the name of the cgroup that LXC made for the process, inside of the one that it made for
 * the limits: then @c becomes the outer one.  NULL: there is no such cgroup.  *@mark: what it carries, or NULL.
 * -EPERM, -EBUSY, -EOPNOTSUPP: it is not the container's own.
 */
int own_at_start(int mount, pid_t pid, const char *runtime_class, const char *id, const char *inner,
		 struct cgroup_dir *c, struct record **mark, struct error *err);

/* @c: opened by the recorded path.  0 and .owned: it is the cgroup of the placed container @r. */
int own_while_placed(int mount, const struct record *r, struct cgroup_dir *c, struct error *err);

#endif
