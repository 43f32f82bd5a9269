/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads XML by a table of rules, like json.h and yaml.h: each names an element or an attribute and takes its text.
 * Everything else is skipped.
 *
 * The text, its depth and the values are bounded. A document type, and so every entity that it could define, is
 * refused; nothing is loaded. Only xml.c uses libxml2.
 */
#ifndef NUMAPLACE_XML_H
#define NUMAPLACE_XML_H

#include "plugin/base/error.h"

#include <stddef.h>

#define XML_DEPTH_LIMIT 32
#define XML_VALUE_MAX	4096 /* bytes of a value that a rule takes */

/*
 * "domain/vcpu" is the text of an element without others in it, and without blanks around it; "domain/vcpu@current" an attribute. The attributes
 * of an element come when it begins, in the order of the rules, its text when it ends.
 */
struct xml_rule {
	const char *path;
	int (*set)(void *arg, const char *value, struct error *err); /* a failure ends the parse */
};

/* Parses all of @text. -EINVAL: malformed, or over a limit; -ENOMEM; or the error of a set function. */
int xml_parse(const char *text, size_t len, const struct xml_rule *rules, unsigned int nrules, void *arg,
	      struct error *err);

#endif
