/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Settings of a container's complete configuration, with all included files, that apply where numaplace's keys are not
 * set: the lxc.cgroup2 lines, the devices, and the inner cgroup's name.
 */
#ifndef NUMAPLACE_LXC_CONFIG_H
#define NUMAPLACE_LXC_CONFIG_H

#include "plugin/machine/device-ref.h"
#include "plugin/select/request.h"

#define LXC_HUGE_MAX 16

struct lxc_limits {
	char *cpus, *mems;    /* lxc.cgroup2.cpuset.*; NULL: not pinned */
	int64_t cpu_quota;    /* of cpu.max, in microseconds; 0: no limit */
	uint64_t cpu_period;
	int64_t memory_limit; /* of memory.max, in bytes; 0: no limit */
	unsigned int nhuge;
	struct {
		uint64_t page_size, limit;
	} huge[LXC_HUGE_MAX]; /* of hugetlb.SIZE.max */
	struct device_refs devices; /* of cgroup2 rules, mount entries and network interfaces that move */
	char *inner;	      /* lxc.cgroup.dir.container.inner; NULL: not set */
};

/*
 * Parses liblxc's text for "lxc.cgroup2": lines "lxc.cgroup2.KEY = VALUE", of which the last with a key counts. Lines
 * that are not understood are skipped; LXC validates them.
 */
int lxc_limits_parse(const char *text, struct lxc_limits *out, struct error *err);

/* Adds the device nodes of liblxc's text for "lxc.mount.entry": lines of fstab(5). */
int lxc_mounts_parse(const char *text, struct lxc_limits *out, struct error *err);

void lxc_limits_free(struct lxc_limits *l);
static inline void cleanup_lxc_limitsp(struct lxc_limits *l)
{
	lxc_limits_free(l);
}
#define cleanup_lxc_limits __attribute__((cleanup(cleanup_lxc_limitsp)))

/* Fills in what the keys in @r leave out. Call before request_finish(). */
int lxc_limits_fallback(const struct lxc_limits *l, struct request *r, struct error *err);

/* --- lxc-config.c: the only file that uses liblxc --- */

/* Reads @file through liblxc. Zero @out before. */
int lxc_config_read(const char *name, const char *file, struct lxc_limits *out, struct error *err);

#endif
