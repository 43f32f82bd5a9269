/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads files of sets during the reading of a machine, and notes its warnings.
 */
#include "plugin/machine/reading.h"

#include "plugin/base/file.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void topology_warn(struct topology *t, const char *fmt, ...)
{
	va_list ap;

	if (t->nwarnings == ARRAY_SIZE(t->warnings))
		return;
	va_start(ap, fmt);
	vsnprintf(t->warnings[t->nwarnings++], sizeof(t->warnings[0]), fmt, ap);
	va_end(ap);
}

/* -EINVAL (not a regular file) gets a message, as invalid contents do. */
static int unread(const char *path, ssize_t status, struct error *err)
{
	return status == -EINVAL ? error_set(err, -EINVAL, "%s: not a regular file", path) : (int)status;
}

typedef int (*parser)(const char *text, struct ids_out out, struct error *err);

static int read_ids(struct reading *r, int dir, const char *path, parser parse, struct ids_out out, struct error *err)
{
	ssize_t n = file_read(dir, path, r->text, sizeof(r->text));
	int ret;

	if (n < 0)
		return unread(path, n, err);
	ret = parse(r->text, out, err);
	return ret < 0 ? error_prefix(err, ret, "%s", path) : 0;
}

int reading_list(struct reading *r, int dir, const char *path, struct ids_out out, struct error *err)
{
	return read_ids(r, dir, path, ids_parse_kernel, out, err);
}

int reading_set(struct reading *r, int dir, const char *list, const char *map, struct idset *out,
		    struct error *err)
{
	int ret = reading_list(r, dir, list, ids_into(out), err);

	if (ret == -ENOENT)
		ret = read_ids(r, dir, map, ids_parse_map, ids_into(out), err);
	return ret;
}
