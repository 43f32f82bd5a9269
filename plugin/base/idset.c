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

void ids_add_range(struct ids_out s, unsigned int first, unsigned int last)
{
	for (unsigned int id = first; id <= last && id < s.nwords * 64; id++)
		s.word[id / 64] |= 1ULL << (id % 64);
}

bool ids_empty(struct ids s)
{
	uint64_t any = 0;

	for (size_t i = 0; i < s.nwords; i++)
		any |= s.word[i];
	return any == 0;
}

unsigned int ids_count(struct ids s)
{
	int n = 0;

	/* Most words are 0, and without a popcount instruction counting takes many steps. */
	for (size_t i = 0; i < s.nwords; i++)
		if (s.word[i])
			n += __builtin_popcountll(s.word[i]);
	return (unsigned int)n;
}

bool ids_equal(struct ids a, struct ids b)
{
	return memcmp(a.word, b.word, a.nwords * sizeof(*a.word)) == 0;
}

bool ids_subset(struct ids inner, struct ids outer)
{
	uint64_t outside = 0;

	for (size_t i = 0; i < inner.nwords; i++)
		outside |= inner.word[i] & ~outer.word[i];
	return outside == 0;
}

bool ids_intersects(struct ids a, struct ids b)
{
	uint64_t both = 0;

	for (size_t i = 0; i < a.nwords; i++)
		both |= a.word[i] & b.word[i];
	return both != 0;
}

void ids_and(struct ids_out s, struct ids other)
{
	for (size_t i = 0; i < s.nwords; i++)
		s.word[i] &= other.word[i];
}

void ids_or(struct ids_out s, struct ids other)
{
	for (size_t i = 0; i < s.nwords; i++)
		s.word[i] |= other.word[i];
}

void ids_andnot(struct ids_out s, struct ids other)
{
	for (size_t i = 0; i < s.nwords; i++)
		s.word[i] &= ~other.word[i];
}

void ids_narrow(struct ids_out s, struct ids other)
{
	if (ids_empty(other))
		return;
	if (ids_intersects((struct ids){ s.word, s.nwords }, other))
		ids_and(s, other);
	else
		memcpy(s.word, other.word, other.nwords * sizeof(*other.word));
}

int ids_next(struct ids s, unsigned int from)
{
	size_t i = from / 64;
	uint64_t w;

	if (i >= s.nwords)
		return -1;
	w = s.word[i] & (~0ULL << (from % 64));
	while (!w) {
		if (++i == s.nwords)
			return -1;
		w = s.word[i];
	}
	return (int)(i * 64) + __builtin_ctzll(w);
}

/* Reads a decimal id below @ids at *@p and advances *@p past it. */
static int parse_id(const char **p, unsigned int ids, unsigned int *id, struct error *err)
{
	uint64_t v;

	if (**p < '0' || **p > '9')
		return error_set(err, -EINVAL, "a number is missing at \"%s\"", quote(*p).text);
	if (!number_prefix(p, ids - 1, &v))
		return error_set(err, -EINVAL, "ids end at %u", ids - 1);
	*id = (unsigned int)v;
	return 0;
}

/* Adds one element, "a" or "a-b", to @set. */
static int parse_range(const char **p, struct ids_out set, struct error *err)
{
	unsigned int first, last;
	const char *start = *p;
	int r;

	r = parse_id(p, set.nwords * 64, &first, err);
	if (r < 0)
		return r;
	last = first;
	if (**p == '-') {
		(*p)++;
		r = parse_id(p, set.nwords * 64, &last, err);
		if (r < 0)
			return r;
	}
	if (last < first)
		return error_set(err, -EINVAL, "the range at \"%s\" runs backwards", quote(start).text);
	ids_add_range(set, first, last);
	return 0;
}

static int parse_list(const char *text, bool exclusion, struct ids_out out, struct error *err)
{
	uint64_t in_word[IDSET_MAX / 64], ex_word[IDSET_MAX / 64];
	struct ids_out in = { in_word, out.nwords }, ex = { ex_word, out.nwords };
	size_t size = out.nwords * sizeof(*out.word);
	const char *p = text;
	int r;

	memset(in_word, 0, size);
	memset(ex_word, 0, size);
	for (;;) {
		struct ids_out to = in;

		if (exclusion && *p == '^') {
			to = ex;
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
	ids_andnot(in, (struct ids){ ex_word, out.nwords });
	memcpy(out.word, in_word, size);
	return 0;
}

int ids_parse(const char *text, struct ids_out out, struct error *err)
{
	if (!*text)
		return error_set(err, -EINVAL, "list \"\": empty");
	return parse_list(text, true, out, err);
}

int ids_parse_kernel(const char *text, struct ids_out out, struct error *err)
{
	if (!*text || strcmp(text, "\n") == 0) {
		memset(out.word, 0, out.nwords * sizeof(*out.word));
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
int ids_parse_map(const char *text, struct ids_out out, struct error *err)
{
	uint64_t word[IDSET_MAX / 64] = { 0 };
	size_t len = strlen(text);
	unsigned int bit = 0, end = out.nwords * 64;

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
			if (bit + b >= end)
				return error_set(err, -EINVAL, "map \"%s\": ids end at %u", quote(text).text, end - 1);
			word[(bit + b) / 64] |= 1ULL << ((bit + b) % 64);
		}
		bit += 4;
		group++;
	}
	memcpy(out.word, word, out.nwords * sizeof(*word));
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

size_t ids_format(struct ids s, char *buf, size_t size)
{
	struct text_out o = { buf, size, 0 };

	for (int id = ids_next(s, 0); id >= 0;) {
		int last = id;

		while (ids_next(s, (unsigned int)last + 1) == last + 1)
			last++;
		if (o.used)
			out_char(&o, ',');
		out_id(&o, (unsigned int)id);
		if (last > id) {
			out_char(&o, '-');
			out_id(&o, (unsigned int)last);
		}
		id = ids_next(s, (unsigned int)last + 1);
	}
	return out_end(&o);
}

size_t ids_format_comma(struct ids s, char *buf, size_t size)
{
	struct text_out o = { buf, size, 0 };

	ids_foreach(id, s) {
		if (o.used)
			out_char(&o, ',');
		out_id(&o, (unsigned int)id);
	}
	return out_end(&o);
}
