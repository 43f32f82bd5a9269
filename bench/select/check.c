/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Checks the promises of the comparison for each row, as TAP. Tolerances for noise over seeds: 1 % of a mean, 3 % of the
 * distance on several nodes, 0.5 % of the arrivals for refusals. The strongest peer is the Topology Manager of the kubelet
 * with its option for near nodes; in rows with memory, together with its memory manager. Without the memory manager it
 * over-commits memory, so those numbers are printed as a comment and not checked.
 */
#include "bench/select/bench.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

static unsigned int tests, failures;

static void tap(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void tap(bool ok, const char *fmt, ...)
{
	va_list ap;

	printf("%s %u - ", ok ? "ok" : "not ok", ++tests);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	failures += !ok;
}

static const struct result *result_of(const struct row_results *r, const char *key)
{
	for (unsigned int k = 0; k < nrules; k++)
		if (r->result[k].ran && strcmp(r->result[k].rule->key, key) == 0)
			return &r->result[k];
	return NULL;
}

/* The metrics that must not be worse than those of the peer, and their tolerances. */
static const struct limit {
	enum metric metric;
	double factor, plus;
} limits[] = {
	{ M_REFUSED, 1, 0.5 },	   { M_DISTANCE, 1.01, 0 },   { M_MULTI, 1.03, 0 },
	{ M_IMB_CPU, 1.01, 1e-6 }, { M_IMB_MEM, 1.01, 1e-6 },
};
#define NLIMITS (sizeof(limits) / sizeof(limits[0]))

static bool over(double v)
{
	return !isnan(v) && v > 0;
}

static bool keeps_promises(const struct result *res)
{
	return !over(res->value[M_SPLIT]) && !over(res->value[M_OVER_ROOM]) && !over(res->value[M_OVER_MEM]);
}

static void check_promises(const char *row, const struct result *us)
{
	tap(!over(us->value[M_SPLIT]), "%s: no split although one node fitted (%.3f %%)", row, us->value[M_SPLIT]);
	tap(!over(us->value[M_OVER_ROOM]), "%s: no CPU over-committed while some set has room (%.3f %%)", row,
	    us->value[M_OVER_ROOM]);
	if (!isnan(us->value[M_OVER_MEM]))
		tap(!over(us->value[M_OVER_MEM]), "%s: no memory over-committed (%.3f %%)", row, us->value[M_OVER_MEM]);
}

static void compare(const char *row, const struct result *us, const struct result *peer, bool binding)
{
	for (size_t i = 0; i < NLIMITS; i++) {
		const struct limit *l = &limits[i];
		double a = us->value[l->metric], b = peer->value[l->metric];
		bool ok = a <= b * l->factor + l->plus;

		if (isnan(a) || isnan(b))
			continue;
		if (binding)
			tap(ok, "%s: %s %.4f, %s %.4f (refused %.1f and %.1f %%)", row, metric_keys[l->metric], a,
			    peer->rule->key, b, us->value[M_REFUSED], peer->value[M_REFUSED]);
		else if (!ok)
			printf("# not checked: %s: %s %.4f, %s %.4f\n", row, metric_keys[l->metric], a, peer->rule->key,
			       b);
	}
}

/* Comparisons on the containers that a peer with more refusals placed: the number made, and of those not held. */
static unsigned int let_in, let_in_worse;

/*
 * A rule that refuses more containers keeps those that are easier to place. If the peer refuses more, the result of
 * numaplace for the containers that the peer placed is printed, too. This does not change the checks.
 */
static void tell_let_in(const char *row, const struct row_results *r, const struct result *peer,
			const struct check_options *o)
{
	const struct result *us = result_of(r, "numaplace");
	struct result alike;

	if (peer->value[M_REFUSED] <= us->value[M_REFUSED] + limits[0].plus)
		return;
	if (run_let_in(us->rule, peer->rule, &r->row, o->pods, o->arrivals, o->seeds, &alike))
		return;
	for (size_t i = 0; i < NLIMITS; i++) {
		const struct limit *l = &limits[i];
		double a = alike.value[l->metric], b = l->metric == M_REFUSED ? 0 : peer->value[l->metric];

		if (isnan(a) || isnan(b))
			continue;
		let_in++;
		if (a <= b * l->factor + l->plus)
			continue;
		let_in_worse++;
		printf("# of the containers that it placed: %s: %s %.4f, %s %.4f\n", row, metric_keys[l->metric], a, peer->rule->key, b);
	}
}

/* No rule that keeps the promises is better than numaplace in all metrics at once. */
static void check_dominated(const char *row, const struct row_results *r, const struct result *us)
{
	const char *who = NULL;

	for (unsigned int k = 0; k < nrules; k++) {
		const struct result *res = &r->result[k];
		bool better = res->ran && res != us && res->rule->kind < RULE_MODEL && keeps_promises(res);

		for (size_t i = 0; i < NLIMITS && better; i++) {
			double a = res->value[limits[i].metric], b = us->value[limits[i].metric];

			better = isnan(a) || isnan(b) || a < b;
		}
		if (better && !isnan(us->value[M_IMB_CPU]))
			who = res->rule->key;
	}
	tap(!who, "%s: no rule that keeps the promises is better in all%s%s", row, who ? ": " : "", who ? who : "");
}

/* The shortest distance on our curve at this imbalance or less; NAN: the curve does not reach it. */
static double curve_at(const struct curve *c, double x)
{
	double best = NAN;

	for (unsigned int i = 0; i < c->n; i++) {
		const struct curve_point *p = &c->p[i];

		if (p->imbalance <= x && !(best <= p->distance))
			best = p->distance;
		for (unsigned int j = 0; j < c->n; j++) { /* between two neighbours on it */
			const struct curve_point *q = &c->p[j];
			double y;

			if (j != i + 1 || (p->imbalance - x) * (q->imbalance - x) >= 0)
				continue;
			y = p->distance +
			    (q->distance - p->distance) * (x - p->imbalance) / (q->imbalance - p->imbalance);
			if (!(best <= y))
				best = y;
		}
	}
	return best;
}

static void check_curve(const char *row, const struct row_results *r, const struct check_options *o)
{
	const struct result *best = result_of(r, "best-fit"), *worst = result_of(r, "worst-fit");
	struct curve c;
	double x0, x1, lost = -INFINITY, where = NAN, least = INFINITY;

	if (!best || !worst)
		return;
	x0 = worst->value[M_IMB_CPU];
	x1 = best->value[M_IMB_CPU];
	if (!(x1 > x0 * 1.01) || !(worst->value[M_DISTANCE] > best->value[M_DISTANCE])) {
		printf("# %s: best fit and worst fit are no ends of a trade here\n", row);
		return;
	}
	if (curve_make(&r->row, o->pods, o->arrivals, o->seeds, 10, &c))
		return;
	for (int i = 1; i < 20; i++) { /* between: at its end each is as good as itself */
		double x = x0 + (x1 - x0) * i / 20, y = curve_at(&c, x);
		double line = worst->value[M_DISTANCE] + (best->value[M_DISTANCE] - worst->value[M_DISTANCE]) * i / 20;
		double gap = isnan(y) ? INFINITY : y - line;

		if (gap > lost) {
			lost = gap;
			where = x;
		}
	}
	for (unsigned int i = 0; i < c.n; i++)
		least = fmin(least, c.p[i].imbalance);
	if (isinf(lost))
		tap(false,
		    "%s: our curve below the line of best and worst fit: it ends at imbalance %.4f, they at %.4f", row,
		    least, x0);
	else
		tap(lost <= 0, "%s: our curve below the line of best and worst fit (%+.4f at imbalance %.4f)", row,
		    lost, where);
}

unsigned int check_rows(const struct row_results *r, unsigned int n, const struct check_options *o)
{
	double ratio_sum = 0;
	unsigned int ratios = 0;

	for (unsigned int i = 0; i < n; i++) {
		const struct result *us = result_of(&r[i], "numaplace"), *tm = result_of(&r[i], "tm-closest");
		const struct result *mm = result_of(&r[i], "tm-closest-mm");
		char row[128];

		if (!us || !tm)
			continue;
		row_name(&r[i].row, row, sizeof(row));
		check_promises(row, us);
		compare(row, us, tm, !r[i].row.memory);
		if (mm)
			compare(row, us, mm, true);
		if (mm)
			tell_let_in(row, &r[i], mm, o);
		if (!isnan(us->value[M_IMB_CPU]) && tm->value[M_IMB_CPU] > 0) {
			ratio_sum += us->value[M_IMB_CPU] / tm->value[M_IMB_CPU];
			ratios++;
		}
		check_dominated(row, &r[i], us);
		if (o->curves)
			check_curve(row, &r[i], o);
		fflush(stdout);
	}
	printf("# where the kubelet refuses more, for the containers that it placed: %u of %u comparisons not held\n",
	       let_in_worse, let_in);
	if (ratios)
		tap(ratio_sum / ratios <= 0.9, "imbalance of CPU is on average %.1f %% of tm-closest's, over %u rows",
		    100 * ratio_sum / ratios, ratios);
	printf("1..%u\n", tests);
	return failures;
}
