/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Placements of the public API, and the functions that read them.
 */
#include "lib/placement.h"

#include "plugin/base/util.h"
#include "plugin/base/vec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX (2 * IDSET_TEXT_MAX)

char *lib_list_text(struct ids s)
{
	size_t size = ids_format(s, NULL, 0) + 1;
	char *text = malloc(size);

	if (text)
		ids_format(s, text, size);
	return text;
}

/* What a plan and a record have. False if out of memory. */
static bool copy_placement(struct numaplace_placement *out, const struct placement *p, const struct reasons *why)
{
	out->nodes = lib_list_text(ids_of(&p->nodes));
	out->cpus = lib_list_text(ids_of(&p->share.cpus));
	out->mems = lib_list_text(ids_of(&p->mems));
	out->held = lib_list_text(ids_of(&p->share.held));
	out->policy = p->policy;
	out->overcommitted = p->overcommitted;
	out->count = p->share.count;
	out->reasons = *why;
	for (unsigned int i = 0; i < why->n; i++)
		make_printable(out->reasons.text[i]);
	out->memory = calloc(p->share.nmem + 1, sizeof(*out->memory));
	if (!out->memory)
		return false;
	for (; out->nmemory < p->share.nmem; out->nmemory++)
		out->memory[out->nmemory] = (struct numaplace_node_memory){
			.id = p->share.mem[out->nmemory].id,
			.requested = p->share.mem[out->nmemory].memory,
			.seen = p->share.mem[out->nmemory].seen,
		};
	return out->nodes && out->cpus && out->mems && out->held;
}

/* The key, or the limit that was used in its place. False: neither. */
static bool value_of(const struct request *r, enum request_key key, bool *limit, char *text)
{
	struct request as_key;

	*limit = !request_format(r, key, text, VALUE_MAX);
	if (!*limit)
		return true;
	switch (key) {
	case KEY_CPU:
		snprintf(text, VALUE_MAX, "%u", r->cpu_count);
		return r->cpu_count > 0;
	case KEY_MEMORY:
		size_format(r->memory, text, VALUE_MAX);
		return r->memory > 0;
	case KEY_MEMORY_HUGEPAGES:
		if (!r->nhuge)
			return false;
		as_key = *r;
		as_key.given |= 1U << KEY_MEMORY_HUGEPAGES;
		return request_format(&as_key, key, text, VALUE_MAX);
	default:
		return false;
	}
}

static bool copy_request(struct numaplace_placement *out, const struct request *r)
{
	cleanup_free char *text = malloc(VALUE_MAX);

	out->pinned_cpus = lib_list_text(ids_of(&r->pin_cpus));
	out->pinned_mems = lib_list_text(ids_of(&r->pin_mems));
	if (!text || !out->pinned_cpus || !out->pinned_mems)
		return false;
	for (enum request_key k = 0; k < KEY_COUNT; k++) {
		bool limit;

		if (!value_of(r, k, &limit, text))
			continue;
		out->value[k] = strdup(text);
		out->limits |= (unsigned int)limit << k;
		if (!out->value[k])
			return false;
	}
	return true;
}

/* Frees @p and returns NULL if a copy has failed. */
static struct numaplace_placement *complete(struct numaplace_placement *p, bool copied)
{
	if (copied && p->id && p->runtime && p->cgroup)
		return p;
	numaplace_placement_free(p);
	return NULL;
}

struct numaplace_placement *placement_of_plan(const char *id, const struct request *request, struct placement *p,
					      const struct reasons *why)
{
	struct numaplace_placement *out = calloc(1, sizeof(*out));

	if (!out)
		return NULL;
	out->id = strdup(id);
	out->runtime = strdup("");
	out->cgroup = strdup("");
	out->pinned_cpus = strdup("");
	out->pinned_mems = strdup("");
	out->plan = calloc(1, sizeof(*out->plan));
	if (!complete(out, copy_placement(out, p, why) && out->pinned_cpus && out->pinned_mems && out->plan))
		return NULL;
	out->plan->request = *request;
	out->plan->placement = *p;
	*p = (struct placement){ 0 };
	return out;
}

struct numaplace_placement *placement_of_record(const struct record *r)
{
	struct numaplace_placement *out = calloc(1, sizeof(*out));

	if (!out)
		return NULL;
	out->id = strdup(r->id);
	out->runtime = strdup(r->runtime);
	out->cgroup = strdup(r->cgroup ? r->cgroup : "");
	memcpy(out->applied, r->applied, sizeof(out->applied));
	if (r->request.exclusive)
		out->exclusive = r->partition != PARTITION_MEMBER ? "kernel" : "placed containers";
	out->inode = r->cgroup_inode;
	out->decided = r->started;
	return complete(out, copy_placement(out, &r->placement, &r->reasons) && copy_request(out, &r->request));
}

int placements_add(void *list, const struct record *r)
{
	struct placements *l = list;
	struct numaplace_placement *p = placement_of_record(r);
	struct numaplace_placement **slot = p ? vec_push(l->placement, l->n, l->room) : NULL;

	if (!slot) {
		numaplace_placement_free(p);
		return -ENOMEM;
	}
	*slot = p;
	return 0;
}

void placements_free(struct placements *list)
{
	for (size_t i = 0; i < list->n; i++)
		numaplace_placement_free(list->placement[i]);
	free(list->placement);
}

void numaplace_placement_free(struct numaplace_placement *p)
{
	if (!p)
		return;
	for (enum request_key k = 0; k < KEY_COUNT; k++)
		free(p->value[k]);
	free(p->memory);
	free(p->id);
	free(p->runtime);
	free(p->cgroup);
	free(p->nodes);
	free(p->cpus);
	free(p->mems);
	free(p->held);
	free(p->pinned_cpus);
	free(p->pinned_mems);
	if (p->plan)
		placement_free(&p->plan->placement);
	free(p->plan);
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

const char *numaplace_placement_held(const struct numaplace_placement *p)
{
	return p->held;
}

const char *numaplace_placement_exclusive(const struct numaplace_placement *p)
{
	return p->exclusive ? p->exclusive : "";
}

unsigned int numaplace_placement_count(const struct numaplace_placement *p)
{
	return p->count;
}

const struct numaplace_node_memory *numaplace_placement_memory(const struct numaplace_placement *p, unsigned int i)
{
	return i < p->nmemory ? &p->memory[i] : NULL;
}

const char *numaplace_placement_applied(const struct numaplace_placement *p)
{
	return p->applied;
}

uint64_t numaplace_placement_decided(const struct numaplace_placement *p)
{
	return p->decided;
}

static const char *value_named(const struct numaplace_placement *p, const char *key, unsigned int limit)
{
	int k = key ? request_find_key(key) : -1;

	return k >= 0 && (p->limits >> k & 1) == limit ? p->value[k] : NULL;
}

const char *numaplace_placement_request(const struct numaplace_placement *p, const char *key)
{
	return value_named(p, key, 0);
}

const char *numaplace_placement_limit(const struct numaplace_placement *p, const char *key)
{
	return value_named(p, key, 1);
}

const char *numaplace_placement_pinned_cpus(const struct numaplace_placement *p)
{
	return p->pinned_cpus;
}

const char *numaplace_placement_pinned_mems(const struct numaplace_placement *p)
{
	return p->pinned_mems;
}
