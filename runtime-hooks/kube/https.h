/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests to one HTTPS server, by libcurl. The server's certificate is always verified, with the authorities of one file
 * alone. Redirects are not followed and proxies are not used, so that the token goes to this server alone.
 */
#ifndef NUMAPLACE_KUBE_HTTPS_H
#define NUMAPLACE_KUBE_HTTPS_H

#include "plugin/base/error.h"
#include "runtime-hooks/kube/answer.h"

#include <signal.h>
#include <stddef.h>

struct https;

struct https_settings {
	const char *server;                 /* "https://HOST:PORT" */
	const char *authorities;            /* file of certificates, PEM */
	unsigned int seconds;               /* the longest time of a request */
	const volatile sig_atomic_t *ended; /* not 0: give up at once */
};

struct https_answer {
	long status;                 /* of HTTP */
	size_t len;                  /* of @text; 0 if the answer is longer than ANSWER_BYTES_MAX */
	char text[ANSWER_BYTES_MAX];
};

/* *@settings and its strings must stay valid. Returns 0 or -ENOMEM. */
int https_begin(struct https **out, const struct https_settings *settings, struct error *err);

/*
 * Sends PATCH for server-side apply: @path of the server, the bearer @token, the JSON in @body. Returns 0 for any complete
 * answer, else a negative errno: -ECANCELED after *@ended, -ETIMEDOUT, -EIO.
 */
int https_apply(struct https *h, const char *path, const char *token, const char *body, size_t len,
		struct https_answer *out, struct error *err);

void https_end(struct https *h);

#endif
