/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an OCI runtime says of itself, to tell whether it knows linux.memoryPolicy.
 */
#ifndef NUMAPLACE_RUNTIME_VERSION_H
#define NUMAPLACE_RUNTIME_VERSION_H

#include "plugin/error.h"

#include <stdbool.h>
#include <stddef.h>

struct runtime_version {
	char name[16]; /* "runc", "crun", or whatever else it calls itself */
	unsigned int major, minor;
};

/* The first line of --version: "crun version 1.24", "runc version 1.1.15+ds1".  -EINVAL: it is not like that. */
int runtime_version_parse(const char *text, struct runtime_version *out);

/*
 * Asks the program at @path, once for each file that it is: the answer is kept in the folder @state
 * (-1: it is not kept).
 */
int runtime_version_ask(const char *path, int state, struct runtime_version *out, struct error *err);

/* runc 1.4 and crun 1.24 do; older ones pass it over in silence. */
bool runtime_knows_memory_policy(const struct runtime_version *v);

#endif
