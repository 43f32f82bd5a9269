/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The framing of NRI, as functions over buffers that do no I/O. One socket, the trunk, carries the frames of several
 * connections (mux): connection id, length, payload. The payloads of a connection form a stream of bytes, which has the
 * frames of ttrpc: length, stream id, type, flags, data. All numbers are big-endian.
 *
 * A reader holds at most one incomplete ttrpc frame for each of the two connections. Payloads of other connections are
 * skipped without being stored.
 */
#ifndef NUMAPLACE_NRI_FRAME_H
#define NUMAPLACE_NRI_FRAME_H

#include "plugin/base/error.h"
#include "plugin/base/strbuf.h"

#include <stddef.h>
#include <stdint.h>

#define MUX_HEADER 8
#define TTRPC_HEADER 10
/* The runtime reads through a buffer of this size, and closes the connection for a larger frame. */
#define MUX_PAYLOAD_MAX 4096U
#define TTRPC_DATA_MAX (4U << 20)

/* The connections that NRI uses; 0 is reserved. */
enum mux_connection {
	MUX_PLUGIN = 1,  /* the runtime sends requests, the plugin answers */
	MUX_RUNTIME = 2, /* the plugin sends requests, the runtime answers */
	MUX_CONNECTIONS
};

enum ttrpc_type { TTRPC_REQUEST = 1, TTRPC_RESPONSE = 2, TTRPC_DATA = 3 };

/* Bytes that have been read, and not been used yet. */
struct nri_stream {
	uint8_t *bytes;
	size_t from, len, room; /* the unused bytes begin at bytes[from]; bytes[len] is behind the last one */
};

struct mux_reader {
	uint8_t header[MUX_HEADER];
	unsigned int have;   /* bytes of the header */
	uint32_t connection; /* of the payload that is being read */
	uint32_t left;       /* bytes of that payload that have not arrived */
	struct nri_stream stream[MUX_CONNECTIONS];
};

/* A ttrpc frame; @data points into the stream, and is valid until the next mux_feed(). */
struct ttrpc_frame {
	uint32_t stream;
	uint8_t type, flags;
	const uint8_t *data;
	size_t len;
};

/*
 * Takes @n bytes from the trunk. The caller takes all complete frames (ttrpc_next()) before the next call. -EBADMSG: a
 * frame is larger than any that can be valid; -ENOMEM. After an error the trunk must be closed.
 */
int mux_feed(struct mux_reader *m, const uint8_t *bytes, size_t n, struct error *err);

/*
 * Takes the next frame of @connection. Returns 1; 0: it is not complete yet; -EBADMSG: its length is over TTRPC_DATA_MAX.
 */
int ttrpc_next(struct mux_reader *m, enum mux_connection connection, struct ttrpc_frame *out, struct error *err);

/* Forgets everything, as for a new trunk, and frees the buffers. */
void mux_reader_reset(struct mux_reader *m);

/*
 * Appends a ttrpc frame to @out, in mux frames of at most MUX_PAYLOAD_MAX. -EMSGSIZE: @len is over TTRPC_DATA_MAX, and
 * nothing is appended; -ENOMEM.
 */
int ttrpc_write(struct strbuf *out, enum mux_connection connection, uint32_t stream, enum ttrpc_type type,
		const uint8_t *data, size_t len, struct error *err);

#endif
