/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A config file of LXC: keys of numaplace, limits of LXC, and the volatile lines. Writing these must change no other line,
 * and they must be found when the file is read again.
 */
#include "tests/fuzz/fuzz.h"

#include "runtime-hooks/lxc/lxc-config.h"
#include "runtime-hooks/lxc/lxc-keys.h"
#include "runtime-hooks/lxc/lxc-record.h"

static void check_keys(const char *text, size_t len)
{
	cleanup_lxc_keys struct lxc_keys keys = { 0 };
	struct error err = { 0 };
	struct request request;
	int r = lxc_keys_parse(text, len, "config", &keys, &err);

	fuzz_check_error(r, &err);
	if (r < 0)
		return;
	r = lxc_keys_request(&keys, "0123456789abcdef", ~0U, &request, &err);
	fuzz_check_error(r, &err);
	if (r < 0)
		lxc_keys_locate(&keys, "config", &err);
}

static void check_limits(const char *text)
{
	cleanup_lxc_limits struct lxc_limits limits = { 0 };
	struct error err = { 0 };
	struct request request;
	int r = lxc_limits_parse(text, &limits, &err);

	if (r == 0)
		r = lxc_mounts_parse(text, &limits, &err);
	must(limits.devices.n <= DEVICE_REFS_MAX);

	fuzz_check_error(r, &err);
	if (r < 0)
		return;
	request_init(&request);
	fuzz_check_error(lxc_limits_fallback(&limits, &request, &err), &err);
	request_init(&request);
	request_follow_pins(&request, limits.cpus, limits.mems);
}

static void check_record(const char *text, size_t len)
{
	struct nodeset nodes = { { 5 } }, mems = { { 4 } };
	const struct lxc_volatile v = { .nodes = &nodes, .mems = &mems, .origin = "0123456789abcdef" };
	cleanup_lxc_keys struct lxc_keys keys = { 0 };
	cleanup_free char *out = NULL, *again = NULL;
	struct error err = { 0 };
	size_t n, m;
	int r = lxc_record_update(text, len, &v, &out, &n, &err);

	fuzz_check_error(r, &err);
	if (r < 0)
		return;
	must(lxc_record_update(out, n, &v, &again, &m, &err) == 0);
	must(n == m && memcmp(out, again, n) == 0);
	if (lxc_keys_parse(out, n, "config", &keys, NULL) == 0) {
		must(keys.value[KEY_VOLATILE_CPU_NODES] && strcmp(keys.value[KEY_VOLATILE_CPU_NODES], "0,2") == 0);
		must(keys.origin && strcmp(keys.origin, "0123456789abcdef") == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_text(data, size);

	check_keys(text, size);
	check_limits(text);
	check_record(text, size);
	return 0;
}
