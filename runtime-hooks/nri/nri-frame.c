/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads and writes frames of mux and ttrpc. The other side's lengths are checked before anything is stored, and a buffer
 * grows only with the bytes that have arrived.
 */
#include "runtime-hooks/nri/nri-frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_MAX (TTRPC_DATA_MAX + TTRPC_HEADER)
#define STREAM_FIRST 4096U

static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

/* Moves the unused bytes to the begin of the buffer, and makes room for @n more. */
static int stream_reserve(struct nri_stream *s, size_t n, struct error *err)
{
	size_t unused = s->len - s->from, room = s->room ? s->room : STREAM_FIRST;
	uint8_t *bytes;

	if (s->from) {
		memmove(s->bytes, s->bytes + s->from, unused);
		s->from = 0;
		s->len = unused;
	}
	if (unused + n <= s->room)
		return 0;
	while (room < unused + n)
		room *= 2;
	bytes = realloc(s->bytes, room);
	if (!bytes)
		return error_errno(err, -ENOMEM, "NRI: read");
	s->bytes = bytes;
	s->room = room;
	return 0;
}

static int stream_add(struct nri_stream *s, const uint8_t *bytes, size_t n, struct error *err)
{
	int rc;

	if (!n)
		return 0;
	rc = stream_reserve(s, n, err);
	if (rc < 0)
		return rc;
	memcpy(s->bytes + s->len, bytes, n);
	s->len += n;
	return 0;
}

/* Takes bytes of the header. Returns how many; @m->left is set when the header is complete. */
static size_t take_header(struct mux_reader *m, const uint8_t *bytes, size_t n)
{
	size_t take = MUX_HEADER - m->have < n ? MUX_HEADER - m->have : n;

	memcpy(m->header + m->have, bytes, take);
	m->have += (unsigned int)take;
	if (m->have == MUX_HEADER) {
		m->connection = get_be32(m->header);
		m->left = get_be32(m->header + 4);
	}
	return take;
}

int mux_feed(struct mux_reader *m, const uint8_t *bytes, size_t n, struct error *err)
{
	while (n) {
		size_t take;
		int rc = 0;

		if (m->have < MUX_HEADER) {
			take = take_header(m, bytes, n);
			if (m->have == MUX_HEADER && m->left > FRAME_MAX)
				return error_set(err, -EBADMSG, "NRI: a frame of %u bytes on connection %u: more than %u",
						 m->left, m->connection, FRAME_MAX);
		} else {
			take = m->left < n ? m->left : n;
			if (m->connection == MUX_PLUGIN || m->connection == MUX_RUNTIME)
				rc = stream_add(&m->stream[m->connection], bytes, take, err);
			m->left -= (uint32_t)take;
		}
		if (rc < 0)
			return rc;
		if (m->have == MUX_HEADER && !m->left)
			m->have = 0;
		bytes += take;
		n -= take;
	}
	return 0;
}

int ttrpc_next(struct mux_reader *m, enum mux_connection connection, struct ttrpc_frame *out, struct error *err)
{
	struct nri_stream *s = &m->stream[connection];
	size_t have = s->len - s->from;
	const uint8_t *head;
	uint32_t len;

	if (have < TTRPC_HEADER)
		return 0;
	head = s->bytes + s->from;
	len = get_be32(head);
	if (len > TTRPC_DATA_MAX)
		return error_set(err, -EBADMSG, "NRI: a message of %u bytes: more than %u", len, TTRPC_DATA_MAX);
	if (have - TTRPC_HEADER < len)
		return 0;
	*out = (struct ttrpc_frame){
		.stream = get_be32(head + 4),
		.type = head[8],
		.flags = head[9],
		.data = head + TTRPC_HEADER,
		.len = len,
	};
	s->from += TTRPC_HEADER + len;
	return 1;
}

void mux_reader_reset(struct mux_reader *m)
{
	for (unsigned int i = 0; i < MUX_CONNECTIONS; i++)
		free(m->stream[i].bytes);
	*m = (struct mux_reader){ 0 };
}

/* Appends the next bytes of the ttrpc frame, whose first bytes are @head. */
static void add_part(struct strbuf *out, const uint8_t *head, const uint8_t *data, size_t from, size_t n)
{
	size_t of_head = from < TTRPC_HEADER ? TTRPC_HEADER - from : 0;

	if (of_head > n)
		of_head = n;
	if (of_head)
		strbuf_add(out, (const char *)head + from, of_head);
	if (n > of_head)
		strbuf_add(out, (const char *)data + (from + of_head - TTRPC_HEADER), n - of_head);
}

int ttrpc_write(struct strbuf *out, enum mux_connection connection, uint32_t stream, enum ttrpc_type type,
		const uint8_t *data, size_t len, struct error *err)
{
	uint8_t head[TTRPC_HEADER] = { 0 }, mux[MUX_HEADER];

	if (len > TTRPC_DATA_MAX)
		return error_set(err, -EMSGSIZE, "NRI: a message of %zu bytes: more than %u", len, TTRPC_DATA_MAX);
	put_be32(head, (uint32_t)len);
	put_be32(head + 4, stream);
	head[8] = (uint8_t)type;
	for (size_t from = 0, n; from < TTRPC_HEADER + len; from += n) {
		n = TTRPC_HEADER + len - from;
		if (n > MUX_PAYLOAD_MAX)
			n = MUX_PAYLOAD_MAX;
		put_be32(mux, (uint32_t)connection);
		put_be32(mux + 4, (uint32_t)n);
		strbuf_add(out, (const char *)mux, sizeof(mux));
		add_part(out, head, data, from, n);
	}
	return out->failed ? error_errno(err, -ENOMEM, "NRI: write") : 0;
}
