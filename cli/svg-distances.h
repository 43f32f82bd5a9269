/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of distances in the drawing of `numaplace map`.
 */
#ifndef NUMAPLACE_SVG_DISTANCES_H
#define NUMAPLACE_SVG_DISTANCES_H

#include "include/numaplace.h"

#include <stdio.h>

struct svg_matrix {
	const struct numaplace_snapshot *s;
	unsigned int nnodes;
	unsigned int *line;  /* by node: its row and column */
	unsigned int nlines; /* 0: too many, and not drawn */
};

/* -ENOMEM; free it with svg_matrix_free(), after a failure, too. */
int svg_matrix_make(struct svg_matrix *m, const struct numaplace_snapshot *s);
void svg_matrix_free(struct svg_matrix *m);

/* In pixels. */
int svg_matrix_width(const struct svg_matrix *m);
int svg_matrix_height(const struct svg_matrix *m);

void svg_matrix_draw(const struct svg_matrix *m, FILE *f, int x, int y);

#endif
