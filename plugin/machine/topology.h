/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine as its kernel describes it: nodes, CPUs, caches, memory, hugepages, distances. It is read below a root
 * directory descriptor (the folder with sys/ and proc/), so that a recorded machine is read in the same way.
 *
 * Nodes and CPUs are kept in arrays: an "index" is a position in the array, an "id" is the kernel's number. Nodes
 * ascend by id; CPUs are grouped by node and ascend by id within it. Only online CPUs are included. Sizes are in
 * bytes.
 */
#ifndef NUMAPLACE_TOPOLOGY_H
#define NUMAPLACE_TOPOLOGY_H

#include "plugin/base/error.h"
#include "plugin/base/idset.h"

#include <stdbool.h>
#include <stdint.h>

#define NODE_ID_MAX NODESET_MAX /* all node ids are smaller */
#define HUGE_SIZES_MAX 4   /* page sizes kept, ascending */
#define NO_NODE 0xffffU

struct topo_cpu {
	uint16_t id;
	uint16_t node;       /* index of its node */
	uint16_t core;       /* dense number of its core, machine-wide */
	uint16_t llc;        /* dense number of its last-level cache */
	uint16_t capacity;   /* differs between P- and E-cores; 1024 if unknown */
	bool isolated;       /* isolcpus */
};

/* Decides whether containers use a node's memory without naming the node. */
enum memory_kind {
	MEMORY_NONE,
	MEMORY_ORDINARY, /* of a node with CPUs, comparable to it, or the only memory: used by default */
	/* Used only if the request names the node: */
	MEMORY_SLOW,     /* slower than the memory of nodes with CPUs (CXL, Optane) */
	MEMORY_FAST,     /* faster, and so scarce that it is reserved for requests that name it (HBM) */
	MEMORY_DEVICE,   /* a device's own (GPU) */
	MEMORY_UNKNOWN,  /* of a node without CPUs, kind unknown */
};

struct topo_node {
	uint16_t id;
	uint16_t package;    /* of its first CPU; 0 if unknown */
	uint16_t offline;    /* number of its offline CPUs, if the kernel reports them */
	bool has_memory;     /* allowed in cpuset.mems */
	bool movable_only;   /* no memory for the kernel itself: must not be the only node of a cpuset.mems */
	enum memory_kind memory_kind;
	bool mem_known;      /* its meminfo was readable */
	unsigned int first_cpu, ncpus; /* its range of topology.cpus */
	uint64_t mem_total;
	uint64_t mem_free;   /* available: MemFree plus reclaimable file pages and slab, and arc_bytes */
	uint64_t arc_bytes;  /* part of mem_free: this node's share of what ZFS's cache (ARC) can release */
	uint64_t huge_total[HUGE_SIZES_MAX]; /* pages */
	uint64_t huge_free[HUGE_SIZES_MAX];  /* pages; see topology.huge_reserved */
	uint32_t read_bandwidth; /* MB/s, from the nearest CPUs (HMAT); 0 unknown */
	uint32_t read_latency;   /* ns, from the nearest CPUs (HMAT); 0 unknown */
};

struct topology {
	unsigned int nnodes, ncpus;
	struct topo_node *nodes;
	struct topo_cpu *cpus;
	uint16_t *distance;      /* [from * nnodes + to], as the kernel reports; default 10 local, 20 remote */
	/* Computed by topology_finish(); NULL before. */
	uint16_t *near;          /* [a * nnodes + b]: both directions added, local 20, scaled by HMAT latency */
	uint16_t near_least;     /* smallest near of two different nodes; 20 if there is one node */
	uint16_t *twin;          /* by node index: nodes with equal distances to all others have the same number */
	uint16_t *cpu_index;     /* by CPU id (cpu_ids entries): index in cpus, or NO_NODE */
	uint16_t *node_index;    /* by node id (NODE_ID_MAX entries): index in nodes, or NO_NODE */
	unsigned int cpu_ids;    /* highest CPU id + 1 */
	unsigned int ncores, nllcs;
	bool mixed;              /* cores differ in capacity */
	bool cores_cross;        /* some core has threads on different nodes */
	unsigned int nhuge;
	uint64_t huge_size[HUGE_SIZES_MAX]; /* bytes */
	uint64_t huge_default;   /* bytes; 0 unknown */
	/*
	 * Pages reserved by mappings and not yet faulted in, counted for the whole machine only. The nodes' huge_free
	 * includes them: a new mapping can get at most the sum of huge_free minus these.
	 */
	uint64_t huge_reserved[HUGE_SIZES_MAX];
	uint64_t nodes_bytes;    /* sum of MemTotal of all nodes */
	bool arc;                /* ZFS's cache is on this machine: read arc_bytes */
	struct idset online;     /* CPUs */
	struct idset offline;    /* CPUs, present but not online */
	struct idset isolated;   /* CPUs */
	struct nodeset mem_nodes; /* node ids with memory */
	struct nodeset cpu_nodes; /* node ids with CPUs */
	/*
	 * For firmware that lists every CPU on every node: one node is kept for the CPUs, and these are the ids of
	 * the nodes whose memory is counted there. Empty otherwise.
	 */
	struct nodeset merged;
	unsigned int nwarnings;
	char warnings[4][160];
	/* Set by topology_load(): file contents that hold all arrays but nodes. */
	void *image;
	size_t image_len;
	bool image_mapped;       /* mapped; otherwise allocated */
};

/*
 * Reads the machine below @root; the caller frees *@out with topology_free(). A machine without a node directory
 * becomes one node 0. Returns 0, -ENOENT (neither nodes nor CPUs found), -EINVAL (a file with invalid contents, named
 * in @err), or another negative errno.
 */
int topology_read(int root, struct topology **out, struct error *err);
void topology_free(struct topology *t);

static inline void cleanup_topologyp(struct topology **t)
{
	topology_free(*t);
}
#define cleanup_topology __attribute__((cleanup(cleanup_topologyp)))

/*
 * Computes the derived fields (near, twin, mixed, a missing memory_kind). topology_read() calls it; call it for
 * topologies made by hand. Returns 0 or -ENOMEM.
 */
int topology_finish(struct topology *t);

/*
 * Reads memory again, and hugepages if @huge (otherwise their counts become 0). Returns 0, -ENOMEM, or -ESTALE: nodes
 * were added or removed, or a node without memory now has some, so the machine must be read again.
 */
int topology_refresh(int root, struct topology *t, bool huge, struct error *err);

/*
 * Sets memory and hugepages as if nothing ran: all hugepages free, and all memory except the hugepage pools. The
 * hugepages must have been read.
 */
void topology_idle(struct topology *t);

/* Kernel's distance between two nodes, by index. */
static inline uint16_t topology_distance(const struct topology *t, unsigned int from, unsigned int to)
{
	return t->distance[from * t->nnodes + to];
}

/* "ordinary", "slow" and so on. */
const char *memory_kind_name(enum memory_kind kind);

/* Index of the node with this id, or -1. */
int topology_find_node(const struct topology *t, int id);
/* Index of the CPU with this id, or -1. */
int topology_find_cpu(const struct topology *t, int id);

/* Ids of the nodes that contain @cpus; unknown CPUs are ignored. */
void topology_nodes_of(const struct topology *t, const struct idset *cpus, struct nodeset *nodes);

/* All CPUs of the cores of @cpus, also if the threads are on different nodes. */
void topology_whole_cores(const struct topology *t, const struct idset *cpus, struct idset *out);

/* Offline CPUs of a node (by index), if the kernel below @root reports their node. */
void topology_offline_of(int root, const struct topology *t, unsigned int node, struct idset *cpus);

/*
 * CPUs and memory nodes that the topmost cgroup below @root allows, of cgroup v2 or v1; all of them if it does not
 * say. For a recorded machine, and for what is shown of a machine: a placement reads the container's parent.
 */
void topology_allowed(int root, const struct topology *t, struct idset *cpus, struct nodeset *mems);

#endif
