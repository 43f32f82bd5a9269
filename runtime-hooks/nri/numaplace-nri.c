/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numaplace-nri: the NRI plugin of containerd and CRI-O. Places the containers of pods.
 *
 * An external plugin connects to the runtime's socket, and again whenever it is disconnected. A runtime that launches its
 * plugins itself passes the socket and the name in the environment; such a plugin ends with its connection.
 */
#include "cgroup/cgroup.h"
#include "plugin/base/clock.h"
#include "plugin/base/file.h"
#include "plugin/base/number.h"
#include "plugin/base/options.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/hook.h"
#include "runtime-hooks/common/notify.h"
#include "runtime-hooks/nri/nri-agent.h"
#include "runtime-hooks/nri/nri-session.h"
#include "runtime-hooks/nri/nri-state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/un.h>

#define SOCKET "/var/run/nri/nri.sock"
#define NAME "numaplace"
#define INDEX "40"
#define HOOK "oci-hook"
#define REGISTER_MS 5000 /* what the runtime allows for the registration, and we for its answer */
#define AGAIN_MIN_MS 100 /* between two attempts to connect, */
#define AGAIN_MAX_MS 2000 /* which become rarer */

struct plugin {
	const char *socket, *name, *index;
	int given;        /* the socket of a launched plugin; -1: external */
	sigset_t waiting; /* the signal mask while waiting */
	bool quiet;       /* the reason for not being connected has been said */
	struct nri_agent agent;
	struct nri_handlers handlers;
	struct nri_session session;
	char hook[4096];  /* the path of the hook of this installation */
};

static volatile sig_atomic_t ended;

static void on_end(int signal_number)
{
	(void)signal_number;
	ended = 1;
}

static void set_signals(struct plugin *p)
{
	struct sigaction end = { .sa_handler = on_end };
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGINT);
	sigprocmask(SIG_BLOCK, &held, &p->waiting);
	sigdelset(&p->waiting, SIGTERM);
	sigdelset(&p->waiting, SIGINT);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
}

/* Signals are delivered only here. */
static int wait_ms(const struct plugin *p, struct pollfd *fds, nfds_t n, int ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	return ppoll(fds, n, ms < 0 ? NULL : &t, &p->waiting);
}

static int connect_to(const char *path, int *out, struct error *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	cleanup_close int fd = -1;

	if (strlen(path) >= sizeof(to.sun_path))
		return error_set(err, -EINVAL, "--socket: longer than %zu bytes", sizeof(to.sun_path) - 1);
	memcpy(to.sun_path, path, strlen(path) + 1);
	fd = unix_socket(SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 || unix_connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return error_errno(err, -errno, "connect to %s", path);
	*out = steal_fd(&fd);
	return 0;
}

/* Reports the places of moved containers. No handler runs, so the runtime does not wait for the plugin at this time. */
static int tell_moves(struct plugin *p, struct error *err)
{
	struct nri_moves *moves = &p->agent.moves;
	int rc = 0;

	for (size_t i = 0; i < moves->n && rc == 0; i++) {
		char cpus[IDSET_TEXT_MAX], mems[IDSET_TEXT_MAX];

		idset_format(&moves->moved[i].cpus, cpus, sizeof(cpus));
		nodeset_format(&moves->moved[i].mems, mems, sizeof(mems));
		rc = nri_session_update(&p->session, moves->moved[i].id, cpus, mems, err);
	}
	moves->n = 0;
	return rc;
}

/* Waits for the runtime, the end of a move, or a signal. */
static int wait_and_run(struct plugin *p, int ms, struct error *err)
{
	struct nri_session *s = &p->session;
	struct nri_moves *moves = &p->agent.moves;
	struct pollfd fds[] = { { .fd = s->fd, .events = nri_session_events(s) }, { .fd = moves->fd, .events = POLLIN } };
	int rc;

	if (wait_ms(p, fds, ARRAY_SIZE(fds), ms) < 0)
		return errno == EINTR ? 0 : error_errno(err, -errno, "NRI: poll");
	if (fds[1].revents)
		nri_state_moved(&p->agent);
	rc = nri_session_run(s, fds[0].revents, err);
	return rc == 0 && s->synchronized ? tell_moves(p, err) : rc;
}

/* Serves one connection to its end. */
static int serve(struct plugin *p, int fd, struct error *err)
{
	struct nri_session *s = &p->session;
	uint64_t until = clock_ms() + REGISTER_MS;
	bool said = false;
	int rc = nri_session_begin(s, fd, p->name, p->index, &p->handlers, err);

	p->agent.moves.n = 0;
	nri_moves_watch(&p->agent.moves, p->agent.env.state_path);

	while (rc == 0 && !ended) {
		uint64_t now = clock_ms();
		bool ready = s->registered && s->configured;

		if (!ready && now >= until)
			return error_set(err, -ETIMEDOUT, "NRI: not registered after %d ms", REGISTER_MS);
		if (ready && s->synchronized && !said) {
			hook_say(LOG_INFO, "connected to the runtime");
			notify_systemd("STATUS=connected");
			said = true;
			p->quiet = false;
		}
		if (s->ended && s->out.len == s->sent)
			return error_set(err, -ECONNRESET, "NRI: the runtime has shut the plugin down");
		rc = wait_and_run(p, ready ? -1 : (int)(until - now), err);
	}
	return rc;
}

/* A disconnected plugin says so once, and not at each attempt. */
static void say_lost(struct plugin *p, const struct error *err)
{
	if (!p->quiet)
		hook_say(LOG_WARNING, err->text);
	p->quiet = true;
	notify_systemd("STATUS=not connected");
}

static int run_external(struct plugin *p, struct error *err)
{
	int ms = AGAIN_MIN_MS;

	while (!ended) {
		int fd = -1, rc = connect_to(p->socket, &fd, err);

		if (rc == -EINVAL)
			return rc;
		if (rc == 0) {
			ms = AGAIN_MIN_MS;
			rc = serve(p, fd, err);
			if (rc == -ECONNREFUSED)
				ms = AGAIN_MAX_MS;
		}
		nri_session_end(&p->session);
		if (ended)
			break;
		if (rc < 0)
			say_lost(p, err);
		wait_ms(p, NULL, 0, ms);
		ms = ms * 2 < AGAIN_MAX_MS ? ms * 2 : AGAIN_MAX_MS;
	}
	return 0;
}

static int run_launched(struct plugin *p, struct error *err)
{
	int flags = fcntl(p->given, F_GETFL), rc;

	if (flags < 0 || fcntl(p->given, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(p->given, F_SETFD, FD_CLOEXEC) < 0)
		return error_errno(err, -errno, "NRI_PLUGIN_SOCKET=%d", p->given);
	rc = serve(p, p->given, err);
	nri_session_end(&p->session);
	return rc == -ECONNRESET ? 0 : rc;
}

/* Two digits, which give the order of the plugins. */
static int check_index(const char *index, const char *from, struct error *err)
{
	if (strlen(index) == 2 && strspn(index, "0123456789") == 2)
		return 0;
	return error_set(err, -EINVAL, "%s: \"%s\": not two digits", from, quote(index).text);
}

static int read_environment(struct plugin *p, struct error *err)
{
	const char *fd = getenv("NRI_PLUGIN_SOCKET"), *name = getenv("NRI_PLUGIN_NAME"), *index = getenv("NRI_PLUGIN_IDX");

	if (!fd)
		return 0;
	if (strlen(fd) > 4 || !*fd || strspn(fd, "0123456789") != strlen(fd))
		return error_set(err, -EINVAL, "NRI_PLUGIN_SOCKET: \"%s\": not a descriptor", quote(fd).text);
	p->given = atoi(fd);
	if (name && name_check_id(name, err) < 0)
		return error_prefix(err, -EINVAL, "NRI_PLUGIN_NAME");
	p->name = name ? name : NAME;
	p->index = index ? index : INDEX;
	return check_index(p->index, "NRI_PLUGIN_IDX", err);
}

/* By default the hook of the same installation, if there is one: a plugin in a container has none. */
static int find_hook(struct plugin *p, const char *given, struct error *err)
{
	ssize_t n = readlink("/proc/self/exe", p->hook, sizeof(p->hook) - sizeof(HOOK));
	char *slash;

	if (given && strcmp(given, "none") == 0)
		return 0;
	if (given && *given != '/')
		return error_set(err, -EINVAL, "--hook: \"%s\": neither an absolute path nor none", quote(given).text);
	if (given)
		p->agent.hook = given;
	if (given || n <= 0)
		return 0;
	p->hook[n] = '\0';
	slash = strrchr(p->hook, '/');
	memcpy(slash + 1, HOOK, sizeof(HOOK));
	if (access(p->hook, X_OK) == 0)
		p->agent.hook = p->hook;
	return 0;
}

static int parse_options(int argc, char **argv, struct plugin *p, struct error *err)
{
	const char *state = NULL, *hook = NULL;
	const struct option_rule rules[] = {
		{ .name = "hook", .value = &hook },
		{ .name = "socket", .value = &p->socket },
		{ .name = "state", .value = &state },
		{ .name = "conf", .value = &p->agent.conf_path },
		{ .name = "index", .value = &p->index },
	};
	const struct option_table table = { .rule = rules, .n = ARRAY_SIZE(rules) };
	int words = options_parse(&table, argc - 1, argv + 1, err);

	if (words < 0)
		return words;
	if (words)
		return error_set(err, -EINVAL,
				 "usage: numaplace-nri [--socket PATH] [--state DIR] [--conf FILE] [--index NN] "
				 "[--hook PATH|none]");
	place_name_state(&p->agent.env, state, PLACE_STATE);
	p->agent.hook_state = state;
	if (find_hook(p, hook, err) < 0)
		return err->status;
	return check_index(p->index, "--index", err);
}

int main(int argc, char **argv)
{
	static struct plugin p = {
		.socket = SOCKET, .name = NAME, .index = INDEX, .given = -1,
		.agent = { .conf_path = PLACE_CONF, .runtime = "oci", .wait_ms = 1000, .moves = { .fd = -1, .watch = -1 },
			   .env = { .root = -1, .real = true, .state = -1, .mount = -1, .message = hook_warn } },
		.session = { .fd = -1 },
	};
	struct error err = { 0 };
	int rc;

	hook_begin();
	alarm(0);
	set_signals(&p);
	hook_subject("nri");
	p.handlers = nri_agent_handlers(&p.agent);
	rc = parse_options(argc, argv, &p, &err);
	if (rc == 0)
		rc = read_environment(&p, &err);
	/* In a DaemonSet, the plugin is a container itself. */
	if (rc == 0)
		rc = cgroup_enter_host(&err);
	/* Without a ledger, as on a host that cannot place, the plugin still tells the runtime why it refuses. */
	if (rc == 0 && nri_agent_begin(&p.agent, &err) < 0)
		hook_warn(err.text);
	if (rc == 0) {
		notify_systemd("READY=1");
		rc = p.given >= 0 ? run_launched(&p, &err) : run_external(&p, &err);
	}
	nri_agent_free(&p.agent);
	if (rc == 0)
		return 0;
	hook_say(LOG_ERR, err.text);
	return error_exit_status(rc);
}
