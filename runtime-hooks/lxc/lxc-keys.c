/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parses config lines and makes a request from them.
 *
 * LXC has no limits.* lines, so an unknown limits.* key is a mistake and an error. Volatile lines are never an error: a
 * copied or edited file may hold anything there.
 */
#include "runtime-hooks/lxc/lxc-keys.h"

#include "plugin/base/strbuf.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void trim(const char **text, size_t *len)
{
	for (; *len && is_blank(**text); ++*text)
		--*len;
	while (*len && is_blank((*text)[*len - 1]))
		--*len;
}

bool lxc_line_next(const char **at, const char *end, struct lxc_line *l)
{
	const char *stop, *equals;

	if (*at == end)
		return false;
	stop = memchr(*at, '\n', (size_t)(end - *at));
	if (!stop)
		stop = end;
	*l = (struct lxc_line){ .start = *at, .key = *at, .key_len = (size_t)(stop - *at) };
	*at = stop < end ? stop + 1 : end;
	l->len = (size_t)(*at - l->start);
	equals = memchr(l->key, '=', l->key_len);
	if (equals) {
		l->value = equals + 1;
		l->value_len = (size_t)(stop - l->value);
		l->key_len = (size_t)(equals - l->key);
		trim(&l->value, &l->value_len);
		if (l->value_len > 1 && (*l->value == '"' || *l->value == '\'') &&
		    l->value[l->value_len - 1] == *l->value) {
			l->value++;
			l->value_len -= 2;
		}
	}
	trim(&l->key, &l->key_len);
	if (l->key_len && *l->key == '#')
		l->key_len = 0;
	return true;
}

bool lxc_line_is(const struct lxc_line *l, const char *key)
{
	return l->value && l->key_len == strlen(key) && memcmp(l->key, key, l->key_len) == 0;
}

static bool begins(const struct lxc_line *l, const char *prefix)
{
	size_t len = strlen(prefix);

	return l->key_len >= len && memcmp(l->key, prefix, len) == 0;
}

/* The key of this line; -1: not a numaplace key; -EINVAL: an unknown or malformed limits.* line. */
static int find_key(const struct lxc_line *l, struct error *err)
{
	struct quoted name, value;
	cleanup_free char *key = strndup(l->key, l->key_len), *said = NULL;
	int found;

	if (!key)
		return error_set(err, -ENOMEM, "out of memory");
	found = l->value ? request_find_key(key) : -1;
	if (found >= 0 || !begins(l, "limits."))
		return found;
	name = quote(key);
	if (!l->value)
		return error_set(err, -EINVAL, "\"%s\": not limits.KEY = VALUE", name.text);
	said = strndup(l->value, l->value_len);
	value = quote(said ? said : "");
	return error_set(err, -EINVAL, "%s: \"%s\": no such key", name.text, value.text);
}

/* Refuses a line that looks like a key of numaplace but has invisible or non-ASCII bytes in front. */
static int check_front(const struct lxc_line *l, struct error *err)
{
	size_t skip = 0;
	struct quoted name;
	cleanup_free char *key = NULL;

	while (skip < l->key_len && (l->key[skip] <= ' ' || l->key[skip] > '~'))
		skip++;
	if (!skip || l->key_len - skip < strlen("limits.") || memcmp(l->key + skip, "limits.", strlen("limits.")) != 0)
		return 0;
	key = strndup(l->key, l->key_len);
	if (!key)
		return error_set(err, -ENOMEM, "out of memory");
	name = quote(key);
	return error_set(err, -EINVAL, "\"%s\": bytes that are not text before a key", name.text);
}

/* Some editors put a byte order mark at the start of a file, which a person does not see. */
static size_t byte_order_mark(const char *text, size_t len)
{
	return len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

static bool is_utf16(const char *text, size_t len)
{
	return len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0);
}

static bool is_environment(const struct lxc_line *l)
{
	return lxc_line_is(l, "lxc.environment") || lxc_line_is(l, "lxc.environment.runtime");
}

/* NAME=VALUE; a name alone takes the value of LXC's own environment. */
static int take_variable(const struct lxc_line *l, unsigned int number, struct lxc_keys *out, struct error *err)
{
	const char *equals = memchr(l->value, '=', l->value_len);
	size_t name = equals ? (size_t)(equals - l->value) : 0;
	int key = request_find_variable(l->value, name);

	if (key == -1)
		return 0;
	if (key < 0)
		return out->unknown ? 0 : string_keep_part(&out->unknown, l->value, name, err);
	out->variable_line[key] = number;
	return string_keep_part(&out->variable[key], equals + 1, l->value_len - name - 1, err);
}

int lxc_keys_parse(const char *text, size_t len, const char *file, struct lxc_keys *out, struct error *err)
{
	const char *at = text + byte_order_mark(text, len);
	unsigned int number = 0;
	struct lxc_line l;

	if (is_utf16(text, len))
		return error_set(err, -EINVAL, "%.300s: in UTF-16, which LXC does not read: save it as UTF-8", file);
	if (memchr(text, '\0', len))
		return error_set(err, -EINVAL, "%.300s: contains a NUL", file);
	while (lxc_line_next(&at, text + len, &l)) {
		int key, r = 0;

		number++;
		key = check_front(&l, err);
		if (key == 0 && is_environment(&l))
			r = take_variable(&l, number, out, err);
		if (r < 0)
			return error_prefix(err, r, "%.300s:%u", file, number);
		if (key == 0 && !begins(&l, "limits.") && !begins(&l, "volatile."))
			continue;
		if (key == 0)
			key = find_key(&l, err);
		if (key < -1)
			r = key;
		else if (key >= 0)
			r = string_keep_part(&out->value[key], l.value, l.value_len, err);
		else if (lxc_line_is(&l, LXC_ORIGIN_KEY))
			r = string_keep_part(&out->origin, l.value, l.value_len, err);
		if (r < 0)
			return error_prefix(err, r, "%.300s:%u", file, number);
		if (key >= 0)
			out->line[key] = number;
	}
	return 0;
}

int lxc_keys_set(struct lxc_keys *k, const char *assignment, struct error *err)
{
	const char *equals = strchr(assignment, '=');
	cleanup_free char *name = equals ? strndup(assignment, (size_t)(equals - assignment)) : NULL;
	int key, r;

	if (!equals)
		return error_set(err, -EINVAL, "--set %s: not KEY=VALUE", quote(assignment).text);
	key = name ? request_find_key(name) : -1;
	if (key < 0 || request_key_is_hint(key))
		return error_set(err, -EINVAL, "--set %s: no such key", quote(assignment).text);
	r = string_keep_part(&k->value[key], equals + 1, strlen(equals + 1), err);
	k->line[key] = 0;
	return r;
}

void lxc_keys_drop_variables(struct lxc_keys *k)
{
	for (int i = 0; i < KEY_COUNT; i++) {
		free(k->variable[i]);
		k->variable[i] = NULL;
	}
	free(k->unknown);
	k->unknown = NULL;
}

/* The variable of a key. An empty one does not count, and the command line wins over it as over the file. */
static const char *variable_of(const struct lxc_keys *k, int key)
{
	bool commanded = k->value[key] && !k->line[key];

	return k->variable[key] && *k->variable[key] && !commanded ? k->variable[key] : NULL;
}

bool lxc_keys_ask(const struct lxc_keys *k)
{
	if (k->unknown)
		return true;
	for (int i = 0; i < KEY_COUNT; i++)
		if ((k->value[i] && !request_key_is_hint(i)) || variable_of(k, i))
			return true;
	return false;
}

static int set_variable(const struct lxc_keys *k, enum request_key key, unsigned int allowed, struct request *r,
			struct error *err)
{
	const struct variable_name name = request_variable(key);
	const char *value = variable_of(k, (int)key);
	struct error fault;
	int ret;

	if (!value)
		return 0;
	if (!(allowed & 1U << key))
		return error_set(err, -EINVAL, "%s: \"%s\": containers may not set this key (container-keys)", name.text,
				 quote(value).text);
	ret = request_set(r, request_keys[key], value, &fault);
	if (ret < 0 && k->value[key])
		return error_set(err, ret, "%s is \"%s\" but %s is \"%s\"", request_keys[key], quote(k->value[key]).text,
				 name.text, quote(value).text);
	return ret < 0 ? error_set(err, ret, "%s: %s", name.text, fault.text) : 0;
}

static int set_variables(const struct lxc_keys *k, unsigned int allowed, struct request *r, struct error *err)
{
	int ret = 0;

	if (k->unknown)
		return error_set(err, -EINVAL, "lxc.environment: %s: no such key", quote(k->unknown).text);
	for (int i = 0; i < KEY_COUNT && ret == 0; i++)
		ret = set_variable(k, (enum request_key)i, allowed, r, err);
	return ret;
}

int lxc_keys_request(const struct lxc_keys *k, const char *origin, unsigned int allowed, struct request *out,
		     struct error *err)
{
	bool ours = k->origin && strcmp(k->origin, origin) == 0;
	struct request r;

	request_init(&r);
	for (int i = 0; i < KEY_COUNT; i++) {
		int status;

		if (!k->value[i])
			continue;
		if (request_key_is_hint(i)) {
			if (ours)
				request_set(&r, request_keys[i], k->value[i], NULL);
			continue;
		}
		if (!(allowed & 1U << i))
			return error_set(err, -EINVAL, "%s: \"%s\": containers may not set this key (container-keys)",
					 request_keys[i], quote(k->value[i]).text);
		status = request_set(&r, request_keys[i], k->value[i], err);
		if (status < 0)
			return status;
	}
	if (set_variables(k, allowed, &r, err) < 0)
		return -EINVAL;
	*out = r;
	return 0;
}

void lxc_keys_locate(const struct lxc_keys *k, const char *file, struct error *err)
{
	for (int i = 0; i < KEY_COUNT; i++) {
		const struct variable_name variable = request_variable((enum request_key)i);
		size_t len = strlen(request_keys[i]), name = strlen(variable.text);

		if (k->variable[i] && strncmp(err->text, variable.text, name) == 0 && err->text[name] == ':') {
			error_prefix(err, err->status, "%.300s:%u", file, k->variable_line[i]);
			return;
		}

		if (!k->value[i] || strncmp(err->text, request_keys[i], len) != 0 || err->text[len] != ':')
			continue;
		if (k->line[i])
			error_prefix(err, err->status, "%.300s:%u", file, k->line[i]);
		else
			error_prefix(err, err->status, "--set");
		return;
	}
}

void lxc_keys_free(struct lxc_keys *k)
{
	for (int i = 0; i < KEY_COUNT; i++)
		free(k->value[i]);
	lxc_keys_drop_variables(k);
	free(k->origin);
	*k = (struct lxc_keys){ 0 };
}
