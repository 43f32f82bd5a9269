/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verbs' output: JSON for scripts, aligned tables for people. JSON is well-formed with any text in it. A table
 * passes no control characters to the terminal.
 */
#ifndef NUMAPLACE_OUT_H
#define NUMAPLACE_OUT_H

#include "plugin/base/idset.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* --- JSON: one value per call; @key NULL inside an array and for the outermost --- */

struct out {
	FILE *file;
	bool comma;        /* this object or array has a value already */
	unsigned int depth;
	uint64_t arrays;   /* one bit per depth: it is an array */
};
#define JSON_OUT(stream) ((struct out){ .file = (stream) })

void out_object(struct out *o, const char *key);
void out_array(struct out *o, const char *key);
/* Ends the innermost object or array; prints a newline after the outermost. */
void out_end(struct out *o);
void out_string(struct out *o, const char *key, const char *value);
void out_uint(struct out *o, const char *key, uint64_t value);
void out_number(struct out *o, const char *key, double value); /* three decimal places */
void out_bool(struct out *o, const char *key, bool value);
void out_list(struct out *o, const char *key, const struct idset *s);  /* "0-3,8" */
void out_comma(struct out *o, const char *key, const struct idset *s); /* "0,1" */

/* --- tables --- */

struct table {
	FILE *file;
	bool colour;         /* print the heading in bold */
	bool failed;         /* no memory for a cell */
	unsigned int ncolumns;
	const char *align;   /* one letter per column: l, r */
	char **cells;        /* row by row; the first row is the heading */
	size_t ncells, room;
};

/* Keeps a pointer to @align. Uses colour on a terminal unless NO_COLOR is set. */
void table_init(struct table *t, FILE *file, const char *align);
void table_cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A container's id; 64 hex digits are shortened to 12, as container engines do. out_id_length(): a maximum length. */
#define OUT_ID_SHORT 12
int out_id_length(const char *id);
void table_id(struct table *t, const char *id);
void table_list(struct table *t, const struct idset *s);
void table_comma(struct table *t, const struct idset *s);
/* false: not enough memory, and nothing was printed. */
bool table_print(const struct table *t);

void table_free(struct table *t);
#define cleanup_table __attribute__((cleanup(table_free)))

#endif
