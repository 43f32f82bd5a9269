/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's texts about cgroups, taken apart.  Pure: text in, struct out,
 * so every odd one that we meet can be a test case.
 */
#ifndef NUMAPLACE_CGROUP_TEXT_H
#define NUMAPLACE_CGROUP_TEXT_H

#include "cgroup/cgroup.h"

/*
 * The v2 path in a /proc/PID/cgroup: "0::/a/b".  -ENOENT: no such line (v1 only),
 * -ESRCH: the cgroup is deleted, -EXDEV: outside of our cgroup namespace, -EINVAL: makes no sense.
 */
int membership_parse(const char *text, char *path, size_t size);

/* When the process of a /proc/PID/stat began, in clock ticks since boot. False: makes no sense. */
bool stat_start_parse(const char *text, uint64_t *ticks);

/* The process that it is a child of; 0: none that is seen here. False: makes no sense. */
bool stat_parent_parse(const char *text, uint64_t *parent);

/* The mounts of a /proc/self/mountinfo that matter here. Empty string: none. */
struct cgroup_mounts {
	char v2[CGROUP_PATH_MAX];        /* the first cgroup2 mount, those of the whole hierarchy first */
	char v1_cpuset[CGROUP_PATH_MAX]; /* where cpuset is, in v1 */
	bool v1;                         /* any v1 hierarchy */
};
void mountinfo_parse(const char *text, struct cgroup_mounts *out);

/* Whether a list of words ("cpu cpuset io", one line) or of pids (one per line) has this one. */
bool words_have(const char *text, const char *word);

/* memory.numa_stat.  -EINVAL with the line that makes no sense. */
int numa_stat_parse(const char *text, struct numa_stat *out, struct error *err);

/* "hugetlb.2MB.max": the name of a hugetlb file for pages of @size bytes, as the kernel spells it. */
void hugetlb_file(uint64_t size, const char *what, char *buf, size_t len);

/* hugetlb.SIZE.numa_stat: "total=0 N0=0 N1=0", bytes, into .anon. */
int hugetlb_stat_parse(const char *text, struct numa_stat *out, struct error *err);

#endif
