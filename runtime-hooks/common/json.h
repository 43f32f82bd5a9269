/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads hostile JSON by a table of rules: each names a path and a function for the values found there. Everything else
 * is checked for syntax and skipped.
 *
 * Input, depth and memory are bounded, and nothing recurses. Text must be valid UTF-8 with paired surrogates. A path
 * with a rule must not occur twice, and its value must have the rule's type and no NUL. Error messages are one line
 * with path and byte offset. Only json.c and json-write.c, the writer, use yajl.
 */
#ifndef NUMAPLACE_JSON_H
#define NUMAPLACE_JSON_H

#include "plugin/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 64 /* nesting depth of objects and arrays */
#define JSON_RULES_MAX 64
#define JSON_PARTS_MAX 8   /* parts of a rule's path */
#define JSON_STAR_MAX  256 /* wanted keys in one object under a star */

/* Bits, so that a rule can allow several. */
enum json_type {
	JSON_NULL = 1,
	JSON_BOOL = 2,
	JSON_INTEGER = 4, /* a whole number within int64 */
	JSON_NUMBER = 8,  /* any number, passed as text */
	JSON_STRING = 16,
	JSON_OBJECT = 32, /* reported at its opening brace */
	JSON_ARRAY = 64,
};

struct json_value {
	enum json_type type;
	const char *text;   /* for JSON_STRING, JSON_INTEGER and JSON_NUMBER, NUL-terminated; else "" */
	size_t len;	    /* of text */
	int64_t integer;    /* JSON_INTEGER */
	bool boolean;	    /* JSON_BOOL */
	const char *key;    /* the key that the path's last star matches; NULL: no star */
	unsigned int index; /* the index that the path's last # matches */
	size_t end;	    /* offset in the input after the value, or after its opening brace */
};

/*
 * Slashes separate the parts of a path. A star matches any member of an object, # any element of an array:
 * "linux/resources/hugepageLimits/#/limit". A null counts as absent unless the rule allows JSON_NULL. A scalar where
 * the path continues is an error.
 */
struct json_rule {
	const char *path;
	unsigned int types;		/* bits of enum json_type */
	bool (*wants)(const char *key); /* for a star: false skips the key; NULL: take every key */
	int (*set)(void *arg, const struct json_value *v, struct error *err); /* a failure ends the parse */
};

/*
 * Parses all of @text. -EINVAL: malformed, over @max bytes, or against a rule; -ENOMEM; or the error of a set function,
 * whose message gets the path as prefix.
 */
int json_parse(const char *text, size_t len, size_t max, const struct json_rule *rules, unsigned int nrules, void *arg,
	       struct error *err);

#endif
