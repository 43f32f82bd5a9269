/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Matches the path of a cgroup with the patterns of numaplace.conf. place/admit.c sums the claims.
 */
#include "place/tenant.h"

#include <errno.h>
#include <string.h>

#include "plugin/base/util.h"

static bool ends_with(const char *text, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && memcmp(text + len - n, end, n) == 0;
}

/* Length of the path without its last part. */
static size_t folder_of(const char *path, size_t len)
{
	while (len && path[len - 1] != '/')
		len--;
	return len ? len - 1 : 0;
}

/*
 * Number of bytes of @path (of @len bytes) that @pattern (of @plen) matches, component by component; 0: no match. A
 * pattern component that ends in * matches every component that begins with the rest of it.
 */
static size_t match(const char *pattern, size_t plen, const char *path, size_t len)
{
	size_t p = 0, at = 0;

	while (p < plen) {
		size_t want, has;

		if (at >= len || path[at] != '/')
			return 0;
		p++;
		at++;
		for (want = 0; p + want < plen && pattern[p + want] != '/'; want++)
			;
		for (has = 0; at + has < len && path[at + has] != '/'; has++)
			;
		if (want && pattern[p + want - 1] == '*' ? has < want - 1 || memcmp(pattern + p, path + at, want - 1) != 0 :
							   has != want || memcmp(pattern + p, path + at, want) != 0)
			return 0;
		p += want;
		at += has;
	}
	return at;
}

void tenant_of(const char *tenants, const struct record *r, char out[TENANT_MAX])
{
	const char *path = r->cgroup ? r->cgroup : "";
	bool daemon = strcmp(r->runtime, "incus") == 0 || strcmp(r->runtime, "lxd") == 0;
	size_t len, best = 0;

	if (daemon) {
		/* PROJECT_NAME, or NAME in the default project; an instance name has no underscore. */
		const char *end = strrchr(r->id, '_');

		snprintf(out, TENANT_MAX, "project %.*s", end ? (int)(end - r->id) : 7, end ? r->id : "default");
		return;
	}
	/* The container's own cgroup is not a tenant: start at its parent. */
	len = folder_of(path, strlen(path));
	/* crun creates SCOPE/container. */
	if (ends_with(path, len, ".scope"))
		len = folder_of(path, len);
	for (const char *p = *tenants ? tenants : TENANTS_DEFAULT; *p == '/';) {
		size_t plen = strcspn(p, " "), n = match(p, plen, path, len);

		best = n > best ? n : best;
		p += plen;
		p += *p == ' ';
	}
	if (best)
		snprintf(out, TENANT_MAX, "cgroup %.*s", (int)best, path);
	else
		snprintf(out, TENANT_MAX, "cgroups outside of tenants");
}

uint64_t tenant_plus(uint64_t a, uint64_t b)
{
	return a < UINT64_MAX - b ? a + b : UINT64_MAX;
}

struct tenant_claim tenant_claim(const struct topology *t, const struct record *r)
{
	const struct share *s = &r->placement.share;
	struct tenant_claim c = { .cpus = s->count, .exclusive = idset_count(&s->held) };

	for (unsigned int i = 0; i < s->nmem; i++) {
		c.memory = tenant_plus(c.memory, s->mem[i].memory);
		for (unsigned int h = 0; h < t->nhuge; h++)
			c.huge = tenant_plus(c.huge, s->mem[i].huge[h] * t->huge_size[h]);
	}
	return c;
}
