/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes JSON, to a stream or into memory: one value per call. The text is well-formed whatever the strings contain, and
 * it is printable ASCII on one line, because people read it on terminals, too.
 */
#ifndef NUMAPLACE_JSON_WRITE_H
#define NUMAPLACE_JSON_WRITE_H

#include "plugin/base/idset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* yajl's state points into this struct once the first value is written: do not copy it from then on. */
struct json_writer {
	FILE *file;        /* NULL: into memory */
	void *yajl;        /* NULL: nothing is written yet */
	unsigned int depth;
	uint64_t arrays;   /* one bit per depth: it is an array */
	bool replaced;     /* a string was not UTF-8: U+FFFD is written for each invalid byte */
	bool failed;       /* no memory for the text */
	char *text;        /* in memory: malloc'd, with a NUL after its @len bytes */
	size_t len, size;
	size_t state_used;
	_Alignas(max_align_t) char state[1024];
};

/* To a stream, with a newline at the end. Errors of the stream stay in it (ferror()). */
#define JSON_TO(stream) ((struct json_writer){ .file = (stream) })

/* Into memory, without a newline. The text is in .text if .failed is false. */
#define JSON_IN_MEMORY ((struct json_writer){ .file = NULL })
void json_free(struct json_writer *w);
#define cleanup_json __attribute__((cleanup(json_free)))

/* @key: a constant of the program; NULL inside an array and for the outermost value. */
void json_begin_object(struct json_writer *w, const char *key);
void json_begin_array(struct json_writer *w, const char *key);
/* Ends the innermost object or array. */
void json_end(struct json_writer *w);

void json_put_string(struct json_writer *w, const char *key, const char *value);
void json_put_uint(struct json_writer *w, const char *key, uint64_t value);
void json_put_number(struct json_writer *w, const char *key, double value); /* three decimal places */
void json_put_bool(struct json_writer *w, const char *key, bool value);
void json_put_null(struct json_writer *w, const char *key);
void json_put_list(struct json_writer *w, const char *key, struct ids s);  /* "0-3,8" */
void json_put_comma(struct json_writer *w, const char *key, struct ids s); /* "0,1" */
/* A value that is JSON already. */
void json_put_value(struct json_writer *w, const char *key, const struct json_writer *value);

#endif
