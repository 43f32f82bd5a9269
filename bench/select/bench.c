/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * make bench: compares numaplace with the rules of other tools on the same machines and traces. A row is
 * MACHINE/LOAD/exclusive|shared/cpu|cpu+mem.
 * Exit status: 0; 1 a check failed; 2 usage, or something could not be read.
 */
#include "bench/select/bench.h"

#include "plugin/base/util.h"

#include <fnmatch.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct options {
	const char *rows, *rules, *machines, *shared, *svg, *svg_row, *half;
	unsigned int seeds, arrivals, requests;
	int balance;
	bool json, check, no_curves, quick, threads, poisson, scaling, exact, orders, sensitivity, list;
};

enum half half = HALF_BOTH;

#define MANY_NODES 100
#define EXACT_REQUESTS 2000
#define SENSITIVITY_ROWS                                                                                               \
	"made-002n-2x32/*,made-004n-pairs/*,made-004n-snc/*,made-006n-ring/*,made-008n-8x32/*,made-024n-epyc/*,"            \
	"48amd64-*,64amd64-*"

static const char usage_text[] =
	"usage: bench [OPTION...]\n"
	"  --rows PATTERNS    only rows that match one of these, comma-separated (e.g. '*snc*/90/*,*2x32*')\n"
	"  --rules KEYS       only these rules, comma-separated\n"
	"  --seeds N          traces per row (5; one on machines of more than 100 nodes)\n"
	"  --arrivals N       containers per trace (1500)\n"
	"  --balance N        numaplace's choice between packing (0) and evenness (100); not given: its default\n"
	"  --quick            machines up to 64 nodes at 60 and 90 %, 2 seeds, 400 arrivals\n"
	"  --json             one object instead of the table\n"
	"  --svg FILE         the trade of --svg-row as a picture\n"
	"  --svg-row ROW      (made-004n-snc/90/exclusive/cpu)\n"
	"  --check            what must hold, as TAP; --rows and --quick as above\n"
	"  --no-curves        --check without the trade curves, which take most of its time\n"
	"  --threads          exclusive threads, not whole cores (numaplace still gives whole cores)\n"
	"  --poisson          containers end after their lifetime; the row's share is offered load, not held "
	"occupancy\n"
	"  --scaling          instead of all that: time of a decision against nodes and placed containers\n"
	"  --exact            instead: 2,000 random decisions per machine of up to 8 nodes against all sets of nodes\n"
	"  --half HALF        tune or report: the half of machines, traces and parameter sets that may be tuned on, or the "
	"other\n"
	"  --orders           instead: small containers and a large one on two near pairs, in every order\n"
	"  --requests N       so many of them\n"
	"  --sensitivity      instead: each constant of a choice halved and doubled, with the rows of --quick on eight "
	"machines, or --rows\n"
	"  --machines DIR     made machines (bench/select/machines)\n"
	"  --shared DIR       recorded machines and traces ($NUMAPLACE_SHARED, or ../shared)\n"
	"  --list             only name the rows\n";

enum {
	OPT_ROWS = 1,
	OPT_RULES,
	OPT_SEEDS,
	OPT_ARRIVALS,
	OPT_BALANCE,
	OPT_QUICK,
	OPT_JSON,
	OPT_SVG,
	OPT_SVG_ROW,
	OPT_CHECK,
	OPT_NO_CURVES,
	OPT_THREADS,
	OPT_POISSON,
	OPT_SCALING,
	OPT_EXACT,
	OPT_REQUESTS,
	OPT_MACHINES,
	OPT_SHARED,
	OPT_LIST,
	OPT_HALF,
	OPT_ORDERS,
	OPT_SENSITIVITY,
	OPT_HELP
};

static const struct option long_options[] = {
	{ "rows", required_argument, NULL, OPT_ROWS },
	{ "rules", required_argument, NULL, OPT_RULES },
	{ "seeds", required_argument, NULL, OPT_SEEDS },
	{ "arrivals", required_argument, NULL, OPT_ARRIVALS },
	{ "balance", required_argument, NULL, OPT_BALANCE },
	{ "quick", no_argument, NULL, OPT_QUICK },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "svg", required_argument, NULL, OPT_SVG },
	{ "svg-row", required_argument, NULL, OPT_SVG_ROW },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "threads", no_argument, NULL, OPT_THREADS },
	{ "no-curves", no_argument, NULL, OPT_NO_CURVES },
	{ "poisson", no_argument, NULL, OPT_POISSON },
	{ "scaling", no_argument, NULL, OPT_SCALING },
	{ "exact", no_argument, NULL, OPT_EXACT },
	{ "requests", required_argument, NULL, OPT_REQUESTS },
	{ "machines", required_argument, NULL, OPT_MACHINES },
	{ "shared", required_argument, NULL, OPT_SHARED },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "orders", no_argument, NULL, OPT_ORDERS },
	{ "sensitivity", no_argument, NULL, OPT_SENSITIVITY },
	{ "half", required_argument, NULL, OPT_HALF },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static unsigned int number(const char *text, unsigned int otherwise)
{
	unsigned long n = strtoul(text, NULL, 10);

	return n && n < 1000000 ? (unsigned int)n : otherwise;
}

static void option_flag(struct options *o, int opt)
{
	bool *const flag[] = {
		[OPT_QUICK] = &o->quick,     [OPT_JSON] = &o->json,	  [OPT_CHECK] = &o->check,
		[OPT_THREADS] = &o->threads, [OPT_POISSON] = &o->poisson, [OPT_NO_CURVES] = &o->no_curves,
		[OPT_SCALING] = &o->scaling, [OPT_EXACT] = &o->exact,	  [OPT_LIST] = &o->list,
		[OPT_ORDERS] = &o->orders,   [OPT_SENSITIVITY] = &o->sensitivity,
	};

	*flag[opt] = true;
}

static void option_text(struct options *o, int opt, const char *text)
{
	const char **const place[] = {
		[OPT_ROWS] = &o->rows,	     [OPT_RULES] = &o->rules,	    [OPT_SVG] = &o->svg,
		[OPT_SVG_ROW] = &o->svg_row, [OPT_MACHINES] = &o->machines, [OPT_SHARED] = &o->shared,
		[OPT_HALF] = &o->half,
	};

	if (opt == OPT_SEEDS)
		o->seeds = number(text, 0);
	else if (opt == OPT_ARRIVALS)
		o->arrivals = number(text, 0);
	else if (opt == OPT_REQUESTS)
		o->requests = number(text, 0);
	else if (opt == OPT_BALANCE)
		o->balance = (int)number(text, 0);
	else
		*place[opt] = text;
}

static bool options_read(struct options *o, int argc, char **argv)
{
	const char *env = getenv("NUMAPLACE_SHARED");
	int opt;

	*o = (struct options){ .machines = "bench/select/machines",
			       .svg_row = "made-004n-snc/90/exclusive/cpu",
			       .balance = BALANCE_DEFAULT };
	o->shared = env ? env : "../shared";
	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		if (opt == '?' || opt == OPT_HELP)
			return false;
		else if (optarg)
			option_text(o, opt, optarg);
		else
			option_flag(o, opt);
	o->quick |= o->sensitivity;
	if (o->sensitivity && !o->rows)
		o->rows = SENSITIVITY_ROWS;
	if (!o->seeds)
		o->seeds = o->quick ? 2 : 5;
	if (!o->arrivals)
		o->arrivals = o->quick ? 400 : 1500;
	if (!o->requests)
		o->requests = EXACT_REQUESTS;
	if (o->half)
		half = strcmp(o->half, "tune") == 0 ? HALF_TUNED : strcmp(o->half, "report") == 0 ? HALF_REPORTED : HALF_BOTH;
	return optind == argc && (!o->half || half != HALF_BOTH);
}

/* Whether @name matches one of comma-separated @patterns. */
static bool matches(const char *patterns, const char *name)
{
	cleanup_free char *copy = strdup(patterns);
	char *save = NULL;

	for (char *p = copy ? strtok_r(copy, ",", &save) : NULL; p; p = strtok_r(NULL, ",", &save))
		if (fnmatch(p, name, 0) == 0)
			return true;
	return false;
}

static bool memory_known(const struct topology *t)
{
	for (unsigned int i = 0; i < t->nnodes; i++)
		if (t->nodes[i].ncpus && t->nodes[i].has_memory && t->nodes[i].mem_total)
			return true;
	return false;
}

static bool wanted(const struct options *o, const struct row *row)
{
	char name[128];

	row_name(row, name, sizeof(name));
	if (row->memory && !memory_known(row->machine->t))
		return false;
	if (!half_has_machine(half, row->machine->name))
		return false;
	if (o->quick && (row->machine->t->nnodes > 64 || row->load % 30))
		return false;
	return !o->rows || matches(o->rows, name);
}

static unsigned int make_rows(const struct options *o, const struct machines *all, struct row_results *rows)
{
	static const unsigned int loads[] = { 60, 80, 90, 95 };
	unsigned int n = 0;

	for (unsigned int m = 0; m < all->n; m++)
		for (unsigned int kind = 0; kind < 4; kind++)
			for (unsigned int l = 0; l < ARRAY_SIZE(loads); l++) {
				struct row row = { .machine = &all->m[m],
						   .load = loads[l],
						   .exclusive = kind < 2,
						   .memory = kind & 1 };

				row.threads = o->threads && row.exclusive;
				row.poisson = o->poisson;
				if (wanted(o, &row))
					rows[n++].row = row;
			}
	return n;
}

/* Large machines take long and already average over many nodes, so one trace is enough. */
static unsigned int seeds_for(const struct options *o, const struct row *row)
{
	return row->machine->t->nnodes > MANY_NODES ? 1 : o->seeds;
}

static int run_row(const struct options *o, const struct pods *pods, struct row_results *r)
{
	r->result = calloc(nrules, sizeof(*r->result));
	if (!r->result)
		return -1;
	for (unsigned int k = 0; k < nrules; k++)
		if (!o->rules || matches(o->rules, rules[k].key))
			if (run_seeds(&rules[k], &r->row, pods, o->arrivals, seeds_for(o, &r->row), o->balance,
				      &r->result[k]))
				return -1;
	if (!o->json && !o->check)
		report_row(stdout, r);
	fflush(stdout);
	return 0;
}

static int make_plot(const struct options *o, const struct pods *pods, const struct row_results *rows, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		cleanup_fclose FILE *out = NULL;
		struct curve c;
		char name[128];

		row_name(&rows[i].row, name, sizeof(name));
		if (fnmatch(o->svg_row, name, 0))
			continue;
		out = fopen(o->svg, "we");
		if (!out || curve_make(&rows[i].row, pods, o->arrivals, o->seeds, 10, &c))
			return -1;
		plot_svg(out, &rows[i], &c);
		return 0;
	}
	fprintf(stderr, "bench: %s: no such row among those run\n", o->svg_row);
	return -1;
}

static int bench(const struct options *o, const struct machines *all, const struct pods *pods)
{
	struct row_results *rows = calloc((size_t)all->n * 16, sizeof(*rows));
	struct check_options check = { pods, o->seeds, o->arrivals, !o->rules && !o->no_curves };
	unsigned int n = rows ? make_rows(o, all, rows) : 0;
	int status = rows ? 0 : 2;
	char name[128];

	if (o->sensitivity && status == 0 && !o->list) {
		status = sensitivity(rows, n, pods, o->arrivals, o->seeds);
		free(rows);
		return status;
	}
	for (unsigned int i = 0; i < n && status == 0; i++)
		if (o->list) {
			row_name(&rows[i].row, name, sizeof(name));
			puts(name);
		} else if (run_row(o, pods, &rows[i])) {
			status = 2;
		}
	if (status == 0 && !o->list && !o->json && !o->check)
		report_speed(stdout, rows, n);
	if (status == 0 && !o->list && o->json)
		report_json(stdout, rows, n, o->seeds, o->arrivals, pods->made);
	if (status == 0 && !o->list && o->svg && make_plot(o, pods, rows, n))
		status = 2;
	if (status == 0 && !o->list && o->check && check_rows(rows, n, &check))
		status = 1;
	for (unsigned int i = 0; i < n; i++)
		free(rows[i].result);
	free(rows);
	return status;
}

int main(int argc, char **argv)
{
	static struct machines all;
	struct options o;
	struct pods pods;
	struct error err = { 0 };
	int status;

	if (!options_read(&o, argc, argv)) {
		fputs(usage_text, stderr);
		return 2;
	}
	if (o.scaling)
		return scaling(o.check);
	if (machines_load(&all, o.machines, o.shared, o.rows, &err) || pods_load(&pods, o.shared, &err)) {
		fprintf(stderr, "bench: %s\n", err.text);
		return 2;
	}
	if (o.orders)
		status = orders(&all);
	else
		status = o.exact ? exact(&all, o.requests) : bench(&o, &all, &pods);
	pods_free(&pods);
	machines_free(&all);
	return status;
}
