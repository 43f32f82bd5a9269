/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a process's pages are, and what libnuma says of distances.
 */
#ifndef NUMAPLACE_CGROUP_PAGES_H
#define NUMAPLACE_CGROUP_PAGES_H

#include "plugin/request.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define PAGES_NODE_MAX 1024 /* node ids are below this */

/* Bytes per node, in the order in which nodes were met. */
struct pages {
	unsigned int n;
	struct pages_node {
		uint16_t id;
		uint64_t anon;  /* of its own, file pages that it changed for itself included */
		uint64_t file;  /* of files and shared memory: others may have brought them in */
		uint64_t mixed; /* in mappings that hold both, where they were not told apart */
		uint64_t huge;  /* hugetlb */
		uint64_t shared; /* of .file: memory without a file on disk (memfd, SysV, /dev/shm, MAP_SHARED) */
	} node[PAGES_NODE_MAX];
};

/* The node's part, made where there is none yet. */
struct pages_node *pages_node(struct pages *p, unsigned int id);

void pages_add(struct pages *to, const struct pages *from);

/* Adds one line of numa_maps.  Pure.  -EINVAL: makes no sense; @p untouched. */
int pages_add_line(struct pages *p, const char *line);

/* Opens numa_maps of @pid below @root; @path is its name for messages. -ENOENT: a kernel without NUMA; -ESRCH: gone. */
#define NUMA_MAPS_PATH 64
int numa_maps_open(int root, pid_t pid, char path[NUMA_MAPS_PATH], FILE **out, struct error *err);

/* --- cgroup/process-pages.c --- */

/*
 * The whole of numa_maps for @pid.  A file's private mapping has pages of the file and ones that the process changed: which
 * is which, /proc/PID/pagemap tells.  What is too much to look through (16 GiB in a process), or is not ours to see, stays mixed.
 */
int pages_of_pid(int root, pid_t pid, struct pages *out, struct error *err);

/*
 * The sum over every process in the cgroup @path and below. What several of them have in common counts
 * for each. A process that ends meanwhile counts for nothing.
 */
int pages_of_cgroup(int root, int mount, const char *path, struct pages *out, struct error *err);

/* --- cgroup/pages.c --- */

/* What is a process's own, whoever may have brought in the files that it maps: anonymous, shared, hugepages. */
uint64_t pages_own(const struct pages_node *n);
/* Of these, the bytes on nodes that are not in @nodes. */
uint64_t pages_elsewhere(const struct pages *p, const struct idset *nodes);

/* Mappings of @pid with own pages on other nodes than @nodes; their elsewhere is how many bytes. @out zeroed before. */
struct mapping {
	uint64_t start, end, page_size, elsewhere;
	bool own;    /* nothing of a file on disk is in it */
	bool partly; /* other pages of it are on @nodes */
};
struct mappings {
	size_t n, room;
	struct mapping *map;
};
int mappings_of_pid(int root, pid_t pid, const struct idset *nodes, struct mappings *out, struct error *err);
void mappings_free(struct mappings *m);
#define cleanup_mappings __attribute__((cleanup(mappings_free)))

/* Starts and ends alone, of all mappings, ascending as the kernel gives them (@out zeroed before); the one at @start. */
int mappings_read(int root, pid_t pid, struct mappings *out, struct error *err);
struct mapping *mappings_find(const struct mappings *m, uint64_t start);

/*
 * What the kernel says of @pid's memory policy, as numa_maps has it of its first mapping without one of its own:
 * "default", "interleave=static:0-1", "prefer (many)=static:0-1".
 */
int pages_policy_of_pid(int root, pid_t pid, char *buf, size_t size, struct error *err);

/* How the kernel shows a policy set by libnuma_set_policy; "" for strict. */
void pages_policy_text(enum memory_policy policy, const struct idset *nodes, char *buf, size_t size);

/* --- cgroup/numa.c: the only file that knows libnuma --- */

/* The distance as libnuma sees it; 0: it does not know, -1: no NUMA here. This machine's, whatever the sysroot. */
int libnuma_distance(int a, int b);

/*
 * The calling thread's memory policy: inherited by what it forks and execs. Its nodes are meant as they are, whatever
 * cpuset it comes into. -ENOTSUP: the kernel is too old for it.
 */
int libnuma_set_policy(enum memory_policy policy, const struct idset *nodes, struct error *err);

/* move_pages(2) on @n addresses: @nodes NULL: only asks. @status: node, or -errno. 0 or -errno. */
int libnuma_move_pages(pid_t pid, size_t n, void **pages, const int *nodes, int *status, bool shared_too);

#endif
