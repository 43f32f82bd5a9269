/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Drives libyaml's events with the table of paths: a stack of open collections, each with the rules whose paths lead
 * through it. Only keys that match a rule are stored, to detect duplicates.
 */
#include "runtime-hooks/incus/yaml.h"

#include "plugin/base/util.h"
#include "plugin/base/vec.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <yaml.h>

/* An open collection. Sets of rules are bit masks. */
struct level {
	bool mapping;
	bool value;         /* in a mapping: the next event is a value */
	unsigned int live;  /* rules whose path leads through this level */
	unsigned int here;  /* of these, the rules that match the current key */
	unsigned int whole; /* rules for the mapping of this level as a whole */
	char *key;          /* the current key if a rule matches it */
	char **seen;
	unsigned int nseen, seen_room;
};

struct reader {
	const struct yaml_rule *rules;
	unsigned int nrules;
	void *arg;
	struct error *err;
	struct level level[YAML_DEPTH_MAX];
	unsigned int depth;
	bool documented; /* a document has started */
	yaml_parser_t parser;
};

static void pop(struct reader *r)
{
	struct level *l = &r->level[--r->depth];

	for (unsigned int i = 0; i < l->nseen; i++)
		free(l->seen[i]);
	free(l->seen);
	*l = (struct level){ 0 };
}

__attribute__((format(printf, 3, 4))) static int fault(struct reader *r, size_t line, const char *fmt, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return error_set(r->err, -EINVAL, "%s (line %zu)", text, line + 1);
}

/* Part @n of a path: returns its length, or 0 if the path has fewer parts. *@last: it is the last part. */
static size_t part(const char *path, unsigned int n, const char **text, bool *last)
{
	for (;; n--) {
		size_t len = strcspn(path, "/");

		*text = path;
		*last = !path[len];
		if (!n)
			return len;
		if (!path[len])
			return 0;
		path += len + 1;
	}
}

/* The rules of @l that match @key. */
static unsigned int match(const struct reader *r, const struct level *l, const char *key)
{
	unsigned int found = 0;

	for (unsigned int i = 0; i < r->nrules; i++) {
		const char *text;
		bool last;
		size_t len;

		if (!(l->live >> i & 1))
			continue;
		len = part(r->rules[i].path, r->depth - 1, &text, &last);
		if ((len == 1 && *text == '*') || (len == strlen(key) && memcmp(text, key, len) == 0))
			found |= 1U << i;
	}
	return found;
}

/* Whether rule @i's path ends at the current key. */
static bool ends(const struct reader *r, unsigned int i)
{
	const char *text;
	bool last;

	return part(r->rules[i].path, r->depth - 1, &text, &last) && last;
}

static int take_key(struct reader *r, struct level *l, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;
	char **key;

	l->value = true;
	l->here = 0;
	if (!l->live)
		return 0;
	if (memchr(text, '\0', len))
		return fault(r, e->start_mark.line, "a key contains a NUL");
	l->here = match(r, l, text);
	if (!l->here)
		return 0;
	for (unsigned int i = 0; i < l->nseen; i++)
		if (strcmp(l->seen[i], text) == 0)
			return fault(r, e->start_mark.line, "%s: given twice", quote(text).text);
	if (l->nseen == YAML_KEYS_MAX)
		return fault(r, e->start_mark.line, "more than %d keys", YAML_KEYS_MAX);
	key = vec_push(l->seen, l->nseen, l->seen_room);
	l->key = key ? strdup(text) : NULL;
	if (!l->key)
		return error_set(r->err, -ENOMEM, "out of memory");
	*key = l->key;
	return 0;
}

static int take_value(struct reader *r, struct level *l, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;

	l->value = false;
	for (unsigned int i = 0; i < r->nrules; i++) {
		int ret;

		if (!(l->here >> i & 1))
			continue;
		if (memchr(text, '\0', len))
			return fault(r, e->start_mark.line, "%s: contains a NUL", quote(l->key).text);
		if (!ends(r, i) || r->rules[i].end) {
			if (len && strcmp(text, "null") != 0 && strcmp(text, "~") != 0)
				return fault(r, e->start_mark.line, "%s: a mapping is expected", quote(l->key).text);
			continue;
		}
		ret = r->rules[i].set(r->arg, l->key, text, r->err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int take_scalar(struct reader *r, const yaml_event_t *e)
{
	struct level *l = r->depth ? &r->level[r->depth - 1] : NULL;

	if (!l)
		return fault(r, e->start_mark.line, "a mapping is expected");
	if (!l->mapping)
		return 0;
	return l->value ? take_value(r, l, e) : take_key(r, l, e);
}

static int open_level(struct reader *r, const yaml_event_t *e, bool mapping)
{
	struct level *above = r->depth ? &r->level[r->depth - 1] : NULL;
	struct level now = { .mapping = mapping };

	if (r->depth == YAML_DEPTH_MAX)
		return fault(r, e->start_mark.line, "nested deeper than %d", YAML_DEPTH_MAX);
	if (!above) {
		if (!mapping)
			return fault(r, e->start_mark.line, "a mapping is expected");
		now.live = (1U << r->nrules) - 1;
	} else if (above->mapping) {
		if (!above->value)
			return fault(r, e->start_mark.line, "a key that is not text");
		for (unsigned int i = 0; i < r->nrules; i++)
			if ((above->here >> i & 1) && (!mapping || (ends(r, i) && !r->rules[i].end)))
				return fault(r, e->start_mark.line, "%s: a %s is expected", quote(above->key).text,
					     ends(r, i) ? "text" : "mapping");
		now.live = above->here;
		for (unsigned int i = 0; i < r->nrules; i++)
			if ((above->here >> i & 1) && ends(r, i))
				now.whole |= 1U << i;
		above->value = false;
	}
	r->level[r->depth++] = now;
	return 0;
}

static int close_level(struct reader *r)
{
	const unsigned int whole = r->level[r->depth - 1].whole;
	int ret = 0;

	pop(r);
	for (unsigned int i = 0; ret == 0 && i < r->nrules; i++)
		if (whole >> i & 1)
			ret = r->rules[i].end(r->arg, r->err);
	return ret;
}

static int take_event(struct reader *r, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (r->documented)
			return fault(r, e->start_mark.line, "more than one document");
		r->documented = true;
		return 0;
	case YAML_SCALAR_EVENT:
		if (e->data.scalar.anchor)
			break;
		return take_scalar(r, e);
	case YAML_MAPPING_START_EVENT:
		if (e->data.mapping_start.anchor)
			break;
		return open_level(r, e, true);
	case YAML_SEQUENCE_START_EVENT:
		if (e->data.sequence_start.anchor)
			break;
		return open_level(r, e, false);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return close_level(r);
	case YAML_ALIAS_EVENT:
		break;
	default:
		return 0;
	}
	return fault(r, e->start_mark.line, "anchors and aliases are not supported");
}

static int malformed(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;

	if (p->error == YAML_MEMORY_ERROR)
		return error_set(r->err, -ENOMEM, "out of memory");
	return fault(r, p->error == YAML_READER_ERROR ? p->mark.line : p->problem_mark.line, "%s",
		     p->problem ? p->problem : "malformed");
}

static int read_events(struct reader *r)
{
	bool more = true;
	int ret = 0;

	while (ret == 0 && more) {
		yaml_event_t e;

		if (!yaml_parser_parse(&r->parser, &e))
			return malformed(r);
		more = e.type != YAML_STREAM_END_EVENT;
		ret = take_event(r, &e);
		yaml_event_delete(&e);
	}
	if (ret == 0 && !r->documented)
		return error_set(r->err, -EINVAL, "empty");
	return ret;
}

int yaml_parse(const char *text, size_t len, size_t max, const struct yaml_rule *rules, unsigned int nrules, void *arg,
	       struct error *err)
{
	struct reader *r;
	int ret;

	if (nrules > YAML_RULES_MAX)
		return error_set(err, -EINVAL, "too many rules");
	if (len > max)
		return error_set(err, -EINVAL, "more than %zu MiB", max >> 20);
	r = calloc(1, sizeof(*r));
	if (!r || !yaml_parser_initialize(&r->parser)) {
		free(r);
		return error_set(err, -ENOMEM, "out of memory");
	}
	r->rules = rules;
	r->nrules = nrules;
	r->arg = arg;
	r->err = err;
	yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r->parser, (const unsigned char *)text, len);
	ret = read_events(r);
	while (r->depth)
		pop(r);
	yaml_parser_delete(&r->parser);
	free(r);
	return ret;
}
