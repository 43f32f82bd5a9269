/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared by all verbs: the global options, and access to the machine, the configuration and the ledger that they name.
 *
 * A verb prints its result on stdout and returns 0, or a negative errno with @err set, from which main() makes the
 * message and the exit status.
 */
#ifndef NUMAPLACE_CLI_H
#define NUMAPLACE_CLI_H

#include "place/place.h"
#include "plugin/base/error.h"
#include "runtime-hooks/common/json-write.h"
#include "plugin/base/options.h"
#include "plugin/base/util.h"

#include <stdbool.h>

struct cli {
	const char *sysroot; /* NULL: this machine */
	const char *state;   /* NULL: this user's or PLACE_STATE; no ledger below a sysroot */
	const char *conf;    /* NULL: PLACE_CONF, below the sysroot if there is one */
	bool json;
	bool failed;         /* a verb's check failed: exit status 1 */
	int root;            /* the sysroot, opened */
};

/* Prints a one-line warning on stderr. */
void cli_warn(const char *line);

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

/* Calls @look with a read-only copy of the ledger (NULL: there is none). */
int cli_with_ledger(const struct cli *cli, const struct topology *t,
		    int (*look)(void *arg, struct ledger *ledger, struct error *err), void *arg, struct error *err);

/* Writes the array "reasons". */
void cli_json_reasons(struct json_writer *w, const struct reasons *why);

/* Sets one key of a request; an unknown key is -EINVAL. */
int cli_set_key(struct request *r, const char *key, const char *value, struct error *err);

/*
 * Parses a verb's options by @rules. Returns the number of its other arguments, which are then the first of @argv.
 */
int cli_options(const char *verb, const struct option_rule *rules, unsigned int n, int argc, char **argv,
		struct error *err);

/* Parses the arguments of a verb that takes only -o FILE; *@file stays NULL without it. */
int cli_output_option(const char *verb, int argc, char **argv, const char **file, struct error *err);

/* For a verb without arguments: -EINVAL if there are any. */
int cli_no_arguments(const char *verb, int argc, char **argv, struct error *err);

int verb_move(struct cli *cli, int argc, char **argv, struct error *err);
int verb_doctor(struct cli *cli, int argc, char **argv, struct error *err);
int verb_explain(struct cli *cli, int argc, char **argv, struct error *err);
int verb_map(struct cli *cli, int argc, char **argv, struct error *err);
int verb_metrics(struct cli *cli, int argc, char **argv, struct error *err);
int verb_incus(struct cli *cli, int argc, char **argv, struct error *err);
int verb_plan(struct cli *cli, int argc, char **argv, struct error *err);
int verb_rebalance(struct cli *cli, int argc, char **argv, struct error *err);
int verb_simulate(struct cli *cli, int argc, char **argv, struct error *err);
int verb_status(struct cli *cli, int argc, char **argv, struct error *err);
int verb_verify(struct cli *cli, int argc, char **argv, struct error *err);
int verb_topology(struct cli *cli, int argc, char **argv, struct error *err);

#endif
