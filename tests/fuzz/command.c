/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line of a runtime, one argument per line, and the version text of a runtime.
 */
#include "tests/fuzz/fuzz.h"

#include "runtime-hooks/oci/command.h"
#include "runtime-hooks/oci/runtime-version.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_text(data, size), *said = fuzz_text(data, size);
	char *argv[66] = { NULL }, *rest = text;
	struct runtime_version v;
	struct error err = { 0 };
	struct command c;
	int argc = 0, r;

	for (char *word; argc < 64 && (word = strsep(&rest, "\n"));)
		argv[argc++] = word;
	r = command_parse(argc, argv, &c, &err);
	fuzz_check_error(r, &err);
	if (r == 0) {
		command_is_called(&c, "runc");
		for (char **a = c.argv; *a; a++)
			must(strlen(*a) <= size);
		must(!c.creates || c.verb);
	}
	if (runtime_version_parse(said, &v) == 0)
		must(memchr(v.name, '\0', sizeof(v.name)));
	return 0;
}
