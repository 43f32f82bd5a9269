/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Divides a number of CPUs over the chosen nodes: evenly by free room, or one node after the other, whichever costs
 * less with the memory that follows the CPUs.
 */
#include "plugin/base/util.h"
#include "plugin/select/spread-internal.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static bool nearer(const struct part *a, const struct part *b)
{
	return a->far < b->far || (a->far <= b->far && a->apart < b->apart);
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

			if (here > there || (here == there && nearer(&s->part[i], &s->part[most])))
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
	return a->bytes > b->bytes || (a->bytes >= b->bytes && nearer(a, b));
}

/*
 * Takes @want CPUs by filling the part with most room (of equal ones, the first by first_of()), then the next, so
 * that few CPUs are far from the others. @all: each part gives at least a core, so that no part is used for its
 * memory only. False if there is not enough room.
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

void divide_by_weight(uint64_t want, unsigned int n, const uint64_t *weight, const uint64_t *room, const double *far,
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
	divide_by_weight(all < want ? all : want, s->nparts, x->weight, x->room, x->far, x->got);
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

/* Of @take CPUs of a part, those that share their core with another thread, or partially taken cores. */
static unsigned int split_part(const struct spread *s, const struct part *p, unsigned int take)
{
	unsigned int whole = p->whole < take ? p->whole : take, second = take > p->cores ? take - p->cores : 0;

	if (s->cores_first)
		return 2 * second < take ? 2 * second : take;
	return take - whole + (whole % s->unit > 0);
}

/* The same of all parts, as a fraction of the requested CPUs. */
static double split_cores(const struct spread *s, const struct sharing *x)
{
	unsigned int split = 0, cpus = 0;

	for (unsigned int i = 0; i < s->nparts; i++) {
		split += split_part(s, &s->part[i], x->take[i]);
		cpus += x->take[i];
	}
	return (double)split / cpus;
}

/*
 * Mean distance to the memory, of the CPUs that are farthest from it: parallel work that shares its pages waits for
 * them, and no other kind of work is slower.
 */
static double slowest_distance(const struct spread *s, const struct sharing *x, double memory)
{
	double most = 0;

	for (unsigned int i = 0; i < s->nparts; i++) {
		double here = 0;

		for (unsigned int j = 0; x->take[i] && j < s->nparts; j++)
			here += (double)x->memory[j] * near_parts(s, i, j);
		most = here > most ? here : most;
	}
	return most / memory;
}

/* Cost of this division, in the unit of search_cost(): distance of CPUs to memory, partial cores, evenness. */
static double share_cost(const struct spread *s, struct sharing *x)
{
	const struct search *search = s->in->search;
	double distance, cpus = 0, memory = 0;
	struct takes takes = { 0 };

	follow(s, x);
	for (unsigned int i = 0; i < s->nparts; i++) {
		const struct part *p = &s->part[i];

		if (p->site->cpus)
			takes_add(&takes, &search->taste, (double)p->site->share / SHARES,
				  (double)x->take[i] / p->site->cpus);
		cpus += x->take[i];
		memory += (double)x->memory[i];
	}
	distance = memory > 0 ? slowest_distance(s, x, memory) : far_memory(s, x) / cpus;
	return distance / 20 + search->taste.core * split_cores(s, x) +
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
			    (near_parts(s, start, i) == near_parts(s, start, next) &&
			     first_of(&s->part[i], &s->part[next])))
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
	x = (struct sharing){ (unsigned int *)column, column + n, column + 2 * n, column + 3 * n, column + 4 * n, far };
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

int load_compare(const void *a, const void *b)
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
		for (unsigned int k = s->part[i].node->first_cpu;
		     k < s->part[i].node->first_cpu + s->part[i].node->ncpus; k++)
			if (s->in->candidate[k] && kind_of(s->in->kinds, &s->t->cpus[k]) == kind)
				loads[n++] = cpu_load(s, k);
	memset(room, 0, s->nparts * sizeof(*room));
	if (!n || !count)
		return (int)count;
	qsort(loads, n, sizeof(*loads), load_compare);
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

int share_over_nodes(struct spread *s, unsigned int count)
{
	cleanup_free unsigned int *room = calloc(2 * s->nparts, sizeof(*room));
	unsigned int *threads, cores = 0, idle = 0, parts = 0;
	enum grade grade;
	bool by_thread;

	if (!room)
		return -ENOMEM;
	threads = room + s->nparts;
	for (unsigned int i = 0; i < s->nparts; i++) {
		cores += s->cores_first ? s->part[i].cores : s->part[i].whole;
		idle += s->part[i].idle;
		parts += s->part[i].site->ncpus > 0;
	}
	grade = s->exclusive || cores >= count ? WHOLE : idle >= count ? IDLE : CANDIDATES;
	by_thread = !s->exclusive && (s->unit > 1 || s->cores_first) && grade == WHOLE;
	for (unsigned int i = 0; i < s->nparts; i++) {
		const struct part *p = &s->part[i];

		threads[i] = p->idle;
		room[i] = grade == WHOLE  ? (s->cores_first ? p->cores : p->whole)
			  : grade == IDLE ? p->idle
					  : p->site->ncpus;
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
