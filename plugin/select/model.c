/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Predicts the speed of containers: see model.h.
 *
 * A thread computes for a part of its time and waits for memory for the rest. Computing slows down if the core is
 * shared, waiting in proportion to the latency of the pages and to the load of the controllers and links on the way
 * (Pandia, EuroSys 2017: each resource is checked for contention, the most contended one counts).
 */
#include "plugin/select/model.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

/*
 * Where the constants are from. They are orders of magnitude: the sets differ in each of them, and a rule must hold up
 * with all.
 * - curve: "measured" follows pointer-chasing latencies: two-socket Skylake, SLIT 21, 1.7 of local; nodes of one socket,
 *   SLIT 11 or 12, 1.1; EPYC 7001, SLIT 16, 1.4, and SLIT 32, 2.3. "literal" takes SLIT as ACPI defines it: a ratio of
 *   latencies. "flat" is a machine whose caches and prefetchers hide half of the difference.
 * - memory: share of stalled cycles of memory-bound programs in top-down analyses, 0.5 to 0.7.
 * - stream: part of one core's largest bandwidth. A pointer chase has one miss in flight, streaming about ten.
 * - mix: a third each, because the work is unknown.
 * - controller: cores that saturate one: 8 to 10 of 28 (Skylake), 3 of 8 (EPYC 7001), 4 of 16 (EPYC 7002). One core
 *   alone never does (controller_least).
 * - link: bandwidth between nodes is below local bandwidth and differs by pair (Lepers, USENIX ATC 2015). A remote access
 *   occupies the link for its latency, so 0.9 is half of local bandwidth at latency 1.7.
 * - queue: a published loaded-latency curve (Intel MLC, Xeon Silver 4110, 12 channels) has 82 ns idle, 99 ns at half of
 *   the largest bandwidth and 130 ns at all of it. Congestion costs more than distance (Carrefour, ASPLOS 2013).
 * - smt: two threads of a core do 1.2 to 1.3 times the work of one; numad counts the second one as a fifth.
 * - cache: containers that share a cache slow each other down (Funston, USENIX ATC 2018).
 */
const struct model_params model_params[MODEL_PARAMS] = {
	{
		.name = "measured",
		.curve = { { 10, 1 }, { 12, 1.1 }, { 16, 1.4 }, { 21, 1.7 }, { 32, 2.3 }, { 80, 4 }, { 255, 8 } },
		.memory = { 0.05, 0.6, 0.7 },
		.stream = { 0.02, 0.1, 0.7 },
		.mix = { 1.0 / 3, 1.0 / 3, 1.0 / 3 },
		.parallel = 0.5,
		.shared = 0.5,
		.controller = 0.35,
		.controller_least = 2,
		.link = 0.9,
		.queue = 0.5,
		.smt = 0.62,
		.cache = 0.3,
	},
	{
		.name = "flat",
		.curve = { { 10, 1 },
			   { 12, 1.05 },
			   { 16, 1.2 },
			   { 21, 1.35 },
			   { 32, 1.65 },
			   { 80, 2.5 },
			   { 255, 4.5 } },
		.memory = { 0.05, 0.5, 0.6 },
		.stream = { 0.02, 0.15, 0.8 },
		.mix = { 0.5, 0.25, 0.25 },
		.parallel = 0.5,
		.shared = 0.5,
		.controller = 0.3,
		.controller_least = 2,
		.link = 0.6,
		.queue = 1,
		.smt = 0.6,
		.cache = 0.2,
	},
	{
		.name = "literal",
		.curve = { { 10, 1 }, { 255, 25.5 } },
		.memory = { 0.05, 0.55, 0.6 },
		.stream = { 0.02, 0.1, 0.6 },
		.mix = { 1.0 / 3, 1.0 / 3, 1.0 / 3 },
		.parallel = 0.3,
		.shared = 0.7,
		.controller = 0.5,
		.controller_least = 2,
		.link = 1.2,
		.queue = 0.3,
		.smt = 0.65,
		.cache = 0.1,
	},
	{
		.name = "narrow",
		.curve = { { 10, 1 }, { 12, 1.15 }, { 16, 1.5 }, { 21, 1.8 }, { 32, 2.2 }, { 80, 3 }, { 255, 6 } },
		.memory = { 0.1, 0.7, 0.7 },
		.stream = { 0.05, 0.12, 0.8 },
		.mix = { 0.2, 0.4, 0.4 },
		.parallel = 0.7,
		.shared = 0.4,
		.controller = 0.25,
		.controller_least = 1.5,
		.link = 0.5,
		.queue = 0.5,
		.smt = 0.6,
		.cache = 0.4,
	},
};

double model_latency(const struct model_params *p, unsigned int distance)
{
	unsigned int i = 1;

	if (distance <= p->curve[0].distance)
		return p->curve[0].latency;
	while (i + 1 < CURVE_POINTS && p->curve[i].distance < distance && p->curve[i + 1].distance)
		i++;
	return p->curve[i - 1].latency + (p->curve[i].latency - p->curve[i - 1].latency) *
						 ((double)distance - p->curve[i - 1].distance) /
						 ((double)p->curve[i].distance - p->curve[i - 1].distance);
}

/* Relative to the firmware's local distance, which becomes 10. */
static unsigned int normal_distance(const struct topology *t, unsigned int from, unsigned int to)
{
	unsigned int d = topology_distance(t, from, to), self = topology_distance(t, from, from);

	if (from == to)
		return 10;
	d = self ? d * 10 / self : d;
	return d < 10 ? 10 : d;
}

/* The lowest read latency, or 0 if any memory has none; the same for bandwidth. */
static void lowest_hmat(const struct topology *t, uint32_t *latency, uint32_t *bandwidth)
{
	bool first = true;

	*latency = *bandwidth = 0;
	for (unsigned int i = 0; i < t->nnodes; i++) {
		const struct topo_node *n = &t->nodes[i];

		if (!n->has_memory)
			continue;
		if (first || n->read_latency < *latency)
			*latency = n->read_latency;
		if (first || n->read_bandwidth < *bandwidth)
			*bandwidth = n->read_bandwidth;
		first = false;
	}
}

/* Cores of each node; a core on two nodes counts on the node of its first thread. */
static int count_cores(const struct topology *t, unsigned int *cores)
{
	cleanup_free bool *seen = calloc(t->ncores + 1, sizeof(*seen));

	if (!seen)
		return -ENOMEM;
	for (unsigned int i = 0; i < t->ncpus; i++)
		if (!seen[t->cpus[i].core]) {
			seen[t->cpus[i].core] = true;
			cores[t->cpus[i].node]++;
		}
	return 0;
}

/*
 * Without the HMAT, controllers are as wide as the cores of their node need, and memory without CPUs is as wide as the
 * mean. With it, their widths are in proportion to the bandwidths, and their sum remains.
 */
static int fill_controllers(struct model *m, const struct topology *t, uint32_t lowest)
{
	cleanup_free unsigned int *cores = calloc(t->nnodes, sizeof(*cores));
	double all = 0, bandwidth = 0;
	unsigned int with_cpus = 0, with_memory = 0;

	if (!cores || count_cores(t, cores))
		return -ENOMEM;
	for (unsigned int i = 0; i < t->nnodes; i++) {
		all += cores[i];
		with_cpus += cores[i] > 0;
		with_memory += t->nodes[i].has_memory;
		bandwidth += t->nodes[i].has_memory ? t->nodes[i].read_bandwidth : 0;
	}
	for (unsigned int i = 0; i < t->nnodes; i++) {
		double mean = with_cpus ? all / with_cpus : 1, here = cores[i] ? cores[i] : mean;

		if (lowest && with_memory)
			here = mean * with_memory * t->nodes[i].read_bandwidth / bandwidth;
		here *= m->params->controller;
		if (here < m->params->controller_least)
			here = m->params->controller_least;
		m->controller[i] = t->nodes[i].has_memory ? here : 0;
		m->link[i] = here * m->params->link;
	}
	return 0;
}

int model_init(struct model *out, const struct topology *t, const struct model_params *params)
{
	struct model m = { .params = params, .nnodes = t->nnodes };
	uint32_t latency, bandwidth;

	lowest_hmat(t, &latency, &bandwidth);
	m.latency = calloc((size_t)t->nnodes * t->nnodes, sizeof(*m.latency));
	m.controller = calloc(t->nnodes, sizeof(*m.controller));
	m.link = calloc(t->nnodes, sizeof(*m.link));
	if (!m.latency || !m.controller || !m.link || fill_controllers(&m, t, bandwidth)) {
		model_free(&m);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < t->nnodes; i++)
		for (unsigned int j = 0; j < t->nnodes; j++) {
			double l = model_latency(params, normal_distance(t, i, j));

			if (latency && t->nodes[j].has_memory)
				l = l * t->nodes[j].read_latency / latency;
			m.latency[i * t->nnodes + j] = l;
		}
	*out = m;
	return 0;
}

void model_free(struct model *m)
{
	free(m->latency);
	free(m->controller);
	free(m->link);
	*m = (struct model){ 0 };
}

double model_work(const struct model_params *params, unsigned int i, struct work *out)
{
	*out = (struct work){ .kind = (enum work_kind)(i / 4), .parallel = i & 1, .shared = i & 2 };
	return params->mix[out->kind] * (out->parallel ? params->parallel : 1 - params->parallel) *
	       (out->shared ? params->shared : 1 - params->shared);
}

double model_wait(const struct model_params *params, double used, double capacity)
{
	double u = capacity > 0 ? used / capacity : 1;

	if (u <= 0)
		return 1;
	return u < 1 ? 1 + params->queue * u * u : (1 + params->queue) * u;
}

/* How the pages of a container are divided among its threads. */
struct division {
	double threads; /* of the container */
	double surplus; /* pages on nodes where more pages than threads are, with private pages */
};

static double least(double a, double b)
{
	return a < b ? a : b;
}

static struct division divide(const struct model_part *part, unsigned int n, const struct work *work)
{
	struct division d = { 0 };

	for (unsigned int i = 0; i < n; i++)
		d.threads += part[i].threads;
	for (unsigned int i = 0; i < n && !work->shared; i++)
		d.surplus += part[i].pages - least(part[i].pages, part[i].threads / d.threads);
	return d;
}

/* The part of its accesses that a thread of @from makes to the pages of @to. */
static double accesses(const struct division *d, const struct model_part *from, const struct model_part *to,
		       const struct work *work)
{
	double own = from->threads / d->threads, local, surplus;

	if (work->shared)
		return to->pages;
	local = from->pages < own ? from->pages / own : 1;
	if (from == to)
		return local;
	surplus = to->pages - least(to->pages, to->threads / d->threads);
	return d->surplus > 0 ? (1 - local) * surplus / d->surplus : 0;
}

static double way(const struct model *m, unsigned int from, unsigned int to, const struct model_traffic *traffic)
{
	double wait = model_wait(m->params, traffic->controller[to], m->controller[to]);

	if (from != to) {
		double out = model_wait(m->params, traffic->link[from], m->link[from]);
		double in = model_wait(m->params, traffic->link[to], m->link[to]);

		wait = out > wait ? out : wait;
		wait = in > wait ? in : wait;
	}
	return m->latency[from * m->nnodes + to] * wait;
}

double model_speed(const struct model *m, const struct model_part *part, unsigned int n, const struct work *work,
		   const struct model_traffic *traffic)
{
	const struct model_params *p = m->params;
	struct division d = divide(part, n, work);
	double memory = p->memory[work->kind], sum = 0, slowest = 0;

	for (unsigned int i = 0; i < n; i++) {
		double wait = 0, compute = 1 - part[i].siblings + part[i].siblings / p->smt, speed;

		if (part[i].threads <= 0)
			continue;
		compute *= 1 + part[i].slow;
		for (unsigned int j = 0; j < n; j++) {
			double f = accesses(&d, &part[i], &part[j], work);

			if (f > 0)
				wait += f * way(m, part[i].node, part[j].node, traffic);
		}
		wait *= 1 + p->cache * part[i].crowd;
		speed = part[i].time / ((1 - memory) * compute + memory * wait);
		if (slowest <= 0 || speed < slowest)
			slowest = speed;
		sum += part[i].threads * speed;
	}
	return work->parallel ? slowest : sum / d.threads;
}

void model_draw(const struct model *m, const struct model_part *part, unsigned int n, const struct work *work,
		double speed, const struct model_traffic *traffic)
{
	struct division d = divide(part, n, work);
	double each = m->params->stream[work->kind] * speed;

	for (unsigned int i = 0; i < n; i++)
		for (unsigned int j = 0; j < n && part[i].threads > 0; j++) {
			unsigned int from = part[i].node, to = part[j].node;
			double flow = each * part[i].threads * accesses(&d, &part[i], &part[j], work);

			traffic->controller[to] += flow;
			if (from == to)
				continue;
			flow *= m->latency[from * m->nnodes + to];
			traffic->link[from] += flow;
			traffic->link[to] += flow;
		}
}
