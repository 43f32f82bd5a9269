/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The config.json of a bundle, and the request from its keys, limits or pins.
 */
#include "tests/fuzz/fuzz.h"

#include "runtime-hooks/oci/oci-config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_text(data, size);
	cleanup_oci_config struct oci_config c = { 0 };
	struct error err = { 0 };
	struct request request;
	struct conf conf;
	int r = oci_config_parse(text, size, &c, &err);

	fuzz_check_error(r, &err);
	if (r < 0)
		return 0;
	conf_init(&conf);
	conf.without_keys = (enum conf_default)(size % 3);
	r = oci_config_request(&c, &conf, &request, &err);
	fuzz_check_error(r, &err);
	if (r == 0 && c.annotations.sandbox)
		must(!request_asks(&request));
	return 0;
}
