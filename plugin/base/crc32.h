/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NUMAPLACE_CRC32_H
#define NUMAPLACE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32 of @len bytes, as zlib's crc32(). */
uint32_t crc32_of(const void *data, size_t len);

#endif
