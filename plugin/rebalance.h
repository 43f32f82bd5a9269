/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which placed containers would be better off elsewhere: a sequence of single
 * moves, each of which gains by itself, that ends with the lowest load of the most loaded
 * node that any such sequence reaches, and then with the fewest, nearest nodes per container; of these the
 * one that moves the least memory.  Pure: it decides, others move.
 */
#ifndef NUMAPLACE_REBALANCE_H
#define NUMAPLACE_REBALANCE_H

#include "plugin/record.h"

struct rebalance_item {
	const struct record *record;
	bool fixed;           /* not to be moved, for a reason that its record does not tell */
	const uint64_t *held; /* bytes that it has on each node, by node index; NULL: what it asked for there */
};

struct rebalance_input {
	const struct topology *topology;
	const struct usage *usage;          /* the items' shares are in it */
	const struct select_policy *policy;
	unsigned int n;
	const struct rebalance_item *item;
	uint64_t max_move;                  /* bytes that all moves together may cost */
};

struct rebalance_move {
	unsigned int item;
	struct idset nodes;     /* ids: choose again within these */
	uint64_t bytes;         /* on other nodes now */
	double before, after;   /* highest load of a node over the mean, around this move */
	bool joins;             /* it is on fewer or nearer nodes after it */
};

struct rebalance_plan {
	unsigned int n;
	struct rebalance_move *move;
	double before, after;   /* highest load of a node over the mean; 1 where there is no load */
	uint64_t bytes;
	bool whole;             /* everything that can be reached was looked at; else only the best first */
};

/* 0 also when no move gains: out->n is 0 then. -ENOMEM. */
int rebalance_plan(const struct rebalance_input *in, struct rebalance_plan *out, struct error *err);
void rebalance_free(struct rebalance_plan *p);
#define cleanup_rebalance __attribute__((cleanup(rebalance_free)))

/* Why its record says that a container stays where it is; NULL: it may be moved. */
const char *rebalance_fixed(const struct record *r);

#endif
