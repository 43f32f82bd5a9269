/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decimal numbers.
 */
#include "plugin/base/number.h"


bool number_prefix(const char **at, uint64_t max, uint64_t *out)
{
	const char *p = *at;
	uint64_t v = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v) || v > max)
			return false;
	}
	if (p == *at)
		return false;
	*at = p;
	*out = v;
	return true;
}

bool number_parse(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t v;

	if (!number_prefix(&text, max, &v) || *text)
		return false;
	*out = v;
	return true;
}

bool number_parse_signed(const char *text, int64_t min, int64_t max, int64_t *out)
{
	bool negative = *text == '-';
	uint64_t most = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX, v;
	int64_t number;

	if (!number_parse(text + negative, most, &v))
		return false;
	number = negative ? (int64_t)(0 - v) : (int64_t)v;
	if (number < min || number > max)
		return false;
	*out = number;
	return true;
}

bool number_parse_line(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t v;

	if (!number_prefix(&text, max, &v) || (*text && !(text[0] == '\n' && !text[1])))
		return false;
	*out = v;
	return true;
}
