/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moves the pages of a container's processes to its new nodes: many pages with each move_pages(2) call, huge pages
 * whole, and a part to each node. After each call it reports the progress and checks the time limit.
 */
#ifndef NUMAPLACE_MOVE_PAGES_H
#define NUMAPLACE_MOVE_PAGES_H

#include "cgroup/pages.h"
#include "plugin/ledger/record.h"

#include <time.h>

/* Bytes, indexed like page_move.node: in proportion to what, and how many so far. */
struct page_deal {
	uint64_t weight[NODESET_MAX], given[NODESET_MAX];
};

struct page_move {
	int root;                  /* the folder that holds proc/ */
	int mount;                 /* the mount of cgroup2 */
	const char *cgroup;        /* path below @mount, with the cgroups below it */
	const struct nodeset *nodes; /* the new ones */
	/* Called after each step with the bytes moved so far and the bytes to move; may be NULL. */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;

	unsigned int seconds;     /* the time limit, for messages */
	time_t end;               /* CLOCK_MONOTONIC; 0: no limit */
	uint64_t total, done;     /* bytes to move */
	bool again;               /* the first pass is done */
	int node[NODESET_MAX];    /* target node ids */
	unsigned int nnodes;
	struct page_deal small, huge; /* explicit huge pages count separately, as does the room for them */
};

/* Starts the time limit; 0 seconds: no limit. */
void page_move_limit(struct page_move *m, unsigned int seconds);
/* -ETIMEDOUT: the time limit is over. */
int page_move_check_time(const struct page_move *m, struct error *err);

/* Sets the weight of each new node: what @placement requests there. All 0 means equal parts. */
void page_move_begin(struct page_move *m, const struct topology *t, const struct placement *placement);

/* Counts the bytes to move (@m->total), and how much of its part each new node has already. */
int page_move_count_first(struct page_move *m, struct error *err);

/* Own pages of all processes that are not on the new nodes, in bytes. */
int page_move_elsewhere(const struct page_move *m, uint64_t *bytes, struct error *err);

/*
 * Moves the pages of all processes that are on other nodes, in one pass. Pages that are busy, and pages that a process
 * touches in the meantime, remain for the next pass.
 */
int page_move_round(struct page_move *m, struct error *err);

/* Reports the progress. */
void page_move_tell(const struct page_move *m);

#endif
