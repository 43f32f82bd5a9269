/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Under the lock of the ledger, the record of a machine is written before its reservation is removed: a kill between
 * counts the machine twice for some minutes, and never loses it.
 */
#include "place/note.h"

#include "place/marks.h"
#include "place/message.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

#define MIB (1ULL << 20)

/* --- reservations --- */

/* All memory of a request, in hugepages or not. */
static uint64_t bytes_of(const struct request *r)
{
	uint64_t bytes = r->memory;

	for (unsigned int i = 0; i < r->nhuge; i++)
		bytes += r->huge[i].size * r->huge[i].count;
	return bytes;
}

/* The program that asks knows the memory in MiB, and not that it was rounded up to whole hugepages. */
static bool same_size(const struct request *reserved, const struct request *r)
{
	uint64_t have = (bytes_of(reserved) + MIB - 1) / MIB, want = (bytes_of(r) + MIB - 1) / MIB, more = 0;

	for (unsigned int i = 0; i < reserved->nhuge; i++)
		more += reserved->huge[i].size / MIB;
	return reserved->cpu_count == r->cpu_count && have >= want && have - want <= more;
}

static struct nodeset nodes_of(const struct placement *p)
{
	struct nodeset both = p->nodes;

	nodeset_or(&both, &p->mems);
	return both;
}

/* The oldest reservation that fits. */
struct search {
	const char *runtime, *applied; /* @applied NULL: any */
	const char *not_id;            /* of the caller's own; NULL: none */
	const struct request *size;
	const struct nodeset *within;  /* the nodes of the reservation hold these; NULL: any */
	char id[RECORD_ID_MAX + 1];    /* "": none was found */
	uint64_t started;
};

static int consider(void *arg, const struct record *r)
{
	struct search *s = arg;
	struct nodeset nodes = nodes_of(&r->placement);

	if (!record_is_reserved(r) || strcmp(r->runtime, s->runtime) != 0 || !same_size(&r->request, s->size) ||
	    (s->applied && strcmp(r->applied, s->applied) != 0) || (s->not_id && strcmp(r->id, s->not_id) == 0) ||
	    (s->within && !nodeset_subset(s->within, &nodes)))
		return 0;
	if (*s->id && r->started >= s->started)
		return 0;
	snprintf(s->id, sizeof(s->id), "%s", r->id);
	s->started = r->started;
	return 0;
}

/* Reads the oldest reservation into @out. -ENOENT: nothing is reserved. */
static int find_oldest(struct ledger *l, struct search *s, const char *runtime_class, struct record *out,
		       struct error *err)
{
	int rc = ledger_each(l, consider, s, err);

	if (rc == 0 && !*s->id)
		return -ENOENT;
	return rc < 0 ? rc : ledger_find_cgroup(l, runtime_class, s->id, 0, out, err);
}

/* --- advice --- */

static int open_ledger(struct place_env *env, const struct machine *machine, struct ledger_world *world,
		       struct ledger **out, struct error *err)
{
	liveness_init(&env->live, env->root, env->mount, env->state, machine->topology, machine_boot_id(machine));
	*world = liveness_world(&env->live);
	return ledger_open(env->state, machine->topology, world, env->timeout_ms, out, err);
}

/* -ENOENT: nothing is reserved for this question. */
static int answer_reserved(struct place_env *env, const struct place_job *job, struct nodeset *nodes, struct error *err)
{
	struct search s = { .runtime = job->runtime, .applied = NOTE_ASKED, .size = &job->request };
	cleanup_machine struct machine machine = { 0 };
	cleanup_record struct record r = { 0 };
	cleanup_ledger struct ledger *l = NULL;
	struct ledger_world world;
	int rc = place_open(env, PLACE_WRITE, err);

	if (rc == 0)
		rc = place_need_state(env, err);
	if (rc == 0)
		rc = machine_read(&machine, env, false, false, err);
	if (rc == 0)
		rc = open_ledger(env, &machine, &world, &l, err);
	if (rc == 0)
		rc = find_oldest(l, &s, job->runtime_class, &r, err);
	if (rc == 0) {
		snprintf(r.applied, sizeof(r.applied), "%s", NOTE_ADVISED);
		rc = ledger_add(l, job->runtime_class, &r, err);
	}
	if (l)
		place_say_ledger(env, l);
	if (rc == 0)
		*nodes = nodes_of(&r.placement);
	return rc;
}

int place_advise(struct place_env *env, const struct place_job *job, const char *cgroup, struct nodeset *nodes,
		 struct error *err)
{
	cleanup_record struct record r = { 0 };
	struct place_job offer = *job;
	int rc = answer_reserved(env, job, nodes, err);

	if (rc != -ENOENT)
		return rc;
	offer.offered = NOTE_OFFER;
	rc = place_reserve(env, &offer, cgroup, &r, err);
	if (rc == 0)
		*nodes = nodes_of(&r.placement);
	return rc;
}

/* --- a machine that runs --- */

/* Part @i of @total, by the weights; the rest of the division goes to the last node with a weight. */
static void divide(uint64_t total, unsigned int n, const uint64_t *weight, uint64_t *part)
{
	__extension__ typedef unsigned __int128 wide;
	uint64_t sum = 0, left = total;
	unsigned int last = 0;

	for (unsigned int i = 0; i < n; i++) {
		sum += weight[i];
		last = weight[i] ? i : last;
	}
	for (unsigned int i = 0; i < n; i++) {
		part[i] = sum ? (uint64_t)((wide)total * weight[i] / sum) : 0;
		left -= part[i];
	}
	if (n)
		part[last] += left;
}

/* The hugepages of size index @h. */
static uint64_t pages_of(const struct request *r, const struct topology *t, unsigned int h)
{
	uint64_t pages = 0;

	for (unsigned int i = 0; i < r->nhuge; i++)
		pages += r->huge[i].size == t->huge_size[h] ? r->huge[i].count : 0;
	if (r->huge_memory && t->huge_default && t->huge_size[h] == t->huge_default)
		pages += (r->memory + t->huge_default - 1) / t->huge_default;
	return pages;
}

/*
 * The memory is where the kernel puts it: on any of its nodes. It is counted on each by the size of the node, and equally
 * where pages alternate.
 */
static int share_memory(const struct note_job *job, const struct topology *t, struct placement *p, struct error *err)
{
	const bool equal = job->request.policy == POLICY_INTERLEAVE;
	unsigned int n = nodeset_count(&p->mems), i = 0;
	cleanup_free uint64_t *weight = calloc(2 * (size_t)n + 1, sizeof(*weight));
	struct share *s = &p->share;
	uint64_t *part;

	s->mem = calloc((size_t)n + 1, sizeof(*s->mem));
	if (!weight || !s->mem)
		return error_errno(err, -ENOMEM, "record the machine");
	part = weight + n;
	s->nmem = n;
	nodeset_foreach(id, &p->mems) {
		s->mem[i].id = (uint16_t)id;
		weight[i++] = equal ? 1 : t->nodes[topology_find_node(t, id)].mem_total / MIB;
	}
	divide(job->request.huge_memory ? 0 : job->request.memory, n, weight, part);
	for (i = 0; i < n; i++)
		s->mem[i].memory = part[i];
	for (unsigned int h = 0; h < t->nhuge; h++) {
		const uint64_t pages = pages_of(&job->request, t, h);

		for (i = 0; pages && i < n && !equal; i++)
			weight[i] = t->nodes[topology_find_node(t, s->mem[i].id)].huge_total[h];
		divide(pages, n, weight, part);
		for (i = 0; i < n; i++)
			s->mem[i].huge[h] = part[i];
	}
	return 0;
}

static int fill_in(const struct note_job *job, const struct topology *t, struct placement *p, struct error *err)
{
	p->share.cpus = job->cpus;
	idset_and(&p->share.cpus, &t->online);
	p->share.count = job->request.cpu_count;
	/* Where its CPUs have more room than it counts for, it is not pinned, and withholds none. */
	if (job->request.exclusive && idset_count(&p->share.cpus) <= p->share.count)
		topology_whole_cores(t, &p->share.cpus, &p->share.held);
	topology_nodes_of(t, &p->share.cpus, &p->nodes);
	p->mems = job->mems;
	nodeset_and(&p->mems, &t->mem_nodes);
	p->policy = job->request.policy;
	if (idset_empty(&p->share.cpus) || nodeset_empty(&p->mems))
		return error_set(err, -EINVAL, "its CPUs or memory nodes are not those of this machine");
	return share_memory(job, t, p, err);
}

/* Opens @job->cgroup, which must hold its process and not this one. */
static int open_cgroup(const struct place_env *env, const struct note_job *job, struct cgroup_dir *out,
		       struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir its = CGROUP_DIR_NONE, own = CGROUP_DIR_NONE;
	const size_t len = strlen(job->cgroup);
	int rc = cgroup_of_pid(env->mount, job->pid, &its, err);

	if (rc == 0 && env->began)
		rc = cgroup_pid_since(job->pid, env->began, err);
	if (rc < 0)
		return rc;
	if (len < 2 || strncmp(its.path, job->cgroup, len) != 0 || (its.path[len] && its.path[len] != '/'))
		return error_set(err, -EPERM, "process %d is not in cgroup %.200s", (int)job->pid, job->cgroup);
	if (cgroup_of_pid(env->mount, getpid(), &own, NULL) == 0 && strncmp(own.path, job->cgroup, len) == 0 &&
	    (!own.path[len] || own.path[len] == '/'))
		return error_set(err, -EPERM, "cgroup %.200s is not its own", job->cgroup);
	return cgroup_open(env->mount, job->cgroup, out, err);
}

/*
 * Another machine of the same size has the advice of this one, and will run where @mine was reserved, or an offer for it
 * is left. The nodes of its CPUs tell, because it may be free to allocate anywhere.
 */
static int settle_others(struct ledger *l, const struct record *r, const char *runtime_class, const struct record *mine,
			 struct error *err)
{
	struct search s = { .runtime = r->runtime, .size = &r->request, .not_id = r->id, .within = &r->placement.nodes,
			    .applied = mine ? NOTE_ADVISED : NOTE_OFFER };
	cleanup_record struct record other = { 0 }, corrected = { 0 };
	struct nodeset reserved;
	int rc;

	if (mine) {
		reserved = nodes_of(&mine->placement);
		if (nodeset_subset(&r->placement.nodes, &reserved))
			return 0;
	}
	rc = find_oldest(l, &s, runtime_class, &other, err);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	if (!mine)
		return ledger_remove_cgroup(l, runtime_class, other.id, 0, err);
	corrected = other;  /* the request and the identity are the other's, the place is that of @mine */
	corrected.placement = mine->placement;
	rc = ledger_add(l, runtime_class, &corrected, err);
	corrected = (struct record){ 0 };
	return rc;
}

/* Under the lock. */
static int record_machine(struct place_env *env, struct ledger *l, const char *runtime_class, const struct record *r,
			  const char *text, size_t len, struct error *err)
{
	cleanup_record struct record mine = { 0 };
	int rc = ledger_find_cgroup(l, runtime_class, r->id, 0, &mine, err);
	const bool reserved = rc == 0;

	if (rc < 0 && rc != -ENOENT)
		return rc;
	rc = ledger_add_text(l, runtime_class, r, text, len, err);
	if (rc == 0)
		rc = settle_others(l, r, runtime_class, reserved ? &mine : NULL, err);
	if (rc == 0 && reserved)
		rc = ledger_remove_cgroup(l, runtime_class, r->id, 0, err);
	place_say_ledger(env, l);
	return rc == -ENOENT ? 0 : rc;
}

static int make_record(const struct place_env *env, const struct note_job *job, const struct cgroup_dir *c,
		       const struct topology *t, struct record *r, struct error *err)
{
	snprintf(r->id, sizeof(r->id), "%s", job->id);
	snprintf(r->runtime, sizeof(r->runtime), "%s", job->runtime);
	snprintf(r->applied, sizeof(r->applied), "%s", job->runtime);
	r->cgroup = strdup(c->path);
	r->cgroup_inode = c->inode;
	r->started = env->live.now;
	r->request = job->request;
	if (!r->cgroup)
		return error_errno(err, -ENOMEM, "record the machine");
	reasons_add(&r->reasons, "%s has chosen its CPUs and memory nodes", job->runtime);
	return fill_in(job, t, &r->placement, err);
}

static int note(struct place_env *env, const struct note_job *job, const struct machine *machine, struct record *r,
		struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	cleanup_ledger struct ledger *l = NULL;
	cleanup_free char *text = NULL;
	struct ledger_world world;
	size_t len;
	int rc = open_cgroup(env, job, &c, err);

	if (rc == 0)
		rc = open_ledger(env, machine, &world, &l, err);
	if (rc == 0)
		rc = make_record(env, job, &c, machine->topology, r, err);
	if (rc == 0)
		rc = record_format(r, &text, &len, err);
	if (rc == 0)
		rc = record_machine(env, l, job->runtime_class, r, text, len, err);
	return rc < 0 ? rc : marks_set(env, &c, r, text, len, err);
}

int place_note(struct place_env *env, const struct note_job *job, struct record *out, struct error *err)
{
	cleanup_machine struct machine machine = { 0 };
	cleanup_record struct record r = { 0 };
	int rc = name_check_id(job->id, err);

	if (rc < 0)
		return error_prefix(err, rc, "id");
	rc = place_open(env, PLACE_CREATE, err);
	if (rc == 0)
		rc = place_need_mount(env, err);
	if (rc == 0)
		rc = place_need_state(env, err);
	if (rc == 0)
		rc = machine_read(&machine, env, true, job->request.nhuge || job->request.huge_memory, err);
	if (rc == 0)
		rc = note(env, job, &machine, &r, err);
	if (rc < 0)
		return rc;
	*out = r;
	r = (struct record){ 0 };
	return 0;
}
