/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lock file: the lock, and the few numbers that the processes share in it.
 */
#ifndef NUMAPLACE_LEDGER_LOCK_H
#define NUMAPLACE_LEDGER_LOCK_H

#include "plugin/ledger/ledger.h"

#define LEDGER_MEMOS 8

/* Values for ledger_recall(). */
struct ledger_memo {
	uint64_t key;
	int64_t changed; /* modification time of containers/, in ns; 0: empty */
	uint64_t value[LEDGER_MEMO_VALUES];
};

/* Contents of the lock file. */
struct lock_file {
	int64_t sweep;    /* directory offset where the next sweep begins */
	uint64_t second;  /* the second for which looks counts */
	uint64_t looks;   /* containers checked before refusals in that second */
	uint64_t rebuild; /* where an unfinished rebuild continues */
	struct ledger_memo memo[LEDGER_MEMOS];
};

/*
 * Sets l->lock. For a look the lock is shared, a missing lock file is not created (l->lock stays unset), and no
 * holder is killed.
 */
int ledger_lock(struct ledger *l, unsigned int timeout_ms, struct error *err);

#endif
