/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine as its kernel shows it: nodes, CPUs, caches, memory, hugepages,
 * distances.  Read through a root directory descriptor (the folder that holds
 * sys/ and proc/), so a recorded machine is read like this one.
 *
 * Nodes and CPUs are kept in arrays; "index" is a place in the array, "id" is
 * the kernel's number.  Nodes ascend by id; CPUs are grouped by node and ascend
 * by id within it.  Only online CPUs are in.  Sizes are bytes.
 */
#ifndef NUMAPLACE_TOPOLOGY_H
#define NUMAPLACE_TOPOLOGY_H

#include "plugin/error.h"
#include "plugin/idset.h"

#include <stdbool.h>
#include <stdint.h>

#define NODE_ID_MAX 1024   /* node ids are below this */
#define HUGE_SIZES_MAX 4   /* page sizes that are kept, ascending */
#define NO_NODE 0xffffU

struct topo_cpu {
	uint16_t id;
	uint16_t node;       /* index of its node */
	uint16_t core;       /* dense number of its core, over the machine */
	uint16_t llc;        /* dense number of its last-level cache */
	uint16_t capacity;   /* P- and E-cores differ here; 1024 where the kernel says nothing */
	bool isolated;       /* isolcpus */
};

/* What the memory of a node is to a container that does not name the node. */
enum memory_kind {
	MEMORY_NONE,
	MEMORY_ORDINARY, /* of a node with CPUs, or as good as such, or all that there is: used like any */
	/* Only where the node is named: */
	MEMORY_SLOW,     /* slower than the memory of nodes with CPUs (CXL, Optane) */
	MEMORY_FAST,     /* faster, and so little that it is kept for those that ask (HBM) */
	MEMORY_DEVICE,   /* a device's own (GPU) */
	MEMORY_UNKNOWN,  /* on a node without CPUs, and the kernel does not say what it is */
};

struct topo_node {
	uint16_t id;
	uint16_t package;    /* of its first CPU; 0 where unknown */
	uint16_t offline;    /* its CPUs that are offline, as far as the kernel says */
	bool has_memory;     /* may be in cpuset.mems */
	bool movable_only;   /* has no memory that the kernel itself can use: never the only node of a cpuset.mems */
	enum memory_kind memory_kind;
	bool mem_known;      /* meminfo was there */
	unsigned int first_cpu, ncpus; /* its part of topology.cpus */
	uint64_t mem_total;
	uint64_t mem_free;   /* available: MemFree plus reclaimable file pages and slab, and arc_bytes */
	uint64_t arc_bytes;  /* of mem_free: its share of what ZFS's cache (ARC) gives back */
	uint64_t huge_total[HUGE_SIZES_MAX]; /* pages */
	uint64_t huge_free[HUGE_SIZES_MAX];  /* pages; see topology.huge_reserved */
	uint32_t read_bandwidth; /* MB/s, from the nearest CPUs (HMAT); 0 unknown */
	uint32_t read_latency;   /* ns, from the nearest CPUs (HMAT); 0 unknown */
	uint32_t weight;         /* weighted interleave, as the kernel has it; 0 unknown */
};

struct topology {
	unsigned int nnodes, ncpus;
	struct topo_node *nodes;
	struct topo_cpu *cpus;
	uint16_t *distance;      /* [from * nnodes + to], as the kernel says; local 10, remote 20 where it says nothing */
	/* Made by topology_finish; NULL before it. */
	uint16_t *near;          /* [a * nnodes + b]: both ways added up, local 20, HMAT latency counted in; symmetric */
	uint16_t near_least;     /* the smallest near of two different nodes; 20 where there is one node */
	uint16_t *twin;          /* by node index: the same number where two nodes are alike in all distances */
	uint16_t *cpu_index;     /* by CPU id: index in cpus, NO_NODE for none; cpu_ids long */
	uint16_t *node_index;    /* by node id: index in nodes, NO_NODE for none; NODE_ID_MAX long */
	unsigned int cpu_ids;    /* highest CPU id + 1 */
	unsigned int ncores, nllcs;
	bool mixed;              /* there are cores of different capacity */
	bool cores_cross;        /* there is a core whose threads are on different nodes */
	unsigned int nhuge;
	uint64_t huge_size[HUGE_SIZES_MAX]; /* bytes */
	uint64_t huge_default;   /* bytes; 0 unknown */
	/*
	 * Pages that mappings have reserved and not touched yet.  The kernel counts them over the machine: they are in
	 * the nodes' huge_free, and a new mapping can get no more than the sum of huge_free less these.
	 */
	uint64_t huge_reserved[HUGE_SIZES_MAX];
	uint64_t nodes_bytes;    /* MemTotal of all nodes together */
	bool arc;                /* ZFS is there, and its cache is this machine's: arc_bytes are read */
	struct idset online;     /* CPUs */
	struct idset offline;    /* CPUs that are present and not online */
	struct idset isolated;   /* CPUs */
	struct idset mem_nodes;  /* node ids with memory */
	struct idset cpu_nodes;  /* node ids with CPUs */
	/*
	 * Firmware that gives every CPU to every node: one node is kept for the
	 * CPUs, and these are the ids whose memory belongs to it.  Empty otherwise.
	 */
	struct idset merged;
	unsigned int nwarnings;
	char warnings[4][160];
	/* Of topology_load: a file that all arrays but nodes are parts of. */
	void *image;
	size_t image_len;
	bool image_mapped;       /* else it is malloc's */
};

/*
 * Reads the machine below @root.  -ENOENT: no node directory there (a machine without NUMA
 * is given as one node 0 when it has sys/devices/system/cpu); -EINVAL: a file
 * that makes no sense, named.  Free with topology_free.
 */
int topology_read(int root, struct topology **out, struct error *err);
void topology_free(struct topology *t);

static inline void cleanup_topologyp(struct topology **t)
{
	topology_free(*t);
}
#define cleanup_topology __attribute__((cleanup(cleanup_topologyp)))

/*
 * Works out what follows from the rest (near, twin, mixed, a memory_kind that was left out); topology_read has
 * called it. For topologies made by hand. -ENOMEM.
 */
int topology_finish(struct topology *t);

/*
 * Reads memory again, and hugepages with @huge (else their numbers are 0).  -ESTALE: nodes have come or gone, or
 * have memory that had none: the machine is to be read afresh.
 */
int topology_refresh(int root, struct topology *t, bool huge, struct error *err);

/*
 * As the machine would be if nothing ran on it: all hugepages free, and all memory but what their pools take. The
 * hugepages must have been read.
 */
void topology_idle(struct topology *t);

static inline uint16_t topology_distance(const struct topology *t, unsigned int from, unsigned int to)
{
	return t->distance[from * t->nnodes + to];
}

/* "ordinary", "slow"... */
const char *memory_kind_name(enum memory_kind kind);

/* Index of the node with this id, or -1. */
int topology_find_node(const struct topology *t, int id);
/* Index of the CPU with this id, or -1. */
int topology_find_cpu(const struct topology *t, int id);

/* The node ids that hold these CPUs. */
void topology_nodes_of(const struct topology *t, const struct idset *cpus, struct idset *nodes);

/* The offline CPUs of a node (index), as far as the kernel below @root says whose they are. */
void topology_offline_of(int root, const struct topology *t, unsigned int node, struct idset *cpus);

/*
 * The node that a device hangs on: a network interface, a block or nvme
 * device, or a PCI address, looked up below @root.  0 and *@node (-1: the
 * kernel knows none); -EINVAL with a message when there is no such device.
 */
int topology_device_node(int root, const char *device, int *node, struct error *err);

#endif
