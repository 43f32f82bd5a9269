/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A machine's folder appears before QEMU writes the pid, so the folder is watched, too. Both are root's: a file that
 * another user may write is not used.
 */
#include "runtime-hooks/incus/incus-machines.h"

#include "plugin/base/name.h"
#include "plugin/base/file.h"
#include "plugin/base/number.h"
#include "plugin/base/util.h"
#include "runtime-hooks/incus/incus-vm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define CHILDREN_MAX 4
#define MACHINES_MAX 4096
#define ATTEMPTS 3 /* of a child, which may fail because QEMU starts threads or the ledger is locked */
#define PID_FILE "qemu.pid"
#define FOLDER_EVENTS (IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ONLYDIR)
#define FILE_EVENTS (IN_CREATE | IN_MODIFY | IN_DELETE | IN_MOVED_TO | IN_ONLYDIR)

static const struct {
	const char *runtime;
	const char *folder;  /* with a folder for each instance that runs */
	const char *configs; /* with a folder for each machine, and the configuration in it */
} daemons[] = {
	{ "incus", "/run/incus", "/var/lib/incus/virtual-machines" },
	{ "lxd", "/var/log/lxd", "/var/lib/lxd/virtual-machines" },
};

struct vm {
	struct vm *next;
	unsigned int daemon;
	char id[NAME_ID_MAX + 1];
	pid_t pid;               /* of QEMU; 0: it does not run */
	int watch, config_watch; /* -1: none */
	bool seen;               /* by the current look: the folder exists */
	bool due;                /* a child must be started */
	bool placed;             /* a child was started for this pid: at the end the record is dropped */
	pid_t child;             /* 0: none */
	unsigned int failures;   /* of children since the last event */
};

void machines_begin(struct machines *m)
{
	m->vm = NULL;
	m->folder_watch[0] = m->folder_watch[1] = m->parent_watch = -1;
	m->look = true;
}

static void drop_watch(const struct machines *m, int *watch)
{
	if (*watch >= 0)
		inotify_rm_watch(m->notify, *watch);
	*watch = -1;
}

/* The kernel ends a watch with its folder. */
static bool is_watch(int *watch, const struct inotify_event *e)
{
	if (*watch < 0 || *watch != e->wd)
		return false;
	if (e->mask & IN_IGNORED)
		*watch = -1;
	return true;
}

bool machines_event(struct machines *m, const struct inotify_event *e)
{
	bool ours = is_watch(&m->parent_watch, e);

	for (size_t i = 0; i < ARRAY_SIZE(daemons); i++)
		ours |= is_watch(&m->folder_watch[i], e);
	for (struct vm *vm = m->vm; vm && !ours; vm = vm->next) {
		ours = is_watch(&vm->watch, e);
		if (!ours && is_watch(&vm->config_watch, e)) {
			ours = vm->due = true;
			vm->failures = 0;
		}
	}
	m->look |= ours || e->mask & IN_Q_OVERFLOW;
	return ours;
}

/* 0: none, or not root's. */
static pid_t read_pid(int folder, const char *name)
{
	char path[NAME_ID_MAX + 32], text[32];
	cleanup_close int fd = -1;
	struct stat st;
	ssize_t len;
	uint64_t n;

	snprintf(path, sizeof(path), "%s/" PID_FILE, name);
	fd = openat(folder, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_uid && st.st_uid != geteuid()) ||
	    st.st_mode & (S_IWGRP | S_IWOTH))
		return 0;
	len = file_read_fd(fd, text, sizeof(text) - 1);
	if (len <= 0)
		return 0;
	text[len] = '\0';
	return number_parse_line(text, INT_MAX, &n) && n > 1 ? (pid_t)n : 0;
}

static int watch_below(const struct machines *m, const char *folder, const char *name)
{
	char path[NAME_ID_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return inotify_add_watch(m->notify, path, FILE_EVENTS);
}

static struct vm *find(struct machines *m, unsigned int daemon, const char *id)
{
	struct vm *vm;

	for (vm = m->vm; vm; vm = vm->next)
		if (vm->daemon == daemon && strcmp(vm->id, id) == 0)
			return vm;
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return NULL;
	vm->daemon = daemon;
	snprintf(vm->id, sizeof(vm->id), "%.*s", NAME_ID_MAX, id);
	vm->watch = watch_below(m, daemons[daemon].folder, id);
	vm->config_watch = -1;
	vm->next = m->vm;
	m->vm = vm;
	return vm;
}

/* The pid is read after the watch is there, so no event is missed. */
static void look_at(struct machines *m, unsigned int daemon, int folder, const char *id)
{
	struct vm *vm = find(m, daemon, id);
	pid_t pid;

	if (!vm)
		return;
	vm->seen = true;
	if (vm->watch < 0)
		vm->watch = watch_below(m, daemons[daemon].folder, id);
	pid = read_pid(folder, id);
	if (pid && vm->config_watch < 0)
		vm->config_watch = watch_below(m, daemons[daemon].configs, id);
	if (pid != vm->pid) {
		vm->pid = pid;
		vm->due = true;
		vm->failures = 0;
	}
}

static void look_in(struct machines *m, unsigned int daemon)
{
	const char *path = daemons[daemon].folder;
	cleanup_closedir DIR *list = NULL;
	unsigned int n = 0;

	m->folder_watch[daemon] = inotify_add_watch(m->notify, path, FOLDER_EVENTS);
	list = opendir(path);
	while (list && n < MACHINES_MAX) {
		const struct dirent *entry = readdir(list);

		if (!entry)
			break;
		if (entry->d_type != DT_DIR || *entry->d_name == '.' || name_check_id(entry->d_name, NULL) < 0)
			continue;
		look_at(m, daemon, dirfd(list), entry->d_name);
		n++;
	}
}

static void end_child(const struct vm *vm)
{
	if (vm->child > 0)
		kill(vm->child, SIGKILL);
}

static void find_all(struct machines *m)
{
	m->look = false;
	for (struct vm *vm = m->vm; vm; vm = vm->next)
		vm->seen = false;
	for (unsigned int i = 0; i < ARRAY_SIZE(daemons); i++)
		look_in(m, i);
	if (m->folder_watch[0] < 0 && m->parent_watch < 0)
		m->parent_watch = inotify_add_watch(m->notify, "/run", IN_CREATE | IN_ONLYDIR);
	else if (m->folder_watch[0] >= 0)
		drop_watch(m, &m->parent_watch);
	for (struct vm *vm = m->vm; vm; vm = vm->next)
		if (!vm->seen && vm->pid) {
			vm->pid = 0;
			vm->due = true;
		}
}

/* The child keeps none of the agent's resources. */
static void start_child(const struct machines *m, struct vm *vm)
{
	struct place_env env = *m->env;
	const struct vm_ref ref = { .socket = m->socket, .runtime = daemons[vm->daemon].runtime, .id = vm->id, .pid = vm->pid };
	pid_t child = fork();

	if (child < 0)
		return;
	vm->due = false;
	vm->placed = vm->pid != 0;
	vm->child = child;
	if (child)
		return;
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	sigprocmask(SIG_SETMASK, m->mask, NULL);
	close(m->notify);
	if (env.state >= 0)
		close(env.state);
	if (env.mount >= 0)
		close(env.mount);
	env.access = PLACE_CLOSED;
	env.state = env.mount = -1;
	_exit(vm_place(&env, &ref));
}

static void start_children(struct machines *m)
{
	unsigned int busy = 0;

	for (const struct vm *vm = m->vm; vm; vm = vm->next)
		busy += vm->child > 0;
	for (struct vm *vm = m->vm; vm && busy < CHILDREN_MAX; vm = vm->next) {
		if (!vm->due || vm->child)
			continue;
		if (!vm->pid && !vm->placed) {
			vm->due = false;
			continue;
		}
		start_child(m, vm);
		busy++;
	}
}

static void free_vm(const struct machines *m, struct vm *vm)
{
	drop_watch(m, &vm->watch);
	drop_watch(m, &vm->config_watch);
	end_child(vm);
	free(vm);
}

void machines_look(struct machines *m)
{
	if (m->look)
		find_all(m);
	start_children(m);
	for (struct vm **at = &m->vm; *at;) {
		struct vm *vm = *at;

		if (vm->seen || vm->due || vm->child) {
			at = &vm->next;
			continue;
		}
		*at = vm->next;
		free_vm(m, vm);
	}
}

bool machines_ended(struct machines *m, pid_t pid, int status)
{
	for (struct vm *vm = m->vm; vm; vm = vm->next) {
		if (vm->child != pid)
			continue;
		vm->child = 0;
		if (status && ++vm->failures < ATTEMPTS)
			vm->due = true;
		return true;
	}
	return false;
}

void machines_free(struct machines *m)
{
	while (m->vm) {
		struct vm *vm = m->vm;

		m->vm = vm->next;
		free_vm(m, vm);
	}
}
