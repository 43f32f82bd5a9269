/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A placement chosen before its container exists, as texts for its spec: so
 * that a memory policy can name the nodes.  The hook, later, chooses within it.
 */
#ifndef NUMAPLACE_OCI_PLAN_H
#define NUMAPLACE_OCI_PLAN_H

#include "cgroup/place.h"
#include "runtime-hooks/spec-edit.h"

/* How a policy takes effect, in the hook's --applied and in the ledger. */
#define APPLIED_SPEC "memoryPolicy" /* linux.memoryPolicy: the runtime sets it */
#define APPLIED_INHERITED "inherited" /* numaplace-runtime set it on itself, before it became the runtime */

struct oci_plan {
	struct placement placement;
	char *cpus, *mems;               /* "0-3,8" */
	char *cpu_nodes, *memory_nodes;  /* "0,1" */
};

/* place_plan and its texts. @out is zeroed first; free it also after a failure. */
int oci_plan_make(struct place_env *env, const struct request *request, const char *id, struct oci_plan *out,
		  struct error *err);
void oci_plan_free(struct oci_plan *p);
#define cleanup_oci_plan __attribute__((cleanup(oci_plan_free)))

/* linux.memoryPolicy, for a policy that has one. The texts stay the plan's. */
void oci_plan_policy(const struct oci_plan *p, struct spec_edit *edit);

/* One more option of the hook, and its value: edit->options or edit->plan. */
void oci_hook_option(const char **options, const char *name, const char *value);

/* The hook's options that tell it of the plan; @applied NULL: of the CPUs alone. */
void oci_plan_options(const struct oci_plan *p, const char *applied, struct spec_edit *edit);

#endif
