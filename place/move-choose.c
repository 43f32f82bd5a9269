/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A move has other nodes and the recorded request; a resize has another request and, if they have room, the present nodes.
 */
#include "place/move-choose.h"

#include "place/admit.h"
#include "place/claim.h"
#include "place/irq.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define CPU_KEYS \
	(1U << KEY_CPU | 1U << KEY_CPU_NODES | 1U << KEY_CPU_EXCLUSIVE | 1U << KEY_CPU_DEVICE | 1U << KEY_CPU_CLASS | \
	 1U << KEY_CPU_THREADS | 1U << KEY_CPU_IRQ)

/*
 * A memory policy names its nodes, and only the process itself can change it; preferred would continue to prefer the
 * old nodes. Interleave should follow the cpuset, but in a test (Linux 6.12, emulated) it did not finish.
 */
static int refuse_policy(const struct record *r, struct error *err)
{
	return error_set(err, -ENOTSUP,
			 "limits.memory.policy: \"%s\": cannot be moved: its processes have a policy with fixed nodes",
			 memory_policy_name(r->placement.policy));
}

static int read_allowed(const struct move_choice *c, const struct place_env *env, struct constraints *limits,
			struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir parent = CGROUP_DIR_NONE;
	int rc = cgroup_parent(env->mount, c->cgroup, &parent, err);

	if (rc == 0)
		rc = cgroup_read_effective(&parent, &limits->allowed_cpus, &limits->allowed_mems, err);
	limits->limited = rc == 0;
	return rc;
}

/* --- the container's own memory --- */

static uint64_t more(uint64_t free, uint64_t own, uint64_t total)
{
	return own < total - free ? free + own : total;
}

/* Counts the container's own memory as free, since it can be used again on the same nodes. */
static void free_own(const struct move_choice *c, struct topology *t)
{
	cleanup_free struct numa_stat *stat = malloc(sizeof(*stat));

	if (!stat)
		return;
	if (cgroup_read_numa_pages(c->cgroup, stat, NULL) == 0) {
		for (unsigned int i = 0; i < stat->n; i++) {
			int n = topology_find_node(t, stat->node[i].id);

			if (n >= 0 && t->nodes[n].mem_free <= t->nodes[n].mem_total)
				t->nodes[n].mem_free = more(t->nodes[n].mem_free, stat->node[i].anon, t->nodes[n].mem_total);
		}
	}
	for (unsigned int h = 0; h < t->nhuge; h++) {
		if (!t->huge_size[h] || cgroup_read_hugetlb_stat(c->cgroup, t->huge_size[h], stat, NULL) < 0)
			continue;
		for (unsigned int i = 0; i < stat->n; i++) {
			int n = topology_find_node(t, stat->node[i].id);

			if (n >= 0 && t->nodes[n].huge_free[h] <= t->nodes[n].huge_total[h])
				t->nodes[n].huge_free[h] = more(t->nodes[n].huge_free[h], stat->node[i].anon / t->huge_size[h],
								t->nodes[n].huge_total[h]);
		}
	}
}

/* Bytes of its own that the container has now, in pages of @huge bytes, or in plain ones (0); 0 if they are not counted. */
static uint64_t used(const struct move_choice *c, uint64_t huge)
{
	cleanup_free struct numa_stat *stat = malloc(sizeof(*stat));
	uint64_t sum = 0;
	int rc = !stat ? -ENOMEM :
		 huge  ? cgroup_read_hugetlb_stat(c->cgroup, huge, stat, NULL) :
			 cgroup_read_numa_pages(c->cgroup, stat, NULL);

	for (unsigned int i = 0; rc == 0 && i < stat->n; i++)
		sum += stat->node[i].anon;
	return sum;
}

static int compare_use(const char *key, uint64_t asked, uint64_t use, struct error *err)
{
	char texts[2][32];

	if (asked >= use)
		return 0;
	size_human(asked, texts[0], sizeof(texts[0]));
	size_human(use, texts[1], sizeof(texts[1]));
	return error_set(err, -EBUSY, "%s: %s requested, the container uses %s", key, texts[0], texts[1]);
}

static uint64_t huge_bytes(const struct request *r, uint64_t size, uint64_t huge_default)
{
	if (r->huge_memory && size == huge_default)
		return r->memory;
	for (unsigned int i = 0; i < r->nhuge; i++)
		if (r->huge[i].size == size)
			return r->huge[i].size * r->huge[i].count;
	return 0;
}

/* Refuses less memory than the container uses. Pages of a size that it never claimed are not looked at. */
static int check_use(const struct move_choice *c, const struct topology *t, const struct request *old, struct error *err)
{
	const struct request *r = &c->request;
	const unsigned int given = c->job->changes->given;
	int rc = 0;

	if (given >> KEY_MEMORY & 1 && !r->huge_memory)
		rc = compare_use("limits.memory", r->memory, used(c, 0), err);
	if (rc < 0 || !(given & (1U << KEY_MEMORY | 1U << KEY_MEMORY_HUGEPAGES)))
		return rc;
	for (unsigned int h = 0; h < t->nhuge && rc == 0; h++)
		if (t->huge_size[h] && huge_bytes(old, t->huge_size[h], t->huge_default))
			rc = compare_use(r->huge_memory ? "limits.memory" : "limits.memory.hugepages",
					 huge_bytes(r, t->huge_size[h], t->huge_default), used(c, t->huge_size[h]), err);
	return rc;
}

/* --- the new record --- */

/* The present nodes must not count as preferred, nor a hint from the start. A record with an empty hint is invalid. */
static void clear_hints(struct request *r)
{
	r->given &= ~(1U << KEY_VOLATILE_CPU_NODES | 1U << KEY_VOLATILE_MEMORY_NODES);
	nodeset_clear(&r->last_nodes);
	nodeset_clear(&r->last_mems);
}

static int choose_on_nodes(struct move_choice *c, struct place_env *env, struct topology *t, struct ledger *l,
			   const struct record *old, struct record *out, struct error *err)
{
	struct request *r = &c->request;
	int rc;

	if (old->placement.policy != POLICY_STRICT)
		return refuse_policy(old, err);
	r->nodes_mode = NODES_LIST;
	r->nodes = c->job->nodes;
	r->all_nodes = false;
	decision_init(&c->decision, env, t, r);
	c->decision.without = &old->placement.share;
	c->decision.cgroup = old->cgroup;
	/* As at its start: if Incus assigns the CPUs, the caller's nodes are a choice, and all of them are used. */
	c->decision.whole = c->mems_only && !r->cpu_listed;
	rc = read_allowed(c, env, &c->decision.limits, err);
	return rc < 0 ? rc : decision_make(&c->decision, l, &out->placement, &out->reasons, err);
}

/* What cannot change while a container runs. */
static int check_changes(const struct move_choice *c, struct error *err)
{
	const unsigned int given = c->job->changes->given;

	for (unsigned int k = 0; k < KEY_COUNT; k++) {
		if (!(given >> k & 1))
			continue;
		if (request_key_is_hint((int)k))
			return error_set(err, -EINVAL, "%s: a running container has its nodes; no hint is used", request_keys[k]);
		if (c->mems_only && CPU_KEYS >> k & 1)
			return error_set(err, -ENOTSUP, "%s: another program assigns the CPUs of this container: change it there",
					 request_keys[k]);
		if (k == KEY_MEMORY_POLICY)
			return error_set(err, -ENOTSUP, "%s: only the container's own processes can change their policy",
					 request_keys[k]);
	}
	return 0;
}

/* Checks the new request as that of a new container, and prepares the decision. */
static int begin_resize(struct move_choice *c, struct place_env *env, struct topology *t, const struct record *old,
			struct error *err)
{
	struct request *r = &c->request;
	int rc = check_changes(c, err);

	request_change(r, c->job->changes);
	if (c->job->memory_limit)
		r->memory = c->job->memory_limit;
	if (rc == 0)
		rc = request_finish(r, err);
	if (rc == 0 && c->job->changes->given >> KEY_CPU_IRQ & 1)
		rc = irq_admit(env, r, err);
	if (rc == 0)
		rc = admit_claim(&env->conf, r, 0, err);
	if (rc == 0)
		rc = decision_begin(&c->decision, env, t, r, err);
	if (rc == 0)
		rc = check_use(c, t, &old->request, err);
	if (rc == 0)
		rc = read_allowed(c, env, &c->decision.limits, err);
	return rc < 0 ? rc : claim_cut(&c->decision.limits, r, t, env->mount, c->cgroup, err);
}

/* For a new memory limit alone: the present CPUs and memory nodes. */
static void stay(struct constraints *limits, const struct placement *now)
{
	limits->pin_cpus = now->share.cpus;
	idset_or(&limits->pin_cpus, &now->share.held);
	limits->pin_mems = now->mems;
}

static int choose_resized(struct move_choice *c, struct place_env *env, struct topology *t, struct ledger *l,
			  const struct record *old, struct record *out, struct error *err)
{
	struct decision *d = &c->decision;
	int rc = begin_resize(c, env, t, old, err);

	if (rc < 0)
		return rc;
	d->without = &old->placement.share;
	d->cgroup = old->cgroup;
	d->whole = c->mems_only && !c->request.cpu_listed;
	d->limits.last_mems = old->placement.mems;
	if (c->job->memory_limit)
		stay(&d->limits, &old->placement);
	rc = decision_make_near(d, l, &old->placement.nodes, &old->placement.mems, &out->placement, &out->reasons, err);
	if (rc < 0)
		return rc;
	if (old->placement.policy != POLICY_STRICT && !nodeset_equal(&old->placement.mems, &out->placement.mems))
		return refuse_policy(old, err);
	out->request = c->request;
	out->request.memory = d->limits.memory;
	for (unsigned int i = 0; i < out->request.nhuge; i++)
		out->request.huge[i].count = d->limits.huge_count[i];
	return admit_tenant(l, t, &env->conf, out, err);
}

int move_choose(struct move_choice *c, struct place_env *env, struct topology *t, struct ledger *l,
		const struct record *old, struct record *out, struct error *err)
{
	int rc = record_begin(out, old, err);

	if (rc < 0)
		return rc;
	free_own(c, t);
	c->request = old->request;
	clear_hints(&c->request);
	out->request = old->request;
	return c->job->changes ? choose_resized(c, env, t, l, old, out, err) : choose_on_nodes(c, env, t, l, old, out, err);
}
