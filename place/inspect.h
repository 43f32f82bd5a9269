/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is found at a container's start: its cgroup, the cpuset and the mark there.
 */
#ifndef NUMAPLACE_PLACE_INSPECT_H
#define NUMAPLACE_PLACE_INSPECT_H

#include "place/state.h"
#include "plugin/ledger/record.h"

struct place_job;

struct inspection {
	struct cgroup_dir cgroup;
	struct record *mark;  /* record found on the cgroup, of any container; NULL: none */
	struct cpuset before; /* the cgroup's cpuset, for the roll-back */
};
void inspection_close(struct inspection *in);

/*
 * Finds the cgroup of @job->pid, checks that it is the container's own, enables the cpuset controller if necessary, and
 * adds to @limits (constraints_init()) what the cgroup sets: the allowed sets, the pins, and its memory limits. Close
 * @in with inspection_close(), also after a failure.
 */
int inspect_cgroup(struct inspection *in, const struct place_env *env, const struct place_job *job,
		   const struct topology *t, struct constraints *limits, struct error *err);

/*
 * The same before the cgroup exists: @in gets the expected @path, and @limits what its nearest ancestor allows that
 * exists and has the cpuset controller. The pins are those of the request. -EINVAL: not a plain path.
 */
int inspect_ahead(struct inspection *in, const struct place_env *env, const struct place_job *job, const char *path,
		  const struct topology *t, struct constraints *limits, struct error *err);

/* Reads again what the parent of the cgroup @path allows, or the nearest ancestor that exists, after a partition has ended. */
int inspect_allowed(const struct place_env *env, const char *path, struct constraints *limits, struct error *err);

#endif
