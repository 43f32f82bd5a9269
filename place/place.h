/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A complete placement: lock the ledger, decide, record, unlock, write the cgroup, read it back, mark it; undo all if a
 * step fails. Every runtime's hook calls this.
 */
#ifndef NUMAPLACE_PLACE_H
#define NUMAPLACE_PLACE_H

#include "place/inspect.h"
#include "place/machine.h"
#include "place/state.h"
#include "plugin/ledger/ledger.h"

#define PLACE_MEMS_ONLY "cpuset.mems" /* record.applied if numaplace writes no cpuset.cpus */

struct place_job {
	const char *runtime;        /* as status shows it: "runc", "crun", "lxc", ... */
	const char *runtime_class;  /* record_class_of() it */
	const char *id;
	pid_t pid;                  /* the container's first process, in its cgroup */
	const char *inner;          /* LXC's container.inner, the cgroup that @pid is in; its parent is placed; NULL */
	bool control;               /* @pid is a control process of a unit of systemd, which has confirmed its cgroup */
	struct request request;     /* finished (request_finish) */
	bool mems_only;             /* Incus chose the nodes (follow) and writes cpuset.cpus; write cpuset.mems alone */
	/* The nodes of its pod, where it belongs if there is room and its devices are not nearer to others; empty: none. */
	struct nodeset home, home_mems;
	const char *offered;        /* a reservation for another program, which applies it (place/note.h); NULL: not */
	bool told;                  /* the runtime tells systemd the cpuset, so that the placement need not */
	const char *applied;        /* how a policy other than strict is put into effect; NULL: not at all */
	/*
	 * The container is restored from a checkpoint, as its caller knows; inspect_cgroup() may also find out. What
	 * was planned for its start is of no account then; and if the program that planned wrote the plan into
	 * the spec (@planned_in_spec), the pins are @own_pin_cpus and @own_pin_mems instead of the cpuset.
	 */
	bool restored, planned_in_spec;
	struct idset own_pin_cpus;
	struct nodeset own_pin_mems;
	/*
	 * An earlier choice, by the program that set that policy: the policy's nodes, and the CPUs to choose from.
	 * Empty: none.
	 */
	struct idset planned_cpus;
	struct nodeset planned_mems;
};

/* A placement in progress, for a caller that checks the container before it is final. */
struct placing {
	struct place_env *env;
	const struct place_job *job;
	uint64_t began;           /* CLOCK_MONOTONIC, nanoseconds */
	struct machine machine;
	struct inspection found;
	char *text;               /* new record as text, for ledger and mark; NULL: no new record */
	size_t text_len;
	bool recorded;            /* the ledger has a record that the cgroup does not carry yet */
	bool written;             /* the cgroup was changed, to these sets (empty: unchanged): */
	struct idset cpus;
	struct nodeset mems;
};

/*
 * Places the container. Opens @env with PLACE_WRITE, and creates the state folder before it records. @out (may be NULL)
 * becomes its record in the ledger; the caller zeroes it before and frees it with record_free(). A second call for the
 * same container changes nothing and returns the first one's record. Errors: -ENOSPC (it does not fit, or a ceiling),
 * -EINVAL (request), -ENOTSUP (policy), -EAGAIN (try again), those of own_at_start() and cgroup_write_cpuset(), or
 * others from the system.
 *
 * @held: NULL, or the caller's, to be completed with place_finish() also after a failure.
 */
int place_container(struct place_env *env, const struct place_job *job, struct record *out, struct placing *held,
		    struct error *err);

/*
 * Completes a placement: @status 0 makes it final, a negative errno undoes what place_container() has changed (the
 * record of an earlier call stays). Counts the result and frees what @p holds.
 */
void place_finish(struct placing *p, int status);

/*
 * Reserves a place for a container that its engine has announced and whose cgroup does not exist yet: chooses and
 * records, and writes nothing else. @job->pid is not used. @cgroup: where the cgroup is expected, below the mount. A
 * second call for the same id chooses again. place_container() turns the reservation into a placement; without that,
 * it ends by place_cancel(), place_release(), or after the patience of the ledger. Errors and @out as place_container().
 */
int place_reserve(struct place_env *env, const struct place_job *job, const char *cgroup, struct record *out,
		  struct error *err);

/*
 * Finds the record of the container with the process @pid: its reservation, or what place_container() has made of it.
 * The caller zeroes @out before and frees it with record_free(). -ENOENT: nothing is reserved for it.
 */
int place_recall(struct place_env *env, const char *runtime_class, const char *id, pid_t pid, struct record *out,
		 struct error *err);

/*
 * Chooses again for a container whose resources change, and records and marks that; the runtime writes the cpuset.
 * @job->request is the whole new request. The container stays on its nodes if they have room. @out as
 * place_container(): the record, changed or not. -ENOENT: the container is not placed.
 */
int place_revise(struct place_env *env, const struct place_job *job, struct record *out, struct error *err);

/* Drops the reservation of this id. Returns 0 without one, too. */
int place_cancel(struct place_env *env, const char *runtime_class, const char *id, struct error *err);

/* Drops the reservations that were made for @runtime and that @keep does not know. */
int place_cancel_others(struct place_env *env, const char *runtime, bool (*keep)(const void *arg, const char *id),
			const void *arg, struct error *err);

/*
 * Drops the records of this id whose containers are dead, and its reservation. Returns 0 also if no record has this id.
 */
int place_release(struct place_env *env, const char *runtime_class, const char *id, struct error *err);

/* Drops the record of a placement that failed; warns if it cannot. @t and @env->live are those of that placement. */
void place_forget(struct place_env *env, const struct topology *t, const char *runtime_class, const char *id,
		  uint64_t cgroup_inode);

/*
 * Chooses as place_container() would, without writing anything. @oci_id: id of an OCI container, whose last nodes are
 * preferred; NULL: none. The caller zeroes @out before and frees it with placement_free(), also after a failure; @why
 * may be NULL.
 */
int place_plan(struct place_env *env, const struct request *request, const char *oci_id, struct placement *out,
	       struct reasons *why, struct error *err);

/*
 * Copies the ledger for reading (ledger_look), without its dead containers; writes nothing. 0
 * with *@out NULL if there is no state folder. The caller closes *@out with ledger_close().
 */
int place_look(struct place_env *env, const struct topology *t, struct ledger **out, struct error *err);

/*
 * Opens the ledger for writing, drops all dead containers and completes interrupted moves. It is locked: close it
 * (ledger_close) before anything slow. 0 with *@out NULL if there is no state folder.
 */
int place_ledger(struct place_env *env, const struct topology *t, struct ledger **out, struct error *err);

#endif
