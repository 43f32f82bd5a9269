/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Watches the records of the ledger and the refusals of numaplace-nri for changes.
 */
#ifndef NUMAPLACE_KUBE_LEDGER_WATCH_H
#define NUMAPLACE_KUBE_LEDGER_WATCH_H

#include "plugin/base/error.h"

#include <stdbool.h>

struct ledger_watch {
	const char *state; /* the folder */
	int fd;            /* inotify; readable when something has changed */
	int folder, records, refusals; /* watches; -1: the folder does not exist */
	bool ledger_changed, refused;  /* since the caller has set them to false */
};

#define LEDGER_WATCH_NONE { .fd = -1, .folder = -1, .records = -1, .refusals = -1 }

/* Returns 0 or a negative errno. */
int ledger_watch_begin(struct ledger_watch *w, const char *state, struct error *err);

/* Reads what has happened, and watches folders that exist only now. Does not block. */
void ledger_watch_read(struct ledger_watch *w);

void ledger_watch_end(struct ledger_watch *w);
#define cleanup_ledger_watch __attribute__((cleanup(ledger_watch_end)))

#endif
