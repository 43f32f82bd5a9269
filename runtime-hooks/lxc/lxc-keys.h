/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numaplace's lines in a container's own config file: `limits.*` are requests, `volatile.*` are lines that numaplace
 * wrote. LXC ignores lines that do not begin with "lxc." and keeps them when it rewrites the file. Lines `lxc.environment`
 * may have the same requests as variables.
 */
#ifndef NUMAPLACE_LXC_KEYS_H
#define NUMAPLACE_LXC_KEYS_H

#include "plugin/select/request.h"

#include <stddef.h>

#define LXC_CONFIG_MAX (1U << 20) /* bytes of a config file */
#define LXC_ORIGIN_KEY "volatile.numaplace.origin"
#define LXC_ORIGIN_LEN 16

/* One line, split as LXC does: surrounding blanks and the value's quotes removed. Points into the text. */
struct lxc_line {
	const char *start, *key, *value; /* value NULL: the line has no = */
	size_t len, key_len, value_len;	 /* len: with its line end */
};

/* Takes the next line from *@at; false at the end. Comments and empty lines get key_len 0. */
bool lxc_line_next(const char **at, const char *end, struct lxc_line *l);
bool lxc_line_is(const struct lxc_line *l, const char *key);

struct lxc_keys {
	char *value[KEY_COUNT];	      /* indexed by enum request_key, as written; NULL: not given */
	unsigned int line[KEY_COUNT]; /* in the file; 0: from the command line */
	char *variable[KEY_COUNT];    /* in lxc.environment */
	unsigned int variable_line[KEY_COUNT];
	char *unknown;                /* the first such variable that is no key; NULL: none */
	char *origin;		      /* identifies the container of the volatile lines; NULL: not given */
};

/*
 * Adds the keys in @text. The last of several lines with one key counts, as in LXC. -EINVAL, with "FILE:7: limits.cpus:
 * \"4\": no such key".
 */
int lxc_keys_parse(const char *text, size_t len, const char *file, struct lxc_keys *out, struct error *err);

/* Adds "KEY=VALUE" from the command line, which wins over the file. */
int lxc_keys_set(struct lxc_keys *k, const char *assignment, struct error *err);

/* Drops the variables, on a host where they do not count. */
void lxc_keys_drop_variables(struct lxc_keys *k);

/* Whether at least one key is a request. */
bool lxc_keys_ask(const struct lxc_keys *k);

/*
 * Makes a request, not finished yet. @allowed: bits of the keys that a container may set. Volatile lines become hints
 * if their origin is @origin; invalid ones are ignored.
 */
int lxc_keys_request(const struct lxc_keys *k, const char *origin, unsigned int allowed, struct request *out,
		     struct error *err);

/* Puts "FILE:LINE" in front of an error that is about a key. */
void lxc_keys_locate(const struct lxc_keys *k, const char *file, struct error *err);

void lxc_keys_free(struct lxc_keys *k);
static inline void cleanup_lxc_keysp(struct lxc_keys *k)
{
	lxc_keys_free(k);
}
#define cleanup_lxc_keys __attribute__((cleanup(cleanup_lxc_keysp)))

#endif
