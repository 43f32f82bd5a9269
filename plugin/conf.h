/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /etc/numaplace/numaplace.conf: ini lines, every key known and bounded.
 */
#ifndef NUMAPLACE_CONF_H
#define NUMAPLACE_CONF_H

#include "plugin/select.h"

#define CONF_TENANTS_MAX 1024

enum conf_default { DEFAULT_NONE, DEFAULT_BALANCED, DEFAULT_FOLLOW_PINS };
enum conf_record { RECORD_CONFIG, RECORD_FILE, RECORD_NONE };
enum conf_incus_mode { INCUS_FOLLOW, INCUS_LEAD };

struct conf {
	enum conf_default without_keys;   /* default = none | balanced | follow-pins */
	bool warn_only;                   /* on-failure = fail | warn */
	struct select_policy select;      /* reserved-cpus, reserved-nodes, balance, share-out */
	unsigned int container_keys;      /* container-keys = all | none | list: bits of keys a container may set */
	/* Ceilings; 0 = none.  Of one container, or with _each of all containers of one tenant together. */
	unsigned int max_cpus, max_cpus_each;
	unsigned int max_exclusive_each;
	unsigned int max_exclusive_cpus;  /* of all exclusive CPUs together */
	uint64_t max_memory, max_memory_each;       /* bytes that are not hugepages */
	uint64_t max_hugepages, max_hugepages_each; /* bytes of hugepages, of all sizes together */
	char tenants[CONF_TENANTS_MAX];   /* tenants: cgroup paths, one blank between two; see plugin/tenant.h */
	bool devices_allowed;             /* devices = true | false */
	enum conf_record record;          /* record = config | file | none (LXC) */
	enum conf_incus_mode incus_mode;  /* incus-mode = follow | lead */
};

void conf_init(struct conf *c);

/*
 * Reads @path below @dir (AT_FDCWD and an absolute path are fine).  A missing file
 * is the defaults and 0.  -EINVAL: "numaplace.conf:7: reserved-cpus: ...".
 */
int conf_read(int dir, const char *path, struct conf *c, struct error *err);

/* The same from text; @name is for messages. */
int conf_parse(const char *text, const char *name, struct conf *c, struct error *err);

#endif
