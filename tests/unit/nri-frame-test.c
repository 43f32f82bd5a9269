/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The framing of NRI against bytes that a second implementation has made, in every way to split them, and with lengths
 * that lie.
 */
#include "runtime-hooks/nri/nri-frame.h"

#include <errno.h>
#include <stdlib.h>

#include "plugin/base/util.h"
#include "tests/unit/nri-golden.h"
#include "tests/unit/tap.h"

/* Feeds @n bytes in steps of @step; the number of complete frames on @connection, or a negative errno. */
static int feed(struct mux_reader *m, const uint8_t *bytes, size_t n, size_t step, enum mux_connection connection,
		struct ttrpc_frame *last)
{
	struct error err;
	int frames = 0;

	for (size_t at = 0; at < n; at += step) {
		int rc = mux_feed(m, bytes + at, n - at < step ? n - at : step, &err);

		while (rc >= 0 && (rc = ttrpc_next(m, connection, last, &err)) > 0)
			frames++;
		if (rc < 0)
			return rc;
	}
	return frames;
}

static void golden(void)
{
	uint8_t bytes[256];
	size_t n = golden_bytes(GOLDEN_REGISTER, bytes);
	struct mux_reader m = { .have = 0 };
	struct ttrpc_frame f;

	for (size_t step = 1; step <= n; step++) {
		mux_reader_reset(&m);
		if (feed(&m, bytes, n, step, MUX_RUNTIME, &f) != 1 || f.stream != 1 || f.type != TTRPC_REQUEST ||
		    f.len != n - MUX_HEADER - TTRPC_HEADER ||
		    memcmp(f.data, bytes + MUX_HEADER + TTRPC_HEADER, f.len) != 0)
			break;
		if (step == n)
			ok(true, "a frame is read whole from pieces of any size");
	}
	is_int(feed(&m, bytes, n, n, MUX_PLUGIN, &f), 0, "a frame of one connection is not seen on the other one");
	mux_reader_reset(&m);
}

static void written(void)
{
	const size_t lens[] = { 0, 1, MUX_PAYLOAD_MAX - TTRPC_HEADER, MUX_PAYLOAD_MAX - TTRPC_HEADER + 1, 100000,
				TTRPC_DATA_MAX };
	uint8_t *data = malloc(TTRPC_DATA_MAX + 1);
	struct error err;

	for (size_t i = 0; i <= TTRPC_DATA_MAX; i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		cleanup_strbuf struct strbuf out = { 0 };
		struct mux_reader m = { .have = 0 };
		struct ttrpc_frame f = { .len = 0 };
		size_t largest = 0;

		ok(ttrpc_write(&out, MUX_PLUGIN, 7, TTRPC_RESPONSE, data, lens[i], &err) == 0, "%zu bytes are written",
		   lens[i]);
		for (size_t at = 0; at < out.len;) {
			const uint8_t *p = (const uint8_t *)out.text + at;
			size_t n = (size_t)p[4] << 24 | (size_t)p[5] << 16 | (size_t)p[6] << 8 | p[7];

			largest = n > largest ? n : largest;
			at += MUX_HEADER + n;
		}
		ok(largest <= MUX_PAYLOAD_MAX, "no mux frame of %zu bytes is over %u", lens[i], MUX_PAYLOAD_MAX);
		is_int(feed(&m, (const uint8_t *)out.text, out.len, 65536, MUX_PLUGIN, &f), 1, "they are read as one frame");
		ok(f.stream == 7 && f.type == TTRPC_RESPONSE && f.len == lens[i] && memcmp(f.data, data, f.len) == 0,
		   "of the same %zu bytes", lens[i]);
		mux_reader_reset(&m);
	}
	{
		cleanup_strbuf struct strbuf out = { 0 };

		is_int(ttrpc_write(&out, MUX_PLUGIN, 7, TTRPC_RESPONSE, data, TTRPC_DATA_MAX + 1, &err), -EMSGSIZE,
		       "a message over 4 MiB is not written");
		is_int((int)out.len, 0, "and leaves no part of it");
	}
	free(data);
}

static void hostile(void)
{
	static const uint8_t large_mux[] = { 0, 0, 0, 1, 0, 0x40, 0, 11 };
	static const uint8_t largest_mux[] = { 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t large_ttrpc[] = { 0, 0, 0, 1, 0, 0, 0, 10, 0, 0x40, 0, 1, 0, 0, 0, 1, 1, 0 };
	static const uint8_t unknown[] = { 0, 0, 0, 9, 0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 1, 9, 0xff, 0xff, 0xff,
					   0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0 };
	struct mux_reader m = { .have = 0 };
	struct ttrpc_frame f;
	uint8_t bytes[256];
	size_t n = golden_bytes(GOLDEN_ERROR, bytes);

	is_int(feed(&m, large_mux, sizeof(large_mux), 1, MUX_PLUGIN, &f), -EBADMSG, "a mux frame over the limit is refused");
	ok(!m.stream[MUX_PLUGIN].bytes, "nothing is allocated for it");
	mux_reader_reset(&m);
	is_int(feed(&m, largest_mux, sizeof(largest_mux), 8, MUX_PLUGIN, &f), -EBADMSG, "so is one of 4 GiB");
	mux_reader_reset(&m);
	is_int(feed(&m, large_ttrpc, sizeof(large_ttrpc), 18, MUX_PLUGIN, &f), -EBADMSG, "a message over 4 MiB is refused");
	mux_reader_reset(&m);
	is_int(feed(&m, unknown, sizeof(unknown), 1, MUX_PLUGIN, &f), 0, "frames of unknown connections and empty ones are skipped");
	ok(!m.stream[MUX_PLUGIN].bytes && !m.stream[MUX_RUNTIME].bytes, "their payload is not stored");
	is_int(feed(&m, bytes, n, 3, MUX_PLUGIN, &f), 1, "the next frame is read");
	is_int((int)f.stream, 7, "from its begin");
	mux_reader_reset(&m);
}

/* Many messages one after the other do not make the buffer grow. */
static void long_life(void)
{
	cleanup_strbuf struct strbuf out = { 0 };
	struct mux_reader m = { .have = 0 };
	struct ttrpc_frame f;
	struct error err;
	uint8_t data[3000] = { 1 };
	int frames = 0;

	for (int i = 0; i < 20; i++)
		ttrpc_write(&out, MUX_PLUGIN, 1, TTRPC_REQUEST, data, sizeof(data), &err);
	for (int i = 0; i < 100; i++)
		frames += feed(&m, (const uint8_t *)out.text, out.len, 997, MUX_PLUGIN, &f);
	is_int(frames, 2000, "2000 messages of one stream are read");
	ok(m.stream[MUX_PLUGIN].room <= 8192, "the buffer holds two of them at most (%zu bytes)", m.stream[MUX_PLUGIN].room);
	mux_reader_reset(&m);
}

int main(void)
{
	golden();
	written();
	hostile();
	long_life();
	return done();
}
