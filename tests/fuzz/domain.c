/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The XML of a libvirt domain, and the request from it.
 */
#include "tests/fuzz/fuzz.h"

#include "plugin/base/name.h"
#include "runtime-hooks/libvirt/domain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_text(data, size);
	struct error err = { 0 };
	struct request request;
	struct domain d;
	int r = domain_parse(text, size, &d, &err);

	fuzz_check_error(r, &err);
	if (r < 0)
		return 0;
	if (name_check_id(domain_id(&d), NULL) < 0)
		abort();
	r = domain_request(&d, &request, &err);
	fuzz_check_error(r, &err);
	return 0;
}
