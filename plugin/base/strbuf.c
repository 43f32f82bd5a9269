/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Texts that grow.
 */
#include "plugin/base/strbuf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for @more bytes and a NUL. */
static bool reserve(struct strbuf *s, size_t more)
{
	size_t room = (s->len + more + 1) * 2;
	char *bigger;

	if (s->failed || s->len + more < s->room)
		return !s->failed;
	bigger = realloc(s->text, room);
	if (!bigger) {
		s->failed = true;
		return false;
	}
	s->text = bigger;
	s->room = room;
	return true;
}

void strbuf_add(struct strbuf *s, const char *bytes, size_t len)
{
	if (!reserve(s, len))
		return;
	memcpy(s->text + s->len, bytes, len);
	s->len += len;
	s->text[s->len] = '\0';
}

void strbuf_puts(struct strbuf *s, const char *text)
{
	strbuf_add(s, text, strlen(text));
}

void strbuf_printf(struct strbuf *s, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		s->failed = true;
	else if (reserve(s, (size_t)n))
		s->len += (size_t)vsnprintf(s->text + s->len, (size_t)n + 1, fmt, again);
	va_end(again);
}

int string_keep_part(char **where, const char *text, size_t len, struct error *err)
{
	char *copy = strndup(text, len);

	if (!copy)
		return error_set(err, -ENOMEM, "out of memory");
	free(*where);
	*where = copy;
	return 0;
}

int string_keep(char **where, const char *text, struct error *err)
{
	return string_keep_part(where, text, strlen(text), err);
}

void strbuf_free(struct strbuf *s)
{
	free(s->text);
	*s = (struct strbuf){ 0 };
}
