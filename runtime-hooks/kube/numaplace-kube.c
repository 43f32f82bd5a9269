/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numaplace-kube: tells the API server of Kubernetes what this node has left (a NodeResourceTopology object), and which
 * containers numaplace-nri has refused (events).
 *
 * It is a program of its own, so that no container start waits for the network. It reads the ledger, and never changes
 * it. Whatever the API server does, the program goes on.
 */
#include "include/numaplace.h"
#include "place/paths.h"
#include "plugin/base/clock.h"
#include "plugin/base/hash.h"
#include "plugin/base/options.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/hook.h"
#include "runtime-hooks/common/notify.h"
#include "runtime-hooks/kube/account.h"
#include "runtime-hooks/kube/event.h"
#include "runtime-hooks/kube/https.h"
#include "runtime-hooks/kube/ledger-watch.h"
#include "runtime-hooks/kube/nrt.h"
#include "runtime-hooks/kube/schedule.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#define REQUEST_SECONDS 20
#define LOOK_MS 1000  /* between two looks for a state folder that does not exist */
#define WARNINGS_MAX 16
#define QUERY "?fieldManager=numaplace&force=true"

struct kube {
	const char *sysroot, *state, *conf, *account;
	bool state_given, once;
	unsigned int seconds;
	char node[KUBE_NAME_MAX + 1], server[ACCOUNT_URL_MAX];
	char *authorities;             /* path */
	char token[ACCOUNT_TOKEN_MAX + 1];
	struct https_settings settings;
	struct https *https;
	struct https_answer answer;
	struct ledger_watch watch;
	struct kube_events events;
	struct schedule topology, refusals;
	struct strbuf accepted;        /* the topology that the server has; empty: not known */
	bool working;                  /* the last request has succeeded, and this was reported */
	char failed[ERROR_TEXT_MAX];   /* the failure that was reported last */
	uint64_t warned[WARNINGS_MAX]; /* hashes of warnings that were reported */
	unsigned int nwarned;
	sigset_t waiting;              /* the signal mask while waiting, also for the server */
};

static volatile sig_atomic_t ended;

static void on_end(int signal_number)
{
	(void)signal_number;
	ended = 1;
}

/* --- messages --- */

/* The machine is read again and again, with the same warnings. */
static void warn_once(void *arg, int priority, const char *line)
{
	struct kube *k = arg;
	uint64_t hash = hash_text(HASH_START, line);

	(void)priority;
	for (unsigned int i = 0; i < WARNINGS_MAX; i++)
		if (k->warned[i] == hash)
			return;
	k->warned[k->nwarned++ % WARNINGS_MAX] = hash;
	hook_warn(line);
}

/* A failure is reported when it begins, and when it changes. */
static void say_failure(struct kube *k, const struct error *err)
{
	if (strcmp(k->failed, err->text) != 0)
		hook_warn(err->text);
	memcpy(k->failed, err->text, sizeof(k->failed));
	k->working = false;
	notify_systemd("STATUS=the API server does not answer as expected");
}

static void say_success(struct kube *k)
{
	if (k->working)
		return;
	hook_say(LOG_INFO, "the API server accepts what it is sent");
	notify_systemd("STATUS=connected");
	k->working = true;
	*k->failed = '\0';
}

/* --- requests --- */

/* -EAGAIN: the same request can succeed later; -EPERM: it cannot. */
static int refused(const struct kube *k, const char *path, struct error *err)
{
	long status = k->answer.status;
	bool later = status < 400 || status >= 500 || status == 401 || status == 408 || status == 409 || status == 429;
	char said[ANSWER_SAID_MAX];

	answer_message(k->answer.text, k->answer.len, k->token, said);
	return error_set(err, later ? -EAGAIN : -EPERM, "%.100s: PATCH %.120s: HTTP status %ld%s%s", k->server, path, status,
			 *said ? ": " : "", said);
}

/* Server-side apply of one object. Returns 0, -EAGAIN, -EPERM, or another negative errno for a failure of the network. */
static int apply(struct kube *k, const char *path, const struct json_writer *o, struct error *err)
{
	sigset_t held;
	int rc;

	if (o->out.failed)
		return error_errno(err, -ENOMEM, "JSON");
	rc = account_token(k->account, k->token, err);
	if (rc < 0)
		return rc;
	sigprocmask(SIG_SETMASK, &k->waiting, &held);
	rc = https_apply(k->https, path, k->token, o->out.text, o->out.len, &k->answer, err);
	sigprocmask(SIG_SETMASK, &held, NULL);
	if (rc < 0)
		return rc;
	if (k->answer.status < 200 || k->answer.status > 299)
		return refused(k, path, err);
	say_success(k);
	return 0;
}

/* --- the topology --- */

static void cleanup_snapshotp(struct numaplace_snapshot **s)
{
	numaplace_snapshot_free(*s);
}

static void cleanup_numaplacep(struct numaplace **np)
{
	numaplace_close(*np);
}

static int write_topology(struct kube *k, struct json_writer *o, struct error *err)
{
	__attribute__((cleanup(cleanup_snapshotp))) struct numaplace_snapshot *s = NULL;
	__attribute__((cleanup(cleanup_numaplacep))) struct numaplace *np = NULL;
	int rc = numaplace_open(&np, k->sysroot, k->state, k->conf,
				NUMAPLACE_READ_ONLY | (k->state_given ? 0 : NUMAPLACE_DEFAULT_STATE));

	if (rc == 0) {
		numaplace_set_log(np, warn_once, k);
		rc = numaplace_snapshot_take(np, 0, &s);
	}
	if (rc < 0)
		return error_set(err, rc, "%s", np ? numaplace_error(np) : strerror(-rc));
	nrt_write(o, s, k->node);
	return 0;
}

static bool is_accepted(const struct kube *k, const struct json_writer *o)
{
	return !o->out.failed && k->accepted.len == o->out.len && memcmp(k->accepted.text, o->out.text, o->out.len) == 0;
}

/* Sends the topology if the server does not know it, or at @again. */
static int send_topology(struct kube *k, bool again, bool *sent, struct error *err)
{
	cleanup_json struct json_writer o = JSON_IN_MEMORY;
	char path[sizeof(NRT_GROUP NRT_VERSION NRT_RESOURCE) + KUBE_NAME_MAX + 64];
	int rc = write_topology(k, &o, err);

	*sent = false;
	if (rc < 0 || (!again && is_accepted(k, &o)))
		return rc;
	snprintf(path, sizeof(path), "/apis/" NRT_GROUP "/" NRT_VERSION "/" NRT_RESOURCE "/%s" QUERY, k->node);
	rc = apply(k, path, &o, err);
	/* After a failure, the server may have either. */
	strbuf_free(&k->accepted);
	*sent = rc == 0;
	if (rc < 0)
		return rc;
	k->accepted = o.out;
	o.out = (struct strbuf){ 0 };
	return 0;
}

static int topology_step(struct kube *k, struct error *err)
{
	bool again = clock_ms() >= k->topology.again, sent;
	int rc;

	k->watch.ledger_changed = false;
	rc = send_topology(k, again, &sent, err);
	if (rc == 0)
		schedule_done(&k->topology, clock_ms(), sent);
	else
		schedule_failed(&k->topology, clock_ms());
	if (rc < 0 && !ended)
		say_failure(k, err);
	return rc;
}

/* --- refusals --- */

static void note_refusal(void *arg, const struct refusal *r)
{
	struct kube *k = arg;

	if (kube_events_add(&k->events, r) < 0)
		hook_warn("out of memory: a refusal is not reported");
}

static void take_refusals(struct kube *k)
{
	struct error err = { 0 };
	cleanup_close int dir = refusals_open(k->state, &err);

	k->watch.refused = false;
	if (dir >= 0)
		refusals_take(dir, note_refusal, hook_warn, k);
	else if (dir != -ENOENT)
		warn_once(k, LOG_WARNING, err.text);
}

/* One event for each call. */
static void send_event(struct kube *k, struct kube_event *e)
{
	cleanup_json struct json_writer o = JSON_IN_MEMORY;
	char name[KUBE_NAME_MAX + 1], path[KUBE_LABEL_MAX + KUBE_NAME_MAX + 96];
	struct error err = { 0 };
	int rc;

	kube_event_name(e, name);
	snprintf(path, sizeof(path), "/api/v1/namespaces/%s/events/%s" QUERY, e->last.namespace, name);
	kube_event_write(&o, e, k->node);
	rc = apply(k, path, &o, &err);
	if (rc < 0 && !ended)
		say_failure(k, &err);
	if (rc < 0 && rc != -EPERM) {
		schedule_failed(&k->refusals, clock_ms());
		return;
	}
	kube_event_done(e, clock_ms());
	schedule_done(&k->refusals, clock_ms(), true);
}

/* Returns how long to wait for the next event, in milliseconds. */
static uint64_t events_step(struct kube *k)
{
	uint64_t now = clock_ms(), wait;
	struct kube_event *e = kube_events_due(&k->events, now, &wait);

	k->refusals.wanted = e;
	if (!e || !schedule_due(&k->refusals, now))
		return e ? schedule_wait(&k->refusals, now) : wait;
	send_event(k, e);
	return 0;
}

/* --- the loop --- */

static void wait_for_change(struct kube *k, uint64_t ms)
{
	struct pollfd p = { .fd = k->watch.fd, .events = POLLIN };
	struct timespec t;

	if (k->watch.folder < 0 && ms > LOOK_MS)
		ms = LOOK_MS;
	if (ms > SCHEDULE_AGAIN_MS)
		ms = SCHEDULE_AGAIN_MS;
	t = (struct timespec){ .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000L };
	ppoll(&p, 1, &t, &k->waiting);
}

static int run(struct kube *k, struct error *err)
{
	while (!ended) {
		uint64_t now, wait;

		ledger_watch_read(&k->watch);
		if (k->watch.refused || k->watch.refusals < 0)
			take_refusals(k);
		k->topology.wanted |= k->watch.ledger_changed;
		now = clock_ms();
		if (schedule_due(&k->topology, now) && topology_step(k, err) < 0 && k->once)
			return err->status;
		if (k->once)
			return 0;
		wait = events_step(k);
		now = schedule_wait(&k->topology, clock_ms());
		if (!ended)
			wait_for_change(k, now < wait ? now : wait);
	}
	return 0;
}

/* --- the start --- */

static void set_signals(struct kube *k)
{
	const struct sigaction end = { .sa_handler = on_end };
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGINT);
	sigprocmask(SIG_BLOCK, &held, &k->waiting);
	sigdelset(&k->waiting, SIGTERM);
	sigdelset(&k->waiting, SIGINT);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
}

static int parse_options(struct kube *k, int argc, char **argv, const char **node, struct error *err)
{
	const char *state = NULL, *seconds = NULL;
	const struct option_rule rules[] = {
		{ .name = "account", .value = &k->account },
		{ .name = "node-name", .value = node },
		{ .name = "state", .value = &state },
		{ .name = "conf", .value = &k->conf },
		{ .name = "sysroot", .value = &k->sysroot },
		{ .name = "timeout", .value = &seconds },
		{ .name = "once", .flag = &k->once },
	};
	const struct option_table table = { .rule = rules, .n = ARRAY_SIZE(rules) };
	int words = options_parse(&table, argc - 1, argv + 1, err);

	if (words < 0)
		return words;
	if (words)
		return error_set(err, -EINVAL,
				 "usage: numaplace-kube [--once] [--node-name NAME] [--account DIR] [--state DIR] [--conf FILE] "
				 "[--sysroot DIR] [--timeout SECONDS]");
	if (k->sysroot && !state)
		return error_set(err, -EINVAL, "--sysroot: only with --state");
	k->state_given = state;
	k->state = state ? state : PLACE_STATE;
	return seconds ? hook_timeout_parse(seconds, &k->seconds, err) : 0;
}

static int begin(struct kube *k, const char *node, struct error *err)
{
	cleanup_close int root = open(k->sysroot ? k->sysroot : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (root < 0)
		return error_set(err, -EINVAL, "--sysroot %s: %s", quote(k->sysroot ? k->sysroot : "/").text, strerror(errno));
	rc = nrt_node_name(root, node, k->node, err);
	if (rc == 0)
		rc = account_server(k->server, err);
	if (rc == 0 && asprintf(&k->authorities, "%s/ca.crt", k->account) < 0) {
		k->authorities = NULL;
		rc = error_errno(err, -ENOMEM, "begin");
	}
	k->settings = (struct https_settings){ .server = k->server, .authorities = k->authorities, .seconds = k->seconds,
					       .ended = &ended };
	if (rc == 0)
		rc = https_begin(&k->https, &k->settings, err);
	return rc < 0 ? rc : ledger_watch_begin(&k->watch, k->state, err);
}

static void finish(struct kube *k)
{
	https_end(k->https);
	ledger_watch_end(&k->watch);
	kube_events_free(&k->events);
	strbuf_free(&k->accepted);
	free(k->authorities);
	explicit_bzero(k->token, sizeof(k->token));
}

int main(int argc, char **argv)
{
	static struct kube k = {
		.account = ACCOUNT_FOLDER, .seconds = REQUEST_SECONDS, .watch = LEDGER_WATCH_NONE,
		.topology = { .wanted = true, .repeats = true },
	};
	const char *node = NULL;
	struct error err = { 0 };
	int rc;

	hook_begin();
	alarm(0);
	set_signals(&k);
	hook_subject("kube");
	rc = parse_options(&k, argc, argv, &node, &err);
	if (rc == 0)
		rc = begin(&k, node, &err);
	if (rc == 0) {
		notify_systemd("READY=1");
		rc = run(&k, &err);
	}
	finish(&k);
	if (rc == 0)
		return 0;
	/* A failure of --once is reported already. */
	if (!*k.failed)
		hook_say(LOG_ERR, err.text);
	return error_exit_status(rc);
}
