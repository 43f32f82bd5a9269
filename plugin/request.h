/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a container asks for: the keys of the table in the documentation,
 * parsed and bounded, in one plain struct that does not know where they stood.
 */
#ifndef NUMAPLACE_REQUEST_H
#define NUMAPLACE_REQUEST_H

#include "plugin/error.h"
#include "plugin/idset.h"
#include "plugin/size.h"

#include <stdbool.h>
#include <stdint.h>

#define CPU_COUNT_MAX 1000000U /* more than this is a mistake, not a request */
#define HUGE_REQUEST_MAX 4
#define DEVICE_NAME_MAX 128
#define REQUEST_DEVICES_MAX 8

enum nodes_mode {
	NODES_ABSENT,   /* not said: as balanced, once another key is there */
	NODES_BALANCED,
	NODES_LIST,     /* choose within request.nodes */
};

enum memory_policy {
	POLICY_STRICT,
	POLICY_PREFERRED,
	POLICY_INTERLEAVE,
	POLICY_WEIGHTED,
};

enum cpu_class {
	CLASS_ANY,
	CLASS_PERFORMANCE,
	CLASS_EFFICIENT,
	CLASS_ISOLATED,
};

struct huge_request {
	uint64_t size;  /* bytes of a page */
	uint64_t count; /* pages */
};

/* One bit per key that was given, in the order of request_keys. */
enum request_key {
	KEY_CPU,
	KEY_CPU_NODES,
	KEY_CPU_EXCLUSIVE,
	KEY_CPU_DEVICE,
	KEY_CPU_CLASS,
	KEY_CPU_THREADS,
	KEY_MEMORY,
	KEY_MEMORY_NODES,
	KEY_MEMORY_HUGEPAGES,
	KEY_MEMORY_POLICY,
	KEY_VOLATILE_CPU_NODES,
	KEY_VOLATILE_MEMORY_NODES,
	KEY_COUNT
};
extern const char *const request_keys[KEY_COUNT];

struct request {
	unsigned int given;          /* bits 1 << enum request_key */
	unsigned int cpu_count;      /* 0: not said */
	bool cpu_listed;             /* cpu_list is exactly what is wanted */
	struct idset cpu_list;
	enum nodes_mode nodes_mode;
	struct idset nodes;
	bool all_nodes;              /* CPUs of each of request.nodes, not of as few as suffice */
	bool exclusive;
	enum cpu_class cpu_class;
	bool one_thread;             /* cpu_count counts cores: one thread of each */
	unsigned int ndevices;
	char device[REQUEST_DEVICES_MAX][DEVICE_NAME_MAX];
	uint64_t memory;             /* bytes; 0: not said */
	uint64_t memory_limit;       /* the runtime's own limit where memory is above it; 0: it is not */
	struct idset mem_nodes;      /* memory on these nodes; empty: not said */
	bool huge_memory;            /* limits.memory is to be hugepages of the default size */
	unsigned int nhuge;
	struct huge_request huge[HUGE_REQUEST_MAX];
	enum memory_policy policy;
	/* A hint, never a constraint: where it was before. */
	struct idset last_nodes, last_mems;
	/* What the runtime itself pinned: choose within, never widen.  Empty: no pin. */
	struct idset pin_cpus, pin_mems;
};

/* Nothing asked for. */
void request_init(struct request *r);

/* The key with this name, without prefix; -1: not ours. */
int request_find_key(const char *key);

/*
 * One key.  -EINVAL and "limits.cpu: \"0\": ..." for what makes no sense;
 * a key given a second time must say the same.  "limits.*" names that look like ours
 * and are not (limits.cpu.node) are -ENOENT: the caller decides.
 */
int request_set(struct request *r, const char *key, const char *value, struct error *err);

/*
 * The runtime's own limits, used only where the key is absent: CPUs from quota and
 * period (rounded up), memory in bytes (also a bound of what the key says).  Call before request_finish, after all request_set.
 */
void request_fallback_cpus(struct request *r, int64_t quota, uint64_t period);
void request_fallback_memory(struct request *r, int64_t limit);
int request_fallback_hugepages(struct request *r, uint64_t page_size, uint64_t limit_bytes, struct error *err);

/* Checks keys against each other; the last step before a request is used. */
int request_finish(struct request *r, struct error *err);

/* True when a key of the table (volatile ones aside) was given. */
bool request_asks(const struct request *r);

/* Writes "key=value" of key @key as it was understood; false: not given. */
bool request_format(const struct request *r, enum request_key key, char *buf, size_t size);

const char *cpu_class_name(enum cpu_class c);
const char *memory_policy_name(enum memory_policy p);
int memory_policy_parse(const char *text, enum memory_policy *out, struct error *err);

/* The words that Incus takes for true and false, in any case: true, 1, yes, on; false, 0, no, off. */
int bool_parse(const char *text, bool *out, struct error *err);

/*
 * The name of a device as it is below /sys: "eth0" as it is, a PCI address in any usual spelling as "0000:3b:00.0".
 * -EINVAL, with what would be understood.
 */
int device_name_parse(const char *text, char name[DEVICE_NAME_MAX], struct error *err);

#endif
