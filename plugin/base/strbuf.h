/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strings that own their memory. A strbuf grows as it is written. An allocation that fails makes the text `failed`, and it stays so: the writer
 * checks once, at the end.
 */
#ifndef NUMAPLACE_STRBUF_H
#define NUMAPLACE_STRBUF_H

#include "plugin/base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct strbuf {
	char *text; /* with a NUL at its end; NULL before the first write */
	size_t len, room;
	bool failed; /* out of memory */
};

void strbuf_add(struct strbuf *s, const char *bytes, size_t len);
void strbuf_puts(struct strbuf *s, const char *text);
void strbuf_printf(struct strbuf *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Replaces the string *@where by a copy of @text, or of its first @len bytes. Returns 0 or -ENOMEM. */
int string_keep(char **where, const char *text, struct error *err);
int string_keep_part(char **where, const char *text, size_t len, struct error *err);

/* Frees the text; @s is then empty. */
void strbuf_free(struct strbuf *s);
#define cleanup_strbuf __attribute__((cleanup(strbuf_free)))

#endif
