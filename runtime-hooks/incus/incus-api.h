/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HTTP/1.0 requests to the socket of Incus or LXD: one request per connection, with limits on time and size. Hooks must
 * not use this: the daemon waits for them.
 */
#ifndef NUMAPLACE_INCUS_API_H
#define NUMAPLACE_INCUS_API_H

#include "plugin/base/error.h"
#include "runtime-hooks/incus/incus-config.h"

#include <stddef.h>

/* The socket of the daemon @runtime ("incus" or "lxd"; NULL: the first that exists); NULL: no such socket. */
const char *incus_socket(const char *runtime);

/* Splits LXC's container name into project and instance at the last underscore. */
void incus_split(const char *id, char *project, char *instance, size_t size);

/*
 * Sends one request; @body may be NULL. *@text is malloc'd. Returns the HTTP status or -errno: -ETIMEDOUT, -EPROTO, or
 * connect()'s.
 */
int incus_request(const char *socket, const char *method, const char *path, const char *body, unsigned int timeout_ms,
		  char **text, size_t *len, struct error *err);

/* "/1.0/instances/NAME?project=PROJECT", percent-encoded. */
void incus_path(const char *project, const char *instance, char *out, size_t size);

struct incus_answer {
	struct incus_config config;
	char status[32];        /* "Running" */
	char error[256];        /* the daemon's message, for statuses from 400 */
};

/* Reads the instance's expanded configuration and status. -ENOENT: no such instance. */
int incus_get(const char *socket, const char *project, const char *instance, struct incus_answer *out,
	      struct error *err);

/*
 * Sets configuration keys: @config is key, value, key, value..., NULL. -EBUSY: another operation is in progress;
 * -EINVAL: the daemon refuses the keys.
 */
int incus_set(const char *socket, const char *project, const char *instance, const char *const *config,
	      struct error *err);

#endif
