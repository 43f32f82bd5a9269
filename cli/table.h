/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Aligned tables for people. No control character passes to the terminal, whatever a cell contains.
 */
#ifndef NUMAPLACE_TABLE_H
#define NUMAPLACE_TABLE_H

#include "plugin/base/error.h"
#include "plugin/base/idset.h"

#include <stdbool.h>
#include <stdio.h>

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
/* A container's id; 64 hex digits are shortened to 12, as container engines do. table_id_length(): a maximum length. */
#define TABLE_ID_SHORT 12
int table_id_length(const char *id);
void table_id(struct table *t, const char *id);
void table_list(struct table *t, struct ids s);
void table_comma(struct table *t, struct ids s);
/* -ENOMEM, also if there was no memory for a cell: then nothing is printed. */
int table_print(const struct table *t, struct error *err);

void table_free(struct table *t);
#define cleanup_table __attribute__((cleanup(table_free)))

#endif
