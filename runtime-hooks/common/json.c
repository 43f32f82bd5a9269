/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Drives yajl's SAX interface with the table of paths.
 *
 * yajl 2.1 has gaps that this file closes. It accepts overlong UTF-8 and swallows the byte after a lone surrogate: the
 * text is validated first. Its number conversion overflows: numbers are parsed here. It does not limit depth: levels
 * are counted here. It does not check malloc() for failure: its allocator leaves by longjmp().
 */
#include "runtime-hooks/common/json.h"

#include "plugin/base/number.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <yajl/yajl_parse.h>

/* A rule's path, split into parts. */
struct path {
	unsigned int n;
	struct {
		const char *text;
		size_t len;
	} part[JSON_PARTS_MAX];
};

/* A wanted key under a star. The newest is the key of the next value. */
struct star {
	struct star *next;
	char key[];
};

/* An open object or array. Sets of rules are bit masks. */
struct level {
	bool array;
	unsigned int next_index, nstars;
	uint64_t live; /* rules whose path leads through this level */
	uint64_t here; /* of these, the rules that match the current member */
	uint64_t seen; /* of these, the rules whose member has occurred (not for stars) */
	struct star *stars;
};

struct parser {
	const struct json_rule *rules;
	unsigned int nrules;
	struct path path[JSON_RULES_MAX];
	struct level level[JSON_DEPTH_MAX];
	unsigned int depth; /* open levels */
	void *arg;
	struct error *err;
	int status;
	size_t end;         /* offset after the top-level value; 0: not reached yet */
	yajl_handle yajl;
	jmp_buf no_memory;
};

#define rules_foreach(i, set)                                                                                          \
	for (uint64_t left_ = (set), i; left_ && (i = (uint64_t)__builtin_ctzll(left_), true); left_ &= left_ - 1)

static bool part_is(const struct path *path, unsigned int part, const char *text)
{
	return path->part[part].len == 1 && path->part[part].text[0] == text[0];
}

/* Writes the first @parts parts of rule @rule's path for messages: "annotations.limits.cpu". */
static void path_text(const struct parser *p, uint64_t rule, unsigned int parts, char *buf, size_t size)
{
	const struct path *path = &p->path[rule];
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; i < parts && used < size; i++) {
		const char *dot = i ? "." : "";
		const struct level *l = &p->level[i];
		int n;

		if (part_is(path, i, "*") && l->stars)
			n = snprintf(buf + used, size - used, "%s%s", dot, quote(l->stars->key).text);
		else if (part_is(path, i, "#"))
			n = snprintf(buf + used, size - used, "[%u]", l->next_index - 1);
		else
			n = snprintf(buf + used, size - used, "%s%.*s", dot, (int)path->part[i].len,
				     path->part[i].text);
		used += n < 0 ? 0 : (size_t)n;
	}
}

/* Fails the parse with "annotations.limits.cpu: given twice (byte 17)". Returns 0, which stops yajl. */
static int refuse(struct parser *p, uint64_t rule, unsigned int parts, const char *text)
{
	char where[300];

	path_text(p, rule, parts, where, sizeof(where));
	p->status = error_set(p->err, -EINVAL, "%s%s%s (byte %zu)", where, *where ? ": " : "", text,
			      yajl_get_bytes_consumed(p->yajl));
	return 0;
}

static int no_memory(struct parser *p)
{
	p->status = error_set(p->err, -ENOMEM, "out of memory");
	return 0;
}

static const char *expected(unsigned int types)
{
	if (types & JSON_STRING)
		return "a string is expected";
	if (types & JSON_INTEGER)
		return "a whole number is expected";
	if (types & JSON_NUMBER)
		return "a number is expected";
	if (types & JSON_BOOL)
		return "true or false is expected";
	return types & JSON_ARRAY ? "an array is expected" : "an object is expected";
}

/* Calls the rule's set function with the key and index in @v, and puts the path in front of its error. */
static int deliver(struct parser *p, uint64_t rule, struct json_value v)
{
	const struct path *path = &p->path[rule];
	char where[300];

	for (unsigned int i = 0; i < path->n; i++) {
		if (part_is(path, i, "*"))
			v.key = p->level[i].stars->key;
		else if (part_is(path, i, "#"))
			v.index = p->level[i].next_index - 1;
	}
	v.end = yajl_get_bytes_consumed(p->yajl);
	p->status = p->rules[rule].set(p->arg, &v, p->err);
	if (p->status == 0)
		return 1;
	path_text(p, rule, path->n, where, sizeof(where));
	error_prefix(p->err, p->status, "%s", where);
	return 0;
}

/* Parses "-?[0-9]+" within int64. yajl has checked that it is a number. */
static const char *parse_integer(const char *text, int64_t *out)
{
	if (text[strspn(text, "-0123456789")])
		return "a whole number is expected";
	if (!number_parse_signed(text, INT64_MIN, INT64_MAX, out))
		return "number beyond 64 bits";
	return NULL;
}

/* A scalar at the end of rule @rule's path. @raw has no NUL at its end. */
static int leaf(struct parser *p, uint64_t rule, enum json_type type, const char *raw, size_t len, bool boolean)
{
	const struct json_rule *r = &p->rules[rule];
	struct json_value v = { .type = type, .text = "", .len = len, .boolean = boolean };
	cleanup_free char *copy = NULL;
	unsigned int parts = p->path[rule].n;
	const char *wrong;

	if (type == JSON_NULL && !(r->types & JSON_NULL))
		return 1;
	if (type == JSON_NUMBER && !(r->types & JSON_NUMBER))
		v.type = JSON_INTEGER;
	if (!(r->types & v.type))
		return refuse(p, rule, parts, expected(r->types));
	if (raw) {
		if (memchr(raw, '\0', len))
			return refuse(p, rule, parts, "contains a NUL");
		copy = strndup(raw, len);
		if (!copy)
			return no_memory(p);
		v.text = copy;
	}
	if (v.type == JSON_INTEGER) {
		wrong = parse_integer(v.text, &v.integer);
		if (wrong)
			return refuse(p, rule, parts, wrong);
	}
	return deliver(p, rule, v);
}

/* The rules that match the next value. */
static uint64_t rules_here(struct parser *p)
{
	struct level *l;

	if (!p->depth)
		return p->nrules == 64 ? UINT64_MAX : (UINT64_C(1) << p->nrules) - 1;
	l = &p->level[p->depth - 1];
	if (l->array) {
		l->next_index++;
		return l->live;
	}
	return l->here;
}

static int scalar(struct parser *p, enum json_type type, const char *raw, size_t len, bool boolean)
{
	if (!p->depth)
		p->end = yajl_get_bytes_consumed(p->yajl);
	rules_foreach(i, rules_here(p))
	{
		if (p->path[i].n == p->depth) {
			if (!leaf(p, i, type, raw, len, boolean))
				return 0;
		} else if (type != JSON_NULL) {
			return refuse(p, i, p->depth,
				      expected(part_is(&p->path[i], p->depth, "#") ? JSON_ARRAY : JSON_OBJECT));
		}
	}
	return 1;
}

static int on_null(void *ctx)
{
	return scalar(ctx, JSON_NULL, NULL, 0, false);
}

static int on_boolean(void *ctx, int value)
{
	return scalar(ctx, JSON_BOOL, NULL, 0, value != 0);
}

static int on_number(void *ctx, const char *text, size_t len)
{
	return scalar(ctx, JSON_NUMBER, text, len, false);
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
	/* Some versions of yajl pass NULL for an empty string. */
	return scalar(ctx, JSON_STRING, text ? (const char *)text : "", len, false);
}

static int open_level(struct parser *p, enum json_type type)
{
	struct level new = { .array = type == JSON_ARRAY };

	if (p->depth == JSON_DEPTH_MAX) {
		p->status = error_set(p->err, -EINVAL, "nested deeper than %d (byte %zu)", JSON_DEPTH_MAX,
				      yajl_get_bytes_consumed(p->yajl));
		return 0;
	}
	rules_foreach(i, rules_here(p))
	{
		const struct path *path = &p->path[i];

		if (path->n == p->depth) {
			if (!(p->rules[i].types & type))
				return refuse(p, i, path->n, expected(p->rules[i].types));
			if (!deliver(p, i, (struct json_value){ .type = type, .text = "" }))
				return 0;
			continue;
		}
		if (part_is(path, p->depth, "#") != new.array)
			return refuse(p, i, p->depth, expected(new.array ? JSON_OBJECT : JSON_ARRAY));
		new.live |= UINT64_C(1) << i;
	}
	p->level[p->depth++] = new;
	return 1;
}

static int on_open_object(void *ctx)
{
	return open_level(ctx, JSON_OBJECT);
}

static int on_open_array(void *ctx)
{
	return open_level(ctx, JSON_ARRAY);
}

static void free_stars(struct level *l)
{
	while (l->stars) {
		struct star *next = l->stars->next;

		free(l->stars);
		l->stars = next;
	}
}

static int on_close(void *ctx)
{
	struct parser *p = ctx;

	free_stars(&p->level[--p->depth]);
	if (!p->depth)
		p->end = yajl_get_bytes_consumed(p->yajl);
	return 1;
}

/* Records a wanted key under a star. @cut: the key has a NUL in it, and @key ends there. */
static int add_star(struct parser *p, uint64_t rule, const char *key, bool cut)
{
	struct level *l = &p->level[p->depth - 1];
	size_t len = strlen(key);
	bool twice = false;
	struct star *s;

	for (s = l->stars; s; s = s->next)
		twice |= strcmp(s->key, key) == 0;
	s = malloc(sizeof(*s) + len + 1);
	if (!s)
		return no_memory(p);
	memcpy(s->key, key, len + 1);
	s->next = l->stars;
	l->stars = s;
	if (cut)
		return refuse(p, rule, p->depth, "the key contains a NUL");
	if (twice)
		return refuse(p, rule, p->depth, "given twice");
	if (++l->nstars > JSON_STAR_MAX)
		return refuse(p, rule, p->depth - 1, "too many keys");
	return 1;
}

/* Whether the star of rule @rule wants the key: 0, 1, or -1 if the parse has failed. */
static int match_star(struct parser *p, uint64_t rule, const char *raw, size_t len, bool *added)
{
	cleanup_free char *key = strndup(raw, len);

	if (!key) {
		no_memory(p);
		return -1;
	}
	if (p->rules[rule].wants && !p->rules[rule].wants(key))
		return 0;
	if (!*added && !add_star(p, rule, key, strlen(key) != len))
		return -1;
	*added = true;
	return 1;
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
	struct parser *p = ctx;
	struct level *l = &p->level[p->depth - 1];
	unsigned int part = p->depth - 1;
	const char *raw = text ? (const char *)text : "";
	bool added = false;

	l->here = 0;
	rules_foreach(i, l->live)
	{
		const struct path *path = &p->path[i];
		uint64_t bit = UINT64_C(1) << i;

		if (part_is(path, part, "*")) {
			int wanted = match_star(p, i, raw, len, &added);

			if (wanted < 0)
				return 0;
			l->here |= wanted ? bit : 0;
		} else if (path->part[part].len == len && memcmp(path->part[part].text, raw, len) == 0) {
			if (l->seen & bit)
				return refuse(p, i, p->depth, "given twice");
			l->seen |= bit;
			l->here |= bit;
		}
	}
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_open_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_close,
	.yajl_start_array = on_open_array,
	.yajl_end_array = on_close,
};

static void *yajl_malloc(void *ctx, size_t size)
{
	void *p = malloc(size);

	if (!p)
		longjmp(((struct parser *)ctx)->no_memory, 1);
	return p;
}

static void *yajl_realloc(void *ctx, void *old, size_t size)
{
	void *p = realloc(old, size);

	if (!p)
		longjmp(((struct parser *)ctx)->no_memory, 1);
	return p;
}

static void yajl_release(void *ctx, void *p)
{
	(void)ctx;
	free(p);
}

/* As utf8_length(), for a text of @left bytes without a NUL at its end. */
static size_t utf8_len(const unsigned char *s, size_t left)
{
	char last[4] = "";

	if (left >= sizeof(last))
		return utf8_length((const char *)s);
	memcpy(last, s, left);
	return utf8_length(last);
}

/* The value of a \uXXXX at @s, or -1. */
static int escaped_unit(const unsigned char *s, size_t left)
{
	int unit = 0;

	if (left < 6 || s[0] != '\\' || s[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *digit = s[i] ? strchr(digits, s[i] | 0x20) : NULL;

		if (!digit)
			return -1;
		unit = unit * 16 + (int)(digit - digits);
	}
	return unit;
}

/* Length of the escape at @s (a backslash); 0: an unpaired surrogate. */
static size_t escape_len(const unsigned char *s, size_t left)
{
	int unit = escaped_unit(s, left);
	int next;

	if (unit < 0)
		return left < 2 || s[1] >= 0x80 ? 1 : 2; /* yajl checks the other escapes */
	if ((unit & 0xf800) != 0xd800)
		return 6;
	next = escaped_unit(s + 6, left - 6);
	return unit < 0xdc00 && next >= 0 && (next & 0xfc00) == 0xdc00 ? 12 : 0;
}

/* Whether the next eight bytes are ASCII without a backslash, the usual case. */
static bool is_plain(const unsigned char *s)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
	uint64_t bytes, x;

	memcpy(&bytes, s, sizeof(bytes));
	x = bytes ^ ones * '\\'; /* a backslash becomes 0; subtracting 1 from it then borrows into its top bit */
	return !((bytes | ((x - ones) & ~x)) & tops);
}

static int check_characters(const char *text, size_t len, struct error *err)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t i = 0;

	while (i < len) {
		size_t n = 1;

		if (len - i >= 8 && is_plain(s + i))
			n = 8;
		else if (s[i] == '\\')
			n = escape_len(s + i, len - i);
		else if (s[i] >= 0x80)
			n = utf8_len(s + i, len - i);
		if (!n)
			return error_set(err, -EINVAL, "%s (byte %zu)",
					 s[i] == '\\' ? "half of a surrogate pair" : "not UTF-8", i);
		i += n;
	}
	return 0;
}

/* yajl accepts \v and \f as white space; JSON does not allow them anywhere. */
static int check_feeds(const char *text, size_t len, struct error *err)
{
	static const char feeds[] = "\v\f";

	for (const char *f = feeds; *f; f++) {
		const char *at = memchr(text, *f, len);

		if (at)
			return error_set(err, -EINVAL, "byte 0x%02x is not white space (byte %zu)", (unsigned int)*f,
					 (size_t)(at - text));
	}
	return 0;
}

/* yajl does not notice an unterminated string after the value. */
static int check_end(const char *text, size_t len, size_t end, struct error *err)
{
	while (end < len && strchr(" \t\r\n", text[end]) && text[end])
		end++;
	return end < len ? error_set(err, -EINVAL, "trailing garbage (byte %zu)", end) : 0;
}

static int take_apart(struct parser *p)
{
	for (unsigned int i = 0; i < p->nrules; i++) {
		struct path *path = &p->path[i];
		const char *s = p->rules[i].path;

		path->n = 0;
		while (*s) {
			size_t n = strcspn(s, "/");

			if (path->n == JSON_PARTS_MAX)
				return error_set(p->err, -E2BIG, "rule %s is too long", p->rules[i].path);
			path->part[path->n].text = s;
			path->part[path->n++].len = n;
			s += n + (s[n] == '/');
		}
	}
	return 0;
}

/* yajl's own message without its line end: "lexical error: invalid char in json text (byte 17)". */
static void yajl_complaint(struct parser *p, const char *text, size_t len, size_t offset)
{
	unsigned char *said = yajl_get_error(p->yajl, 0, (const unsigned char *)text, len);
	const char *words = said ? (const char *)said : "malformed";

	p->status = error_set(p->err, -EINVAL, "%.*s (byte %zu)", (int)strcspn(words, ".\n"), words, offset);
	if (said)
		yajl_free_error(p->yajl, said);
}

static void feed(struct parser *p, const char *text, size_t len)
{
	yajl_status status;
	size_t offset, end;

	/* check_characters() has validated the strings. */
	yajl_config(p->yajl, yajl_dont_validate_strings, 1);
	status = yajl_parse(p->yajl, (const unsigned char *)text, len);
	offset = yajl_get_bytes_consumed(p->yajl);
	end = p->end; /* a top-level number ends with the text: yajl reports it in yajl_complete_parse() */
	if (status == yajl_status_ok) {
		offset = len;
		status = yajl_complete_parse(p->yajl);
	}
	if (status == yajl_status_error)
		yajl_complaint(p, text, len, offset);
	else if (status == yajl_status_ok && end)
		p->status = check_end(text, len, end, p->err);
}

/* Separate from json_parse(), so that no variable of this frame changes between setjmp() and longjmp(). */
static void run(struct parser *p, const char *text, size_t len)
{
	yajl_alloc_funcs functions = { .malloc = yajl_malloc, .realloc = yajl_realloc, .free = yajl_release, .ctx = p };

	/* Memory of a yajl_alloc() that failed leaks: it is little, and the process exits soon. */
	if (setjmp(p->no_memory)) {
		no_memory(p);
		return;
	}
	p->yajl = yajl_alloc(&callbacks, &functions, p);
	feed(p, text, len);
}

int json_parse(const char *text, size_t len, size_t max, const struct json_rule *rules, unsigned int nrules, void *arg,
	       struct error *err)
{
	struct parser p; /* 12 KiB, not zeroed: members are set when first used */
	int r;

	if (len > max)
		return error_set(err, -EINVAL, "more than %zu bytes", max);
	if (nrules > JSON_RULES_MAX)
		return error_set(err, -E2BIG, "more than %d rules", JSON_RULES_MAX);
	p.rules = rules;
	p.nrules = nrules;
	p.arg = arg;
	p.err = err;
	p.status = 0;
	p.depth = 0;
	p.end = 0;
	p.yajl = NULL;
	r = take_apart(&p);
	if (r == 0)
		r = check_characters(text, len, err);
	if (r == 0)
		r = check_feeds(text, len, err);
	if (r < 0)
		return r;
	run(&p, text, len);
	if (p.yajl)
		yajl_free(p.yajl);
	while (p.depth)
		free_stars(&p.level[--p.depth]);
	return p.status;
}
