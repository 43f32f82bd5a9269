/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one tenant holds of the exclusive CPUs, so that it cannot take those of others.
 * Asked for only where numaplace.conf has a ceiling, as all records are read for it.
 */
#include "plugin/tenant.h"

#include <errno.h>
#include <string.h>

#include "plugin/util.h"

static bool ends_with(const char *text, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && memcmp(text + len - n, end, n) == 0;
}

/* Up to the last slash before @len. */
static size_t folder_of(const char *path, size_t len)
{
	while (len && path[len - 1] != '/')
		len--;
	return len ? len - 1 : 0;
}

void tenant_of(const struct record *r, char out[TENANT_MAX])
{
	const char *path = r->cgroup ? r->cgroup : "";
	bool daemon = strcmp(r->runtime, "incus") == 0 || strcmp(r->runtime, "lxd") == 0;
	size_t len;

	if (daemon) {
		/* PROJECT_NAME, or NAME in the default one; a name has no underscore. */
		const char *end = strrchr(r->id, '_');

		snprintf(out, TENANT_MAX, "project %.*s", end ? (int)(end - r->id) : 7, end ? r->id : "default");
		return;
	}
	len = folder_of(path, strlen(path));
	/* crun's SCOPE/container */
	if (ends_with(path, len, ".scope"))
		len = folder_of(path, len);
	snprintf(out, TENANT_MAX, "cgroup %.*s", len ? (int)len : 1, len ? path : "/");
}

struct sum {
	const struct record *own;
	char tenant[TENANT_MAX];
	unsigned int held;
};

static int add(void *arg, const struct record *r)
{
	struct sum *s = arg;
	char tenant[TENANT_MAX];

	if (r->cgroup_inode == s->own->cgroup_inode || idset_empty(&r->placement.share.held))
		return 0;
	tenant_of(r, tenant);
	if (strcmp(tenant, s->tenant) == 0)
		s->held += idset_count(&r->placement.share.held);
	return 0;
}

int tenant_check(struct ledger *l, const struct record *r, unsigned int max, struct error *err)
{
	unsigned int more = idset_count(&r->placement.share.held);
	struct sum s = { .own = r };
	int rc = 0;

	if (!max || !more)
		return 0;
	tenant_of(r, s.tenant);
	for (int tries = 0; rc == 0 && tries < 2; tries++) {
		s.held = 0;
		rc = ledger_each(l, add, &s, err);
		if (rc < 0 || s.held + more <= max)
			return rc;
		/* The dead hold nothing, which matters where the container could be placed without them. */
		rc = tries || more > max ? 0 : ledger_sweep_more(l, err);
		rc = rc < 0 ? rc : 0;
	}
	return rc < 0 ? rc : error_set(err, -ENOSPC, "limits.cpu.exclusive: %u more on top of %u held in %.200s, this "
				       "host allows each %u (max-exclusive-cpus-each)",
				       more, s.held, quote(s.tenant).text, max);
}
