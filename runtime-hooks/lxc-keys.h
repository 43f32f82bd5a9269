/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lines of a container's own config file that are ours: `limits.*`, which ask,
 * and `volatile.*`, which numaplace wrote itself.  LXC passes over lines that do not
 * begin with "lxc.", and keeps them when it rewrites the file.
 */
#ifndef NUMAPLACE_LXC_KEYS_H
#define NUMAPLACE_LXC_KEYS_H

#include "plugin/request.h"

#include <stddef.h>

#define LXC_CONFIG_MAX (1U << 20) /* bytes of a config file */
#define LXC_ORIGIN_KEY "volatile.numaplace.origin"
#define LXC_ORIGIN_LEN 16

/* One line as LXC splits it: blanks cut off, quotes taken off the value.  Points into the text. */
struct lxc_line {
	const char *start, *key, *value; /* value NULL: no = in it */
	size_t len, key_len, value_len;	 /* len: with its line end */
};

/* Takes the next line from *@at; false at the end.  Comments and empty lines have no key. */
bool lxc_line_next(const char **at, const char *end, struct lxc_line *l);
bool lxc_line_is(const struct lxc_line *l, const char *key);

struct lxc_keys {
	char *value[KEY_COUNT];	      /* by enum request_key, as written; NULL: not given */
	unsigned int line[KEY_COUNT]; /* of the file; 0: from the command line */
	char *origin;		      /* whose volatile lines these are; NULL: not said */
};

/*
 * Adds what @text has; of several lines with one key the last counts, as with LXC.  -EINVAL and
 * "FILE:7: limits.cpus: \"4\": no such key".
 */
int lxc_keys_parse(const char *text, size_t len, const char *file, struct lxc_keys *out, struct error *err);

/* Adds "KEY=VALUE" of the command line, which wins over the file. */
int lxc_keys_set(struct lxc_keys *k, const char *assignment, struct error *err);

/* True when there is a key that asks. */
bool lxc_keys_ask(const struct lxc_keys *k);

/*
 * As a request, not finished yet.  @allowed: bits of the keys that a container may set.  The volatile
 * lines become hints if @origin says they are of this container; what makes no sense there is passed over.
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
