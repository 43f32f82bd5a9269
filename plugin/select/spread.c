/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From chosen nodes to CPUs and bytes: divides CPUs over the nodes (share-out.c), then takes within each node idle
 * CPUs first, one thread of each free core before second threads, few last-level caches before many. Exclusive
 * containers, and shared ones beside them, take whole cores before partial ones.
 */
#include "plugin/select/spread-internal.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

/* Whether something other than this container may run on this CPU. */
static bool may_be_busy(const struct select_input *in, const struct topo_cpu *cpu)
{
	const struct select_policy *policy = in->policy;

	if (in->usage->load[cpu->id] || in->usage->exclusive[cpu->id])
		return true;
	if (in->limits->limited && !idset_has(&in->limits->allowed_cpus, cpu->id))
		return true;
	return !in->whole && (idset_has(&policy->reserved_cpus, cpu->id) ||
			      nodeset_has(&policy->reserved_nodes, in->topology->nodes[cpu->node].id));
}

bool *spread_free_cores(const struct select_input *in)
{
	const struct topology *t = in->topology;
	bool *busy = calloc(t->ncores + 1, sizeof(*busy));
	bool *out = calloc(t->ncpus, sizeof(*out));

	if (busy && out) {
		for (unsigned int i = 0; i < t->ncpus; i++)
			busy[t->cpus[i].core] |= may_be_busy(in, &t->cpus[i]);
		for (unsigned int i = 0; i < t->ncpus; i++)
			out[i] = !busy[t->cpus[i].core];
	} else {
		free(out);
		out = NULL;
	}
	free(busy);
	return out;
}

static void find_far(struct spread *s)
{
	for (unsigned int i = 0; s->nparts > 1 && s->nparts <= FILL_PARTS && i < s->nparts; i++)
		for (unsigned int j = 0; j < s->nparts; j++) {
			s->part[i].far += (double)s->part[j].site->mem_weight * near_parts(s, i, j);
			s->part[i].apart += near_parts(s, i, j);
		}
}

static unsigned int threads_per_core(const struct topology *t)
{
	return t->ncores && t->ncores < t->ncpus ? (t->ncpus + t->ncores - 1) / t->ncores : 1;
}

/* Of the requested memory and hugepages, the bytes that fit on @site. */
static double bytes_on(const struct spread *s, const struct site *site)
{
	const struct need *need = &s->in->search->need;
	double bytes = (double)(site->avail < need->memory ? site->avail : need->memory);

	for (unsigned int h = 0; h < s->t->nhuge; h++)
		bytes += (double)(site->huge[h] < need->huge[h] ? site->huge[h] : need->huge[h]) *
			 (double)s->t->huge_size[h];
	return bytes;
}

/* Lists the cores of @p's node and counts idle CPUs. */
static void part_fill(struct spread *s, struct part *p, struct core *core)
{
	const struct topology *t = s->t;
	unsigned int first = p->node->first_cpu, end = first + p->node->ncpus;

	p->core = core;
	for (unsigned int i = first; i < end; i++)
		s->place[t->cpus[i].core] = NO_NODE;
	for (unsigned int i = end; i-- > first;) {
		uint16_t *place = &s->place[t->cpus[i].core];
		struct core *c;

		if (*place == NO_NODE) {
			*place = (uint16_t)p->ncores;
			core[p->ncores++] = (struct core){ .head = NO_NODE, .free = true };
		}
		c = &core[*place];
		s->next[i] = c->head;
		c->head = (uint16_t)i;
		c->free &= s->in->free_core ? s->in->free_core[i] : s->in->candidate[i] && !cpu_load(s, i);
		c->candidates = (uint16_t)(c->candidates + s->in->candidate[i]);
		p->idle += s->in->candidate[i] && !cpu_load(s, i);
	}
	for (unsigned int k = 0; k < p->ncores; k++) {
		p->whole += core[k].free ? core[k].candidates : 0;
		p->cores += core[k].free;
	}
}

static bool eligible(const struct spread *s, unsigned int i)
{
	return s->in->candidate[i] && !s->taken[i] && cpu_load(s, i) == s->limit &&
	       (s->in->kinds->n == 1 || kind_of(s->in->kinds, &s->t->cpus[i]) == s->kind);
}

/* The eligible CPUs of a core. */
static unsigned int core_offers(const struct spread *s, const struct core *core)
{
	unsigned int n = 0;

	if (s->one_per_core && (!core->free || core->used))
		return 0;
	for (unsigned int i = core->head; i != NO_NODE; i = s->next[i])
		n += eligible(s, i);
	return s->one_per_core && n ? 1 : n;
}

/* Counts the eligible CPUs of @p by cache. */
static unsigned int list_llcs(struct spread *s, struct part *p)
{
	unsigned int n = 0;

	for (unsigned int c = p->ncores; c-- > 0;) {
		struct core *core = &p->core[c];
		uint16_t number = s->t->cpus[core->head].llc;
		unsigned int k = n && s->llc[n - 1].number == number ? n - 1 : 0;

		unsigned int offers = core_offers(s, core);

		while (k < n && s->llc[k].number != number)
			k++;
		if (k == n)
			s->llc[n++] = (struct llc){ .number = number, .used = s->used_llc[number] };
		core->llc = (uint16_t)k;
		s->llc[k].idle += offers;
		s->llc[k].whole += core->free ? offers : 0;
		for (unsigned int i = core->head; i != NO_NODE; i = s->next[i])
			s->llc[k].cpus++;
	}
	return n;
}

/*
 * Whether @a CPUs of @x fit better than @b of @y: caches that the container uses already come first, then those of
 * which other containers use the smallest part, then smaller ones.
 */
static bool fits_better(const struct llc *x, unsigned int a, const struct llc *y, unsigned int b)
{
	unsigned int here = a * y->cpus, there = b * x->cpus;

	if (x->used != y->used)
		return x->used;
	return here != there ? here > there : a < b;
}

/* The cache that fits @want CPUs best, else the one with most CPUs; -1 if none has any. */
static int choose_llc(const struct spread *s, unsigned int n, unsigned int want)
{
	int fit = -1, half = -1, most = -1;

	for (unsigned int i = 0; i < n; i++) {
		const struct llc *x = &s->llc[i];
		unsigned int brings = s->exclusive ? x->whole : x->idle;

		if (x->whole >= want && (fit < 0 || fits_better(x, x->whole, &s->llc[fit], s->llc[fit].whole)))
			fit = (int)i;
		if (x->idle >= want && (half < 0 || fits_better(x, x->idle, &s->llc[half], s->llc[half].idle)))
			half = (int)i;
		if (brings && (most < 0 || brings > (s->exclusive ? s->llc[most].whole : s->llc[most].idle)))
			most = (int)i;
	}
	if (fit >= 0)
		return fit;
	return half >= 0 && !s->exclusive ? half : most;
}

/* Takes up to @want eligible CPUs of a core. */
static unsigned int take_core(struct spread *s, struct core *core, unsigned int want, struct share *share)
{
	unsigned int got = 0;

	for (unsigned int i = core->head; i != NO_NODE && got < want; i = s->next[i])
		if (eligible(s, i)) {
			s->taken[i] = true;
			idset_add(&share->cpus, s->t->cpus[i].id);
			core->candidates--;
			core->used = true;
			got++;
		}
	return got;
}

/*
 * Takes up to @want CPUs of one cache: whole free cores while at least a whole core is wanted, then the rest of
 * partially used cores, then threads of free cores.
 */
static unsigned int take_from_llc(struct spread *s, struct part *p, unsigned int llc, unsigned int want,
				  struct share *share)
{
	unsigned int got = 0;

	for (unsigned int c = p->ncores; s->one_per_core && c-- > 0 && got < want;)
		if (p->core[c].llc == llc && p->core[c].free && !p->core[c].used)
			got += take_core(s, &p->core[c], 1, share);
	if (s->one_per_core)
		return got;
	for (int pass = 0; pass < 3 && got < want; pass++)
		for (unsigned int c = p->ncores; c-- > 0 && got < want;) {
			struct core *core = &p->core[c];

			if (core->llc != llc || !core->candidates || (s->exclusive && !core->free))
				continue;
			if (pass == 0 && (!core->free || core->candidates > want - got))
				continue;
			if (pass == 1 && core->free)
				continue;
			got += take_core(s, core, want - got, share);
		}
	return got;
}

/* The load up to which CPUs must be taken to get p->take of them. */
static int load_limit(const struct spread *s, const struct part *p, uint32_t *limit)
{
	cleanup_free uint32_t *loads = NULL;
	unsigned int n = 0;

	*limit = 0;
	if (p->idle >= p->take)
		return 0;
	loads = calloc(p->node->ncpus, sizeof(*loads));
	if (!loads)
		return -ENOMEM;
	for (unsigned int i = p->node->first_cpu; i < p->node->first_cpu + p->node->ncpus; i++)
		if (s->in->candidate[i])
			loads[n++] = cpu_load(s, i);
	qsort(loads, n, sizeof(*loads), load_compare);
	*limit = n ? loads[(p->take < n ? p->take : n) - 1] : 0;
	return 0;
}

/* Takes up to @want of @p's CPUs with load s->limit and kind s->kind, cache by cache. */
static unsigned int take_kind(struct spread *s, struct part *p, unsigned int want, struct share *share)
{
	unsigned int left = want;

	while (left) {
		int one = choose_llc(s, list_llcs(s, p), left);
		unsigned int got = one < 0 ? 0 : take_from_llc(s, p, (unsigned int)one, left, share);

		if (!got)
			break;
		left -= got;
	}
	return want - left;
}

/* Takes @p's CPUs: all below the load limit, then those at the limit, cache by cache. */
static int take_part(struct spread *s, struct part *p, struct share *share)
{
	unsigned int left = p->take;

	if (load_limit(s, p, &s->limit) < 0)
		return -ENOMEM;
	for (unsigned int i = p->node->first_cpu; s->limit && i < p->node->first_cpu + p->node->ncpus; i++)
		if (s->in->candidate[i] && cpu_load(s, i) < s->limit && left) {
			s->taken[i] = true;
			idset_add(&share->cpus, s->t->cpus[i].id);
			left--;
		}
	for (s->kind = 0; s->kind < s->in->kinds->n; s->kind++) {
		s->one_per_core = s->cores_first && !s->limit;
		if (s->one_per_core)
			left -= take_kind(s, p, left, share);
		s->one_per_core = false;
		left -= take_kind(s, p, left, share);
	}
	for (unsigned int i = p->node->first_cpu; i < p->node->first_cpu + p->node->ncpus; i++)
		s->used_llc[s->t->cpus[i].llc] |= s->taken[i];
	return 0;
}

static void take_all(const struct spread *s, struct share *share)
{
	for (unsigned int p = 0; p < s->nparts; p++) {
		const struct topo_node *node = s->part[p].node;

		for (unsigned int i = node->first_cpu; i < node->first_cpu + node->ncpus; i++)
			if (s->in->candidate[i])
				idset_add(&share->cpus, s->t->cpus[i].id);
	}
}

/* Whether exclusive containers run here: they need whole cores, so shared ones keep these free. */
static bool any_exclusive(const struct select_input *in)
{
	for (unsigned int i = 0; i < in->topology->ncpus; i++)
		if (in->usage->exclusive[in->topology->cpus[i].id])
			return true;
	return false;
}

/* Allocates everything in one block; NULL if out of memory. */
static void *spread_start(struct spread *s, const struct spread_input *in)
{
	const struct search *search = in->search;
	const struct topology *t = in->in->topology;
	size_t parts = search->best.n, cpus = 0, cores = 0;
	char *block;

	for (unsigned int i = 0; i < search->best.n; i++)
		cpus += t->nodes[search->sites[search->best.site[i]].node].ncpus;
	block = malloc(parts * sizeof(*s->part) + cpus * (sizeof(*s->core) + sizeof(*s->llc)) +
		       (t->ncpus + t->ncores + 1) * sizeof(uint16_t) + t->ncpus + t->nllcs + 1);
	if (!block)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->in = in;
	s->t = t;
	s->load = in->in->usage->load;
	s->exclusive = in->in->request->exclusive;
	s->unit = in->one_thread || t->cores_cross ? 1 : threads_per_core(t);
	s->cores_first = s->unit > 1 && !s->exclusive && !any_exclusive(in->in);
	if (s->cores_first)
		s->unit = 1;
	s->part = (struct part *)block;
	s->llc = (struct llc *)(s->part + parts);
	s->core = (struct core *)(s->llc + cpus);
	s->next = (uint16_t *)(s->core + cpus);
	s->place = s->next + t->ncpus;
	s->taken = (bool *)(s->place + t->ncores + 1);
	s->used_llc = s->taken + t->ncpus;
	memset(s->taken, 0, t->ncpus + t->nllcs + 1);
	for (unsigned int i = 0; i < search->best.n; i++) {
		const struct site *site = &search->sites[search->best.site[i]];
		struct part *p = &s->part[s->nparts];

		*p = (struct part){ .site = site, .node = &t->nodes[site->node], .bytes = bytes_on(s, site) };
		part_fill(s, p, s->core + cores);
		cores += p->ncores;
		s->nparts++;
	}
	find_far(s);
	return block;
}

int spread_cpus(const struct spread_input *in, struct placement *out)
{
	const struct need *need = &in->search->need;
	struct spread s;
	cleanup_free void *block = spread_start(&s, in);
	int r = 0;

	if (!block)
		return -ENOMEM;
	if (!need->count) {
		take_all(&s, &out->share);
	} else {
		r = share_over_nodes(&s, need->count);
		for (unsigned int i = 0; r == 0 && i < s.nparts; i++)
			if (s.part[i].take)
				r = take_part(&s, &s.part[i], &out->share);
	}
	if (r < 0)
		return r;
	out->share.count = need->count ? need->count : 1;
	/* Exclusive containers hold the whole cores of their CPUs. */
	if (s.exclusive)
		topology_whole_cores(s.t, &out->share.cpus, &out->share.held);
	return 0;
}

static uint64_t cpus_on(const struct topology *t, const struct idset *cpus, unsigned int node)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < t->nodes[node].ncpus; i++)
		n += idset_has(cpus, t->cpus[t->nodes[node].first_cpu + i].id);
	return n;
}

/* Sum of distances from all given CPUs to a node (index). */
static double far_from(const struct topology *t, const struct nodeset *nodes, const struct idset *cpus,
		       unsigned int node)
{
	double sum = 0;

	nodeset_foreach(id, nodes) {
		unsigned int i = t->node_index[id];

		sum += (double)cpus_on(t, cpus, i) * t->near[i * t->nnodes + node];
	}
	return sum;
}

int spread_memory(const struct spread_input *in, struct placement *out)
{
	const struct topology *t = in->in->topology;
	const struct need *need = &in->search->need;
	struct nodeset mems = out->mems;
	unsigned int n, i = 0;
	cleanup_free uint64_t *column = NULL;
	cleanup_free double *far = NULL;
	uint64_t *weight, *room, *got;

	if (nodeset_intersects(&mems, &t->merged)) {
		/* merged nodes are counted under the id of the node that was kept */
		nodeset_andnot(&mems, &t->merged);
		for (unsigned int k = 0; k < t->nnodes; k++)
			if (nodeset_has(&t->merged, t->nodes[k].id))
				nodeset_add(&mems, t->nodes[k].id);
	}
	n = nodeset_count(&mems);
	out->share.mem = calloc(n ? n : 1, sizeof(*out->share.mem));
	column = calloc(3 * (size_t)n + 1, sizeof(*column));
	far = calloc((size_t)n + 1, sizeof(*far));
	if (!out->share.mem || !column || !far)
		return -ENOMEM;
	weight = column;
	room = column + n;
	got = column + 2 * (size_t)n;
	out->share.nmem = n;
	nodeset_foreach(id, &mems) {
		int node = topology_find_node(t, id);
		const struct site *site = site_of(in->search, (unsigned int)node);

		out->share.mem[i].id = (uint16_t)id;
		weight[i] = out->policy == POLICY_INTERLEAVE || out->policy == POLICY_WEIGHTED
				    ? 1
				    : cpus_on(t, &out->share.cpus, (unsigned int)node);
		far[i] = n <= FILL_PARTS ? far_from(t, &out->nodes, &out->share.cpus, (unsigned int)node) : 0;
		room[i++] = site ? site->avail : 0;
	}
	divide_by_weight(need->memory, n, weight, room, far, got);
	for (i = 0; i < n; i++)
		out->share.mem[i].memory = n ? got[i] : 0;
	for (unsigned int h = 0; h < t->nhuge && n; h++) {
		for (i = 0; i < n; i++) {
			const struct site *site = site_of(in->search, t->node_index[out->share.mem[i].id]);

			room[i] = site ? site->huge[h] : 0;
		}
		divide_by_weight(need->huge[h], n, weight, room, far, got);
		for (i = 0; i < n; i++)
			out->share.mem[i].huge[h] = got[i];
	}
	return 0;
}
