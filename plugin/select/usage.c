/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sums over placed containers. A share is added and removed as the same integers. One that does not fit the arrays,
 * or would overflow, is refused before anything changes.
 */
#include "plugin/select/usage.h"

#include <errno.h>
#include <string.h>

#include "plugin/base/util.h"

/* One allocation: the struct, then the arrays, widest type first for alignment. */
struct usage *usage_new(unsigned int cpu_ids, unsigned int node_ids)
{
	size_t per_node = (2 + HUGE_SIZES_MAX) * sizeof(uint64_t);
	size_t per_cpu = sizeof(uint32_t) + sizeof(uint16_t);
	struct usage *u;

	if (cpu_ids > IDSET_MAX || node_ids > NODE_ID_MAX)
		return NULL;
	u = calloc(1, sizeof(*u) + node_ids * per_node + cpu_ids * per_cpu);
	if (!u)
		return NULL;
	u->cpu_ids = cpu_ids;
	u->node_ids = node_ids;
	u->pending = (uint64_t *)(u + 1);
	u->huge_pending = u->pending + node_ids;
	u->asked = u->huge_pending + node_ids * HUGE_SIZES_MAX;
	u->load = (uint32_t *)(u->asked + node_ids);
	u->exclusive = (uint16_t *)(u->load + cpu_ids);
	return u;
}

struct usage *usage_copy(const struct usage *u)
{
	struct usage *copy = usage_new(u->cpu_ids, u->node_ids);

	if (!copy)
		return NULL;
	copy->containers = u->containers;
	memcpy(copy->load, u->load, u->cpu_ids * sizeof(*u->load));
	memcpy(copy->exclusive, u->exclusive, u->cpu_ids * sizeof(*u->exclusive));
	memcpy(copy->pending, u->pending, u->node_ids * sizeof(*u->pending));
	memcpy(copy->huge_pending, u->huge_pending, u->node_ids * HUGE_SIZES_MAX * sizeof(*u->huge_pending));
	memcpy(copy->asked, u->asked, u->node_ids * sizeof(*u->asked));
	return copy;
}

void usage_free(struct usage *u)
{
	free(u);
}

void share_free(struct share *s)
{
	free(steal_ptr(s->mem));
	s->nmem = 0;
}

static uint64_t still_to_come(uint64_t asked, uint64_t seen)
{
	return asked > seen ? asked - seen : 0;
}

/* Unchecked, as apply() has checked. */
static void step32(uint32_t *sum, uint32_t by, bool add)
{
	*sum = add ? *sum + by : *sum - by;
}

static void step64(uint64_t *sum, uint64_t by, bool add)
{
	*sum = add ? *sum + by : *sum - by;
}

static bool fits(uint64_t sum, uint64_t by, uint64_t max, bool add)
{
	return add ? by <= max - sum : by <= sum;
}

/* Load that the share puts on each of its CPUs, in 1/LOAD_ONE. */
static uint64_t load_of(const struct share *s)
{
	unsigned int n = idset_count(&s->cpus);

	return n ? (uint64_t)s->count * LOAD_ONE / n : 0;
}

static bool cpus_fit(const struct usage *u, const struct share *s, uint64_t load, bool add)
{
	if (idset_next(&s->cpus, u->cpu_ids) >= 0 || idset_next(&s->held, u->cpu_ids) >= 0)
		return false;
	idset_foreach(id, &s->cpus)
		if (!fits(u->load[id], load, UINT32_MAX, add))
			return false;
	idset_foreach(id, &s->held)
		if (!fits(u->exclusive[id], 1, UINT16_MAX, add))
			return false;
	return true;
}

static bool memory_fits(const struct usage *u, const struct share *s, bool add)
{
	struct nodeset seen = { { 0 } };

	for (unsigned int i = 0; i < s->nmem; i++) {
		const struct share_node *m = &s->mem[i];

		/* entries are checked one by one, so a node may occur only once */
		if (m->id >= u->node_ids || nodeset_has(&seen, m->id))
			return false;
		nodeset_add(&seen, m->id);
		if (!fits(u->asked[m->id], m->memory, UINT64_MAX, add) ||
		    !fits(u->pending[m->id], still_to_come(m->memory, m->seen), UINT64_MAX, add))
			return false;
		for (unsigned int h = 0; h < HUGE_SIZES_MAX; h++)
			if (!fits(u->huge_pending[m->id * HUGE_SIZES_MAX + h],
				  still_to_come(m->huge[h], m->huge_seen[h]), UINT64_MAX, add))
				return false;
	}
	return true;
}

static int apply(struct usage *u, const struct share *s, bool add)
{
	uint64_t load = load_of(s);

	if (!cpus_fit(u, s, load, add) || !memory_fits(u, s, add) || !fits(u->containers, 1, UINT32_MAX, add))
		return -ERANGE;
	idset_foreach(id, &s->cpus)
		step32(&u->load[id], (uint32_t)load, add);
	idset_foreach(id, &s->held)
		u->exclusive[id] = (uint16_t)(add ? u->exclusive[id] + 1 : u->exclusive[id] - 1);
	for (unsigned int i = 0; i < s->nmem; i++) {
		const struct share_node *m = &s->mem[i];

		step64(&u->asked[m->id], m->memory, add);
		step64(&u->pending[m->id], still_to_come(m->memory, m->seen), add);
		for (unsigned int h = 0; h < HUGE_SIZES_MAX; h++)
			step64(&u->huge_pending[m->id * HUGE_SIZES_MAX + h],
			       still_to_come(m->huge[h], m->huge_seen[h]), add);
	}
	u->containers = add ? u->containers + 1 : u->containers - 1;
	return 0;
}

int usage_add(struct usage *u, const struct share *s)
{
	return apply(u, s, true);
}

int usage_remove(struct usage *u, const struct share *s)
{
	return apply(u, s, false);
}

uint64_t usage_huge_left(const struct usage *u, const struct topology *t, unsigned int h)
{
	uint64_t there = 0, pending = 0, taken;

	for (unsigned int i = 0; i < t->nnodes; i++) {
		there += t->nodes[i].huge_free[h];
		pending += u->huge_pending[t->nodes[i].id * HUGE_SIZES_MAX + h];
	}
	taken = pending > t->huge_reserved[h] ? pending : t->huge_reserved[h];
	return there > taken ? there - taken : 0;
}
