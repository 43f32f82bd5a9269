/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text for the drawings of `numaplace map`: whatever is in it, the XML stays
 * well-formed, and it is as wide as it may be and no wider.
 */
#ifndef NUMAPLACE_SVG_TEXT_H
#define NUMAPLACE_SVG_TEXT_H

#include <stddef.h>
#include <stdio.h>

/* Pixels that @n characters of @text take at most, of @font pixels: the widths of DejaVu Sans, one of the widest. */
double svg_width(const char *text, size_t n, int font);

/* For XML: what is not printable ASCII, and so might be no character at all, becomes a question mark. */
void svg_escaped(FILE *f, const char *text, size_t n);

/* As much of it as @pixels have room for, and two dots where that is not all. */
void svg_fitted(FILE *f, const char *text, int font, double pixels);

#endif
