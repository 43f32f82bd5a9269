/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Expands cgroupsPath as runc and crun do, and checks the result.
 */
#include "runtime-hooks/oci/cgroups-path.h"

#include "plugin/base/name.h"
#include "plugin/base/strbuf.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

/* "a-b.slice" is in "a.slice". */
static int expand_slice(const char *slice, size_t len, struct strbuf *out)
{
	const size_t suffix = strlen(".slice");

	if (len < suffix || memcmp(slice + len - suffix, ".slice", suffix) != 0 || memchr(slice, '/', len))
		return -EINVAL;
	if (len == suffix + 1 && *slice == '-')
		return 0; /* the root */
	for (size_t i = 0; i + suffix <= len; i++) {
		if (slice[i] != '-' && i + suffix != len)
			continue;
		if (!i || slice[i - 1] == '-')
			return -EINVAL;
		strbuf_puts(out, "/");
		strbuf_add(out, slice, i);
		strbuf_puts(out, ".slice");
	}
	return 0;
}

int oci_cgroup_path(const char *cgroups_path, char *out, size_t size, struct error *err)
{
	const char *prefix = strchr(cgroups_path, ':'), *name = prefix ? strchr(prefix + 1, ':') : NULL;
	cleanup_strbuf struct strbuf path = { 0 };
	int rc = 0;

	if (strlen(cgroups_path) >= size)
		return error_set(err, -EINVAL, "cgroups_path: longer than %zu bytes", size - 1);
	if (*cgroups_path == '/') {
		strbuf_puts(&path, cgroups_path);
	} else if (name && !strchr(prefix, '/')) {
		rc = prefix == cgroups_path ? expand_slice("system.slice", strlen("system.slice"), &path) :
					      expand_slice(cgroups_path, (size_t)(prefix - cgroups_path), &path);
		strbuf_puts(&path, "/");
		strbuf_add(&path, prefix + 1, (size_t)(name - prefix - 1));
		strbuf_puts(&path, name == prefix + 1 ? "" : "-");
		strbuf_puts(&path, name + 1);
		strbuf_puts(&path, ".scope");
	} else {
		rc = -EINVAL;
	}
	if (path.failed)
		return error_errno(err, -ENOMEM, "cgroups_path");
	if (rc < 0)
		return error_set(err, -EINVAL, "cgroups_path: \"%s\": not /PATH or SLICE:PREFIX:NAME",
				 quote(cgroups_path).text);
	rc = name_check_cgroup(path.text, size, err);
	if (rc < 0)
		return error_prefix(err, rc, "cgroups_path");
	snprintf(out, size, "%s", path.text);
	return 0;
}
