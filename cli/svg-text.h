/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text for the drawings of `numaplace map`: always well-formed XML, and never wider than the available space.
 */
#ifndef NUMAPLACE_SVG_TEXT_H
#define NUMAPLACE_SVG_TEXT_H

#include <stddef.h>
#include <stdio.h>

/* Upper limit for the width in pixels of @n characters in @font pixels, with the widths of DejaVu Sans, a wide font. */
double svg_width(const char *text, size_t n, int font);

/* Writes text escaped for XML; anything but printable ASCII becomes a question mark. */
void svg_escaped(FILE *f, const char *text, size_t n);

/* Writes as much of the text as fits into @pixels, and two dots if that is not all. */
void svg_fitted(FILE *f, const char *text, int font, double pixels);

#endif
