/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decimal numbers: the limits of each type, and everything that strtoull() accepts and these parsers do not.
 */
#include "plugin/base/number.h"


#include "tests/unit/tap.h"

static void test_unsigned(void)
{
	static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "-0", "0x10", "1a", "1\n", "a", "18446744073709551616",
					   "99999999999999999999999" };
	uint64_t v = 7;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ok(!number_parse(bad[i], UINT64_MAX, &v) && v == 7, "unsigned: bad number %zu is refused", i);
	ok(number_parse("18446744073709551615", UINT64_MAX, &v) && v == UINT64_MAX, "unsigned: the largest of 64 bits");
	ok(number_parse("0007", UINT64_MAX, &v) && v == 7, "unsigned: leading zeros are not octal");
	ok(number_parse("0", 0, &v) && v == 0, "unsigned: 0 with the bound 0");
	ok(!number_parse("1", 0, &v), "unsigned: 1 with the bound 0 is refused");
	ok(!number_parse("5", 4, &v), "unsigned: a digit above a bound of one digit is refused");
	for (uint64_t max = 95; max <= 115; max++)
		for (uint64_t n = 90; n <= 120; n++) {
			char text[8];

			snprintf(text, sizeof(text), "%d", (int)n);
			if (number_parse(text, max, &v) != (n <= max) || (n <= max && v != n)) {
				ok(false, "unsigned: %s with the bound %d", text, (int)max);
				return;
			}
		}
	ok(true, "unsigned: bounds from 95 to 115 are exact");
}

static void test_prefix(void)
{
	const char *text = "12,34", *at = text, *none = ",", *large = "256x";
	uint64_t v = 0;

	ok(number_prefix(&at, 99, &v) && v == 12 && *at == ',', "prefix: ends behind the digits");
	ok(!number_prefix(&none, 99, &v) && *none == ',' && v == 12, "prefix: no digits");
	ok(!number_prefix(&large, 255, &v) && *large == '2', "prefix: too large, and the position stays");
}

static void test_signed(void)
{
	int64_t v = 7;

	ok(number_parse_signed("-9223372036854775808", INT64_MIN, INT64_MAX, &v) && v == INT64_MIN, "signed: the smallest");
	ok(number_parse_signed("9223372036854775807", INT64_MIN, INT64_MAX, &v) && v == INT64_MAX, "signed: the largest");
	ok(!number_parse_signed("-9223372036854775809", INT64_MIN, INT64_MAX, &v), "signed: below the smallest");
	ok(!number_parse_signed("9223372036854775808", INT64_MIN, INT64_MAX, &v), "signed: above the largest");
	ok(!number_parse_signed("--1", INT64_MIN, INT64_MAX, &v), "signed: two signs");
	ok(!number_parse_signed("-", INT64_MIN, INT64_MAX, &v), "signed: a sign alone");
	ok(!number_parse_signed("-2", -1, 5, &v) && !number_parse_signed("6", -1, 5, &v), "signed: out of bounds");
	ok(number_parse_signed("-1", -1, 5, &v) && v == -1, "signed: -1");
}

static void test_line(void)
{
	uint64_t v = 0;

	ok(number_parse_line("42\n", 99, &v) && v == 42, "line: with a newline");
	ok(number_parse_line("43", 99, &v) && v == 43, "line: without one");
	ok(!number_parse_line("42\n\n", 99, &v) && !number_parse_line("42 \n", 99, &v) && !number_parse_line("\n", 99, &v),
	   "line: anything else is refused");
}

int main(void)
{
	test_unsigned();
	test_prefix();
	test_signed();
	test_line();
	return done();
}
