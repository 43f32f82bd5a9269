/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * incus-agent: keeps the placement of Incus and LXD containers in "lead" mode. The daemon's scheduler rewrites
 * cpuset.cpus of every running container when an instance starts, stops or changes and when a CPU goes on- or offline.
 * The agent watches these files and restores the CPUs that the ledger records. After an instance has started, a child
 * process reports the chosen nodes to the daemon (volatile.cpu.nodes), within a time limit.
 *
 * No hook runs for virtual machines. The agent finds them when they have started (incus-machines.c), and a child process
 * places each, in both modes (incus-vm.c).
 *
 * The agent itself reads the ledger's folder only and makes no decisions. It can be restarted at any time.
 */
#include "cgroup/own.h"
#include "place/place.h"
#include "plugin/base/file.h"
#include "plugin/base/options.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/hook.h"
#include "runtime-hooks/common/notify.h"
#include "runtime-hooks/incus/incus-agent.h"
#include "runtime-hooks/incus/incus-hook.h"
#include "runtime-hooks/incus/incus-machines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/wait.h>

#define CALM_MS	   150   /* from a write to the check: the daemon may not have finished writing */
#define LOOK_MS	   60000 /* between scans without any event */
#define TELLERS_MAX 4

/* A container in "lead" mode. */
struct led {
	struct led *next;
	bool seen;             /* by the current scan */
	char id[RECORD_ID_MAX + 1];
	char runtime[16];
	char *cgroup;
	uint64_t inode;
	struct idset cpus;
	struct nodeset nodes;
	int watch;             /* inotify watch on its cpuset.cpus; -1: none */
	bool told;
	pid_t teller;          /* pid of the reporting child; 0: none */
	struct nodeset telling; /* the nodes that the child reports; @nodes may change while it runs */
};

struct agent {
	struct place_env env;
	const char *socket;    /* NULL: the daemon's default path */
	int mount, notify, ledger_watch;
	char mount_path[PATH_MAX];
	sigset_t waiting;      /* signal mask in ppoll() and in children; otherwise the agent blocks its signals */
	struct led *led;
	struct machines machines;
};

static void led_free(struct agent *a, struct led *l)
{
	if (l->watch >= 0)
		inotify_rm_watch(a->notify, l->watch);
	if (l->teller > 0)
		kill(l->teller, SIGKILL);
	free(l->cgroup);
	free(l);
}

static void watch_cpus(struct agent *a, struct led *l)
{
	cleanup_free char *path = NULL;

	if (asprintf(&path, "%s%s/cpuset.cpus", a->mount_path, l->cgroup) < 0)
		path = NULL;
	l->watch = path ? inotify_add_watch(a->notify, path, IN_MODIFY) : -1;
}

/* Handles one record of the ledger: a new container, or one that was moved. */
static int take_record(void *arg, const struct record *r)
{
	struct agent *a = arg;
	struct led *l;

	if ((strcmp(r->runtime, "incus") != 0 && strcmp(r->runtime, "lxd") != 0) ||
	    strcmp(r->applied, PLACE_MEMS_ONLY) == 0)
		return 0;
	for (l = a->led; l; l = l->next)
		if (l->inode == r->cgroup_inode && strcmp(l->id, r->id) == 0)
			break;
	if (!l) {
		l = calloc(1, sizeof(*l));
		if (!l)
			return -ENOMEM;
		snprintf(l->id, sizeof(l->id), "%s", r->id);
		snprintf(l->runtime, sizeof(l->runtime), "%s", r->runtime);
		l->cgroup = strdup(r->cgroup);
		if (!l->cgroup) {
			free(l);
			return -ENOMEM;
		}
		l->inode = r->cgroup_inode;
		watch_cpus(a, l);
		l->next = a->led;
		a->led = l;
	}
	l->seen = true;
	if (!nodeset_equal(&l->nodes, &r->placement.nodes))
		l->told = false;
	l->cpus = r->placement.share.cpus;
	l->nodes = r->placement.nodes;
	return 0;
}

/* Reads a copy of the ledger, so that no container start has to wait. */
static int scan(struct agent *a, struct error *err)
{
	cleanup_topology struct topology *t = NULL;
	cleanup_ledger struct ledger *ledger = NULL;
	int r = topology_read(a->env.root, &t, err);

	if (r == 0)
		r = place_look(&a->env, t, &ledger, err);
	if (r < 0)
		return r;
	for (struct led *l = a->led; l; l = l->next)
		l->seen = false;
	if (ledger)
		r = ledger_each(ledger, take_record, a, err);
	if (r < 0)
		return r;
	for (struct led **at = &a->led; *at;) {
		struct led *l = *at;

		if (l->seen) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		led_free(a, l);
	}
	return 0;
}

/* Restores a container's CPUs if Incus changed them. An offline CPU stays in the list: it may come back. */
static void keep_cpus(const struct agent *a, const struct led *l)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	struct record r = { .cgroup_inode = l->inode };
	struct cpuset now;
	struct error err;
	int rc = cgroup_open(a->mount, l->cgroup, &c, &err);

	if (rc < 0 || c.inode != l->inode)
		return; /* the container has ended; the next scan drops it */
	/* No mark: the hook is still placing the container. */
	if (cgroup_get_xattr(&c, CGROUP_XATTR_RECORD, NULL, 0) < 0)
		return;
	rc = cgroup_read_cpuset(&c, &now, &err);
	if (rc == 0 && idset_equal(&now.cpus, &l->cpus))
		return;
	snprintf(r.id, sizeof(r.id), "%s", l->id);
	snprintf(r.runtime, sizeof(r.runtime), "%s", l->runtime);
	if (rc == 0)
		rc = own_while_placed(a->mount, &r, &c, &err);
	if (rc == 0)
		rc = cgroup_write_cpus(&a->env.writer, &c, &l->cpus, &err);
	if (rc < 0 && rc != -ENOENT && rc != -ENODEV) {
		error_prefix(&err, rc, "container %s", l->id);
		hook_warn(err.text);
	}
}

/* Starts a child process that reports to the daemon. It keeps none of the agent's resources. */
static void start_teller(const struct agent *a, struct led *l)
{
	pid_t pid;

	l->telling = l->nodes;
	pid = fork();
	if (pid < 0)
		return;
	if (pid) {
		l->teller = pid;
		return;
	}
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	sigprocmask(SIG_SETMASK, &a->waiting, NULL);
	close(a->env.state);
	_exit(agent_tell(a->socket, l->runtime, l->id, &l->nodes));
}

static void tell(struct agent *a)
{
	unsigned int busy = 0;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (struct led *l = machines_ended(&a->machines, pid, status) ? NULL : a->led; l; l = l->next)
			if (l->teller == pid) {
				l->teller = 0;
				/* Also true if the child gave up: it has printed why. */
				l->told = nodeset_equal(&l->telling, &l->nodes);
			}
	for (struct led *l = a->led; l; l = l->next)
		busy += l->teller > 0;
	for (struct led *l = a->led; l && busy < TELLERS_MAX; l = l->next)
		if (!l->told && !l->teller) {
			start_teller(a, l);
			busy++;
		}
}

static volatile sig_atomic_t ended;

static void on_end(int signal_number)
{
	(void)signal_number;
	ended = 1;
}

static void on_child(int signal_number)
{
	(void)signal_number; /* only ends ppoll() */
}

/* Reads all pending events. *@ledger: the ledger changed; *@cpus: a cpuset.cpus file changed. */
static void drain(struct agent *a, bool *ledger, bool *cpus)
{
	char buf[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	while ((n = read(a->notify, buf, sizeof(buf))) > 0)
		for (char *at = buf; at < buf + n;) {
			const struct inotify_event *e = (const void *)at;
			const bool machines = machines_event(&a->machines, e);

			if (e->wd == a->ledger_watch || e->mask & IN_Q_OVERFLOW)
				*ledger = true;
			else if (!machines)
				*cpus = true;
			at += sizeof(*e) + e->len;
		}
}

/* Signals are delivered only here, so none is lost between a check of what a handler sets and the wait. */
static int wait_ms(const struct agent *a, struct pollfd *p, nfds_t n, int ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	return ppoll(p, n, &t, &a->waiting);
}

static void run(struct agent *a)
{
	bool ledger = true, cpus = true;
	struct pollfd p = { .fd = a->notify, .events = POLLIN };
	struct error err;

	while (!ended) {
		if (ledger && scan(a, &err) < 0)
			hook_warn(err.text);
		if (ledger || cpus)
			for (const struct led *l = a->led; l; l = l->next)
				keep_cpus(a, l);
		tell(a);
		machines_look(&a->machines);
		ledger = cpus = false;
		if (wait_ms(a, &p, 1, LOOK_MS) == 0)
			ledger = true;
		/* Changes come in bursts: wait, then check once. */
		if (p.revents)
			wait_ms(a, NULL, 0, CALM_MS);
		drain(a, &ledger, &cpus);
	}
}

static int parse_options(int argc, char **argv, struct agent *a, struct error *err)
{
	const char *state = NULL;
	const struct option_rule rules[] = { { .name = "state", .value = &state }, { .name = "socket", .value = &a->socket } };
	const struct option_table table = { .rule = rules, .n = ARRAY_SIZE(rules) };
	int words = options_parse(&table, argc - 1, argv + 1, err);

	if (words)
		return words < 0 ? words : error_set(err, -EINVAL, "usage: incus-agent [--state DIR] [--socket PATH]");
	place_name_state(&a->env, state, PLACE_STATE);
	return 0;
}

/* Only one agent may run per ledger. Hooks test the lock to see whether an agent is running. */
static int take_lock(const struct place_env *env, int *lock, struct error *err)
{
	*lock = openat(env->state, INCUS_AGENT_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*lock < 0)
		return error_errno(err, -errno, INCUS_AGENT_LOCK);
	/* A hook that tests the lock holds it for a moment. */
	for (int i = 0; flock(*lock, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == 20)
			return error_set(err, -EBUSY, "another agent is running");
		poll(NULL, 0, 50);
	}
	return 0;
}

/* Opens the ledger once, which creates the folder to watch and repairs the state after an interrupted move. */
static int mend(struct agent *a, struct error *err)
{
	cleanup_topology struct topology *t = NULL;
	cleanup_ledger struct ledger *ledger = NULL;
	int r = topology_read(a->env.root, &t, err);

	return r < 0 ? r : place_ledger(&a->env, t, &ledger, err);
}

static int begin(struct agent *a, int *lock, struct error *err)
{
	cleanup_free char *folder = NULL;
	int r = place_open(&a->env, PLACE_CREATE, err);

	if (r == 0)
		r = place_need_state(&a->env, err);
	if (r == 0)
		r = take_lock(&a->env, lock, err);
	if (r == 0)
		r = cgroup_mount(&a->mount, a->mount_path, sizeof(a->mount_path), err);
	if (r == 0)
		r = mend(a, err);
	if (r == 0)
		r = scan(a, err);
	if (r < 0)
		return r;
	if (asprintf(&folder, "%s/containers", a->env.state_path) < 0) {
		folder = NULL;
		return error_set(err, -ENOMEM, "out of memory");
	}
	a->ledger_watch = inotify_add_watch(a->notify, folder, IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE);
	return a->ledger_watch < 0 ? error_errno(err, -errno, "watch %s", folder) : 0;
}

static void set_signals(struct agent *a)
{
	struct sigaction end = { .sa_handler = on_end }, child = { .sa_handler = on_child };
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGCHLD);
	sigprocmask(SIG_BLOCK, &held, &a->waiting);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
	sigaction(SIGCHLD, &child, NULL);
}

int main(int argc, char **argv)
{
	struct agent a = { .env = { .root = -1, .real = true, .state = -1, .mount = -1, .state_path = PLACE_STATE,
				    .timeout_ms = HOOK_LOCK_SECONDS * 1000, .message = hook_warn },
			   .mount = -1, .ledger_watch = -1 };
	cleanup_close int lock = -1;
	struct error err = { 0 };
	int r;

	hook_begin();
	alarm(0);
	set_signals(&a);
	hook_subject("incus-agent");
	conf_init(&a.env.conf);
	a.env.root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	a.notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	r = parse_options(argc, argv, &a, &err);
	if (r == 0 && (a.env.root < 0 || a.notify < 0))
		r = error_errno(&err, -errno, "start");
	if (r == 0)
		r = begin(&a, &lock, &err);
	if (r < 0) {
		hook_say(LOG_ERR, err.text);
		return error_exit_status(r);
	}
	/* systemd starts Incus only after that. */
	notify_systemd("READY=1");
	a.machines.env = &a.env;
	a.machines.socket = a.socket;
	a.machines.notify = a.notify;
	a.machines.mask = &a.waiting;
	machines_begin(&a.machines);
	run(&a);
	machines_free(&a.machines);
	while (a.led) {
		struct led *l = a.led;

		a.led = l->next;
		led_free(&a, l);
	}
	return 0;
}
