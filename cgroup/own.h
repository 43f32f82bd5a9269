/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a cgroup is one container's own, that is, holds its processes and no others. Only these functions set
 * cgroup_dir.owned, without which nothing writes to a cgroup (cgroup/cpuset.c).
 *
 * own_at_start() and own_while_placed() gather the facts; the verdict on them is a pure function.
 */
#ifndef NUMAPLACE_OWN_H
#define NUMAPLACE_OWN_H

#include "cgroup/cgroup.h"
#include "plugin/ledger/record.h"

enum own_mark {
	OWN_MARK_NONE,  /* no record on the cgroup, or one made for another inode */
	OWN_MARK_SAME,  /* the record of this container */
	OWN_MARK_OTHER, /* a valid record made for this cgroup, with another id or runtime class */
};

struct own_facts {
	bool root;     /* it is the root cgroup */
	bool member;   /* at start: the container's first process is in it; later: its inode is the recorded one */
	bool listed;   /* all of its processes could be listed */
	bool caller;   /* it holds this process or one of its ancestors */
	bool stranger; /* it holds a process that does not descend from the container's first one */
	bool child;    /* at start: a cgroup below it has processes; later: another container is placed below it */
	enum own_mark mark;
};

enum own_verdict {
	OWN_YES,
	OWN_ROOT,
	OWN_LEFT,
	OWN_CALLER,
	OWN_MARKED,   /* another live container is placed there */
	OWN_UNLISTED,
	OWN_STRANGER,
	OWN_CHILD,
	OWN_NESTED,   /* later: another container is placed in a cgroup below it */
	OWN_UNMARKED, /* later: it does not carry the container's record */
};

/*
 * The verdict before the container's first instruction. Another container's record counts only while the cgroup may
 * hold processes of it; if this container is alone there, the other one has ended.
 */
enum own_verdict own_judge_start(const struct own_facts *f);

/*
 * The verdict on a placed container, which may have made processes and cgroups of its own: the record on the cgroup
 * decides.
 */
enum own_verdict own_judge_placed(const struct own_facts *f);

/* Compares @found (NULL: no record), read from a cgroup with this inode, with the container @id. */
enum own_mark own_mark_of(const struct record *found, uint64_t inode, const char *runtime_class, const char *id);

/*
 * Reads the record that is stored on @c. 1: *@out is it, and the caller frees it with own_mark_free(); 0, and *@out
 * NULL: the cgroup has no mark, or the mark is invalid or was made for another inode.
 */
int own_read_mark(const struct cgroup_dir *c, struct record **out, struct error *err);
void own_mark_free(struct record *mark);
static inline void cleanup_own_markp(struct record **mark)
{
	own_mark_free(*mark);
}
#define cleanup_own_mark __attribute__((cleanup(cleanup_own_markp)))

/*
 * Checks at a container's start that its cgroup is its own, and sets @c->owned. @c: from cgroup_of_pid(), for @s->pid. If
 * there is an inner cgroup, @c is replaced by the outer one. *@mark becomes the record on the cgroup, or NULL; the caller
 * frees it. -EPERM, -EBUSY, -EOPNOTSUPP, -ESRCH: it is not the container's own.
 */
struct own_start {
	pid_t pid;         /* its first process, which the runtime holds back */
	const char *runtime_class, *id;
	/* The name of the cgroup for the process, below the one with the limits; NULL: the container has no such cgroup. */
	const char *inner;
	/*
	 * It is a unit of systemd, which has confirmed that the (outer) cgroup is the unit's. @pid is then a control
	 * process of the unit, as the caller may be, and the cgroup may have other processes of the unit.
	 */
	bool control;
	/*
	 * In: the caller knows that CRIU restores the container. Out: so it is, or a CRIU was found beside its first
	 * process. NULL: as false.
	 */
	bool *restored;
};
int own_at_start(int mount, const struct own_start *s, struct cgroup_dir *c, struct record **mark, struct error *err);

/*
 * Checks that @c, opened by the recorded path, is the cgroup of the placed container @r, and sets @c->owned. Errors as
 * above.
 */
int own_while_placed(int mount, const struct record *r, struct cgroup_dir *c, struct error *err);

#endif
