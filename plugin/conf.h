/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /etc/numaplace/numaplace.conf: ini lines, every key known and bounded.
 */
#ifndef NUMAPLACE_CONF_H
#define NUMAPLACE_CONF_H

#include "plugin/select.h"

enum conf_default { DEFAULT_NONE, DEFAULT_BALANCED, DEFAULT_FOLLOW_PINS };
enum conf_record { RECORD_CONFIG, RECORD_FILE, RECORD_NONE };
enum conf_incus_mode { INCUS_FOLLOW, INCUS_LEAD };

struct conf {
	enum conf_default without_keys;   /* default = none | balanced | follow-pins */
	bool warn_only;                   /* on-failure = fail | warn */
	struct select_policy select;      /* reserved-cpus, reserved-nodes, balance, share-out */
	unsigned int container_keys;      /* container-keys = all | none | list: bits of keys a container may set */
	unsigned int max_cpus;            /* max-cpus: ceiling of one container; 0 = none */
	unsigned int max_exclusive_each;  /* max-exclusive-cpus-each: ceiling of those of one tenant; 0 = none */
	unsigned int max_exclusive_cpus;  /* max-exclusive-cpus: ceiling of all exclusive CPUs together; 0 = none */
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
