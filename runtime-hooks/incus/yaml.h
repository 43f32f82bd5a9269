/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads hostile YAML by a table of rules, like json.h: each names a path and takes the text values found there.
 * Everything else is skipped.
 *
 * Input, depth and the number of keys are bounded, and nothing recurses. One document, without anchors and aliases. A
 * path with a rule must not occur twice, and keys and values on it have no NUL. Error messages are one line with the
 * line number. Only yaml.c uses libyaml.
 */
#ifndef NUMAPLACE_YAML_H
#define NUMAPLACE_YAML_H

#include "plugin/base/error.h"

#include <stddef.h>

#define YAML_DEPTH_MAX 32   /* nesting depth of mappings and sequences */
#define YAML_RULES_MAX 16
#define YAML_KEYS_MAX  4096 /* keys of one mapping that match rules */

/*
 * Slashes separate the parts of a path; a star matches every key. A collection where a rule expects
 * text is an error, unless the rule has @end. Text where a rule expects a collection is an error, too, unless the text is empty or null.
 */
struct yaml_rule {
	const char *path;
	/* @key: the path's last part, or the key that the star matches. A failure ends the parse. */
	int (*set)(void *arg, const char *key, const char *value, struct error *err);
	/* Instead: the path is of a mapping, which is complete. */
	int (*end)(void *arg, struct error *err);
};

/* Parses all of @text. -EINVAL: malformed, or over @max bytes; -ENOMEM; or the error of a set function. */
int yaml_parse(const char *text, size_t len, size_t max, const struct yaml_rule *rules, unsigned int nrules, void *arg,
	       struct error *err);

#endif
