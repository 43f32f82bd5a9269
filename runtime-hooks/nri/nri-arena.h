/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory for one message: allocated piece by piece, freed as a whole, and bounded. The runtime sets how much a message of
 * a given length can make us allocate: two bytes on the wire may be an empty structure of hundreds of bytes in memory.
 */
#ifndef NUMAPLACE_NRI_ARENA_H
#define NUMAPLACE_NRI_ARENA_H

#include <stddef.h>

#define NRI_ARENA_MAX (64U << 20)

struct nri_chunk;
struct nri_arena {
	struct nri_chunk *chunk; /* the newest one */
	size_t total;            /* bytes of all chunks */
};

/* @size bytes, aligned for any type and not cleared; NULL: over NRI_ARENA_MAX in all, or out of memory. */
void *nri_arena_get(struct nri_arena *a, size_t size);

/* Frees all of it; @a can be used again. */
void nri_arena_free(struct nri_arena *a);
#define cleanup_nri_arena __attribute__((cleanup(nri_arena_free)))

#endif
