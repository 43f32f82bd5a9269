/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ceilings of numaplace.conf, the rules for memory policies and plans, and the sums of a tenant. A tenant's sums
 * are computed only if numaplace.conf limits them, as that reads all records.
 */
#include "place/admit.h"

#include "place/place.h"
#include "place/tenant.h"
#include "plugin/base/hash.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

/* --- before the lock: the request alone --- */

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

static int refuse_claim(const char *key, uint64_t asked, uint64_t max, const char *ceiling, struct error *err)
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
		return refuse_claim("limits.memory", r->memory, max,
				    max == conf->max_memory ? "max-memory" : "max-memory-each", err);
	if (max_huge && huge > max_huge)
		return refuse_claim("limits.memory.hugepages", huge, max_huge,
				    max_huge == conf->max_hugepages ? "max-hugepages" : "max-hugepages-each", err);
	return 0;
}

int admit_claim(const struct conf *conf, const struct request *r, uint64_t huge_default, struct error *err)
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

/* Only strict needs nothing but a cpuset; a hook cannot set a memory policy. */
static int check_policy(const struct place_job *job, struct error *err)
{
	const char *remedy = "needs numaplace-runtime or podman's precreate stage";

	if (job->request.policy == POLICY_STRICT || job->applied)
		return 0;
	if (strcmp(job->runtime_class, "oci") != 0)
		remedy = "not supported under this runtime, only strict is";
	return error_set(err, -ENOTSUP, "limits.memory.policy: \"%s\": %s: a hook cannot set a memory policy",
			 memory_policy_name(job->request.policy), remedy);
}

int admit_request(const struct conf *conf, const struct place_job *job, struct error *err)
{
	int rc;

	if (name_check_id(job->id, err) < 0)
		return error_prefix(err, -EINVAL, "id");
	if (job->offered && job->request.irq != IRQ_NONE)
		return error_set(err, -ENOTSUP, "limits.cpu.irq: \"%s\": not supported where %s applies the placement",
				 irq_mode_name(job->request.irq), job->offered);
	rc = admit_claim(conf, &job->request, 0, err);
	return rc < 0 ? rc : check_policy(job, err);
}

/* --- the choice --- */

/* An empty set is no plan, or no pin. */
static int check_overlap(struct ids pin, struct ids planned, const char *file, struct error *err)
{
	char want[120], have[120];

	if (ids_empty(planned) || ids_empty(pin) || ids_intersects(pin, planned))
		return 0;
	ids_format(planned, want, sizeof(want));
	ids_format(pin, have, sizeof(have));
	return error_set(err, -ENOSPC, "planned %s %s do not overlap the cgroup's %s", file, want, have);
}

int admit_restored(const struct place_job *job, struct error *err)
{
	if (job->request.policy == POLICY_STRICT)
		return 0;
	return error_set(err, -ENOTSUP, "limits.memory.policy: \"%s\": CRIU does not restore a memory policy: the container "
			 "can be started, not restored", memory_policy_name(job->request.policy));
}

int admit_plan(const struct place_job *job, struct constraints *limits, struct error *err)
{
	int rc = check_overlap(ids_of(&limits->pin_cpus), ids_of(&job->planned_cpus), "cpuset.cpus", err);

	if (rc == 0)
		rc = check_overlap(ids_of(&limits->pin_mems), ids_of(&job->planned_mems), "cpuset.mems", err);
	if (rc < 0)
		return rc;
	idset_narrow(&limits->pin_cpus, &job->planned_cpus);
	nodeset_narrow(&limits->pin_mems, &job->planned_mems);
	return 0;
}

unsigned int admit_cpus_asked(const struct request *r)
{
	return r->cpu_listed ? idset_count(&r->cpu_list) : r->cpu_count;
}

int admit_exclusive(const struct conf *conf, const struct usage *u, unsigned int more, struct error *err)
{
	unsigned int held = 0;

	if (!conf->max_exclusive_cpus)
		return 0;
	for (unsigned int i = 0; i < u->cpu_ids; i++)
		held += u->exclusive[i] > 0;
	if (held + more <= conf->max_exclusive_cpus)
		return 0;
	return error_set(err, -ENOSPC,
			 "limits.cpu.exclusive: %u more on top of %u held, this host allows %u in all "
			 "(max-exclusive-cpus)",
			 more, held, conf->max_exclusive_cpus);
}

/* The policy has been set on the planned nodes; on other nodes it would silently have no effect. */
static int check_plan(const struct place_job *job, const struct placement *p, struct error *err)
{
	char want[120], have[120];

	if (p->policy == POLICY_STRICT || nodeset_empty(&job->planned_mems) ||
	    nodeset_equal(&job->planned_mems, &p->mems))
		return 0;
	nodeset_format(&job->planned_mems, want, sizeof(want));
	nodeset_format(&p->mems, have, sizeof(have));
	return error_set(err, -EAGAIN,
			 "limits.memory.policy: was set for nodes %s, but only %s %s available now: restart the container",
			 want, have, nodeset_count(&p->mems) == 1 ? "is" : "are");
}

/* --- the tenant's sums --- */

struct sum {
	const struct topology *topology;
	const struct conf *conf;
	const struct record *own;
	bool skipped; /* @own is already recorded, and not counted */
	char tenant[TENANT_MAX];
	struct tenant_claim held;
};

static int add_claim(void *arg, const struct record *r)
{
	struct sum *s = arg;
	char tenant[TENANT_MAX];
	struct tenant_claim c;

	/* Reservations have no inode yet. */
	if (r->cgroup_inode == s->own->cgroup_inode && strcmp(r->id, s->own->id) == 0) {
		s->skipped = true;
		return 0;
	}
	tenant_of(s->conf->tenants, r, tenant);
	if (strcmp(tenant, s->tenant) != 0)
		return 0;
	c = tenant_claim(s->topology, r);
	s->held.cpus = tenant_plus(s->held.cpus, c.cpus);
	s->held.exclusive = tenant_plus(s->held.exclusive, c.exclusive);
	s->held.memory = tenant_plus(s->held.memory, c.memory);
	s->held.huge = tenant_plus(s->held.huge, c.huge);
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

static int refuse_tenant(const char *key, uint64_t more, const struct sum *s, uint64_t held, uint64_t max,
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
static int compare(const struct sum *s, const struct tenant_claim *more, struct error *err)
{
	const struct conf *c = s->conf;
	const struct tenant_claim *held = &s->held;

	if (over(c->max_exclusive_each, more->exclusive, held->exclusive))
		return refuse_cpus("limits.cpu.exclusive", more->exclusive, s, held->exclusive, c->max_exclusive_each,
				   "max-exclusive-cpus-each", err);
	if (over(c->max_cpus_each, more->cpus, held->cpus))
		return refuse_cpus("limits.cpu", more->cpus, s, held->cpus, c->max_cpus_each, "max-cpus-each", err);
	if (over(c->max_memory_each, more->memory, held->memory))
		return refuse_tenant("limits.memory", more->memory, s, held->memory, c->max_memory_each,
				    "max-memory-each", err);
	if (over(c->max_hugepages_each, more->huge, held->huge))
		return refuse_tenant("limits.memory.hugepages", more->huge, s, held->huge, c->max_hugepages_each,
				    "max-hugepages-each", err);
	return 0;
}

static bool has_ceiling(const struct conf *c, const struct tenant_claim *more)
{
	return (c->max_exclusive_each && more->exclusive) || (c->max_cpus_each && more->cpus) ||
	       (c->max_memory_each && more->memory) || (c->max_hugepages_each && more->huge);
}

/* Hashes the tenant's name and the list of tenants, which decides what belongs to it. */
static uint64_t key_of(const struct sum *s)
{
	return hash_text(hash_text(HASH_START, s->tenant), s->conf->tenants);
}

/* Sums what the tenant holds. */
static int sum_up(struct ledger *l, struct sum *s, struct error *err)
{
	uint64_t v[LEDGER_MEMO_VALUES];
	int rc = 0;

	s->held = (struct tenant_claim){ 0 };
	s->skipped = false;
	if (ledger_recall(l, key_of(s), v))
		s->held = (struct tenant_claim){ v[0], v[1], v[2], v[3] };
	else
		rc = ledger_each(l, add_claim, s, err);
	return rc;
}

/* Stores the sums of a refusal: the same tenant may ask again and again, while other starts wait for the lock. */
static void keep_sums(const struct ledger *l, const struct sum *s)
{
	const struct tenant_claim *h = &s->held;

	if (!s->skipped)
		ledger_remember(l, key_of(s), (uint64_t[]){ h->cpus, h->exclusive, h->memory, h->huge });
}

int admit_tenant(struct ledger *l, const struct topology *t, const struct conf *conf, const struct record *r,
		 struct error *err)
{
	struct tenant_claim more = tenant_claim(t, r);
	struct sum s = { .topology = t, .conf = conf, .own = r };
	int rc, gone;

	if (!has_ceiling(conf, &more))
		return 0;
	tenant_of(conf->tenants, r, s.tenant);
	rc = sum_up(l, &s, err);
	if (rc < 0 || compare(&s, &more, NULL) == 0)
		return rc;
	/* Sweep dead containers before refusing, unless the claim alone exceeds the limit. */
	gone = compare(&(struct sum){ .conf = conf }, &more, NULL) < 0 ? 0 : ledger_sweep_more(l, err);
	if (gone > 0)
		rc = sum_up(l, &s, err);
	if (gone < 0 || rc < 0)
		return gone < 0 ? gone : rc;
	rc = compare(&s, &more, err);
	if (rc < 0)
		keep_sums(l, &s);
	return rc;
}

int admit_placement(struct ledger *l, const struct topology *t, const struct conf *conf, const struct place_job *job,
		    const struct record *r, struct error *err)
{
	int rc = check_plan(job, &r->placement, err);

	return rc < 0 ? rc : admit_tenant(l, t, conf, r, err);
}
