/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An OCI runtime's name and version, to find out whether it supports linux.memoryPolicy.
 */
#ifndef NUMAPLACE_RUNTIME_VERSION_H
#define NUMAPLACE_RUNTIME_VERSION_H

#include "plugin/base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct runtime_version {
	char name[16]; /* "runc", "crun", or another name */
	unsigned int major, minor;
};

/* Parses the first line of --version: "crun version 1.24", "runc version 1.1.15+ds1". -EINVAL: another form. */
int runtime_version_parse(const char *text, struct runtime_version *out);

/* Runs the program at @path once per version of the file and caches the answer in the folder @state (-1: no cache). */
int runtime_version_ask(const char *path, int state, struct runtime_version *out, struct error *err);

/* runc 1.4 and crun 1.24 do; older versions ignore it silently. */
bool runtime_knows_memory_policy(const struct runtime_version *v);

#endif
