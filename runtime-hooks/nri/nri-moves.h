/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Containers that numaplace has moved: the runtime must learn their new place, or it writes the old one at its next update
 * of the container. The end of a move is the removal of its journal from the state folder.
 */
#ifndef NUMAPLACE_NRI_MOVES_H
#define NUMAPLACE_NRI_MOVES_H

#include "plugin/ledger/record.h"

struct nri_moved {
	char id[NAME_ID_MAX + 1];
	struct idset cpus;
	struct nodeset mems;
};

struct nri_moves {
	int fd;       /* inotify; -1: none */
	int watch;    /* of the state folder; -1: none */
	size_t n, room;
	struct nri_moved *moved; /* not reported to the runtime yet */
};

/* Watches the state folder, if it exists and is not watched yet. Without inotify, the next connection reports moves. */
void nri_moves_watch(struct nri_moves *m, const char *state);

/* Reads what has happened: calls @each with the inode of the cgroup for each move that has ended. */
void nri_moves_read(struct nri_moves *m, void (*each)(void *arg, uint64_t inode), void *arg);

/* The container has moved to the place of its record. */
void nri_moves_add(struct nri_moves *m, const struct record *r);

void nri_moves_free(struct nri_moves *m);

#endif
