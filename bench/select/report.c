/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints the results of the bench as a table with a block for each row, and as one JSON object. "—" (null) is a value that
 * was not or could not be measured.
 */
#include "bench/select/bench.h"

#include <math.h>
#include <string.h>

struct column {
	enum metric metric;
	const char *head;
	int width, digits;
};

static const struct column columns[] = {
	{ M_REFUSED, "refused%", 9, 2 },  { M_SPLIT, "split%", 7, 2 },	    { M_NODES, "nodes", 7, 3 },
	{ M_WIDER, "now", 7, 3 },	  { M_DISTANCE, "dist", 7, 2 },	    { M_MULTI, "multi", 7, 2 },
	{ M_IMB_CPU, "imb.cpu", 8, 4 },	  { M_IMB_MEM, "imb.mem", 8, 4 },   { M_OVER_CPU, "overcpu%", 9, 2 },
	{ M_OVER_ROOM, "w/room%", 8, 2 }, { M_OVER_MEM, "overmem%", 9, 2 }, { M_CORES, "cores+", 7, 2 },
	{ M_LLCS, "llcs+", 7, 2 },	  { M_MEDIAN, "median us", 10, 1 }, { M_P99, "p99 us", 9, 1 },
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
