/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages: whatever goes in, one printable line of UTF-8 comes out that ends inside its buffer.
 */
#include "plugin/error.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/tap.h"

static void is_printed(const char *text, const char *want, const char *name)
{
	struct error err = { 0 };

	error_set(&err, -EINVAL, "%s", text);
	is_str(err.text, want, "%s", name);
	is_str(quote(text).text, want, "%s, quoted", name);
}

static void test_printable(void)
{
	is_printed("a\nb\x1b[2Jc\x7f", "a?b?[2Jc?", "control characters");
	is_printed("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "UTF-8 stays");
	is_printed("a\xff" "b\xc3", "a?b?", "bytes that are no character");
	is_printed("\xc0\xaf\xed\xa0\x80", "?????", "forms that are not allowed");
	is_printed("a\xc2\x9b" "2Jb", "a??2Jb", "the control characters behind ASCII");
}

static void test_cut(void)
{
	struct error err = { 0 };
	char text[2 * ERROR_TEXT_MAX + 1];
	struct quoted q;

	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 3);
	q = quote(text + 1);
	for (const char *p = q.text; *p; p += utf8_length(p))
		if (!utf8_length(p)) {
			ok(0, "a character that quote() cut is no character");
			return;
		}
	error_set(&err, -EIO, "x%s", text);
	error_prefix(&err, "y%s", text);
	for (const char *p = err.text; *p; p += utf8_length(p))
		if (!utf8_length(p)) {
			ok(0, "a character that a message cut is no character");
			return;
		}
	ok(strlen(err.text) < sizeof(err.text), "what is cut is cut in a line of UTF-8");
}

int main(void)
{
	test_printable();
	test_cut();
	return done();
}
