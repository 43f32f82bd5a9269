/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the verbs share: the global options, and how to get at the machine, the
 * configuration and the ledger that they name.
 *
 * A verb prints its result on stdout and returns 0, or a negative errno with
 * @err set, which main turns into a message and the exit status.
 */
#ifndef NUMAPLACE_CLI_H
#define NUMAPLACE_CLI_H

#include "cgroup/place.h"
#include "plugin/error.h"
#include "plugin/util.h"

#include <stdbool.h>

#define CLI_STATE PLACE_STATE
#define CLI_CONF "/etc/numaplace/numaplace.conf"

struct cli {
	const char *sysroot; /* NULL: this machine */
	const char *state;   /* NULL: CLI_STATE on this machine, none below a sysroot */
	const char *conf;    /* NULL: CLI_CONF, below the sysroot if there is one */
	bool json;
	bool failed;         /* what a verb was to check is not so, as its result says: exit status 1 */
	int root;            /* the sysroot, opened */
};

/* A warning on stderr, one line. */
void cli_warn(const char *line);

/* The machine; its warnings are printed. */
int cli_topology(const struct cli *cli, struct topology **out, struct error *err);

/* The configuration; one that was named must be there. */
int cli_conf(const struct cli *cli, struct conf *out, struct error *err);

/*
 * For the functions of cgroup/place.h (closed with cleanup_env), to look: a verb that writes clears env->looking.
 * env->state_path is NULL where there is no ledger.
 */
int cli_env(const struct cli *cli, struct place_env *out, struct error *err);
#define CLI_ENV_NONE ((struct place_env){ .state = -1 })
static inline void cleanup_envp(struct place_env *env)
{
	cleanup_closep(&env->state);
}
#define cleanup_env __attribute__((cleanup(cleanup_envp)))

/* Calls @look with a copy of the ledger, of which nothing is written (NULL: there is none). */
int cli_with_ledger(const struct cli *cli, const struct topology *t,
		    int (*look)(void *arg, struct ledger *ledger, struct error *err), void *arg, struct error *err);

/* One KEY and VALUE of a request; a key that is not in the table is -EINVAL. */
int cli_set_key(struct request *r, const char *key, const char *value, struct error *err);

/*
 * A verb's option with a value, "--nodes 0-1" or "--nodes=0-1", at @argv[*@i]: 1, *@value set and *@i at its last word;
 * 0: another argument; -EINVAL: without a value, or an empty one.
 */
int cli_value_option(const char *verb, const char *name, int argc, char **argv, int *i, const char **value,
		     struct error *err);

/* The arguments of a verb that takes -o FILE and no more; *@file stays NULL where it is not given. */
int cli_output_option(const char *verb, int argc, char **argv, const char **file, struct error *err);

/* A verb without arguments was given some. */
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
