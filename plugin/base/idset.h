/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A set of node or CPU ids, 0 to IDSET_MAX-1: a fixed bitmap that is copied by assignment and needs no freeing.
 *
 * Text forms: the kernel's list ("0-3,8"), the kernel's map ("0000000f,ff"), the list with libvirt's exclusion
 * ("0-4,^3"), and Incus's comma list ("0,1").
 */
#ifndef NUMAPLACE_IDSET_H
#define NUMAPLACE_IDSET_H

#include "plugin/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IDSET_MAX 8192 /* all ids are smaller */
#define IDSET_WORDS (IDSET_MAX / 64)

struct idset {
	uint64_t word[IDSET_WORDS];
};

static inline void idset_clear(struct idset *s)
{
	*s = (struct idset){ { 0 } };
}

/* @id must be below IDSET_MAX. */
static inline void idset_add(struct idset *s, unsigned int id)
{
	s->word[id / 64] |= 1ULL << (id % 64);
}

/* @id must be below IDSET_MAX. */
static inline void idset_del(struct idset *s, unsigned int id)
{
	s->word[id / 64] &= ~(1ULL << (id % 64));
}

static inline bool idset_has(const struct idset *s, unsigned int id)
{
	return id < IDSET_MAX && (s->word[id / 64] >> (id % 64) & 1);
}

void idset_add_range(struct idset *s, unsigned int first, unsigned int last); /* @first to @last */
void idset_fill(struct idset *s);					      /* every id */
bool idset_empty(const struct idset *s);
unsigned int idset_count(const struct idset *s);
bool idset_equal(const struct idset *a, const struct idset *b);
bool idset_subset(const struct idset *inner, const struct idset *outer); /* @inner in @outer */
bool idset_intersects(const struct idset *a, const struct idset *b);
void idset_and(struct idset *s, const struct idset *other);    /* *s &= *other */
void idset_or(struct idset *s, const struct idset *other);     /* *s |= *other */
void idset_andnot(struct idset *s, const struct idset *other); /* *s &= ~*other */

/* The smallest id >= @from, or -1. */
int idset_next(const struct idset *s, unsigned int from);
#define idset_foreach(id, s) for (int id = idset_next((s), 0); id >= 0; id = idset_next((s), (unsigned int)id + 1))

/*
 * Parse all of @text; only the two kernel forms allow a trailing newline. Return 0, or -EINVAL with a message and
 * @out unchanged. idset_parse() refuses empty text, idset_parse_kernel() reads it as the empty set.
 */
int idset_parse(const char *text, struct idset *out, struct error *err);        /* "0-3,8" and "0-4,^3" */
int idset_parse_kernel(const char *text, struct idset *out, struct error *err); /* cpulist files */
int idset_parse_map(const char *text, struct idset *out, struct error *err);    /* cpumap files */

/*
 * Format into @buf with a NUL, truncated if too long. Return the full length, as snprintf(). IDSET_TEXT_MAX bytes
 * suffice for any set.
 */
#define IDSET_TEXT_MAX (IDSET_MAX * 5 + 1)
size_t idset_format(const struct idset *s, char *buf, size_t size);       /* "0-3,8" */
size_t idset_format_comma(const struct idset *s, char *buf, size_t size); /* "0,1,2" */

#endif
