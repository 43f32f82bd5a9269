/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes the plan of a request and the members of a spec that carry it.
 */
#include "runtime-hooks/oci/oci-plan.h"

#include "plugin/base/util.h"
#include "runtime-hooks/oci/oci-config.h"

#include <errno.h>

static char *list_of(struct ids s, size_t (*format)(struct ids s, char *buf, size_t size))
{
	size_t size = format(s, NULL, 0) + 1;
	char *text = malloc(size);

	if (text)
		format(s, text, size);
	return text;
}

static int format(struct oci_plan *out, struct error *err)
{
	out->cpus = list_of(ids_of(&out->placement.share.cpus), ids_format);
	out->mems = list_of(ids_of(&out->placement.mems), ids_format);
	out->cpu_nodes = list_of(ids_of(&out->placement.nodes), ids_format_comma);
	out->memory_nodes = list_of(ids_of(&out->placement.mems), ids_format_comma);
	if (!out->cpus || !out->mems || !out->cpu_nodes || !out->memory_nodes)
		return error_set(err, -ENOMEM, "out of memory");
	return 0;
}

int oci_plan_make(struct place_env *env, const struct request *request, const char *id, struct oci_plan *out, struct error *err)
{
	struct reasons why = { 0 };
	int r;

	*out = (struct oci_plan){ 0 };
	r = place_plan(env, request, id, &out->placement, &why, err);
	return r < 0 ? r : format(out, err);
}

int oci_plan_reserve(struct place_env *env, const struct place_job *job, const char *cgroup, struct oci_plan *out,
		     struct error *err)
{
	cleanup_record struct record r = { 0 };
	int rc;

	*out = (struct oci_plan){ 0 };
	rc = place_reserve(env, job, cgroup, &r, err);
	if (rc < 0)
		return rc;
	out->placement = r.placement;
	r.placement = (struct placement){ 0 };
	return format(out, err);
}

void oci_plan_free(struct oci_plan *p)
{
	placement_free(&p->placement);
	free(p->cpus);
	free(p->mems);
	free(p->cpu_nodes);
	free(p->memory_nodes);
	*p = (struct oci_plan){ 0 };
}

void oci_plan_policy(const struct oci_plan *p, struct spec_edit *edit)
{
	edit->policy_mode = oci_policy_mode(p->placement.policy, &p->placement.mems);
	edit->policy_nodes = edit->policy_mode ? p->mems : NULL;
}

void oci_plan_variables(const struct oci_plan *p, struct spec_edit *edit)
{
	edit->variable[SPEC_CPUS] = p->cpus;
	edit->variable[SPEC_NODES] = p->cpu_nodes;
	edit->variable[SPEC_MEMORY_NODES] = p->memory_nodes;
}

void oci_hook_option(const char **options, const char *name, const char *value)
{
	unsigned int n = 0;

	while (n + 2 < SPEC_OPTIONS_MAX && options[n])
		n++;
	options[n] = name;
	options[n + 1] = value;
}

void oci_plan_options(const struct oci_plan *p, const char *applied, struct spec_edit *edit)
{
	oci_hook_option(edit->plan, "--cpus", p->cpus);
	if (!applied)
		return;
	oci_hook_option(edit->plan, "--mems", p->mems);
	oci_hook_option(edit->plan, "--applied", applied);
}
