/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace follow`: containers whose cpuset another program has written. Without --watch it looks at all of them once;
 * with it, it waits for writes to their cpusets, until SIGTERM or SIGINT.
 *
 * With --watch, a change of the ledger alone leads to no comparison: an engine that updates a container through
 * numaplace-nri writes the cpuset after the record.
 */
#include "cli/engine.h"
#include "cgroup/cgroup.h"
#include "place/follow.h"
#include "plugin/base/util.h"
#include "plugin/base/vec.h"
#include "runtime-hooks/common/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>

#define CALM_MS 150 /* from the last write to the comparison: the program may write more files */

/* A watched file of a container. */
struct watched {
	int watch;
	char id[RECORD_ID_MAX + 1];
};

struct follow {
	struct place_env env;
	int notify, ledger_watch, mount;
	char mount_path[PATH_MAX];
	sigset_t waiting;        /* the signal mask in ppoll() */
	size_t n, room;
	struct watched *file;    /* of all containers in the ledger */
	size_t nwritten, written_room;
	struct watched *written; /* those that were written */
	bool all;                /* compare all containers */
	bool lost;               /* the ledger's folder was removed */
};

static volatile sig_atomic_t ended;

static void on_end(int signal_number)
{
	(void)signal_number;
	ended = 1;
}

static void follow_close(struct follow *f)
{
	cleanup_closep(&f->notify);
	cleanup_closep(&f->mount);
	free(f->file);
	free(f->written);
	place_close(&f->env);
}
#define cleanup_follow __attribute__((cleanup(follow_close)))

/* --- what to watch --- */

/* Adds or renews a watch: the kernel has one for each file, and drops it with the file. */
static int watch_file(struct follow *f, const struct record *r, const char *name)
{
	cleanup_free char *path = NULL;
	struct watched *w;
	int watch;

	if (asprintf(&path, "%s%s/%s", f->mount_path, r->cgroup, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	watch = inotify_add_watch(f->notify, path, IN_MODIFY | IN_DONT_FOLLOW);
	if (watch < 0)
		return 0; /* it has ended */
	w = vec_push(f->file, f->n, f->room);
	if (!w)
		return -ENOMEM;
	w->watch = watch;
	snprintf(w->id, sizeof(w->id), "%s", r->id);
	return 0;
}

static int watch_container(void *arg, const struct record *r)
{
	int rc;

	if (record_is_reserved(r))
		return 0;
	rc = watch_file(arg, r, "cpuset.cpus");
	if (rc == 0)
		rc = watch_file(arg, r, "cpuset.mems");
	/* The kernel reports a partition that it ends. */
	return rc < 0 || r->partition == PARTITION_MEMBER ? rc : watch_file(arg, r, "cpuset.cpus.partition");
}

/* A ledger that another program removes ends the program: systemd starts it again. */
static int watch_ledger(struct follow *f, struct error *err)
{
	cleanup_free char *folder = NULL;

	if (asprintf(&folder, "%s/containers", f->env.state_path) < 0) {
		folder = NULL;
		return error_errno(err, -ENOMEM, "follow");
	}
	f->ledger_watch = inotify_add_watch(f->notify, folder, IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE);
	return f->ledger_watch < 0 ? error_errno(err, -errno, "watch %s", folder) : 0;
}

/* Reads a copy of the ledger, so that no container start has to wait. */
static int watch_all(struct follow *f, struct error *err)
{
	cleanup_topology struct topology *t = NULL;
	cleanup_ledger struct ledger *l = NULL;
	int rc = topology_read(f->env.root, &t, err);

	if (rc == 0)
		rc = place_look(&f->env, t, &l, err);
	f->n = 0;
	return rc < 0 || !l ? rc : ledger_each(l, watch_container, f, err);
}

/* --- events --- */

static void take_written(struct follow *f, int watch)
{
	struct watched *w;
	size_t i = 0;

	while (i < f->n && f->file[i].watch != watch)
		i++;
	if (i == f->n)
		return;
	w = vec_push(f->written, f->nwritten, f->written_room);
	if (w)
		*w = f->file[i];
	else
		f->all = true;
}

/* Reads all pending events; true if the ledger has changed. */
static bool drain(struct follow *f)
{
	char buf[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool ledger = false;
	ssize_t n;

	while ((n = read(f->notify, buf, sizeof(buf))) > 0)
		for (char *at = buf; at < buf + n;) {
			const struct inotify_event *e = (const void *)at;

			if (e->mask & IN_Q_OVERFLOW)
				f->all = ledger = true;
			else if (e->wd == f->ledger_watch && e->mask & IN_IGNORED)
				f->lost = true;
			else if (e->wd == f->ledger_watch)
				ledger = true;
			else if (e->mask & IN_MODIFY)
				take_written(f, e->wd);
			at += sizeof(*e) + e->len;
		}
	return ledger;
}

/* Waits for an event, then until there are no more for a short time. True if the ledger has changed. */
static bool wait_for_events(struct follow *f)
{
	struct pollfd p = { .fd = f->notify, .events = POLLIN };
	const struct timespec calm = { .tv_nsec = CALM_MS * 1000000L }, *timeout = NULL;
	bool ledger = false;

	while (ppoll(&p, 1, timeout, &f->waiting) > 0) {
		ledger |= drain(f);
		timeout = &calm;
	}
	return ledger;
}

static bool is_wanted(const void *arg, const char *id)
{
	const struct follow *f = arg;

	for (size_t i = 0; i < f->nwritten && !f->all; i++)
		if (strcmp(f->written[i].id, id) == 0)
			return true;
	return f->all;
}

static void compare(struct follow *f)
{
	struct error err = { 0 };

	if ((f->all || f->nwritten) && place_follow(&f->env, is_wanted, f, &err) < 0)
		cli_warn(err.text);
	f->nwritten = 0;
	f->all = false;
}

static int follow_run(struct follow *f, struct error *err)
{
	f->all = true;
	while (!ended && !f->lost) {
		compare(f);
		if (wait_for_events(f) && !f->lost && watch_all(f, err) < 0)
			cli_warn(err->text);
	}
	return f->lost ? error_set(err, -ENOENT, "%s: the folder of the ledger was removed", f->env.state_path) : 0;
}

/* --- the start --- */

static void set_signals(struct follow *f)
{
	const struct sigaction end = { .sa_handler = on_end };
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGINT);
	sigprocmask(SIG_BLOCK, &held, &f->waiting);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
}

/* Opens the ledger once: that creates the folder to watch, and repairs the state after an interrupted move. */
static int mend(struct follow *f, struct error *err)
{
	cleanup_topology struct topology *t = NULL;
	cleanup_ledger struct ledger *l = NULL;
	int rc = topology_read(f->env.root, &t, err);

	if (rc == 0)
		rc = place_open(&f->env, PLACE_CREATE, err);
	if (rc == 0)
		rc = place_need_state(&f->env, err);
	return rc < 0 ? rc : place_ledger(&f->env, t, &l, err);
}

static int follow_begin(struct follow *f, struct error *err)
{
	int rc;

	f->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (f->notify < 0)
		return error_errno(err, -errno, "inotify");
	rc = cgroup_mount(&f->mount, f->mount_path, sizeof(f->mount_path), err);
	if (rc == 0)
		rc = mend(f, err);
	if (rc == 0)
		rc = watch_ledger(f, err);
	return rc < 0 ? rc : watch_all(f, err);
}

static bool everyone(const void *arg, const char *id)
{
	(void)arg;
	(void)id;
	return true;
}

int verb_follow(struct cli *cli, int argc, char **argv, struct error *err)
{
	cleanup_follow struct follow f = { .env = CLI_ENV_NONE, .notify = -1, .mount = -1, .ledger_watch = -1 };
	bool watch = false;
	const struct option_rule rules[] = { { .name = "watch", .flag = &watch } };
	int rc = cli_options("follow", rules, ARRAY_SIZE(rules), argc, argv, err);

	if (rc >= 0)
		rc = cli_no_arguments("follow", rc, argv, err);
	if (rc == 0 && cli->sysroot)
		rc = error_set(err, -EINVAL, "follow: not on a recorded machine");
	if (rc == 0)
		rc = cli_env(cli, &f.env, err);
	if (rc == 0 && !watch)
		return place_follow(&f.env, everyone, NULL, err);
	set_signals(&f);
	if (rc == 0)
		rc = follow_begin(&f, err);
	if (rc < 0)
		return rc;
	notify_systemd("READY=1");
	return follow_run(&f, err);
}
