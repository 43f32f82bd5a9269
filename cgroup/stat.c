/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a cgroup holds on each node: memory.numa_stat and hugetlb.SIZE.numa_stat.
 */
#include "cgroup/open.h"
#include "cgroup/text.h"
#include "plugin/util.h"

#include <errno.h>
#include <inttypes.h>

#define STAT_TEXT_MAX (1U << 20) /* some 40 kinds on 1024 nodes */

static int read_stat(const struct cgroup_dir *c, const char *file, char **text, struct error *err)
{
	size_t size = 16384;

	for (;;) {
		cleanup_free char *buf = malloc(size);
		ssize_t n;

		if (!buf)
			return error_errno(err, -ENOMEM, "cgroup %.200s: %s", c->path, file);
		n = read_beneath(c->fd, file, buf, size);
		if (n == -EFBIG && size < STAT_TEXT_MAX) {
			size *= 4;
			continue;
		}
		if (n < 0)
			return error_errno(err, (int)n, "cgroup %.200s: %s", c->path, file);
		*text = steal_ptr(buf);
		return 0;
	}
}

int cgroup_read_numa_stat(const struct cgroup_dir *c, struct numa_stat *out, struct error *err)
{
	cleanup_free char *text = NULL;
	int rc = read_stat(c, "memory.numa_stat", &text, err);

	return rc < 0 ? rc : numa_stat_parse(text, out, err);
}

int cgroup_read_hugetlb_stat(const struct cgroup_dir *c, uint64_t size, struct numa_stat *out, struct error *err)
{
	cleanup_free char *text = NULL;
	char file[64];
	int rc;

	/* As the kernel's mem_fmt() names them. */
	if (size >= 1ULL << 30)
		snprintf(file, sizeof(file), "hugetlb.%" PRIu64 "GB.numa_stat", size >> 30);
	else if (size >= 1ULL << 20)
		snprintf(file, sizeof(file), "hugetlb.%" PRIu64 "MB.numa_stat", size >> 20);
	else
		snprintf(file, sizeof(file), "hugetlb.%" PRIu64 "KB.numa_stat", size >> 10);
	rc = read_stat(c, file, &text, err);
	return rc < 0 ? rc : hugetlb_stat_parse(text, out, err);
}
