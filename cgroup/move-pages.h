/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Brings the pages of a container's processes to its new nodes: many pages in each call of the kernel, huge pages as a
 * whole, to each node its part.  Between two calls the progress is reported and the time limit is checked.
 */
#ifndef NUMAPLACE_MOVE_PAGES_H
#define NUMAPLACE_MOVE_PAGES_H

#include "cgroup/pages.h"
#include "plugin/record.h"

#include <time.h>

/* The bytes of each new node, in the order of the nodes. */
struct page_deal {
	uint64_t weight[PAGES_NODE_MAX], given[PAGES_NODE_MAX];
};

struct page_move {
	int root, mount;           /* the folder that holds proc/; the mount of cgroup2 */
	const char *cgroup;        /* path below @mount: its processes, and those in the cgroups below it */
	const struct idset *nodes; /* the new ones */
	void (*progress)(void *arg, uint64_t done, uint64_t total); /* may be NULL */
	void *arg;

	unsigned int seconds;
	time_t end;               /* CLOCK_MONOTONIC; 0: none */
	uint64_t total, done;     /* bytes to bring over */
	bool again;               /* the first round is done */
	int node[PAGES_NODE_MAX]; /* ids of @nodes */
	unsigned int nnodes;
	struct page_deal small, huge; /* explicit huge pages are counted apart, as the nodes' room for them is */
};

/* The time limit, from now on; 0: none. */
void page_move_limit(struct page_move *m, unsigned int seconds);
/* -ETIMEDOUT: it is over. */
int page_move_check_time(const struct page_move *m, struct error *err);

/* Sets what each node gets: in proportion to what @placement asks for there, or the same of each. */
void page_move_begin(struct page_move *m, const struct topology *t, const struct placement *placement);

/* Sets @m->total, and counts what the new nodes have of their parts already. */
int page_move_count_first(struct page_move *m, struct error *err);

/* Own bytes of all processes that are on other nodes. */
int page_move_elsewhere(const struct page_move *m, uint64_t *bytes, struct error *err);

/*
 * Moves once what is elsewhere, process by process.  What could not be moved (busy pages), and what the processes have
 * touched meanwhile, is left for the next round.
 */
int page_move_round(struct page_move *m, struct error *err);

/* Reports the progress. */
void page_move_tell(const struct page_move *m);

#endif
