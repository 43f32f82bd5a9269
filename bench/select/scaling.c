/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cost of a decision by the size of the machine and the number of placed containers: three points with promised limits,
 * then each size varied separately, with the exponent of growth. With @check: prints TAP; status 1 if a limit is exceeded.
 */
#include "bench/select/bench.h"

#include "plugin/select/select.h"
#include "plugin/base/util.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define GIB	 (1ULL << 30)
#define PEAK_KIB 65536

struct point {
	unsigned int nodes, cpus, placed, asks; /* CPUs per node */
	double limit_us;			/* 0: none */
	double median, p99, most;		/* us */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int by_ns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* One CPU and some memory each, on random nodes; up to 90 % of the CPUs are taken, then they are shared. */
static int fill(struct usage *u, const struct topology *t, unsigned int placed, struct rng *r)
{
	for (unsigned int i = 0; i < placed; i++) {
		unsigned int node = rng_below(r, t->nnodes);
		const struct topo_node *n = &t->nodes[node];
		struct share_node mem = { .id = n->id, .memory = GIB / 16 };
		struct share s = { .count = 1, .nmem = 1, .mem = &mem };
		unsigned int at = rng_below(r, n->ncpus), tries = n->ncpus;

		/* an idle CPU of the node if it has one, but one CPU stays free */
		while (tries-- && (u->load[t->cpus[n->first_cpu + at].id] || at + 1 == n->ncpus))
			at = (at + 1) % n->ncpus;
		idset_add(&s.cpus, t->cpus[n->first_cpu + at].id);
		if (usage_add(u, &s))
			return -1;
	}
	return 0;
}

static void ask(struct request *req, struct rng *r)
{
	static const unsigned int sizes[] = { 1, 1, 2, 2, 4, 4, 8, 16, 32 };

	request_init(req);
	req->nodes_mode = NODES_BALANCED;
	req->cpu_count = sizes[rng_below(r, ARRAY_SIZE(sizes))];
	req->memory = req->cpu_count * GIB / 2;
	req->given = 1U << KEY_CPU | 1U << KEY_CPU_NODES | 1U << KEY_MEMORY;
}

static int decide(struct point *p, const struct topology *t, const struct usage *u, struct rng *r)
{
	static struct request req;
	static struct select_policy policy;
	cleanup_free uint64_t *ns = calloc(p->asks, sizeof(*ns));
	struct select_input in = { .topology = t, .usage = u, .request = &req, .policy = &policy };

	if (!ns)
		return -1;
	select_policy_init(&policy);
	for (unsigned int i = 0; i < p->asks; i++) {
		struct placement out = { 0 };
		struct error err = { 0 };
		uint64_t from;

		ask(&req, r);
		from = now_ns();
		select_placement(&in, &out, NULL, &err);
		ns[i] = now_ns() - from;
		placement_free(&out);
	}
	qsort(ns, p->asks, sizeof(*ns), by_ns);
	p->median = (double)ns[p->asks / 2] / 1000;
	p->p99 = (double)ns[p->asks * 99ULL / 100] / 1000;
	p->most = (double)ns[p->asks - 1] / 1000;
	return 0;
}

static int measure(struct point *p)
{
	struct topology *t = NULL;
	struct usage *u = NULL;
	struct error err = { 0 };
	struct rng r;
	int status = machine_made(p->nodes, p->cpus, 2, &t, &err);

	rng_seed(&r, 42);
	if (status == 0)
		u = usage_new(t->cpu_ids, NODE_ID_MAX);
	status = u && fill(u, t, p->placed, &r) == 0 ? decide(p, t, u, &r) : -1;
	usage_free(u);
	topology_free(t);
	return status;
}

static void print_point(const struct point *p)
{
	printf("#%5u %6u %7u %11.1f %9.1f %9.1f", p->nodes, p->nodes * p->cpus, p->placed, p->median, p->p99, p->most);
	if (p->limit_us > 0)
		printf("   median under %.0f: %s", p->limit_us, p->median < p->limit_us ? "yes" : "NO");
	putchar('\n');
}

/* The slope of log median over log of what grows. */
static double exponent(const struct point *p, unsigned int n, bool by_nodes)
{
	double sx = 0, sy = 0, sxx = 0, sxy = 0;

	for (unsigned int i = 0; i < n; i++) {
		double x = log(by_nodes ? p[i].nodes : p[i].placed), y = log(p[i].median);

		sx += x;
		sy += y;
		sxx += x * x;
		sxy += x * y;
	}
	return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

static int table(const char *title, struct point *p, unsigned int n)
{
	printf("# %s\n#nodes   CPUs  placed   median us    p99 us    max us\n", title);
	for (unsigned int i = 0; i < n; i++) {
		if (measure(&p[i]))
			return -1;
		print_point(&p[i]);
		fflush(stdout);
	}
	return 0;
}

static long peak_kib(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_maxrss;
}

static bool promises_hold(const struct point *p, unsigned int n)
{
	long peak = peak_kib();
	bool all = peak < PEAK_KIB;

	for (unsigned int i = 0; i < n; i++) {
		bool ok = p[i].median < p[i].limit_us;

		printf("%s %u - %u nodes, %u CPUs, %u placed: median %.1f us, under %.0f\n", ok ? "ok" : "not ok",
		       i + 1, p[i].nodes, p[i].nodes * p[i].cpus, p[i].placed, p[i].median, p[i].limit_us);
		all = all && ok;
	}
	printf("%s %u - peak memory %ld KiB, under %d\n1..%u\n", peak < PEAK_KIB ? "ok" : "not ok", n + 1, peak,
	       PEAK_KIB, n + 1);
	return all;
}

static int growth(void)
{
	struct point nodes[8], placed[4];

	for (unsigned int i = 0; i < ARRAY_SIZE(nodes); i++)
		nodes[i] = (struct point){ .nodes = 8U << i, .cpus = 8, .placed = (8U << i) * 4, .asks = 1000 };
	for (unsigned int i = 0, n = 10; i < ARRAY_SIZE(placed); i++, n *= 10)
		placed[i] = (struct point){ .nodes = 1024, .cpus = 8, .placed = n, .asks = 500 };
	if (table("nodes grow, half of the CPUs taken", nodes, ARRAY_SIZE(nodes)) ||
	    table("placed containers grow", placed, ARRAY_SIZE(placed)))
		return 2;
	printf("\ngrowth exponent over nodes %.2f, over placed containers %.2f\n",
	       exponent(nodes, ARRAY_SIZE(nodes), true), exponent(placed, ARRAY_SIZE(placed), false));
	return 0;
}

int scaling(bool check)
{
	struct point promised[] = {
		{ .nodes = 8, .cpus = 32, .placed = 100, .asks = 5000, .limit_us = 10 },
		{ .nodes = 64, .cpus = 4, .placed = 100, .asks = 5000, .limit_us = 100 },
		{ .nodes = 1024, .cpus = 8, .placed = 10000, .asks = 500, .limit_us = 5000 },
	};

	if (table("promised", promised, ARRAY_SIZE(promised)))
		return 2;
	if (check)
		return promises_hold(promised, ARRAY_SIZE(promised)) ? 0 : 1;
	printf("peak memory %ld KiB\n", peak_kib());
	return growth();
}
