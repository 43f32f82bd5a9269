/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is read here becomes a part of a URL and of a header, so it may have no character that ends one.
 */
#include "runtime-hooks/kube/account.h"

#include "plugin/base/file.h"
#include "plugin/base/number.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define HOST_MAX 253

static bool is_host(const char *host)
{
	size_t len = strlen(host);

	return len && len <= HOST_MAX &&
	       strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:") == len;
}

int account_server(char out[ACCOUNT_URL_MAX], struct error *err)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
	bool brackets = host && strchr(host, ':');
	uint64_t number;

	if (!host || !port)
		return error_set(err, -EINVAL, "%s: not set: the kubelet sets it in each pod",
				 host ? "KUBERNETES_SERVICE_PORT" : "KUBERNETES_SERVICE_HOST");
	if (!is_host(host))
		return error_set(err, -EINVAL, "KUBERNETES_SERVICE_HOST: \"%s\": neither a name nor an address",
				 quote(host).text);
	if (!number_parse(port, 65535, &number) || !number)
		return error_set(err, -EINVAL, "KUBERNETES_SERVICE_PORT: \"%s\": not a port", quote(port).text);
	snprintf(out, ACCOUNT_URL_MAX, "https://%s%s%s:%u", brackets ? "[" : "", host, brackets ? "]" : "",
		 (unsigned int)number);
	return 0;
}

int account_token(const char *folder, char out[ACCOUNT_TOKEN_MAX + 1], struct error *err)
{
	cleanup_free char *path = NULL;
	ssize_t n;

	if (asprintf(&path, "%s/token", folder) < 0) {
		path = NULL;
		return error_errno(err, -ENOMEM, "token");
	}
	n = file_read(AT_FDCWD, path, out, ACCOUNT_TOKEN_MAX + 1);
	if (n < 0)
		return error_errno(err, (int)n, "%s", path);
	if (n && out[n - 1] == '\n')
		out[--n] = '\0';
	for (ssize_t i = 0; i < n; i++)
		if (out[i] <= ' ' || out[i] > '~')
			return error_set(err, -EINVAL, "%s: not a token: byte %zd of it is not a printable character", path, i);
	return n ? 0 : error_set(err, -EINVAL, "%s: empty", path);
}
