/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lists and masks of ids. A parsed set is formatted and parsed again: it must be the same set.
 */
#include "tests/fuzz/fuzz.h"

#include "plugin/base/idset.h"

static void check_formats(struct ids set, struct ids_out again)
{
	static char text[IDSET_TEXT_MAX], small[16];
	struct ids parsed = { again.word, again.nwords };
	size_t len = ids_format(set, text, sizeof(text));

	must(len < sizeof(text) && strlen(text) == len);
	must(ids_parse_kernel(text, again, NULL) == 0 && ids_equal(set, parsed));
	must(ids_format(set, small, sizeof(small)) == len && memchr(small, '\0', sizeof(small)));
	must(ids_format(set, NULL, 0) == len);
	len = ids_format_comma(set, text, sizeof(text));
	must(len < sizeof(text) && strlen(text) == len);
	must(ids_parse_kernel(text, again, NULL) == 0 && ids_equal(set, parsed));
}

/* A text that is a set of nodes is the same set of CPUs. */
static void check_nodes(const char *text, int (*parse)(const char *, struct ids_out, struct error *),
			const struct idset *cpus)
{
	struct nodeset nodes, again;
	struct error err = { 0 };
	int r = parse(text, ids_into(&nodes), &err);

	fuzz_check_error(r, &err);
	if (r < 0)
		return;
	check_formats(ids_of(&nodes), ids_into(&again));
	must(cpus && nodeset_count(&nodes) == idset_count(cpus) &&
	     memcmp(nodes.word, cpus->word, sizeof(nodes.word)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int (*const parsers[])(const char *, struct ids_out, struct error *) = {
		ids_parse, ids_parse_kernel, ids_parse_map,
	};
	cleanup_free char *text = fuzz_text(data, size);

	for (size_t i = 0; i < ARRAY_SIZE(parsers); i++) {
		struct error err = { 0 };
		struct idset set, again;
		int r = parsers[i](text, ids_into(&set), &err);

		fuzz_check_error(r, &err);
		if (r == 0)
			check_formats(ids_of(&set), ids_into(&again));
		check_nodes(text, parsers[i], r == 0 ? &set : NULL);
	}
	return 0;
}
