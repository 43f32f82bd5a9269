/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The runtime's side of one NRI connection, with one plugin: frames, requests and the handshake.
 */
#ifndef NUMAPLACE_NRI_RUNTIME_H
#define NUMAPLACE_NRI_RUNTIME_H

#include "runtime-hooks/nri/nri-frame.h"
#include "runtime-hooks/nri/nri-message.h"
#include "runtime-hooks/nri/nri.pb-c.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "plugin/base/util.h"

#define PATIENCE_MS 60000 /* for a busy machine; nothing waits that long otherwise */

#define MESSAGE_MAX 65536

static int conn = -1;
static struct mux_reader in;
static pid_t plugin;

/* The exit status of the plugin, or 128 and its signal. */
static int end_of_plugin(void)
{
	int status;

	if (waitpid(plugin, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void hang_up(void)
{
	if (conn >= 0)
		close(steal_fd(&conn));
	mux_reader_reset(&in);
}

static bool next(enum mux_connection connection, struct ttrpc_frame *f)
{
	uint8_t bytes[4096];
	struct error err;

	while (ttrpc_next(&in, connection, f, &err) <= 0) {
		struct pollfd p = { .fd = conn, .events = POLLIN };
		ssize_t n = poll(&p, 1, PATIENCE_MS) == 1 ? read(conn, bytes, sizeof(bytes)) : -1;

		if (n <= 0 || mux_feed(&in, bytes, (size_t)n, &err) < 0)
			return false;
	}
	return true;
}

static bool send_frame(enum mux_connection connection, uint32_t stream, enum ttrpc_type type, const void *m, size_t step)
{
	cleanup_strbuf struct strbuf out = { 0 };
	static uint8_t bytes[MESSAGE_MAX];
	struct error err;

	ttrpc_write(&out, connection, stream, type, bytes, protobuf_c_message_pack(m, bytes), &err);
	for (size_t at = 0; at < out.len; at += step)
		if (send(conn, out.text + at, out.len - at < step ? out.len - at : step, MSG_NOSIGNAL) < 0)
			return false;
	return true;
}

/* Takes the registration, and accepts it. */
static bool registered(const char *name, const char *index)
{
	const Nri__Response yes = NRI__RESPONSE__INIT;
	Nri__RegisterPlugin *m;
	Nri__Request *r;
	struct ttrpc_frame f;
	bool same = false;

	if (!next(MUX_RUNTIME, &f))
		return false;
	r = nri__request__unpack(NULL, f.len, f.data);
	m = r ? nri__register_plugin__unpack(NULL, r->payload.len, r->payload.data) : NULL;
	if (m) {
		same = strcmp(r->method, "RegisterPlugin") == 0 && strcmp(m->plugin_name, name) == 0 &&
		       strcmp(m->plugin_idx, index) == 0;
		nri__register_plugin__free_unpacked(m, NULL);
	}
	if (r)
		nri__request__free_unpacked(r, NULL);
	return same && send_frame(MUX_RUNTIME, f.stream, TTRPC_RESPONSE, &yes, SIZE_MAX / 2);
}

/* Sends a request in pieces of @step bytes; its stream, or 0. */
static uint32_t request(const char *method, const void *m, size_t step)
{
	static uint32_t stream = 1;
	Nri__Request r = NRI__REQUEST__INIT;
	static uint8_t payload[MESSAGE_MAX];

	stream += 2;
	r.service = (char *)(uintptr_t)NRI_PLUGIN_SERVICE;
	r.method = (char *)(uintptr_t)method;
	r.payload.len = protobuf_c_message_pack(m, payload);
	r.payload.data = payload;
	return send_frame(MUX_PLUGIN, stream, TTRPC_REQUEST, &r, step) ? stream : 0;
}

/* Sends a request, and waits for the answer, or NULL. The caller frees it. */
static Nri__Response *call(const char *method, const void *m, size_t step)
{
	uint32_t stream = request(method, m, step);
	struct ttrpc_frame f;

	if (!stream || !next(MUX_PLUGIN, &f) || f.stream != stream)
		return NULL;
	return nri__response__unpack(NULL, f.len, f.data);
}

/* The code of the answer, or -1 without one. */
static int code_of(const char *method, const void *m, size_t step)
{
	Nri__Response *r = call(method, m, step);
	int code = r ? r->status ? r->status->code : 0 : -1;

	if (r)
		nri__response__free_unpacked(r, NULL);
	return code;
}

static int configure(void)
{
	Nri__Configure c = NRI__CONFIGURE__INIT;

	c.runtime_name = (ProtobufCBinaryData){ .len = 10, .data = (uint8_t *)(uintptr_t) "containerd" };
	return code_of("Configure", &c, SIZE_MAX / 2);
}

#endif
