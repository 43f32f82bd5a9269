/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What numaplace-nri reads from its socket: the frames, and each message as what it may be. The first byte says in pieces
 * of how many bytes the rest arrives.
 */
#include "tests/fuzz/fuzz.h"

#include "runtime-hooks/nri/nri-frame.h"
#include "runtime-hooks/nri/nri-message.h"

static void use_text(const struct nri_text *t)
{
	must(t->text && t->text[t->len] == '\0');
}

static void use_container(const struct nri_container *c)
{
	use_text(&c->id);
	use_text(&c->cgroups_path);
	use_text(&c->resources.cpus);
	for (size_t i = 0; i < c->resources.nhuge; i++)
		use_text(&c->resources.huge[i].page_size);
}

static void use_pod(const struct nri_pod *p)
{
	use_text(&p->id);
	for (size_t i = 0; i < p->nannotations; i++) {
		use_text(&p->annotations[i].key);
		use_text(&p->annotations[i].value);
	}
}

static void read_message(const uint8_t *data, size_t n)
{
	cleanup_nri_arena struct nri_arena a = { 0 };
	struct error err = { 0 };
	struct nri_configuration configuration;
	struct nri_event event;
	struct nri_state state;
	size_t failed;

	fuzz_check_error(nri_decode_configuration(&a, data, n, &configuration, &err), &err);
	fuzz_check_error(nri_decode_updated(&a, data, n, &failed, &err), &err);
	for (int kind = 0; kind <= NRI_UPDATE; kind += NRI_UPDATE)
		if (nri_decode_event(&a, data, n, kind, &event, &err) == 0) {
			use_pod(&event.pod);
			use_container(&event.container);
		}
	if (nri_decode_state(&a, data, n, &state, &err) < 0)
		return;
	for (size_t i = 0; i < state.npods; i++)
		use_pod(&state.pods[i]);
	for (size_t i = 0; i < state.ncontainers; i++)
		use_container(&state.containers[i]);
	must(a.total <= NRI_ARENA_MAX);
}

static void read_frame(const struct ttrpc_frame *f)
{
	cleanup_nri_arena struct nri_arena a = { 0 };
	struct error err = { 0 };
	struct nri_answer answer;
	struct nri_call call;

	fuzz_check_error(nri_decode_answer(&a, f->data, f->len, &answer, &err), &err);
	if (nri_decode_call(&a, f->data, f->len, &call, &err) == 0)
		read_message(call.payload, call.len);
	read_message(f->data, f->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mux_reader m = { .have = 0 };
	struct error err = { 0 };
	size_t step = size && data[0] ? data[0] : 256;
	int rc = 0;

	for (size_t at = 1; at < size && rc >= 0; at += step) {
		struct ttrpc_frame f;

		rc = mux_feed(&m, data + at, size - at < step ? size - at : step, &err);
		for (int c = MUX_PLUGIN; rc >= 0 && c <= MUX_RUNTIME; c++)
			while ((rc = ttrpc_next(&m, (enum mux_connection)c, &f, &err)) > 0)
				read_frame(&f);
	}
	fuzz_check_error(rc, &err);
	mux_reader_reset(&m);
	return 0;
}
