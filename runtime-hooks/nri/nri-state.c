/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The runtime closes a plugin that fails here. So nothing does but a lack of memory: placements work without what was read.
 */
#include "runtime-hooks/nri/nri-state.h"

#include "plugin/base/hash.h"
#include "plugin/base/util.h"
#include "plugin/base/vec.h"
#include "runtime-hooks/common/hook.h"
#include "runtime-hooks/nri/nri-patience.h"

#include <errno.h>
#include <string.h>

static int compare_members(const void *a, const void *b)
{
	return strcmp(((const struct nri_member *)a)->id, ((const struct nri_member *)b)->id);
}

static const struct nri_member *find_member(const struct nri_agent *a, const char *id)
{
	return a->members ? bsearch(id, a->members, a->nmembers, sizeof(*a->members), compare_members) : NULL;
}

static bool is_member(const void *arg, const char *id)
{
	return find_member(arg, id);
}

static int add_members(struct nri_agent *a, const struct nri_state *s, struct error *err)
{
	for (size_t i = 0; i < s->ncontainers; i++) {
		const struct nri_container *c = &s->containers[i];
		struct nri_member *m;

		if (c->id.len > NAME_ID_MAX || c->pod.len > NAME_ID_MAX)
			continue; /* never placed */
		if (a->nmembers == NRI_CONTAINERS_MAX)
			return error_set(err, -E2BIG, "more than %u containers", NRI_CONTAINERS_MAX);
		m = vec_push(a->members, a->nmembers, a->member_room);
		if (!m)
			return error_errno(err, -ENOMEM, "containers");
		snprintf(m->id, sizeof(m->id), "%s", c->id.text);
		snprintf(m->pod, sizeof(m->pod), "%s", c->pod.text);
		snprintf(m->name, sizeof(m->name), "%s", c->name.text);
		m->place = hash_text(hash_text(HASH_START, c->resources.cpus.text), c->resources.mems.text);
	}
	return 0;
}

/* Whether the spec of the container, which the runtime writes again at its next update, has another place. */
static bool has_moved(const struct nri_agent *a, const struct nri_member *m, const struct record *r)
{
	char cpus[IDSET_TEXT_MAX], mems[IDSET_TEXT_MAX];

	/* The next update of a pinned container has its pins: the ledger may have old ones. */
	if (strcmp(r->runtime, a->runtime) != 0 || record_is_reserved(r) || !idset_empty(&r->request.pin_cpus) ||
	    !nodeset_empty(&r->request.pin_mems))
		return false;
	idset_format(&r->placement.share.cpus, cpus, sizeof(cpus));
	nodeset_format(&r->placement.mems, mems, sizeof(mems));
	return m->place != hash_text(hash_text(HASH_START, cpus), mems);
}

static int read_record(void *arg, const struct record *r)
{
	struct nri_agent *a = arg;
	const struct nri_member *m = find_member(a, r->id);
	const struct nri_home made = { .nodes = r->placement.nodes, .mems = r->placement.mems };

	if (!m)
		return 0;
	nri_home_join(&a->homes, m->pod, m->name, r->id, &made);
	if (has_moved(a, m, r))
		nri_moves_add(&a->moves, r);
	return 0;
}

static int read_ledger(struct nri_agent *a, struct place_env *env, struct error *err)
{
	cleanup_machine struct machine machine = { 0 };
	cleanup_ledger struct ledger *ledger = NULL;
	int rc = machine_read(&machine, env, false, false, err); /* from the cache: the runtime waits */

	if (rc == 0)
		rc = place_look(env, machine.topology, &ledger, err);
	a->homes.n = 0;
	if (rc == 0 && ledger)
		rc = ledger_each(ledger, read_record, a, err);
	a->homes_known = rc == 0;
	return rc;
}

struct cancel {
	struct place_env *env;
	const struct nri_agent *agent;
};

static int step_cancel_others(void *arg, struct error *err)
{
	struct cancel *c = arg;

	return place_cancel_others(c->env, c->agent->runtime, is_member, c->agent, err);
}

int nri_state_handle(void *ctx, const struct nri_state *s, struct error *err)
{
	struct nri_agent *a = ctx;
	cleanup_env struct place_env env = PLACE_ENV_NONE;
	struct cancel step = { .env = &env, .agent = a };
	struct error why;
	int rc = add_members(a, s, err);

	if (s->more && rc == 0)
		return 0;
	if (rc == 0) {
		if (a->members) /* neither qsort() nor bsearch() takes NULL */
			qsort(a->members, a->nmembers, sizeof(*a->members), compare_members);
		if (nri_conf(a, &env, &why) < 0)
			hook_warn(why.text);
		rc = nri_patiently(a, step_cancel_others, &step, err);
	}
	if (rc == 0)
		rc = read_ledger(a, &env, err);
	free(steal_ptr(a->members));
	a->nmembers = a->member_room = 0;
	/* The runtime closes a plugin that fails here; placements work without what was read. */
	if (rc < 0)
		hook_warn(err->text);
	return 0;
}

/* --- moves --- */

struct ended {
	struct nri_agent *agent;
	size_t n, room;
	uint64_t *inode;
};

static void add_inode(void *arg, uint64_t inode)
{
	struct ended *ended = arg;
	uint64_t *added = vec_push(ended->inode, ended->n, ended->room);

	if (added)
		*added = inode;
}

static int note_moved(void *arg, const struct record *r)
{
	const struct ended *ended = arg;

	for (size_t i = 0; i < ended->n; i++)
		if (r->cgroup_inode == ended->inode[i] && strcmp(r->runtime, ended->agent->runtime) == 0)
			nri_moves_add(&ended->agent->moves, r);
	return 0;
}

static int step_note(void *arg, struct error *err)
{
	struct ended *ended = arg;
	cleanup_env struct place_env env = PLACE_ENV_NONE;
	cleanup_machine struct machine machine = { 0 };
	cleanup_ledger struct ledger *ledger = NULL;
	struct error why;
	int rc;

	if (nri_conf(ended->agent, &env, &why) < 0)
		hook_warn(why.text);
	rc = place_open(&env, PLACE_READ, err);
	if (rc == 0)
		rc = machine_read(&machine, &env, false, false, err);
	if (rc == 0)
		rc = place_look(&env, machine.topology, &ledger, err);
	return rc < 0 || !ledger ? rc : ledger_each(ledger, note_moved, ended, err);
}

void nri_state_moved(struct nri_agent *a)
{
	struct ended ended = { .agent = a };
	struct error err;

	nri_moves_read(&a->moves, add_inode, &ended);
	if (ended.n && nri_patiently(a, step_note, &ended, &err) < 0)
		hook_warn(err.text);
	free(ended.inode);
}
