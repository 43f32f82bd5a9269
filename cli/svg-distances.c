/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * With many nodes, neighbours with equal distances to all others share a line.
 */
#include "cli/svg-distances.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define MATRIX_MOST 64      /* rows and columns of distances */
#define MATRIX_NOTE 460     /* width in pixels of the note below the distances */

/* From pale green (near) through yellow to red (far). */
static void distance_colour(double part, char *buf, size_t size)
{
	snprintf(buf, size, "hsl(%.0f,65%%,%.0f%%)", 130 - 130 * part, 84 - 14 * part);
}

static unsigned int distance(const struct svg_matrix *m, unsigned int from, unsigned int to)
{
	return numaplace_snapshot_distance(m->s, from, to);
}

static unsigned int id_of(const struct svg_matrix *m, unsigned int node)
{
	return numaplace_snapshot_node(m->s, node)->id;
}

/* Whether exchanging nodes @a and @b leaves the distance table unchanged. */
static bool are_alike(const struct svg_matrix *m, unsigned int a, unsigned int b)
{
	if (distance(m, a, b) != distance(m, b, a) || distance(m, a, a) != distance(m, b, b))
		return false;
	for (unsigned int i = 0; i < m->nnodes; i++)
		if (i != a && i != b &&
		    (distance(m, a, i) != distance(m, b, i) || distance(m, i, a) != distance(m, i, b)))
			return false;
	return true;
}

int svg_matrix_make(struct svg_matrix *m, const struct numaplace_snapshot *s)
{
	*m = (struct svg_matrix){ .s = s, .nnodes = numaplace_snapshot_machine(s)->nnodes };
	m->line = calloc(m->nnodes + 1, sizeof(*m->line));
	if (!m->line)
		return -ENOMEM;
	for (unsigned int i = 0; i < m->nnodes; i++) {
		bool shared = i && m->nnodes > MATRIX_MOST && id_of(m, i) == id_of(m, i - 1) + 1 &&
			      are_alike(m, i - 1, i);

		m->nlines += !shared;
		m->line[i] = m->nlines - 1;
	}
	if (m->nlines > MATRIX_MOST)
		m->nlines = 0;
	return 0;
}

static bool lines_shared(const struct svg_matrix *m)
{
	return m->nlines < m->nnodes;
}

static int matrix_cell(const struct svg_matrix *m)
{
	return m->nlines <= 16 ? 30 : lines_shared(m) ? 26 : 22;
}

/* Width of the row labels. */
static int matrix_margin(const struct svg_matrix *m)
{
	return lines_shared(m) ? 84 : 34;
}

int svg_matrix_width(const struct svg_matrix *m)
{
	int wide = matrix_margin(m) + (int)m->nlines * matrix_cell(m);

	return lines_shared(m) && wide < MATRIX_NOTE ? MATRIX_NOTE : wide;
}

int svg_matrix_height(const struct svg_matrix *m)
{
	return 34 + (m->nlines ? (int)m->nlines * matrix_cell(m) : 0) + (m->nlines && lines_shared(m) ? 20 : 0);
}

/* The nodes of line @k: *@first to the returned one. */
static unsigned int line_nodes(const struct svg_matrix *m, unsigned int k, unsigned int *first)
{
	unsigned int n = m->nnodes, i = 0;

	while (m->line[i] != k)
		i++;
	*first = i;
	while (i + 1 < n && m->line[i + 1] == k)
		i++;
	return i;
}

static void draw_axis(const struct svg_matrix *m, FILE *f, unsigned int k, int x, int y)
{
	int cell = matrix_cell(m), font = cell >= 30 ? 12 : 10;
	unsigned int first, last = line_nodes(m, k, &first);
	char label[24];

	snprintf(label, sizeof(label), first == last ? "%u" : "%u-%u", id_of(m, first), id_of(m, last));
	fprintf(f, "<text x='%d' y='%d' class='axis' font-size='%d' text-anchor='end'>%s</text>\n",
		x + matrix_margin(m) - 6, y + (int)k * cell + cell / 2 + font / 3, font, label);
	fprintf(f, "<text x='%d' y='%d' class='axis' font-size='%d' text-anchor='middle'>%u</text>\n",
		x + matrix_margin(m) + (int)k * cell + cell / 2, y - 6, font, id_of(m, first));
}

/* The distance from line @i to line @k; on the diagonal, that between nodes of the line. */
static void draw_distance(const struct svg_matrix *m, FILE *f, unsigned int i, unsigned int k, unsigned int far, int left,
			  int top)
{
	int cell = matrix_cell(m), font = cell >= 30 ? 12 : 10;
	unsigned int from, to, last = line_nodes(m, k, &to), d;
	char colour[40];

	line_nodes(m, i, &from);
	d = distance(m, from, i == k ? last : to);
	distance_colour(d > 10 ? ((double)d - 10) / (far - 10) : 0, colour, sizeof(colour));
	fprintf(f, "<rect x='%d' y='%d' width='%d' height='%d' fill='%s'/>\n", left, top, cell - 1, cell - 1,
		colour);
	fprintf(f, "<text x='%d' y='%d' class='axis' font-size='%d' text-anchor='middle'>%u</text>\n",
		left + cell / 2, top + cell / 2 + font / 3, font, d);
}

void svg_matrix_draw(const struct svg_matrix *m, FILE *f, int x, int y)
{
	int cell = matrix_cell(m), left = x + matrix_margin(m), top = y + 32;
	unsigned int far = 11;

	for (unsigned int i = 0; i < m->nnodes; i++)
		for (unsigned int k = 0; k < m->nnodes; k++)
			far = distance(m, i, k) > far ? distance(m, i, k) : far;
	fprintf(f, "<text x='%d' y='%d' class='name'>distances</text>\n", x, y);
	if (!m->nlines)
		fprintf(f, "<text x='%d' y='%d' class='small'>not drawn: too many different rows; numaplace topology --json "
			"has them</text>\n", x, y + 18);
	for (unsigned int i = 0; i < m->nlines; i++)
		draw_axis(m, f, i, x, top);
	for (unsigned int i = 0; i < m->nlines; i++)
		for (unsigned int k = 0; k < m->nlines; k++)
			draw_distance(m, f, i, k, far, left + (int)k * cell, top + (int)i * cell);
	if (m->nlines && lines_shared(m))
		fprintf(f, "<text x='%d' y='%d' class='small'>nodes of one row have equal distances to all others; on "
			"the diagonal, to each other</text>\n", x, top + (int)m->nlines * cell + 16);
}

void svg_matrix_free(struct svg_matrix *m)
{
	free(m->line);
}
