/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limits what one container may claim: to the ceilings of numaplace.conf, and to what its cgroup lets it use. A claim
 * counts against all other containers from the start, whether it is used or not.
 */
#include "place/choose.h"
#include "cgroup/open.h"
#include "cgroup/text.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define NO_LIMIT UINT64_MAX

/* --- ceilings --- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a && (!b || a < b) ? a : b;
}

static uint64_t huge_asked(const struct request *r, uint64_t huge_default)
{
	uint64_t bytes = r->huge_memory ? r->memory : 0;

	if (huge_default)
		bytes = (bytes + huge_default - 1) / huge_default * huge_default;
	for (unsigned int i = 0; i < r->nhuge; i++)
		bytes += r->huge[i].size * r->huge[i].count; /* each at most 2^60 */
	return bytes;
}

static int refuse_bytes(const char *key, uint64_t asked, uint64_t max, const char *ceiling, struct error *err)
{
	char texts[2][32];

	size_human(asked, texts[0], sizeof(texts[0]));
	size_human(max, texts[1], sizeof(texts[1]));
	return error_set(err, -ENOSPC, "%s: %s requested, this host allows a container %s (%s)", key, texts[0], texts[1],
			 ceiling);
}

/* A tenant's ceiling also bounds each of its containers. That much can be checked before the cgroup is known. */
static int check_memory(const struct conf *conf, const struct request *r, uint64_t huge_default, struct error *err)
{
	uint64_t max = least(conf->max_memory, conf->max_memory_each);
	uint64_t max_huge = least(conf->max_hugepages, conf->max_hugepages_each);
	uint64_t huge = huge_asked(r, huge_default);

	if (max && !r->huge_memory && r->memory > max)
		return refuse_bytes("limits.memory", r->memory, max,
				    max == conf->max_memory ? "max-memory" : "max-memory-each", err);
	if (max_huge && huge > max_huge)
		return refuse_bytes("limits.memory.hugepages", huge, max_huge,
				    max_huge == conf->max_hugepages ? "max-hugepages" : "max-hugepages-each", err);
	return 0;
}

int claim_check(const struct conf *conf, const struct request *r, uint64_t huge_default, struct error *err)
{
	unsigned int cpus = r->cpu_listed ? idset_count(&r->cpu_list) : r->cpu_count;
	unsigned int max = (unsigned int)least(conf->max_cpus, conf->max_cpus_each);

	if (max && cpus > max)
		return error_set(err, -ENOSPC, "limits.cpu: %u CPUs, this host allows a container %u (%s)", cpus, max,
				 max == conf->max_cpus ? "max-cpus" : "max-cpus-each");
	if (!conf->devices_allowed && r->ndevices)
		return error_set(err, -EPERM, "limits.cpu.device: not allowed on this host (devices = false)");
	return check_memory(conf, r, huge_default, err);
}

/* --- limits of the cgroup --- */

static void cut_to(struct choice *c, uint64_t limit, const char *whose)
{
	char asked[32], counted[32];

	if (c->request.memory <= limit)
		return;
	size_human(c->request.memory, asked, sizeof(asked));
	size_human(limit, counted, sizeof(counted));
	snprintf(c->cut, sizeof(c->cut), "limits.memory: %s requested, counted as %s: %s allows no more", asked, counted,
		 whose);
	c->request.memory = limit;
}

void claim_cut_known(struct choice *c)
{
	if (c->request.memory_limit)
		cut_to(c, c->request.memory_limit, "the container's own memory limit");
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
static own_frame int effective_limit(int mount, const struct cgroup_dir *c, const char *file, uint64_t *out,
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

static int cut_pages(struct choice *c, int mount, const struct cgroup_dir *cgroup, struct huge_request *h,
		     struct error *err)
{
	char file[64];
	uint64_t limit;
	int rc;

	hugetlb_file(h->size, "max", file, sizeof(file));
	rc = effective_limit(mount, cgroup, file, &limit, err);
	if (rc < 0 || h->count <= limit / h->size)
		return rc;
	snprintf(c->cut, sizeof(c->cut),
		 "limits.memory.hugepages: %" PRIu64 " pages requested, counted as %" PRIu64 ": %s allows no more", h->count,
		 limit / h->size, file);
	h->count = limit / h->size;
	return 0;
}

/* limits.memory as hugepages of the default size. */
static int cut_huge_memory(struct choice *c, int mount, const struct cgroup_dir *cgroup, struct error *err)
{
	uint64_t size = c->topology->huge_default ? c->topology->huge_default : c->topology->huge_size[0], limit;
	char file[64];
	int rc;

	if (!size)
		return 0;
	hugetlb_file(size, "max", file, sizeof(file));
	rc = effective_limit(mount, cgroup, file, &limit, err);
	if (rc == 0)
		cut_to(c, limit, file);
	return rc;
}

int claim_cut(struct choice *c, int mount, const struct cgroup_dir *cgroup, struct error *err)
{
	struct request *r = &c->request;
	uint64_t limit;
	int rc = 0;

	if (r->huge_memory) {
		rc = cut_huge_memory(c, mount, cgroup, err);
	} else if (r->memory) {
		rc = effective_limit(mount, cgroup, "memory.max", &limit, err);
		if (rc == 0)
			cut_to(c, limit, "memory.max");
	}
	for (unsigned int i = 0; i < r->nhuge && rc == 0; i++)
		rc = cut_pages(c, mount, cgroup, &r->huge[i], err);
	return rc;
}
