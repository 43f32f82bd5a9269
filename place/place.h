/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A complete placement: lock the ledger, decide, record, unlock, write the cgroup, read it back, mark it; undo all if a
 * step fails. Every runtime's hook calls this.
 */
#ifndef NUMAPLACE_PLACE_H
#define NUMAPLACE_PLACE_H

#include "cgroup/cgroup.h"
#include "place/conf.h"
#include "place/paths.h"
#include "plugin/ledger/ledger.h"

/* The environment of this process; set once by main. */
struct place_env {
	int root;             /* descriptor of the sysroot, which holds sys/ and proc/ */
	bool real;            /* the sysroot is /, so cgroups are the machine's own */
	int state;            /* descriptor of the state folder; -1: not opened yet (place_open_state) */
	const char *state_path; /* PLACE_STATE; NULL (a recorded machine): no ledger, nothing is placed */
	bool state_named;     /* with --state: the folder must be empty or a ledger's, and its mode is never changed */
	bool looking;         /* read-only: nothing in the folder is created or changed */
	struct conf conf;
	unsigned int timeout_ms; /* for the ledger's lock */
	uint64_t began;       /* start of this process (CLOCK_BOOTTIME, ns); the container's is older; 0: unknown */
	void (*message)(const char *line); /* prints a warning; may be NULL */
};

/*
 * Opens the state folder into @env->state, creating it with mode 0700, and checks owner, mode and content. The default
 * folder is made private again if others could read it; one that was given with --state must have mode 0700 and be
 * empty or a ledger's. -EPERM: wrong owner or mode, or foreign content in the default folder; -EINVAL: foreign content
 * in one given with --state, or a sysroot other than / (there, no ledger is written).
 */
int place_open_state(struct place_env *env, struct error *err);

/* Sets the path of the state folder: @given with --state (may be NULL), else @usual. */
void place_name_state(struct place_env *env, const char *given, const char *usual);

#define PLACE_MEMS_ONLY "cpuset.mems" /* record.applied if numaplace writes no cpuset.cpus */

struct place_job {
	const char *runtime;        /* as status shows it: "runc", "crun", "lxc", ... */
	const char *runtime_class;  /* "oci", "lxc", "incus", "lxd" */
	const char *id;
	pid_t pid;                  /* the container's first process, in its cgroup */
	const char *inner;          /* LXC's container.inner, the cgroup that @pid is in; its parent is placed; NULL */
	struct request request;     /* finished (request_finish) */
	bool mems_only;             /* Incus chose the nodes (follow) and writes cpuset.cpus; write cpuset.mems alone */
	const char *applied;        /* how a policy other than strict is put into effect; NULL: not at all */
	/*
	 * An earlier choice, by the program that set that policy: the policy's nodes, and the CPUs to choose from.
	 * Empty: none.
	 */
	struct idset planned_cpus, planned_mems;
	/* Checks the process after the write; an error undoes the placement. May be NULL. */
	int (*check)(const struct place_env *env, pid_t pid, const struct placement *p, struct error *err);
};

/*
 * Places the container. @out (may be NULL) becomes its record in the ledger; the caller zeroes it before and frees it
 * with record_free(). A second call for the same container changes nothing and returns the first one's record. Errors:
 * -ENOSPC (it does not fit, or a ceiling), -EINVAL (request), -ENOTSUP (policy), -EAGAIN (try again), those of
 * own_at_start() and cgroup_write_cpuset(), or others from the system.
 */
int place_container(struct place_env *env, const struct place_job *job, struct record *out, struct error *err);

/* Drops the records of this id whose containers are dead. Returns 0 also if no record has this id. */
int place_release(struct place_env *env, const char *runtime_class, const char *id, struct error *err);

/*
 * Chooses as place_container() would, without writing anything. @oci_id: id of an OCI container, whose last nodes are
 * preferred; NULL: none. The caller zeroes @out before and frees it with placement_free(), also after a failure; @why
 * may be NULL.
 */
int place_plan(struct place_env *env, const struct request *request, const char *oci_id, struct placement *out,
	       struct reasons *why, struct error *err);

/*
 * Checks a request against the per-container ceilings of numaplace.conf. @huge_default: default hugepage size in bytes;
 * 0: not known yet. -ENOSPC: a ceiling; -EPERM: devices are not allowed.
 */
int claim_check(const struct conf *conf, const struct request *r, uint64_t huge_default, struct error *err);

/*
 * Copies the ledger for reading (ledger_look), without its dead containers; writes nothing and sets @env->looking. 0
 * with *@out NULL if there is no state folder. The caller closes *@out with ledger_close().
 */
int place_look(struct place_env *env, const struct topology *t, struct ledger **out, struct error *err);

/*
 * Opens the ledger for writing, drops all dead containers and completes interrupted moves. It is locked: close it
 * (ledger_close) before anything slow. 0 with *@out NULL if there is no state folder.
 */
int place_ledger(struct place_env *env, const struct topology *t, struct ledger **out, struct error *err);

#endif
