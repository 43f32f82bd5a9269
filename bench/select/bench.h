/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The selection bench: machines, traces of requests, the compared rules, the state on which they run, and the metrics.
 * Every rule gets the same machine and the same requests at the same times, and is measured by the same code.
 */
#ifndef NUMAPLACE_BENCH_H
#define NUMAPLACE_BENCH_H

#include "plugin/base/error.h"
#include "plugin/machine/topology.h"
#include "plugin/select/model.h"
#include "plugin/select/select.h"
#include "plugin/select/usage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define NAME_LEN	48
#define BALANCE_DEFAULT -1

/* machines.c */
struct machine {
	char name[NAME_LEN];
	bool recorded;
	struct topology *t;
};
struct machines {
	unsigned int n;
	struct machine m[64];
};
int machine_parse(FILE *in, const char *name, struct topology **out, struct error *err);
/* A machine of equal nodes, to measure time. */
int machine_made(unsigned int nodes, unsigned int cpus, unsigned int smt, struct topology **out, struct error *err);
/*
 * The .machine files of @dir and, if present, the recorded machines of @shared/topologies, unpacked into a temporary
 * folder. Only machines that a row pattern of @patterns may match; NULL: all.
 */
int machines_load(struct machines *all, const char *dir, const char *shared, const char *patterns, struct error *err);
void machines_free(struct machines *all);

/* traces.c */
struct rng {
	uint64_t s[2];
};
void rng_seed(struct rng *r, uint64_t seed);
double rng_unit(struct rng *r); /* [0, 1) */
unsigned int rng_below(struct rng *r, unsigned int n);
double rng_exp(struct rng *r); /* mean 1 */

struct pod {
	unsigned int milli;
	uint64_t memory; /* bytes */
	unsigned int weight;
};
struct pods {
	unsigned int n;
	uint64_t weight;
	struct pod *pod;
	bool made; /* the recorded trace was absent */
};
int pods_load(struct pods *p, const char *shared, struct error *err);
void pods_free(struct pods *p);

struct ask {
	double at, life;
	unsigned int cpus;
	uint64_t memory; /* 0: CPU only */
	bool counted;	 /* false: fills the machine before the measurement */
	bool absent;	 /* time passes, but the container is not placed */
};
struct trace {
	unsigned int n;
	uint64_t seed;
	struct ask *ask;
};
struct row {
	const struct machine *machine;
	unsigned int load; /* percent of the CPUs: in use, or requested */
	bool exclusive;
	bool memory;
	bool threads; /* exclusive threads, not whole cores */
	bool poisson; /* containers end after a lifetime, else arrivals replace others: see run.c */
};
int trace_make(struct trace *tr, const struct pods *pods, const struct row *row, unsigned int arrivals, uint64_t seed);
void trace_free(struct trace *tr);

/* state.c */
struct core {
	uint16_t node;
	uint16_t first, n; /* its part of state.member */
};
struct state {
	const struct topology *t;
	bool exclusive, whole_cores, memory;
	unsigned int smt; /* threads of the widest core */
	unsigned int ncores;
	struct core *core;	  /* grouped by node */
	uint16_t *member;	  /* CPU indices, grouped by core */
	uint16_t *core_of;	  /* by CPU index: place in core[] */
	unsigned int *first_core; /* by node; nnodes + 1 long */
	unsigned int ncand;
	uint16_t *cand;	    /* nodes with usable CPUs */
	unsigned int *cpus; /* by node: usable ones */
	unsigned int total_cpus;
	uint64_t total_memory;	  /* of nodes with CPUs */
	unsigned int max_llc;	  /* CPUs of the largest */
	uint32_t *load;		  /* by CPU, in 1/LOAD_ONE */
	uint16_t *holders;	  /* by CPU: containers that hold it */
	uint64_t *node_load;	  /* by node */
	unsigned int *room;	  /* by node: CPUs that can be given without over-commitment */
	uint64_t *asked;	  /* by node: bytes */
	uint16_t *instances;	  /* by node: containers that name it */
	uint16_t *single, *multi; /* by node: containers of one node, of several */
	uint64_t *group;	  /* by node: the set of the containers on several nodes */
	uint16_t *group_width;
	struct usage *usage; /* numaplace's own */
};
int state_init(struct state *s, const struct row *row);
void state_free(struct state *s);
static inline uint64_t mem_room(const struct state *s, unsigned int node)
{
	uint64_t total = s->t->nodes[node].mem_total;

	return s->asked[node] < total ? total - s->asked[node] : 0;
}
static inline bool cpu_is_free(const struct state *s, unsigned int cpu)
{
	return s->load[cpu] == 0;
}
bool core_is_free(const struct state *s, const struct core *c);

struct choice {
	unsigned int nnodes;
	uint16_t *node; /* that the rule named, in its order */
	unsigned int ncpus;
	uint16_t *cpu;
	uint64_t *mem;	    /* by node */
	struct share share; /* numaplace's own */
	uint64_t ns;	    /* of the decision only, if the rule measures it; else 0 */
};
struct held {
	unsigned int nnodes, ncpus, nmem;
	uint16_t *node, *cpu, *mem_node;
	uint64_t *mem;
	uint64_t group;
	struct share share;
};
int choice_init(struct choice *c, const struct state *s);
void choice_free(struct choice *c);
void choice_clear(struct choice *c, const struct state *s);
int state_add(struct state *s, struct choice *c, struct held *h);
void state_remove(struct state *s, struct held *h);
void held_free(struct held *h);

/* sets.c: node sets in increasing width, and the distribution of a request over the nodes of a set. */
struct want {
	unsigned int cpus;
	uint64_t memory;
	const unsigned int *room;					 /* by node */
	bool (*allowed)(void *arg, const uint16_t *set, unsigned int n); /* NULL: all */
	void *arg;
	bool no_search; /* greedy only */
};
typedef void (*set_visit)(void *arg, const uint16_t *set, unsigned int n);
/* Visits the fitting sets of the smallest width that has one: all of them if they are few, else greedy ones. */
unsigned int sets_narrowest(const struct state *s, const struct want *w, set_visit visit, void *arg);
/* A lower bound of the nodes that the request needs, for CPUs and memory separately; 0: impossible. @mem: bytes by node. */
unsigned int fewest_nodes(const struct state *s, const unsigned int *room, const uint64_t *mem, unsigned int cpus,
			  uint64_t memory);
bool sets_were_all(void); /* whether the last search saw every set */
double set_distance(const struct state *s, const uint16_t *set, unsigned int n);
double cpu_distance(const struct state *s, const uint16_t *set, const unsigned int *count, unsigned int n);
void deal_by_room(const struct state *s, const uint16_t *set, unsigned int n, const unsigned int *room,
		  unsigned int cpus, unsigned int *count);
bool take_cpus(const struct state *s, unsigned int node, unsigned int count, bool force, struct choice *c);
bool take_packed(const struct state *s, const uint16_t *set, unsigned int n, unsigned int cpus, struct choice *c);
void charge_by_cpus(const struct state *s, uint64_t memory, struct choice *c);
void charge_joint(const struct state *s, uint64_t memory, struct choice *c);
bool overcommit(const struct state *s, const struct ask *a, bool joint, struct choice *c);

/* peers.c, peers-fit.c, ours.c */
enum rule_kind {
	RULE_OURS,
	RULE_PEER,
	RULE_END,   /* best fit and worst fit: the ends of the trade */
	RULE_MODEL, /* chooses by predicted speed */
	RULE_TRUTH, /* the best possible choice */
};
struct rule {
	const char *key, *name;
	bool (*pick)(const struct state *s, const struct ask *a, int balance, struct choice *out);
	enum rule_kind kind;
	unsigned int max_nodes;	  /* beyond: no answer; 0: none */
	unsigned int max_id;	  /* node ids beyond: no answer; 0: none */
	unsigned int exact_nodes; /* beyond: a search stands in for 2^N; 0: always itself */
	bool memory_rows;	  /* differs from another rule only in rows with memory */
};
extern const struct rule rules[];
extern const unsigned int nrules;
const struct rule *rule_find(const char *key);
bool ours_pick(const struct state *s, const struct ask *a, int balance, struct choice *out);
extern const struct select_prices *ours_prices; /* of the choices of numaplace */

bool rule_incus(const struct state *s, const struct ask *a, int balance, struct choice *c);
bool rule_packed(const struct state *s, const struct ask *a, int balance, struct choice *c);
bool rule_distributed(const struct state *s, const struct ask *a, int balance, struct choice *c);
bool rule_closest(const struct state *s, const struct ask *a, int balance, struct choice *c);
bool rule_closest_mm(const struct state *s, const struct ask *a, int balance, struct choice *c);
bool rule_numad(const struct state *s, const struct ask *a, int balance, struct choice *c);
bool rule_nri(const struct state *s, const struct ask *a, int balance, struct choice *c);
bool rule_worst(const struct state *s, const struct ask *a, int balance, struct choice *c);
bool rule_best(const struct state *s, const struct ask *a, int balance, struct choice *c);
bool rule_joint(const struct state *s, const struct ask *a, int balance, struct choice *c);
bool rule_start(const struct state *s, const struct ask *a, int balance, struct choice *c);
bool rule_greedy(const struct state *s, const struct ask *a, int balance, struct choice *c);
bool rule_model(const struct state *s, const struct ask *a, int balance, struct choice *c);
bool rule_truth(const struct state *s, const struct ask *a, int balance, struct choice *c);

/* run.c */
enum metric {
	M_REFUSED,  /* % of arrivals */
	M_SPLIT,    /* % of placed: on several nodes although one had room */
	M_NODES,    /* nodes over the fewest that an empty machine needs, ratio */
	M_WIDER,    /* nodes over the fewest that had room then, ratio */
	M_DISTANCE, /* CPU-weighted, own node included */
	M_MULTI,    /* the same of those on several nodes */
	M_IMB_CPU,  /* time-mean of the deviation over nodes of the free share */
	M_IMB_MEM,
	M_OVER_CPU,  /* % of placed that over-commit a CPU */
	M_OVER_ROOM, /* the same although some set had room */
	M_OVER_MEM,  /* % of placed after which a node has more memory asked of it than it has */
	M_CORES,     /* cores over the fewest, per container */
	M_LLCS,	     /* last-level caches over the fewest, per container */
	M_MEDIAN,    /* ns */
	M_P99,
	M_SPEED,     /* predicted, mean by CPU, by parameter set of the model */
	M_SLOWEST = M_SPEED + MODEL_PARAMS, /* the same of the slowest tenth */
	METRICS = M_SLOWEST + MODEL_PARAMS
};
extern const char *const metric_keys[METRICS];
struct result {
	const struct rule *rule;
	bool ran, stand_in;    /* the search beyond exact_nodes was used */
	double value[METRICS]; /* NAN: nothing to measure */
};
/*
 * Machines, traces and parameter sets of the model are in two halves: one that choices may be tuned on, and one that
 * only reports.
 */
enum half { HALF_BOTH, HALF_TUNED, HALF_REPORTED };
extern enum half half; /* of this run */
bool half_has_machine(enum half h, const char *name);
bool half_has_params(enum half h, unsigned int params);
unsigned int half_seed(enum half h, unsigned int seed); /* seed number of the half's trace number @seed, from 1 */

/* judge.c: predicted speed of all that live. */
#define ALONE_CPUS 512
struct judged;
struct judge {
	const struct state *s;
	struct model model[MODEL_PARAMS];
	struct model_traffic traffic;
	double *alone; /* speeds that were computed already */
	double *llc_load;
	unsigned int *llc_cpus;
	unsigned int nlive, nended;
	struct judged **live, **ended;
};
/* @most: containers in all.  judge_free() also after a failure. */
int judge_init(struct judge *j, const struct state *s, unsigned int most);
void judge_free(struct judge *j);
/* A container that starts, its work drawn at random from seed @lot; the CPUs of @h must remain until it ends.  NULL: out of memory. */
struct judged *judge_add(struct judge *j, const struct held *h, uint64_t lot);
void judge_end(struct judge *j, struct judged *c);
void judge_look(struct judge *j, enum half h);
void judge_sum(struct judge *j, enum half h, double *value);

/* @mark: containers that the rule refuses become absent for the next rule that runs the trace. */
int run_rule(const struct rule *rule, const struct row *row, struct trace *tr, int balance, bool mark, double *value);
/* Mean over the seeds. */
int run_seeds(const struct rule *rule, const struct row *row, const struct pods *pods, unsigned int arrivals,
	      unsigned int seeds, int balance, struct result *out);
/* The same of the containers that @gate lets in, and of no others. */
int run_let_in(const struct rule *rule, const struct rule *gate, const struct row *row, const struct pods *pods,
	       unsigned int arrivals, unsigned int seeds, struct result *out);

/* report.c */
struct row_results {
	struct row row;
	struct result *result; /* nrules */
};
struct curve_point {
	int balance;
	double imbalance, distance;
};
void row_name(const struct row *row, char *buf, size_t size);
void report_row(FILE *out, const struct row_results *r);
void report_json(FILE *out, const struct row_results *r, unsigned int n, unsigned int seeds, unsigned int arrivals,
		 bool made);

/* Predicted speed over all rows, of each rule, beside Topology Manager + closest and beside the best peer of each row. */
void report_speed(FILE *out, const struct row_results *r, unsigned int n);

/* plot.c */
struct curve {
	unsigned int n;
	struct curve_point p[16];
};
int curve_make(const struct row *row, const struct pods *pods, unsigned int arrivals, unsigned int seeds,
	       unsigned int step, struct curve *c);
void plot_svg(FILE *out, const struct row_results *r, const struct curve *c);

/* check.c: prints TAP; returns the number of failures. */
struct check_options {
	const struct pods *pods;
	unsigned int seeds, arrivals;
	bool curves;
};
unsigned int check_rows(const struct row_results *r, unsigned int n, const struct check_options *o);

/* scaling.c: measures the time of decisions by size; returns the exit status. */
int scaling(bool check);

/* sensitivity.c: each constant of a choice halved and doubled, on these rows; 0, or 2: out of memory or no rows. */
int sensitivity(const struct row_results *r, unsigned int n, const struct pods *pods, unsigned int arrivals,
		unsigned int seeds);

/* exact.c: against the best of all sets of nodes, @requests a machine.  0, or 1: some were not as good. */
int exact(const struct machines *all, unsigned int requests);

/* orders.c: small containers before a large one; 0, or 1: the large one lies farther than it must. */
int orders(const struct machines *all);

#endif
