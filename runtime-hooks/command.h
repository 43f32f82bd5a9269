/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An OCI runtime's command line, understood as far as is needed: which
 * command, and for those that make a container, where its bundle is.  Spelled as
 * runc (-b DIR, -b=DIR, --bundle DIR, -bundle) and crun (-bDIR, -db DIR and
 * --bund DIR too) take it.
 */
#ifndef NUMAPLACE_COMMAND_H
#define NUMAPLACE_COMMAND_H

#include "plugin/error.h"

#include <stdbool.h>

struct command {
	const char *self;                        /* argv[0] */
	const char *runtime, *conf, *state, *hook, *timeout; /* our own options, taken out; NULL: not given */
	char **argv;                             /* the rest, for the runtime, from argv[0] to the NULL */
	const char *verb;                        /* NULL: none */
	bool creates;                            /* create or run */
	const char *bundle, *config, *id;        /* of these; NULL: not given */
	const char *log, *log_format;
};

/* Changes @argv: what is ours is taken out of it. -EINVAL: one of ours without its value. */
int command_parse(int argc, char **argv, struct command *out, struct error *err);

/* Whether we were called by a name that ends in "-<name>". */
bool command_is_called(const struct command *c, const char *name);

#endif
