/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decimal numbers. Unlike strtoull(), these parsers accept no blank, no sign before an unsigned number and no other
 * base, and a number that does not fit is an error. Outputs are unchanged on failure.
 */
#ifndef NUMAPLACE_NUMBER_H
#define NUMAPLACE_NUMBER_H


#include <stdbool.h>
#include <stdint.h>

/*
 * Reads the digits at *@at, for numbers within a text, and moves *@at behind them. False, with *@at unchanged: there are
 * none, or the number is larger than @max.
 */
bool number_prefix(const char **at, uint64_t max, uint64_t *out);

/* All of @text, at most @max. */
bool number_parse(const char *text, uint64_t max, uint64_t *out);

/* All of @text, which may have a minus sign; from @min to @max. */
bool number_parse_signed(const char *text, int64_t min, int64_t max, int64_t *out);

/* All of @text but a newline at its end, as in files of the kernel. */
bool number_parse_line(const char *text, uint64_t max, uint64_t *out);

#endif
