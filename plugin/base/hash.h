/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * FNV-1a, a hash of 64 bits: well distributed, not cryptographic. Start with HASH_START and pass each result on.
 */
#ifndef NUMAPLACE_HASH_H
#define NUMAPLACE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HASH_START 0xcbf29ce484222325U

static inline uint64_t hash_bytes(uint64_t h, const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len--)
		h = (h ^ *p++) * 0x100000001b3U;
	return h;
}

/* With the NUL at its end, so that "ab", "c" and "a", "bc" differ. */
static inline uint64_t hash_text(uint64_t h, const char *text)
{
	return hash_bytes(h, text, strlen(text) + 1);
}

#endif
