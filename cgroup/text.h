/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parsers of the kernel's texts about cgroups. Pure: from a text to a struct, so that any text can be a test case.
 */
#ifndef NUMAPLACE_CGROUP_TEXT_H
#define NUMAPLACE_CGROUP_TEXT_H

#include "cgroup/cgroup.h"

/*
 * The v2 path ("/a/b") in /proc/PID/cgroup, from its line "0::/a/b". -ENOENT: no such line (v1 only), -ESRCH: the
 * cgroup has been deleted, -EXDEV: outside of our cgroup namespace, -ENAMETOOLONG, -EINVAL: it cannot be parsed.
 */
int membership_parse(const char *text, char *path, size_t size);

/* The start time in /proc/PID/stat, in clock ticks since boot. False: it cannot be parsed. */
bool stat_start_parse(const char *text, uint64_t *ticks);

/* The parent's pid in /proc/PID/stat; 0: the parent is not visible here. False: it cannot be parsed. */
bool stat_parent_parse(const char *text, uint64_t *parent);

/* The relevant mounts of /proc/self/mountinfo. Empty string: none. */
struct cgroup_mounts {
	char v2[CGROUP_PATH_MAX];        /* a mount of the whole cgroup2 hierarchy, else the first cgroup2 mount */
	char v1_cpuset[CGROUP_PATH_MAX]; /* the v1 hierarchy that has cpuset */
	bool v1;                         /* there is a v1 hierarchy */
};
void mountinfo_parse(const char *text, struct cgroup_mounts *out);

/* Whether a list of words ("cpu cpuset io") or of pids (one per line) contains @word. */
bool words_have(const char *text, const char *word);

/* Parses memory.numa_stat. -EINVAL: a line cannot be parsed; the message quotes it. */
int numa_stat_parse(const char *text, struct numa_stat *out, struct error *err);

/* Makes the name of a hugetlb file for pages of @size bytes, in the kernel's spelling: "hugetlb.2MB.max". */
void hugetlb_file(uint64_t size, const char *what, char *buf, size_t len);

/* Parses hugetlb.SIZE.numa_stat, as "total=0 N0=0 N1=0" in bytes, into .anon. -EINVAL: it cannot be parsed. */
int hugetlb_stat_parse(const char *text, struct numa_stat *out, struct error *err);

/* Parses the line "some" of a *.pressure file. -EINVAL: it cannot be parsed. */
int pressure_parse(const char *text, struct pressure *out, struct error *err);

/* The processor time in cpu.stat, in microseconds. -EINVAL: it cannot be parsed. */
int cpu_usage_parse(const char *text, uint64_t *usec, struct error *err);

#endif
