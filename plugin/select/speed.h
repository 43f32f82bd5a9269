/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The speed that the model of memory (model.h) predicts for a container at one or more places, beside all other
 * containers of the machine. It is for plans and explanations that people read: no choice depends on it, and no hook
 * computes it. Pure: no I/O, no clock.
 */
#ifndef NUMAPLACE_SPEED_H
#define NUMAPLACE_SPEED_H

#include "plugin/select/select.h"

struct neighbour {
	const struct placement *placement;
	struct work_hint work;
	double idle; /* part of the time in which its threads sleep, 0 to 1 */
};

struct speed_input {
	const struct topology *topology;
	struct work_hint work; /* of the container */
	unsigned int n;
	const struct neighbour *neighbour; /* all other containers */
};

/* What slows a container most. */
enum slow_cause {
	SLOW_NOT,
	SLOW_TIME,     /* CPUs are over-committed */
	SLOW_CPUS,     /* slower cores than it could have */
	SLOW_CORES,    /* more of its threads share a core, with others or with each other */
	SLOW_CACHES,   /* others use its last-level caches */
	SLOW_MEMORY,   /* others use the memory of a node */
	SLOW_LINKS,    /* others use the links between its nodes */
	SLOW_DISTANCE, /* its threads and pages are farther apart than they could be */
};

struct speed {
	double part;           /* of its speed alone on an idle machine; 0: the machine has none of its CPUs */
	enum slow_cause cause; /* SLOW_NOT if nothing slows it */
	unsigned int node;     /* id, for SLOW_MEMORY */
};

#define SPEED_PLACES_MAX 4

/*
 * Predicts @out[i] for the same container at @place[i], up to SPEED_PLACES_MAX. 1 is its speed alone at the fastest of the
 * first @idle places: where it is, and where it would be on an idle machine. At these it is never above 1. 0 or -ENOMEM.
 */
int speed_predict(const struct speed_input *in, const struct placement *const *place, unsigned int n, unsigned int idle,
		  struct speed *out);

/*
 * Predicts the speed of all containers of @in beside each other, in CPUs: @out[i] is the CPU count of container i if each
 * of its threads is as fast as one that is alone on an idle machine, on its own core, with all pages on its node. Less if
 * not; 0 if the machine has none of its CPUs. @in->work is not used. 0 or -ENOMEM.
 */
int speed_of_all(const struct speed_input *in, double *out);

/* In whole per cent. */
unsigned int speed_percent(const struct speed *s);
/* "node 3's memory is busy"; "" at 100 %. */
void speed_reason(const struct speed *s, char *buf, size_t size);

#endif
