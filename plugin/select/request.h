/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The request of a container: the documented keys, parsed and checked, in one plain struct that is independent of
 * their source.
 */
#ifndef NUMAPLACE_REQUEST_H
#define NUMAPLACE_REQUEST_H

#include "plugin/base/error.h"
#include "plugin/base/idset.h"
#include "plugin/base/size.h"
#include "plugin/machine/device-name.h"
#include "plugin/machine/device-ref.h"
#include "plugin/select/work.h"

#include <stdbool.h>
#include <stdint.h>

#define CPU_COUNT_MAX 1000000U /* larger numbers are mistakes */
#define HUGE_REQUEST_MAX 4
#define REQUEST_REQUIRE "require:" /* of limits.cpu.device */
#define REQUEST_DEVICES_MAX 8

enum nodes_mode {
	NODES_ABSENT,   /* not given: as balanced if another key is given */
	NODES_BALANCED,
	NODES_LIST,     /* choose within request.nodes */
};

enum memory_policy {
	POLICY_STRICT,
	POLICY_PREFERRED,
	POLICY_INTERLEAVE,
	POLICY_WEIGHTED,
};

enum devices_mode {
	DEVICES_AUTO,   /* those in the container's configuration: request.found */
	DEVICES_NONE,
	DEVICES_NAMED,  /* request.device */
};

/* Where the interrupts of the machine are handled: limits.cpu.irq. */
enum irq_mode {
	IRQ_NONE, /* as they are */
	IRQ_AWAY, /* not on the container's CPUs, which must be exclusive */
	IRQ_NEAR, /* those of the container's devices on its CPUs */
};

enum cpu_class {
	CLASS_ANY,
	CLASS_PERFORMANCE,
	CLASS_EFFICIENT,
	CLASS_ISOLATED,
};

/* How the kernel keeps the CPUs of a cgroup from all processes outside of it: cpuset.cpus.partition. */
enum partition {
	PARTITION_MEMBER,   /* not at all */
	PARTITION_ROOT,
	PARTITION_ISOLATED, /* and without load balancing */
};

struct huge_request {
	uint64_t size;  /* bytes of a page */
	uint64_t count; /* pages */
};

/* Bit numbers of the keys, in the order of request_keys. */
enum request_key {
	KEY_CPU,
	KEY_CPU_NODES,
	KEY_CPU_EXCLUSIVE,
	KEY_CPU_DEVICE,
	KEY_CPU_CLASS,
	KEY_CPU_THREADS,
	KEY_CPU_WORK,
	KEY_CPU_IRQ,
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
	unsigned int given;          /* keys given, bits 1 << enum request_key */
	unsigned int cpu_count;      /* 0: not given */
	bool cpu_listed;             /* use exactly cpu_list */
	struct idset cpu_list;
	enum nodes_mode nodes_mode;
	struct nodeset nodes;
	bool all_nodes;              /* CPUs on each of request.nodes, instead of on as few as suffice */
	bool exclusive;
	bool isolated;               /* exclusive, and without load balancing */
	enum cpu_class cpu_class;
	bool one_thread;             /* cpu_count counts cores, one thread of each is used */
	struct work_hint work;       /* from limits.cpu.work */
	enum irq_mode irq;
	enum devices_mode devices_mode;
	bool devices_required;       /* CPUs of the nodes of the devices, or none */
	unsigned int ndevices;
	char device[REQUEST_DEVICES_MAX][DEVICE_NAME_MAX];
	unsigned int nfound;         /* no key: what the caller has found for DEVICES_AUTO */
	struct device_found found[DEVICES_FOUND_MAX];
	uint64_t memory;             /* bytes; 0: not given */
	uint64_t memory_limit;       /* bytes; the runtime's own limit if it is below memory, else 0 */
	struct nodeset mem_nodes;    /* from limits.memory.nodes; empty: not given */
	bool huge_memory;            /* limits.memory is in hugepages of the default size */
	unsigned int nhuge;
	struct huge_request huge[HUGE_REQUEST_MAX];
	enum memory_policy policy;
	/* Last nodes, a hint only. */
	struct nodeset last_nodes, last_mems;
	/* Pins set by the runtime or user: narrow them, never widen. Empty: no pin. */
	struct idset pin_cpus;
	struct nodeset pin_mems;
};

/* Makes an empty request. */
void request_init(struct request *r);

/* Number of the key with this name (without prefix), or -1. */
int request_find_key(const char *key);

/*
 * Keys in the environment of a container: NUMAPLACE_LIMITS_CPU_NODES is limits.cpu.nodes. An empty value does not count,
 * so that a user can unset what an image has set.
 */
#define REQUEST_VARIABLE "NUMAPLACE_LIMITS_"

/* The key of the variable whose name has @len bytes; -1: not a variable of that kind; -ENOENT: no such key. */
int request_find_variable(const char *name, size_t len);

/* The name of the variable of a key that is not a hint. */
struct variable_name {
	char text[48];
};
struct variable_name request_variable(enum request_key key);

/* Whether it is a volatile key, which is a hint and never a request. */
static inline bool request_key_is_hint(int key)
{
	return key == KEY_VOLATILE_CPU_NODES || key == KEY_VOLATILE_MEMORY_NODES;
}

/*
 * Parses one key. Returns 0; -EINVAL with a message such as "limits.cpu: \"0\": ...", also for a second, different
 * value; -ENOENT for an unknown key (limits.cpu.node, say), about which the caller decides.
 */
int request_set(struct request *r, const char *key, const char *value, struct error *err);

/*
 * Replaces in @r, finished or not, what the keys of @changes set. Call request_finish() afterwards. The pins and limits of
 * @changes are not used.
 */
void request_change(struct request *r, const struct request *changes);

/*
 * The runtime's own limits, used only if the key is absent: CPUs from quota and period (rounded up), memory in bytes
 * (if the key asks for more, kept as memory_limit), hugepages in bytes. Call after all request_set() and before
 * request_finish(). request_fallback_hugepages() returns 0 or -EINVAL.
 */
void request_fallback_cpus(struct request *r, int64_t quota, uint64_t period);
void request_fallback_memory(struct request *r, int64_t limit);
int request_fallback_hugepages(struct request *r, uint64_t page_size, uint64_t limit_bytes, struct error *err);

/*
 * The runtime's own pins, as lists; NULL or "": none. The kernel also accepts forms that are not read here ("0-31:2/4").
 * Those are ignored: the container's cgroup shows them as plain lists.
 */
void request_pin(struct request *r, const char *cpus, const char *mems);

/* For default = follow-pins: with pinned CPUs and unpinned memory, requests exactly these CPUs; else nothing. */
void request_follow_pins(struct request *r, const char *cpus, const char *mems);

/* Checks the keys against each other; call it last, before the request is used. Returns 0 or -EINVAL. */
int request_finish(struct request *r, struct error *err);

/* Whether any key other than volatile ones was given. */
bool request_asks(const struct request *r);

/* Writes the value of @key as it was understood to @buf; false if the key was not given. */
bool request_format(const struct request *r, enum request_key key, char *buf, size_t size);

/* Names as in the keys' values. memory_policy_parse() returns 0 or -EINVAL. */
const char *cpu_class_name(enum cpu_class c);
const char *memory_policy_name(enum memory_policy p);
const char *partition_name(enum partition p); /* as in cpuset.cpus.partition */
const char *work_kind_name(enum work_kind k);
const char *irq_mode_name(enum irq_mode m);
int memory_policy_parse(const char *text, enum memory_policy *out, struct error *err);

/* Parses Incus's booleans, in any case: true, 1, yes, on; false, 0, no, off. Returns 0 or -EINVAL. */
int bool_parse(const char *text, bool *out, struct error *err);

#endif
