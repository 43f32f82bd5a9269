/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For the verbs that need more than the library offers: access to the machine, the configuration and the ledger that
 * the global options name. docs/ARCHITECTURE.md lists these verbs, with the reasons.
 */
#ifndef NUMAPLACE_CLI_ENGINE_H
#define NUMAPLACE_CLI_ENGINE_H

#include "cli/cli.h"
#include "place/place.h"

/* Reads the machine and prints its warnings. */
int cli_topology(const struct cli *cli, struct topology **out, struct error *err);

/* Reads the configuration. A file given with --conf must exist. */
int cli_conf(const struct cli *cli, struct conf *out, struct error *err);

/*
 * Prepares to call place/place.h. env->state_path is NULL if there is no ledger. Close with cleanup_env.
 */
int cli_env(const struct cli *cli, struct place_env *out, struct error *err);
#define CLI_ENV_NONE PLACE_ENV_NONE
static inline void cleanup_envp(struct place_env *env)
{
	place_close(env);
}
#define cleanup_env __attribute__((cleanup(cleanup_envp)))

/* Sets one key of a request; an unknown key is -EINVAL. */
int cli_set_key(struct request *r, const char *key, const char *value, struct error *err);

#endif
