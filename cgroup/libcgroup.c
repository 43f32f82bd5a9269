/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The only file that uses libcgroup. Its pitfalls, and how they are avoided:
 *
 * - a key that is set twice keeps 100 bytes of the second value and returns 0: each key is set once, on a new struct;
 * - "" is skipped and returns 0: empty lists are never passed;
 * - it uses its own table of mounts, where cpuset may be v1's or the first of several bind mounts: its mount is
 *   compared with the caller's;
 * - 2.0.2 does not understand "0::/path" in /proc/PID/cgroup: the path is always passed;
 * - cgroup_create_cgroup may chown: only cgroup_modify_cgroup is called;
 * - its error codes are its own, from 50000, and a failed open loses its errno;
 * - it writes to stdout and stderr unless it has a logger;
 * - its table of mounts and its logger are of the process: both are set for each write, and not kept in between.
 */
#include "cgroup/cgroup.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <libcgroup.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#define VALUE_MAX 4096 /* CG_CONTROL_VALUE_MAX, including the NUL; longer values are cut, or fail with a wrong code */

/* libcgroup's message about the last failure */
struct words {
	char text[160];
};

static void keep_words(void *userdata, int level, const char *fmt, va_list ap)
{
	struct words *w = userdata;

	(void)level;
	vsnprintf(w->text, sizeof(w->text), fmt, ap);
	w->text[strcspn(w->text, "\n")] = '\0';
}

static void end_words(struct words *w)
{
	(void)w;
	cgroup_set_logger(NULL, CGROUP_LOG_WARNING, NULL);
}

/* Returns -errno if libcgroup has kept it, else -ENOLINK; the caller then looks for the cause. */
static int translate(int code, const char *what, const struct words *words, struct error *err)
{
	int saved = cgroup_get_last_errno();

	if (code == ECGOTHER && saved > 0)
		return error_errno(err, -saved, "%s", what);
	return error_set(err, -ENOLINK, "%s: libcgroup: %s%s%s", what, cgroup_strerror(code), words->text[0] ? ": " : "",
			 words->text);
}

/* libcgroup must use the same mount as the caller. */
static int check_mount(int mount, struct error *err)
{
	cleanup_free char *point = NULL;
	struct stat ours, theirs;
	int code = cgroup_get_subsys_mount_point("cpuset", &point);

	if (code)
		return error_set(err, -EXDEV,
				 "libcgroup does not find the cpuset of cgroup2 in its table of mounts (%s)",
				 cgroup_strerror(code));
	if (fstat(mount, &ours) < 0 || stat(point, &theirs) < 0)
		return error_errno(err, -errno, "compare libcgroup's mount %.100s", point);
	if (ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino)
		return error_set(err, -EXDEV,
				 "libcgroup uses %.100s as the mount of cpuset, which is not the cgroup2 mount in use",
				 point);
	return 0;
}

static int add_value(struct cgroup_controller *cpuset, const char *key, const char *value, const struct words *words,
		     struct error *err)
{
	int code;

	if (!value || !*value)
		return 0;
	if (strlen(value) >= VALUE_MAX)
		return error_set(err, -E2BIG, "%s: a list of %zu bytes, libcgroup can write %d", key, strlen(value),
				 VALUE_MAX - 1);
	code = cgroup_add_value_string(cpuset, key, value);
	return code ? translate(code, key, words, err) : 0;
}

static void free_cgroup(struct cgroup **c)
{
	if (*c)
		cgroup_free(c);
}

int libcgroup_write_cpuset(int mount, const char *path, const char *cpus, const char *mems, struct error *err)
{
	__attribute__((cleanup(free_cgroup))) struct cgroup *group = NULL;
	__attribute__((cleanup(end_words))) struct words words = { "" };
	struct cgroup_controller *cpuset;
	int rc, code;

	cgroup_set_logger(keep_words, CGROUP_LOG_WARNING, &words);
	code = cgroup_init();
	if (code)
		return translate(code, "cgroup_init", &words, err);
	rc = check_mount(mount, err);
	if (rc < 0)
		return rc;
	if (strlen(path) > CGROUP_PATH_MAX - 256)
		return error_set(err, -ENAMETOOLONG, "%.100s...: the path is too long for libcgroup", path);
	group = cgroup_new_cgroup(path);
	cpuset = group ? cgroup_add_controller(group, "cpuset") : NULL;
	if (!cpuset)
		return error_errno(err, -ENOMEM, "libcgroup: new cgroup");
	/* Memory first: pages touched between the two writes are on the right nodes already. */
	rc = add_value(cpuset, "cpuset.mems", mems, &words, err);
	if (rc == 0)
		rc = add_value(cpuset, "cpuset.cpus", cpus, &words, err);
	if (rc < 0)
		return rc;
	words.text[0] = '\0';
	code = cgroup_modify_cgroup(group);
	if (code)
		return translate(code, "write the cpuset", &words, err);
	return 0;
}
