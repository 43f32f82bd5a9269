/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numaplace_plan() on machines of tests/machines: it gives what their files say, as `numaplace plan` does.
 */
#include "include/numaplace.h"

#include "plugin/base/idset.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>

static char dir[] = "/tmp/numaplace-api-XXXXXX";

#define EVERY 8 /* the others cost time and show no more: tests/machines/cases.t has all of them */

/* The placement in the form of the files: nodes with commas. */
static void format(const struct numaplace_placement *p, char *out, size_t size)
{
	static char nodes[NODESET_TEXT_MAX];
	struct idset set;

	idset_parse_kernel(numaplace_placement_nodes(p), &set, NULL);
	idset_format_comma(&set, nodes, sizeof(nodes));
	if (snprintf(out, size, "%s|%s|%s", nodes, numaplace_placement_cpus(p), numaplace_placement_mems(p)) >= (int)size)
		diag("cut: %s", out);
}

/* @words: "KEY=VALUE KEY=VALUE". */
static int set_keys(struct numaplace_request *r, char *words)
{
	char *rest, *value;
	int rc = 0;

	for (char *word = strtok_r(words, " ", &rest); word && rc == 0; word = strtok_r(NULL, " ", &rest)) {
		value = strchr(word, '=');
		if (!value)
			return -EINVAL;
		*value = '\0';
		rc = numaplace_request_set(r, word, value + 1);
	}
	return rc == -ENOENT ? -EINVAL : rc;
}

static void check(struct numaplace *np, const char *name, bool refused, char *words, const char *want)
{
	struct numaplace_request *r = NULL;
	struct numaplace_placement *p = NULL;
	char got[1024] = "", shown[1024];
	int rc = numaplace_request_new(np, &r);

	snprintf(shown, sizeof(shown), "%s", words);
	if (rc == 0)
		rc = set_keys(r, words);
	if (rc == 0)
		rc = numaplace_plan(np, r, NULL, &p);
	if (refused) {
		ok(rc < 0 && strstr(numaplace_error(np), want), "%s: %s: refused: %s", name, shown,
		   numaplace_error(np));
		ok((rc == -EINVAL) == (words[-2] == '2'), "%s: %s: status %c: %d", name, shown,
		   words[-2], rc);
	} else {
		if (rc == 0)
			format(p, got, sizeof(got));
		is_str(got, want, "%s: %s %s", name, shown, rc < 0 ? numaplace_error(np) : "");
	}
	numaplace_placement_free(p);
	numaplace_request_free(r);
}

static void check_file(const char *file)
{
	const char *name = strrchr(file, '/') + 1;
	char line[1024], root[64];
	struct numaplace *np = NULL;
	FILE *f = fopen(file, "re");

	snprintf(root, sizeof(root), "%s/m", dir);
	snprintf(line, sizeof(line), "rm -rf %s && tests/machines/make-machine -v root=%s %s", root, root, file);
	if (!f || system(line) != 0 || numaplace_open(&np, root, NULL, NULL, 0) < 0) {
		ok(false, "%s: can be opened (%s)", name, numaplace_error(np));
	} else {
		while (fgets(line, sizeof(line), f)) {
			char *want = strstr(line, " -> ");
			bool plan = strncmp(line, "plan ", 5) == 0, refuse = strncmp(line, "refuse ", 7) == 0;

			line[strcspn(line, "\n")] = '\0';
			if (!want || (!plan && !refuse))
				continue;
			*want = '\0';
			check(np, name, refuse, line + (refuse ? 9 : 5), want + 4);
		}
	}
	numaplace_close(np);
	if (f)
		fclose(f);
}

int main(void)
{
	glob_t files;
	char line[64];

	if (!mkdtemp(dir) || glob("tests/machines/*.machine", 0, NULL, &files) != 0)
		return 1;
	ok(files.gl_pathc > 100, "there are machines: %zu", files.gl_pathc);
	for (size_t i = 0; i < files.gl_pathc; i += EVERY)
		check_file(files.gl_pathv[i]);
	globfree(&files);
	snprintf(line, sizeof(line), "rm -rf %s", dir);
	if (system(line) != 0)
		diag("%s is left", dir);
	return done();
}
