/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lists and masks of ids. A parsed set is formatted and parsed again: it must be the same set.
 */
#include "tests/fuzz/fuzz.h"

#include "plugin/base/idset.h"

static void check_formats(const struct idset *set)
{
	static char text[IDSET_TEXT_MAX], small[16];
	struct idset again;
	size_t len = idset_format(set, text, sizeof(text));

	must(len < sizeof(text) && strlen(text) == len);
	must(idset_parse_kernel(text, &again, NULL) == 0 && idset_equal(set, &again));
	must(idset_format(set, small, sizeof(small)) == len && memchr(small, '\0', sizeof(small)));
	must(idset_format(set, NULL, 0) == len);
	len = idset_format_comma(set, text, sizeof(text));
	must(len < sizeof(text) && strlen(text) == len);
	must(idset_parse_kernel(text, &again, NULL) == 0 && idset_equal(set, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int (*const parsers[])(const char *, struct idset *, struct error *) = {
		idset_parse, idset_parse_kernel, idset_parse_map,
	};
	cleanup_free char *text = fuzz_text(data, size);

	for (size_t i = 0; i < ARRAY_SIZE(parsers); i++) {
		struct error err = { 0 };
		struct idset set;
		int r = parsers[i](text, &set, &err);

		fuzz_check_error(r, &err);
		if (r == 0)
			check_formats(&set);
	}
	return 0;
}
