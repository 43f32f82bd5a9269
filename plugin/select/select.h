/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Balanced selection: computes a placement from topology, usage and request. A pure function: no clock, no I/O, the
 * same result for the same input.
 */
#ifndef NUMAPLACE_SELECT_H
#define NUMAPLACE_SELECT_H

#include "plugin/select/request.h"
#include "plugin/machine/topology.h"
#include "plugin/select/usage.h"

/* Memory reserved for the host on each node from @first to @last. */
#define RESERVED_MEMORY_MAX 32
struct reserved_memory {
	uint16_t first, last; /* node ids */
	uint64_t bytes;
};

/*
 * What the parts of a cost weigh that are not settings: the model of memory, and prices of what later containers lose,
 * in local distances. See taste.c.
 */
struct model_params;
struct select_prices {
	const struct model_params *model;
	double node;      /* of a whole free node, if the machine is full */
	double node_idle; /* of a whole free node, if the machine is idle */
	double memory;    /* of the memory of a set that is full afterwards */
	double group;     /* of a group of near nodes that is free as a whole */
};
extern const struct select_prices select_prices;

/* The administrator's settings; select_policy_init() sets the defaults. */
struct select_policy {
	const struct select_prices *prices; /* select_prices, but for a benchmark of them */
	struct idset reserved_cpus;
	struct nodeset reserved_nodes;
	unsigned int nreserved_memory;
	struct reserved_memory reserved_memory[RESERVED_MEMORY_MAX]; /* no node is in two of them */
	bool even_shares;      /* every node of a set gives as much memory as it can, whatever the distances */
	struct work_hint work; /* of containers that do not say it */
	unsigned int balance;  /* 0 (pack: leave room for large containers) to 100 (spread: even load) */
};
void select_policy_init(struct select_policy *p);

/* Bytes of node @id that are reserved for the host; and what remains of @free bytes there. */
uint64_t reserved_memory_of(const struct select_policy *p, unsigned int id);
uint64_t reserved_memory_less(const struct select_policy *p, unsigned int id, uint64_t free);
/* Suffix for a refusal, "; reserved-memory keeps 4GiB of node 0"; "" if nothing is reserved on @nodes. */
void reserved_memory_text(const struct select_policy *p, const struct nodeset *nodes, char *buf, size_t size);

/*
 * What narrows or guides a request beside its own keys: the cgroup, a plan, an earlier placement. It begins with the
 * pins and hints of the request, so that the selection reads them here alone.
 */
struct constraints {
	bool limited;                           /* the allowed sets are valid */
	struct idset allowed_cpus;              /* the parent's cpuset.cpus.effective */
	struct nodeset allowed_mems;            /* the parent's cpuset.mems.effective */
	struct idset pin_cpus;                  /* never left; empty: no pin */
	struct nodeset pin_mems;
	struct nodeset last_nodes, last_mems;   /* hints */
	/* request.memory and the counts of request.huge[], reduced to the limits of the cgroup. */
	uint64_t memory, huge_count[HUGE_REQUEST_MAX];
	char cut[200];                          /* message about that reduction; "": none */
};
/* Makes the constraints that the request itself sets. */
void constraints_init(struct constraints *c, const struct request *r);

/* Where the devices are that the container should be near. */
struct device_nodes {
	unsigned int n;                   /* devices with a known node, each of which counts */
	uint16_t node[DEVICES_FOUND_MAX]; /* ids */
	unsigned int unknown;             /* bit i: the kernel knows no node for request.device[i] */
};
_Static_assert(DEVICES_FOUND_MAX >= REQUEST_DEVICES_MAX, "named devices have room");

/* Adds a device; @node -1: the kernel knows none for request.device[@i]. */
static inline void device_nodes_add(struct device_nodes *d, unsigned int i, int node)
{
	if (node >= 0)
		d->node[d->n++] = (uint16_t)node;
	else
		d->unknown |= 1U << i;
}
/* Adds those of @r->found, which have a node each. */
void device_nodes_add_found(struct device_nodes *d, const struct request *r);

struct select_input {
	const struct topology *topology;
	const struct usage *usage;
	const struct request *request;
	const struct select_policy *policy;
	const struct constraints *limits; /* NULL: those of the request alone */
	struct device_nodes devices;
	/*
	 * The nodes or CPUs of the request were chosen by another program (Incus): use all of them, even if in use.
	 * Only memory and hugepages have to fit.
	 */
	bool whole;
};

struct placement {
	struct nodeset nodes;    /* ids of the nodes with its CPUs */
	struct nodeset mems;     /* ids of its memory nodes */
	enum memory_policy policy;
	struct share share;      /* CPUs, count, memory per node: what the ledger adds up */
	bool overcommitted;      /* no set of nodes had enough free CPUs: they are shared */
	unsigned int warnings;   /* bits 1 << enum placement_warning */
};

/* Problems of a container that gets what it requested. */
enum placement_warning {
	WARN_STARVED,   /* its memory nodes are full */
	WARN_MOVABLE,   /* its memory nodes have only movable memory, which the kernel cannot use for itself */
	WARN_ISOLATED,  /* the scheduler does not balance load over isolated CPUs */
	WARNINGS
};
/* The warning's text. */
const char *placement_warning(enum placement_warning w);

/* Frees what @p owns, not @p itself. */
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
/* Adds a line; does nothing if @why is NULL or full. */
void reasons_add(struct reasons *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Chooses a placement. The caller frees @out with placement_free(); on failure @out is unchanged. If @why is NULL, no
 * explanation is written and no runner-up is searched for.
 * Returns 0, -ENOSPC (does not fit), -EINVAL (the request names something that does not exist), -ERANGE (the usage
 * has fewer CPUs than the topology) or -ENOMEM.
 */
int select_placement(const struct select_input *in, struct placement *out, struct reasons *why, struct error *err);

/*
 * The same, and the placement that the container would get on the nodes of the runner-up as @second, which the caller
 * zeroes before and frees with placement_free(), also after a failure. Without a runner-up it is unchanged. It takes about twice the time.
 */
int select_placements(const struct select_input *in, struct placement *out, struct placement *second,
		      struct reasons *why, struct error *err);

#endif
