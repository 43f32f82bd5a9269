/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Draws the trade-off: imbalance on the x axis, distance on the y axis; less of both is better. A line joins best fit and
 * worst fit, the two ends. The curve of numaplace has every tenth step of select_policy.balance, with the default marked.
 */
#include "bench/select/bench.h"

#include "plugin/select/select.h"

#include <math.h>

#define WIDTH  1100
#define HEIGHT 600
#define LEFT   80
#define RIGHT  360
#define TOP    60
#define BOTTOM 60

struct frame {
	double x0, x1, y0, y1;
};

int curve_make(const struct row *row, const struct pods *pods, unsigned int arrivals, unsigned int seeds,
	       unsigned int step, struct curve *c)
{
	*c = (struct curve){ 0 };
	for (unsigned int balance = 0; balance <= 100 && c->n < 16; balance += step) {
		struct result res;
		int status = run_seeds(rule_find("numaplace"), row, pods, arrivals, seeds, (int)balance, &res);

		if (status)
			return status;
		c->p[c->n++] = (struct curve_point){ (int)balance, res.value[M_IMB_CPU], res.value[M_DISTANCE] };
	}
	return 0;
}

static void widen(struct frame *f, double x, double y)
{
	if (isnan(x) || isnan(y))
		return;
	f->x0 = fmin(f->x0, x);
	f->x1 = fmax(f->x1, x);
	f->y0 = fmin(f->y0, y);
	f->y1 = fmax(f->y1, y);
}

static double at_x(const struct frame *f, double x)
{
	return LEFT + (x - f->x0) / (f->x1 - f->x0) * (WIDTH - LEFT - RIGHT);
}

static double at_y(const struct frame *f, double y)
{
	return HEIGHT - BOTTOM - (y - f->y0) / (f->y1 - f->y0) * (HEIGHT - TOP - BOTTOM);
}

static void axes(FILE *out, const struct frame *f)
{
	fprintf(out, "<path d=\"M%d %dV%dH%d\" fill=\"none\" stroke=\"#444\"/>\n", LEFT, TOP, HEIGHT - BOTTOM,
		WIDTH - RIGHT);
	for (int i = 0; i <= 5; i++) {
		double x = f->x0 + (f->x1 - f->x0) * i / 5, y = f->y0 + (f->y1 - f->y0) * i / 5;

		fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.3f</text>\n", at_x(f, x),
			HEIGHT - BOTTOM + 18, x);
		fprintf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.2f</text>\n", LEFT - 6, at_y(f, y) + 4,
			y);
	}
	fprintf(out,
		"<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">imbalance of CPU (std-dev of free share over "
		"nodes)</text>\n",
		(LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16);
	fprintf(out,
		"<text transform=\"translate(22 %d) rotate(-90)\" text-anchor=\"middle\">mean CPU-weighted "
		"distance</text>\n",
		(TOP + HEIGHT - BOTTOM) / 2);
}

static bool inside(const struct frame *f, const struct result *r)
{
	double x = r->value[M_IMB_CPU], y = r->value[M_DISTANCE];

	return x >= f->x0 && x <= f->x1 && y >= f->y0 && y <= f->y1;
}

/* Numbers in the plot and a legend beside it, because the points are close together. */
static void mark(FILE *out, const struct frame *f, const struct result *r, unsigned int number, const char *label)
{
	const char *colour = r->rule->kind == RULE_OURS ? "#0a7" : "#36c";
	double x = r->value[M_IMB_CPU], y = r->value[M_DISTANCE];
	unsigned int line = TOP + 20 * number;

	fprintf(out, "<text x=\"%d\" y=\"%u\"><tspan fill=\"%s\">%u</tspan> %s: %.3f, %.2f%s</text>\n",
		WIDTH - RIGHT + 20, line, colour, number, label, x, y, inside(f, r) ? "" : " (outside)");
	if (!inside(f, r))
		return;
	fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/>", at_x(f, x), at_y(f, y), colour);
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"10\">%u</text>\n", at_x(f, x) + 5,
		at_y(f, y) - 4 - 9 * ((number % 2)), number);
}

static void ends(FILE *out, const struct frame *f, const struct row_results *r)
{
	const char *go = "M";

	fputs("<path d=\"", out);
	for (unsigned int k = 0; k < nrules; k++)
		if (r->result[k].ran && r->result[k].rule->kind == RULE_END) {
			fprintf(out, "%s%.1f %.1f", go, at_x(f, r->result[k].value[M_IMB_CPU]),
				at_y(f, r->result[k].value[M_DISTANCE]));
			go = "L";
		}
	fputs("\" stroke=\"#999\" stroke-dasharray=\"5 4\" fill=\"none\"/>\n", out);
}

static void ours(FILE *out, const struct frame *f, const struct curve *c)
{
	fputs("<path fill=\"none\" stroke=\"#0a7\" stroke-width=\"2\" d=\"", out);
	for (unsigned int i = 0; i < c->n; i++)
		fprintf(out, "%s%.1f %.1f", i ? "L" : "M", at_x(f, c->p[i].imbalance), at_y(f, c->p[i].distance));
	fputs("\"/>\n", out);
	for (unsigned int i = 0; i < c->n; i++)
		fprintf(out,
			"<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\" fill=\"#0a7\"><title>balance %d</title></circle>\n",
			at_x(f, c->p[i].imbalance), at_y(f, c->p[i].distance), c->p[i].balance);
	if (c->n) {
		const struct curve_point *a = &c->p[0], *b = &c->p[c->n - 1];

		fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" fill=\"#0a7\">%d</text>\n", at_x(f, a->imbalance) + 4,
			at_y(f, a->distance) + 16, a->balance);
		fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" fill=\"#0a7\">%d</text>\n", at_x(f, b->imbalance) - 16,
			at_y(f, b->distance) - 8, b->balance);
	}
}

void plot_svg(FILE *out, const struct row_results *r, const struct curve *c)
{
	struct frame f = { INFINITY, -INFINITY, INFINITY, -INFINITY };
	struct select_policy policy;
	char name[128], label[64];

	for (unsigned int k = 0; k < nrules; k++) /* rules far from the trade-off are only listed */
		if (r->result[k].ran && r->result[k].rule->kind == RULE_END)
			widen(&f, r->result[k].value[M_IMB_CPU], r->result[k].value[M_DISTANCE]);
	for (unsigned int i = 0; i < c->n; i++)
		widen(&f, c->p[i].imbalance, c->p[i].distance);
	if (!(f.x1 > f.x0) || !(f.y1 > f.y0)) /* one node: nothing to draw */
		f = (struct frame){ 0, 1, 0, 1 };
	widen(&f, f.x0 - (f.x1 - f.x0) / 10, f.y0 - (f.y1 - f.y0) / 10);
	widen(&f, f.x1 + (f.x1 - f.x0) / 10, f.y1 + (f.y1 - f.y0) / 5);
	row_name(&r->row, name, sizeof(name));
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
		"font-size=\"12\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/><text x=\"%d\" y=\"30\" "
		"font-size=\"16\">%s</text>\n",
		WIDTH, HEIGHT, LEFT, name);
	axes(out, &f);
	ends(out, &f, r);
	ours(out, &f, c);
	select_policy_init(&policy);
	snprintf(label, sizeof(label), "numaplace (balance %u)", policy.balance);
	for (unsigned int k = 0, number = 0; k < nrules; k++) {
		const struct result *res = &r->result[k];

		if (res->ran && !isnan(res->value[M_IMB_CPU]) && !isnan(res->value[M_DISTANCE]))
			mark(out, &f, res, ++number, res->rule->kind == RULE_OURS ? label : res->rule->name);
	}
	fputs("</svg>\n", out);
}
