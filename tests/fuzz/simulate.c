/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines of `numaplace simulate`, on a small machine.
 */
#include "cli/simulate.c"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	must(freopen("/dev/null", "w", stdout));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct cli none = { .root = -1 };
	__attribute__((cleanup(simulation_free))) struct simulation s = { .cli = &none };
	cleanup_free char *text = fuzz_text(data, size);
	cleanup_fclose FILE *in = size ? fmemopen(text, size, "r") : NULL;
	struct error err = { 0 };

	if (!in)
		return 0;
	conf_init(&s.conf);
	s.topology = fuzz_machine();
	s.usage = usage_new(s.topology->cpu_ids, s.topology->nnodes);
	must(s.usage && grow_buckets(&s) == 0);
	fuzz_check_error(follow_lines(&s, in, &err), &err);
	return 0;
}
