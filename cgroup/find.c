/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a pid or a path to an open cgroup2 directory. Neither is trusted: checks that the file system is cgroup2 and
 * that the pid is in the directory that was opened.
 */
#include "cgroup/cgroup.h"
#include "cgroup/open.h"
#include "cgroup/text.h"
#include "plugin/base/file.h"
#include "plugin/base/name.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define USUAL_MOUNT    "/sys/fs/cgroup"
#define UNIFIED_REMEDY "boot with systemd.unified_cgroup_hierarchy=1"
#define PROC_TEXT_MAX  (1U << 20)

void cgroup_dir_close(struct cgroup_dir *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static bool is_cgroup2(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* Opens @path if it is on cgroup2; else -1. */
static int open_mount(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && is_cgroup2(fd) ? steal_fd(&fd) : -1;
}

/* Reports that no v2 mount has cpuset: what is mounted instead, and the remedy. */
static int no_cpuset(const struct cgroup_mounts *m, const char *v2, struct error *err)
{
	if (v2 && m->v1_cpuset[0])
		return error_set(err, -ENOENT,
				 "hybrid cgroups: cgroup2 at %.100s has no cpuset, cgroup v1 holds it at "
				 "%.100s; " UNIFIED_REMEDY,
				 v2, m->v1_cpuset);
	if (v2)
		return error_set(err, -ENOENT,
				 "cgroup2 at %.100s offers no cpuset: the kernel has none (CONFIG_CPUSETS, "
				 "cgroup_disable=), or it is not delegated to here",
				 v2);
	if (m->v1)
		return error_set(err, -ENOENT,
				 "cgroup v1 only (cpuset at %.100s), numaplace needs cgroup v2; " UNIFIED_REMEDY,
				 m->v1_cpuset[0] ? m->v1_cpuset : "no place");
	return error_set(err, -ENOENT, "no cgroup2 is mounted; mount -t cgroup2 none " USUAL_MOUNT);
}

int cgroup_mount_any(int *fd, struct error *err)
{
	*fd = open_mount(USUAL_MOUNT);
	return *fd >= 0 ? 0 : cgroup_mount(fd, NULL, 0, err);
}

int cgroup_mount(int *fd, char *path, size_t size, struct error *err)
{
	cleanup_close int found = open_mount(USUAL_MOUNT);
	struct cgroup_mounts mounts = { .v2 = USUAL_MOUNT };
	cleanup_free char *text = NULL;
	char controllers[4096];

	if (found < 0) {
		ssize_t n = file_read_all(AT_FDCWD, "/proc/self/mountinfo", PROC_TEXT_MAX * 4, &text);

		if (n < 0)
			return error_errno(err, (int)n, "read /proc/self/mountinfo");
		mountinfo_parse(text, &mounts);
		found = mounts.v2[0] ? open_mount(mounts.v2) : -1;
	}
	if (found < 0)
		return no_cpuset(&mounts, NULL, err);
	if (read_beneath(found, "cgroup.controllers", controllers, sizeof(controllers)) < 0 ||
	    !words_have(controllers, "cpuset"))
		return no_cpuset(&mounts, mounts.v2, err);
	if (path && (size_t)snprintf(path, size, "%s", mounts.v2) >= size)
		return error_set(err, -ENAMETOOLONG, "%.100s...: the mount point is too long", mounts.v2);
	*fd = steal_fd(&found);
	return 0;
}

int cgroup_open(int mount, const char *path, struct cgroup_dir *out, struct error *err)
{
	/*
	 * The last file system found to be cgroup2; 0 is not a device. A fact about the kernel that is the same for
	 * every caller: without it, each cgroup of a sweep would cost another system call.
	 */
	static _Atomic dev_t known;
	cleanup_close int fd = -1;
	struct stat st;

	if (!path_is_plain(path))
		return error_set(err, -EINVAL, "cgroup \"%s\": not a plain path", quote(path).text);
	fd = open_beneath(mount, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return error_errno(err, fd, "cgroup %.200s", path);
	if (fstat(fd, &st) < 0)
		return error_errno(err, -errno, "cgroup %.200s: stat", path);
	if (st.st_dev != known && !is_cgroup2(fd))
		return error_set(err, -ENOTSUP, "cgroup %.200s: not on cgroup2", path);
	known = st.st_dev;
	snprintf(out->path, sizeof(out->path), "%s", path);
	out->inode = st.st_ino;
	out->links = st.st_nlink;
	out->alone = out->owned = false;
	out->fd = steal_fd(&fd);
	return 0;
}

int cgroup_parent(int mount, const struct cgroup_dir *c, struct cgroup_dir *out, struct error *err)
{
	char path[CGROUP_PATH_MAX];
	char *slash;

	if (strcmp(c->path, "/") == 0)
		return error_set(err, -EPERM, "the root cgroup has no parent");
	memcpy(path, c->path, sizeof(path));
	slash = strrchr(path, '/');
	slash[slash == path] = '\0';
	return cgroup_open(mount, path, out, err);
}

bool cgroup_populated(const struct cgroup_dir *c)
{
	char events[256];
	ssize_t n = read_beneath(c->fd, "cgroup.events", events, sizeof(events));

	return n < 0 || !strstr(events, "populated 0");
}

/* Reads the v2 path of @pid from /proc. */
static int read_membership(pid_t pid, char *path, size_t size, struct error *err)
{
	cleanup_free char *text = NULL;
	char name[64], usual[4096];
	ssize_t n;
	int rc;

	snprintf(name, sizeof(name), "/proc/%d/cgroup", (int)pid);
	n = file_read(AT_FDCWD, name, usual, sizeof(usual));
	if (n == -EFBIG)
		n = file_read_all(AT_FDCWD, name, PROC_TEXT_MAX, &text);
	if (n == -ENOENT || n == -ESRCH)
		return error_set(err, -ESRCH, "pid %d is gone", (int)pid);
	if (n < 0)
		return error_errno(err, (int)n, "read %s", name);
	rc = membership_parse(text ? text : usual, path, size);
	if (rc == -ESRCH)
		return error_set(err, rc, "pid %d: its cgroup was deleted", (int)pid);
	if (rc == -EXDEV)
		return error_set(err, rc, "pid %d is outside of this cgroup namespace", (int)pid);
	if (rc == -ENOENT)
		return error_set(err, rc, "pid %d is in no v2 cgroup; " UNIFIED_REMEDY, (int)pid);
	if (rc < 0)
		return error_errno(err, rc, "%s is malformed", name);
	return 0;
}

/* Whether a cgroup's list is @pid and nothing else. */
static bool lists_only(const char *procs, pid_t pid)
{
	char *end;

	return strtol(procs, &end, 10) == pid && strcmp(end, "\n") == 0;
}

/*
 * Checks that @pid is in the open directory. Its list of processes is proof. If that cannot be read (a threaded cgroup,
 * or a very long list), the path in /proc must at least be unchanged.
 */
static int check_member(struct cgroup_dir *c, pid_t pid, const char *path, struct error *err)
{
	const size_t size = 8192;
	cleanup_free char *procs = malloc(size);
	char now[CGROUP_PATH_MAX], name[16];
	ssize_t n = procs ? read_beneath(c->fd, "cgroup.procs", procs, size) : -ENOMEM;
	int rc;

	snprintf(name, sizeof(name), "%d", (int)pid);
	c->alone = n >= 0 && lists_only(procs, pid);
	if (n >= 0 && words_have(procs, name))
		return 0;
	if (n >= 0)
		return error_set(err, -ESRCH, "pid %d is not in %.200s: it was moved, or it ended", (int)pid, path);
	rc = read_membership(pid, now, sizeof(now), err);
	if (rc < 0)
		return rc;
	if (strcmp(now, path) != 0)
		return error_set(err, -ESRCH, "pid %d moved from %.200s to %.200s", (int)pid, path, now);
	return 0;
}

int cgroup_of_pid(int mount, pid_t pid, struct cgroup_dir *out, struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir at = CGROUP_DIR_NONE;
	char path[CGROUP_PATH_MAX];
	int rc;

	if (pid <= 0)
		return error_set(err, -EINVAL, "pid %d: not a process", (int)pid);
	rc = read_membership(pid, path, sizeof(path), err);
	if (rc < 0)
		return rc;
	if (strcmp(path, "/") == 0)
		return error_set(err, -EPERM, "pid %d is in the root cgroup, which is not a container's", (int)pid);
	rc = name_check_cgroup(path, sizeof(path), err);
	if (rc == 0)
		rc = cgroup_open(mount, path, &at, err);
	if (rc < 0)
		return rc;
	rc = check_member(&at, pid, path, err);
	if (rc < 0)
		return rc;
	*out = at;
	at.fd = -1;
	return 0;
}

int cgroup_pid_since(pid_t pid, uint64_t moment, struct error *err)
{
	const uint64_t tick = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
	char name[64], text[2048];
	uint64_t began;
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
	n = file_read(AT_FDCWD, name, text, sizeof(text));
	if (n == -ENOENT || n == -ESRCH)
		return error_set(err, -ESRCH, "pid %d is gone", (int)pid);
	if (n < 0)
		return error_errno(err, (int)n, "read %s", name);
	if (!stat_start_parse(text, &began))
		return error_set(err, -EINVAL, "%s is malformed", name);
	if (began > moment / tick)
		return error_set(err, -ESRCH, "pid %d was reused: that process started after this hook",
				 (int)pid);
	return 0;
}
