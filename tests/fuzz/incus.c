/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A backup.yaml of Incus or LXD, and the request from its keys.
 */
#include "tests/fuzz/fuzz.h"

#include "runtime-hooks/incus/incus-config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_text(data, size);
	cleanup_incus_config struct incus_config c = { 0 };
	struct error err = { 0 };
	struct request request;
	enum incus_way way;
	struct conf conf;
	int r = incus_config_parse(text, size, "backup.yaml", &c, &err);

	fuzz_check_error(r, &err);
	if (r < 0)
		return 0;
	conf_init(&conf);
	conf.incus_mode = size & 1 ? INCUS_LEAD : INCUS_FOLLOW;
	r = incus_plan(&c, &conf, size & 2 ? 8ULL << 30 : 0, &way, &request, &err);
	fuzz_check_error(r, &err);
	r = incus_plan_ahead(&c, &conf, 8ULL << 30, &request, &err);
	fuzz_check_error(r, &err);
	return 0;
}
