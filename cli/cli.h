/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared by all verbs: the global options, and the library's context that they name. A verb uses the library
 * (include/numaplace.h); one that needs more of the program than that includes cli/engine.h.
 *
 * A verb prints its result on stdout and returns 0, or a negative errno with @err set, from which main() makes the
 * message and the exit status.
 */
#ifndef NUMAPLACE_CLI_H
#define NUMAPLACE_CLI_H

#include "include/numaplace.h"
#include "plugin/base/error.h"
#include "plugin/base/options.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/json-write.h"

#include <stdbool.h>

struct cli {
	const char *sysroot; /* NULL: this machine */
	const char *state;   /* NULL: this user's or PLACE_STATE; no ledger below a sysroot */
	const char *conf;    /* NULL: PLACE_CONF, below the sysroot if there is one */
	bool json;
	bool failed;         /* a verb's check failed: exit status 1 */
	int status;          /* of a verb's failure, instead of 1 or 2; 0: not set */
	int root;            /* the sysroot, opened */
};

/* Prints a one-line warning on stderr. */
void cli_warn(const char *line);

/*
 * The state folder without --state: that of this user's own containers if it exists, else the machine's. The text stays
 * valid until the next call.
 */
const char *cli_usual_state(void);

/* Checks --state and --conf. A missing state folder is no error. */
int cli_check_state(const struct cli *cli, struct error *err);
int cli_check_conf(const struct cli *cli, struct error *err);

/*
 * Opens a context of the library with the global options; @flags as for numaplace_open(). Its warnings are printed.
 * Declare *@out with cleanup_numaplace.
 */
int cli_open(const struct cli *cli, unsigned int flags, struct numaplace **out, struct error *err);
static inline void cleanup_numaplacep(struct numaplace **np)
{
	numaplace_close(*np);
}
#define cleanup_numaplace __attribute__((cleanup(cleanup_numaplacep)))

/* Sets @err from the context if @status is a failure of its last call. Returns @status. */
int cli_result(const struct numaplace *np, int status, struct error *err);

/* Opens a context and takes a snapshot, which the caller frees (cleanup_snapshot), after a failure, too. */
int cli_snapshot(const struct cli *cli, struct numaplace_snapshot **out, struct error *err);
static inline void cleanup_snapshotp(struct numaplace_snapshot **s)
{
	numaplace_snapshot_free(*s);
}
#define cleanup_snapshot __attribute__((cleanup(cleanup_snapshotp)))

static inline void cleanup_numaplace_placementp(struct numaplace_placement **p)
{
	numaplace_placement_free(*p);
}
#define cleanup_numaplace_placement __attribute__((cleanup(cleanup_numaplace_placementp)))

static inline void cleanup_numaplace_requestp(struct numaplace_request **r)
{
	numaplace_request_free(*r);
}
#define cleanup_numaplace_request __attribute__((cleanup(cleanup_numaplace_requestp)))

/* Sets one key of @r from an argument such as "limits.cpu=4". -EINVAL, also for an unknown key. */
int cli_take_key(const char *verb, struct numaplace *np, struct numaplace_request *r, const char *argument,
		 struct error *err);

/* The set of a list that the library has made: of CPUs, or of nodes. */
struct idset cli_set(const char *list);
struct nodeset cli_nodes(const char *list);

/* Writes a list of nodes of the library as "0,1". */
void cli_json_comma(struct json_writer *w, const char *key, const char *list);

/* Writes the array "reasons". */
void cli_json_reasons(struct json_writer *w, const struct numaplace_placement *p);

/*
 * Predicts the speed of a placement. If the container has ended, *@out becomes NULL. Declare it with cleanup_prediction.
 */
int cli_predict(struct numaplace *np, const struct numaplace_placement *p, struct numaplace_prediction **out,
		struct error *err);
static inline void cleanup_numaplace_predictionp(struct numaplace_prediction **p)
{
	numaplace_prediction_free(*p);
}
#define cleanup_prediction __attribute__((cleanup(cleanup_numaplace_predictionp)))

/* "96 % of this container alone on an idle machine; runner-up 91 %: node 3's memory is busy"; @p not NULL. */
void cli_speed_text(const struct numaplace_prediction *p, char *buf, size_t size);
/* Writes the object "predicted"; nothing if @p is NULL. */
void cli_json_speed(struct json_writer *w, const struct numaplace_prediction *p);

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
int verb_follow(struct cli *cli, int argc, char **argv, struct error *err);
int verb_map(struct cli *cli, int argc, char **argv, struct error *err);
int verb_metrics(struct cli *cli, int argc, char **argv, struct error *err);
int verb_incus(struct cli *cli, int argc, char **argv, struct error *err);
int verb_plan(struct cli *cli, int argc, char **argv, struct error *err);
int verb_rebalance(struct cli *cli, int argc, char **argv, struct error *err);
int verb_resize(struct cli *cli, int argc, char **argv, struct error *err);
int verb_run(struct cli *cli, int argc, char **argv, struct error *err);
int verb_simulate(struct cli *cli, int argc, char **argv, struct error *err);
int verb_status(struct cli *cli, int argc, char **argv, struct error *err);
int verb_virt(struct cli *cli, int argc, char **argv, struct error *err);
int verb_verify(struct cli *cli, int argc, char **argv, struct error *err);
int verb_topology(struct cli *cli, int argc, char **argv, struct error *err);

#endif
