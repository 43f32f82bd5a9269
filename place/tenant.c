/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sum of what one tenant's containers claim, to limit it. Computed only if numaplace.conf sets such a limit, as
 * it reads all records.
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

/* Claims of one container, or of a tenant; units as in struct conf. */
struct claim {
	uint64_t cpus, exclusive, memory, huge;
};

/* Saturates: a node of unknown size may be given out without bound. */
static uint64_t plus(uint64_t a, uint64_t b)
{
	return a < UINT64_MAX - b ? a + b : UINT64_MAX;
}

static struct claim claim_of(const struct topology *t, const struct record *r)
{
	const struct share *s = &r->placement.share;
	struct claim c = { .cpus = s->count, .exclusive = idset_count(&s->held) };

	for (unsigned int i = 0; i < s->nmem; i++) {
		c.memory = plus(c.memory, s->mem[i].memory);
		for (unsigned int h = 0; h < t->nhuge; h++)
			c.huge = plus(c.huge, s->mem[i].huge[h] * t->huge_size[h]);
	}
	return c;
}

struct sum {
	const struct topology *topology;
	const struct conf *conf;
	const struct record *own;
	bool skipped; /* @own is already recorded, and not counted */
	char tenant[TENANT_MAX];
	struct claim held;
};

static int add(void *arg, const struct record *r)
{
	struct sum *s = arg;
	char tenant[TENANT_MAX];
	struct claim c;

	if (r->cgroup_inode == s->own->cgroup_inode) {
		s->skipped = true;
		return 0;
	}
	tenant_of(s->conf->tenants, r, tenant);
	if (strcmp(tenant, s->tenant) != 0)
		return 0;
	c = claim_of(s->topology, r);
	s->held.cpus = plus(s->held.cpus, c.cpus);
	s->held.exclusive = plus(s->held.exclusive, c.exclusive);
	s->held.memory = plus(s->held.memory, c.memory);
	s->held.huge = plus(s->held.huge, c.huge);
	return 0;
}

static bool over(uint64_t max, uint64_t more, uint64_t held)
{
	return max && more && (more > max || held > max - more);
}

static int refuse_cpus(const char *key, uint64_t more, const struct sum *s, uint64_t held, unsigned int max,
		       const char *ceiling, struct error *err)
{
	return error_set(err, -ENOSPC, "%s: %llu more on top of %llu held in %.200s, this host allows each %u (%s)", key,
			 (unsigned long long)more, (unsigned long long)held, quote(s->tenant).text, max, ceiling);
}

static int refuse_bytes(const char *key, uint64_t more, const struct sum *s, uint64_t held, uint64_t max,
			const char *ceiling, struct error *err)
{
	char texts[3][32];

	size_human(more, texts[0], sizeof(texts[0]));
	size_human(held, texts[1], sizeof(texts[1]));
	size_human(max, texts[2], sizeof(texts[2]));
	return error_set(err, -ENOSPC, "%s: %s more on top of %s held in %.200s, this host allows each %s (%s)", key,
			 texts[0], texts[1], quote(s->tenant).text, texts[2], ceiling);
}

/* -ENOSPC for the first limit that @more exceeds. */
static int compare(const struct sum *s, const struct claim *more, struct error *err)
{
	const struct conf *c = s->conf;
	const struct claim *held = &s->held;

	if (over(c->max_exclusive_each, more->exclusive, held->exclusive))
		return refuse_cpus("limits.cpu.exclusive", more->exclusive, s, held->exclusive, c->max_exclusive_each,
				   "max-exclusive-cpus-each", err);
	if (over(c->max_cpus_each, more->cpus, held->cpus))
		return refuse_cpus("limits.cpu", more->cpus, s, held->cpus, c->max_cpus_each, "max-cpus-each", err);
	if (over(c->max_memory_each, more->memory, held->memory))
		return refuse_bytes("limits.memory", more->memory, s, held->memory, c->max_memory_each,
				    "max-memory-each", err);
	if (over(c->max_hugepages_each, more->huge, held->huge))
		return refuse_bytes("limits.memory.hugepages", more->huge, s, held->huge, c->max_hugepages_each,
				    "max-hugepages-each", err);
	return 0;
}

static bool has_ceiling(const struct conf *c, const struct claim *more)
{
	return (c->max_exclusive_each && more->exclusive) || (c->max_cpus_each && more->cpus) ||
	       (c->max_memory_each && more->memory) || (c->max_hugepages_each && more->huge);
}

/* FNV-1a over the tenant's name and the list of tenants, which decides what belongs to it. */
static uint64_t key_of(const struct sum *s)
{
	const char *texts[] = { s->tenant, s->conf->tenants };
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		for (const char *p = texts[i];; p++) {
			h = (h ^ (unsigned char)*p) * 0x100000001b3;
			if (!*p)
				break;
		}
	return h;
}

/* Sums what the tenant holds. */
static int count(struct ledger *l, struct sum *s, struct error *err)
{
	uint64_t v[LEDGER_MEMO_VALUES];
	int rc = 0;

	s->held = (struct claim){ 0 };
	s->skipped = false;
	if (ledger_recall(l, key_of(s), v))
		s->held = (struct claim){ v[0], v[1], v[2], v[3] };
	else
		rc = ledger_each(l, add, s, err);
	return rc;
}

/* Stores the sums of a refusal: the same tenant may ask again and again, while other starts wait for the lock. */
static void keep(const struct ledger *l, const struct sum *s)
{
	const struct claim *h = &s->held;

	if (!s->skipped)
		ledger_remember(l, key_of(s), (uint64_t[]){ h->cpus, h->exclusive, h->memory, h->huge });
}

int tenant_check(struct ledger *l, const struct topology *t, const struct conf *conf, const struct record *r,
		 struct error *err)
{
	struct claim more = claim_of(t, r);
	struct sum s = { .topology = t, .conf = conf, .own = r };
	int rc, gone;

	if (!has_ceiling(conf, &more))
		return 0;
	tenant_of(conf->tenants, r, s.tenant);
	rc = count(l, &s, err);
	if (rc < 0 || compare(&s, &more, NULL) == 0)
		return rc;
	/* Sweep dead containers before refusing, unless the claim alone exceeds the limit. */
	gone = compare(&(struct sum){ .conf = conf }, &more, NULL) < 0 ? 0 : ledger_sweep_more(l, err);
	if (gone > 0)
		rc = count(l, &s, err);
	if (gone < 0 || rc < 0)
		return gone < 0 ? gone : rc;
	rc = compare(&s, &more, err);
	if (rc < 0)
		keep(l, &s);
	return rc;
}
