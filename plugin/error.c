/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Builds one-line messages.  Whatever goes in, what comes out is one printable
 * line that ends inside its buffer.
 */
#include "plugin/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
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

int error_prefix(struct error *err, const char *fmt, ...)
{
	char front[ERROR_TEXT_MAX];
	char old[ERROR_TEXT_MAX];
	va_list ap;
	int used;

	if (!err)
		return -EINVAL; /* never 0: callers hand it on as the failure that it is */
	va_start(ap, fmt);
	used = vsnprintf(front, sizeof(front), fmt, ap);
	va_end(ap);
	if (used < 0)
		return err->status;
	memcpy(old, err->text, sizeof(old));
	snprintf(err->text, sizeof(err->text), "%.200s: %.300s", front, old);
	make_printable(err->text);
	return err->status;
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
	size_t n = strnlen(text, 65);

	memcpy(q.text, text, n);
	if (n > 64)
		memcpy(q.text + 61, "...", 4);
	else
		q.text[n] = '\0';
	make_printable(q.text);
	return q;
}
