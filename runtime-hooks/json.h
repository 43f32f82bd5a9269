/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hostile JSON, read by a table: each rule names a path and what happens to
 * the value found there; everything else is checked for form and passed over.
 *
 * Promises: bounded input, depth and memory; no recursion; valid UTF-8 and paired
 * surrogates only; for the paths of the rules also no key twice, no NUL, the type that was
 * asked for.  Messages are one line that names the path and the byte.
 * json.c is the only file that knows yajl.
 */
#ifndef NUMAPLACE_JSON_H
#define NUMAPLACE_JSON_H

#include "plugin/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 64 /* objects and arrays within one another */
#define JSON_RULES_MAX 64
#define JSON_PARTS_MAX 8   /* parts of a rule's path */
#define JSON_STAR_MAX  256 /* wanted keys of one object under a star */

/* Bits, so that a rule may allow several. */
enum json_type {
	JSON_NULL = 1,
	JSON_BOOL = 2,
	JSON_INTEGER = 4, /* a whole number within int64 */
	JSON_NUMBER = 8,  /* any number, as text only */
	JSON_STRING = 16,
	JSON_OBJECT = 32, /* told at its opening brace */
	JSON_ARRAY = 64,
};

struct json_value {
	enum json_type type;
	const char *text;   /* JSON_STRING, JSON_INTEGER, JSON_NUMBER: ends with a NUL; else "" */
	size_t len;	    /* of text */
	int64_t integer;    /* JSON_INTEGER */
	bool boolean;	    /* JSON_BOOL */
	const char *key;    /* what the path's last star stands for; NULL: no star */
	unsigned int index; /* what the path's last # stands for */
	size_t end;	    /* offset in the input just behind the value, or behind its opening brace */
};

/*
 * The parts of a path are split by slashes.  A part that is one star stands for any member of
 * an object, one that is # for any element of an array: "linux/resources/hugepageLimits/#/limit".
 * A null is as good as absent unless JSON_NULL is allowed.  A scalar where the path goes on is an error.
 */
struct json_rule {
	const char *path;
	unsigned int types;		/* bits of enum json_type */
	bool (*wants)(const char *key); /* for a star: false passes the key over; NULL: every key */
	int (*set)(void *arg, const struct json_value *v, struct error *err); /* a failure ends the parse */
};

/*
 * Reads the whole of @text.  -EINVAL: malformed, over @max bytes, or against a
 * rule; -ENOMEM; or what a set function returned, its message behind the path.
 */
int json_parse(const char *text, size_t len, size_t max, const struct json_rule *rules, unsigned int nrules, void *arg,
	       struct error *err);

#endif
