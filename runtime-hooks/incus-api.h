/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests to Incus's or LXD's own socket, as HTTP/1.0: one question, one answer, an end.
 * Time and size are bounded.  Never from a hook: the daemon waits for those.
 */
#ifndef NUMAPLACE_INCUS_API_H
#define NUMAPLACE_INCUS_API_H

#include "plugin/error.h"
#include "runtime-hooks/incus-config.h"

#include <stddef.h>

/* The socket of the daemon of this name ("incus", "lxd"; NULL: whichever is there first); NULL: none is there. */
const char *incus_socket(const char *runtime);

/* LXC's name to project and instance: what stands before and behind the last underscore. */
void incus_split(const char *id, char *project, char *instance, size_t size);

/*
 * One request; @body may be NULL.  *@text is malloc'd.  Returns HTTP's status, or -errno: -ETIMEDOUT, -EPROTO, or what
 * connect said.
 */
int incus_request(const char *socket, const char *method, const char *path, const char *body, unsigned int timeout_ms,
		  char **text, size_t *len, struct error *err);

/* "/1.0/instances/NAME?project=PROJECT", with all that is odd in them escaped. */
void incus_path(const char *project, const char *instance, char *out, size_t size);

struct incus_answer {
	struct incus_config config;
	char status[32];        /* "Running" */
	char error[256];        /* what the daemon said, for statuses from 400 */
};

/* The instance's expanded configuration and status.  -ENOENT: there is none of this name. */
int incus_get(const char *socket, const char *project, const char *instance, struct incus_answer *out,
	      struct error *err);

/* Sets keys ("\"a\":\"b\",..." as JSON has it).  -EBUSY: an operation on it is under way; -EINVAL: it was refused. */
int incus_set(const char *socket, const char *project, const char *instance, const char *keys, struct error *err);

#endif
