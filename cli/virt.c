/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace virt NAME [KEY=VALUE...]`: executes the program for domains of libvirt, which needs libxml2. It is beside
 * this program in a build folder, else in libexec.
 */
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MAX 256 /* of a command line */
#define OPTIONS 8     /* words of the global options */

static int find_program(char path[PATH_MAX], struct error *err)
{
	static const char *const places[] = { "virt", "../libexec/numaplace/virt" };
	char self[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n < 0 ? 0 : n] = '\0';
	slash = strrchr(self, '/');
	for (size_t i = 0; i < ARRAY_SIZE(places) && slash; i++) {
		const int len = snprintf(path, PATH_MAX, "%.*s/%s", (int)(slash - self), self, places[i]);

		if (len < PATH_MAX && access(path, X_OK) == 0)
			return 0;
	}
	return error_set(err, -ENOENT, "virt: libexec/numaplace/virt is not installed: it is in the package numaplace-numad");
}

int verb_virt(struct cli *cli, int argc, char **argv, struct error *err)
{
	const char *words[WORDS_MAX + OPTIONS + 1];
	char path[PATH_MAX];
	int n = 0, rc;

	if (argc > WORDS_MAX)
		return error_set(err, -EINVAL, "virt: more than %d words", WORDS_MAX);
	rc = find_program(path, err);
	if (rc < 0)
		return rc;
	words[n++] = "numaplace";
	if (cli->json)
		words[n++] = "--json";
	for (int i = 0; i < 3; i++) {
		const char *const option[] = { "--sysroot", "--state", "--conf" };
		const char *const value[] = { cli->sysroot, cli->state, cli->conf };

		if (value[i]) {
			words[n++] = option[i];
			words[n++] = value[i];
		}
	}
	for (int i = 0; i < argc; i++)
		words[n++] = argv[i];
	words[n] = NULL;
	execv(path, (char *const *)(void *)words);
	return error_errno(err, -errno, "%s", path);
}
