/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds placed containers that would be better on other nodes. The result is a sequence of moves, each of them an
 * improvement of the load. It ends with the lowest load of the most loaded node that such a sequence reaches, then with
 * the fewest and nearest nodes per container, then with the least memory moved. Then each move is judged by what it gains
 * in predicted speed and what it costs. Pure functions: they move nothing.
 */
#ifndef NUMAPLACE_REBALANCE_H
#define NUMAPLACE_REBALANCE_H

#include "plugin/ledger/record.h"

struct rebalance_item {
	const struct record *record;
	bool fixed;           /* must not be moved, for a reason that its record does not show */
	const uint64_t *held; /* bytes on each node, by node index; NULL: as requested */
	uint64_t astray;      /* bytes of its own memory that are on other nodes than its memory nodes */
	double idle;          /* part of its requested CPU time that it neither uses nor waits for, 0 to 1 */
};

struct rebalance_input {
	const struct topology *topology;
	const struct usage *usage;          /* includes the items' shares */
	const struct select_policy *policy;
	unsigned int n;
	const struct rebalance_item *item;
	uint64_t max_move;                  /* limit on the bytes of all moves together */
};

struct rebalance_move {
	unsigned int item;
	struct nodeset nodes;   /* ids: choose a new placement within these */
	uint64_t bytes;         /* of its memory, now on other nodes */
	double before, after;   /* highest load of a node over the mean, before and after this move */
	bool joins;             /* it is on fewer or nearer nodes afterwards */
	bool returns;           /* its pages come to its present nodes; added by rebalance_judge() */
	double gain;            /* CPUs of predicted speed that all containers together gain; set by rebalance_judge() */
	double cost;            /* CPU seconds that the move takes; set by rebalance_judge() */
};

struct rebalance_plan {
	unsigned int n;
	struct rebalance_move *move;
	double before, after;   /* highest load of a node over the mean; 1 without load */
	uint64_t bytes;
	bool whole;             /* the search was complete; else only the best states were followed */
	unsigned int dropped;   /* moves that rebalance_judge() has removed */
};

/*
 * Plans the moves; out->n is 0 if none improves anything. The caller frees @out with rebalance_free(). Returns 0 or
 * -ENOMEM.
 */
int rebalance_plan(const struct rebalance_input *in, struct rebalance_plan *out, struct error *err);
void rebalance_free(struct rebalance_plan *p);
#define cleanup_rebalance __attribute__((cleanup(rebalance_free)))

/*
 * Adds to @p the moves that bring pages home, and removes the last moves of @p that do not repay their cost: keeps the first moves whose gain, for as long as the
 * containers are expected to run, exceeds their cost most. Sets gain and cost of the moves that remain. @now:
 * CLOCK_BOOTTIME seconds. @t: in->topology; its free memory is changed, and restored before the return. 0 or -ENOMEM.
 */
int rebalance_judge(const struct rebalance_input *in, struct topology *t, uint64_t now, struct rebalance_plan *p,
		    struct error *err);

/* Why a container must stay, according to its record; NULL if it may be moved. */
const char *rebalance_fixed(const struct record *r);

#endif
