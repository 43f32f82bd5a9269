/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an open ledger is in memory. For the sources of the ledger only.
 */
#ifndef NUMAPLACE_LEDGER_HANDLE_H
#define NUMAPLACE_LEDGER_HANDLE_H

#include "plugin/ledger/ledger.h"

#include <sys/types.h>

#define LEDGER_MESSAGES_MAX 16

struct ledger {
	int dir;          /* the folder; owned by the caller */
	int lock, usage_fd, files;
	dev_t dev;        /* of the folder, to detect a second open */
	ino_t ino;
	pid_t owner;
	struct ledger *next;
	struct ledger_world world;
	unsigned int cpu_ids, node_ids; /* of this machine: the smallest size of the arrays */
	struct usage sums; /* its arrays point into image */
	char *image;      /* `usage` as on disk */
	size_t image_len;
	uint32_t mark;    /* as on disk */
	bool boot_known;  /* the sums on disk were intact and of this boot */
	bool resume;      /* continue the rebuild that was begun */
	bool incomplete;  /* the rebuild is unfinished: the mark stays MARK_LOST */
	char *scratch;    /* for reading records; allocated at first use */
	size_t scratch_len; /* length of the last one read */
	bool looking;     /* opened by ledger_look(): nothing is opened for writing */
	unsigned int nkept; /* records as text, for ledger_look() */
	struct kept {
		char *text;
		size_t len;
	} *kept;
	unsigned int nmessages;
	char *messages[LEDGER_MESSAGES_MAX];
};

/*
 * Allocates a ledger for @dir after checking the folder; does not lock or load it. Call ledger_close() also after a
 * failure.
 */
int ledger_new(int dir, const struct topology *t, const struct ledger_world *world, bool looking, struct ledger **out,
	       struct error *err);

/* Remembers until ledger_close() that this process has the folder of @l open for writing. */
void ledger_register(struct ledger *l);

#endif
