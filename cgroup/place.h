/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The whole way of one placement: lock the ledger, decide, note it, let the
 * lock go, write the cgroup, read it back, mark it; and back again when a step fails.
 * Every runtime's hook ends here.
 */
#ifndef NUMAPLACE_PLACE_H
#define NUMAPLACE_PLACE_H

#include "cgroup/cgroup.h"
#include "plugin/conf.h"
#include "plugin/ledger.h"

#define PLACE_STATE "/run/numaplace"

/* Where this process finds things; set once by main. */
struct place_env {
	int root;             /* sysroot directory: holds sys/ and proc/ */
	bool real;            /* root is / : cgroups are real */
	int state;            /* ledger folder, or -1: not opened yet (place_open_state) */
	const char *state_path; /* PLACE_STATE; NULL (a recorded machine): no ledger, nothing is placed */
	bool state_named;     /* by --state: the folder must be known by a file of ours, and is never repaired */
	bool looking;         /* nothing is made or changed in the folder */
	struct conf conf;
	unsigned int timeout_ms; /* for the lock */
	uint64_t began;       /* when we did (CLOCK_BOOTTIME, nanoseconds): what we place was there by then; 0: who knows */
	void (*message)(const char *line); /* warnings; may be NULL */
};

/*
 * Opens (and makes, 0700) the ledger folder; owner, mode and what is in it are checked.  The usual one is made private
 * where others may read it; one that was named with --state must be 0700, and the ledger's or empty: -EINVAL.
 * Below a sysroot no ledger is opened for writing: -EINVAL.
 */
int place_open_state(struct place_env *env, struct error *err);

/* For a program: @given with --state, or NULL, and @usual. */
void place_name_state(struct place_env *env, const char *given, const char *usual);

#define PLACE_MEMS_ONLY "cpuset.mems" /* record.applied of a container whose CPUs are somebody else's business */

struct place_job {
	const char *runtime;        /* "runc", "crun", "lxc", ... as status shows it */
	const char *runtime_class;  /* "oci", "lxc", "incus", "lxd" */
	const char *id;
	pid_t pid;                  /* its first process, in its cgroup */
	const char *inner;          /* a cgroup of this name below is not its own (LXC's container.inner); NULL */
	struct request request;     /* finished; the cgroup's own pin is added here */
	bool mems_only;             /* the nodes are chosen, and cpuset.cpus is written, by somebody else (Incus, follow) */
	const char *applied;        /* how a policy other than strict takes effect, or NULL: it does not */
	/*
	 * What was chosen before, by whoever set that policy: the nodes that it names, and CPUs to choose within.
	 * Empty: nothing was.
	 */
	struct idset planned_cpus, planned_mems;
	/* Looks at what the process has now; what it does not accept is undone. NULL: nobody looks. */
	int (*check)(const struct place_env *env, pid_t pid, const struct placement *p, struct error *err);
};

/*
 * Places it. @out (zeroed before; record_free; NULL: nobody asks) is what the ledger holds now. A second
 * call for the same container changes nothing and gives the first one's record.
 */
int place_container(struct place_env *env, const struct place_job *job, struct record *out, struct error *err);

/* Forgets it. A container that was never placed is 0. */
int place_release(struct place_env *env, const char *runtime_class, const char *id, struct error *err);

/*
 * Chooses as place_container would, writing nothing.
 * @oci_id: an OCI container that may have lived here before; NULL: not known.
 */
int place_plan(struct place_env *env, const struct request *request, const char *oci_id, struct placement *out,
	       struct reasons *why, struct error *err);

/* The ceilings of numaplace.conf for one container. @huge_default: bytes of that page; 0: not known yet. */
int claim_check(const struct conf *conf, const struct request *r, uint64_t huge_default, struct error *err);

/*
 * The ledger for looking (status, topology): a copy without its dead containers, of which nothing is written (plugin/ledger.h:
 * ledger_look). 0 and *@out NULL where there is none yet (no folder; nothing is made). @env->looking is set by it.
 */
int place_look(struct place_env *env, const struct topology *t, struct ledger **out, struct error *err);

/* The same for writing, its dead containers dropped; locked, so close it before anything slow. */
int place_ledger(struct place_env *env, const struct topology *t, struct ledger **out, struct error *err);

#endif
