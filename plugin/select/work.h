/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kinds of work that the model of memory knows, and what a container or the administrator says about them.
 */
#ifndef NUMAPLACE_WORK_H
#define NUMAPLACE_WORK_H

#include <stdbool.h>

enum work_kind {
	WORK_COMPUTE,   /* hardly uses memory */
	WORK_LATENCY,   /* waits for single accesses, as pointer chasing does */
	WORK_BANDWIDTH, /* streams */
	WORK_KINDS
};

/* All zero: the work is unknown, and the mix of the model counts. */
struct work_hint {
	bool given;
	enum work_kind kind;
};

#endif
