/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared by placing and planning: the state folder, the ceilings of numaplace.conf, and a decision that sweeps dead
 * containers before it refuses.
 */
#ifndef NUMAPLACE_CGROUP_CHOOSE_H
#define NUMAPLACE_CGROUP_CHOOSE_H

#include "place/place.h"
#include "place/world.h"
#include "plugin/machine/topology-cache.h"

/* The machine's topology, with the key under which it is cached. */
struct machine {
	struct topology *topology;
	bool keyed, fresh;       /* key is valid; the topology was read from the kernel, not from the cache */
	struct topology_key key;
};

/*
 * Reads the topology: from the cache in the state folder if that matches this boot and the online nodes and CPUs (never
 * for a recorded machine, whose files may have been edited), else from the kernel. From the cache, memory is 0 unless
 * @memory, and hugepages unless @huge. Close it with machine_close(), also after a failure.
 */
int machine_read(struct machine *m, struct place_env *env, bool memory, bool huge, struct error *err);

void machine_close(struct machine *m);
#define cleanup_machine __attribute__((cleanup(machine_close)))

/* Writes a topology that was read from the kernel to the cache. Call it under the ledger's lock. */
void machine_keep(const struct machine *m, const struct place_env *env);

/* All inputs of a decision except the ledger. */
struct choice {
	struct place_env *env;
	struct machine machine;
	const struct topology *topology; /* machine.topology */
	struct request request;  /* a copy; pins and hints are added to it */
	bool limited;            /* allowed_cpus and allowed_mems are valid */
	struct idset allowed_cpus, allowed_mems;
	struct idset device_nodes;
	unsigned int devices_unknown;
	bool whole;              /* select_input.whole: nodes or CPUs were chosen outside of numaplace */
	char cut[200];           /* message about the part of the request that its limits make unusable; "": none */
	const struct share *without; /* the container's present share, to subtract from the usage; NULL */
	struct world world;      /* initialised by the caller with world_init() */
};

static inline const char *machine_boot_id(const struct machine *m)
{
	return m->keyed ? m->key.boot_id : NULL;
}

/*
 * Fills *@c: copies @request (NULL: to be filled in later), checks it against the ceilings, reads the machine and finds
 * the nodes of the request's devices. -ENOSPC, -EPERM: a ceiling. Close it with choice_close(), also after a failure.
 */
int choice_open(struct choice *c, struct place_env *env, const struct request *request, struct error *err);
void choice_close(struct choice *c);
#define cleanup_choice __attribute__((cleanup(choice_close)))

/* --- place/claim.c --- */

/*
 * Reduces the requested memory to the runtime's own memory limit, if the request has one: the container could
 * not use more. Describes a reduction in @c->cut.
 */
void claim_cut_known(struct choice *c);

/*
 * The same with the limits (memory.max, hugetlb.SIZE.max) of @cgroup and its ancestors. -EINVAL: a limit cannot be
 * parsed.
 */
int claim_cut(struct choice *c, int mount, const struct cgroup_dir *cgroup, struct error *err);

/* Sets the request's last_nodes, unless it has some, to those that @l remembers for an ended container of this id. */
void choice_hint_home(struct choice *c, const struct ledger *l, const char *runtime_class, const char *id);

/*
 * Chooses a placement on the usage of @l. If the request does not fit (-ENOSPC), but would fit the empty machine,
 * sweeps dead containers with ledger_sweep_more() and tries again. An over-committed result is retried in the same way
 * only on hosts with few containers: a full host over-commits at every start, and a sweep at each start would take too
 * long there. -EAGAIN: a lost ledger is not rebuilt yet. The caller zeroes @out before, and frees it with
 * placement_free(), also after a failure. @why may be NULL.
 */
int choice_make(struct choice *c, struct ledger *l, struct placement *out, struct reasons *why, struct error *err);

/*
 * Sets the attributes of @c: the nodes, then the record. The record comes last, as its presence means that the
 * placement is complete.
 */
int place_mark(const struct place_env *env, const struct cgroup_dir *c, const struct record *r, struct error *err);

/*
 * Gives systemd the cpuset that was written, if the cgroup is a unit's. A failure is only a warning: the cpuset stays
 * in effect until systemd reloads.
 */
void place_tell_systemd(const struct place_env *env, const struct cgroup_dir *c, const struct idset *cpus,
			const struct idset *mems);

/*
 * Opens the state folder into @env->state, without creating it. -ENOENT: it does not exist; -EPERM, -EACCES or -EINVAL:
 * it is not safe to use, or not a ledger's.
 */
int place_find_state(struct place_env *env, struct error *err);

/* Passes a warning to @env->message, with unprintable bytes replaced by '?'. */
void place_say(const struct place_env *env, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Passes the ledger's messages on in the same way. */
void place_say_ledger(const struct place_env *env, const struct ledger *l);

#endif
