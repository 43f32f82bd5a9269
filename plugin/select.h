/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Balanced selection: topology, usage and request in, placement out.  Pure:
 * no clock, no I/O, the same answer to the same question.
 */
#ifndef NUMAPLACE_SELECT_H
#define NUMAPLACE_SELECT_H

#include "plugin/request.h"
#include "plugin/topology.h"
#include "plugin/usage.h"

/* Memory of each node from @first to @last that is kept for the host. */
#define RESERVED_MEMORY_MAX 32
struct reserved_memory {
	uint16_t first, last; /* node ids */
	uint64_t bytes;
};

/* What the admin says about choosing; defaults by select_policy_init. */
struct select_policy {
	struct idset reserved_cpus;
	struct idset reserved_nodes;
	unsigned int nreserved_memory;
	struct reserved_memory reserved_memory[RESERVED_MEMORY_MAX]; /* no node is in two of them */
	bool even_shares;      /* every node of a set gives as much as it can, however far apart they are */
	unsigned int balance;  /* 0 (pack: leave room for large ones) to 100 (spread: even load) */
};
void select_policy_init(struct select_policy *p);

/* The bytes of node @id that are kept for the host, and of @free bytes there those that are left. */
uint64_t reserved_memory_of(const struct select_policy *p, unsigned int id);
uint64_t reserved_memory_less(const struct select_policy *p, unsigned int id, uint64_t free);
/* "; reserved-memory keeps 4GiB of node 0" for the end of a refusal; "" where nothing is kept of @nodes. */
void reserved_memory_text(const struct select_policy *p, const struct idset *nodes, char *buf, size_t size);

struct select_input {
	const struct topology *topology;
	const struct usage *usage;
	const struct request *request;
	const struct select_policy *policy;
	const struct idset *allowed_cpus; /* the parent's cpuset.cpus.effective; NULL: all */
	const struct idset *allowed_mems; /* the parent's cpuset.mems.effective; NULL: all */
	struct idset device_nodes;        /* node ids of the request's devices; empty: none known */
	unsigned int devices_unknown;     /* bit i: the kernel knows no node for request.device[i] */
	/*
	 * Somebody else has chosen the request's nodes, or its CPUs: all of them are taken, whoever is there,
	 * and only memory and hugepages have to fit.
	 */
	bool whole;
};

struct placement {
	struct idset nodes;      /* node ids that the CPUs are on */
	struct idset mems;       /* node ids for memory */
	enum memory_policy policy;
	struct share share;      /* CPUs, count, memory per node: what the ledger adds */
	bool overcommitted;      /* no set had room: CPUs are shared beyond their number */
	unsigned int warnings;   /* bits 1 << enum placement_warning */
};

/* What a container gets as it asked, and will be slower or fail for. */
enum placement_warning {
	WARN_STARVED,   /* its memory nodes have nothing left */
	WARN_MOVABLE,   /* its memory nodes have only memory that the kernel itself cannot use */
	WARN_ISOLATED,  /* the kernel does not balance load over isolated CPUs */
	WARNINGS
};
const char *placement_warning(enum placement_warning w);

void placement_free(struct placement *p);
static inline void cleanup_placementp(struct placement *p)
{
	placement_free(p);
}
#define cleanup_placement __attribute__((cleanup(cleanup_placementp)))

#define REASONS_MAX 12
struct reasons {
	unsigned int n;
	char text[REASONS_MAX][200];
};
void reasons_add(struct reasons *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * 0 and @out (zero it before; free it with placement_free), -ENOSPC and why
 * it cannot be placed, -EINVAL for a request that names what does not exist.
 * @why may be NULL: then nothing is written for people and no runner-up is kept.
 */
int select_placement(const struct select_input *in, struct placement *out, struct reasons *why, struct error *err);

#endif
