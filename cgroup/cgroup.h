/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container's cgroup in the v2 hierarchy: found, looked at, written, read
 * back.  Writes go through libcgroup (cgroup/libcgroup.c), nothing here knows
 * what a placement is for.
 */
#ifndef NUMAPLACE_CGROUP_H
#define NUMAPLACE_CGROUP_H

#include "plugin/error.h"
#include "plugin/idset.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CGROUP_PATH_MAX 4096
#define CGROUP_XATTR_NODES "trusted.volatile.cpu.nodes"
#define CGROUP_XATTR_MEMS "trusted.volatile.memory.nodes"
#define CGROUP_XATTR_RECORD "trusted.numaplace.record"
#define CGROUP_XATTR_BEGUN "trusted.numaplace.begun" /* on the root: a ledger was begun in this boot */

/* An opened cgroup2 directory. */
struct cgroup_dir {
	int fd;                     /* O_PATH or O_RDONLY on the directory; -1: none */
	uint64_t inode;
	char path[CGROUP_PATH_MAX]; /* below the mount, begins with / */
	unsigned long links;        /* of the directory when it was opened: 2, and 1 for each cgroup in it */
	bool alone;                 /* of cgroup_of_pid: its list of processes was the one pid and no other */
	bool owned;                 /* shown to be one container's own (cgroup/own.h); no other is written to */
};
#define CGROUP_DIR_NONE ((struct cgroup_dir){ .fd = -1 })
void cgroup_dir_close(struct cgroup_dir *c);
static inline void cleanup_cgroup_dirp(struct cgroup_dir *c)
{
	cgroup_dir_close(c);
}
#define cleanup_cgroup_dir __attribute__((cleanup(cleanup_cgroup_dirp)))

/*
 * The cgroup2 mount: its descriptor (caller closes) and, where asked, its path. -ENOENT with a message
 * that says what there is instead (v1, hybrid, nothing) and the remedy.
 * Looked for at /sys/fs/cgroup first, then in /proc/self/mountinfo.
 */
int cgroup_mount(int *fd, char *path, size_t size, struct error *err);

/*
 * The same for who finds a cpuset below it or does not: what is mounted at the usual place is not asked whether it
 * offers one.
 */
int cgroup_mount_any(int *fd, struct error *err);

/*
 * The v2 cgroup of @pid, opened; @pid is checked to be in it after the open (a
 * process that moved, or a pid used again, is -ESRCH), the file system to be
 * cgroup2.  The root cgroup is refused (-EPERM).  Whether it is the container's own is cgroup/own.h's to say.
 */
int cgroup_of_pid(int mount, pid_t pid, struct cgroup_dir *out, struct error *err);

/*
 * Asked after cgroup_of_pid: whether @pid was there at @moment (CLOCK_BOOTTIME, nanoseconds). One that began later
 * is another process of the same number, and -ESRCH; so is one that is gone.
 */
int cgroup_pid_since(pid_t pid, uint64_t moment, struct error *err);

/* Opens @path (begins with /) below the mount; no "..", no symlinks. -ENOENT: gone. */
int cgroup_open(int mount, const char *path, struct cgroup_dir *out, struct error *err);

/* The directory above. The root's parent is -EPERM. */
int cgroup_parent(int mount, const struct cgroup_dir *c, struct cgroup_dir *out, struct error *err);

/* Whether a process is in @c or below it; true where that cannot be told. */
bool cgroup_populated(const struct cgroup_dir *c);

/* cpuset as set ("" is the empty set) and as effective. -ENOENT: cpuset is not turned on here. */
struct cpuset {
	struct idset cpus, mems;
	struct idset cpus_effective, mems_effective;
};
int cgroup_read_cpuset(const struct cgroup_dir *c, struct cpuset *out, struct error *err);

/* Only the effective ones (the root cgroup has only these). */
int cgroup_read_effective(const struct cgroup_dir *c, struct idset *cpus, struct idset *mems, struct error *err);

/*
 * Turns the cpuset controller on from the root down to @c's parent. 0 also
 * when it was on. What was turned on stays on. Message names the file and the remedy.
 */
int cgroup_enable_cpuset(int mount, const struct cgroup_dir *c, struct error *err);

/*
 * The writers below refuse a cgroup that is not .owned (-EPERM).
 *
 * Back to @before, as explicit lists: a populated cpuset cannot be cleared (ENOSPC), so
 * "" becomes what was effective.
 */
int cgroup_restore_cpuset(int mount, const struct cgroup_dir *c, const struct cpuset *before, struct error *err);

/*
 * Writes cpus and mems (an empty set: left alone) over @before (NULL: it is read), reads *.effective back, and where that is not
 * what was asked, or the second write fails, puts the old state back (as an explicit list where
 * a populated cpuset cannot be cleared) and returns the error (-EXDEV for
 * "silently used the parent's").
 */
int cgroup_write_cpuset(int mount, const struct cgroup_dir *c, const struct cpuset *before, const struct idset *cpus,
			const struct idset *mems, struct error *err);

/*
 * Writes cpuset.cpus alone, and reads it back as it is set: CPUs that are offline stay in the list. -EXDEV: another
 * list is there.
 */
int cgroup_write_cpus(const struct cgroup_dir *c, const struct idset *cpus, struct error *err);

/*
 * Not 0 during such a write.  In cgroup v2 a write to cpuset.mems first moves all pages that the cgroup's processes have
 * so far, and nothing interrupts it: a runtime's own few MiB, in milliseconds, but a minute on an emulated machine.
 */
extern volatile sig_atomic_t cgroup_writing;

/*
 * Has somebody else than cpuset.c itself write the files: libcgroup_write_cpuset, from now on.  A hook does without:
 * libcgroup's cgroup_init() alone takes as long as the rest of a hook, and reads every mount of the host.
 */
typedef int cgroup_writer(int mount, const char *path, const char *cpus, const char *mems, struct error *err);
void cgroup_write_by(cgroup_writer *writer);

/* Extended attributes on the directory. Get: length, -ENODATA, -ENOTSUP. */
int cgroup_set_xattr(const struct cgroup_dir *c, const char *name, const void *value, size_t len, struct error *err);
ssize_t cgroup_get_xattr(const struct cgroup_dir *c, const char *name, void *value, size_t size);
int cgroup_remove_xattr(const struct cgroup_dir *c, const char *name);

/*
 * Bytes that the cgroup holds per node id, from memory.numa_stat: anonymous, file,
 * the other kernel kinds. -ENOENT: no memory controller here.
 */
#define NUMA_STAT_MAX 1024 /* node ids are below this */
struct numa_stat {
	unsigned int n;
	struct {
		uint16_t id;
		uint64_t anon, file, kernel;
	} node[NUMA_STAT_MAX];
};
int cgroup_read_numa_stat(const struct cgroup_dir *c, struct numa_stat *out, struct error *err);

/* Of these, anonymous and file pages alone: on many nodes a small part of the file. */
int cgroup_read_numa_pages(const struct cgroup_dir *c, struct numa_stat *out, struct error *err);

/* The same for hugepages of @size bytes, as bytes in .anon. -ENOENT: no hugetlb controller, or before Linux 5.17. */
int cgroup_read_hugetlb_stat(const struct cgroup_dir *c, uint64_t size, struct numa_stat *out, struct error *err);

/* Calls @each for every live cgroup below the mount, depth first; a non-zero return stops the walk. */
int cgroup_walk(int mount, int (*each)(void *arg, const struct cgroup_dir *c), void *arg, struct error *err);

/* The same for the cgroup @path and those below it. A cgroup that is gone is 0. */
int cgroup_walk_from(int mount, const char *path, int (*each)(void *arg, const struct cgroup_dir *c), void *arg,
		     struct error *err);

/*
 * Calls @each for every cgroup that has processes, and for those around it, as often as it likes; a negative return stops
 * it.  1: it is later than @deadline (of cgroup_scan_clock), and *@cursor is where to go on; some steps are made in each
 * call all the same.  0: that was all.  Where /proc does not show the processes of others, all cgroups are walked.
 */
int cgroup_scan(int mount, uint64_t *cursor, uint64_t deadline, int (*each)(void *arg, const struct cgroup_dir *c),
		void *arg, struct error *err);
/* Milliseconds. */
uint64_t cgroup_scan_clock(void);

/* Every process in the cgroup @path and below it, added to @out (zero it before). */
struct cgroup_pids {
	size_t n, room;
	pid_t *pid;
};
int cgroup_read_pids(int mount, const char *path, struct cgroup_pids *out, struct error *err);
void cgroup_pids_free(struct cgroup_pids *p);
#define cleanup_cgroup_pids __attribute__((cleanup(cgroup_pids_free)))

/* All-ones affinity, so that a mask inherited from the shell does not narrow the cpuset; best effort. */
int cgroup_widen_affinity(pid_t pid);

/* --- cgroup/libcgroup.c: the only file that knows libcgroup --- */

/*
 * Sets each given key once, on a fresh struct, mems before cpus; NULL or "": left alone. @path begins with /.
 * @mount: where the caller found cgroup2; -EXDEV when libcgroup means another mount (cpuset on v1, a bind mount).
 */
cgroup_writer libcgroup_write_cpuset;

#endif
