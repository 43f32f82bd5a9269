/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a process's pages are, and what libnuma says of distances.
 */
#ifndef NUMAPLACE_CGROUP_PAGES_H
#define NUMAPLACE_CGROUP_PAGES_H

#include "plugin/error.h"

#include <stdint.h>
#include <sys/types.h>

#define PAGES_NODE_MAX 1024 /* node ids are below this */

/* Bytes per node, in the order in which nodes were met. */
struct pages {
	unsigned int n;
	struct pages_node {
		uint16_t id;
		uint64_t anon;  /* of its own, file pages that it changed for itself included */
		uint64_t file;  /* of files and shared memory: others may have brought them in */
		uint64_t mixed; /* in mappings that hold both: a line of numa_maps does not tell them apart */
		uint64_t huge;  /* hugetlb */
	} node[PAGES_NODE_MAX];
};

/* Adds one line of numa_maps.  Pure.  -EINVAL: makes no sense; @p untouched. */
int pages_add_line(struct pages *p, const char *line);

/* The whole of numa_maps for @pid, below @root. -ENOENT: a kernel without NUMA; -ESRCH: gone. */
int pages_of_pid(int root, pid_t pid, struct pages *out, struct error *err);

/* --- cgroup/numa.c: the only file that knows libnuma --- */

/* The distance as libnuma sees it; 0: it does not know, -1: no NUMA here. This machine's, whatever the sysroot. */
int libnuma_distance(int a, int b);

#endif
