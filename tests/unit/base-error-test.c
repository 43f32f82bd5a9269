/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages: any input results in one line of printable ASCII that fits into its buffer.
 */
#include "plugin/base/error.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/tap.h"

static void is_printed(const char *text, const char *want, const char *want_quoted, const char *name)
{
	struct error err = { 0 };

	error_set(&err, -EINVAL, "%s", text);
	is_str(err.text, want, "error_set: %s", name);
	is_str(quote(text).text, want_quoted, "quote: %s", name);
}

static void test_printable(void)
{
	is_printed("a\nb\x1b[2Jc\x7f", "a?b?[2Jc?", "a\\x0ab\\x1b[2Jc\\x7f", "control characters");
	is_printed("caf\xc3\xa9", "caf??", "caf\\xc3\\xa9", "a letter beyond ASCII");
	is_printed("a\xff" "b\xc3", "a?b?", "a\\xffb\\xc3", "bytes that are not UTF-8");
	is_printed("\xc0\xaf\xed\xa0\x80", "?????", "\\xc0\\xaf\\xed\\xa0\\x80",
		   "malformed UTF-8 (overlong, surrogate)");
	is_printed("a\xc2\x9b" "2J\x9b", "a??2J?", "a\\xc2\\x9b2J\\x9b", "C1 controls, in UTF-8 and alone");
	is_printed("a\xe2\x80\xae" "b\xe2\x80\xa8", "a???b???", "a\\xe2\\x80\\xaeb\\xe2\\x80\\xa8",
		   "a right-to-left override and a line separator");
}

static int is_plain_line(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			return 0;
	return 1;
}

static void test_cut(void)
{
	struct error err = { 0 };
	char text[2 * ERROR_TEXT_MAX + 1], byte[2] = "";

	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 3);
	is_str(quote(text).text, "\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3...",
	       "quote: an escape is not cut");
	error_set(&err, -EIO, "x%s", text);
	is_int(error_prefix(&err, -EIO, "y%s", text), -EIO, "prefix: returns the status that it is given");
	is_int(error_prefix(NULL, -ENOENT, "y"), -ENOENT, "prefix: also if there is no error to fill");
	ok(strlen(err.text) < sizeof(err.text) && is_plain_line(err.text),
	   "a too long message is cut, and is one printable line");
	for (size_t n = 60; n < 70; n++) {
		memset(text, 'a', n);
		text[n] = '\0';
		is_int((long)strlen(quote(text).text), n < 64 ? (long)n : 64, "quote: text of %zu bytes", n);
	}
	for (int c = 1; c < 256; c++) {
		byte[0] = (char)c;
		error_set(&err, -EIO, "%s", byte);
		if (!is_plain_line(err.text) || !is_plain_line(quote(byte).text)) {
			ok(0, "byte 0x%02x is printed unescaped", (unsigned int)c);
			return;
		}
	}
	ok(1, "messages contain printable ASCII only");
}

int main(void)
{
	test_printable();
	test_cut();
	return done();
}
