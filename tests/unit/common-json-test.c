/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * runtime-hooks/json: the values that rules receive; malformed and hostile input is refused with one line that has the
 * reason and the position.
 */
#include "plugin/base/util.h"
#include "runtime-hooks/common/json.h"
#include "tests/unit/tap.h"

#include <errno.h>

#define CAP 65536

/* All values that the rules received, as one text: "id=web1 n=5 ...". */
struct heard {
	char text[4096];
	int refuse; /* result of the set functions */
};

static int hear(struct heard *h, const char *name, const struct json_value *v, struct error *err)
{
	size_t used = strlen(h->text);
	char value[128];

	if (v->type == JSON_INTEGER)
		snprintf(value, sizeof(value), "%lld", (long long)v->integer);
	else if (v->type == JSON_BOOL)
		snprintf(value, sizeof(value), "%s", v->boolean ? "true" : "false");
	else
		snprintf(value, sizeof(value), "%.100s", v->text);
	snprintf(h->text + used, sizeof(h->text) - used, "%s%s%s%.20s=%s", used ? " " : "", name, v->key ? "." : "",
		 v->key ? v->key : "", value);
	if (strlen(v->text) != v->len)
		return error_set(err, -EIO, "length %zu is wrong", v->len);
	return h->refuse ? error_set(err, h->refuse, "not liked") : 0;
}

static int hear_id(void *arg, const struct json_value *v, struct error *err)
{
	return hear(arg, "id", v, err);
}

static int hear_n(void *arg, const struct json_value *v, struct error *err)
{
	return hear(arg, "n", v, err);
}

static int hear_on(void *arg, const struct json_value *v, struct error *err)
{
	return hear(arg, "on", v, err);
}

static int hear_raw(void *arg, const struct json_value *v, struct error *err)
{
	return hear(arg, "raw", v, err);
}

static int hear_key(void *arg, const struct json_value *v, struct error *err)
{
	return hear(arg, "a", v, err);
}

static int hear_size(void *arg, const struct json_value *v, struct error *err)
{
	char name[32];

	snprintf(name, sizeof(name), "huge[%u]", v->index);
	return hear(arg, name, v, err);
}

static int hear_open(void *arg, const struct json_value *v, struct error *err)
{
	char name[32];

	snprintf(name, sizeof(name), "open@%zu", v->end);
	return hear(arg, name, v, err);
}

static bool wants_limits(const char *key)
{
	return strncmp(key, "limits.", 7) == 0;
}

static const struct json_rule rules[] = {
	{ .path = "id", .types = JSON_STRING, .set = hear_id },
	{ .path = "n", .types = JSON_INTEGER, .set = hear_n },
	{ .path = "on", .types = JSON_BOOL | JSON_NULL, .set = hear_on },
	{ .path = "deep/raw", .types = JSON_NUMBER, .set = hear_raw },
	{ .path = "a/*", .types = JSON_STRING, .wants = wants_limits, .set = hear_key },
	{ .path = "huge/#/size", .types = JSON_STRING, .set = hear_size },
	{ .path = "open", .types = JSON_OBJECT | JSON_ARRAY, .set = hear_open },
};

static int parse(const char *text, size_t len, struct heard *h, struct error *err)
{
	return json_parse(text, len, CAP, rules, ARRAY_SIZE(rules), h, err);
}

static void good(const char *text, const char *want)
{
	struct heard h = { 0 };
	struct error err = { 0 };

	if (!is_int(parse(text, strlen(text), &h, &err), 0, "accepted: %s", text))
		diag("%s", err.text);
	is_str(h.text, want, "values of an accepted text: %s", want);
}

static void bad_bytes(const char *text, size_t len, const char *message)
{
	struct heard h = { 0 };
	struct error err = { 0 };

	is_int(parse(text, len, &h, &err), -EINVAL, "refused: %s", message);
	is_str(err.text, message, "message: %s", message);
}

static void bad(const char *text, const char *message)
{
	bad_bytes(text, strlen(text), message);
}

static void test_values(void)
{
	good("{}", "");
	good(" { \"id\" : \"web1\" }\r\n\t", "id=web1");
	good("{\"id\":\"\"}", "id=");
	good("{\"id\":\"a\\/b\\\"\\u00e9\\ud83d\\ude00\"}", "id=a/b\"\xc3\xa9\xf0\x9f\x98\x80");
	good("{\"\\u0069d\":\"escaped key\"}", "id=escaped key");
	good("{\"n\":9223372036854775807}", "n=9223372036854775807");
	good("{\"n\":-9223372036854775808}", "n=-9223372036854775808");
	good("{\"on\":true,\"n\":null}", "on=true");
	good("{\"on\":null}", "on=");
	good("{\"deep\":{\"raw\":18446744073709551616}}", "raw=18446744073709551616");
	good("{\"deep\":{\"raw\":-1.5e300}}", "raw=-1.5e300");
	good("{\"deep\":null,\"a\":null,\"huge\":null}", "");
	good("{\"a\":{\"x\":\"1\",\"limits.cpu\":\"2\",\"limits.memory\":\"3\"}}", "a.limits.cpu=2 a.limits.memory=3");
	good("{\"huge\":[{\"size\":\"a\"},{},{\"size\":\"b\"}]}", "huge[0]=a huge[2]=b");
	good("{\"open\":{\"id\":5}}", "open@9=");
	good("{\"open\":[[],{}]}", "open@9=");
}

/* Values without a rule may be anything well-formed. */
static void test_passed_over(void)
{
	good("{\"x\":1e999,\"x\":{\"id\":4},\"x\":[\"id\",[0,-0,1.5]],\"y\":\"\\u0000\",\"id\":\"q\"}", "id=q");
	good("{\"x\":99999999999999999999999999,\"n\":1}", "n=1");
	good("{\"i\":1,\"idx\":2,\"\":3,\"id\\u0000\":\"4\"}", "");
	good("{\"a\":{\"x\\u0000limits.cpu\":\"1\",\"x\":[1],\"x\":{\"limits.cpu\":\"\"}}}", "");
	good("{\"deep\":{\"x\":1,\"id\":\"2\",\"n\":\"3\"}}", "");
}

static void test_form(void)
{
	bad("", "parse error: premature EOF (byte 0)");
	bad("{", "parse error: premature EOF (byte 1)");
	bad("{\"id\":\"web", "parse error: premature EOF (byte 10)");
	bad("{\"id\":\"a\"} x", "parse error: trailing garbage (byte 12)");
	bad("{} {}", "parse error: trailing garbage (byte 4)");
	bad("nope", "lexical error: invalid string in json text (byte 1)");
	bad("{\"id\" \"a\"}", "parse error: object key and value must be separated by a colon (':') (byte 9)");
	bad("{\"id\":\"\\x\"}",
	    "lexical error: inside a string, '\\' occurs before a character which it may not (byte 8)");
	bad("{\"id\":\"\t\"}", "lexical error: invalid character inside string (byte 7)");
	bad("/* */{}", "lexical error: probable comment found in input text, comments are not enabled (byte 0)");
	bad("{}\v", "byte 0x0b is not white space (byte 2)");
	bad("\f{}", "byte 0x0c is not white space (byte 0)");
	bad("{\"id\":\v\"a\"}", "byte 0x0b is not white space (byte 6)");
	bad("{\"id\":\"\f\"}", "byte 0x0c is not white space (byte 7)");
	bad("{}\"", "trailing garbage (byte 2)");
	bad("{} \"abc", "trailing garbage (byte 3)");
	bad("{\"id\":\"a\"}\n\"}", "trailing garbage (byte 11)");
	good("{} \t\r\n", "");
	bad_bytes("{}\0", 3, "parse error: trailing garbage (byte 3)");
	bad_bytes("{\"id\":\"a\0b\"}", 12, "lexical error: invalid character inside string (byte 8)");
}

static void test_characters(void)
{
	bad("{\"id\":\"\xff\"}", "not UTF-8 (byte 7)");
	bad("{\"id\":\"\xc0\x80\"}", "not UTF-8 (byte 7)");	    /* overlong NUL */
	bad("{\"id\":\"\xe0\x80\xaf\"}", "not UTF-8 (byte 7)");	    /* overlong / */
	bad("{\"id\":\"\xed\xa0\x80\"}", "not UTF-8 (byte 7)");	    /* a surrogate */
	bad("{\"id\":\"\xf4\x90\x80\x80\"}", "not UTF-8 (byte 7)"); /* over 10FFFF */
	bad("{\"x\":\"\xc3", "not UTF-8 (byte 6)");		    /* incomplete */
	bad("{\"id\":\"\\ud800\"}", "half of a surrogate pair (byte 7)");
	bad("{\"id\":\"\\ud800x\"}", "half of a surrogate pair (byte 7)");
	bad("{\"id\":\"\\ud800\\u0041\"}", "half of a surrogate pair (byte 7)");
	bad("{\"id\":\"\\udc00\\ud800\"}", "half of a surrogate pair (byte 7)");
	good("{\"id\":\"\\\\ud800\"}", "id=\\ud800"); /* a backslash and five letters */
}

static void test_rules(void)
{
	bad("{\"id\":\"a\\u0000b\"}", "id: contains a NUL (byte 16)");
	bad("{\"id\":\"a\",\"id\":\"a\"}", "id: given twice (byte 14)");
	bad("{\"id\":\"a\",\"\\u0069d\":\"b\"}", "id: given twice (byte 19)");
	bad("{\"deep\":{},\"deep\":{}}", "deep: given twice (byte 17)");
	bad("{\"a\":{\"limits.cpu\":\"1\",\"limits.cpu\":\"1\"}}", "a.limits.cpu: given twice (byte 35)");
	bad("{\"a\":{\"limits.\\u0000cpu\":\"1\"}}", "a.limits.: the key contains a NUL (byte 24)");
	bad("{\"a\":{\"limits.cpu\":4}}", "a.limits.cpu: a string is expected (byte 20)");
	bad("{\"a\":{\"limits.cpu\":[]}}", "a.limits.cpu: a string is expected (byte 20)");
	bad("{\"a\":{\"limits.cpu\\n\\u001b[2J\":{}}}", "a.limits.cpu\\x0a\\x1b[2J: a string is expected (byte 31)");
	bad("{\"a\":[]}", "a: an object is expected (byte 6)");
	bad("{\"a\":\"\"}", "a: an object is expected (byte 7)");
	bad("{\"huge\":{}}", "huge: an array is expected (byte 9)");
	bad("{\"huge\":[{},7]}", "huge[1]: an object is expected (byte 13)");
	bad("{\"huge\":[{\"size\":1}]}", "huge[0].size: a string is expected (byte 18)");
	bad("{\"huge\":[{},{\"size\":\"a\",\"size\":\"a\"}]}", "huge[1].size: given twice (byte 30)");
	bad("[]", "an object is expected (byte 1)");
	bad("7", "an object is expected (byte 0)");
	bad("{\"n\":9223372036854775808}", "n: number beyond 64 bits (byte 24)");
	bad("{\"n\":1.0}", "n: a whole number is expected (byte 8)");
	bad("{\"n\":1e3}", "n: a whole number is expected (byte 8)");
	bad("{\"n\":\"1\"}", "n: a whole number is expected (byte 8)");
	bad("{\"on\":1}", "on: true or false is expected (byte 7)");
	bad("{\"open\":1}", "open: an array is expected (byte 9)");
}

/* @n opening brackets, followed by as many closing ones if @closed. */
static char *brackets(size_t n, bool closed)
{
	char *text = calloc(1, 2 * n + 1);

	if (text) {
		memset(text, '[', n);
		if (closed)
			memset(text + n, ']', n);
	}
	return text;
}

static void test_limits(void)
{
	static const struct json_rule none[] = { { .path = "x/y", .types = JSON_STRING, .set = hear_id } };
	cleanup_free char *flat = brackets(64, true), *deep = brackets(65, true), *deeper = brackets(100000, false);
	char many[CAP] = "{\"a\":{";
	struct error err = { 0 };
	struct heard h = { 0 };

	if (!flat || !deep || !deeper)
		return;
	is_int(json_parse(flat, 128, CAP, none, 0, &h, &err), 0, "64 levels are accepted");
	is_int(json_parse(deep, 130, CAP, none, 0, &h, &err), -EINVAL, "65 levels are refused");
	is_str(err.text, "nested deeper than 64 (byte 65)", "message for 65 levels");
	is_int(json_parse(deeper, 100000, 1 << 20, none, 0, &h, &err), -EINVAL, "100000 levels are refused");
	is_str(err.text, "nested deeper than 64 (byte 65)", "100000 levels: parsing stops at level 65");
	is_int(json_parse(deeper, 100000, 99999, none, 0, &h, &err), -EINVAL,
	       "a text one byte above the cap is refused");
	is_str(err.text, "more than 99999 bytes", "message for a text above the cap");
	for (int i = 0; i < 300; i++)
		sprintf(many + strlen(many), "%s\"limits.%d\":\"\"", i ? "," : "", i);
	strcat(many, "}}");
	is_int(parse(many, strlen(many), &h, &err), -EINVAL, "300 wanted keys are refused");
	ok(strncmp(err.text, "a: too many keys (byte ", 23) == 0, "message for too many keys: %s", err.text);
	h = (struct heard){ .refuse = -ENOSPC };
	is_int(parse("{\"a\":{\"limits.cpu\":\"1\"}}", 24, &h, &err), -ENOSPC, "status of a set function is passed on");
	is_str(err.text, "a.limits.cpu: not liked", "message of a set function is prefixed with the path");
	is_int(parse("{\"id\":5}", 8, &h, NULL), -EINVAL, "json_parse without struct error");
}

/* Every truncation and every changed byte of a valid text: accepted, or refused with a message. */
static void test_damaged(void)
{
	static const char text[] =
		"{\"id\":\"w\\u00e9\",\"n\":-12,\"a\":{\"limits.cpu\":\"4\"},\"huge\":[{\"size\":\"2MB\"}]}";
	bool told = true;

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		for (int c = -1; c < 256; c++) {
			char copy[sizeof(text)];
			struct heard h = { 0 };
			struct error err = { 0 };

			memcpy(copy, text, sizeof(text));
			if (c >= 0)
				copy[i] = (char)c;
			if (parse(copy, c < 0 ? i : sizeof(text) - 1, &h, &err) < 0)
				told &= err.status == -EINVAL && *err.text;
		}
	}
	ok(told, "every damaged text is accepted or refused with a message");
}

int main(void)
{
	test_values();
	test_passed_over();
	test_form();
	test_characters();
	test_rules();
	test_limits();
	test_damaged();
	return done();
}
