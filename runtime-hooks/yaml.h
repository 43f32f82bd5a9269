/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hostile YAML, read by a table as json.h reads JSON: each rule names a path and takes
 * the texts found there; everything else is passed over.
 *
 * Promises: bounded input, depth and number of keys; no recursion; one document, no anchors and
 * aliases; along the paths of the rules no key twice and no NUL.  Messages are one
 * line that names the line.  yaml.c is the only file that knows libyaml.
 */
#ifndef NUMAPLACE_YAML_H
#define NUMAPLACE_YAML_H

#include "plugin/error.h"

#include <stddef.h>

#define YAML_DEPTH_MAX 32   /* mappings and sequences within one another */
#define YAML_RULES_MAX 16
#define YAML_KEYS_MAX  4096 /* keys of one mapping that a rule leads through */

/*
 * Parts of a path are split by slashes; a last part that is one star stands for every key there.  Where a rule wants
 * a text and a collection stands, that is an error; so is a text where the path goes on, unless it is empty.
 */
struct yaml_rule {
	const char *path;
	/* @key: the last part, or what the star stands for.  A failure ends the parse. */
	int (*set)(void *arg, const char *key, const char *value, struct error *err);
};

/* Reads the whole of @text.  -EINVAL: malformed, or over @max bytes; -ENOMEM; or what a set function returned. */
int yaml_parse(const char *text, size_t len, size_t max, const struct yaml_rule *rules, unsigned int nrules, void *arg,
	       struct error *err);

#endif
