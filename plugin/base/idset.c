/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Id sets: operations and text forms. The parsers accept only lists that they understand completely, and never read
 * past the text.
 */
#include "plugin/base/idset.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "plugin/base/number.h"

void idset_add_range(struct idset *s, unsigned int first, unsigned int last)
{
	for (unsigned int id = first; id <= last && id < IDSET_MAX; id++)
		idset_add(s, id);
}

void idset_fill(struct idset *s)
{
	memset(s, 0xff, sizeof(*s));
}

bool idset_empty(const struct idset *s)
{
	uint64_t any = 0;

	for (size_t i = 0; i < IDSET_WORDS; i++)
		any |= s->word[i];
	return any == 0;
}

unsigned int idset_count(const struct idset *s)
{
	int n = 0;

	/* Most words are 0, and without a popcount instruction counting takes many steps. */
	for (size_t i = 0; i < IDSET_WORDS; i++)
		if (s->word[i])
			n += __builtin_popcountll(s->word[i]);
	return (unsigned int)n;
}

bool idset_equal(const struct idset *a, const struct idset *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool idset_subset(const struct idset *inner, const struct idset *outer)
{
	uint64_t outside = 0;

	for (size_t i = 0; i < IDSET_WORDS; i++)
		outside |= inner->word[i] & ~outer->word[i];
	return outside == 0;
}

bool idset_intersects(const struct idset *a, const struct idset *b)
{
	uint64_t both = 0;

	for (size_t i = 0; i < IDSET_WORDS; i++)
		both |= a->word[i] & b->word[i];
	return both != 0;
}

void idset_and(struct idset *s, const struct idset *other)
{
	for (size_t i = 0; i < IDSET_WORDS; i++)
		s->word[i] &= other->word[i];
}

void idset_or(struct idset *s, const struct idset *other)
{
	for (size_t i = 0; i < IDSET_WORDS; i++)
		s->word[i] |= other->word[i];
}

void idset_andnot(struct idset *s, const struct idset *other)
{
	for (size_t i = 0; i < IDSET_WORDS; i++)
		s->word[i] &= ~other->word[i];
}

int idset_next(const struct idset *s, unsigned int from)
{
	size_t i = from / 64;
	uint64_t w;

	if (from >= IDSET_MAX)
		return -1;
	w = s->word[i] & (~0ULL << (from % 64));
	while (!w) {
		if (++i == IDSET_WORDS)
			return -1;
		w = s->word[i];
	}
	return (int)(i * 64) + __builtin_ctzll(w);
}

/* Reads a decimal id at *@p and advances *@p past it. */
static int parse_id(const char **p, unsigned int *id, struct error *err)
{
	uint64_t v;

	if (**p < '0' || **p > '9')
		return error_set(err, -EINVAL, "a number is missing at \"%s\"", quote(*p).text);
	if (!number_prefix(p, IDSET_MAX - 1, &v))
		return error_set(err, -EINVAL, "ids end at %d", IDSET_MAX - 1);
	*id = (unsigned int)v;
	return 0;
}

/* Adds one element, "a" or "a-b", to @set. */
static int parse_range(const char **p, struct idset *set, struct error *err)
{
	unsigned int first, last;
	const char *start = *p;
	int r;

	r = parse_id(p, &first, err);
	if (r < 0)
		return r;
	last = first;
	if (**p == '-') {
		(*p)++;
		r = parse_id(p, &last, err);
		if (r < 0)
			return r;
	}
	if (last < first)
		return error_set(err, -EINVAL, "the range at \"%s\" runs backwards", quote(start).text);
	idset_add_range(set, first, last);
	return 0;
}

static int parse_list(const char *text, bool exclusion, struct idset *out, struct error *err)
{
	struct idset in = { { 0 } }, ex = { { 0 } };
	const char *p = text;
	int r;

	for (;;) {
		struct idset *to = &in;

		if (exclusion && *p == '^') {
			to = &ex;
			p++;
		}
		r = parse_range(&p, to, err);
		if (r < 0)
			return error_prefix(err, r, "list \"%s\"", quote(text).text);
		if (*p == '\0' || (!exclusion && *p == '\n' && p[1] == '\0'))
			break;
		if (*p++ != ',')
			return error_set(err, -EINVAL, "list \"%s\": \"%s\" is not part of a list", quote(text).text,
					 quote(p - 1).text);
	}
	idset_andnot(&in, &ex);
	*out = in;
	return 0;
}

int idset_parse(const char *text, struct idset *out, struct error *err)
{
	if (!*text)
		return error_set(err, -EINVAL, "list \"\": empty");
	return parse_list(text, true, out, err);
}

int idset_parse_kernel(const char *text, struct idset *out, struct error *err)
{
	if (!*text || strcmp(text, "\n") == 0) {
		idset_clear(out);
		return 0;
	}
	return parse_list(text, false, out, err);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The kernel's map: groups of up to 8 hex digits, most significant first. */
int idset_parse_map(const char *text, struct idset *out, struct error *err)
{
	struct idset set = { { 0 } };
	size_t len = strlen(text);
	unsigned int bit = 0;

	while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	if (len && len <= 2 + 9 && text[0] == '0' && text[1] == 'x') {
		text += 2;
		len -= 2;
	}
	if (!len)
		return error_set(err, -EINVAL, "map \"\": empty");
	for (size_t group = 0, i = len; i-- > 0;) {
		int v = hex_digit(text[i]);

		if (text[i] == ',' && group) {
			bit += (unsigned int)(8 - group) * 4;
			group = 0;
			continue;
		}
		if (v < 0 || group == 8)
			return error_set(err, -EINVAL, "map \"%s\": not a map of hex words", quote(text).text);
		for (unsigned int b = 0; b < 4; b++) {
			if (!(v >> b & 1))
				continue;
			if (bit + b >= IDSET_MAX)
				return error_set(err, -EINVAL, "map \"%s\": ids end at %d", quote(text).text,
						 IDSET_MAX - 1);
			idset_add(&set, bit + b);
		}
		bit += 4;
		group++;
	}
	*out = set;
	return 0;
}

/* Appends to a buffer that may be too small; counts the length that is needed. */
struct text_out {
	char *buf;
	size_t size, used;
};

static void out_char(struct text_out *o, char c)
{
	if (o->used + 1 < o->size)
		o->buf[o->used] = c;
	o->used++;
}

static void out_id(struct text_out *o, unsigned int id)
{
	char digits[12];
	int n = 0;

	do
		digits[n++] = (char)('0' + id % 10);
	while (id /= 10);
	while (n)
		out_char(o, digits[--n]);
}

static size_t out_end(struct text_out *o)
{
	if (o->size)
		o->buf[o->used < o->size ? o->used : o->size - 1] = '\0';
	return o->used;
}

size_t idset_format(const struct idset *s, char *buf, size_t size)
{
	struct text_out o = { buf, size, 0 };

	for (int id = idset_next(s, 0); id >= 0;) {
		int last = id;

		while (last + 1 < IDSET_MAX && idset_has(s, (unsigned int)last + 1))
			last++;
		if (o.used)
			out_char(&o, ',');
		out_id(&o, (unsigned int)id);
		if (last > id) {
			out_char(&o, '-');
			out_id(&o, (unsigned int)last);
		}
		id = idset_next(s, (unsigned int)last + 1);
	}
	return out_end(&o);
}

size_t idset_format_comma(const struct idset *s, char *buf, size_t size)
{
	struct text_out o = { buf, size, 0 };

	idset_foreach(id, s) {
		if (o.used)
			out_char(&o, ',');
		out_id(&o, (unsigned int)id);
	}
	return out_end(&o);
}
