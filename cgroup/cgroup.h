/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container's cgroup in the v2 hierarchy: find, read, write and read back, without knowledge of requests or
 * placements.
 */
#ifndef NUMAPLACE_CGROUP_H
#define NUMAPLACE_CGROUP_H

#include "plugin/base/error.h"
#include "plugin/base/idset.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CGROUP_PATH_MAX 4096
#define CGROUP_XATTR_NODES "trusted.volatile.cpu.nodes"
#define CGROUP_XATTR_MEMS "trusted.volatile.memory.nodes"
#define CGROUP_XATTR_RECORD "trusted.numaplace.record"
#define CGROUP_XATTR_EXCLUSIVE "trusted.numaplace.exclusive" /* see cgroup/partition.h */
#define CGROUP_XATTR_BEGUN "trusted.numaplace.begun" /* on the root cgroup: this boot has had a ledger */

/* An open cgroup2 directory. Close it with cgroup_dir_close() or cleanup_cgroup_dir. */
struct cgroup_dir {
	int fd;                     /* of the directory, O_PATH or O_RDONLY; -1: not open */
	uint64_t inode;
	char path[CGROUP_PATH_MAX]; /* relative to the mount, begins with / */
	unsigned long links;        /* link count of the directory at open: 2 plus the number of child cgroups */
	bool alone;                 /* set by cgroup_of_pid(): cgroup.procs listed that pid and nothing else */
	bool owned;                 /* set by cgroup/own.h: this cgroup is one container's own; writers refuse others */
};
#define CGROUP_DIR_NONE ((struct cgroup_dir){ .fd = -1 })
void cgroup_dir_close(struct cgroup_dir *c);
static inline void cleanup_cgroup_dirp(struct cgroup_dir *c)
{
	cgroup_dir_close(c);
}
#define cleanup_cgroup_dir __attribute__((cleanup(cleanup_cgroup_dirp)))

/*
 * Opens the cgroup2 mount that has the cpuset controller: /sys/fs/cgroup first, then the mounts in
 * /proc/self/mountinfo. *@fd is its descriptor, which the caller closes; @path (may be NULL) its path. -ENOENT: no
 * such mount exists; the message says what is mounted instead (v1, hybrid, nothing) and the remedy. -ENAMETOOLONG: @size is too
 * small.
 */
int cgroup_mount(int *fd, char *path, size_t size, struct error *err);

/* Like cgroup_mount(), but does not check that the mount at /sys/fs/cgroup offers the cpuset controller. */
int cgroup_mount_any(int *fd, struct error *err);

/*
 * For a process in a container that serves the host: if the cgroup namespace of this process does not include that of
 * process 1, enters the one of process 1, so that the kernel names all cgroups from the root. Call it before cgroups are
 * opened, in a process with one thread. -EPERM or -EACCES: without CAP_SYS_ADMIN or CAP_SYS_PTRACE.
 */
int cgroup_enter_host(struct error *err);

/*
 * Opens the v2 cgroup of @pid. Checks that it is on cgroup2, and after the open that @pid is still in it. -ESRCH: @pid
 * has ended, has moved, or has been reused; -EPERM: it is in the root cgroup; -ENOENT: it is in no v2 cgroup. Does not
 * check that the cgroup is the container's own; that is cgroup/own.h. The caller closes @out.
 */
int cgroup_of_pid(int mount, pid_t pid, struct cgroup_dir *out, struct error *err);

/*
 * Call after cgroup_of_pid(): checks that @pid started no later than @moment (CLOCK_BOOTTIME, nanoseconds). -ESRCH: it
 * has ended, or it is a newer process that reuses the pid.
 */
int cgroup_pid_since(pid_t pid, uint64_t moment, struct error *err);

/*
 * Opens the cgroup @path (begins with /) below the mount, without following "..", symlinks or other mounts. -EINVAL:
 * not a plain path; -ENOENT: it does not exist; -ENOTSUP: not on cgroup2. The caller closes @out.
 */
int cgroup_open(int mount, const char *path, struct cgroup_dir *out, struct error *err);

/* Opens the parent directory; the caller closes @out. -EPERM: @c is the root cgroup. */
int cgroup_parent(int mount, const struct cgroup_dir *c, struct cgroup_dir *out, struct error *err);

/* Whether a process is in @c or below it; true if cgroup.events cannot be read. */
bool cgroup_populated(const struct cgroup_dir *c);

/*
 * Reads the cpuset of @c, configured (an empty set: nothing is configured) and effective. -ENOENT: the cpuset
 * controller is not enabled for it.
 */
struct cpuset {
	struct idset cpus, cpus_effective;
	struct nodeset mems, mems_effective;
};
int cgroup_read_cpuset(const struct cgroup_dir *c, struct cpuset *out, struct error *err);

/* Reads one file of the cpuset, a list. -ENOENT: there is no such file. */
int cgroup_read_set(const struct cgroup_dir *c, const char *file, struct ids_out out, struct error *err);

/* Reads the effective sets alone; the root cgroup has no others. */
int cgroup_read_effective(const struct cgroup_dir *c, struct idset *cpus, struct nodeset *mems, struct error *err);

/*
 * Enables the cpuset controller in each cgroup from the root down to @c's parent; 0 also if it was enabled already. On
 * failure it stays enabled where it has been enabled; the message names the file and the remedy.
 */
int cgroup_enable_cpuset(int mount, const struct cgroup_dir *c, struct error *err);

/*
 * How cpusets are written. NULL in place of one: directly, and without a flag.
 *
 * .by_path: writes through a library, in place of the files (libcgroup_write_cpuset). Not for hooks: cgroup_init() reads
 * every mount of the host and takes as long as the rest of a hook.
 *
 * .busy: not 0 during a write. In cgroup v2 a write to cpuset.mems first migrates all pages of the cgroup's processes,
 * and cannot be interrupted: it takes milliseconds for the few MiB of a runtime, but up to a minute on an emulated
 * machine. A signal handler reads it.
 */
typedef int cgroup_write_by_path(int mount, const char *path, const char *cpus, const char *mems, struct error *err);
struct cgroup_writer {
	int mount; /* for .by_path */
	cgroup_write_by_path *by_path;
	volatile sig_atomic_t *busy;
};

/*
 * The functions below refuse a cgroup that is not .owned (-EPERM), and read back what they have written.
 *
 * Writes @before back. An empty set in @before is written as the set that was effective, since the kernel does not let
 * a populated cpuset be cleared (-ENOSPC).
 */
int cgroup_restore_cpuset(const struct cgroup_writer *w, const struct cgroup_dir *c, const struct cpuset *before,
			  struct error *err);

/*
 * Writes @cpus and @mems (an empty set: unchanged) and checks that *.effective is exactly that. @before is the present
 * cpuset; NULL: it is read here. If a write or the check fails, @before is restored as cgroup_restore_cpuset() does.
 * -EXDEV: the kernel uses other CPUs or nodes than those written, as the parent does not allow all of them.
 */
int cgroup_write_cpuset(const struct cgroup_writer *w, const struct cgroup_dir *c, const struct cpuset *before,
			const struct idset *cpus, const struct nodeset *mems, struct error *err);

/*
 * Writes cpuset.cpus alone and reads back the configured list, which may contain offline CPUs. -EXDEV: it differs from
 * @cpus.
 */
int cgroup_write_cpus(const struct cgroup_writer *w, const struct cgroup_dir *c, const struct idset *cpus,
		      struct error *err);

/*
 * Extended attributes of the directory. For users other than root, and in a user namespace, a trusted.NAME is
 * user.NAME. Get returns the length (@size 0: the length alone). Errors: -ENODATA (not set), -ENOTSUP (the file system
 * has no attributes), or another negative errno.
 */
int cgroup_set_xattr(const struct cgroup_dir *c, const char *name, const void *value, size_t len, struct error *err);
ssize_t cgroup_get_xattr(const struct cgroup_dir *c, const char *name, void *value, size_t size);
/*
 * False for a cgroup of another user: a rootless caller sees user.* marks of all users, and another user can forge
 * them. Always true for real root, whose marks are trusted.*.
 */
bool cgroup_mark_may_be_ours(const struct cgroup_dir *c);
int cgroup_remove_xattr(const struct cgroup_dir *c, const char *name);

/*
 * Bytes that the cgroup holds on each node, from memory.numa_stat: anonymous, file, and kernel memory. -ENOENT: the
 * memory controller is not enabled; -EINVAL: the text cannot be parsed.
 */
struct numa_stat {
	unsigned int n;
	struct {
		uint16_t id;
		uint64_t anon, file, kernel;
	} node[NODESET_MAX];
};
int cgroup_read_numa_stat(const struct cgroup_dir *c, struct numa_stat *out, struct error *err);

/* Reads anonymous and file pages alone, which are the first two of about 40 lines. */
int cgroup_read_numa_pages(const struct cgroup_dir *c, struct numa_stat *out, struct error *err);

/*
 * Reads the cgroup's hugepages of @size bytes, as bytes in .anon. -ENOENT: no hugetlb controller, or a kernel before
 * 5.17.
 */
int cgroup_read_hugetlb_stat(const struct cgroup_dir *c, uint64_t size, struct numa_stat *out, struct error *err);

/*
 * How much of the time at least one thread has waited for a resource (the kernel's PSI).
 */
struct pressure {
	double now, minute; /* part of the last 10 seconds and of the last minute, 0 to 1 */
};
/* Of the cgroup's threads, for CPUs. -ENOENT or -EOPNOTSUPP: the kernel does not measure it. */
int cgroup_read_cpu_pressure(const struct cgroup_dir *c, struct pressure *out, struct error *err);
/* Of the whole machine; @resource: "cpu", "memory" or "io"; @root: descriptor of /. Errors as above. */
int pressure_read(int root, const char *resource, struct pressure *out, struct error *err);
/*
 * A descriptor that poll() reports with POLLPRI when threads of the machine have waited for more than @part (below 1) of a
 * second. The caller closes it. Needs root. -errno on failure.
 */
int pressure_trigger(int root, const char *resource, double part);

/* Processor time that the cgroup has used, in microseconds. */
int cgroup_read_cpu_usage(const struct cgroup_dir *c, uint64_t *usec, struct error *err);

/*
 * Calls @each for every cgroup below the mount (not the root), parents before their children. Stops at the first
 * non-zero return and returns it.
 */
int cgroup_walk(int mount, int (*each)(void *arg, const struct cgroup_dir *c), void *arg, struct error *err);

/* Like cgroup_walk(), for the cgroup @path and those below it. 0 if @path does not exist. */
int cgroup_walk_from(int mount, const char *path, int (*each)(void *arg, const struct cgroup_dir *c), void *arg,
		     struct error *err);

/*
 * Calls @each for every cgroup that has processes and for its ancestors (not the root), possibly more than once for
 * each. A negative return stops the scan and is returned. *@cursor is where to begin: 0 at first.
 *
 * Returns 1 once cgroup_scan_clock() has reached @deadline; the next call continues at *@cursor. Each call makes some
 * progress, even after the deadline. Returns 0 at the end. If /proc hides other users' processes, all cgroups are
 * walked instead.
 */
int cgroup_scan(int mount, uint64_t *cursor, uint64_t deadline, int (*each)(void *arg, const struct cgroup_dir *c),
		void *arg, struct error *err);
/* CLOCK_MONOTONIC in milliseconds. */
uint64_t cgroup_scan_clock(void);

/*
 * Adds every process in the cgroup @path and below it to @out. The caller zeroes @out before, and frees it with
 * cgroup_pids_free(), also after a failure.
 */
struct cgroup_pids {
	size_t n, room;
	pid_t *pid;
};
int cgroup_read_pids(int mount, const char *path, struct cgroup_pids *out, struct error *err);
void cgroup_pids_free(struct cgroup_pids *p);
#define cleanup_cgroup_pids __attribute__((cleanup(cgroup_pids_free)))

/*
 * Sets an affinity of all CPUs, so that a mask inherited from a shell does not narrow the cpuset. -errno on failure,
 * which callers may ignore.
 */
int cgroup_widen_affinity(pid_t pid);

/* --- cgroup/libcgroup.c: the only file that uses libcgroup --- */

/*
 * Writes cpuset.mems, then cpuset.cpus, of the cgroup @path (begins with /); NULL or "": unchanged. @mount: the
 * caller's cgroup2 mount. -EXDEV: libcgroup would write to another mount (cpuset on v1, a bind mount); -E2BIG: a list
 * is too long for it; -ENOLINK: libcgroup failed without an errno.
 */
cgroup_write_by_path libcgroup_write_cpuset;

#endif
