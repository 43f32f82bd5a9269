/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The options of a program or a verb, parsed by getopt_long(): --name VALUE, --name=VALUE, -l VALUE, and words between
 * them. A name is not abbreviated, so that a new option never changes what an existing command line means. The
 * environment has no influence. An error is one line and -EINVAL.
 */
#ifndef NUMAPLACE_OPTIONS_H
#define NUMAPLACE_OPTIONS_H

#include "plugin/base/error.h"

#include <stdbool.h>

#define OPTIONS_MAX 16

/* One of @value, @flag and @set says what the option does. */
struct option_rule {
	const char *name;    /* without dashes */
	char letter;         /* 0: none */
	const char **value;  /* gets its value */
	bool *flag;          /* becomes true; the option has no value */
	int (*set)(void *arg, const char *value, struct error *err);
	void *arg;
	bool value_optional; /* with @set: only --name=VALUE has a value, --name gives NULL */
};

enum options_unknown {
	OPTIONS_REFUSE, /* an unknown option is an error */
	OPTIONS_KEEP,   /* it is a word */
	OPTIONS_END,    /* it ends the options; so does a word */
};

struct option_table {
	const char *verb;    /* in front of messages; NULL: nothing */
	enum options_unknown unknown;
	bool empty_values;   /* a value may be empty */
	unsigned int n;
	const struct option_rule *rule;
};

/*
 * @argv begins after the name of the program or verb, which is argv[-1]. Returns the number of words; they are then the
 * first members of @argv.
 */
int options_parse(const struct option_table *o, int argc, char **argv, struct error *err);

#endif
