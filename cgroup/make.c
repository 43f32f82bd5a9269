/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes, enters and removes cgroups under a lock of their folder, as a cgroup without processes may be that of a
 * process that is about to enter it.
 */
#include "cgroup/make.h"

#include "cgroup/open.h"
#include "cgroup/text.h"
#include "plugin/base/file.h"
#include "plugin/base/path.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define FOLDER "/numaplace-run"

static int own_path(char *path, size_t size, struct error *err)
{
	char text[8192];
	ssize_t n = file_read(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text));
	int rc = n < 0 ? (int)n : membership_parse(text, path, size);

	return rc < 0 ? error_errno(err, rc, "/proc/self/cgroup") : 0;
}

static bool has_word(int dir, const char *file, const char *word)
{
	char words[4096];

	return read_beneath(dir, file, words, sizeof(words)) >= 0 && words_have(words, word);
}

/*
 * Whether this process may make cgroups with a cpuset in @path. Of cgroups other than the root, the kernel lets only those
 * without processes have controllers for their children.
 */
static bool may_have_cpusets(int mount, const char *path)
{
	cleanup_close int dir = open_beneath(mount, path, O_RDONLY | O_DIRECTORY);
	char procs[16];

	if (dir < 0 || faccessat(dir, ".", W_OK, 0) < 0 || faccessat(dir, "cgroup.procs", W_OK, 0) < 0 ||
	    !has_word(dir, "cgroup.controllers", "cpuset"))
		return false;
	return faccessat(dir, "cgroup.type", F_OK, 0) < 0 || has_word(dir, "cgroup.subtree_control", "cpuset") ||
	       read_beneath(dir, "cgroup.procs", procs, sizeof(procs)) == 0;
}

static int not_delegated(const char *path, struct error *err)
{
	return error_set(err, -EACCES,
			 "cgroup %.200s is not delegated to this user with the cpuset controller: run this as root, or in a "
			 "session of systemd with Delegate=cpu cpuset io memory pids for user@.service", path);
}

int cgroup_check_delegated(int mount, const char *path, struct error *err)
{
	cleanup_close int dir = open_beneath(mount, path, O_RDONLY | O_DIRECTORY);

	return dir >= 0 && has_word(dir, "cgroup.controllers", "cpuset") ? 0 : not_delegated(path, err);
}

int cgroup_own_path(int mount, const char *name, char *out, size_t size, struct error *err)
{
	char own[CGROUP_PATH_MAX], base[CGROUP_PATH_MAX];
	int rc = own_path(own, sizeof(own), err);

	if (rc < 0)
		return rc;
	strcpy(base, own);
	while (!may_have_cpusets(mount, base)) {
		char *slash = strrchr(base, '/');

		if (!slash || strcmp(base, "/") == 0)
			return not_delegated(own, err);
		slash[slash == base] = '\0';
	}
	if ((size_t)snprintf(out, size, "%s" FOLDER "/%s", strcmp(base, "/") == 0 ? "" : base, name) >= size)
		return error_set(err, -ENAMETOOLONG, "cgroup %.200s" FOLDER "/%s: too long", base, name);
	return 0;
}

static void remove_empty(int folder)
{
	cleanup_closedir DIR *list = dir_list(open_beneath(folder, ".", O_RDONLY | O_DIRECTORY));
	const struct dirent *e;

	/* The kernel does not remove one with processes. */
	while (list && (e = readdir(list)))
		if (e->d_type == DT_DIR)
			unlinkat(folder, e->d_name, AT_REMOVEDIR);
}

/* Opens and locks BASE/numaplace-run, which it makes if necessary. Returns a descriptor. */
static int lock_folder(int mount, const char *folder, struct error *err)
{
	cleanup_close int fd = -1;

	if (mkdirat(mount, folder + 1, 0755) < 0 && errno != EEXIST)
		return error_errno(err, -errno, "make the cgroup %.200s", folder);
	fd = open_beneath(mount, folder, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return error_errno(err, fd, "cgroup %.200s", folder);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return error_errno(err, -errno, "lock the cgroup %.200s", folder);
	return steal_fd(&fd);
}

/* Without the memory controller, the memory that the process has touched is counted twice; but it can be placed. */
static void enable_memory(int mount, const char *folder)
{
	char file[CGROUP_PATH_MAX + 32];
	const char *base = strrchr(folder, '/');

	snprintf(file, sizeof(file), "%.*s/cgroup.subtree_control", (int)(base - folder), folder);
	write_beneath(mount, file, "+memory");
	snprintf(file, sizeof(file), "%s/cgroup.subtree_control", folder);
	write_beneath(mount, file, "+memory");
}

int cgroup_enter_own(int mount, const char *path, char back[CGROUP_PATH_MAX], struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	cleanup_close int fd = -1;
	char folder[CGROUP_PATH_MAX];
	int rc = own_path(back, CGROUP_PATH_MAX, err);

	if (rc < 0)
		return rc;
	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	fd = lock_folder(mount, folder, err);
	if (fd < 0)
		return fd;
	remove_empty(fd);
	if (mkdirat(mount, path + 1, 0755) < 0)
		return errno == EEXIST ? error_set(err, -EEXIST, "cgroup %.200s has processes: a command of this "
						   "name runs", path) :
					 error_errno(err, -errno, "make the cgroup %.200s", path);
	rc = cgroup_open(mount, path, &c, err);
	if (rc == 0)
		rc = cgroup_enable_cpuset(mount, &c, err);
	if (rc == 0) {
		enable_memory(mount, folder);
		rc = write_beneath(c.fd, "cgroup.procs", "0");
		if (rc < 0)
			error_errno(err, rc, "enter the cgroup %.200s", path);
	}
	if (rc < 0)
		unlinkat(mount, path + 1, AT_REMOVEDIR);
	return rc;
}

void cgroup_leave_own(int mount, const char *path, const char *back)
{
	char file[CGROUP_PATH_MAX + 32];

	snprintf(file, sizeof(file), "%s/cgroup.procs", strcmp(back, "/") == 0 ? "" : back);
	if (write_beneath(mount, file, "0") == 0)
		unlinkat(mount, path + 1, AT_REMOVEDIR);
}
