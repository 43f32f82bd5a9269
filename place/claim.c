/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads memory.max and hugetlb.SIZE.max of a cgroup and of its ancestors, each of which limits all below it. A claim
 * counts against all other containers from the start, whether it is used or not.
 */
#include "place/claim.h"

#include "cgroup/open.h"
#include "cgroup/text.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define NO_LIMIT UINT64_MAX

static void cut_to(struct constraints *limits, uint64_t limit, const char *whose)
{
	char asked[32], counted[32];

	if (limits->memory <= limit)
		return;
	size_human(limits->memory, asked, sizeof(asked));
	size_human(limit, counted, sizeof(counted));
	snprintf(limits->cut, sizeof(limits->cut), "limits.memory: %s requested, counted as %s: %s allows no more",
		 asked, counted, whose);
	limits->memory = limit;
}

void claim_cut_known(struct constraints *limits, const struct request *r)
{
	if (r->memory_limit)
		cut_to(limits, r->memory_limit, "the container's own memory limit");
}

/* Parses "max" or a number of bytes. */
static bool limit_parse(const char *text, uint64_t *out)
{
	char *end;

	if (strcmp(text, "max\n") == 0) {
		*out = NO_LIMIT;
		return true;
	}
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoumax(text, &end, 10);
	return !errno && strcmp(end, "\n") == 0;
}

/* NO_LIMIT also if the controller is not enabled. */
static int read_limit(int dir, const char *file, uint64_t *out, struct error *err)
{
	char text[64];
	ssize_t n = read_beneath(dir, file, text, sizeof(text));

	if (n == -ENOENT || n == -ENODEV) {
		*out = NO_LIMIT;
		return 0;
	}
	if (n < 0)
		return error_errno(err, (int)n, "cgroup %.200s", file);
	if (!limit_parse(text, out))
		return error_set(err, -EINVAL, "cgroup %.200s: invalid value \"%s\"", file, quote(text).text);
	return 0;
}

/* The smallest limit of the cgroup and its ancestors, each of which bounds all below it. */
static int effective_limit(int mount, const struct cgroup_dir *c, const char *file, uint64_t *out,
			   struct error *err)
{
	char path[CGROUP_PATH_MAX + 64];
	uint64_t limit = NO_LIMIT, above;
	int rc = read_limit(c->fd, file, &limit, err);

	snprintf(path, CGROUP_PATH_MAX, "%s", c->path);
	for (char *slash; rc == 0 && (slash = strrchr(path, '/')) && slash != path;) {
		*slash = '\0';
		snprintf(slash, 64, "/%s", file);
		rc = read_limit(mount, path, &above, err);
		*slash = '\0';
		if (rc == 0 && above < limit)
			limit = above;
	}
	if (rc == 0)
		*out = limit;
	return rc;
}

int claim_memory_limit(int mount, const struct cgroup_dir *cgroup, uint64_t *out, struct error *err)
{
	return effective_limit(mount, cgroup, "memory.max", out, err);
}

/* Reduces *@count pages of @size bytes. */
static int cut_pages(struct constraints *limits, int mount, const struct cgroup_dir *cgroup, uint64_t size,
		     uint64_t *count, struct error *err)
{
	char file[64];
	uint64_t limit;
	int rc;

	hugetlb_file(size, "max", file, sizeof(file));
	rc = effective_limit(mount, cgroup, file, &limit, err);
	if (rc < 0 || *count <= limit / size)
		return rc;
	snprintf(limits->cut, sizeof(limits->cut),
		 "limits.memory.hugepages: %" PRIu64 " pages requested, counted as %" PRIu64 ": %s allows no more", *count,
		 limit / size, file);
	*count = limit / size;
	return 0;
}

/* limits.memory as hugepages of the default size. */
static int cut_huge_memory(struct constraints *limits, const struct topology *t, int mount,
			   const struct cgroup_dir *cgroup, struct error *err)
{
	uint64_t size = t->huge_default ? t->huge_default : t->huge_size[0], limit;
	char file[64];
	int rc;

	if (!size)
		return 0;
	hugetlb_file(size, "max", file, sizeof(file));
	rc = effective_limit(mount, cgroup, file, &limit, err);
	if (rc == 0)
		cut_to(limits, limit, file);
	return rc;
}

int claim_cut(struct constraints *limits, const struct request *r, const struct topology *t, int mount,
	      const struct cgroup_dir *cgroup, struct error *err)
{
	uint64_t limit;
	int rc = 0;

	if (r->huge_memory) {
		rc = cut_huge_memory(limits, t, mount, cgroup, err);
	} else if (limits->memory) {
		rc = claim_memory_limit(mount, cgroup, &limit, err);
		if (rc == 0)
			cut_to(limits, limit, "memory.max");
	}
	for (unsigned int i = 0; i < r->nhuge && rc == 0; i++)
		rc = cut_pages(limits, mount, cgroup, r->huge[i].size, &limits->huge_count[i], err);
	return rc;
}
