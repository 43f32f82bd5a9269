/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * yajl_gen places the separators and checks the nesting; a call that it refuses is a bug of the caller. Strings are
 * escaped here: yajl leaves everything above ASCII, and DEL, as it is.
 *
 * yajl does not check malloc() for failure. It allocates only when a generator is made, so its state lives in the
 * writer, and nothing has to be freed.
 */
#include "runtime-hooks/common/json-write.h"

#include "plugin/base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_gen.h>

/* --- where the text goes --- */

static void emit(void *ctx, const char *bytes, size_t len)
{
	struct json_writer *w = ctx;

	if (w->file) {
		fwrite(bytes, 1, len, w->file);
		return;
	}
	if (w->len + len + 1 > w->size) {
		size_t size = (w->len + len + 1) * 2;
		char *bigger = w->failed ? NULL : realloc(w->text, size);

		if (!bigger) {
			w->failed = true;
			return;
		}
		w->text = bigger;
		w->size = size;
	}
	memcpy(w->text + w->len, bytes, len);
	w->len += len;
	w->text[w->len] = '\0';
}

void json_free(struct json_writer *w)
{
	free(w->text);
	w->text = NULL;
}

/* --- yajl --- */

static void *state_alloc(void *ctx, size_t size)
{
	struct json_writer *w = ctx;
	size_t at = (w->state_used + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);

	if (at + size > sizeof(w->state))
		abort(); /* this version of yajl needs a larger json_writer.state */
	w->state_used = at + size;
	return w->state + at;
}

static void *state_realloc(void *ctx, void *old, size_t size)
{
	(void)old;
	return state_alloc(ctx, size);
}

static void state_release(void *ctx, void *p)
{
	(void)ctx;
	(void)p;
}

static void check(yajl_gen_status status)
{
	if (status != yajl_gen_status_ok)
		abort();
}

/* Writes the key if there is one; returns yajl's generator for the value. */
static yajl_gen begin_value(struct json_writer *w, const char *key)
{
	const yajl_alloc_funcs in_state = { state_alloc, state_realloc, state_release, w };

	if (!w->yajl) {
		w->yajl = yajl_gen_alloc(&in_state);
		yajl_gen_config(w->yajl, yajl_gen_print_callback, emit, w);
	}
	if (key)
		check(yajl_gen_string(w->yajl, (const unsigned char *)key, strlen(key)));
	return w->yajl;
}

static void end_value(const struct json_writer *w)
{
	if (w->file && !w->depth)
		putc('\n', w->file);
}

/* yajl passes the text of a number on as it is. */
static void put_verbatim(struct json_writer *w, const char *key, const char *text, size_t len)
{
	check(yajl_gen_number(begin_value(w, key), text, len));
	end_value(w);
}

/* --- objects and arrays --- */

void json_begin_object(struct json_writer *w, const char *key)
{
	check(yajl_gen_map_open(begin_value(w, key)));
	w->arrays <<= 1;
	w->depth++;
}

void json_begin_array(struct json_writer *w, const char *key)
{
	check(yajl_gen_array_open(begin_value(w, key)));
	w->arrays = w->arrays << 1 | 1;
	w->depth++;
}

void json_end(struct json_writer *w)
{
	check(w->arrays & 1 ? yajl_gen_array_close(w->yajl) : yajl_gen_map_close(w->yajl));
	w->arrays >>= 1;
	w->depth--;
	end_value(w);
}

/* --- strings --- */

/* The code point of the @len bytes at @s. */
static unsigned long code_point(const unsigned char *s, size_t len)
{
	unsigned long code = len == 1 ? *s : *s & (0xffU >> (len + 1));

	for (size_t i = 1; i < len; i++)
		code = code << 6 | (s[i] & 0x3f);
	return code;
}

static void emit_code(struct json_writer *w, unsigned long code)
{
	char text[16];
	int n;

	if (code <= 0xffff)
		n = snprintf(text, sizeof(text), "\\u%04lx", code);
	else
		n = snprintf(text, sizeof(text), "\\u%04lx\\u%04lx", 0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff));
	emit(w, text, (size_t)n);
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void emit_escaped(struct json_writer *w, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	while (*s) {
		size_t len = 0;

		while (is_plain(s[len]))
			len++;
		if (len) {
			emit(w, (const char *)s, len);
		} else if (*s == '"' || *s == '\\') {
			emit(w, (const char[]){ '\\', (char)*s }, 2);
			len = 1;
		} else {
			len = utf8_length((const char *)s);
			w->replaced |= !len;
			emit_code(w, len ? code_point(s, len) : 0xfffd);
			len = len ? len : 1;
		}
		s += len;
	}
}

void json_put_string(struct json_writer *w, const char *key, const char *value)
{
	/* The opening quote is the value that yajl knows of. */
	check(yajl_gen_number(begin_value(w, key), "\"", 1));
	emit_escaped(w, value);
	emit(w, "\"", 1);
	end_value(w);
}

void json_put_list(struct json_writer *w, const char *key, struct ids s)
{
	char text[IDSET_TEXT_MAX];

	ids_format(s, text, sizeof(text));
	json_put_string(w, key, text);
}

void json_put_comma(struct json_writer *w, const char *key, struct ids s)
{
	char text[IDSET_TEXT_MAX];

	ids_format_comma(s, text, sizeof(text));
	json_put_string(w, key, text);
}

/* --- other values --- */

void json_put_uint(struct json_writer *w, const char *key, uint64_t value)
{
	char text[32];

	put_verbatim(w, key, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, value));
}

void json_put_number(struct json_writer *w, const char *key, double value)
{
	char text[400]; /* DBL_MAX has 309 digits */

	put_verbatim(w, key, text, (size_t)snprintf(text, sizeof(text), "%.3f", value));
}

void json_put_bool(struct json_writer *w, const char *key, bool value)
{
	check(yajl_gen_bool(begin_value(w, key), value));
	end_value(w);
}

void json_put_null(struct json_writer *w, const char *key)
{
	check(yajl_gen_null(begin_value(w, key)));
	end_value(w);
}

void json_put_value(struct json_writer *w, const char *key, const struct json_writer *value)
{
	w->failed |= value->failed;
	w->replaced |= value->replaced;
	if (!value->failed)
		put_verbatim(w, key, value->text, value->len);
}
