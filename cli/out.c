/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes JSON and tables. Errors of the stream stay in it (ferror()); main() checks for them at the end.
 */
#include "cli/out.h"

#include "plugin/base/util.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The code point of the @len bytes at @s. */
static unsigned long code_point(const unsigned char *s, size_t len)
{
	unsigned long code = len == 1 ? *s : *s & (0xffU >> (len + 1));

	for (size_t i = 1; i < len; i++)
		code = code << 6 | (s[i] & 0x3f);
	return code;
}

/* Escapes everything but ASCII: JSON is read on terminals, too. */
static void write_string(FILE *f, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	putc('"', f);
	while (*s) {
		size_t len = utf8_length((const char *)s);
		unsigned long code = len ? code_point(s, len) : 0xfffd;

		if (code == '"' || code == '\\')
			fprintf(f, "\\%c", *s);
		else if (code >= 0x20 && code < 0x7f)
			putc(*s, f);
		else if (code <= 0xffff)
			fprintf(f, "\\u%04lx", code);
		else
			fprintf(f, "\\u%04lx\\u%04lx", 0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff));
		s += len ? len : 1;
	}
	putc('"', f);
}

static void begin_value(struct out *o, const char *key)
{
	if (o->comma)
		putc(',', o->file);
	o->comma = true;
	if (key) {
		write_string(o->file, key);
		putc(':', o->file);
	}
}

static void open_level(struct out *o, const char *key, bool array)
{
	begin_value(o, key);
	putc(array ? '[' : '{', o->file);
	o->arrays = o->arrays << 1 | array;
	o->depth++;
	o->comma = false;
}

void out_object(struct out *o, const char *key)
{
	open_level(o, key, false);
}

void out_array(struct out *o, const char *key)
{
	open_level(o, key, true);
}

void out_end(struct out *o)
{
	putc(o->arrays & 1 ? ']' : '}', o->file);
	o->arrays >>= 1;
	o->comma = true;
	if (--o->depth == 0) {
		putc('\n', o->file);
		o->comma = false;
	}
}

void out_string(struct out *o, const char *key, const char *value)
{
	begin_value(o, key);
	write_string(o->file, value);
}

void out_uint(struct out *o, const char *key, uint64_t value)
{
	begin_value(o, key);
	fprintf(o->file, "%" PRIu64, value);
}

void out_number(struct out *o, const char *key, double value)
{
	begin_value(o, key);
	fprintf(o->file, "%.3f", value);
}

void out_bool(struct out *o, const char *key, bool value)
{
	begin_value(o, key);
	fputs(value ? "true" : "false", o->file);
}

void out_list(struct out *o, const char *key, const struct idset *s)
{
	char text[IDSET_TEXT_MAX];

	idset_format(s, text, sizeof(text));
	out_string(o, key, text);
}

void out_comma(struct out *o, const char *key, const struct idset *s)
{
	char text[IDSET_TEXT_MAX];

	idset_format_comma(s, text, sizeof(text));
	out_string(o, key, text);
}

void table_init(struct table *t, FILE *file, const char *align)
{
	const char *no_colour = getenv("NO_COLOR");

	*t = (struct table){ .file = file, .align = align, .ncolumns = (unsigned int)strlen(align) };
	t->colour = isatty(fileno(file)) && !(no_colour && *no_colour);
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

int out_id_length(const char *id)
{
	return strspn(id, "0123456789abcdef") == 64 && !id[64] ? OUT_ID_SHORT : INT_MAX;
}

void table_id(struct table *t, const char *id)
{
	table_cell(t, "%.*s", out_id_length(id), id);
}

void table_list(struct table *t, const struct idset *s)
{
	char text[IDSET_TEXT_MAX];

	idset_format(s, text, sizeof(text));
	table_cell(t, "%s", *text ? text : "-");
}

void table_comma(struct table *t, const struct idset *s)
{
	char text[IDSET_TEXT_MAX];

	idset_format_comma(s, text, sizeof(text));
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

bool table_print(const struct table *t)
{
	cleanup_free int *width = calloc(t->ncolumns, sizeof(*width));

	if (t->failed || !width)
		return false;
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
	return true;
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->ncells; i++)
		free(t->cells[i]);
	free(t->cells);
}
