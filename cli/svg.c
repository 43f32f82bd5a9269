/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine as a picture (SVG 1.1, no scripts, no links, fonts by family). Packages contain nodes, nodes last-level
 * caches, caches cores, and cores threads, coloured by container. Each node shows its memory below its cores; the
 * distances and the containers follow. A first pass measures and a second one draws, so that boxes fit their contents
 * and nothing overlaps.
 */
#include "cli/svg.h"

#include "cli/svg-distances.h"
#include "cli/svg-text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define PAD 14
#define NODE_WIDTH 244
#define INNER (NODE_WIDTH - 2 * PAD)
#define LOAD_WIDTH (INNER - 64) /* beside a node's name */
#define CORES_MOST 132 /* height in pixels above which cores are drawn smaller */
#define ENTRY_WIDTH 348
#define ENTRY_TEXT (ENTRY_WIDTH - 24 - 12)
#define ENTRY_HEIGHT 36
#define ENTRY_ROWS 24      /* containers in a column before another column begins */
#define LEGEND_WIDTH 1480  /* maximum width of a picture that is widened for these columns */

struct svg {
	const struct map *m;
	FILE *f;
	int cell;          /* width and height of a core, with the gap */
	int cores_height, node_height;
	int columns;       /* nodes side by side in a package */
	int packages_wide; /* packages side by side */
	int width;
	int legend_x, legend_columns; /* legend_x PAD: the containers are below the distances */
	struct svg_matrix distances;
	unsigned int npackages;
	struct package {
		unsigned int number, nnodes;
		bool memory_only;
	} *package;
};

/* --- text and colours --- */

/* A line of small text in a node, in a smaller font if it is too wide. */
static void put_small(FILE *f, int x, int y, const char *text)
{
	double wide = svg_width(text, strlen(text), 12);

	fprintf(f, "<text x='%d' y='%d' class='small'", x, y);
	if (wide > INNER)
		fprintf(f, " style='font-size:%.1fpx'", 12 * INNER / wide);
	fputs(">", f);
	svg_escaped(f, text, strlen(text));
	fputs("</text>\n", f);
}

/* Successive containers get very different hues; every second turn around the colour wheel is darker. */
static void container_colour(unsigned int k, char *buf, size_t size)
{
	unsigned int hue = (unsigned int)((k * 137508ULL + 210000) / 1000 % 360);

	snprintf(buf, size, "hsl(%u,%u%%,%u%%)", hue, k / 12 % 2 ? 45U : 62U, k / 6 % 2 ? 45U : 58U);
}

/* --- measuring --- */

static unsigned int cores_of(const struct topology *t, const struct topo_node *n, unsigned int first,
			     unsigned int llc, unsigned int *end)
{
	unsigned int cores = 0, i = first;

	for (; i < n->first_cpu + n->ncpus; i++) {
		bool seen = false;

		if (t->cpus[i].llc != llc)
			continue;
		for (unsigned int k = first; k < i && !seen; k++)
			seen = t->cpus[k].core == t->cpus[i].core;
		cores += !seen;
	}
	*end = i;
	return cores;
}

/* Whether CPU @i is the first of its cache within its node; likewise for its core. */
static bool first_of_llc(const struct topology *t, const struct topo_node *n, unsigned int i)
{
	for (unsigned int k = n->first_cpu; k < i; k++)
		if (t->cpus[k].llc == t->cpus[i].llc)
			return false;
	return true;
}

static bool first_of_core(const struct topology *t, const struct topo_node *n, unsigned int i)
{
	for (unsigned int k = n->first_cpu; k < i; k++)
		if (t->cpus[k].core == t->cpus[i].core)
			return false;
	return true;
}

/* Positions of the caches' blocks: left to right, then down. */
struct flow {
	int x, y, row_height;
};

struct block {
	int x, y, wide, high; /* pixels, with a margin around the grid of cores */
	int columns;
};

/* The next block, for @cores cores. */
static struct block flow_next(struct flow *flow, const struct svg *g, unsigned int cores)
{
	int most = (INNER - 4) / g->cell;
	int columns = (int)cores < most ? (int)cores : most;
	struct block b;

	/* nearly square blocks waste less space in a row */
	while (columns > 4 && columns * columns > 4 * (int)cores)
		columns--;
	b.columns = columns > 0 ? columns : 1;
	b.wide = b.columns * g->cell + 4;
	b.high = ((int)cores + b.columns - 1) / b.columns * g->cell + 4;
	if (flow->x && flow->x + b.wide > INNER) {
		flow->x = 0;
		flow->y += flow->row_height + 3;
		flow->row_height = 0;
	}
	b.x = flow->x;
	b.y = flow->y;
	flow->x += b.wide + 3;
	if (b.high > flow->row_height)
		flow->row_height = b.high;
	return b;
}

static int measure_node(const struct svg *g, const struct topo_node *n)
{
	const struct topology *t = g->m->s->topology;
	struct flow flow = { 0 };

	for (unsigned int i = n->first_cpu; i < n->first_cpu + n->ncpus; i++) {
		unsigned int end;

		if (first_of_llc(t, n, i))
			flow_next(&flow, g, cores_of(t, n, i, t->cpus[i].llc, &end));
	}
	return flow.y + flow.row_height;
}

static unsigned int huge_lines(const struct topology *t)
{
	unsigned int most = 0;

	for (unsigned int i = 0; i < t->nnodes; i++) {
		unsigned int lines = 0;

		for (unsigned int h = 0; h < t->nhuge; h++)
			lines += t->nodes[i].huge_total[h] > 0;
		most = lines > most ? lines : most;
	}
	return most;
}

/* Chooses the largest core size with which every node fits. */
static void measure_nodes(struct svg *g)
{
	static const int cells[] = { 30, 24, 20, 16, 13, 11, 9 };
	const struct topology *t = g->m->s->topology;

	for (size_t c = 0; c < ARRAY_SIZE(cells); c++) {
		g->cell = cells[c];
		g->cores_height = 0;
		for (unsigned int i = 0; i < t->nnodes; i++) {
			int high = measure_node(g, &t->nodes[i]);

			g->cores_height = high > g->cores_height ? high : g->cores_height;
		}
		if (g->cores_height <= CORES_MOST)
			break;
	}
	g->node_height = 34 + g->cores_height + 10 + 14 + 20 + 15 * (int)huge_lines(t) + 6;
}

static int find_packages(struct svg *g)
{
	const struct topology *t = g->m->s->topology;

	g->package = calloc(t->nnodes + 1, sizeof(*g->package));
	if (!g->package)
		return -ENOMEM;
	for (unsigned int i = 0; i < t->nnodes; i++) {
		bool memory_only = !t->nodes[i].ncpus;
		unsigned int number = memory_only ? 0 : t->nodes[i].package, p = 0;

		while (p < g->npackages &&
		       (g->package[p].number != number || g->package[p].memory_only != memory_only))
			p++;
		if (p == g->npackages)
			g->package[g->npackages++] =
				(struct package){ .number = number, .memory_only = memory_only };
		g->package[p].nnodes++;
	}
	return 0;
}

static int package_width(const struct svg *g)
{
	return g->columns * (NODE_WIDTH + PAD) + PAD;
}

static int package_height(const struct svg *g, const struct package *p)
{
	int rows = ((int)p->nnodes + g->columns - 1) / g->columns;

	return 30 + rows * (g->node_height + PAD);
}

/* Up to 4, 6 or 8 nodes side by side, depending on their number. All packages have the same width. */
static void measure_packages(struct svg *g)
{
	unsigned int nodes = g->m->s->topology->nnodes, most = 0;
	int across = nodes <= 16 ? 4 : nodes <= 36 ? 6 : 8;

	for (unsigned int p = 0; p < g->npackages; p++)
		most = g->package[p].nnodes > most ? g->package[p].nnodes : most;
	g->columns = 1;
	while (g->columns * g->columns < (int)most && g->columns < across)
		g->columns++;
	/* use one more column if that fills the last row */
	if ((int)most % g->columns && (int)most % (g->columns + 1) == 0 && g->columns < across)
		g->columns++;
	g->packages_wide = across / g->columns > 1 ? across / g->columns : 1;
	if (g->packages_wide > (int)g->npackages)
		g->packages_wide = (int)g->npackages;
	g->width = PAD + g->packages_wide * (package_width(g) + PAD);
	if (g->width < 760)
		g->width = 760;
}

/* --- drawing --- */

static void draw_thread(const struct svg *g, unsigned int i, double x, double y, double wide, double high)
{
	const struct map_cpu *c = &g->m->cpu[i];
	unsigned int shown = c->n < MAP_SHOWN ? c->n : MAP_SHOWN;
	char colour[40];

	if (!shown) {
		fprintf(g->f, "<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' class='idle'%s/>\n", x, y, wide, high,
			map_left_out(g->m, i) ? " style='opacity:.35'" : "");
		return;
	}
	for (unsigned int k = 0; k < shown; k++) {
		container_colour(c->who[k], colour, sizeof(colour));
		fprintf(g->f, "<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' fill='%s'/>\n",
			x + wide * k / shown, y, wide / shown, high, colour);
	}
}

/* Draws all threads of the core whose first CPU is @first, one below the other. */
static void draw_core(const struct svg *g, const struct topo_node *n, unsigned int first, int x, int y)
{
	const struct topology *t = g->m->s->topology;
	unsigned int threads = 0, k = 0;
	double size = g->cell - (g->cell > 12 ? 3 : 2);

	for (unsigned int i = first; i < n->first_cpu + n->ncpus; i++)
		threads += t->cpus[i].core == t->cpus[first].core;
	for (unsigned int i = first; i < n->first_cpu + n->ncpus; i++) {
		if (t->cpus[i].core != t->cpus[first].core)
			continue;
		draw_thread(g, i, x, y + size * k / threads, size, size / threads - (k + 1 < threads ? 0.7 : 0));
		k++;
	}
}

static void draw_cores(const struct svg *g, const struct topo_node *n, int x, int y)
{
	const struct topology *t = g->m->s->topology;
	struct flow flow = { 0 };

	for (unsigned int i = n->first_cpu; i < n->first_cpu + n->ncpus; i++) {
		unsigned int end, at = 0;
		struct block b;

		if (!first_of_llc(t, n, i))
			continue;
		b = flow_next(&flow, g, cores_of(t, n, i, t->cpus[i].llc, &end));
		fprintf(g->f, "<rect x='%d' y='%d' width='%d' height='%d' rx='3' class='llc'/>\n", x + b.x, y + b.y,
			b.wide, b.high);
		for (unsigned int k = i; k < n->first_cpu + n->ncpus; k++) {
			if (t->cpus[k].llc != t->cpus[i].llc || !first_of_core(t, n, k))
				continue;
			draw_core(g, n, k, x + b.x + 3 + (int)at % b.columns * g->cell,
				  y + b.y + 3 + (int)at / b.columns * g->cell);
			at++;
		}
	}
}

/* A bar of the memory taken; the coloured part at its top is what placed containers requested. */
static void draw_memory(const struct svg *g, const struct topo_node *n, int x, int y)
{
	double total = n->mem_total ? (double)n->mem_total : 1, at = 0;
	char size[32], avail[32], colour[40], line[80];

	if (!n->mem_known || !n->mem_total) {
		put_small(g->f, x, y + 28, n->mem_known ? "no memory" : "memory not known");
		return;
	}
	fprintf(g->f, "<rect x='%d' y='%d' width='%d' height='14' class='memory'/>\n", x, y, INNER);
	fprintf(g->f, "<rect x='%d' y='%d' width='%.1f' height='14' class='taken'/>\n", x, y,
		INNER * (1 - (double)n->mem_free / total));
	for (unsigned int k = 0; k < g->m->s->n; k++) {
		const struct share *s = &g->m->s->record[k]->placement.share;

		for (unsigned int i = 0; i < s->nmem; i++) {
			double part = (double)s->mem[i].memory / total;

			if (s->mem[i].id != n->id || !s->mem[i].memory || at >= 1)
				continue;
			part = at + part > 1 ? 1 - at : part;
			container_colour(k, colour, sizeof(colour));
			fprintf(g->f, "<rect x='%.1f' y='%d' width='%.1f' height='6' fill='%s'/>\n", x + INNER * at,
				y + 1, INNER * part, colour);
			at += part;
		}
	}
	size_human(n->mem_total, size, sizeof(size));
	size_human(n->mem_free, avail, sizeof(avail));
	snprintf(line, sizeof(line), "%s of %s free", avail, size);
	put_small(g->f, x, y + 28, line);
}

static void draw_hugepages(const struct svg *g, const struct topo_node *n, int x, int y)
{
	const struct topology *t = g->m->s->topology;
	char size[32], line[120];

	for (unsigned int h = 0; h < t->nhuge; h++) {
		if (!n->huge_total[h])
			continue;
		size_human(t->huge_size[h], size, sizeof(size));
		snprintf(line, sizeof(line), "%s pages: %" PRIu64 " of %" PRIu64 " free", size, n->huge_free[h],
			 n->huge_total[h]);
		put_small(g->f, x, y, line);
		y += 15;
	}
}

/* Load to the right of the node's name, in a smaller font if it is too wide. */
static void put_load(const struct svg *g, unsigned int i, int x, int y, const char *class)
{
	struct left_out_text load = map_load_text(g->m, i, " CPUs");
	double wide = svg_width(load.text, strlen(load.text), 12);

	fprintf(g->f, "<text x='%d' y='%d' class='%s' text-anchor='end'", x, y, class);
	if (wide > LOAD_WIDTH)
		fprintf(g->f, " style='font-size:%.1fpx'", 12 * LOAD_WIDTH / wide);
	fprintf(g->f, ">%s</text>\n", load.text);
}

static void draw_node(const struct svg *g, unsigned int i, int x, int y)
{
	const struct topo_node *n = &g->m->s->topology->nodes[i];
	double load = map_load(g->m, i);
	int inner = x + PAD, memory = y + 34 + g->cores_height + 10;

	fprintf(g->f, "<g class='node' id='node%u'>\n<rect x='%d' y='%d' width='%d' height='%d' rx='6' class='box'/>\n",
		n->id, x, y, NODE_WIDTH, g->node_height);
	fprintf(g->f, "<text x='%d' y='%d' class='name'>node %u</text>\n", inner, y + 22, n->id);
	if (n->ncpus)
		put_load(g, i, x + NODE_WIDTH - PAD, y + 22, load > 1 ? "hot" : "small");
	else
		fprintf(g->f, "<text x='%d' y='%d' class='small' text-anchor='end'>%s%s</text>\n",
			x + NODE_WIDTH - PAD, y + 22,
			n->memory_kind > MEMORY_ORDINARY ? memory_kind_name(n->memory_kind) : "memory only",
			n->memory_kind > MEMORY_ORDINARY ? " memory, no CPUs" : "");
	draw_cores(g, n, inner, y + 34);
	draw_memory(g, n, inner, memory);
	draw_hugepages(g, n, inner, memory + 43);
	fputs("</g>\n", g->f);
}

static void draw_package(const struct svg *g, const struct package *p, int x, int y)
{
	const struct topology *t = g->m->s->topology;
	int at = 0;

	fprintf(g->f, "<rect x='%d' y='%d' width='%d' height='%d' rx='8' class='package'/>\n", x, y, package_width(g),
		package_height(g, p));
	if (p->memory_only)
		fprintf(g->f, "<text x='%d' y='%d' class='small'>memory without CPUs</text>\n", x + PAD, y + 20);
	else
		fprintf(g->f, "<text x='%d' y='%d' class='small'>package %u</text>\n", x + PAD, y + 20, p->number);
	for (unsigned int i = 0; i < t->nnodes; i++) {
		bool ours = p->memory_only ? !t->nodes[i].ncpus :
					     t->nodes[i].ncpus && t->nodes[i].package == p->number;

		if (!ours)
			continue;
		draw_node(g, i, x + PAD + at % g->columns * (NODE_WIDTH + PAD),
			  y + 30 + at / g->columns * (g->node_height + PAD));
		at++;
	}
}

/* The height of all packages; draws them if @draw. */
static int packages(const struct svg *g, int y, bool draw)
{
	int row = 0, top = y;

	for (unsigned int p = 0; p < g->npackages; p++) {
		int column = (int)p % g->packages_wide, high = package_height(g, &g->package[p]);

		if (column == 0 && p) {
			y += row + PAD;
			row = 0;
		}
		row = high > row ? high : row;
		if (draw)
			draw_package(g, &g->package[p], PAD + column * (package_width(g) + PAD), y);
	}
	return y + row - top;
}

/* --- distances and containers --- */

/*
 * The two lists share the remaining width. Memory nodes, usually shorter, get up to half of it; the CPUs get the rest.
 */
static void put_lists(const struct svg *g, const struct record *r)
{
	char cpus[IDSET_TEXT_MAX], mems[NODESET_TEXT_MAX], head[sizeof(r->runtime) + 16];
	double room, half, wide;

	idset_format(&r->placement.share.cpus, cpus, sizeof(cpus));
	nodeset_format(&r->placement.mems, mems, sizeof(mems));
	snprintf(head, sizeof(head), "%s, CPUs ", r->runtime);
	room = ENTRY_TEXT - svg_width(head, strlen(head), 11) - svg_width(", memory ", 9, 11);
	half = room / 2;
	wide = svg_width(mems, strlen(mems), 11);
	wide = wide < half ? wide : half;
	svg_escaped(g->f, head, strlen(head));
	svg_fitted(g->f, *cpus ? cpus : "-", 11, room - wide);
	fputs(", memory ", g->f);
	svg_fitted(g->f, *mems ? mems : "-", 11, half);
}

static void draw_container(const struct svg *g, unsigned int k, int x, int y)
{
	const struct record *r = g->m->s->record[k];
	char colour[40];

	container_colour(k, colour, sizeof(colour));
	fputs("<g class='container' data-id='", g->f);
	svg_escaped(g->f, r->id, strlen(r->id));
	fprintf(g->f, "'>\n<rect x='%d' y='%d' width='16' height='26' rx='3' fill='%s'/>\n", x, y, colour);
	fprintf(g->f, "<text x='%d' y='%d' class='entry'>", x + 24, y + 11);
	svg_fitted(g->f, r->id, 13, ENTRY_TEXT);
	fprintf(g->f, "</text>\n<text x='%d' y='%d' class='detail'>", x + 24, y + 25);
	put_lists(g, r);
	fputs("</text>\n</g>\n", g->f);
}

/* Puts the containers to the right of the distances if they fit, or fit after widening the picture; else below. */
static void measure_legend(struct svg *g)
{
	int n = (int)g->m->s->n, wanted = (n + ENTRY_ROWS - 1) / ENTRY_ROWS, right = PAD + svg_matrix_width(&g->distances) + 40;
	int most = g->width > LEGEND_WIDTH ? g->width : LEGEND_WIDTH, needed = right + wanted * ENTRY_WIDTH + PAD;

	g->legend_x = needed <= most ? right : PAD;
	if (g->legend_x == right && needed > g->width)
		g->width = needed;
	if (g->width < svg_matrix_width(&g->distances) + 2 * PAD)
		g->width = svg_matrix_width(&g->distances) + 2 * PAD;
	g->legend_columns = (g->width - g->legend_x - PAD) / ENTRY_WIDTH;
	if (g->legend_columns > wanted && g->legend_x == right)
		g->legend_columns = wanted;
	if (g->legend_columns < 1)
		g->legend_columns = 1;
}

/* The height of distances and containers; draws them if @draw. */
static int legend(const struct svg *g, int y, bool draw)
{
	int x = g->legend_x, bottom = y + svg_matrix_height(&g->distances), top = x == PAD ? bottom + 44 : y;
	int rows = ((int)g->m->s->n + g->legend_columns - 1) / g->legend_columns;

	if (draw)
		svg_matrix_draw(&g->distances, g->f, PAD, y + 12);
	if (draw && g->m->s->n)
		fprintf(g->f, "<text x='%d' y='%d' class='name'>containers</text>\n", x, top + 12);
	for (unsigned int k = 0; draw && k < g->m->s->n; k++)
		draw_container(g, k, x + (int)k / rows * ENTRY_WIDTH, top + 24 + (int)k % rows * ENTRY_HEIGHT);
	top += 24 + rows * ENTRY_HEIGHT;
	return (top > bottom ? top : bottom) + 20 - y;
}

static void draw_head(const struct svg *g, int height)
{
	const struct topology *t = g->m->s->topology;

	fprintf(g->f,
		"<?xml version='1.0' encoding='UTF-8'?>\n"
		"<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' viewBox='0 0 %d %d' "
		"font-family='DejaVu Sans, Verdana, Helvetica, sans-serif'>\n"
		"<title>numaplace map</title>\n<style>\n"
		"text{fill:#1f2933}\n"
		".title{font-size:18px;font-weight:bold}\n"
		".name{font-size:14px;font-weight:bold}\n"
		".small{font-size:12px;fill:#52606d}\n"
		".hot{font-size:12px;fill:#c81e1e;font-weight:bold}\n"
		".entry{font-size:13px}\n"
		".detail{font-size:11px;fill:#52606d}\n"
		".axis{fill:#323f4b}\n"
		".package{fill:#f5f7fa;stroke:#9aa5b1}\n"
		".box{fill:#ffffff;stroke:#7b8794}\n"
		".llc{fill:#eef2f6;stroke:#cbd2d9}\n"
		".idle{fill:#d5dce3}\n"
		".memory{fill:#ffffff;stroke:#9aa5b1}\n"
		".taken{fill:#b8c4ce}\n"
		"</style>\n<rect width='%d' height='%d' fill='#ffffff'/>\n",
		g->width, height, g->width, height, g->width, height);
	fprintf(g->f, "<text x='%d' y='32' class='title'>%u node%s, %u CPUs, %u container%s</text>\n", PAD, t->nnodes,
		t->nnodes == 1 ? "" : "s", t->ncpus, g->m->s->n, g->m->s->n == 1 ? "" : "s");
	fprintf(g->f,
		"<text x='%d' y='52' class='small'>a square: a core, its threads one below the other; "
		"a bar: memory taken, in colour what was requested</text>\n",
		PAD);
	if (g->m->worst > 0)
		fprintf(g->f, "<text x='%d' y='70' class='small'>highest load of a node over the mean: %.2f</text>\n", PAD,
			g->m->worst);
}

int svg_draw(const struct map *m, FILE *f, struct error *err)
{
	struct svg g = { .m = m, .f = f };
	int below, top = m->worst > 0 ? 84 : 66;

	if (find_packages(&g) < 0 || svg_matrix_make(&g.distances, m->s->topology) < 0) {
		free(g.package);
		return error_set(err, -ENOMEM, "out of memory");
	}
	measure_nodes(&g);
	measure_packages(&g);
	measure_legend(&g);
	below = top + packages(&g, top, false) + 24;
	draw_head(&g, below + legend(&g, below, false));
	packages(&g, top, true);
	legend(&g, below, true);
	fputs("</svg>\n", f);
	free(g.package);
	svg_matrix_free(&g.distances);
	return 0;
}
