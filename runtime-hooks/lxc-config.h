/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a container's whole configuration, included files and all, says where our
 * keys are silent: its lxc.cgroup2 lines, and which cgroup carries its limits.
 */
#ifndef NUMAPLACE_LXC_CONFIG_H
#define NUMAPLACE_LXC_CONFIG_H

#include "plugin/request.h"

#define LXC_HUGE_MAX 16

struct lxc_limits {
	char *cpus, *mems;    /* lxc.cgroup2.cpuset.*; NULL: no pin */
	int64_t cpu_quota;    /* of cpu.max, microseconds; 0: none */
	uint64_t cpu_period;
	int64_t memory_limit; /* of memory.max, bytes; 0: none */
	unsigned int nhuge;
	struct {
		uint64_t page_size, limit;
	} huge[LXC_HUGE_MAX]; /* of hugetlb.SIZE.max */
	char *inner;	      /* lxc.cgroup.dir.container.inner; NULL: none */
};

/*
 * From the text that liblxc gives for "lxc.cgroup2": "lxc.cgroup2.KEY = VALUE" lines, of which the last of a
 * key counts.  What is not understood there is LXC's business and passed over.
 */
int lxc_limits_parse(const char *text, struct lxc_limits *out, struct error *err);
void lxc_limits_free(struct lxc_limits *l);
static inline void cleanup_lxc_limitsp(struct lxc_limits *l)
{
	lxc_limits_free(l);
}
#define cleanup_lxc_limits __attribute__((cleanup(cleanup_lxc_limitsp)))

/* Fills in what the keys in @r left out; before request_finish. */
int lxc_limits_fallback(const struct lxc_limits *l, struct request *r, struct error *err);

/* For default = follow-pins: pinned CPUs without pinned memory ask for exactly these CPUs; all else for nothing. */
void lxc_limits_follow_pins(const struct lxc_limits *l, struct request *r);

/* --- lxc-config.c: the only file that knows liblxc --- */

/* The same from @file by way of liblxc.  @out is zeroed before. */
int lxc_config_read(const char *name, const char *file, struct lxc_limits *out, struct error *err);

#endif
