/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One decision: the selection on the usage of a ledger, within the ceilings of the host, with a second try after a
 * sweep before it refuses. Placing, planning and moving share it.
 */
#ifndef NUMAPLACE_PLACE_DECIDE_H
#define NUMAPLACE_PLACE_DECIDE_H

#include "place/state.h"
#include "plugin/ledger/ledger.h"

/* All inputs of a decision except the ledger. */
struct decision {
	struct place_env *env;
	struct topology *topology;
	const struct request *request;
	struct constraints limits;
	struct device_nodes devices;
	bool whole;              /* select_input.whole: nodes or CPUs were chosen outside of numaplace */
	bool near_devices;       /* its devices count before the nodes of decision_make_near() */
	struct placement *second; /* NULL, or becomes the placement of the runner-up: select_placements() */
	const char *cgroup;      /* the path of the container's, whose parent may allow more after a sweep; NULL */
	const struct share *without; /* the container's present share, to subtract from the usage; NULL */
};

/* Fills in *@d with the limits that @request sets itself. The pointers stay the caller's. */
void decision_init(struct decision *d, struct place_env *env, struct topology *t, const struct request *request);

/*
 * The same for a new container: checks the ceilings that need the topology, reduces the memory to the runtime's own
 * limit, and finds the nodes of the devices. -ENOSPC, or errors of device_node().
 */
int decision_begin(struct decision *d, struct place_env *env, struct topology *t, const struct request *request,
		   struct error *err);

/* The same for a container that was chosen before: only devices that are still there count. */
void decision_again(struct decision *d);

/* Limits the choice to the root cgroup's effective sets. Without cgroup v2 there are no such limits. */
void decision_limit_to_root(struct decision *d);

/* Sets the hint to the nodes that @l remembers for an ended container of this id, unless there is one. */
void decision_hint_home(struct decision *d, const struct ledger *l, const char *runtime_class, const char *id);

/*
 * Chooses a placement on the usage of @l. If the request does not fit (-ENOSPC), but would fit the empty machine,
 * sweeps dead containers with ledger_sweep_more() and tries again. An over-committed result is retried in the same way
 * only on hosts with few containers: a full host over-commits at every start, and a sweep at each start would take too
 * long there. -EAGAIN: a lost ledger is not rebuilt yet. The caller zeroes @out before, and frees it with
 * placement_free(), also after a failure. @why may be NULL.
 */
int decision_make(struct decision *d, struct ledger *l, struct placement *out, struct reasons *why, struct error *err);

/*
 * The same for a container that belongs to @nodes and @mems: chooses there alone if there is room without sharing CPUs,
 * else as decision_make(), and then preferably on the nearest nodes. With @near_devices, also if it would be nearer to its
 * devices then.
 */
int decision_make_near(struct decision *d, struct ledger *l, const struct nodeset *nodes, const struct nodeset *mems,
		       struct placement *out, struct reasons *why, struct error *err);

/* --- the parts, for a plan --- */

/*
 * Allows the CPUs that containers of @usage hold: as partitions, they are missing in the effective sets of all other
 * cgroups. The selection leaves them out, and says why.
 */
void decision_allow_held(struct decision *d, const struct usage *usage);
/* Chooses once. @usage: without the container's own share. */
int decision_try(const struct decision *d, const struct usage *usage, struct placement *out, struct reasons *why,
		 struct error *err);
/* Whether a second try, without dead containers, may give a better result than @rc and @out. */
bool decision_may_improve(const struct decision *d, const struct usage *usage, int rc, const struct placement *out);
/* Reports the part of the request that its limits make unusable, and the warnings about a chosen placement. */
void decision_say_cut(const struct decision *d);
void decision_say_chosen(const struct decision *d, const struct placement *p, struct reasons *why);

#endif
