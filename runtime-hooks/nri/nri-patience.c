/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The runtime holds a lock of all pods while it waits: the plugin never waits as long as a hook may.
 */
#include "runtime-hooks/nri/nri-patience.h"

#include "plugin/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>

int nri_conf(const struct nri_agent *a, struct place_env *env, struct error *err)
{
	*env = a->env;
	conf_init(&env->conf);
	return conf_read(AT_FDCWD, a->conf_path, &env->conf, err);
}

int nri_patiently(const struct nri_agent *a, int (*step)(void *arg, struct error *err), void *arg, struct error *err)
{
	uint64_t until = clock_ns(CLOCK_MONOTONIC) + (uint64_t)a->wait_ms * 1000000;
	int rc;

	while ((rc = step(arg, err)) == -ETIMEDOUT && clock_ns(CLOCK_MONOTONIC) < until)
		poll(NULL, 0, 2);
	return rc;
}
