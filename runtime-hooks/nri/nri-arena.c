/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A list of chunks. A piece comes from the newest chunk, or from a new one that is at least as large as the piece.
 */
#include "runtime-hooks/nri/nri-arena.h"

#include <stdint.h>
#include <stdlib.h>

#define CHUNK_MIN (64U << 10)
#define ALIGNMENT 16U

struct nri_chunk {
	struct nri_chunk *next;
	size_t size, used; /* of @bytes */
	_Alignas(ALIGNMENT) uint8_t bytes[];
};

static struct nri_chunk *add_chunk(struct nri_arena *a, size_t size)
{
	struct nri_chunk *c;

	if (size < CHUNK_MIN)
		size = CHUNK_MIN;
	if (a->total > NRI_ARENA_MAX - size)
		return NULL;
	c = malloc(sizeof(*c) + size);
	if (!c)
		return NULL;
	c->next = a->chunk;
	c->size = size;
	c->used = 0;
	a->chunk = c;
	a->total += size;
	return c;
}

void *nri_arena_get(struct nri_arena *a, size_t size)
{
	struct nri_chunk *c = a->chunk;
	void *piece;

	if (size > NRI_ARENA_MAX - CHUNK_MIN)
		return NULL;
	size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (!c || c->size - c->used < size)
		c = add_chunk(a, size);
	if (!c)
		return NULL;
	piece = c->bytes + c->used;
	c->used += size;
	return piece;
}

void nri_arena_free(struct nri_arena *a)
{
	while (a->chunk) {
		struct nri_chunk *c = a->chunk;

		a->chunk = c->next;
		free(c);
	}
	a->total = 0;
}
