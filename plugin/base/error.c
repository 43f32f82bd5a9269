/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Builds one-line messages. Whatever the input, the output is one line of printable ASCII that fits its buffer.
 */
#include "plugin/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "plugin/base/util.h"

size_t utf8_length(const char *text)
{
	static const struct {
		unsigned char first, last, low, high; /* range of the first byte; of the second */
		size_t len;
	} form[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	const unsigned char *s = (const unsigned char *)text;

	if (*s < 0x80)
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(form); i++) {
		if (*s < form[i].first || *s > form[i].last)
			continue;
		if (s[1] < form[i].low || s[1] > form[i].high)
			return 0;
		for (size_t k = 2; k < form[i].len; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return form[i].len;
	}
	return 0;
}

/* ASCII only: the effect of other bytes depends on the reader's character set, text direction and font. */
static bool is_printable(char c)
{
	return c >= 0x20 && c <= 0x7e;
}

void make_printable(char *text)
{
	for (; *text; text++)
		if (!is_printable(*text))
			*text = '?';
}

static void set_text(struct error *err, int status, const char *fmt, va_list ap)
{
	err->status = status;
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	make_printable(err->text);
}

int error_set(struct error *err, int status, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return status;
	va_start(ap, fmt);
	set_text(err, status, fmt, ap);
	va_end(ap);
	return status;
}

int error_errno(struct error *err, int status, const char *fmt, ...)
{
	va_list ap;
	size_t used;

	if (!err)
		return status;
	va_start(ap, fmt);
	set_text(err, status, fmt, ap);
	va_end(ap);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror(-status));
	return status;
}

int error_prefix(struct error *err, int status, const char *fmt, ...)
{
	char front[ERROR_TEXT_MAX];
	char old[ERROR_TEXT_MAX];
	va_list ap;
	int used;

	if (!err)
		return status;
	va_start(ap, fmt);
	used = vsnprintf(front, sizeof(front), fmt, ap);
	va_end(ap);
	if (used < 0)
		return status;
	memcpy(old, err->text, sizeof(old));
	snprintf(err->text, sizeof(err->text), "%.200s: %.300s", front, old);
	make_printable(err->text);
	return status;
}

int error_exit_status(int status)
{
	if (status == 0)
		return 0;
	return status == -EINVAL ? 2 : 1;
}

struct quoted quote(const char *text)
{
	struct quoted q;
	size_t used = 0, cut = 0; /* cut: where the dots of a truncated text go */

	for (; *text; text++) {
		size_t len = is_printable(*text) ? 1 : 4;

		if (used + len > QUOTED_MAX) {
			memcpy(q.text + cut, "...", 4);
			return q;
		}
		if (len == 1)
			q.text[used] = *text;
		else
			snprintf(q.text + used, 5, "\\x%02x", (unsigned int)(unsigned char)*text);
		used += len;
		if (used <= QUOTED_MAX - 3)
			cut = used;
	}
	q.text[used] = '\0';
	return q;
}
