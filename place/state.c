/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opens the context, and decides whether the state folder is safe to use.
 */
#include "place/state.h"

#include "plugin/base/util.h"
#include "plugin/ledger/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

void place_name_state(struct place_env *env, const char *given, const char *usual)
{
	env->state_path = given ? given : usual;
	env->state_named = given && strcmp(given, PLACE_STATE) != 0;
}

/*
 * A folder that was given with --state, or whose mode must be changed to 0700, must be empty or a ledger's. Others are
 * not touched.
 */
static int check_content(const struct place_env *env, int fd, unsigned int mode, int *what, struct error *err)
{
	*what = ledger_folder(fd);
	if (*what < 0)
		return error_errno(err, *what, "read the folder %s", env->state_path);
	if (*what != FOLDER_FOREIGN)
		return 0;
	if (env->state_named)
		return error_set(err, -EINVAL, "%s: not a ledger folder: it contains other files, and is left unchanged",
				 env->state_path);
	return error_set(err, -EPERM, "%s: mode %04o, must be 0700, and not a ledger folder: it is left unchanged",
			 env->state_path, mode);
}

/*
 * The folder must belong to this user, and no other user may write to it. If others can only read the default folder,
 * it is made private again.
 */
static int check_state(const struct place_env *env, enum place_access access, int fd, struct error *err)
{
	const char *path = env->state_path;
	bool looking = access == PLACE_READ;
	int wrong = env->state_named && looking ? -EINVAL : -EPERM, what = FOLDER_OURS, rc = 0;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, -errno, "stat %s", path);
	if (st.st_uid != own_uid())
		return error_set(err, wrong, "%s: owned by uid %u, must be %u", path, st.st_uid, own_uid());
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(err, wrong, "%s: mode %04o: others may write there, must be 0700", path,
				 st.st_mode & 07777);
	if (env->state_named || (st.st_mode & 07777) != 0700)
		rc = check_content(env, fd, st.st_mode & 07777, &what, err);
	if (rc < 0)
		return rc;
	if (looking)
		return 0;
	if ((st.st_mode & 07777) != 0700 && env->state_named)
		return error_set(err, wrong, "%s: mode %04o, must be 0700", path, st.st_mode & 07777);
	if ((st.st_mode & 07777) != 0700 && fchmod(fd, 0700) < 0)
		return error_errno(err, -errno, "%s: change the mode to 0700", path);
	return what == FOLDER_EMPTY ? ledger_folder_mark(fd, err) : 0;
}

static int open_folder(const struct place_env *env, enum place_access access, int *out, struct error *err)
{
	bool made = false;
	cleanup_close int fd = -1;
	int rc;

	if (!env->state_path)
		return error_set(err, -ENOENT, "no ledger folder is given");
	if (!env->real && access != PLACE_READ)
		return error_set(err, -EINVAL, "%s: a ledger below a sysroot is never written", env->state_path);
	fd = open(env->state_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && access == PLACE_CREATE) {
		made = mkdir(env->state_path, 0700) == 0;
		if (!made && errno != EEXIST)
			return error_errno(err, -errno, "make %s", env->state_path);
		fd = open(env->state_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0 && errno == EACCES && own_uid() != 0)
		return error_set(err, -EACCES, "%s: Permission denied: the ledger belongs to root, run this as root",
				 env->state_path);
	if (fd < 0)
		return error_errno(err, -errno, "open %s", env->state_path);
	rc = check_state(env, access, fd, err);
	if (rc == 0 && made)
		rc = ledger_folder_mark(fd, err);
	if (rc == 0)
		*out = steal_fd(&fd);
	return rc;
}

/* A hook that places reads the cpuset next, which shows whether the mount has the controller. */
static void open_mount(struct place_env *env, enum place_access access)
{
	bool any = env->began && access != PLACE_READ;
	int rc;

	env->mount = -1;
	if (env->real) {
		rc = any ? cgroup_mount_any(&env->mount, &env->no_mount)
			 : cgroup_mount(&env->mount, NULL, 0, &env->no_mount);
		if (rc < 0)
			env->mount = -1;
	}
	env->writer.mount = env->mount;
}

int place_open(struct place_env *env, enum place_access access, struct error *err)
{
	bool first = env->access == PLACE_CLOSED;

	if (env->access >= access)
		return 0;
	if (env->root < 0) {
		env->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (env->root < 0)
			return error_errno(err, -errno, "open /");
		env->own_root = true;
	}
	if (first)
		open_mount(env, access);
	/* A descriptor that was checked for reading alone is not used for writing. */
	if (env->access == PLACE_READ && env->state >= 0)
		close(steal_fd(&env->state));
	env->access = access;
	if (env->state < 0)
		open_folder(env, access, &env->state, &env->no_state);
	return 0;
}

void place_close(struct place_env *env)
{
	if (env->access == PLACE_CLOSED)
		env->mount = -1; /* zero in a context that was never opened */
	cleanup_closep(&env->state);
	cleanup_closep(&env->mount);
	env->state = env->mount = env->writer.mount = -1;
	if (env->own_root) {
		cleanup_closep(&env->root);
		env->root = -1;
	}
	env->own_root = false;
	env->access = PLACE_CLOSED;
}

static int need(int fd, const struct error *reason, struct error *err)
{
	return fd >= 0 ? 0 : error_set(err, reason->status, "%s", reason->text);
}

int place_need_mount(const struct place_env *env, struct error *err)
{
	/* Below a sysroot, the state folder is refused with the reason. */
	return env->real ? need(env->mount, &env->no_mount, err) : place_need_state(env, err);
}

int place_need_state(const struct place_env *env, struct error *err)
{
	return need(env->state, &env->no_state, err);
}
