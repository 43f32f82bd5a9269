/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests and their times. Sizes are drawn from the pods of a production cluster (openb-pods.csv; CPU and memory of one
 * pod stay together), or from a synthetic distribution of similar shape if that file is absent. Arrivals are Poisson,
 * lifetimes exponential; the rate is chosen so that the requests would keep the given share of the CPUs busy. With constant
 * occupancy, lifetimes are ignored. With its own random generator, the same seed gives the same trace everywhere.
 */
#include "bench/select/bench.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1ULL << 20)

void rng_seed(struct rng *r, uint64_t seed)
{
	for (unsigned int i = 0; i < 2; i++) { /* splitmix64 */
		uint64_t z = (seed += 0x9e3779b97f4a7c15ULL);

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
		r->s[i] = z ^ (z >> 31);
	}
}

static uint64_t rng_next(struct rng *r) /* xorshift128+ */
{
	uint64_t a = r->s[0], b = r->s[1];

	r->s[0] = b;
	a ^= a << 23;
	r->s[1] = a ^ b ^ (a >> 18) ^ (b >> 5);
	return r->s[1] + b;
}

double rng_unit(struct rng *r)
{
	return (double)(rng_next(r) >> 11) * 0x1.0p-53;
}

unsigned int rng_below(struct rng *r, unsigned int n)
{
	return (unsigned int)(rng_unit(r) * n);
}

double rng_exp(struct rng *r)
{
	return -log(1.0 - rng_unit(r));
}

/* The shape of the recorded trace in a few lines: CPUs in thousandths, MiB, number of pods. */
static const struct pod made_pods[] = {
	{ 1000, 4096 * MIB, 50 },     { 4000, 15258 * MIB, 1000 },  { 4000, 30517 * MIB, 1260 },
	{ 6000, 12288 * MIB, 310 },   { 8000, 30517 * MIB, 840 },   { 10000, 40960 * MIB, 250 },
	{ 11400, 49152 * MIB, 1300 }, { 12000, 16384 * MIB, 1350 }, { 12900, 49152 * MIB, 360 },
	{ 16000, 65536 * MIB, 590 },  { 17000, 49152 * MIB, 130 },  { 19000, 73728 * MIB, 260 },
	{ 25000, 98304 * MIB, 85 },   { 32000, 131072 * MIB, 300 }, { 64000, 262144 * MIB, 24 },
	{ 88000, 327680 * MIB, 18 },  { 120000, 640000 * MIB, 5 },
};

static int pods_add(struct pods *p, const struct pod *pod)
{
	if ((p->n & (p->n - 1)) == 0) { /* the capacity is the next power of two */
		struct pod *more = realloc(p->pod, (p->n ? p->n * 2 : 1) * sizeof(*more));

		if (!more)
			return -ENOMEM;
		p->pod = more;
	}
	p->pod[p->n++] = *pod;
	p->weight += pod->weight;
	return 0;
}

int pods_load(struct pods *p, const char *shared, struct error *err)
{
	char path[4096], line[256];
	cleanup_fclose FILE *in = NULL;
	unsigned long long mib;
	struct pod pod = { .weight = 1 };
	int status = 0;

	*p = (struct pods){ 0 };
	snprintf(path, sizeof(path), "%s/traces/openb-pods.csv", shared);
	in = fopen(path, "re");
	while (!status && in && fgets(line, sizeof(line), in))
		if (sscanf(line, "%u,%llu,", &pod.milli, &mib) == 2) {
			pod.memory = mib * MIB;
			status = pods_add(p, &pod);
		}
	p->made = p->n == 0;
	for (unsigned int i = 0; !status && p->made && i < ARRAY_SIZE(made_pods); i++)
		status = pods_add(p, &made_pods[i]);
	return status ? error_errno(err, status, "traces") : 0;
}

void pods_free(struct pods *p)
{
	free(p->pod);
	*p = (struct pods){ 0 };
}

static const struct pod *draw(const struct pods *p, struct rng *r)
{
	uint64_t at;

	if (!p->made)
		return &p->pod[rng_below(r, p->n)];
	at = (uint64_t)(rng_unit(r) * (double)p->weight);
	for (unsigned int i = 0; i < p->n; i++) {
		if (at < p->pod[i].weight)
			return &p->pod[i];
		at -= p->pod[i].weight;
	}
	return &p->pod[p->n - 1];
}

struct scale {
	unsigned int smt, cpus, most; /* CPUs at most: half the machine */
	uint64_t memory;	      /* of the nodes with CPUs */
	double factor, mean;	      /* bytes times factor; CPUs on average */
	bool whole_cores;
};

static unsigned int pod_cpus(const struct pod *pod, const struct scale *sc)
{
	unsigned int n = (pod->milli + 999) / 1000;

	if (n == 0)
		n = 1;
	if (sc->whole_cores)
		n = (n + sc->smt - 1) / sc->smt * sc->smt;
	return n < sc->most ? n : sc->most;
}

static uint64_t pod_memory(const struct pod *pod, const struct scale *sc)
{
	double bytes = (double)pod->memory * sc->factor;

	if (bytes > (double)sc->memory / 2)
		bytes = (double)sc->memory / 2;
	return (uint64_t)bytes / MIB * MIB;
}

/*
 * Memory is scaled so that on average a container asks for the same share of
 * the machine's memory as of its CPUs: then both are equally scarce.  The cap at half of it
 * takes some away again, so the factor is found by steps.
 */
static void scale_make(struct scale *sc, const struct pods *p)
{
	double cpus = 0, total = (double)p->weight;

	for (unsigned int i = 0; i < p->n; i++)
		cpus += pod_cpus(&p->pod[i], sc) * (double)p->pod[i].weight;
	sc->mean = cpus / total;
	sc->factor = (double)sc->memory / ((double)sc->cpus * 4e9);
	for (unsigned int step = 0; step < 30; step++) {
		double memory = 0;

		for (unsigned int i = 0; i < p->n; i++)
			memory += (double)pod_memory(&p->pod[i], sc) * (double)p->pod[i].weight;
		if (memory <= 0)
			return;
		sc->factor *= sc->mean / sc->cpus * (double)sc->memory / (memory / total);
	}
}

static int scale_of(struct scale *sc, const struct row *row, const struct pods *pods)
{
	struct state s;
	int status = state_init(&s, row);

	if (status)
		return status;
	*sc = (struct scale){ .smt = s.smt, .cpus = s.total_cpus, .memory = s.total_memory };
	sc->whole_cores = s.whole_cores;
	sc->most = s.total_cpus / 2;
	if (sc->whole_cores)
		sc->most -= sc->most % sc->smt;
	if (sc->most == 0)
		sc->most = sc->whole_cores ? sc->smt : 1;
	state_free(&s);
	scale_make(sc, pods);
	return 0;
}

int trace_make(struct trace *tr, const struct pods *pods, const struct row *row, unsigned int arrivals, uint64_t seed)
{
	struct scale sc;
	struct rng r;
	double rate, at = 0;
	unsigned int filling;
	int status = scale_of(&sc, row, pods);

	if (status)
		return status;
	rate = row->load / 100.0 * sc.cpus / sc.mean;
	filling = (unsigned int)(rate + 0.5); /* exponential lifetimes have no memory, so this is a machine in steady state */
	rng_seed(&r, seed * 1000003 + 17);
	*tr = (struct trace){ .n = filling + arrivals,
			      .seed = seed,
			      .ask = calloc(filling + arrivals, sizeof(*tr->ask)) };
	if (!tr->ask)
		return -ENOMEM;
	for (unsigned int i = 0; i < tr->n; i++) {
		const struct pod *pod = draw(pods, &r);

		tr->ask[i].counted = i >= filling;
		if (i >= filling)
			at += rng_exp(&r) / rate;
		tr->ask[i].at = at;
		tr->ask[i].life = rng_exp(&r);
		tr->ask[i].cpus = pod_cpus(pod, &sc);
		tr->ask[i].memory = row->memory ? pod_memory(pod, &sc) : 0;
	}
	return 0;
}

void trace_free(struct trace *tr)
{
	free(tr->ask);
	*tr = (struct trace){ 0 };
}
