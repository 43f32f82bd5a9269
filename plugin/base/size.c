/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sizes: a number, with an optional fraction or exponent, and a unit.
 *
 * A single letter is a power of 1024, as in Docker, podman, systemd, LXC and the kernel. In Kubernetes G is a power
 * of 1000, so a size from there becomes larger than intended, by up to a sixth, and never smaller. Its m is a
 * thousandth.
 */
#include "plugin/base/size.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "plugin/base/number.h"
#include "plugin/base/util.h"

#define FRACTION_DIGITS 9
#define KNOWN_UNITS "B, kB, MB, GB, TB, PB, EB (powers of 1000); KiB or Ki or K, Mi, Gi, Ti, Pi, Ei (powers of 1024)"
/* 1 TiB: larger values in m come from Kubernetes ("128974848000m"). */
#define MILLI_FROM (1ULL << 20)

static const char prefixes[] = "KMGTPE";

struct decimal {
	uint64_t whole;
	uint64_t fraction; /* numerator over 10^digits */
	unsigned int digits;
	const char *end;
};

static int take_decimal(const char *text, struct decimal *out, struct error *err)
{
	const char *p = text, *point;
	struct decimal d = { 0 };
	bool digits = *p >= '0' && *p <= '9';

	if (!number_prefix(&p, SIZE_LIMIT, &d.whole) && digits)
		return error_set(err, -EINVAL, "\"%s\": more than 1EiB", quote(text).text);
	if (digits && *p == '.') {
		point = p++;
		digits = number_prefix(&p, UINT64_MAX / 10, &d.fraction) && p - point <= FRACTION_DIGITS + 1;
		d.digits = digits ? (unsigned int)(p - point - 1) : 0;
	}
	if (!digits)
		return error_set(err, -EINVAL, "\"%s\": a size like 30GiB, 1.5GiB, 512MB or a number of bytes is expected",
				 quote(text).text);
	d.end = p;
	*out = d;
	return 0;
}

static uint64_t power(unsigned int base, unsigned int n)
{
	uint64_t v = 1;

	while (n--)
		v *= base;
	return v;
}

/* Power of a prefix letter, 1 for K; 0 if it is not a prefix. */
static unsigned int prefix_power(char c)
{
	const char *at = c ? strchr(prefixes, c & ~0x20) : NULL;

	return at && *at ? (unsigned int)(at - prefixes) + 1 : 0;
}

/* "e9" is 10^9; 0 if it is not an exponent. */
static uint64_t exponent(const char *text)
{
	uint64_t n;

	if (*text != 'e' && *text != 'E')
		return 0;
	text += text[1] == '+' ? 2 : 1;
	return number_prefix(&text, 18, &n) && !*text ? power(10, (unsigned int)n) : 0;
}

/* Bytes of a unit; 0 if unknown. */
static uint64_t unit_bytes(const char *unit)
{
	static const char *const plain[] = { "", "B", "b", "bytes", " bytes" };
	unsigned int n = prefix_power(*unit);

	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (strcmp(unit, plain[i]) == 0)
			return 1;
	if (!n)
		return exponent(unit);
	/* Only Docker reads gb as 1024^3: stays unknown. */
	if (strcmp(unit + 1, "B") == 0 && (*unit == 'k' || *unit < 'a'))
		return power(1000, n);
	if (strcasecmp(unit + 1, "i") == 0 || strcasecmp(unit + 1, "iB") == 0)
		return power(1024, n);
	if (!unit[1] && *unit != 'e')
		return power(1024, n);
	return exponent(unit);
}

static int refuse_unit(const char *text, const char *unit, struct error *err)
{
	if (strcmp(unit, "%") == 0)
		return error_set(err, -EINVAL, "\"%s\": a percentage of memory is only valid under Incus; a size like "
					       "30GiB is expected", quote(text).text);
	return error_set(err, -EINVAL, "\"%s\": unknown unit \"%s\"; known are " KNOWN_UNITS, quote(text).text,
			 quote(unit).text);
}

/* @d * @unit, rounded up; false if over the limit. */
static bool multiply(const struct decimal *d, uint64_t unit, uint64_t *bytes)
{
	uint64_t ten = power(10, d->digits);
	uint64_t part = d->fraction * (unit / ten) + (d->fraction * (unit % ten) + ten - 1) / ten;

	if (d->whole > SIZE_LIMIT / unit || part > SIZE_LIMIT - d->whole * unit)
		return false;
	*bytes = d->whole * unit + part;
	return true;
}

int size_parse(const char *text, uint64_t *bytes, struct error *err)
{
	struct decimal d = { 0 };
	uint64_t unit;
	int r = take_decimal(text, &d, err);

	if (r < 0)
		return r;
	unit = unit_bytes(d.end);
	if (!unit)
		return refuse_unit(text, d.end, err);
	if (strcmp(d.end, "m") == 0 && d.whole >= MILLI_FROM)
		return error_set(err, -EINVAL, "\"%s\": m is MiB here, and a thousandth of a byte in Kubernetes: write MiB, "
					       "or the number of bytes", quote(text).text);
	if (d.digits && unit == 1)
		return error_set(err, -EINVAL, "\"%s\": a fraction of a byte; a unit is missing", quote(text).text);
	if (!multiply(&d, unit, bytes))
		return error_set(err, -EINVAL, "\"%s\": more than 1EiB", quote(text).text);
	return 0;
}

/* Bytes of a page size's unit; 0 if unknown. */
static uint64_t page_unit(const char *unit)
{
	unsigned int n = prefix_power(*unit);

	if (!*unit || strcasecmp(unit, "B") == 0)
		return 1;
	if (!n)
		return 0;
	unit++;
	unit += *unit == 'i';
	return !*unit || strcasecmp(unit, "B") == 0 ? power(1024, n) : 0;
}

int size_parse_page(const char *text, uint64_t *bytes, struct error *err)
{
	const char *end = text;
	uint64_t n, unit;

	if (!number_prefix(&end, SIZE_LIMIT, &n))
		return error_set(err, -EINVAL, "\"%s\": a page size like 2MB, 1GiB or a number of bytes is expected",
				 quote(text).text);
	unit = page_unit(end);
	if (!unit)
		return error_set(err, -EINVAL, "\"%s\": unknown unit \"%s\"; known are KB, MB, GB or KiB, MiB, GiB, all powers "
					       "of 1024", quote(text).text, quote(end).text);
	if (!n || n > SIZE_LIMIT / unit || (n * unit & (n * unit - 1)))
		return error_set(err, -EINVAL, "\"%s\": a page size is a power of two, up to 1EiB", quote(text).text);
	*bytes = n * unit;
	return 0;
}

size_t size_format(uint64_t bytes, char *buf, size_t size)
{
	for (unsigned int n = 6; n; n--) {
		uint64_t unit = 1ULL << (10 * n);

		if (bytes && bytes % unit == 0)
			return (size_t)snprintf(buf, size, "%llu%ciB", (unsigned long long)(bytes / unit),
						prefixes[n - 1]);
	}
	return (size_t)snprintf(buf, size, "%llu", (unsigned long long)bytes);
}

size_t size_human(uint64_t bytes, char *buf, size_t size)
{
	for (unsigned int n = 6; n; n--) {
		uint64_t unit = 1ULL << (10 * n);

		if (bytes >= unit)
			return (size_t)snprintf(buf, size, bytes % unit ? "%.1f%ciB" : "%.0f%ciB",
						(double)bytes / (double)unit, prefixes[n - 1]);
	}
	return (size_t)snprintf(buf, size, "%lluB", (unsigned long long)bytes);
}
