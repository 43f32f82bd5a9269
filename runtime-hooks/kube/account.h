/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a program in a pod finds and uses its API server: the address in the environment, and the files of a service
 * account. The token is read before each request, because the kubelet replaces it.
 */
#ifndef NUMAPLACE_KUBE_ACCOUNT_H
#define NUMAPLACE_KUBE_ACCOUNT_H

#include "plugin/base/error.h"

#include <stddef.h>

#define ACCOUNT_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"
#define ACCOUNT_TOKEN_MAX 16384 /* bytes */
#define ACCOUNT_URL_MAX 512

/*
 * Writes "https://HOST:PORT" from KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT. -EINVAL: one is missing, or is
 * neither a name nor an address, or no port.
 */
int account_server(char out[ACCOUNT_URL_MAX], struct error *err);

/*
 * Reads the file `token` of @folder: printable ASCII without spaces, and a newline at most at its end. Returns 0, -EINVAL
 * or another negative errno. No message has a part of the token.
 */
int account_token(const char *folder, char out[ACCOUNT_TOKEN_MAX + 1], struct error *err);

#endif
