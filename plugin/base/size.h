/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sizes of memory as text. Accepts the notations of Incus, Docker, Kubernetes and the kernel where their meaning
 * agrees; a notation that two of them read very differently is refused with the reason.
 */
#ifndef NUMAPLACE_SIZE_H
#define NUMAPLACE_SIZE_H

#include "plugin/base/error.h"

#include <stdint.h>

#define SIZE_LIMIT (1ULL << 60) /* bytes; larger values are mistakes */

/*
 * Parses "30GiB", "1.5Gi", "512MB", "8g", "1e9" or "1024" to bytes; fractions of a byte are rounded up. MB and the
 * like are powers of 1000; MiB, Mi and a single letter are powers of 1024. Returns 0, or -EINVAL: malformed, unknown
 * unit, or more than SIZE_LIMIT.
 */
int size_parse(const char *text, uint64_t *bytes, struct error *err);

/*
 * Parses the size of a hugepage to bytes: all units are powers of 1024, as in the kernel's names ("2MB", "2048kB").
 * Returns 0, or -EINVAL, also if it is not a power of two.
 */
int size_parse_page(const char *text, uint64_t *bytes, struct error *err);

/* "30GiB" if that is exact, else bytes. Returns the length as snprintf(). */
size_t size_format(uint64_t bytes, char *buf, size_t size);
/* "29.8GiB", rounded, for messages. Returns the length as snprintf(). */
size_t size_human(uint64_t bytes, char *buf, size_t size);

#endif
