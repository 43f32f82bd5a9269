/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What placing and planning share: the state folder, the host's ceilings, and
 * a decision on the ledger's usage that looks twice before it says no.
 */
#ifndef NUMAPLACE_CGROUP_CHOOSE_H
#define NUMAPLACE_CGROUP_CHOOSE_H

#include "cgroup/place.h"
#include "cgroup/world.h"
#include "plugin/topology-cache.h"

/* The machine, and what is to be kept of it. */
struct machine {
	struct topology *topology;
	bool keyed, fresh;       /* the key is known; it was read from the kernel and not from the kept file */
	struct topology_key key;
};

/*
 * Of the kept file where there is one for this machine (the real one only: recorded ones are edited), else from the
 * kernel.  Memory is left out unless @memory, hugepages unless @huge.
 */
int machine_read(struct machine *m, struct place_env *env, bool memory, bool huge, struct error *err);

void machine_close(struct machine *m);
#define cleanup_machine __attribute__((cleanup(machine_close)))

/* Keeps what was read from the kernel; under the ledger's lock. */
void machine_keep(const struct machine *m, const struct place_env *env);

/* All that a decision looks at besides the ledger. */
struct choice {
	struct place_env *env;
	struct machine machine;
	const struct topology *topology; /* of it */
	struct request request;  /* a copy, to add pins and hints to */
	bool limited;            /* the two sets below count */
	struct idset allowed_cpus, allowed_mems;
	struct idset device_nodes;
	unsigned int devices_unknown;
	bool whole;              /* the nodes, or CPUs, are somebody else's choice: select_input.whole */
	char cut[200];           /* what was asked for and cannot be used, in words; "": all of it can */
	const struct share *without; /* to be counted out of the usage: the container's own; NULL */
	struct world world;      /* the caller's world_init */
};

static inline const char *machine_boot_id(const struct machine *m)
{
	return m->keyed ? m->key.boot_id : NULL;
}

/* Reads the machine, checks the ceilings, looks the device up. @request NULL: it is not known yet. */
int choice_open(struct choice *c, struct place_env *env, const struct request *request, struct error *err);
void choice_close(struct choice *c);
#define cleanup_choice __attribute__((cleanup(choice_close)))

/* --- cgroup/claim.c --- */

/* Memory above the runtime's own limit, as far as the request tells, is not claimed: it could not be used. */
void claim_cut_known(struct choice *c);

/* The same by the limits of @cgroup and of those above it: memory.max, hugetlb.SIZE.max. */
int claim_cut(struct choice *c, int mount, const struct cgroup_dir *cgroup, struct error *err);

/* A request without a last place of its own gets the one that @l remembers of a container of this id. */
void choice_hint_home(struct choice *c, const struct ledger *l, const char *runtime_class, const char *id);

/*
 * Chooses on what @l says.  What the machine could hold is refused after a look for dead containers, as many in a second
 * as ledger_sweep_more gives; what it could never hold, at once.  That CPUs
 * must be shared beyond their number is believed, too, where there are many containers: on a full machine that is every
 * start, which must not take longer for each of them.  The dead are found in turn, a few at every start.
 * @out (zeroed before) is for the caller to free, on failure, too.
 */
int choice_make(struct choice *c, struct ledger *l, struct placement *out, struct reasons *why, struct error *err);

/* Puts the record and its nodes on the cgroup; the record last, as it says that all the rest is done. */
int place_mark(const struct place_env *env, const struct cgroup_dir *c, const struct record *r, struct error *err);

/*
 * systemd is told what was written, where the cgroup is a unit of its own; a failure is a warning, as what was
 * written holds until something reloads it.
 */
void place_tell_systemd(const struct place_env *env, const struct cgroup_dir *c, const struct idset *cpus,
			const struct idset *mems);

/* Opens the ledger folder if it is there; -ENOENT: it is not. */
int place_find_state(struct place_env *env, struct error *err);

void place_say(const struct place_env *env, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void place_say_ledger(const struct place_env *env, const struct ledger *l);

#endif
