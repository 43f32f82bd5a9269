/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plugin's side of a connection, with this test as the runtime: a socketpair, requests that are packed here, handlers
 * that note what they are asked. The order of the handshake, slowness, garbage, and an end at each byte.
 */
#include "runtime-hooks/nri/nri-session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "plugin/base/util.h"
#include "runtime-hooks/nri/nri.pb-c.h"
#include "tests/unit/nri-golden.h"
#include "tests/unit/tap.h"

/* What the handlers have seen. */
static struct {
	int configured, states, events, kind;
	char id[64];
	int refuse; /* errno of the next event */
	int refused;
	char why[600];
} seen;

static int see_configure(void *ctx, const struct nri_configuration *c)
{
	(void)ctx;
	(void)c;
	seen.configured++;
	return NRI_BIT(NRI_CREATE);
}

static int see_state(void *ctx, const struct nri_state *s, struct error *err)
{
	(void)ctx;
	(void)s;
	(void)err;
	seen.states++;
	return 0;
}

static int see_event(void *ctx, const struct nri_event *e, struct nri_result *out, struct error *err)
{
	(void)ctx;
	seen.events++;
	seen.kind = e->kind;
	snprintf(seen.id, sizeof(seen.id), "%s", e->container.id.text);
	if (seen.refuse)
		return error_set(err, seen.refuse, "limits.memory: 8GiB requested");
	if (e->kind == NRI_CREATE || e->kind == NRI_UPDATE) {
		out->placed = true;
		strcpy(out->cpus, "0-3");
		strcpy(out->mems, "0");
		strcpy(out->cpu_nodes, "0");
		strcpy(out->memory_nodes, "0");
	}
	return 0;
}

static void see_refused(void *ctx, const struct error *why)
{
	(void)ctx;
	seen.refused++;
	snprintf(seen.why, sizeof(seen.why), "%s", why->text);
}

static const struct nri_handlers handlers = {
	.configure = see_configure, .synchronize = see_state, .event = see_event, .refused = see_refused
};

/* The plugin, and the runtime's end of its socket. */
struct pair {
	struct nri_session s;
	int fd;
	struct mux_reader in;
};

static void pair_open(struct pair *p)
{
	int fds[2];
	struct error err;

	memset(&seen, 0, sizeof(seen));
	memset(p, 0, sizeof(*p));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
		abort();
	p->fd = fds[1];
	if (nri_session_begin(&p->s, fds[0], "numaplace", "40", &handlers, &err) < 0)
		abort();
}

static void pair_close(struct pair *p)
{
	nri_session_end(&p->s);
	if (p->fd >= 0)
		close(p->fd);
	mux_reader_reset(&p->in);
}

static int run(struct pair *p)
{
	struct error err;

	return nri_session_run(&p->s, nri_session_events(&p->s), &err);
}

/* The next frame that the plugin has written on @connection. */
static bool next(struct pair *p, enum mux_connection connection, struct ttrpc_frame *f)
{
	uint8_t bytes[65536];
	struct error err;
	ssize_t n;

	if (ttrpc_next(&p->in, connection, f, &err) > 0)
		return true;
	n = read(p->fd, bytes, sizeof(bytes));
	return n > 0 && mux_feed(&p->in, bytes, (size_t)n, &err) == 0 && ttrpc_next(&p->in, connection, f, &err) > 0;
}

static void send_bytes(const struct pair *p, const void *bytes, size_t n)
{
	if (write(p->fd, bytes, n) != (ssize_t)n)
		abort();
}

/* A request with the packed message @m, or with none. */
static void call(struct strbuf *out, uint32_t stream, const char *method, const void *m)
{
	Nri__Request r = NRI__REQUEST__INIT;
	uint8_t payload[4096], request[8192];
	struct error err;

	r.service = (char *)(uintptr_t)NRI_PLUGIN_SERVICE;
	r.method = (char *)(uintptr_t)method;
	if (m) {
		r.payload.len = protobuf_c_message_pack(m, payload);
		r.payload.data = payload;
	}
	ttrpc_write(out, MUX_PLUGIN, stream, TTRPC_REQUEST, request, nri__request__pack(&r, request), &err);
}

static void send_call(const struct pair *p, uint32_t stream, const char *method, const void *m)
{
	cleanup_strbuf struct strbuf out = { 0 };

	call(&out, stream, method, m);
	send_bytes(p, out.text, out.len);
}

static void send_registered(const struct pair *p, int code)
{
	Nri__Response r = NRI__RESPONSE__INIT;
	Nri__Status status = NRI__STATUS__INIT;
	cleanup_strbuf struct strbuf out = { 0 };
	uint8_t bytes[64];
	struct error err;

	status.code = code;
	status.message = (char *)(uintptr_t) "no";
	r.status = &status;
	ttrpc_write(&out, MUX_RUNTIME, 1, TTRPC_RESPONSE, bytes, nri__response__pack(&r, bytes), &err);
	send_bytes(p, out.text, out.len);
}

static size_t pack_event(uint8_t *bytes, const char *id)
{
	Nri__Event e = NRI__EVENT__INIT;
	Nri__Container c = NRI__CONTAINER__INIT;

	c.id = (ProtobufCBinaryData){ .len = strlen(id), .data = (uint8_t *)(uintptr_t)id };
	e.container = &c;
	return nri__event__pack(&e, bytes);
}

static void send_event(const struct pair *p, uint32_t stream, const char *method, const char *id)
{
	Nri__Event e = NRI__EVENT__INIT;
	Nri__Container c = NRI__CONTAINER__INIT;

	c.id = (ProtobufCBinaryData){ .len = strlen(id), .data = (uint8_t *)(uintptr_t)id };
	e.container = &c;
	send_call(p, stream, method, &e);
}

/* The answer to @stream, unpacked; the caller frees it. */
static Nri__Response *answer(struct pair *p, uint32_t stream)
{
	struct ttrpc_frame f;

	if (run(p) < 0 || !next(p, MUX_PLUGIN, &f) || f.stream != stream || f.type != TTRPC_RESPONSE)
		return NULL;
	return nri__response__unpack(NULL, f.len, f.data);
}

static void is_answer(struct pair *p, uint32_t stream, int code, const char *what)
{
	Nri__Response *r = answer(p, stream);

	ok(r && r->status && r->status->code == code, "%s", what);
	if (r)
		nri__response__free_unpacked(r, NULL);
}

static void handshake(bool configure_first)
{
	const char *order = configure_first ? "Configure before the answer" : "the answer before Configure";
	const Nri__Configure c = NRI__CONFIGURE__INIT;
	uint8_t want[256];
	size_t n = golden_bytes(GOLDEN_REGISTER, want);
	struct ttrpc_frame f;
	struct pair p;

	pair_open(&p);
	is_int(run(&p), 0, "%s: the plugin begins", order);
	ok(next(&p, MUX_RUNTIME, &f) && f.len == n - MUX_HEADER - TTRPC_HEADER &&
	   memcmp(f.data, want + MUX_HEADER + TTRPC_HEADER, f.len) == 0, "%s: it registers", order);
	if (!configure_first)
		send_registered(&p, 0);
	send_call(&p, 1, "Configure", &c);
	is_answer(&p, 1, 0, "Configure is answered");
	if (configure_first)
		send_registered(&p, 0);
	run(&p);
	ok(p.s.registered && p.s.configured && seen.configured == 1, "%s: the plugin is connected", order);
	pair_close(&p);
}

static void requests(void)
{
	Nri__Synchronize state = NRI__SYNCHRONIZE__INIT;
	Nri__SynchronizeReply *told;
	Nri__CreateReply *created;
	Nri__Response *r;
	struct pair p;

	pair_open(&p);
	run(&p);
	send_event(&p, 3, "CreateContainer", "web");
	r = answer(&p, 3);
	created = r ? nri__create_reply__unpack(NULL, r->payload.len, r->payload.data) : NULL;
	ok(created && created->adjust->spec->resources->cpu->cpus.len == 3, "CreateContainer is answered with a place");
	is_str(seen.id, "web", "for that container");
	nri__create_reply__free_unpacked(created, NULL);
	nri__response__free_unpacked(r, NULL);
	seen.refuse = -ENOSPC;
	send_event(&p, 5, "CreateContainer", "big");
	r = answer(&p, 5);
	ok(r && r->status->code == NRI_UNKNOWN, "a refusal is an error of ttrpc");
	is_str(r ? r->status->message : "", "numaplace: limits.memory: 8GiB requested", "with the reason");
	nri__response__free_unpacked(r, NULL);
	seen.refuse = 0;
	send_event(&p, 7, "StopContainer", "web");
	is_answer(&p, 7, 0, "StopContainer is answered");
	is_int(seen.kind, NRI_STOP, "as an event of its kind");
	send_event(&p, 9, "StartContainer", "web");
	is_answer(&p, 9, 0, "StartContainer of NRI 0.12 is answered");
	is_int(seen.kind, NRI_START, "as the same event as a StateChange");
	state.more = true;
	send_call(&p, 11, "Synchronize", &state);
	r = answer(&p, 11);
	told = r ? nri__synchronize_reply__unpack(NULL, r->payload.len, r->payload.data) : NULL;
	ok(told && told->more, "a part of the state is answered with more = true");
	nri__synchronize_reply__free_unpacked(told, NULL);
	nri__response__free_unpacked(r, NULL);
	send_call(&p, 13, "ValidateContainerAdjustment", NULL);
	is_answer(&p, 13, NRI_UNIMPLEMENTED, "an unknown method is UNIMPLEMENTED");
	send_call(&p, 15, "Shutdown", NULL);
	is_answer(&p, 15, 0, "Shutdown is answered");
	ok(p.s.ended, "and ends the session");
	is_int(seen.events, 4, "four events were seen");
	pair_close(&p);
}

/* Each byte alone, and two requests in one write. */
static void pieces(void)
{
	cleanup_strbuf struct strbuf out = { 0 };
	Nri__Event e = NRI__EVENT__INIT;
	struct pair p;
	int early = 0;

	pair_open(&p);
	run(&p);
	call(&out, 3, "StopContainer", &e);
	for (size_t i = 0; i < out.len; i++) {
		early += seen.events;
		send_bytes(&p, out.text + i, 1);
		run(&p);
	}
	is_int(early, 0, "there is no event before the last byte");
	is_int(seen.events, 1, "a request that arrives byte by byte is handled once");
	call(&out, 5, "StopContainer", &e);
	send_bytes(&p, out.text, out.len);
	run(&p);
	is_int(seen.events, 3, "two requests in one write are both handled");
	pair_close(&p);
}

/* The runtime goes away after each byte of a request. */
static void disconnects(void)
{
	cleanup_strbuf struct strbuf out = { 0 };
	Nri__Event e = NRI__EVENT__INIT;
	unsigned int wrong = 0;

	call(&out, 3, "StopContainer", &e);
	for (size_t i = 0; i <= out.len; i++) {
		struct pair p;
		int rc = 0;

		pair_open(&p);
		run(&p);
		send_bytes(&p, out.text, i);
		shutdown(p.fd, SHUT_RDWR);
		close(p.fd);
		p.fd = -1;
		for (int k = 0; k < 4 && rc == 0; k++)
			rc = run(&p);
		wrong += rc != -ECONNRESET && rc != -EPIPE;
		wrong += seen.events != (i == out.len);
		pair_close(&p);
	}
	is_int(wrong, 0, "a connection that ends after any byte is closed, and half a request is not handled");
}

/* The runtime's answer to the update @stream: @code, and a container that it has not updated if @failed. */
static void send_updated(const struct pair *p, uint32_t stream, int code, bool failed)
{
	Nri__UpdateContainersReply m = NRI__UPDATE_CONTAINERS_REPLY__INIT;
	Nri__ContainerUpdate update = NRI__CONTAINER_UPDATE__INIT, *list = &update;
	Nri__Response r = NRI__RESPONSE__INIT;
	Nri__Status status = NRI__STATUS__INIT;
	cleanup_strbuf struct strbuf out = { 0 };
	uint8_t payload[64], bytes[256];
	struct error err;

	m.failed = &list;
	m.n_failed = failed;
	status.code = code;
	status.message = (char *)(uintptr_t) "no such container";
	r.status = &status;
	r.payload.len = nri__update_containers_reply__pack(&m, payload);
	r.payload.data = payload;
	ttrpc_write(&out, MUX_RUNTIME, stream, TTRPC_RESPONSE, bytes, nri__response__pack(&r, bytes), &err);
	send_bytes(p, out.text, out.len);
}

static void updates(void)
{
	Nri__UpdateContainers *m;
	Nri__Request *r;
	struct ttrpc_frame f;
	struct error err;
	struct pair p;

	pair_open(&p);
	run(&p);
	next(&p, MUX_RUNTIME, &f);
	send_registered(&p, 0);
	run(&p);
	is_int(nri_session_update(&p.s, "web", "2-3", "1", &err), 0, "the plugin asks for an update");
	run(&p);
	r = next(&p, MUX_RUNTIME, &f) && f.stream == 3 ? nri__request__unpack(NULL, f.len, f.data) : NULL;
	ok(r && strcmp(r->service, NRI_RUNTIME_SERVICE) == 0 && strcmp(r->method, "UpdateContainers") == 0,
	   "the request is UpdateContainers, on a stream of its own");
	m = r ? nri__update_containers__unpack(NULL, r->payload.len, r->payload.data) : NULL;
	ok(m && m->n_update == 1 && m->update[0]->container_id.len == 3 &&
	   memcmp(m->update[0]->spec->resources->cpu->cpus.data, "2-3", 3) == 0 &&
	   memcmp(m->update[0]->spec->resources->cpu->mems.data, "1", 1) == 0, "with the container, its CPUs and nodes");
	nri__update_containers__free_unpacked(m, NULL);
	nri__request__free_unpacked(r, NULL);
	send_updated(&p, 3, 0, false);
	is_int(run(&p), 0, "its answer is accepted");
	is_int(seen.refused, 0, "as a success");
	nri_session_update(&p.s, "web", "2-3", "1", &err);
	nri_session_update(&p.s, "web", "2-3", "1", &err);
	run(&p);
	send_updated(&p, 5, 2, false);
	run(&p);
	ok(seen.refused == 1 && strstr(seen.why, "no such container"), "a refusal is passed on with its reason (%s)", seen.why);
	send_updated(&p, 7, 0, true);
	run(&p);
	is_int(seen.refused, 2, "so is a container that the runtime has not updated");
	send_updated(&p, 7, 0, false);
	is_int(run(&p), -EBADMSG, "one answer too many ends the session");
	pair_close(&p);
	pair_open(&p);
	run(&p);
	nri_session_update(&p.s, "web", "2-3", "1", &err);
	send_registered(&p, 0);
	run(&p);
	send_updated(&p, 9, 0, false);
	is_int(run(&p), -EBADMSG, "so does an answer to a request that was not sent");
	pair_close(&p);
}

static void is_bad(const void *bytes, size_t n, int want, const char *what)
{
	struct pair p;
	int rc;

	pair_open(&p);
	run(&p);
	send_bytes(&p, bytes, n);
	rc = run(&p);
	is_int(rc, want, "%s", what);
	pair_close(&p);
}

static void garbage(void)
{
	cleanup_strbuf struct strbuf data = { 0 }, reply = { 0 };
	uint8_t noise[4096], event[64];
	struct error err;
	struct pair p;

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(i * 2654435761U >> 13 | 0x80);
	is_bad(noise, sizeof(noise), -EBADMSG, "noise is not NRI");
	ttrpc_write(&data, MUX_PLUGIN, 3, TTRPC_REQUEST, noise, 64, &err);
	is_bad(data.text, data.len, -EBADMSG, "a request that is noise ends the session");
	ttrpc_write(&reply, MUX_PLUGIN, 3, TTRPC_RESPONSE, event, pack_event(event, "web"), &err);
	is_bad(reply.text, reply.len, -EBADMSG, "an answer where a request is expected ends the session");
	strbuf_free(&reply);
	ttrpc_write(&reply, MUX_RUNTIME, 77, TTRPC_RESPONSE, NULL, 0, &err);
	is_bad(reply.text, reply.len, -EBADMSG, "an answer to nothing ends the session");
	pair_open(&p);
	run(&p);
	send_registered(&p, 7);
	is_int(run(&p), -ECONNREFUSED, "a runtime may refuse the plugin");
	pair_close(&p);
}

/* A runtime that asks and does not read: the plugin keeps a bounded number of answers. */
static void slow_reader(void)
{
	cleanup_strbuf struct strbuf out = { 0 };
	Nri__Event e = NRI__EVENT__INIT;
	unsigned int rounds = 0;
	struct pair p;

	pair_open(&p);
	for (int i = 0; i < 500; i++)
		call(&out, 3, "ValidateContainerAdjustment", &e);
	while (rounds < 2000 && nri_session_events(&p.s) & POLLIN) {
		ssize_t n = write(p.fd, out.text, out.len);

		if (n < 0 || (size_t)n < out.len) {
			/* the rest of the last request is lost; what was read before is enough */
			for (int k = 0; k < 64; k++)
				run(&p);
			break;
		}
		run(&p);
		rounds++;
	}
	ok(p.s.out.len - p.s.sent < 4U << 20, "%zu bytes of answers wait", p.s.out.len - p.s.sent);
	pair_close(&p);
}

int main(void)
{
	handshake(false);
	handshake(true);
	requests();
	pieces();
	disconnects();
	updates();
	garbage();
	slow_reader();
	return done();
}
