/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nri-drive PROGRAM [ARG...]: launches a plugin, and sends it the events of containers that the commands on stdin name.
 * Prints a line for each:
 *
 * create ID POD CGROUP [KEY=VALUE...]      "CPUS MEMS", and the command of the hook, or "nothing", or "error TEXT"
 * start ID POD CGROUP PID [KEY=VALUE...]   "nothing" or "error TEXT"; so do stop and remove
 * stop ID POD, remove ID POD
 * restart [ID POD]...                      kills the plugin and launches it again, with these containers running
 * kill US create|start ID POD ...          sends that event, kills the plugin after US microseconds, and launches it again; the
 *                                          runtime knows a container that it starts, and none that it creates
 * update [REASON]                          waits for a request of the plugin to update a container: "ID CPUS MEMS"; with REASON,
 *                                          the runtime refuses it
 * pending                                  drops the requests of the plugin that have arrived: their number
 * time N ID POD CGROUP [KEY=VALUE...]      nanoseconds of N times create, in turn without annotations, which places nothing,
 *                                          and with them, followed by remove: median and 99 % of each
 *
 * KEY=VALUE is an annotation of the pod, or one of its resources: pod.cpus, pod.memory; or of the container: cpus, memory,
 * disk=MAJOR (minor 0), NUMAPLACE_...=VALUE in its environment.
 */
#include "tests/hooks/nri-runtime.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "plugin/base/clock.h"

#define WORDS_MAX 512
#define CPU_PERIOD 100000

static char **command;
static char *word[WORDS_MAX];
static int nwords;

static ProtobufCBinaryData bytes_of(const char *text)
{
	return (ProtobufCBinaryData){ .len = strlen(text), .data = (uint8_t *)(uintptr_t)text };
}

/* The resources of a pod or a container. */
struct resources {
	Nri__Resources r;
	Nri__Memory memory;
	Nri__Cpu cpu;
	Nri__Int64 limit, quota;
	Nri__UInt64 period;
};

static void resources_init(struct resources *s)
{
	*s = (struct resources){ NRI__RESOURCES__INIT, NRI__MEMORY__INIT, NRI__CPU__INIT, NRI__INT64__INIT,
				 NRI__INT64__INIT, NRI__UINT64__INIT };
	s->period.value = CPU_PERIOD;
	s->cpu.period = &s->period;
	s->memory.limit = &s->limit;
	s->r.cpu = &s->cpu;
	s->r.memory = &s->memory;
}

static bool resources_set(struct resources *s, const char *key, const char *value)
{
	if (strcmp(key, "cpus") == 0) {
		s->quota.value = atoll(value) * CPU_PERIOD;
		s->cpu.quota = &s->quota;
	} else if (strcmp(key, "memory") == 0) {
		s->limit.value = atoll(value);
	} else {
		return false;
	}
	return true;
}

/* An event of the container in the words from @first: ID POD [CGROUP], and KEY=VALUE after them. */
struct event {
	Nri__Event e;
	Nri__StateChange change;
	Nri__Pod pod;
	Nri__LinuxPod linux_pod;
	Nri__Container c;
	Nri__LinuxContainer linux_container;
	Nri__Entry entry[WORDS_MAX], *list[WORDS_MAX];
	struct resources of_pod, of_container;
	Nri__Device disk, *disks;
	ProtobufCBinaryData variable;
};

static void add_pair(struct event *e, char *pair)
{
	char *value = strchr(pair, '=');
	Nri__Entry *entry = &e->entry[e->pod.n_annotations];

	if (!value)
		abort();
	if (strncmp(pair, "NUMAPLACE_", 10) == 0) {
		e->variable = bytes_of(pair);
		e->c.env = &e->variable;
		e->c.n_env = 1;
		return;
	}
	*value++ = '\0';
	if (strcmp(pair, "disk") == 0) {
		e->disk = (Nri__Device)NRI__DEVICE__INIT;
		e->disk.type = bytes_of("b");
		e->disk.major = atoi(value);
		e->disks = &e->disk;
		e->linux_container.devices = &e->disks;
		e->linux_container.n_devices = 1;
	} else if (strncmp(pair, "pod.", 4) == 0 && resources_set(&e->of_pod, pair + 4, value)) {
		e->linux_pod.pod_resources = &e->of_pod.r;
	} else if (!resources_set(&e->of_container, pair, value)) {
		*entry = (Nri__Entry)NRI__ENTRY__INIT;
		entry->key = bytes_of(pair);
		entry->value = bytes_of(value);
		e->list[e->pod.n_annotations++] = entry;
	}
	value[-1] = '=';
}

static void event_make(struct event *e, int kind, int first)
{
	memset(e, 0, sizeof(*e));
	e->e = (Nri__Event)NRI__EVENT__INIT;
	e->change = (Nri__StateChange)NRI__STATE_CHANGE__INIT;
	e->pod = (Nri__Pod)NRI__POD__INIT;
	e->linux_pod = (Nri__LinuxPod)NRI__LINUX_POD__INIT;
	e->c = (Nri__Container)NRI__CONTAINER__INIT;
	e->linux_container = (Nri__LinuxContainer)NRI__LINUX_CONTAINER__INIT;
	resources_init(&e->of_pod);
	resources_init(&e->of_container);
	e->c.id = bytes_of(word[first]);
	e->c.name = bytes_of(word[first]);
	e->c.pod_sandbox_id = e->pod.id = bytes_of(word[first + 1]);
	e->pod.annotations = e->list;
	e->linux_container.cgroups_path = bytes_of(nwords > first + 2 ? word[first + 2] : "");
	e->linux_container.resources = &e->of_container.r;
	e->c.spec = &e->linux_container;
	e->pod.spec = &e->linux_pod;
	e->e.pod = e->change.pod = &e->pod;
	e->e.container = e->change.container = &e->c;
	e->change.event = kind;
	first += 3;
	if (kind == NRI_START && first < nwords)
		e->c.pid = (uint32_t)atoi(word[first++]);
	while (first < nwords)
		add_pair(e, word[first++]);
}

/* The method and the message of an event. */
static const char *message_of(struct event *e, int kind, int first, const void **m)
{
	event_make(e, kind, first);
	*m = kind == NRI_CREATE || kind == NRI_STOP ? (const void *)&e->e : &e->change;
	return kind == NRI_CREATE ? "CreateContainer" : kind == NRI_STOP ? "StopContainer" : "StateChange";
}

static Nri__Response *send_event(int kind, int first)
{
	static struct event e;
	const void *m;
	const char *method = message_of(&e, kind, first, &m);

	return call(method, m, SIZE_MAX / 2);
}

static void print_text(ProtobufCBinaryData text)
{
	printf("%.*s", (int)text.len, (const char *)text.data);
}

static void print_created(const Nri__Response *r)
{
	Nri__CreateReply *m = nri__create_reply__unpack(NULL, r->payload.len, r->payload.data);

	if (m && m->adjust) {
		print_text(m->adjust->spec->resources->cpu->cpus);
		putchar(' ');
		print_text(m->adjust->spec->resources->cpu->mems);
		if (m->adjust->hooks) {
			const Nri__Hook *h = m->adjust->hooks->create_runtime[0];

			printf(" %s", h->path);
			for (size_t i = 1; i < h->n_args; i++)
				printf(" %s", h->args[i]);
		}
		putchar('\n');
	} else {
		puts("nothing");
	}
	if (m)
		nri__create_reply__free_unpacked(m, NULL);
}

static void event(int kind)
{
	Nri__Response *r = send_event(kind, 1);

	if (!r)
		puts("no answer");
	else if (r->status && r->status->code)
		printf("error %s\n", r->status->message);
	else if (kind == NRI_CREATE)
		print_created(r);
	else
		puts("nothing");
	if (r)
		nri__response__free_unpacked(r, NULL);
}

/* Launches the plugin, with the containers in the words from @first. */
static bool launch(int first)
{
	static Nri__Container c[WORDS_MAX], *list[WORDS_MAX];
	Nri__Synchronize s = NRI__SYNCHRONIZE__INIT;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	plugin = fork();
	if (plugin == 0) {
		dup2(fds[1], 3);
		setenv("NRI_PLUGIN_SOCKET", "3", 1);
		setenv("NRI_PLUGIN_NAME", "made", 1);
		setenv("NRI_PLUGIN_IDX", "07", 1);
		execv(command[0], command);
		_exit(127);
	}
	close(fds[1]);
	conn = fds[0];
	for (; first + 1 < nwords; first += 2) {
		Nri__Container *m = &c[s.n_containers];

		*m = (Nri__Container)NRI__CONTAINER__INIT;
		m->id = m->name = bytes_of(word[first]);
		m->pod_sandbox_id = bytes_of(word[first + 1]);
		list[s.n_containers++] = m;
	}
	s.containers = list;
	return registered("made", "07") && configure() == 0 && code_of("Synchronize", &s, SIZE_MAX / 2) == 0;
}

static void relaunch(int first)
{
	kill(plugin, SIGKILL);
	end_of_plugin();
	hang_up();
	puts(launch(first) ? "launched" : "not launched");
}

/* Kills the plugin while it handles an event. */
static void interrupt(int kind)
{
	const struct timespec wait = { .tv_nsec = atol(word[1]) * 1000 };
	static struct event e;
	const void *m;
	const char *method = message_of(&e, kind, 3, &m);

	request(method, m, SIZE_MAX / 2);
	nanosleep(&wait, NULL);
	nwords = kind == NRI_CREATE ? 0 : 5; /* the container, which runs */
	relaunch(3);
}

static void print_update(const Nri__Request *r)
{
	Nri__UpdateContainers *m = nri__update_containers__unpack(NULL, r->payload.len, r->payload.data);

	if (m && strcmp(r->method, "UpdateContainers") == 0 && m->n_update == 1) {
		print_text(m->update[0]->container_id);
		putchar(' ');
		print_text(m->update[0]->spec->resources->cpu->cpus);
		putchar(' ');
		print_text(m->update[0]->spec->resources->cpu->mems);
		putchar('\n');
	} else {
		printf("unexpected %s\n", r->method);
	}
	if (m)
		nri__update_containers__free_unpacked(m, NULL);
}

static void take_update(void)
{
	Nri__Response answer = NRI__RESPONSE__INIT;
	Nri__Status status = NRI__STATUS__INIT;
	struct ttrpc_frame f;
	Nri__Request *r = next(MUX_RUNTIME, &f) ? nri__request__unpack(NULL, f.len, f.data) : NULL;

	if (!r) {
		puts("no request");
		return;
	}
	print_update(r);
	nri__request__free_unpacked(r, NULL);
	status.code = nwords > 1 ? NRI_UNKNOWN : NRI_OK;
	status.message = nwords > 1 ? word[1] : status.message;
	answer.status = &status;
	send_frame(MUX_RUNTIME, f.stream, TTRPC_RESPONSE, &answer, SIZE_MAX / 2);
}

static void count_pending(void)
{
	struct ttrpc_frame f;
	struct error err;
	int n = 0;

	while (ttrpc_next(&in, MUX_RUNTIME, &f, &err) > 0)
		n++;
	printf("%d\n", n);
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* One CreateContainer; with @keys false, without annotations. */
static uint64_t time_create(bool keys)
{
	static struct event e;
	uint64_t began;
	Nri__Response *r;

	event_make(&e, NRI_CREATE, 2);
	if (!keys)
		e.pod.n_annotations = 0;
	began = clock_ns(CLOCK_MONOTONIC);
	r = call("CreateContainer", &e.e, SIZE_MAX / 2);
	began = clock_ns(CLOCK_MONOTONIC) - began;
	if (!r || (r->status && r->status->code) || !r->payload.len != !keys)
		abort();
	nri__response__free_unpacked(r, NULL);
	return began;
}

static void measure(void)
{
	size_t n = (size_t)atoi(word[1]);
	uint64_t *with = calloc(n, sizeof(*with)), *without = calloc(n, sizeof(*without));

	for (size_t i = 0; with && without && i < n; i++) {
		Nri__Response *r;

		without[i] = time_create(false);
		with[i] = time_create(true);
		r = send_event(NRI_REMOVE, 2);
		if (r)
			nri__response__free_unpacked(r, NULL);
	}
	if (with && without && n) {
		qsort(with, n, sizeof(*with), compare);
		qsort(without, n, sizeof(*without), compare);
		printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", without[n / 2], without[n * 99 / 100],
		       with[n / 2], with[n * 99 / 100]);
	}
	free(with);
	free(without);
}

static void run(char *line)
{
	static const struct {
		const char *name;
		int kind;
	} events[] = { { "create", NRI_CREATE }, { "start", NRI_START }, { "stop", NRI_STOP }, { "remove", NRI_REMOVE } };

	nwords = 0;
	for (char *w = strtok(line, " \n"); w && nwords < WORDS_MAX; w = strtok(NULL, " \n"))
		word[nwords++] = w;
	for (size_t i = 0; nwords > 2 && i < ARRAY_SIZE(events); i++)
		if (strcmp(word[0], events[i].name) == 0)
			event(events[i].kind);
	if (nwords && strcmp(word[0], "restart") == 0)
		relaunch(1);
	if (nwords && strcmp(word[0], "pending") == 0)
		count_pending();
	if (nwords && strcmp(word[0], "update") == 0)
		take_update();
	if (nwords > 5 && strcmp(word[0], "kill") == 0)
		interrupt(strcmp(word[2], "create") == 0 ? NRI_CREATE : NRI_START);
	if (nwords > 4 && strcmp(word[0], "time") == 0)
		measure();
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[16384];

	command = argv + 1;
	if (argc < 2 || !launch(WORDS_MAX))
		return 2;
	while (fgets(line, sizeof(line), stdin))
		run(line);
	hang_up();
	return end_of_plugin() == 0 ? 0 : 1;
}
