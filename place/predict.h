/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The predicted speed of a plan or of a placed container, beside the containers of the ledger, and that of the
 * runner-up. For people: no hook calls it. Changes nothing.
 */
#ifndef NUMAPLACE_PLACE_PREDICT_H
#define NUMAPLACE_PLACE_PREDICT_H

#include "place/state.h"
#include "plugin/select/speed.h"

struct predict_job {
	/* A plan: its request, its placement, and the id as for place_plan(). */
	const struct request *request;
	const struct placement *plan;
	const char *oci_id;
	/* Without a request: the placed container of this id and cgroup. */
	const char *id;
	uint64_t cgroup_inode;
};

struct prediction {
	unsigned int n; /* 1, or 2 with a runner-up: the best other nodes at this moment */
	struct nodeset nodes[2];
	struct speed speed[2];
};

/* Predicts. -ENOENT: the container is not placed; -ENOMEM; or errors of the ledger. */
int place_predict(struct place_env *env, const struct predict_job *job, struct prediction *out, struct error *err);

#endif
