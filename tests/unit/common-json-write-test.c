/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The JSON writer: its text is well-formed and printable whatever a string contains, in memory and in a stream.
 */
#include "runtime-hooks/common/json-write.h"
#include "runtime-hooks/common/json.h"
#include "tests/unit/tap.h"

#include <string.h>

static void all_kinds(struct json_writer *w)
{
	struct idset s = { { 0 } };

	idset_add(&s, 0);
	idset_add(&s, 1);
	json_begin_object(w, NULL);
	json_put_string(w, "a", "b");
	json_begin_array(w, "none");
	json_end(w);
	json_begin_array(w, "some");
	json_put_uint(w, NULL, UINT64_MAX);
	json_begin_object(w, NULL);
	json_end(w);
	json_put_bool(w, NULL, true);
	json_end(w);
	json_put_number(w, "n", 0.12345);
	json_put_bool(w, "no", false);
	json_put_list(w, "list", ids_of(&s));
	json_put_comma(w, "comma", ids_of(&s));
	json_end(w);
}

#define ALL_KINDS                                                                                                      \
	"{\"a\":\"b\",\"none\":[],\"some\":[18446744073709551615,{},true],\"n\":0.123,\"no\":false,"                   \
	"\"list\":\"0-1\",\"comma\":\"0,1\"}"

static void test_values(void)
{
	cleanup_json struct json_writer w = JSON_IN_MEMORY;
	char stream[400] = "";
	FILE *f = fmemopen(stream, sizeof(stream), "w");
	struct json_writer to = JSON_TO(f);

	all_kinds(&w);
	is_str(w.text, ALL_KINDS, "every kind of value, in memory");
	all_kinds(&to);
	fclose(f);
	is_str(stream, ALL_KINDS "\n", "the same in a stream, and a newline");
}

static void test_string(const char *value, const char *want, bool replaced, const char *name)
{
	cleanup_json struct json_writer w = JSON_IN_MEMORY;
	struct error err;

	json_put_string(&w, NULL, value);
	is_str(w.text, want, "%s", name);
	ok(w.replaced == replaced, "%s: it is %sreported", name, replaced ? "" : "not ");
	is_int(json_parse(w.text, w.len, 1000, NULL, 0, NULL, &err), 0, "%s: the reader takes it", name);
}

static void test_nested(void)
{
	cleanup_json struct json_writer w = JSON_IN_MEMORY, inner = JSON_IN_MEMORY;

	json_begin_array(&inner, NULL);
	json_put_uint(&inner, NULL, 1);
	json_end(&inner);
	json_begin_object(&w, NULL);
	json_put_value(&w, "x", &inner);
	json_put_value(&w, "y", &inner);
	json_end(&w);
	is_str(w.text, "{\"x\":[1],\"y\":[1]}", "a value that is JSON already");
}

int main(void)
{
	test_values();
	test_string("", "\"\"", false, "an empty string");
	test_string("a/b'<>&", "\"a/b'<>&\"", false, "plain text");
	test_string("\"\\", "\"\\\"\\\\\"", false, "a quote and a backslash");
	test_string("\t\n\x1b[2J\x7f", "\"\\u0009\\u000a\\u001b[2J\\u007f\"", false, "control characters");
	test_string("\xc3\xa9\xf0\x9f\x98\x80", "\"\\u00e9\\ud83d\\ude00\"", false, "characters above ASCII");
	test_string("a\xff\xc3(\xed\xa0\x80", "\"a\\ufffd\\ufffd(\\ufffd\\ufffd\\ufffd\"", true, "bytes that are not UTF-8");
	test_nested();
	return done();
}
