/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The use of a machine, in the same form for every rule: load per CPU, requested bytes per node, containers per node. A
 * rule reads the state and returns a choice; only this file changes the state.
 */
#include "bench/select/bench.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int state_alloc(struct state *s)
{
	unsigned int n = s->t->nnodes, c = s->t->ncpus;

	s->core = calloc(c, sizeof(*s->core));
	s->member = calloc(c, sizeof(*s->member));
	s->core_of = calloc(c, sizeof(*s->core_of));
	s->first_core = calloc(n + 1, sizeof(*s->first_core));
	s->cand = calloc(n, sizeof(*s->cand));
	s->cpus = calloc(n, sizeof(*s->cpus));
	s->load = calloc(c, sizeof(*s->load));
	s->holders = calloc(c, sizeof(*s->holders));
	s->node_load = calloc(n, sizeof(*s->node_load));
	s->room = calloc(n, sizeof(*s->room));
	s->asked = calloc(n, sizeof(*s->asked));
	s->instances = calloc(n, sizeof(*s->instances));
	s->single = calloc(n, sizeof(*s->single));
	s->multi = calloc(n, sizeof(*s->multi));
	s->group = calloc(n, sizeof(*s->group));
	s->group_width = calloc(n, sizeof(*s->group_width));
	s->usage = usage_new(s->t->cpu_ids, NODE_ID_MAX);
	return s->core && s->member && s->core_of && s->first_core && s->cand && s->cpus && s->load && s->holders &&
			       s->node_load && s->room && s->asked && s->instances && s->single && s->multi &&
			       s->group && s->group_width && s->usage
		       ? 0
		       : -ENOMEM;
}

/* Cores of a node in the order of their lowest CPU id; isolated CPUs stay out. */
static void group_node(struct state *s, unsigned int node, unsigned int *members)
{
	const struct topo_node *n = &s->t->nodes[node];
	const struct topo_cpu *cpu = s->t->cpus;

	s->first_core[node] = s->ncores;
	for (unsigned int i = n->first_cpu; i < n->first_cpu + n->ncpus; i++) {
		struct core c = { .node = (uint16_t)node, .first = (uint16_t)*members };
		bool seen = cpu[i].isolated;

		for (unsigned int j = n->first_cpu; j < i && !seen; j++)
			seen = cpu[j].core == cpu[i].core && !cpu[j].isolated;
		if (seen)
			continue;
		for (unsigned int j = i; j < n->first_cpu + n->ncpus; j++)
			if (cpu[j].core == cpu[i].core && !cpu[j].isolated) {
				s->core_of[j] = (uint16_t)s->ncores;
				s->member[(*members)++] = (uint16_t)j;
				c.n++;
			}
		if (c.n > s->smt)
			s->smt = c.n;
		s->cpus[node] += c.n;
		s->core[s->ncores++] = c;
	}
	s->first_core[node + 1] = s->ncores;
}

bool core_is_free(const struct state *s, const struct core *c)
{
	for (unsigned int i = 0; i < c->n; i++)
		if (s->load[s->member[c->first + i]])
			return false;
	return true;
}

static void count_room(struct state *s, unsigned int node)
{
	uint64_t free = 0;

	for (unsigned int c = s->first_core[node]; c < s->first_core[node + 1]; c++) {
		const struct core *core = &s->core[c];

		if (s->exclusive && s->whole_cores) {
			free += core_is_free(s, core) ? (uint64_t)core->n * LOAD_ONE : 0;
			continue;
		}
		for (unsigned int i = 0; i < core->n; i++) {
			uint32_t load = s->load[s->member[core->first + i]];

			if (load < LOAD_ONE && !(s->exclusive && load))
				free += LOAD_ONE - load;
		}
	}
	s->room[node] = (unsigned int)(free / LOAD_ONE);
}

static int count_caches(struct state *s)
{
	cleanup_free unsigned int *size = calloc(65536, sizeof(*size));

	if (!size)
		return -ENOMEM;
	for (unsigned int i = 0; i < s->t->ncpus; i++) {
		unsigned int n = ++size[s->t->cpus[i].llc];

		if (n > s->max_llc)
			s->max_llc = n;
	}
	return 0;
}

int state_init(struct state *s, const struct row *row)
{
	const struct topology *t = row->machine->t;
	unsigned int members = 0;

	*s = (struct state){ .t = t, .exclusive = row->exclusive, .memory = row->memory };
	s->whole_cores = row->exclusive && !row->threads;
	if (state_alloc(s) || count_caches(s)) {
		state_free(s);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < t->nnodes; i++) {
		group_node(s, i, &members);
		if (s->cpus[i]) {
			s->cand[s->ncand++] = (uint16_t)i;
			s->total_memory += t->nodes[i].mem_total;
		}
		s->total_cpus += s->cpus[i];
		count_room(s, i);
	}
	return 0;
}

void state_free(struct state *s)
{
	free(s->core);
	free(s->member);
	free(s->core_of);
	free(s->first_core);
	free(s->cand);
	free(s->cpus);
	free(s->load);
	free(s->holders);
	free(s->node_load);
	free(s->room);
	free(s->asked);
	free(s->instances);
	free(s->single);
	free(s->multi);
	free(s->group);
	free(s->group_width);
	usage_free(s->usage);
	*s = (struct state){ 0 };
}

int choice_init(struct choice *c, const struct state *s)
{
	*c = (struct choice){ 0 };
	c->node = calloc(s->t->nnodes, sizeof(*c->node));
	c->cpu = calloc(s->t->ncpus, sizeof(*c->cpu));
	c->mem = calloc(s->t->nnodes, sizeof(*c->mem));
	return c->node && c->cpu && c->mem ? 0 : -ENOMEM;
}

void choice_clear(struct choice *c, const struct state *s)
{
	c->nnodes = c->ncpus = 0;
	memset(c->mem, 0, s->t->nnodes * sizeof(*c->mem));
}

void choice_free(struct choice *c)
{
	free(c->node);
	free(c->cpu);
	free(c->mem);
	*c = (struct choice){ 0 };
}

static int held_fill(struct held *h, struct choice *c, const struct state *s)
{
	*h = (struct held){ .nnodes = c->nnodes, .ncpus = c->ncpus };
	for (unsigned int i = 0; i < s->t->nnodes; i++)
		h->nmem += c->mem[i] > 0;
	h->node = calloc(h->nnodes + 1, sizeof(*h->node));
	h->cpu = calloc(h->ncpus + 1, sizeof(*h->cpu));
	h->mem_node = calloc(h->nmem + 1, sizeof(*h->mem_node));
	h->mem = calloc(h->nmem + 1, sizeof(*h->mem));
	if (!h->node || !h->cpu || !h->mem_node || !h->mem) {
		held_free(h);
		return -ENOMEM;
	}
	memcpy(h->node, c->node, h->nnodes * sizeof(*h->node));
	memcpy(h->cpu, c->cpu, h->ncpus * sizeof(*h->cpu));
	for (unsigned int i = 0, k = 0; i < s->t->nnodes; i++)
		if (c->mem[i]) {
			h->mem_node[k] = (uint16_t)i;
			h->mem[k++] = c->mem[i];
		}
	h->share = c->share;
	c->share = (struct share){ 0 };
	return 0;
}

static uint32_t load_of(unsigned int cpus, const struct held *h)
{
	return h->ncpus ? (uint32_t)((uint64_t)cpus * LOAD_ONE / h->ncpus) : 0;
}

static void recount(struct state *s, const struct held *h)
{
	for (unsigned int i = 0; i < h->ncpus; i++)
		if (i == 0 || s->t->cpus[h->cpu[i]].node != s->t->cpus[h->cpu[i - 1]].node)
			count_room(s, s->t->cpus[h->cpu[i]].node);
}

/* A number that identifies the set, for the rule that a node serves one group only. */
static uint64_t set_name(const struct held *h)
{
	uint64_t x = 0;

	for (unsigned int i = 0; i < h->nnodes; i++) {
		uint64_t z = (h->node[i] + 1) * 0x9e3779b97f4a7c15ULL;

		x += z ^ (z >> 29); /* a sum: the order does not matter */
	}
	return x;
}

int state_add(struct state *s, struct choice *c, struct held *h)
{
	uint32_t each;

	if (held_fill(h, c, s))
		return -ENOMEM;
	each = load_of(h->share.count ? h->share.count : c->ncpus, h);
	h->group = set_name(h);
	for (unsigned int i = 0; i < h->ncpus; i++) {
		s->load[h->cpu[i]] += each;
		s->node_load[s->t->cpus[h->cpu[i]].node] += each;
		s->holders[h->cpu[i]]++;
	}
	for (unsigned int i = 0; i < h->nmem; i++)
		s->asked[h->mem_node[i]] += h->mem[i];
	for (unsigned int i = 0; i < h->nnodes; i++) {
		unsigned int node = h->node[i];

		s->instances[node]++;
		if (h->nnodes == 1)
			s->single[node]++;
		else if (s->multi[node]++ == 0) {
			s->group[node] = h->group;
			s->group_width[node] = (uint16_t)h->nnodes;
		}
	}
	recount(s, h);
	return h->share.count ? usage_add(s->usage, &h->share) : 0;
}

void state_remove(struct state *s, struct held *h)
{
	uint32_t each = load_of(h->share.count ? h->share.count : h->ncpus, h);

	for (unsigned int i = 0; i < h->ncpus; i++) {
		s->load[h->cpu[i]] -= each;
		s->node_load[s->t->cpus[h->cpu[i]].node] -= each;
		s->holders[h->cpu[i]]--;
	}
	for (unsigned int i = 0; i < h->nmem; i++)
		s->asked[h->mem_node[i]] -= h->mem[i];
	for (unsigned int i = 0; i < h->nnodes; i++) {
		s->instances[h->node[i]]--;
		if (h->nnodes == 1)
			s->single[h->node[i]]--;
		else
			s->multi[h->node[i]]--;
	}
	recount(s, h);
	if (h->share.count)
		usage_remove(s->usage, &h->share);
	held_free(h);
}

void held_free(struct held *h)
{
	free(h->node);
	free(h->cpu);
	free(h->mem_node);
	free(h->mem);
	share_free(&h->share);
	*h = (struct held){ 0 };
}
