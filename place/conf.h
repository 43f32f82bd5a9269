/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parser of /etc/numaplace/numaplace.conf: ini format; unknown keys and values out of range are errors.
 */
#ifndef NUMAPLACE_CONF_H
#define NUMAPLACE_CONF_H

#include "plugin/select/select.h"

#define CONF_TENANTS_MAX 1024
#define CONF_NAMES_MAX 512

enum conf_default { DEFAULT_NONE, DEFAULT_BALANCED, DEFAULT_FOLLOW_PINS, DEFAULT_GUARANTEED };
enum conf_record { RECORD_CONFIG, RECORD_FILE, RECORD_NONE };
enum conf_incus_mode { INCUS_FOLLOW, INCUS_LEAD };

enum conf_environment { ENVIRONMENT_USUAL, ENVIRONMENT_OFF, ENVIRONMENT_ON };

struct conf {
	enum conf_default without_keys;   /* default = none | balanced | follow-pins */
	bool warn_only;                   /* on-failure = fail | warn */
	struct select_policy select;      /* reserved-cpus, -nodes, -memory, balance, share-out */
	unsigned int container_keys;      /* container-keys: bits 1 << enum request_key that containers may set */
	enum conf_environment environment; /* environment-keys = true | false */
	/* Limits; 0 = none. For one container, or with _each for all containers of a tenant together. */
	unsigned int max_cpus, max_cpus_each;
	unsigned int max_exclusive_each;
	unsigned int max_exclusive_cpus;  /* for all containers together */
	uint64_t max_memory, max_memory_each;       /* bytes, without hugepages */
	uint64_t max_hugepages, max_hugepages_each; /* bytes of hugepages of all sizes */
	char tenants[CONF_TENANTS_MAX];   /* tenants: cgroup paths, separated by single spaces; see place/tenant.h */
	bool devices_allowed;             /* devices = true | false */
	enum conf_record record;          /* record = config | file | none (LXC) */
	enum conf_incus_mode incus_mode;  /* incus-mode = follow | lead */
	enum conf_default pods;           /* pods = none | balanced | guaranteed: those without keys, under NRI */
	/* Names, separated by single spaces. Empty: all namespaces but kube-system; all runtime classes. */
	char pod_namespaces[CONF_NAMES_MAX], pod_classes[CONF_NAMES_MAX];
};

/*
 * Whether containers may set keys in their environment. An image, too, has an environment: without environment-keys,
 * only where every key is allowed.
 */
bool conf_takes_environment(const struct conf *c);

/* Sets the defaults. */
void conf_init(struct conf *c);

/*
 * Reads @path below @dir (AT_FDCWD and an absolute path are allowed). A missing file gives the defaults. Returns 0;
 * -EINVAL with a message such as "numaplace.conf:7: reserved-cpus: ..."; -EPERM if users other than root or ourselves
 * can change the file; or another negative errno. On failure @c is unchanged.
 */
int conf_read(int dir, const char *path, struct conf *c, struct error *err);

/* As conf_read(), from text; @name is used in messages. */
int conf_parse(const char *text, const char *name, struct conf *c, struct error *err);

#endif
