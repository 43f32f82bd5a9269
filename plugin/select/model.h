/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Predicts the speed of containers from where their threads and pages are, and from what all of them together draw
 * from memory. Pure: no I/O, no clock; only + - * / on doubles, so that all architectures compute the same.
 *
 * Units. Speed: 1 is one thread that is alone on an idle machine, on its own core, with all pages on its node. Latency:
 * 1 is the local memory of the fastest node. Traffic: 1 is what one such thread can stream. The prediction has no
 * absolute unit, so nanoseconds and MB/s of the HMAT are only used as ratios.
 *
 * The work of a container is unknown. model_work() enumerates a fixed mix of works; callers average over it.
 */
#ifndef NUMAPLACE_MODEL_H
#define NUMAPLACE_MODEL_H

#include "plugin/machine/topology.h"
#include "plugin/select/work.h"

struct work {
	enum work_kind kind;
	bool parallel; /* as slow as its slowest thread, else its threads are independent */
	bool shared;   /* each thread uses all pages alike, else its own, which are on its node while pages are there */
};
#define WORKS (4 * WORK_KINDS)

#define CURVE_POINTS 8

/* Constants of the model; their sources are in model.c. */
struct model_params {
	const char *name;
	struct curve_point_of {
		unsigned int distance; /* SLIT, local is 10; ascending */
		double latency;
	} curve[CURVE_POINTS];     /* linear between the points; the last ones may be unused (distance 0) */
	double memory[WORK_KINDS]; /* part of the time that a thread waits for memory if all is local and idle */
	double stream[WORK_KINDS]; /* its traffic then */
	double mix[WORK_KINDS];    /* parts of all containers; their sum is 1 */
	double parallel, shared;   /* parts of all containers */
	double controller;         /* traffic that one node's memory serves, for each core of the node */
	double controller_least;   /* the least that any memory serves */
	double link;               /* traffic of a node with others at latency 1, as part of its controller's */
	double queue;              /* added latency at a controller or link that is just fully used */
	double smt;                /* speed of computing while the other thread of the core is in use */
	double cache;              /* additional misses if others use all of the last-level cache */
};

#define MODEL_PARAMS 4
extern const struct model_params model_params[MODEL_PARAMS];

/* The machine as the model sees it; model_free() frees its arrays. */
struct model {
	const struct model_params *params;
	unsigned int nnodes;
	double *latency;    /* [threads' node * nnodes + pages' node] */
	double *controller; /* by node: traffic that its memory serves; 0: no memory */
	double *link;       /* by node: traffic that it exchanges with other nodes */
};

/* The part of a container on one node. */
struct model_part {
	unsigned int node; /* index */
	double threads;
	double pages;    /* part of its pages; the sum over all parts is 1 */
	double time;     /* CPU time that each of these threads gets, 0 to 1: less if CPUs are over-committed */
	double siblings; /* part of these threads that share their core with a thread in use */
	double crowd;    /* part of their last-level caches that other containers use */
	double slow;     /* how much longer their cores compute than the fastest cores; 0: as these */
};

/* Traffic of all containers, by node. */
struct model_traffic {
	double *controller, *link;
};

/* Returns 0 or -ENOMEM; @out is unchanged on failure. The topology must be finished; it is not kept. */
int model_init(struct model *out, const struct topology *t, const struct model_params *params);
void model_free(struct model *m);

/* Work number @i of the mix, below WORKS; returns its part of all containers. The parts add up to 1. */
double model_work(const struct model_params *params, unsigned int i, struct work *out);

/*
 * Speed of a container with @n parts on different nodes, threads on at least one, 0 to 1. @traffic includes the
 * container's own.
 */
double model_speed(const struct model *m, const struct model_part *part, unsigned int n, const struct work *work,
		   const struct model_traffic *traffic);
/* Adds the container's traffic if it runs at @speed; removes it if @speed is negative. */
void model_draw(const struct model *m, const struct model_part *part, unsigned int n, const struct work *work,
		double speed, const struct model_traffic *traffic);
/* Latency of memory at a SLIT distance (local is 10), from the curve. */
double model_latency(const struct model_params *p, unsigned int distance);
/* How much longer memory takes if @used of @capacity is drawn; 1 if idle. */
double model_wait(const struct model_params *params, double used, double capacity);

#endif
