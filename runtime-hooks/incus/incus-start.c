/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Start of an instance. The configuration comes from backup.yaml, which the daemon writes before each start, with all
 * profiles applied and with its choice of nodes. The daemon's socket has the same data, but at boot the daemon does not
 * answer before the instances have started: a hook that waited for it would wait for ever.
 */
#include "runtime-hooks/incus/incus-hook.h"

#include "place/devices.h"
#include "plugin/base/file.h"
#include "plugin/base/name.h"
#include "plugin/base/util.h"
#include "runtime-hooks/incus/incus-config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/*
 * A user who can write to this file controls placements: only root or this user may own it, and only the owner may
 * write.
 */
static int check_owner(int fd, const char *path, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, -errno, "%.300s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "%.300s: not a regular file", path);
	if ((st.st_uid && st.st_uid != geteuid()) || st.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(err, -EPERM, "%.300s: not safe: owner uid %u, mode %04o", path, st.st_uid,
				 st.st_mode & 07777);
	return 0;
}

/* In a project, LXC's name is PROJECT_NAME. */
static bool is_named(const char *id, const char *name)
{
	size_t len = strlen(id), end = strlen(name);

	if (len == end)
		return strcmp(id, name) == 0;
	return len > end && id[len - end - 1] == '_' && strcmp(id + len - end, name) == 0;
}

static int read_config(const struct place_env *env, const struct incus_instance *i, struct incus_config *c,
		       struct error *err)
{
	cleanup_free char *path = NULL, *text = NULL;
	cleanup_close int fd = -1;
	ssize_t n;
	int r;

	if (asprintf(&path, "%s/backup.yaml", i->folder) < 0) {
		path = NULL;
		return error_set(err, -ENOMEM, "out of memory");
	}
	fd = openat(env->root, path + strspn(path, "/"), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return error_errno(err, -errno, "%.300s", path);
	r = check_owner(fd, path, err);
	if (r < 0)
		return r;
	text = malloc(INCUS_BACKUP_MAX + 2);
	if (!text)
		return error_set(err, -ENOMEM, "out of memory");
	n = file_read_fd(fd, text, INCUS_BACKUP_MAX + 1);
	if (n < 0)
		return error_errno(err, (int)n, "%.300s", path);
	r = incus_config_parse(text, (size_t)n, "backup.yaml", c, err);
	if (r == 0 && !is_named(i->id, c->name))
		return error_set(err, -EINVAL, "%.300s: belongs to instance \"%s\"", path, quote(c->name).text);
	return r;
}

/* Only the agent can keep the placement in "lead" mode, because Incus's scheduler writes after the hook. */
static int check_agent(struct place_env *env, struct error *err)
{
	cleanup_close int lock = -1;
	int r = place_open(env, PLACE_CREATE, err);

	if (r == 0)
		r = place_need_state(env, err);
	if (r < 0)
		return r;
	lock = openat(env->state, INCUS_AGENT_LOCK, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (lock >= 0 && flock(lock, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return 0;
	return error_set(err, -ESRCH,
			 "user.numaplace.mode: \"lead\": the agent is not running: systemctl enable --now "
			 "numaplace-incus-agent");
}

int incus_start(struct place_env *env, const struct incus_instance *i, pid_t pid, const struct error *conf_fault,
		struct error *err)
{
	cleanup_incus_config struct incus_config c = { 0 };
	struct place_job job = { .runtime = i->runtime, .runtime_class = i->runtime, .id = i->id, .pid = pid };
	cleanup_record struct record placed = { 0 };
	enum incus_way way;
	int r = read_config(env, i, &c, err);

	if (r == 0)
		r = incus_config_settle(&c, &env->conf, err);
	if (r == 0)
		r = incus_plan(&c, &env->conf, incus_host_memory(env->root), &way, &job.request, err);
	if (r < 0 || way == INCUS_LEAVE)
		return r;
	if (name_check_id(i->id, err) < 0)
		return error_prefix(err, -EINVAL, "instance name");
	if (conf_fault) {
		*err = *conf_fault;
		return err->status;
	}
	if (env->message)
		incus_doubts(&c, incus_host_memory(env->root), env->message);
	if (way == INCUS_AHEAD)
		place_find_devices(env, &c.devices, &job.request);
	job.mems_only = way == INCUS_BEHIND;
	if (way == INCUS_AHEAD)
		r = check_agent(env, err);
	return r < 0 ? r : place_container(env, &job, &placed, NULL, err);
}
