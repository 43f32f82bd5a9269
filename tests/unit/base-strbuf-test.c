/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Texts that grow.
 */
#include "plugin/base/strbuf.h"

#include <stdlib.h>

#include "tests/unit/tap.h"

int main(void)
{
	struct strbuf s = { 0 }, full = { .failed = true };
	char *kept = NULL;

	ok(!s.text && !s.failed, "a new text is empty");
	strbuf_puts(&s, "");
	is_str(s.text, "", "an empty string makes a text");
	strbuf_add(&s, "a\0b", 3);
	is_int((int)s.len, 3, "bytes may contain NUL");
	ok(memcmp(s.text, "a\0b", 4) == 0, "a NUL follows the last byte");
	strbuf_free(&s);
	ok(!s.text && !s.len && !s.room, "a freed text is empty");
	for (int i = 0; i < 1000; i++)
		strbuf_printf(&s, "%d,", i);
	is_int((int)s.len, 3890, "1000 numbers are written");
	is_str(s.text + s.len - 8, "998,999,", "the last ones are at the end");
	strbuf_free(&s);
	strbuf_puts(&full, "x");
	strbuf_printf(&full, "%s", "x");
	ok(full.failed && !full.text, "after a failure nothing is written");
	is_int(string_keep(&kept, "first", NULL), 0, "a string is kept");
	is_int(string_keep_part(&kept, "second one", 6, NULL), 0, "a part of another replaces it");
	is_str(kept, "second", "the part");
	free(kept);
	return done();
}
