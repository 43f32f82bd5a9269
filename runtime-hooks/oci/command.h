/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parses an OCI runtime's command line: which command it is and, for commands that create a container, where the bundle
 * is. Accepts what runc accepts (-b DIR, -b=DIR, --bundle DIR, -bundle) and what crun accepts (also -bDIR, -db DIR and
 * --bund DIR).
 */
#ifndef NUMAPLACE_COMMAND_H
#define NUMAPLACE_COMMAND_H

#include "plugin/base/error.h"

#include <stdbool.h>

struct command {
	const char *self;                        /* argv[0] */
	const char *runtime, *conf, *state, *hook, *timeout; /* numaplace's options, not in @argv; NULL: not given */
	char **argv;                             /* the remaining words for the runtime, from argv[0] to the NULL */
	const char *verb;                        /* NULL: none */
	bool creates;                            /* create or run */
	bool updates;                            /* update; .rest names the container */
	bool restores;                           /* restore */
	char **rest;                             /* the words after the verb */
	const char *bundle, *config, *id;        /* of create, run or restore; NULL: not given */
	const char *log, *log_format;
};

/* Removes numaplace's own options from @argv. -EINVAL: one of them lacks its value. */
int command_parse(int argc, char **argv, struct command *out, struct error *err);

/* Whether this program was called by a name that ends in "-<name>". */
bool command_is_called(const struct command *c, const char *name);

#endif
