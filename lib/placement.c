/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Placements of the public API, and the functions that read them.
 */
#include "lib/placement.h"

#include <stdlib.h>
#include <string.h>

static char *list_text(struct ids s)
{
	size_t size = ids_format(s, NULL, 0) + 1;
	char *text = malloc(size);

	if (text)
		ids_format(s, text, size);
	return text;
}

struct numaplace_placement *placement_of(const char *id, const char *runtime, const char *cgroup,
					 const struct placement *p, const struct reasons *why)
{
	struct numaplace_placement *out = calloc(1, sizeof(*out));

	if (!out)
		return NULL;
	out->id = strdup(id);
	out->runtime = strdup(runtime);
	out->cgroup = strdup(cgroup);
	out->nodes = list_text(ids_of(&p->nodes));
	out->cpus = list_text(ids_of(&p->share.cpus));
	out->mems = list_text(ids_of(&p->mems));
	out->policy = p->policy;
	out->overcommitted = p->overcommitted;
	out->reasons = *why;
	for (unsigned int i = 0; i < why->n; i++)
		make_printable(out->reasons.text[i]);
	if (out->id && out->runtime && out->cgroup && out->nodes && out->cpus && out->mems)
		return out;
	numaplace_placement_free(out);
	return NULL;
}

struct numaplace_placement *placement_of_record(const struct record *r)
{
	return placement_of(r->id, r->runtime, r->cgroup ? r->cgroup : "", &r->placement, &r->reasons);
}

void numaplace_placement_free(struct numaplace_placement *p)
{
	if (!p)
		return;
	free(p->id);
	free(p->runtime);
	free(p->cgroup);
	free(p->nodes);
	free(p->cpus);
	free(p->mems);
	free(p);
}

const char *numaplace_placement_id(const struct numaplace_placement *p)
{
	return p->id;
}

const char *numaplace_placement_runtime(const struct numaplace_placement *p)
{
	return p->runtime;
}

const char *numaplace_placement_cgroup(const struct numaplace_placement *p)
{
	return p->cgroup;
}

const char *numaplace_placement_nodes(const struct numaplace_placement *p)
{
	return p->nodes;
}

const char *numaplace_placement_cpus(const struct numaplace_placement *p)
{
	return p->cpus;
}

const char *numaplace_placement_mems(const struct numaplace_placement *p)
{
	return p->mems;
}

const char *numaplace_placement_policy(const struct numaplace_placement *p)
{
	return memory_policy_name(p->policy);
}

int numaplace_placement_overcommitted(const struct numaplace_placement *p)
{
	return p->overcommitted;
}

const char *numaplace_placement_reason(const struct numaplace_placement *p, unsigned int i)
{
	return i < p->reasons.n ? p->reasons.text[i] : NULL;
}
