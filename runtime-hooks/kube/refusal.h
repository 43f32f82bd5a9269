/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Refused containers of pods, which numaplace-nri tells to numaplace-kube: files in the folder refusals/ of the state
 * folder. The number and the size of the files are bounded, and neither program waits for the other one.
 *
 * numaplace-kube makes the folder. On a node where it has not run since the boot there is no folder, and nothing is
 * written. While it does not run, the files stay; a newer refusal may replace an older one.
 */
#ifndef NUMAPLACE_KUBE_REFUSAL_H
#define NUMAPLACE_KUBE_REFUSAL_H

#include "plugin/base/error.h"
#include "runtime-hooks/kube/kube-name.h"

#include <stddef.h>
#include <stdint.h>

#define REFUSALS_FOLDER "refusals"
#define REFUSALS_MAX 64        /* files; the same container has the same one */
#define REFUSAL_BYTES_MAX 4096 /* of a file */

struct refusal {
	char namespace[KUBE_LABEL_MAX + 1], pod[KUBE_NAME_MAX + 1], uid[KUBE_UID_MAX + 1], container[KUBE_LABEL_MAX + 1];
	char message[ERROR_TEXT_MAX]; /* one line of printable ASCII */
	uint64_t time;                /* seconds since 1970 */
};

/* -EINVAL: a name is not one that the API server would accept. */
int refusal_check(const struct refusal *r, struct error *err);

/* Leaves @r in the state folder @state. Returns 0, also if there is no folder for it, or a negative errno. */
int refusal_leave(const char *state, const struct refusal *r, struct error *err);

/*
 * Opens the folder in @state, and makes it if @state is the folder of a ledger. Returns a descriptor, -ENOENT (there is no
 * ledger yet), or another negative errno.
 */
int refusals_open(const char *state, struct error *err);

/*
 * Removes all files from the folder @dir, and calls @each for each of them that is valid; @bad with a message for each
 * other one.
 */
void refusals_take(int dir, void (*each)(void *arg, const struct refusal *r), void (*bad)(const char *line), void *arg);

/* Parses the @len bytes of a file. -EINVAL: it is not what refusal_leave() writes; -ENOMEM. */
int refusal_parse(const char *text, size_t len, struct refusal *out, struct error *err);

#endif
