/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A placement that is planned before its container exists, as texts for its spec: a memory policy must name nodes, and
 * the environment of the process has them. The hook later chooses within the plan.
 */
#ifndef NUMAPLACE_OCI_PLAN_H
#define NUMAPLACE_OCI_PLAN_H

#include "place/place.h"
#include "runtime-hooks/oci/spec-edit.h"

/* How a memory policy takes effect, as recorded in the hook's --applied and in the ledger. */
#define APPLIED_SPEC "memoryPolicy" /* linux.memoryPolicy: the runtime sets it */
#define APPLIED_INHERITED "inherited" /* numaplace-runtime set it on itself before it executed the runtime */

struct oci_plan {
	struct placement placement;
	char *cpus, *mems;               /* "0-3,8" */
	char *cpu_nodes, *memory_nodes;  /* "0,1" */
};

/* Plans with place_plan() and formats the texts. Zeroes @out first; free it after a failure, too. */
int oci_plan_make(struct place_env *env, const struct request *request, const char *id, struct oci_plan *out,
		  struct error *err);

/* The same with place_reserve(): other containers do not get this place before the hook applies it. */
int oci_plan_reserve(struct place_env *env, const struct place_job *job, const char *cgroup, struct oci_plan *out,
		     struct error *err);
void oci_plan_free(struct oci_plan *p);
#define cleanup_oci_plan __attribute__((cleanup(oci_plan_free)))

/* Sets linux.memoryPolicy for a policy that needs it. The plan keeps the texts. */
void oci_plan_policy(const struct oci_plan *p, struct spec_edit *edit);

/* Sets the environment variables that give the process its place. The plan keeps the texts. */
void oci_plan_variables(const struct oci_plan *p, struct spec_edit *edit);

/* Appends an option and its value (NULL: it has none) to @options: edit->options or edit->plan. */
void oci_hook_option(const char **options, const char *name, const char *value);

/* Adds the hook's options for the plan; @applied NULL: for the CPUs only. */
void oci_plan_options(const struct oci_plan *p, const char *applied, struct spec_edit *edit);

#endif
