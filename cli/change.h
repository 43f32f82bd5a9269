/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the verbs that change a live container share: options, progress, and the placements before and after.
 */
#ifndef NUMAPLACE_CLI_CHANGE_H
#define NUMAPLACE_CLI_CHANGE_H

#include "cli/cli.h"

struct change {
	const char *verb, *id;
	unsigned int seconds;   /* time limit; 0: none */
	bool dry_run, shown;
	struct numaplace *np;
	struct numaplace_snapshot *snapshot;
	const struct numaplace_placement *before; /* belongs to the snapshot */
	struct numaplace_placement *after;
};

void change_close(struct change *c);
#define cleanup_change __attribute__((cleanup(change_close)))

/*
 * Finds the container, changes it with @act and prints the result: JSON, or what @print_text prints. @verb is the argument of
 * @act, which sets .after.
 */
int change_run(struct change *c, const struct cli *cli, int (*act)(void *verb, struct error *err), void *verb,
	       void (*print_text)(const struct change *c), struct error *err);

/* Sets .seconds and .dry_run, and returns the number of words that are left in @argv. -EINVAL. */
int change_options(struct change *c, int argc, char **argv, struct error *err);

/* A progress callback: shows it if stderr is a terminal. change_result() ends that line, and takes the error of .np. */
void change_progress(void *change, uint64_t done, uint64_t total);
int change_result(struct change *c, int status, struct error *err);

/* Whether another program writes the container's CPUs. */
bool change_mems_only(const struct change *c);

/* The end of a line of text: that nothing was done, if so. */
const char *change_remark(const struct change *c);

#endif
