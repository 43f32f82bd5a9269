/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes to a config.json: the result can be parsed, has the inserted members, and a second change has no effect.
 */
#include "tests/fuzz/fuzz.h"

#include "runtime-hooks/oci/oci-config.h"
#include "runtime-hooks/oci/spec-edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct spec_edit edit = {
		.cpus = "0-3",
		.mems = "0-1",
		.policy_mode = "MPOL_INTERLEAVE",
		.policy_nodes = "0-1",
		.cpu_nodes = "0,1",
		.memory_nodes = "0,1",
		.variable = { "0-3", "0,1", "0,1" },
		.hook = "/usr/libexec/numaplace/oci-hook",
		.options = { "--cpus", "0-3", "--mems", "0-1", "--applied", "memoryPolicy" },
	};
	cleanup_free char *text = fuzz_text(data, size), *out = NULL, *again = NULL;
	cleanup_oci_config struct oci_config c = { 0 };
	struct error err = { 0 };
	size_t n = 0, m = 0;
	int r = spec_edit(text, size, &edit, &out, &n, &err);

	fuzz_check_error(r, &err);
	if (r < 0)
		return 0;
	must(strlen(out) <= n && out[n] == '\0');
	must(spec_edit(out, n, &edit, &again, &m, &err) == 0);
	must(n == m && memcmp(out, again, n) == 0);
	if (oci_config_parse(out, n, &c, &err) == 0) {
		must(c.cpus && strcmp(c.cpus, "0-3") == 0 && c.mems && strcmp(c.mems, "0-1") == 0);
		must(c.policy_mode && strcmp(c.policy_mode, "MPOL_INTERLEAVE") == 0);
	}
	return 0;
}
