/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The picture of `numaplace map`.
 */
#ifndef NUMAPLACE_SVG_H
#define NUMAPLACE_SVG_H

#include "cli/map-load.h"

#include <stdio.h>

/* Draws the machine, for any number of nodes. Write errors stay in @f (ferror()). -ENOMEM. */
int svg_draw(const struct map *m, FILE *f, struct error *err);

#endif
