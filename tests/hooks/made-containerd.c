/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * made-containerd PROGRAM: runs numaplace-nri, and is its runtime: the side of NRI that containerd has, with a disconnect
 * at each step of the handshake, noise, single bytes, and a kill of the plugin. Prints TAP. No container is placed, so that
 * it needs neither root nor cgroups; tests/vm/guest/86-nri.t has real ones.
 */
#include "tests/hooks/nri-runtime.h"

#include "runtime-hooks/kube/refusal.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/un.h>

#include "tests/unit/tap.h"

static const char *program;
static char folder[] = "/tmp/numaplace-nri-XXXXXX", path[64], state[64], conf[64];
static int listener = -1;

static void start(bool launched)
{
	int fds[2] = { -1, -1 };

	if (launched && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	plugin = fork();
	if (plugin == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 2);
		if (launched) {
			char *env[] = { "NRI_PLUGIN_SOCKET=3", "NRI_PLUGIN_NAME=made", "NRI_PLUGIN_IDX=07", NULL };

			dup2(fds[1], 3);
			execle(program, program, "--state", state, "--conf", conf, NULL, env);
		} else {
			execl(program, program, "--socket", path, "--state", state, "--conf", conf, NULL);
		}
		_exit(127);
	}
	if (launched) {
		close(fds[1]);
		conn = fds[0];
	}
}

/* Waits until the plugin connects. */
static bool accepted(void)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };

	hang_up();
	if (poll(&p, 1, PATIENCE_MS) == 1)
		conn = accept(listener, NULL, NULL);
	return conn >= 0;
}

static int synchronize(void)
{
	const Nri__Synchronize s = NRI__SYNCHRONIZE__INIT;

	return code_of("Synchronize", &s, SIZE_MAX / 2);
}

static bool connected(void)
{
	return accepted() && registered("numaplace", "40") && configure() == 0 && synchronize() == 0;
}

static ProtobufCBinaryData bytes_of(const char *text)
{
	return (ProtobufCBinaryData){ .len = strlen(text), .data = (uint8_t *)(uintptr_t)text };
}

static const char *pod_name = "web-0";

/* CreateContainer of a pod with limits.cpu = @value, or without annotations. */
static Nri__Response *create(const char *value, size_t step)
{
	Nri__Event e = NRI__EVENT__INIT;
	Nri__Pod pod = NRI__POD__INIT;
	Nri__Container c = NRI__CONTAINER__INIT;
	Nri__Entry entry = NRI__ENTRY__INIT, *list = &entry;

	c.id = bytes_of("web");
	c.name = bytes_of("app");
	entry.key = bytes_of("limits.cpu");
	entry.value = bytes_of(value);
	pod.namespace_ = bytes_of("shop");
	pod.name = bytes_of(pod_name);
	pod.uid = bytes_of("0b5c2bb4-9f3a-4f43-a7f4-6a6a6a6a6a6a");
	pod.annotations = &list;
	pod.n_annotations = *value ? 1 : 0;
	e.pod = &pod;
	e.container = &c;
	return call("CreateContainer", &e, step);
}

static void is_served(const char *when)
{
	Nri__Response *r = create("many", SIZE_MAX / 2);

	is_str(r && r->status ? r->status->message : "no answer",
	       "numaplace: container app: limits.cpu: list \"many\": a number is missing at \"many\"; a whole number of CPUs "
	       "or a list like 0-3,8 is expected",
	       "%s, a container with a bad key is refused with its reason", when);
	if (r)
		nri__response__free_unpacked(r, NULL);
}

static struct refusal left;
static unsigned int nleft;

static void note(void *arg, const struct refusal *r)
{
	(void)arg;
	left = *r;
	nleft++;
}

static void bad(const char *line)
{
	diag("%s", line);
}

/* What the plugin leaves to numaplace-kube. */
static void reports(void)
{
	char folder_of[96];
	struct error err;
	int dir;

	snprintf(folder_of, sizeof(folder_of), "%s/" REFUSALS_FOLDER, state);
	ok(access(folder_of, F_OK) < 0, "without numaplace-kube, a refusal is not written");
	dir = refusals_open(state, &err);
	is_served("with numaplace-kube");
	refusals_take(dir, note, bad, NULL);
	is_int(nleft, 1, "with numaplace-kube, the refusal is left to it");
	ok(!strcmp(left.namespace, "shop") && !strcmp(left.pod, "web-0") && !strcmp(left.container, "app") &&
	   !strcmp(left.uid, "0b5c2bb4-9f3a-4f43-a7f4-6a6a6a6a6a6a") && left.time > 1700000000, "with the pod and the time");
	is_str(left.message, "container app: limits.cpu: list \"many\": a number is missing at \"many\"; a whole number of CPUs "
	       "or a list like 0-3,8 is expected", "and the message of the refusal");
	pod_name = "../web";
	is_served("a pod with a hostile name");
	refusals_take(dir, note, bad, NULL);
	is_int(nleft, 1, "a pod whose name is not one is not reported");
	pod_name = "web-0";
	close(dir);
	if (unlinkat(AT_FDCWD, folder_of, AT_REMOVEDIR) < 0)
		diag("cannot remove %s", folder_of);
}

static void external(void)
{
	Nri__Response *r;

	start(false);
	if (!ok(connected(), "the plugin connects, and the handshake succeeds"))
		return;
	is_served("first");
	reports();
	r = create("", SIZE_MAX / 2);
	ok(r && r->status && r->status->code == 0 && r->payload.len == 0, "a container without keys is left alone");
	if (r)
		nri__response__free_unpacked(r, NULL);
	r = create("many", 1);
	ok(r && r->status && r->status->code == NRI_UNKNOWN, "a request in single bytes is answered");
	if (r)
		nri__response__free_unpacked(r, NULL);
	ok(accepted(), "after the runtime has ended, it connects again");
	ok(accepted() && next(MUX_RUNTIME, &(struct ttrpc_frame){ 0 }), "and again, when its registration has no answer");
	ok(accepted() && registered("numaplace", "40"), "and again, before Configure");
	ok(accepted() && registered("numaplace", "40") && configure() == 0, "and again, before Synchronize");
	ok(connected(), "and again, when it is connected");
	ok(send(conn, "\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9, MSG_NOSIGNAL) == 9 &&
	   !next(MUX_PLUGIN, &(struct ttrpc_frame){ 0 }), "noise ends a connection");
	ok(connected(), "and the plugin makes a new one");
	is_served("after that");
	kill(plugin, SIGKILL);
	is_int(end_of_plugin(), 128 + SIGKILL, "the plugin is killed");
	start(false);
	ok(connected(), "a new one connects");
	is_served("after a kill");
	kill(plugin, SIGTERM);
	is_int(end_of_plugin(), 0, "SIGTERM ends the plugin with status 0");
}

static void launched(void)
{
	start(true);
	ok(registered("made", "07") && configure() == 0 && synchronize() == 0,
	   "a launched plugin registers with the name and the index of the runtime");
	is_served("launched");
	hang_up();
	is_int(end_of_plugin(), 0, "it ends with its connection, with status 0");
}

int main(int argc, char **argv)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char remove[sizeof(folder) + 8];

	if (argc != 2 || !mkdtemp(folder))
		return 2;
	program = argv[1];
	snprintf(path, sizeof(path), "%s/nri.sock", folder);
	snprintf(state, sizeof(state), "%s/state", folder);
	snprintf(conf, sizeof(conf), "%s/conf", folder);
	memcpy(at.sun_path, path, strlen(path) + 1);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	close(open(conf, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	if (listener < 0 || bind(listener, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 4) < 0)
		return 2;
	external();
	launched();
	hang_up();
	snprintf(remove, sizeof(remove), "rm -r %s", folder);
	ok(system(remove) == 0, "the folder of the test is removed");
	return done();
}
