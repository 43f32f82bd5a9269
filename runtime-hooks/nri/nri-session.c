/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The protocol of a connection. Configure may arrive before the answer to RegisterPlugin, and each request has a stream
 * id, which its answer repeats. A method that the plugin does not have is answered with UNIMPLEMENTED; the runtime then
 * falls back to StateChange.
 */
#include "runtime-hooks/nri/nri-session.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define REGISTER_STREAM 1
#define READ_SIZE 65536
#define WAITING_MAX (1U << 20) /* bytes of answers; then no more requests are read */

static const struct method {
	const char *name;
	int kind; /* enum nri_event_kind; 0: in the message */
} event_methods[] = {
	{ "CreateContainer", NRI_CREATE },
	{ "UpdateContainer", NRI_UPDATE },
	{ "StopContainer", NRI_STOP },
	{ "StateChange", 0 },
	{ "RunPodSandbox", NRI_RUN_POD },
	{ "StopPodSandbox", NRI_STOP_POD },
	{ "RemovePodSandbox", NRI_REMOVE_POD },
	{ "PostCreateContainer", NRI_POST_CREATE },
	{ "StartContainer", NRI_START },
	{ "PostStartContainer", NRI_POST_START },
	{ "PostUpdateContainer", NRI_POST_UPDATE },
	{ "RemoveContainer", NRI_REMOVE },
};

int nri_session_begin(struct nri_session *s, int fd, const char *name, const char *index,
		      const struct nri_handlers *handlers, struct error *err)
{
	s->fd = fd;
	s->handlers = handlers;
	s->in = (struct mux_reader){ 0 };
	s->out = (struct strbuf){ 0 };
	s->sent = 0;
	s->stream = REGISTER_STREAM;
	s->updates = 0;
	s->registered = s->configured = s->synchronized = s->ended = false;
	return nri_write_register(&s->out, REGISTER_STREAM, name, index, err);
}

void nri_session_end(struct nri_session *s)
{
	if (s->fd >= 0)
		close(steal_fd(&s->fd));
	mux_reader_reset(&s->in);
	strbuf_free(&s->out);
	s->sent = 0;
}

short nri_session_events(const struct nri_session *s)
{
	size_t waiting = s->out.len - s->sent;

	return (short)((waiting < WAITING_MAX ? POLLIN : 0) | (waiting ? POLLOUT : 0));
}

/* --- requests --- */

static struct nri_place place_of(const struct nri_result *r)
{
	return (struct nri_place){ .cpus = r->cpus, .mems = r->mems, .cpu_nodes = r->cpu_nodes,
				   .memory_nodes = r->memory_nodes, .environment = true, .policy = r->policy,
				   .policy_nodes = r->mems, .hook = &r->hook };
}

static int answer_error(struct nri_session *s, uint32_t stream, const struct error *why, struct error *err)
{
	char text[sizeof(why->text) + sizeof("numaplace: ")];

	snprintf(text, sizeof(text), "numaplace: %s", why->text);
	return nri_write_error(&s->out, stream, NRI_UNKNOWN, text, err);
}

static int handle_event(struct nri_session *s, uint32_t stream, const struct nri_call *call, int kind,
			struct nri_arena *arena, struct error *err)
{
	struct nri_result *r = &s->result;
	struct nri_event e;
	struct nri_place p;
	struct error why;
	int rc = nri_decode_event(arena, call->payload, call->len, kind, &e, &why);

	r->placed = false;
	r->policy = 0;
	r->hook = (struct nri_hook){ .path = NULL };
	if (rc == 0)
		rc = s->handlers->event(s->handlers->ctx, &e, r, &why);
	if (rc < 0)
		return answer_error(s, stream, &why, err);
	p = place_of(r);
	if (r->placed && e.kind == NRI_CREATE)
		return nri_write_created(&s->out, stream, &p, err);
	if (r->placed && e.kind == NRI_UPDATE)
		return nri_write_updated(&s->out, stream, e.container.id.text, &p, err);
	return nri_write_empty(&s->out, stream, err);
}

static int handle_configure(struct nri_session *s, uint32_t stream, const struct nri_call *call,
			    struct nri_arena *arena, struct error *err)
{
	struct nri_configuration c;
	struct error why;

	if (nri_decode_configuration(arena, call->payload, call->len, &c, &why) < 0)
		return answer_error(s, stream, &why, err);
	s->configured = true;
	return nri_write_configured(&s->out, stream, s->handlers->configure(s->handlers->ctx, &c), err);
}

static int handle_synchronize(struct nri_session *s, uint32_t stream, const struct nri_call *call,
			      struct nri_arena *arena, struct error *err)
{
	struct nri_state state;
	struct error why;
	int rc = nri_decode_state(arena, call->payload, call->len, &state, &why);

	if (rc == 0)
		rc = s->handlers->synchronize(s->handlers->ctx, &state, &why);
	s->synchronized |= rc == 0 && !state.more;
	return rc < 0 ? answer_error(s, stream, &why, err) :
			nri_write_synchronized(&s->out, stream, state.more, err);
}

static int handle_call(struct nri_session *s, uint32_t stream, const struct nri_call *call, struct nri_arena *arena,
		       struct error *err)
{
	const char *method = call->method.text;

	if (strcmp(call->service.text, NRI_PLUGIN_SERVICE) == 0) {
		if (strcmp(method, "Configure") == 0)
			return handle_configure(s, stream, call, arena, err);
		if (strcmp(method, "Synchronize") == 0)
			return handle_synchronize(s, stream, call, arena, err);
		if (strcmp(method, "Shutdown") == 0) {
			s->ended = true;
			return nri_write_empty(&s->out, stream, err);
		}
		for (size_t i = 0; i < ARRAY_SIZE(event_methods); i++)
			if (strcmp(method, event_methods[i].name) == 0)
				return handle_event(s, stream, call, event_methods[i].kind, arena, err);
	}
	return nri_write_error(&s->out, stream, NRI_UNIMPLEMENTED, "numaplace: no such method", err);
}

static int handle_request(struct nri_session *s, const struct ttrpc_frame *f, struct error *err)
{
	cleanup_nri_arena struct nri_arena arena = { 0 };
	struct nri_call call;
	int rc;

	if (f->type != TTRPC_REQUEST)
		return error_set(err, -EBADMSG, "NRI: a frame of type %u where a request is expected", f->type);
	rc = nri_decode_call(&arena, f->data, f->len, &call, err);
	return rc < 0 ? rc : handle_call(s, f->stream, &call, &arena, err);
}

static int handle_registered(struct nri_session *s, const struct nri_answer *a, struct error *err)
{
	if (a->code != NRI_OK)
		return error_set(err, -ECONNREFUSED, "NRI: the runtime refuses the plugin: %s", quote(a->message.text).text);
	s->registered = true;
	return 0;
}

static int handle_updated(struct nri_session *s, struct nri_arena *arena, const struct nri_answer *a, struct error *err)
{
	struct error why;
	size_t failed = 0;
	int rc = 0;

	s->updates--;
	if (a->code == NRI_OK)
		rc = nri_decode_updated(arena, a->payload, a->len, &failed, err);
	if (rc < 0 || (a->code == NRI_OK && !failed))
		return rc;
	error_set(&why, -EIO, "NRI: the runtime has not updated a container that was moved: %s",
		  a->code == NRI_OK ? "no reason is given" : quote(a->message.text).text);
	s->handlers->refused(s->handlers->ctx, &why);
	return 0;
}

static int handle_answer(struct nri_session *s, const struct ttrpc_frame *f, struct error *err)
{
	cleanup_nri_arena struct nri_arena arena = { 0 };
	bool first = f->stream == REGISTER_STREAM && !s->registered;
	struct nri_answer a;
	int rc;

	if (f->type != TTRPC_RESPONSE || (!first && (f->stream == REGISTER_STREAM || f->stream > s->stream || !s->updates)))
		return error_set(err, -EBADMSG, "NRI: an answer that was not asked for");
	rc = nri_decode_answer(&arena, f->data, f->len, &a, err);
	if (rc < 0)
		return rc;
	return first ? handle_registered(s, &a, err) : handle_updated(s, &arena, &a, err);
}

int nri_session_update(struct nri_session *s, const char *id, const char *cpus, const char *mems, struct error *err)
{
	int rc = nri_write_update(&s->out, s->stream + 2, id, cpus, mems, err);

	if (rc < 0)
		return rc;
	s->stream += 2; /* the streams of a client are odd */
	s->updates++;
	return 0;
}

/* --- the socket --- */

static int take_frames(struct nri_session *s, struct error *err)
{
	struct ttrpc_frame f;
	int rc;

	while ((rc = ttrpc_next(&s->in, MUX_RUNTIME, &f, err)) > 0) {
		rc = handle_answer(s, &f, err);
		if (rc < 0)
			return rc;
	}
	while (rc == 0 && (rc = ttrpc_next(&s->in, MUX_PLUGIN, &f, err)) > 0)
		rc = handle_request(s, &f, err);
	return rc;
}

static int read_some(struct nri_session *s, struct error *err)
{
	uint8_t bytes[READ_SIZE];
	ssize_t n = read(s->fd, bytes, sizeof(bytes));
	int rc;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : error_errno(err, -errno, "NRI: read");
	if (n == 0)
		return error_set(err, -ECONNRESET, "NRI: the runtime has closed the connection");
	rc = mux_feed(&s->in, bytes, (size_t)n, err);
	return rc < 0 ? rc : take_frames(s, err);
}

static int write_some(struct nri_session *s, struct error *err)
{
	ssize_t n = send(s->fd, s->out.text + s->sent, s->out.len - s->sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : error_errno(err, -errno, "NRI: write");
	s->sent += (size_t)n;
	if (s->sent == s->out.len) {
		strbuf_free(&s->out);
		s->sent = 0;
	}
	return 0;
}

int nri_session_run(struct nri_session *s, short revents, struct error *err)
{
	int rc = 0;

	if (revents & (POLLIN | POLLHUP | POLLERR) && s->out.len - s->sent < WAITING_MAX)
		rc = read_some(s, err);
	if (rc == 0 && s->out.len > s->sent)
		rc = write_some(s, err);
	return rc;
}
