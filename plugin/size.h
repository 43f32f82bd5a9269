/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sizes of memory as text.  The words of Incus, Docker, Kubernetes and the kernel are read where they mean one
 * thing; what two of them read with very different results is refused with the reason.
 */
#ifndef NUMAPLACE_SIZE_H
#define NUMAPLACE_SIZE_H

#include "plugin/error.h"

#include <stdint.h>

#define SIZE_LIMIT (1ULL << 60) /* bytes; more is a mistake */

/*
 * "30GiB", "1.5Gi", "512MB", "8g", "1e9", "1024": bytes; a part of a byte is one.  MB and the like are powers of 1000,
 * MiB and Mi powers of 1024, and so is a lone letter.  -EINVAL: malformed, an unknown unit, or over SIZE_LIMIT.
 */
int size_parse(const char *text, uint64_t *bytes, struct error *err);

/*
 * The size of a hugepage: every unit is a power of 1024, as in the names that the kernel gives ("2MB", "2048kB").
 * -EINVAL also for what is no power of two.
 */
int size_parse_page(const char *text, uint64_t *bytes, struct error *err);

/* "30GiB" where that is exact, else bytes; never loses a byte. */
size_t size_format(uint64_t bytes, char *buf, size_t size);
/* "29.8GiB": for people. */
size_t size_human(uint64_t bytes, char *buf, size_t size);

#endif
