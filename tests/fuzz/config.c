/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The config.json of a bundle, and the request from its keys, limits or pins.
 */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <string.h>

#include "runtime-hooks/oci/oci-config.h"

/* This machine has hardly any of the devices; what is found has a name and a node. */
static void find(const struct device_refs *refs)
{
	static int root = -1;
	struct device_found found[DEVICES_FOUND_MAX];
	unsigned int n;

	if (root < 0)
		root = open("/", O_PATH | O_DIRECTORY);
	n = device_refs_find(root, refs, found);
	must(n <= refs->n && n <= DEVICES_FOUND_MAX);
	for (unsigned int i = 0; i < n; i++)
		must(*found[i].name && memchr(found[i].name, '\0', sizeof(found[i].name)));
}

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
	must(c.devices.refs.n <= DEVICE_REFS_MAX);
	find(&c.devices.refs);
	conf_init(&conf);
	conf.without_keys = (enum conf_default)(size % 3);
	r = oci_config_request(&c, &conf, &request, &err);
	fuzz_check_error(r, &err);
	if (r == 0 && c.annotations.sandbox)
		must(!request_asks(&request));
	return 0;
}
