/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Collects all cells and prints them at the end, when the widths are known. Errors of the stream stay in it (ferror());
 * main() checks for them.
 */
#include "cli/table.h"

#include "cli/term.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void table_init(struct table *t, FILE *file, const char *align)
{
	*t = (struct table){
		.file = file, .align = align, .ncolumns = (unsigned int)strlen(align), .colour = term_colour(file)
	};
}

/* Takes ownership of @text; NULL: an allocation failed. */
static void add_cell(struct table *t, char *text)
{
	if (!text)
		t->failed = true;
	if (t->ncells == t->room) {
		size_t room = t->room ? t->room * 2 : 64;
		char **cells = reallocarray(t->cells, room, sizeof(*cells));

		if (!cells) {
			free(text);
			t->failed = true;
			return;
		}
		t->cells = cells;
		t->room = room;
	}
	t->cells[t->ncells++] = text;
}

void table_cell(struct table *t, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	/* non-ASCII, too: its width on the terminal is unknown */
	for (char *c = text; c && *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	add_cell(t, text);
}

int table_id_length(const char *id)
{
	return strspn(id, "0123456789abcdef") == 64 && !id[64] ? TABLE_ID_SHORT : INT_MAX;
}

void table_id(struct table *t, const char *id)
{
	table_cell(t, "%.*s", table_id_length(id), id);
}

void table_list(struct table *t, struct ids s)
{
	char text[IDSET_TEXT_MAX];

	ids_format(s, text, sizeof(text));
	table_cell(t, "%s", *text ? text : "-");
}

void table_comma(struct table *t, struct ids s)
{
	char text[IDSET_TEXT_MAX];

	ids_format_comma(s, text, sizeof(text));
	table_cell(t, "%s", *text ? text : "-");
}

static int column_width(const struct table *t, unsigned int column)
{
	size_t width = 0;

	for (size_t i = column; i < t->ncells; i += t->ncolumns)
		if (strlen(t->cells[i]) > width)
			width = strlen(t->cells[i]);
	return (int)width;
}

int table_print(const struct table *t, struct error *err)
{
	cleanup_free int *width = calloc(t->ncolumns, sizeof(*width));

	if (t->failed || !width)
		return error_set(err, -ENOMEM, "out of memory");
	for (unsigned int c = 0; c < t->ncolumns; c++)
		width[c] = column_width(t, c);
	for (size_t i = 0; i < t->ncells; i++) {
		unsigned int c = (unsigned int)(i % t->ncolumns);
		bool last = c == t->ncolumns - 1;

		if (c)
			fputs("  ", t->file);
		else if (i == 0 && t->colour)
			fputs("\033[1m", t->file);
		if (t->align[c] == 'r')
			fprintf(t->file, "%*s", width[c], t->cells[i]);
		else
			fprintf(t->file, "%-*s", last ? 0 : width[c], t->cells[i]);
		if (last)
			fputs(t->colour && i < t->ncolumns ? "\033[0m\n" : "\n", t->file);
	}
	return 0;
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->ncells; i++)
		free(t->cells[i]);
	free(t->cells);
}
