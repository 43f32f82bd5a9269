/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints the results of the bench as a table with a block for each row, and as one JSON object. "—" (null) is a value that
 * was not or could not be measured.
 */
#include "bench/select/bench.h"

#include <math.h>
#include <string.h>

struct column {
	unsigned int metric;
	const char *head;
	int width, digits;
};

static const struct column columns[] = {
	{ M_REFUSED, "refused%", 9, 2 },  { M_SPLIT, "split%", 7, 2 },	    { M_NODES, "nodes", 7, 3 },
	{ M_WIDER, "now", 7, 3 },	  { M_DISTANCE, "dist", 7, 2 },	    { M_MULTI, "multi", 7, 2 },
	{ M_IMB_CPU, "imb.cpu", 8, 4 },	  { M_IMB_MEM, "imb.mem", 8, 4 },   { M_OVER_CPU, "overcpu%", 9, 2 },
	{ M_OVER_ROOM, "w/room%", 8, 2 }, { M_OVER_MEM, "overmem%", 9, 2 }, { M_CORES, "cores+", 7, 2 },
	{ M_LLCS, "llcs+", 7, 2 },	  { M_MEDIAN, "median us", 10, 1 }, { M_P99, "p99 us", 9, 1 },
	{ M_SPEED, "speed.m", 8, 4 },	  { M_SLOWEST, "slow.m", 7, 4 },    { M_SPEED + 1, "speed.f", 8, 4 },
	{ M_SLOWEST + 1, "slow.f", 7, 4 }, { M_SPEED + 2, "speed.l", 8, 4 }, { M_SLOWEST + 2, "slow.l", 7, 4 },
	{ M_SPEED + 3, "speed.n", 8, 4 }, { M_SLOWEST + 3, "slow.n", 7, 4 },
};
#define NCOLUMNS (sizeof(columns) / sizeof(columns[0]))

void row_name(const struct row *row, char *buf, size_t size)
{
	snprintf(buf, size, "%s/%u/%s%s/%s", row->machine->name, row->load, row->exclusive ? "exclusive" : "shared",
		 row->threads ? "-threads" : "", row->memory ? "cpu+mem" : "cpu");
}

static void report_value(FILE *out, const struct column *c, double v)
{
	if (isnan(v)) {
		fprintf(out, "%*s%s", c->width - 1, "", "—");
		return;
	}
	if (c->metric == M_MEDIAN || c->metric == M_P99)
		v /= 1000;
	fprintf(out, "%*.*f", c->width, c->digits, v);
}

void report_row(FILE *out, const struct row_results *r)
{
	char name[128];

	row_name(&r->row, name, sizeof(name));
	fprintf(out, "%s\n  %-28s", name, "rule");
	for (size_t i = 0; i < NCOLUMNS; i++)
		fprintf(out, "%*s", columns[i].width, columns[i].head);
	fputc('\n', out);
	for (unsigned int k = 0; k < nrules; k++) {
		const struct result *res = &r->result[k];

		if (!res->rule || (!res->ran && res->rule->memory_rows))
			continue;
		fprintf(out, "  %-27s%s", res->rule->name, res->stand_in && res->ran ? "*" : " ");
		for (size_t i = 0; i < NCOLUMNS; i++)
			report_value(out, &columns[i], res->ran ? res->value[columns[i].metric] : NAN);
		fputc('\n', out);
	}
	fputc('\n', out);
}

struct compared {
	double log_speed, log_slowest; /* sums of logarithms of ratios to tm-closest */
	unsigned int n;
	double worst_speed, worst_slowest; /* ratios to the best peer of a row */
	unsigned int slower, rows;	   /* rows slower than the best peer by over 0.5 or 1 % */
	char worst[128];
};

static bool comparable(const struct result *res, const struct result *to)
{
	return res->ran && res->value[M_REFUSED] <= to->value[M_REFUSED] + 0.5;
}

/* It over-commits only where it must. */
static bool keeps_room(const struct result *res, const struct result *to, bool exclusive)
{
	double memory = isnan(res->value[M_OVER_MEM]) ? 0 : res->value[M_OVER_MEM] - to->value[M_OVER_MEM];

	if (res->value[M_CORES] > to->value[M_CORES] + 0.5 && exclusive)
		return false; /* it gives no whole cores */
	return res->value[M_OVER_ROOM] <= to->value[M_OVER_ROOM] + 0.5 && memory <= 0.5;
}

/* The best of the peers in a row that refuse no more. */
static double best_peer(const struct row_results *r, const struct result *us, unsigned int metric)
{
	double best = 0;

	for (unsigned int k = 0; k < nrules; k++) {
		const struct result *res = &r->result[k];

		if (res->ran && (res->rule->kind == RULE_PEER || res->rule->kind == RULE_END) && comparable(res, us) && keeps_room(res, us, r->row.exclusive) &&
		    res->value[metric] > best)
			best = res->value[metric];
	}
	return best;
}

static void compare_row(const struct row_results *r, const struct result *us, const struct result *tm, struct compared *c)
{
	bool slower = false;

	for (unsigned int set = 0; set < MODEL_PARAMS; set++) {
		double speed = us->value[M_SPEED + set], slowest = us->value[M_SLOWEST + set], a, b;

		if (isnan(speed))
			continue;
		c->log_speed += log(speed / tm->value[M_SPEED + set]);
		c->log_slowest += log(slowest / tm->value[M_SLOWEST + set]);
		c->n++;
		a = speed / best_peer(r, us, M_SPEED + set);
		b = slowest / best_peer(r, us, M_SLOWEST + set);
		slower |= a < 0.995 || b < 0.99;
		if (a < c->worst_speed) {
			c->worst_speed = a;
			row_name(&r->row, c->worst, sizeof(c->worst));
		}
		c->worst_slowest = fmin(b, c->worst_slowest);
	}
	c->slower += slower;
	c->rows++;
}

void report_speed(FILE *out, const struct row_results *r, unsigned int n)
{
	unsigned int reference = 0;

	while (reference < nrules && strcmp(rules[reference].key, "tm-closest"))
		reference++;
	fprintf(out, "predicted speed, of Topology Manager + closest; rows slower than the best peer, and by how much at most\n");
	fprintf(out, "  %-28s%8s%8s%10s%8s%8s  %s\n", "rule", "mean", "slowest", "slower", "mean", "slowest", "worst row");
	for (unsigned int k = 0; k < nrules; k++) {
		struct compared c = { .worst_speed = INFINITY, .worst_slowest = INFINITY };

		for (unsigned int i = 0; i < n; i++)
			if (r[i].result && r[i].result[k].ran && r[i].result[reference].ran)
				compare_row(&r[i], &r[i].result[k], &r[i].result[reference], &c);
		if (c.n)
			fprintf(out, "  %-28s%8.4f%8.4f%5u/%-4u%8.4f%8.4f  %s\n", rules[k].name, exp(c.log_speed / c.n),
				exp(c.log_slowest / c.n), c.slower, c.rows, c.worst_speed, c.worst_slowest, c.worst);
	}
}

static void json_number(FILE *out, double v)
{
	if (isnan(v))
		fputs("null", out);
	else
		fprintf(out, "%.6g", v);
}

static void json_result(FILE *out, const struct result *res)
{
	fprintf(out, "\"%s\":", res->rule->key);
	if (!res->ran) {
		fputs("null", out);
		return;
	}
	fprintf(out, "{\"stand_in\":%s", res->stand_in ? "true" : "false");
	for (unsigned int m = 0; m < METRICS; m++) {
		fprintf(out, ",\"%s\":", metric_keys[m]);
		json_number(out, res->value[m]);
	}
	fputc('}', out);
}

void report_json(FILE *out, const struct row_results *r, unsigned int n, unsigned int seeds, unsigned int arrivals,
		 bool made)
{
	fprintf(out, "{\"seeds\":%u,\"arrivals\":%u,\"trace\":\"%s\",\"rows\":[", seeds, arrivals,
		made ? "made" : "openb");
	for (unsigned int i = 0; i < n; i++) {
		const struct row *row = &r[i].row;
		const char *comma = "";

		fprintf(out,
			"%s\n{\"machine\":\"%s\",\"load\":%u,\"exclusive\":%s,\"memory\":%s,\"occupancy\":\"%s\","
			"\"rules\":{",
			i ? "," : "", row->machine->name, row->load, row->exclusive ? "true" : "false",
			row->memory ? "true" : "false", row->poisson ? "offered" : "held");
		for (unsigned int k = 0; k < nrules; k++)
			if (r[i].result[k].rule) {
				fputs(comma, out);
				json_result(out, &r[i].result[k]);
				comma = ",";
			}
		fputs("}}", out);
	}
	fputs("\n]}\n", out);
}
