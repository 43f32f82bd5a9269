/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The action script of CRIU: places a container that is restored from a checkpoint, as the hook of its runtime places one
 * that starts. crun and LXC call no such hook at a restore. runc does; for it, this program checks the cgroup alone.
 *
 * CRIU calls this program at each of its steps, named in CRTOOLS_SCRIPT_ACTION. At post-setup-namespaces the first
 * process (CRTOOLS_INIT_PID) is in its cgroup and has none of the container's pages yet: this program finds the
 * runtime above CRIU, makes what the runtime would give to its hook, and executes oci-hook or lxc-hook. At post-restore
 * it does the same, for a container without namespaces; one that is placed stays as it is. A failure ends the restore.
 */
#include "cgroup/text.h"
#include "plugin/base/file.h"
#include "plugin/base/number.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/hook.h"
#include "runtime-hooks/common/json-write.h"
#include "runtime-hooks/oci/spec-hook.h"
#include "runtime-hooks/oci/command.h"
#include "runtime-hooks/oci/oci-config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CMDLINE_MAX (1U << 20)
#define WORDS_MAX   1024

/* A restore: the container and the program that CRIU works for. */
struct restore {
	pid_t pid;     /* the container's first process */
	pid_t runtime; /* the parent of CRIU */
	char name[32]; /* of that program */
};

/* Reads the parent and the name from /proc/PID/stat: "7 (crun) S 1 ...". */
static int read_process(pid_t pid, pid_t *parent, char *name, size_t size, struct error *err)
{
	char path[64], text[2048], *open, *close;
	int rc;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	rc = (int)file_read(AT_FDCWD, path, text, sizeof(text));
	if (rc < 0)
		return error_errno(err, rc, "%s", path);
	open = strchr(text, '(');
	close = strrchr(text, ')');
	if (!open || !close || sscanf(close, ") %*c %d", parent) != 1)
		return error_set(err, -EINVAL, "%s: \"%s\": cannot be parsed", path, quote(text).text);
	*close = '\0';
	snprintf(name, size, "%s", open + 1);
	return 0;
}

static int find_restore(struct restore *r, struct error *err)
{
	const char *pid = getenv("CRTOOLS_INIT_PID");
	pid_t above;
	uint64_t v;
	int rc;

	if (!pid || !number_parse(pid, INT_MAX, &v) || !v)
		return error_set(err, -EINVAL, "CRTOOLS_INIT_PID: \"%s\": no process to place", quote(pid ? pid : "").text);
	r->pid = (pid_t)v;
	rc = read_process(getppid(), &r->runtime, r->name, sizeof(r->name), err);
	return rc < 0 ? rc : read_process(r->runtime, &above, r->name, sizeof(r->name), err);
}

/* A program beside this one; "" if it is not installed. */
static void find_hook(const char *name, char path[PATH_MAX])
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n < 0 ? 0 : n] = '\0';
	slash = strrchr(self, '/');
	*path = '\0';
	if (!slash || (size_t)snprintf(path, PATH_MAX, "%.*s/%s", (int)(slash - self), self, name) >= PATH_MAX ||
	    access(path, X_OK) < 0)
		*path = '\0';
}

static int become(const char *path, char **argv, struct error *err)
{
	alarm(0);
	execv(path, argv);
	return error_errno(err, -errno, "run %s", path);
}

/* --- crun --- */

/* The id in the command line of the runtime. @text keeps it. */
static int find_id(const struct restore *r, char **text, const char **id, struct error *err)
{
	char path[64], *word[WORDS_MAX + 1];
	struct command c;
	int n = 0, rc;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)r->runtime);
	len = file_read_all(AT_FDCWD, path, CMDLINE_MAX, text);
	if (len < 0)
		return error_errno(err, (int)len, "%s", path);
	for (char *at = *text; at < *text + len && n < WORDS_MAX; at += strlen(at) + 1)
		word[n++] = at;
	word[n] = NULL;
	rc = command_parse(n, word, &c, err);
	if (rc < 0)
		return rc;
	if (!c.restores || !c.id)
		return error_set(err, -EINVAL, "%s: the command line has no \"restore ID\"", path);
	*id = c.id;
	return 0;
}

/* Makes the state that a runtime writes to a hook, as a file on stdin. */
static int give_state(const struct restore *r, const char *id, const char *bundle, struct error *err)
{
	cleanup_json struct json_writer w = JSON_IN_MEMORY;
	cleanup_close int fd = memfd_create("state", MFD_CLOEXEC);

	json_begin_object(&w, NULL);
	json_put_string(&w, "ociVersion", "1.0.0");
	json_put_string(&w, "id", id);
	json_put_string(&w, "status", "created");
	json_put_uint(&w, "pid", (uint64_t)r->pid);
	json_put_string(&w, "bundle", bundle);
	json_end(&w);
	if (w.out.failed)
		return error_errno(err, -ENOMEM, "state");
	if (fd < 0 || write(fd, w.out.text, w.out.len) != (ssize_t)w.out.len || lseek(fd, 0, SEEK_SET) != 0 ||
	    dup2(fd, STDIN_FILENO) < 0)
		return error_errno(err, -errno, "state");
	return 0;
}

/* crun changes to the bundle. */
static int find_bundle(const struct restore *r, char bundle[PATH_MAX], struct error *err)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cwd", (int)r->runtime);
	n = readlink(path, bundle, PATH_MAX - 1);
	if (n < 0)
		return error_errno(err, -errno, "%s", path);
	bundle[n] = '\0';
	return 0;
}

/* The hook's arguments in config.json. 0: it is not among the hooks of the container. */
static int find_entry(const char *bundle, const char *hook, struct spec_hook *entry, struct error *err)
{
	cleanup_free char *text = NULL, *path = NULL;
	ssize_t n;
	int rc;

	if (asprintf(&path, "%s/config.json", bundle) < 0) {
		path = NULL;
		return error_errno(err, -ENOMEM, "config.json");
	}
	n = file_read_all(AT_FDCWD, path, OCI_CONFIG_MAX + 1, &text);
	if (n < 0)
		return error_errno(err, (int)n, "%.300s", path);
	if (n > (ssize_t)OCI_CONFIG_MAX) {
		hook_warn("config.json: more than 16 MiB: the restored container is not placed");
		return 0;
	}
	rc = spec_hook_find(text, (size_t)n, hook, entry, err);
	return rc < 0 ? error_prefix(err, rc, "%.300s", path) : rc;
}

static int place_oci(const struct restore *r, struct error *err)
{
	cleanup_spec_hook struct spec_hook entry = { 0 };
	char hook[PATH_MAX], bundle[PATH_MAX], *argv[SPEC_HOOK_ARGS_MAX + 3];
	static char restored[] = "--restored";
	cleanup_free char *text = NULL;
	unsigned int n = 0;
	const char *id = NULL;
	int rc;

	find_hook("oci-hook", hook);
	if (!*hook)
		return 0;
	rc = find_bundle(r, bundle, err);
	if (rc == 0)
		rc = find_entry(bundle, hook, &entry, err);
	if (rc <= 0)
		return rc;
	rc = find_id(r, &text, &id, err);
	if (rc == 0)
		rc = give_state(r, id, bundle, err);
	if (rc < 0)
		return rc;
	argv[n++] = entry.arg[0];
	argv[n++] = restored;
	for (unsigned int i = 1; i <= entry.n; i++)
		argv[n++] = entry.arg[i];
	return become(hook, argv, err);
}

/* --- runc: it has called the hook --- */

static int read_cgroup(const char *pid, char path[CGROUP_PATH_MAX], struct error *err)
{
	char name[64], text[CGROUP_PATH_MAX + 4096];
	int rc;

	snprintf(name, sizeof(name), "/proc/%s/cgroup", pid);
	rc = (int)file_read(AT_FDCWD, name, text, sizeof(text));
	if (rc >= 0)
		rc = membership_parse(text, path, CGROUP_PATH_MAX);
	return rc < 0 ? error_errno(err, rc, "%s", name) : 0;
}

/*
 * On cgroup2, runc before 1.2 leaves the cgroup to CRIU, which puts the processes where they were at the checkpoint: a
 * copy with another id would run in the cgroup of the first container. CRIU itself is in the cgroup that runc has made.
 */
static int check_runc(const struct restore *r, struct error *err)
{
	cleanup_spec_hook struct spec_hook entry = { 0 };
	char hook[PATH_MAX], bundle[PATH_MAX], own[CGROUP_PATH_MAX], found[CGROUP_PATH_MAX], pid[16];
	int rc;

	find_hook("oci-hook", hook);
	rc = *hook ? find_bundle(r, bundle, err) : 0;
	if (rc == 0 && *hook)
		rc = find_entry(bundle, hook, &entry, err);
	if (rc <= 0)
		return rc;
	snprintf(pid, sizeof(pid), "%d", (int)r->pid);
	rc = read_cgroup(pid, found, err);
	if (rc == 0)
		rc = read_cgroup("self", own, err);
	if (rc < 0 || strcmp(found, own) == 0)
		return rc;
	return error_set(err, -EBUSY, "runc before 1.2 cannot restore a copy on cgroup2, crun can: its processes are in %.150s, not in "
			 "%.150s", found, own);
}

/* --- LXC: its environment has the name and the config file --- */

static int place_lxc(const struct restore *r, struct error *err)
{
	static char name[] = "lxc-hook", restored[] = "--restored";
	char *argv[] = { name, restored, NULL };
	char hook[PATH_MAX], pid[16];

	find_hook(name, hook);
	if (!*hook)
		return 0;
	snprintf(pid, sizeof(pid), "%d", (int)r->pid);
	if (setenv("LXC_PID", pid, 1) < 0 || setenv("LXC_HOOK_TYPE", "start-host", 1) < 0)
		return error_errno(err, -errno, "environment");
	return become(hook, argv, err);
}

static bool is_placing_action(const char *action)
{
	return action && (strcmp(action, "post-setup-namespaces") == 0 || strcmp(action, "post-restore") == 0);
}

int main(void)
{
	struct restore r = { 0 };
	struct error err = { 0 };
	int rc;

	if (!is_placing_action(getenv("CRTOOLS_SCRIPT_ACTION")))
		return 0;
	hook_begin();
	rc = find_restore(&r, &err);
	if (rc == 0 && strcmp(r.name, "crun") == 0)
		rc = place_oci(&r, &err);
	else if (rc == 0 && strcmp(r.name, "runc") == 0)
		rc = check_runc(&r, &err);
	else if (rc == 0 && getenv("LXC_NAME") && getenv("LXC_CONFIG_FILE"))
		rc = place_lxc(&r, &err);
	if (rc == 0)
		return 0;
	error_prefix(&err, rc, "restore");
	hook_say(LOG_ERR, err.text);
	return error_exit_status(rc);
}
