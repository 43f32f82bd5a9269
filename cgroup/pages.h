/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * On which nodes a process's pages are, from numa_maps; and the calls of libnuma.
 */
#ifndef NUMAPLACE_CGROUP_PAGES_H
#define NUMAPLACE_CGROUP_PAGES_H

#include "plugin/select/request.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Bytes per node, in the order in which the nodes were found. */
struct pages {
	unsigned int n;
	struct pages_node {
		uint16_t id;
		uint64_t anon;  /* the process's own, including its private copies of file pages */
		uint64_t file;  /* of files and shared memory, which other processes may have read in */
		uint64_t mixed; /* in mappings with both kinds, where they were not separated */
		uint64_t huge;  /* hugetlb */
		uint64_t shared; /* part of .file: memory without a file on disk (memfd, SysV, /dev/shm, MAP_SHARED) */
	} node[NODESET_MAX];
};

/* The entry of node @id (below NODESET_MAX), added if it is missing. */
struct pages_node *pages_node(struct pages *p, unsigned int id);

/* Adds all of @from to @to. */
void pages_add(struct pages *to, const struct pages *from);

/* Adds one line of numa_maps to @p. Pure. -EINVAL: it cannot be parsed; @p is unchanged. */
int pages_add_line(struct pages *p, const char *line);

/*
 * Opens numa_maps of @pid below the sysroot @root; @path becomes its name, for messages. The caller closes *@out.
 * -ENOENT: a kernel without NUMA; -ESRCH: the process has ended; -EINVAL: not a regular file.
 */
#define NUMA_MAPS_PATH 64
int numa_maps_open(int root, pid_t pid, char path[NUMA_MAPS_PATH], FILE **out, struct error *err);

/* --- cgroup/process-pages.c --- */

/*
 * Sums up numa_maps of @pid. For a private mapping of a file, /proc/PID/pagemap shows which pages the process has
 * changed. These stay mixed if pagemap cannot be read, or beyond 16 GiB in a process.
 */
int pages_of_pid(int root, pid_t pid, struct pages *out, struct error *err);

/*
 * Sums up all processes in the cgroup @path and below. Shared pages count once for each process. Processes that have
 * ended, or cannot be read, are skipped.
 */
int pages_of_cgroup(int root, int mount, const char *path, struct pages *out, struct error *err);

/* --- cgroup/pages.c --- */

/* Bytes that belong to the process: anonymous, shared and huge, but not the files that it maps. */
uint64_t pages_own(const struct pages_node *n);
/* The bytes of these on nodes that are not in @nodes. */
uint64_t pages_elsewhere(const struct pages *p, const struct nodeset *nodes);

/*
 * Finds the mappings of @pid that have own or mixed pages on nodes outside of @nodes; .elsewhere is their size in
 * bytes. The caller zeroes @out before and frees it with mappings_free(). -ESRCH: the process has ended.
 */
struct mapping {
	uint64_t start, end, page_size, elsewhere;
	bool own;    /* no pages of a file on disk */
	bool partly; /* it also has pages on @nodes */
};
struct mappings {
	size_t n, room;
	struct mapping *map;
};
int mappings_of_pid(int root, pid_t pid, const struct nodeset *nodes, struct mappings *out, struct error *err);
void mappings_free(struct mappings *m);
#define cleanup_mappings __attribute__((cleanup(mappings_free)))

/*
 * Reads .start and .end of all mappings of @pid, in ascending order, and appends them to @out (zeroed and freed by the
 * caller, as above). Find returns the mapping that begins at @start, or NULL.
 */
int mappings_read(int root, pid_t pid, struct mappings *out, struct error *err);
struct mapping *mappings_find(const struct mappings *m, uint64_t start);

/*
 * Reads the memory policy of @pid as the kernel prints it for its first mapping: "default", "interleave=static:0-1",
 * "prefer (many)=static:0-1". -ESRCH: the process has ended.
 */
int pages_policy_of_pid(int root, pid_t pid, char *buf, size_t size, struct error *err);

/* The text that the kernel prints for a policy set by libnuma_set_policy(); "" for strict. */
void pages_policy_text(enum memory_policy policy, const struct nodeset *nodes, char *buf, size_t size);

/* --- cgroup/numa.c: the only file that uses libnuma --- */

/*
 * Sets the memory policy of the calling thread; its children inherit it, also across exec. The node ids are absolute
 * and do not follow a change of the cpuset. -ENOTSUP: the kernel is too old.
 */
int libnuma_set_policy(enum memory_policy policy, const struct nodeset *nodes, struct error *err);

/*
 * move_pages(2) on @n addresses; @nodes NULL: only queries. @status: for each the node, or -errno. @shared_too: also
 * moves pages that other processes map. 0 or -errno.
 */
int libnuma_move_pages(pid_t pid, size_t n, void **pages, const int *nodes, int *status, bool shared_too);

#endif
