/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numaplace.conf.
 */
#include "tests/fuzz/fuzz.h"

#include "place/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_text(data, size);
	struct error err = { 0 };
	struct conf conf;
	int r = conf_parse(text, "numaplace.conf", &conf, &err);

	fuzz_check_error(r, &err);
	if (r == 0)
		must(conf.select.balance <= 100);
	return 0;
}
