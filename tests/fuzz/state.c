/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state that a runtime gives to the hook, and the request from its annotations.
 */
#include "tests/fuzz/fuzz.h"

#include "runtime-hooks/oci/oci-state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_text(data, size);
	cleanup_oci_state struct oci_state s = { 0 };
	struct request request;
	struct error err = { 0 };
	int r = oci_state_parse(text, size, &s, &err);

	fuzz_check_error(r, &err);
	if (r < 0)
		return 0;
	must(s.id != NULL);
	must(s.pid >= 0);
	r = oci_annotations_request(&s.annotations, size % 3 ? ~0U : 0, &request, &err);
	fuzz_check_error(r, &err);
	if (r == 0)
		fuzz_check_error(request_finish(&request, &err), &err);
	return 0;
}
