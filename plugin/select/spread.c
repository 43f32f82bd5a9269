/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From chosen nodes to CPUs and bytes: divides CPUs over the nodes by free room, then takes within each node idle
 * CPUs first, whole cores before partial ones, few last-level caches before many.
 */
#include "plugin/select/select-internal.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* A core within one node; its CPUs are linked through spread.next. */
struct core {
	uint16_t head;       /* index of its first CPU */
	uint16_t llc;        /* index in spread.llc */
	uint16_t candidates; /* CPUs that may be given and are not taken yet */
	bool free;          /* all its CPUs are candidates and idle */
};

/* A last-level cache within one node. */
struct llc {
	uint16_t number;
	unsigned int whole, idle; /* eligible CPUs in free cores; all eligible CPUs */
	bool used;                /* the container has CPUs of it already, on another node */
};

/* One node of the chosen set. */
struct part {
	const struct site *site;
	const struct topo_node *node;
	struct core *core;   /* in spread.core */
	unsigned int ncores;
	unsigned int idle;   /* idle candidate CPUs */
	unsigned int whole;  /* of these, CPUs in free cores */
	double far;          /* distance to the parts, weighted by memory; decides between otherwise equal parts */
	double bytes;        /* of the requested memory and hugepages, bytes that fit here */
	unsigned int base;   /* CPUs taken in any case; the rest is shared out */
	unsigned int take;
};

struct spread {
	const struct spread_input *in;
	const struct topology *t;
	const uint32_t *load; /* by CPU id */
	unsigned int unit;    /* threads per core; 1 for one_thread requests, or if cores cross nodes */
	bool exclusive;
	unsigned int nparts;
	struct part *part;
	struct core *core;    /* of all parts, consecutively */
	struct llc *llc;      /* of the current part */
	uint16_t *next;       /* by CPU index: next CPU of its core, or NO_NODE */
	uint16_t *place;      /* by core number: index in the part's core array */
	bool *taken;          /* by CPU index */
	bool *used_llc;       /* by cache number */
	uint32_t limit;       /* current choice: CPUs with exactly this load */
	unsigned int kind;    /* current choice: this kind of cores */
};

/* Whether something other than this container may run on this CPU. */
static bool may_be_busy(const struct select_input *in, const struct topo_cpu *cpu)
{
	const struct select_policy *policy = in->policy;

	if (in->usage->load[cpu->id] || in->usage->exclusive[cpu->id])
		return true;
	if (in->limits->limited && !idset_has(&in->limits->allowed_cpus, cpu->id))
		return true;
	return !in->whole && (idset_has(&policy->reserved_cpus, cpu->id) ||
			      idset_has(&policy->reserved_nodes, in->topology->nodes[cpu->node].id));
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

static unsigned int near_parts(const struct spread *s, unsigned int i, unsigned int j)
{
	return s->t->near[s->part[i].site->node * s->t->nnodes + s->part[j].site->node];
}

/* With more parts than this, CPUs are shared out evenly and no alternatives are compared. */
#define FILL_PARTS 64

static void find_far(struct spread *s)
{
	for (unsigned int i = 0; s->nparts > 1 && s->nparts <= FILL_PARTS && i < s->nparts; i++)
		for (unsigned int j = 0; j < s->nparts; j++)
			s->part[i].far += (double)s->part[j].site->mem_weight * near_parts(s, i, j);
}

static unsigned int threads_per_core(const struct topology *t)
{
	return t->ncores && t->ncores < t->ncpus ? (t->ncpus + t->ncores - 1) / t->ncores : 1;
}

static uint32_t cpu_load(const struct spread *s, unsigned int i)
{
	return s->load[s->t->cpus[i].id];
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
	for (unsigned int k = 0; k < p->ncores; k++)
		p->whole += core[k].free ? core[k].candidates : 0;
}

/*
 * Takes @want CPUs from the parts in steps of @unit, always from the one with most of its @room left; of equal ones,
 * the nearest to the memory. So what stays free is as even as possible.
 */
static void share_out(struct spread *s, unsigned int want, unsigned int unit, const unsigned int *room)
{
	while (want) {
		unsigned int most = 0, step;

		for (unsigned int i = 1; i < s->nparts; i++) {
			unsigned int here = room[i] - s->part[i].take, there = room[most] - s->part[most].take;

			if (here > there || (here == there && s->part[i].far < s->part[most].far))
				most = i;
		}
		step = room[most] - s->part[most].take;
		if (!step)
			return;
		step = step < unit ? step : unit;
		step = step < want ? step : want;
		s->part[most].take += step;
		want -= step;
	}
}

/* Order of otherwise equal parts: most memory first, then nearest to the memory. */
static bool first_of(const struct part *a, const struct part *b)
{
	return a->bytes > b->bytes || (a->bytes >= b->bytes && a->far < b->far);
}

/*
 * Takes @want CPUs by filling the part with most room (of equal ones, the first by first_of()), then the next, so
 * that few CPUs are far from the others. @all: each part gives at least a core, so that none is there only for its
 * memory. False if there is not enough room.
 */
static bool fill_up(struct spread *s, unsigned int want, const unsigned int *room, bool all)
{
	for (unsigned int i = 0; i < s->nparts; i++) {
		unsigned int least = !all ? 0 : room[i] < s->unit ? room[i] : s->unit;

		s->part[i].take = least;
		want -= least;
	}
	while (want) {
		unsigned int most = 0, step;

		/* by total room, not by what is left of it, so that a part is filled before the next */
		for (unsigned int i = 1; i < s->nparts; i++) {
			bool left = room[i] > s->part[i].take, most_left = room[most] > s->part[most].take;

			if (left && (!most_left || room[i] > room[most] ||
				     (room[i] == room[most] && first_of(&s->part[i], &s->part[most]))))
				most = i;
		}
		step = room[most] - s->part[most].take;
		if (!step)
			return false;
		step = step < want ? step : want;
		s->part[most].take += step;
		want -= step;
	}
	return true;
}

/* Limits the CPUs of each part to those whose share of the memory fits there, if each CPU touches an equal share. */
static void cap_by_memory(const struct spread *s, unsigned int count, unsigned int *room)
{
	uint64_t memory = s->in->search->need.memory;

	for (unsigned int i = 0; memory && i < s->nparts; i++) {
		double most = (double)count * ((double)s->part[i].site->avail / (double)memory);

		if (most < room[i])
			room[i] = (unsigned int)most;
	}
}

/*
 * Divides @want over the parts in proportion to @weight, at most @room each. The rest goes to parts with room,
 * smallest @far first; of equally far ones, to the one with most room.
 */
static void divide(uint64_t want, unsigned int n, const uint64_t *weight, const uint64_t *room, const double *far,
		   uint64_t *out)
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
		unsigned int next = 0;
		uint64_t step;

		for (unsigned int i = 1; i < n; i++) {
			uint64_t here = room[i] - out[i], there = room[next] - out[next];

			if (here && (!there || far[i] < far[next] || (far[i] <= far[next] && here > there)))
				next = i;
		}
		step = room[next] - out[next];
		if (!step) {
			out[0] += left; /* policy preferred: more than fits anywhere */
			return;
		}
		step = step < left ? step : left;
		out[next] += step;
		left -= step;
	}
}

/* One way to divide CPUs and memory, by part. */
struct sharing {
	unsigned int *take;
	uint64_t *weight, *room, *memory, *got;
	double *far; /* sum of distances to all of the CPUs */
};

/*
 * Places @want pieces of @size bytes, at most x->room per part, with the CPUs where there is room; adds the bytes to
 * x->memory.
 */
static void follow_one(const struct spread *s, struct sharing *x, uint64_t want, uint64_t size)
{
	uint64_t all = 0;

	for (unsigned int i = 0; i < s->nparts; i++) {
		x->room[i] = x->room[i] < want ? x->room[i] : want;
		all = all > want ? all : all + x->room[i];
	}
	divide(all < want ? all : want, s->nparts, x->weight, x->room, x->far, x->got);
	for (unsigned int i = 0; i < s->nparts; i++)
		x->memory[i] += x->got[i] * size;
}

/* Determines where the memory and hugepages of these CPUs go. */
static void follow(const struct spread *s, struct sharing *x)
{
	const struct need *need = &s->in->search->need;
	bool any = false;

	for (unsigned int i = 0; i < s->nparts; i++) {
		x->weight[i] = x->take[i];
		x->room[i] = s->part[i].site->avail;
		x->memory[i] = 0;
		x->far[i] = 0;
	}
	for (unsigned int i = 0; i < s->nparts; i++)
		for (unsigned int j = 0; x->take[i] && j < s->nparts; j++)
			x->far[j] += (double)x->take[i] * near_parts(s, i, j);
	follow_one(s, x, need->memory, 1);
	for (unsigned int h = 0; h < s->t->nhuge; h++) {
		if (!need->huge[h])
			continue;
		for (unsigned int i = 0; i < s->nparts; i++)
			x->room[i] = s->part[i].site->huge[h];
		follow_one(s, x, need->huge[h], s->t->huge_size[h]);
	}
	for (unsigned int i = 0; i < s->nparts; i++)
		any |= x->memory[i] > 0;
	for (unsigned int i = 0; !any && i < s->nparts; i++)
		x->memory[i] = s->part[i].site->away || s->in->search->pages_named ? 0 : x->take[i];
}

/*
 * Distance if none of the memory is on the parts with CPUs: to the other parts that have memory, else to the nodes
 * with memory that are nearest to each part.
 */
static double far_memory(const struct spread *s, const struct sharing *x)
{
	const struct search *search = s->in->search;
	double others = 0, away = 0, cpus = 0, parts = 0;

	for (unsigned int i = 0; i < s->nparts; i++) {
		const struct site *site = s->part[i].site;

		for (unsigned int j = 0; search->home_near && x->take[i] && j < s->nparts; j++)
			away += (double)x->take[i] * x->take[j] *
				search->home_near[site->node * s->t->nnodes + s->part[j].site->node];
		cpus += x->take[i];
		if (!site->away && !search->pages_named) {
			others += x->far[i];
			parts++;
		}
	}
	return parts > 0 ? others / parts : away / cpus;
}

/* Cost of a container that gets only partial cores, in local distances. */
#define COST_SPLIT 1.0

/* Partially taken cores, as a fraction of the requested CPUs. */
static double split_cores(const struct spread *s, const struct sharing *x)
{
	unsigned int split = 0, cpus = 0;

	for (unsigned int i = 0; i < s->nparts; i++) {
		unsigned int whole = s->part[i].whole < x->take[i] ? s->part[i].whole : x->take[i];

		split += x->take[i] - whole + (whole % s->unit > 0);
		cpus += x->take[i];
	}
	return (double)split / cpus;
}

/* Cost of this division, in the unit of search_cost(): distance of CPUs to memory, partial cores, evenness. */
static double share_cost(const struct spread *s, struct sharing *x)
{
	const struct search *search = s->in->search;
	double distance = 0, cpus = 0, memory = 0;
	struct takes takes = { 0 };

	follow(s, x);
	for (unsigned int i = 0; i < s->nparts; i++) {
		const struct part *p = &s->part[i];

		if (p->site->cpus)
			takes_add(&takes, &search->taste, (double)p->site->share / SHARES,
				  (double)x->take[i] / p->site->cpus);
		cpus += x->take[i];
		memory += (double)x->memory[i];
		distance += x->far[i] * (double)x->memory[i];
	}
	return (memory > 0 ? distance / memory : far_memory(s, x)) / cpus / 20 + COST_SPLIT * split_cores(s, x) +
	       (search->need.overcommit ? 0 : search->taste.cpu * takes_cost(&takes, &search->taste));
}

/* Keeps the current takes if they cost less than the best so far; resets them. */
static void keep_cheaper(struct spread *s, struct sharing *x, unsigned int *best, double *best_cost)
{
	double cost;

	for (unsigned int i = 0; i < s->nparts; i++) {
		x->take[i] = s->part[i].take + s->part[i].base;
		s->part[i].take = 0;
	}
	cost = share_cost(s, x);
	if (cost >= *best_cost - 1e-9)
		return;
	*best_cost = cost;
	memcpy(best, x->take, s->nparts * sizeof(*best));
}

/*
 * Takes @want CPUs from part @start on, always from the nearest part with room; of equally near ones, the first by
 * first_of().
 */
static bool fill_from(struct spread *s, unsigned int want, const unsigned int *room, unsigned int start)
{
	while (want) {
		unsigned int next = s->nparts, step;

		for (unsigned int i = 0; i < s->nparts; i++) {
			if (room[i] <= s->part[i].take)
				continue;
			if (next == s->nparts || near_parts(s, start, i) < near_parts(s, start, next) ||
			    (near_parts(s, start, i) == near_parts(s, start, next) && first_of(&s->part[i], &s->part[next])))
				next = i;
		}
		if (next == s->nparts)
			return false;
		step = room[next] - s->part[next].take;
		step = step < want ? step : want;
		s->part[next].take += step;
		want -= step;
	}
	return true;
}

/* Number of parts that are tried as the first. */
#define STARTS 8U

/* Tries the parts nearest to all of the memory as the first one to fill. */
static void fill_near_memory(struct spread *s, unsigned int count, const unsigned int *room, struct sharing *x,
			     unsigned int *best, double *cost)
{
	double tried = -1; /* distance of the last start */

	for (unsigned int n = 0, same = 0; n < STARTS && n < s->nparts; n++) {
		double least = INFINITY;
		unsigned int start = s->nparts, seen = 0, seen_least = 0;

		/* in order of distance; equally far ones by index */
		for (unsigned int i = 0; i < s->nparts; i++) {
			double d = 0;

			for (unsigned int j = 0; room[i] && j < s->nparts; j++)
				d += s->part[j].bytes * near_parts(s, i, j);
			if (!room[i] || d < tried)
				continue;
			seen += d <= tried;
			if (d <= tried && seen <= same)
				continue;
			if (d < least) {
				least = d;
				start = i;
				seen_least = d <= tried ? seen : 1;
			}
		}
		if (start == s->nparts)
			return;
		tried = least;
		same = seen_least;
		if (fill_from(s, count, room, start))
			keep_cheaper(s, x, best, cost);
	}
}

/*
 * Compares and keeps the cheapest of: even by room; even by @threads (NULL: not tried), for when whole cores do not
 * divide evenly; one node after the other; the same, limited to the memory of each node; from where the memory is
 * nearest.
 */
static int share_cheaply(struct spread *s, unsigned int count, unsigned int *room, const unsigned int *threads)
{
	size_t n = s->nparts;
	cleanup_free uint64_t *column = calloc(5 * n, sizeof(*column));
	cleanup_free double *far = calloc(n, sizeof(*far));
	struct sharing x;
	unsigned int *best;
	bool all = s->in->search->need.memory && count >= n * s->unit;
	double cost = INFINITY; /* not 0, as costs may be negative */

	if (!column || !far)
		return -ENOMEM;
	x = (struct sharing){ (unsigned int *)column, column + n, column + 2 * n, column + 3 * n,
			     column + 4 * n, far };
	best = x.take + n;
	keep_cheaper(s, &x, best, &cost);
	if (threads) {
		share_out(s, count, 1, threads);
		keep_cheaper(s, &x, best, &cost);
	}
	if (fill_up(s, count, room, false))
		keep_cheaper(s, &x, best, &cost);
	if (all && fill_up(s, count, room, true))
		keep_cheaper(s, &x, best, &cost);
	if (s->in->search->need.pages > 0)
		fill_near_memory(s, count, room, &x, best, &cost);
	if (s->in->search->need.memory) {
		cap_by_memory(s, count, room);
		if (fill_up(s, count, room, all))
			keep_cheaper(s, &x, best, &cost);
	}
	for (unsigned int i = 0; i < n; i++)
		s->part[i].take = best[i];
	return 0;
}

/* Which CPUs may be taken: those of whole idle cores, idle ones, or all candidates. */
enum grade { WHOLE, IDLE, CANDIDATES };

/* Number of CPUs of a part, of one grade and one kind of cores. */
static unsigned int graded(const struct spread *s, const struct part *p, enum grade grade, unsigned int kind)
{
	unsigned int n = 0;

	for (unsigned int k = 0; k < p->ncores; k++)
		for (unsigned int i = p->core[k].head; i != NO_NODE; i = s->next[i])
			n += s->in->candidate[i] && kind_of(s->in->kinds, &s->t->cpus[i]) == kind &&
			     (grade == CANDIDATES || (grade == IDLE ? !cpu_load(s, i) : p->core[k].free));
	return n;
}

static int by_load(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * For overcommitted placements: assigns to base the CPUs that are less loaded than the last one needed, on whichever
 * part. @room becomes the number of CPUs with exactly that load. Faster kinds of cores come first. Returns the number
 * of CPUs left to share out, or -ENOMEM.
 */
static int take_idlest(struct spread *s, unsigned int count, unsigned int *room)
{
	cleanup_free uint32_t *loads = calloc(s->t->ncpus + 1, sizeof(*loads));
	unsigned int n = 0, kind = 0;
	uint32_t last;

	if (!loads)
		return -ENOMEM;
	for (; kind < s->in->kinds->n; kind++) {
		unsigned int all = 0;

		for (unsigned int i = 0; i < s->nparts; i++)
			all += graded(s, &s->part[i], CANDIDATES, kind);
		if (all >= count)
			break;
		for (unsigned int i = 0; i < s->nparts; i++)
			s->part[i].base += graded(s, &s->part[i], CANDIDATES, kind);
		count -= all;
	}
	for (unsigned int i = 0; i < s->nparts; i++)
		for (unsigned int k = s->part[i].node->first_cpu; k < s->part[i].node->first_cpu + s->part[i].node->ncpus; k++)
			if (s->in->candidate[k] && kind_of(s->in->kinds, &s->t->cpus[k]) == kind)
				loads[n++] = cpu_load(s, k);
	memset(room, 0, s->nparts * sizeof(*room));
	if (!n || !count)
		return (int)count;
	qsort(loads, n, sizeof(*loads), by_load);
	last = loads[(count < n ? count : n) - 1];
	for (unsigned int i = 0; i < s->nparts; i++) {
		struct part *p = &s->part[i];

		for (unsigned int k = p->node->first_cpu; k < p->node->first_cpu + p->node->ncpus; k++) {
			if (!s->in->candidate[k] || kind_of(s->in->kinds, &s->t->cpus[k]) != kind)
				continue;
			room[i] += cpu_load(s, k) == last;
			p->base += cpu_load(s, k) < last;
			count -= cpu_load(s, k) < last;
		}
	}
	return (int)count;
}

/*
 * With several kinds of cores: assigns all faster ones to base; @room becomes the CPUs of the kind that is shared
 * out. Returns the number of CPUs left to share out.
 */
static unsigned int take_fast(struct spread *s, unsigned int count, enum grade grade, unsigned int *room)
{
	for (unsigned int k = 0; k < s->in->kinds->n; k++) {
		unsigned int all = 0;

		for (unsigned int i = 0; i < s->nparts; i++) {
			room[i] = graded(s, &s->part[i], grade, k);
			all += room[i];
		}
		if (all >= count)
			return count;
		for (unsigned int i = 0; i < s->nparts; i++)
			s->part[i].base += room[i];
		count -= all;
	}
	return count;
}

/* Assigns to base a core of each part, or a CPU if there are too few for cores. Returns what is left. */
static unsigned int take_each(struct spread *s, unsigned int count, unsigned int *room)
{
	unsigned int parts = 0, step;

	for (unsigned int i = 0; i < s->nparts; i++)
		parts += s->part[i].site->ncpus > 0;
	step = parts && count / parts >= s->unit ? s->unit : 1;
	for (unsigned int i = 0; i < s->nparts; i++) {
		unsigned int here = room[i] < step ? room[i] : step;

		if (!here && s->part[i].site->ncpus)
			here = 1; /* a CPU that is in use */
		here = here < count ? here : count;
		s->part[i].base += here;
		room[i] -= here < room[i] ? here : room[i];
		count -= here;
	}
	return count;
}

/*
 * Divides @count CPUs over the parts: evenly by room, or one node after the other, whichever costs less. Near
 * neighbours share evenly; of distant nodes, the first gives most.
 */
static int share_over_nodes(struct spread *s, unsigned int count)
{
	cleanup_free unsigned int *room = calloc(2 * s->nparts, sizeof(*room));
	unsigned int *threads, cores = 0, idle = 0, parts = 0;
	enum grade grade;
	bool by_thread;

	if (!room)
		return -ENOMEM;
	threads = room + s->nparts;
	for (unsigned int i = 0; i < s->nparts; i++) {
		cores += s->part[i].whole;
		idle += s->part[i].idle;
		parts += s->part[i].site->ncpus > 0;
	}
	grade = s->exclusive || cores >= count ? WHOLE : idle >= count ? IDLE : CANDIDATES;
	by_thread = !s->exclusive && s->unit > 1 && grade == WHOLE;
	for (unsigned int i = 0; i < s->nparts; i++) {
		const struct part *p = &s->part[i];

		threads[i] = p->idle;
		room[i] = grade == WHOLE ? p->whole : grade == IDLE ? p->idle : p->site->ncpus;
	}
	if (s->in->each) {
		by_thread = false;
		count = take_each(s, count, room);
	} else if (s->in->search->need.overcommit) {
		int left = take_idlest(s, count, room);

		if (left < 0)
			return left;
		by_thread = false;
		count = (unsigned int)left;
	} else if (s->in->kinds->n > 1) {
		by_thread = false;
		count = take_fast(s, count, grade, room);
	}
	share_out(s, count, grade == WHOLE ? s->unit : 1, room);
	if (!s->in->in->policy->even_shares && !s->in->each && parts > 1 && s->nparts <= FILL_PARTS)
		return share_cheaply(s, count, room, by_thread ? threads : NULL);
	for (unsigned int i = 0; i < s->nparts; i++)
		s->part[i].take += s->part[i].base;
	return 0;
}

static bool eligible(const struct spread *s, unsigned int i)
{
	return s->in->candidate[i] && !s->taken[i] && cpu_load(s, i) == s->limit &&
	       (s->in->kinds->n == 1 || kind_of(s->in->kinds, &s->t->cpus[i]) == s->kind);
}

/* Counts the eligible CPUs of @p by cache. */
static unsigned int list_llcs(struct spread *s, struct part *p)
{
	unsigned int n = 0;

	for (unsigned int c = p->ncores; c-- > 0;) {
		struct core *core = &p->core[c];
		uint16_t number = s->t->cpus[core->head].llc;
		unsigned int k = n && s->llc[n - 1].number == number ? n - 1 : 0;

		while (k < n && s->llc[k].number != number)
			k++;
		if (k == n)
			s->llc[n++] = (struct llc){ .number = number, .used = s->used_llc[number] };
		core->llc = (uint16_t)k;
		for (unsigned int i = core->head; i != NO_NODE; i = s->next[i])
			if (eligible(s, i)) {
				s->llc[k].idle++;
				s->llc[k].whole += core->free;
			}
	}
	return n;
}

/*
 * Whether @a CPUs of @x fit better than @b of @y: caches that the container uses already come first, then smaller
 * ones.
 */
static bool fits_better(const struct llc *x, unsigned int a, const struct llc *y, unsigned int b)
{
	return x->used != y->used ? x->used : a < b;
}

/* The cache that fits @want CPUs with fewest left over, else the one with most CPUs; -1 if none has any. */
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
	qsort(loads, n, sizeof(*loads), by_load);
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
	for (s->kind = 0; s->kind < s->in->kinds->n; s->kind++)
		left -= take_kind(s, p, left, share);
	for (unsigned int i = p->node->first_cpu; i < p->node->first_cpu + p->node->ncpus; i++)
		s->used_llc[s->t->cpus[i].llc] |= s->taken[i];
	return 0;
}

/* Exclusive containers hold the whole cores of their CPUs, even if the threads are on different nodes. */
static int hold_cores(const struct topology *t, const struct idset *cpus, struct idset *held)
{
	cleanup_free bool *in = calloc(t->ncores + 1, sizeof(*in));

	if (!in)
		return -ENOMEM;
	idset_foreach(id, cpus)
		in[t->cpus[t->cpu_index[id]].core] = true;
	for (unsigned int i = 0; i < t->ncpus; i++)
		if (in[t->cpus[i].core])
			idset_add(held, t->cpus[i].id);
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
	return s.exclusive ? hold_cores(s.t, &out->share.cpus, &out->share.held) : 0;
}

static uint64_t cpus_on(const struct topology *t, const struct idset *cpus, unsigned int node)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < t->nodes[node].ncpus; i++)
		n += idset_has(cpus, t->cpus[t->nodes[node].first_cpu + i].id);
	return n;
}

/* Sum of distances from all given CPUs to a node (index). */
static double far_from(const struct topology *t, const struct idset *nodes, const struct idset *cpus, unsigned int node)
{
	double sum = 0;

	idset_foreach(id, nodes) {
		unsigned int i = t->node_index[id];

		sum += (double)cpus_on(t, cpus, i) * t->near[i * t->nnodes + node];
	}
	return sum;
}

int spread_memory(const struct spread_input *in, struct placement *out)
{
	const struct topology *t = in->in->topology;
	const struct need *need = &in->search->need;
	struct idset mems = out->mems;
	unsigned int n, i = 0;
	cleanup_free uint64_t *column = NULL;
	cleanup_free double *far = NULL;
	uint64_t *weight, *room, *got;

	if (idset_intersects(&mems, &t->merged)) {
		/* merged nodes are counted under the id of the node that was kept */
		idset_andnot(&mems, &t->merged);
		for (unsigned int k = 0; k < t->nnodes; k++)
			if (idset_has(&t->merged, t->nodes[k].id))
				idset_add(&mems, t->nodes[k].id);
	}
	n = idset_count(&mems);
	out->share.mem = calloc(n ? n : 1, sizeof(*out->share.mem));
	column = calloc(3 * (size_t)n + 1, sizeof(*column));
	far = calloc((size_t)n + 1, sizeof(*far));
	if (!out->share.mem || !column || !far)
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
		far[i] = n <= FILL_PARTS ? far_from(t, &out->nodes, &out->share.cpus, (unsigned int)node) : 0;
		room[i++] = site ? site->avail : 0;
	}
	divide(need->memory, n, weight, room, far, got);
	for (i = 0; i < n; i++)
		out->share.mem[i].memory = n ? got[i] : 0;
	for (unsigned int h = 0; h < t->nhuge && n; h++) {
		for (i = 0; i < n; i++) {
			const struct site *site = site_of(in->search, t->node_index[out->share.mem[i].id]);

			room[i] = site ? site->huge[h] : 0;
		}
		divide(need->huge[h], n, weight, room, far, got);
		for (i = 0; i < n; i++)
			out->share.mem[i].huge[h] = got[i];
	}
	return 0;
}
