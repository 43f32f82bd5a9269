/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TAP for C tests, in one header: checks are numbered and print what differs; `return done();` ends main with the plan.
 *
 * 	ok(idset_empty(&s), "a cleared set is empty");
 * 	is_int(idset_count(&s), 3, "count of %s", text);
 * 	is_str(buf, "0-3,8", "formatted as the kernel does");
 */
#ifndef NUMAPLACE_TAP_H
#define NUMAPLACE_TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static struct {
	unsigned int run, failed;
} tap;

#define TAP_CHECK(fmt, first) __attribute__((format(printf, fmt, first), unused)) static bool

TAP_CHECK(4, 0) tap_result(bool pass, const char *file, int line, const char *fmt, va_list ap)
{
	tap.run++;
	printf("%sok %u - ", pass ? "" : "not ", tap.run);
	vprintf(fmt, ap);
	putchar('\n');
	if (!pass) {
		tap.failed++;
		printf("# at %s:%d\n", file, line);
	}
	fflush(stdout);
	return pass;
}

TAP_CHECK(4, 5) tap_ok(bool pass, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_result(pass, file, line, fmt, ap);
	va_end(ap);
	return pass;
}

TAP_CHECK(5, 6) tap_int(int64_t got, int64_t want, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!tap_result(got == want, file, line, fmt, ap))
		printf("#  got: %" PRId64 "\n# want: %" PRId64 "\n", got, want);
	va_end(ap);
	return got == want;
}

TAP_CHECK(5, 6) tap_str(const char *got, const char *want, const char *file, int line, const char *fmt, ...)
{
	bool pass = got && want ? strcmp(got, want) == 0 : got == want;
	va_list ap;

	va_start(ap, fmt);
	if (!tap_result(pass, file, line, fmt, ap))
		printf("#  got: %s\n# want: %s\n", got ? got : "(null)", want ? want : "(null)");
	va_end(ap);
	return pass;
}

/* Each returns true if it passed. */
#define ok(condition, ...) tap_ok((condition), __FILE__, __LINE__, __VA_ARGS__)
#define is_int(got, want, ...) tap_int((int64_t)(got), (int64_t)(want), __FILE__, __LINE__, __VA_ARGS__)
#define is_str(got, want, ...) tap_str((got), (want), __FILE__, __LINE__, __VA_ARGS__)

/* A comment line in the output. */
#define diag(fmt, ...) printf("# " fmt "\n", ##__VA_ARGS__)

__attribute__((unused)) static int done(void)
{
	printf("1..%u\n", tap.run);
	return tap.failed ? 1 : 0;
}

#endif
