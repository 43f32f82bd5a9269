/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sets of ids: fixed bitmaps that are copied by assignment and need no freeing. A struct idset holds CPU ids, a struct
 * nodeset node ids. They have the same functions, idset_*() and nodeset_*(), so that the compiler reports a set of CPUs
 * where a set of nodes belongs. A struct ids refers to a set of either type.
 *
 * Text forms: the kernel's list ("0-3,8"), the kernel's map ("0000000f,ff"), the list with libvirt's exclusion
 * ("0-4,^3"), and Incus's comma list ("0,1").
 */
#ifndef NUMAPLACE_IDSET_H
#define NUMAPLACE_IDSET_H

#include "plugin/base/error.h"
#include "plugin/base/util.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define IDSET_MAX 8192   /* all CPU ids are smaller */
#define NODESET_MAX 1024 /* all node ids are smaller */

/* A set of either type, to read or to write. Valid as long as that set is. */
struct ids {
	const uint64_t *word;
	unsigned int nwords;
};
struct ids_out {
	uint64_t *word;
	unsigned int nwords;
};
#define ids_of(set) ((struct ids){ (set)->word, ARRAY_SIZE((set)->word) })
#define ids_into(set) ((struct ids_out){ (set)->word, ARRAY_SIZE((set)->word) })

bool ids_empty(struct ids s);
unsigned int ids_count(struct ids s);

/* Two sets of the same type. */
bool ids_equal(struct ids a, struct ids b);
bool ids_subset(struct ids inner, struct ids outer); /* @inner in @outer */
bool ids_intersects(struct ids a, struct ids b);
void ids_and(struct ids_out s, struct ids other);    /* s &= other */
void ids_or(struct ids_out s, struct ids other);     /* s |= other */
void ids_andnot(struct ids_out s, struct ids other); /* s &= ~other */
/* s &= other; s = other if they are disjoint or s is empty; an empty @other changes nothing. */
void ids_narrow(struct ids_out s, struct ids other);

void ids_add_range(struct ids_out s, unsigned int first, unsigned int last); /* @first to @last */

/* The smallest id >= @from, or -1. */
int ids_next(struct ids s, unsigned int from);
#define ids_foreach(id, s) for (int id = ids_next((s), 0); id >= 0; id = ids_next((s), (unsigned int)id + 1))

/*
 * Parse all of @text; only the two kernel forms allow a trailing newline. Return 0, or -EINVAL with a message and
 * @out unchanged. ids_parse() refuses empty text, ids_parse_kernel() reads it as the empty set.
 */
int ids_parse(const char *text, struct ids_out out, struct error *err);        /* "0-3,8" and "0-4,^3" */
int ids_parse_kernel(const char *text, struct ids_out out, struct error *err); /* cpulist and nodelist files */
int ids_parse_map(const char *text, struct ids_out out, struct error *err);    /* cpumap files */

/*
 * Format into @buf with a NUL, truncated if too long. Return the full length, as snprintf(). IDSET_TEXT_MAX bytes
 * suffice for any set, NODESET_TEXT_MAX bytes for a set of nodes.
 */
#define IDSET_TEXT_MAX (IDSET_MAX * 5 + 1)
#define NODESET_TEXT_MAX (NODESET_MAX * 5 + 1)
size_t ids_format(struct ids s, char *buf, size_t size);       /* "0-3,8" */
size_t ids_format_comma(struct ids s, char *buf, size_t size); /* "0,1,2" */

/*
 * The type struct SET of the ids below @max, and its functions SET_clear() to SET_format_comma(). For SET_add() and
 * SET_del(), @id must be below @max; SET_fill() adds every id.
 */
#define DEFINE_SET(SET, max)										\
	struct SET {											\
		uint64_t word[(max) / 64];								\
	};												\
	static inline void SET##_clear(struct SET *s)							\
	{												\
		*s = (struct SET){ { 0 } };								\
	}												\
	static inline void SET##_fill(struct SET *s)							\
	{												\
		memset(s, 0xff, sizeof(*s));								\
	}												\
	static inline void SET##_add(struct SET *s, unsigned int id)					\
	{												\
		s->word[id / 64] |= 1ULL << (id % 64);							\
	}												\
	static inline void SET##_del(struct SET *s, unsigned int id)					\
	{												\
		s->word[id / 64] &= ~(1ULL << (id % 64));						\
	}												\
	static inline bool SET##_has(const struct SET *s, unsigned int id)				\
	{												\
		return id < (max) && (s->word[id / 64] >> (id % 64) & 1);				\
	}												\
	static inline void SET##_add_range(struct SET *s, unsigned int first, unsigned int last)	\
	{												\
		ids_add_range(ids_into(s), first, last);						\
	}												\
	static inline bool SET##_empty(const struct SET *s)						\
	{												\
		return ids_empty(ids_of(s));								\
	}												\
	static inline unsigned int SET##_count(const struct SET *s)					\
	{												\
		return ids_count(ids_of(s));								\
	}												\
	static inline bool SET##_equal(const struct SET *a, const struct SET *b)			\
	{												\
		return ids_equal(ids_of(a), ids_of(b));							\
	}												\
	static inline bool SET##_subset(const struct SET *inner, const struct SET *outer)		\
	{												\
		return ids_subset(ids_of(inner), ids_of(outer));					\
	}												\
	static inline bool SET##_intersects(const struct SET *a, const struct SET *b)			\
	{												\
		return ids_intersects(ids_of(a), ids_of(b));						\
	}												\
	static inline void SET##_and(struct SET *s, const struct SET *other)				\
	{												\
		ids_and(ids_into(s), ids_of(other));							\
	}												\
	static inline void SET##_or(struct SET *s, const struct SET *other)				\
	{												\
		ids_or(ids_into(s), ids_of(other));							\
	}												\
	static inline void SET##_andnot(struct SET *s, const struct SET *other)				\
	{												\
		ids_andnot(ids_into(s), ids_of(other));							\
	}												\
	static inline void SET##_narrow(struct SET *s, const struct SET *other)				\
	{												\
		ids_narrow(ids_into(s), ids_of(other));							\
	}												\
	static inline int SET##_next(const struct SET *s, unsigned int from)				\
	{												\
		return ids_next(ids_of(s), from);							\
	}												\
	static inline int SET##_parse(const char *text, struct SET *out, struct error *err)		\
	{												\
		return ids_parse(text, ids_into(out), err);						\
	}												\
	static inline int SET##_parse_kernel(const char *text, struct SET *out, struct error *err)	\
	{												\
		return ids_parse_kernel(text, ids_into(out), err);					\
	}												\
	static inline size_t SET##_format(const struct SET *s, char *buf, size_t size)			\
	{												\
		return ids_format(ids_of(s), buf, size);						\
	}												\
	static inline size_t SET##_format_comma(const struct SET *s, char *buf, size_t size)		\
	{												\
		return ids_format_comma(ids_of(s), buf, size);						\
	}												\
	struct SET

DEFINE_SET(idset, IDSET_MAX);
DEFINE_SET(nodeset, NODESET_MAX);

static inline int idset_parse_map(const char *text, struct idset *out, struct error *err)
{
	return ids_parse_map(text, ids_into(out), err);
}

#define idset_foreach(id, s) for (int id = idset_next((s), 0); id >= 0; id = idset_next((s), (unsigned int)id + 1))
#define nodeset_foreach(id, s)                                                                                         \
	for (int id = nodeset_next((s), 0); id >= 0; id = nodeset_next((s), (unsigned int)id + 1))

#endif
