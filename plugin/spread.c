/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From chosen nodes to CPUs and bytes: shares over the nodes by room, then
 * within each node the idle CPUs first, whole cores before half ones, one last-level cache before two.
 */
#include "plugin/select-internal.h"

#include "plugin/util.h"

#include <errno.h>
#include <string.h>

/* One node's part in the spreading. */
struct part {
	const struct site *site;
	unsigned int idle;   /* candidate CPUs that nobody uses */
	unsigned int cores;  /* of these, CPUs in wholly idle cores */
	unsigned int take;
};

struct spread {
	const struct spread_input *in;
	const struct topology *t;
	bool *free_core;     /* by CPU index */
	uint32_t *load;      /* by CPU index */
	unsigned int unit;   /* threads of a core */
	bool exclusive;
	unsigned int nparts;
	struct part *part;
};

bool *spread_free_cores(const struct select_input *in, const bool *candidate)
{
	const struct topology *t = in->topology;
	bool *busy = calloc(t->ncores + 1, sizeof(*busy));
	bool *out = calloc(t->ncpus, sizeof(*out));

	if (busy && out) {
		for (unsigned int i = 0; i < t->ncpus; i++)
			if (!candidate[i] || in->usage->load[t->cpus[i].id])
				busy[t->cpus[i].core] = true;
		for (unsigned int i = 0; i < t->ncpus; i++)
			out[i] = !busy[t->cpus[i].core];
	} else {
		free(out);
		out = NULL;
	}
	free(busy);
	return out;
}

static unsigned int threads_per_core(const struct topology *t)
{
	return t->ncores && t->ncores < t->ncpus ? (t->ncpus + t->ncores - 1) / t->ncores : 1;
}

static void part_count(const struct spread *s, struct part *p)
{
	const struct topo_node *node = &s->t->nodes[p->site->node];

	for (unsigned int i = node->first_cpu; i < node->first_cpu + node->ncpus; i++) {
		if (!s->in->candidate[i])
			continue;
		p->idle += !s->load[i];
		p->cores += s->free_core[i];
	}
}

/* Hands out @want over the parts in proportion to @room, in steps of @unit, at most @room each; what is left. */
static unsigned int share_out(struct spread *s, unsigned int want, unsigned int unit, const unsigned int *room)
{
	uint64_t total = 0;
	unsigned int left = want;

	for (unsigned int i = 0; i < s->nparts; i++)
		total += room[i];
	for (unsigned int i = 0; total && i < s->nparts; i++) {
		unsigned int x = (unsigned int)((uint64_t)want * room[i] / total);

		x = x < room[i] ? x : room[i];
		x -= x % unit;
		s->part[i].take += x;
		left -= x;
	}
	/* the rest, a unit at a time, to whom is shortest of a fair share */
	while (left) {
		unsigned int best = s->nparts;
		double most = 0;

		for (unsigned int i = 0; i < s->nparts; i++) {
			double after;

			if (s->part[i].take >= room[i])
				continue;
			after = (double)(room[i] - s->part[i].take) / (double)(room[i] ? room[i] : 1);
			if (best == s->nparts || after > most + 1e-12) {
				best = i;
				most = after;
			}
		}
		if (best == s->nparts)
			break;
		unsigned int step = unit < left ? unit : left;
		unsigned int fits = room[best] - s->part[best].take;

		step = step < fits ? step : fits;
		s->part[best].take += step;
		left -= step;
	}
	return left;
}

static int share_over_nodes(struct spread *s, unsigned int count)
{
	cleanup_free unsigned int *room = calloc(s->nparts, sizeof(*room));
	unsigned int cores = 0, idle = 0;

	if (!room)
		return -ENOMEM;
	for (unsigned int i = 0; i < s->nparts; i++) {
		cores += s->part[i].cores;
		idle += s->part[i].idle;
	}
	for (unsigned int i = 0; i < s->nparts; i++) {
		const struct part *p = &s->part[i];

		/* whole idle cores where they suffice, else idle CPUs, else all candidates */
		room[i] = s->exclusive || cores >= count ? p->cores : idle >= count ? p->idle : p->site->ncpus;
	}
	share_out(s, count, s->exclusive || cores >= count ? s->unit : 1, room);
	return 0;
}

/* A last-level cache within one node. */
struct llc {
	uint16_t number;
	unsigned int whole, idle; /* CPUs in idle cores; idle CPUs */
};

static unsigned int list_llcs(const struct spread *s, const struct topo_node *node, const bool *eligible,
			      const bool *taken, struct llc *out)
{
	unsigned int n = 0;

	for (unsigned int i = node->first_cpu; i < node->first_cpu + node->ncpus; i++) {
		unsigned int k;

		if (!eligible[i] || taken[i])
			continue;
		for (k = 0; k < n && out[k].number != s->t->cpus[i].llc; k++)
			;
		if (k == n)
			out[n++] = (struct llc){ .number = s->t->cpus[i].llc };
		out[k].idle++;
		out[k].whole += s->free_core[i];
	}
	return n;
}

/* The cache that @want CPUs fit into with least left over; else the one that brings most. */
static const struct llc *choose_llc(const struct spread *s, const struct llc *llc, unsigned int n, unsigned int want)
{
	const struct llc *fit = NULL, *most = NULL;

	for (unsigned int i = 0; i < n; i++)
		if (llc[i].whole >= want && (!fit || llc[i].whole < fit->whole))
			fit = &llc[i];
	for (unsigned int i = 0; !fit && !s->exclusive && i < n; i++)
		if (llc[i].idle >= want && (!fit || llc[i].idle < fit->idle))
			fit = &llc[i];
	for (unsigned int i = 0; !fit && i < n; i++)
		if (!most || (s->exclusive ? llc[i].whole > most->whole : llc[i].idle > most->idle))
			most = &llc[i];
	return fit ? fit : most;
}

static void take_cpu(struct spread *s, unsigned int i, bool *taken, struct share *share)
{
	taken[i] = true;
	idset_add(&share->cpus, s->t->cpus[i].id);
}

/* The threads of CPU @i's core that may be had, itself included. */
static unsigned int core_mates(const struct spread *s, const struct topo_node *node, unsigned int i,
			       const bool *eligible, const bool *taken)
{
	unsigned int n = 0;

	for (unsigned int j = node->first_cpu; j < node->first_cpu + node->ncpus; j++)
		n += s->t->cpus[j].core == s->t->cpus[i].core && eligible[j] && !taken[j];
	return n;
}

/* Takes up to @want CPUs of one cache: whole cores, then a thread of a half-taken core, then of a whole one. */
static unsigned int take_from_llc(struct spread *s, const struct topo_node *node, uint16_t llc, unsigned int want,
				  const bool *eligible, bool *taken, struct share *share)
{
	unsigned int end = node->first_cpu + node->ncpus, got = 0;

	for (int pass = 0; pass < 3 && got < want; pass++)
		for (unsigned int i = node->first_cpu; i < end && got < want; i++) {
			unsigned int mates;

			if (s->t->cpus[i].llc != llc || !eligible[i] || taken[i])
				continue;
			if (s->exclusive && !s->free_core[i])
				continue;
			mates = core_mates(s, node, i, eligible, taken);
			if (pass == 0 && (!s->free_core[i] || mates > want - got))
				continue;
			if (pass == 1 && s->free_core[i])
				continue;
			for (unsigned int j = i; j < end && got < want; j++) {
				if (s->t->cpus[j].core != s->t->cpus[i].core || !eligible[j] || taken[j])
					continue;
				take_cpu(s, j, taken, share);
				got++;
			}
		}
	return got;
}

static int by_load(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The load up to which CPUs must be taken to get @want of them. */
static int load_limit(const struct spread *s, const struct part *p, uint32_t *limit)
{
	const struct topo_node *node = &s->t->nodes[p->site->node];
	cleanup_free uint32_t *loads = NULL;
	unsigned int n = 0;

	*limit = 0;
	if (p->idle >= p->take)
		return 0;
	loads = calloc(node->ncpus, sizeof(*loads));
	if (!loads)
		return -ENOMEM;
	for (unsigned int i = node->first_cpu; i < node->first_cpu + node->ncpus; i++)
		if (s->in->candidate[i])
			loads[n++] = s->load[i];
	qsort(loads, n, sizeof(*loads), by_load);
	*limit = n ? loads[(p->take < n ? p->take : n) - 1] : 0;
	return 0;
}

/* Takes part @p's CPUs below @limit, then at it, cache by cache. */
static int take_part(struct spread *s, const struct part *p, bool *taken, struct share *share)
{
	const struct topo_node *node = &s->t->nodes[p->site->node];
	cleanup_free bool *eligible = calloc(s->t->ncpus, sizeof(*eligible));
	cleanup_free struct llc *llc = calloc(node->ncpus + 1, sizeof(*llc));
	unsigned int left = p->take;
	uint32_t limit;

	if (!eligible || !llc || load_limit(s, p, &limit) < 0)
		return -ENOMEM;
	/* all that lie under the limit are wanted; only at the limit is there a choice */
	for (unsigned int i = node->first_cpu; i < node->first_cpu + node->ncpus; i++) {
		if (!s->in->candidate[i])
			continue;
		if (s->load[i] < limit && left) {
			take_cpu(s, i, taken, share);
			left--;
		}
		eligible[i] = s->load[i] == limit;
	}
	while (left) {
		unsigned int n = list_llcs(s, node, eligible, taken, llc), got = 0;
		const struct llc *one = choose_llc(s, llc, n, left);

		if (one)
			got = take_from_llc(s, node, one->number, left, eligible, taken, share);
		if (!got)
			break;
		left -= got;
	}
	return 0;
}

/* Exclusive containers keep the whole cores of their CPUs. */
static void hold_cores(const struct topology *t, const struct idset *cpus, struct idset *held)
{
	idset_foreach(id, cpus) {
		const struct topo_cpu *cpu = &t->cpus[t->cpu_index[id]];
		const struct topo_node *node = &t->nodes[cpu->node];

		for (unsigned int i = node->first_cpu; i < node->first_cpu + node->ncpus; i++)
			if (t->cpus[i].core == cpu->core)
				idset_add(held, t->cpus[i].id);
	}
}

static void take_all(const struct spread *s, struct share *share)
{
	for (unsigned int p = 0; p < s->nparts; p++) {
		const struct topo_node *node = &s->t->nodes[s->part[p].site->node];

		for (unsigned int i = node->first_cpu; i < node->first_cpu + node->ncpus; i++)
			if (s->in->candidate[i])
				idset_add(&share->cpus, s->t->cpus[i].id);
	}
}

static int spread_start(struct spread *s, const struct spread_input *in)
{
	const struct search *search = in->search;

	memset(s, 0, sizeof(*s));
	s->in = in;
	s->t = in->in->topology;
	s->exclusive = in->in->request->exclusive;
	s->unit = threads_per_core(s->t);
	s->free_core = spread_free_cores(in->in, in->candidate);
	s->load = calloc(s->t->ncpus, sizeof(*s->load));
	s->part = calloc(search->best.n, sizeof(*s->part));
	if (!s->free_core || !s->load || !s->part)
		return -ENOMEM;
	for (unsigned int i = 0; i < s->t->ncpus; i++)
		s->load[i] = in->in->usage->load[s->t->cpus[i].id];
	for (unsigned int i = 0; i < search->best.n; i++) {
		struct part *p = &s->part[s->nparts];

		p->site = &search->sites[search->best.site[i]];
		if (!p->site->ncpus)
			continue;
		part_count(s, p);
		s->nparts++;
	}
	return 0;
}

int spread_cpus(const struct spread_input *in, struct placement *out)
{
	const struct need *need = &in->search->need;
	cleanup_free bool *taken = NULL;
	struct spread s;
	int r;

	r = spread_start(&s, in);
	if (r == 0 && !need->count) {
		take_all(&s, &out->share);
	} else if (r == 0) {
		taken = calloc(s.t->ncpus, sizeof(*taken));
		r = taken ? share_over_nodes(&s, need->count) : -ENOMEM;
		for (unsigned int i = 0; r == 0 && i < s.nparts; i++)
			if (s.part[i].take)
				r = take_part(&s, &s.part[i], taken, &out->share);
	}
	if (r == 0) {
		out->share.count = need->count ? need->count : 1;
		if (s.exclusive)
			hold_cores(s.t, &out->share.cpus, &out->share.held);
	}
	free(s.free_core);
	free(s.load);
	free(s.part);
	return r;
}

/* The bytes and pages that may still be asked for on a node that is in mems. */
static const struct site *site_of(const struct search *search, unsigned int node)
{
	for (unsigned int i = 0; i < search->nsites; i++)
		if (search->sites[i].node == node)
			return &search->sites[i];
	return NULL;
}

/* Divides @want over the parts as @weight says, at most @room each; what does not fit goes where room is. */
static void divide(uint64_t want, unsigned int n, const uint64_t *weight, const uint64_t *room, uint64_t *out)
{
	long double total = 0;
	uint64_t left = want;

	for (unsigned int i = 0; i < n; i++)
		total += weight[i];
	for (unsigned int i = 0; i < n; i++) {
		uint64_t x = total > 0 ? (uint64_t)((long double)want * weight[i] / total) : want / n;

		x = x < room[i] ? x : room[i];
		x = x < left ? x : left;
		out[i] = x;
		left -= x;
	}
	while (left) {
		unsigned int most = 0;
		uint64_t step;

		for (unsigned int i = 1; i < n; i++)
			if (room[i] - out[i] > room[most] - out[most])
				most = i;
		step = room[most] - out[most];
		if (!step) {
			out[0] += left; /* preferred: more than fits anywhere */
			return;
		}
		step = step < left ? step : left;
		out[most] += step;
		left -= step;
	}
}

static uint64_t cpus_on(const struct topology *t, const struct idset *cpus, unsigned int node)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < t->nodes[node].ncpus; i++)
		n += idset_has(cpus, t->cpus[t->nodes[node].first_cpu + i].id);
	return n;
}

int spread_memory(const struct spread_input *in, struct placement *out)
{
	const struct topology *t = in->in->topology;
	const struct need *need = &in->search->need;
	struct idset mems = out->mems;
	unsigned int n, i = 0;
	cleanup_free uint64_t *column = NULL;
	uint64_t *weight, *room, *got;

	if (idset_intersects(&mems, &t->merged)) {
		/* one node in all but name: its memory is counted under its own id */
		idset_andnot(&mems, &t->merged);
		for (unsigned int k = 0; k < t->nnodes; k++)
			if (idset_has(&t->merged, t->nodes[k].id))
				idset_add(&mems, t->nodes[k].id);
	}
	n = idset_count(&mems);
	out->share.mem = calloc(n ? n : 1, sizeof(*out->share.mem));
	column = calloc(3 * (size_t)n + 1, sizeof(*column));
	if (!out->share.mem || !column)
		return -ENOMEM;
	weight = column;
	room = column + n;
	got = column + 2 * (size_t)n;
	out->share.nmem = n;
	idset_foreach(id, &mems) {
		int node = topology_find_node(t, id);
		const struct site *site = site_of(in->search, (unsigned int)node);

		out->share.mem[i].id = (uint16_t)id;
		weight[i] = out->policy == POLICY_INTERLEAVE || out->policy == POLICY_WEIGHTED
				    ? 1
				    : cpus_on(t, &out->share.cpus, (unsigned int)node);
		room[i++] = site ? site->avail : 0;
	}
	divide(need->memory, n, weight, room, got);
	for (i = 0; i < n; i++)
		out->share.mem[i].memory = n ? got[i] : 0;
	for (unsigned int h = 0; h < t->nhuge && n; h++) {
		for (i = 0; i < n; i++) {
			const struct site *site = site_of(in->search, t->node_index[out->share.mem[i].id]);

			room[i] = site ? site->huge[h] : 0;
		}
		divide(need->huge[h], n, weight, room, got);
		for (i = 0; i < n; i++)
			out->share.mem[i].huge[h] = got[i];
	}
	return 0;
}
