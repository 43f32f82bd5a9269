/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Snapshots of the public API: copies the machine, the sums and the placements, and computes what containers do not get
 * by default.
 */
#include "lib/context.h"

#include "lib/placement.h"
#include "plugin/base/util.h"
#include "plugin/ledger/counters.h"

#include <errno.h>
#include <string.h>

/* CPUs and memory that containers do not get by default. A CPU may be in several sets. */
struct left_out {
	struct idset isolated, reserved, not_allowed, offline, held;
	struct nodeset bad_mems; /* ids of nodes whose memory is reserved or not allowed */
};

struct numaplace_snapshot {
	bool real;
	struct topology *topology;
	struct usage *usage; /* NULL: the ledger was not read */
	struct placements placements;
	struct numaplace_counters counters;
	struct numaplace_machine machine;
	struct numaplace_node *node;
	struct numaplace_cpu *cpu;
	struct numaplace_hugepages *huge; /* by node and size; those of all nodes at the end */
	unsigned int ntexts;
	char **text;                      /* all lists of the structs above */
};

#define MACHINE_TEXTS 6
#define NODE_TEXTS 7

/* --- what is left out --- */

static void node_cpus(const struct topology *t, unsigned int node, struct idset *cpus)
{
	const struct topo_node *n = &t->nodes[node];

	idset_clear(cpus);
	for (unsigned int i = 0; i < n->ncpus; i++)
		idset_add(cpus, t->cpus[n->first_cpu + i].id);
}

static void find_reserved(const struct conf *conf, const struct topology *t, struct left_out *out)
{
	out->reserved = conf->select.reserved_cpus;
	idset_and(&out->reserved, &t->online);
	for (unsigned int i = 0; i < t->nnodes; i++) {
		struct idset cpus;

		if (!nodeset_has(&conf->select.reserved_nodes, t->nodes[i].id))
			continue;
		node_cpus(t, i, &cpus);
		idset_or(&out->reserved, &cpus);
		if (t->nodes[i].has_memory)
			nodeset_add(&out->bad_mems, t->nodes[i].id);
	}
}

static void find_left_out(const struct numaplace *np, const struct numaplace_snapshot *s, struct left_out *out)
{
	const struct topology *t = s->topology;
	const struct usage *usage = s->usage;
	struct nodeset mems;
	struct idset cpus;

	memset(out, 0, sizeof(*out));
	out->isolated = t->isolated;
	idset_and(&out->isolated, &t->online);
	out->offline = t->offline;
	topology_allowed(np->root, t, &cpus, &mems);
	out->not_allowed = t->online;
	idset_andnot(&out->not_allowed, &cpus);
	out->bad_mems = t->mem_nodes;
	nodeset_andnot(&out->bad_mems, &mems);
	find_reserved(&np->conf, t, out);
	for (unsigned int i = 0; usage && i < t->ncpus; i++)
		if (t->cpus[i].id < usage->cpu_ids && usage->exclusive[t->cpus[i].id])
			idset_add(&out->held, t->cpus[i].id);
	/* A partition takes its CPUs from the root cgroup. */
	idset_andnot(&out->not_allowed, &out->held);
}

/* --- filling the structs --- */

/* Sets *@where to the list of a set. */
static bool put_ids(struct numaplace_snapshot *s, const char **where, struct ids set)
{
	s->text[s->ntexts] = lib_list_text(set);
	*where = s->text[s->ntexts];
	return s->text[s->ntexts++] != NULL;
}

/* Sets *@where to the list of what @a and @b share. */
static bool put_shared(struct numaplace_snapshot *s, const char **where, const struct idset *a, const struct idset *b)
{
	struct idset both = *a;

	idset_and(&both, b);
	return put_ids(s, where, ids_of(&both));
}

static bool fill_machine(struct numaplace_snapshot *s, const struct left_out *all)
{
	const struct topology *t = s->topology;
	struct numaplace_machine *m = &s->machine;

	m->nnodes = t->nnodes;
	m->ncpus = t->ncpus;
	m->ncores = t->ncores;
	m->ncaches = t->nllcs;
	return put_ids(s, &m->memory_nodes, ids_of(&t->mem_nodes)) && put_ids(s, &m->isolated, ids_of(&all->isolated)) &&
	       put_ids(s, &m->reserved, ids_of(&all->reserved)) &&
	       put_ids(s, &m->not_allowed, ids_of(&all->not_allowed)) &&
	       put_ids(s, &m->offline, ids_of(&all->offline)) && put_ids(s, &m->held, ids_of(&all->held));
}

static bool fill_node_lists(struct numaplace_snapshot *s, int root, const struct left_out *all, unsigned int i)
{
	struct numaplace_node *out = &s->node[i];
	struct idset cpus, usable, offline;

	node_cpus(s->topology, i, &cpus);
	usable = cpus;
	idset_andnot(&usable, &all->isolated);
	idset_andnot(&usable, &all->reserved);
	idset_andnot(&usable, &all->not_allowed);
	topology_offline_of(root, s->topology, i, &offline);
	return put_ids(s, &out->cpus, ids_of(&cpus)) && put_ids(s, &out->usable, ids_of(&usable)) &&
	       put_shared(s, &out->isolated, &all->isolated, &cpus) &&
	       put_shared(s, &out->reserved, &all->reserved, &cpus) &&
	       put_shared(s, &out->not_allowed, &all->not_allowed, &cpus) &&
	       put_ids(s, &out->offline, ids_of(&offline)) && put_shared(s, &out->held, &all->held, &cpus);
}

static void fill_node(struct numaplace_snapshot *s, const struct select_policy *policy, const struct left_out *all,
		      unsigned int i)
{
	const struct topo_node *n = &s->topology->nodes[i];
	bool summed = s->usage && n->id < s->usage->node_ids;

	s->node[i] = (struct numaplace_node){
		.id = n->id,
		.package = n->package,
		.first_cpu = n->first_cpu,
		.ncpus = n->ncpus,
		.noffline = n->offline,
		.memory_kind = memory_kind_name(n->memory_kind),
		.memory_known = n->mem_known,
		.memory_movable = n->movable_only,
		.memory_allowed = !nodeset_has(&all->bad_mems, n->id),
		.memory = n->mem_total,
		.memory_free = n->mem_free,
		.memory_cached = n->arc_bytes,
		.memory_requested = summed ? s->usage->asked[n->id] : 0,
		.memory_pending = summed ? s->usage->pending[n->id] : 0,
		.memory_kept = UINT64_MAX - reserved_memory_less(policy, n->id, UINT64_MAX),
	};
}

static void fill_cpus(struct numaplace_snapshot *s)
{
	const struct topology *t = s->topology;

	for (unsigned int i = 0; i < t->ncpus; i++)
		s->cpu[i] = (struct numaplace_cpu){
			.id = t->cpus[i].id,
			.node = t->cpus[i].node,
			.core = t->cpus[i].core,
			.cache = t->cpus[i].llc,
		};
}

/* Pages of size index @h that containers on the node @id have requested and not touched. */
static uint64_t huge_pending(const struct numaplace_snapshot *s, unsigned int id, unsigned int h)
{
	return s->usage && id < s->usage->node_ids ? s->usage->huge_pending[id * HUGE_SIZES_MAX + h] : 0;
}

static void fill_hugepages(struct numaplace_snapshot *s)
{
	const struct topology *t = s->topology;
	struct numaplace_hugepages *all = &s->huge[t->nnodes * t->nhuge];

	for (unsigned int h = 0; h < t->nhuge; h++)
		all[h] = (struct numaplace_hugepages){ .size = t->huge_size[h], .reserved = t->huge_reserved[h] };
	for (unsigned int i = 0; i < t->nnodes; i++)
		for (unsigned int h = 0; h < t->nhuge; h++) {
			s->huge[i * t->nhuge + h] = (struct numaplace_hugepages){
				.size = t->huge_size[h],
				.total = t->nodes[i].huge_total[h],
				.free = t->nodes[i].huge_free[h],
				.pending = huge_pending(s, t->nodes[i].id, h),
			};
			all[h].total += t->nodes[i].huge_total[h];
			all[h].free += t->nodes[i].huge_free[h];
			all[h].pending += huge_pending(s, t->nodes[i].id, h);
		}
}

static int fill(const struct numaplace *np, struct numaplace_snapshot *s, struct error *err)
{
	const struct topology *t = s->topology;
	struct left_out all;
	bool filled;

	find_left_out(np, s, &all);
	s->node = calloc(t->nnodes + 1, sizeof(*s->node));
	s->cpu = calloc(t->ncpus + 1, sizeof(*s->cpu));
	s->huge = calloc((t->nnodes + 1) * t->nhuge + 1, sizeof(*s->huge));
	s->text = calloc(MACHINE_TEXTS + t->nnodes * NODE_TEXTS, sizeof(*s->text));
	filled = s->node && s->cpu && s->huge && s->text && fill_machine(s, &all);
	for (unsigned int i = 0; i < t->nnodes && filled; i++) {
		fill_node(s, &np->conf.select, &all, i);
		filled = fill_node_lists(s, np->root, &all, i);
	}
	if (!filled)
		return error_set(err, -ENOMEM, "out of memory");
	fill_cpus(s);
	fill_hugepages(s);
	return 0;
}

/* --- taking --- */

static void read_counters(int state, struct numaplace_counters *out)
{
	struct counters c = { 0 };

	_Static_assert(NUMAPLACE_BUCKETS == COUNTERS_BUCKETS, "the public header has as many buckets");
	if (state >= 0)
		counters_read(state, &c, NULL);
	*out = (struct numaplace_counters){
		.placed = c.count[COUNT_PLACED],
		.refused = c.count[COUNT_REFUSED],
		.failed = c.count[COUNT_FAILED],
		.released = c.count[COUNT_RELEASED],
		.hooks = c.all,
		.microseconds = c.microseconds,
	};
	for (unsigned int i = 0; i < COUNTERS_BUCKETS; i++) {
		out->bound[i] = counters_bounds[i];
		out->bucket[i] = c.bucket[i];
	}
}

static int copy_ledger(struct numaplace *np, struct numaplace_snapshot *s, struct error *err)
{
	cleanup_env struct place_env env = lib_env(np);
	cleanup_ledger struct ledger *ledger = NULL; /* cleaned up before env, which holds its folder */
	const struct topology *t = s->topology;
	int rc = np->state ? place_look(&env, t, &ledger, err) : 0;

	if (rc < 0)
		return rc;
	read_counters(env.state, &s->counters);
	if (ledger) {
		s->usage = usage_copy(ledger_usage(ledger));
		rc = ledger_each(ledger, placements_add, &s->placements, err);
	} else {
		s->usage = usage_new(t->cpu_ids, t->nnodes ? t->nodes[t->nnodes - 1].id + 1U : 1U);
	}
	return !s->usage || rc == -ENOMEM ? error_set(err, -ENOMEM, "out of memory") : rc;
}

/* From the cache of the hooks if possible, without memory. */
static int read_cached(struct numaplace *np, struct topology **out, struct error *err)
{
	cleanup_env struct place_env env = lib_env(np);
	cleanup_machine struct machine machine = { 0 };
	int rc = place_open(&env, PLACE_READ, err);

	if (rc == 0)
		rc = machine_read(&machine, &env, false, false, err);
	if (rc == 0)
		*out = steal_ptr(machine.topology);
	return rc;
}

static int read_machine(struct numaplace *np, struct topology **out, struct error *err)
{
	int rc = topology_read(np->root, out, err);

	for (unsigned int i = 0; rc == 0 && i < (*out)->nwarnings; i++)
		lib_warn(np, (*out)->warnings[i]);
	return rc;
}

static int take(struct numaplace *np, unsigned int flags, struct numaplace_snapshot *s, struct error *err)
{
	int rc = flags == NUMAPLACE_LEDGER_ONLY ? read_cached(np, &s->topology, err) : read_machine(np, &s->topology, err);

	if (rc < 0)
		return rc;
	if (flags != NUMAPLACE_MACHINE_ONLY)
		rc = copy_ledger(np, s, err);
	if (rc < 0 && (flags != NUMAPLACE_LEDGER_OPTIONAL || rc == -EINVAL || rc == -ENOMEM))
		return rc;
	return fill(np, s, err);
}

int numaplace_snapshot_take(struct numaplace *np, unsigned int flags, struct numaplace_snapshot **out)
{
	struct numaplace_snapshot *s;
	struct error err = { 0 };
	int rc;

	if (!np)
		return -EINVAL;
	if (!out)
		return lib_missing(np, "snapshot");
	if (flags & (flags - 1) || flags > NUMAPLACE_LEDGER_ONLY)
		return lib_keep(np, error_set(&err, -EINVAL, "flags 0x%x: unknown, or several", flags), &err);
	s = calloc(1, sizeof(*s));
	if (!s)
		return lib_keep(np, error_set(&err, -ENOMEM, "out of memory"), &err);
	s->real = np->real;
	rc = take(np, flags, s, &err);
	if (rc < 0)
		numaplace_snapshot_free(s);
	else
		*out = s;
	return lib_keep(np, rc, &err);
}

void numaplace_snapshot_free(struct numaplace_snapshot *s)
{
	if (!s)
		return;
	for (unsigned int i = 0; i < s->ntexts; i++)
		free(s->text[i]);
	free(s->text);
	free(s->node);
	free(s->cpu);
	free(s->huge);
	placements_free(&s->placements);
	usage_free(s->usage);
	topology_free(s->topology);
	free(s);
}

/* --- reading --- */

const struct numaplace_machine *numaplace_snapshot_machine(const struct numaplace_snapshot *s)
{
	return &s->machine;
}

const struct numaplace_node *numaplace_snapshot_node(const struct numaplace_snapshot *s, unsigned int i)
{
	return i < s->topology->nnodes ? &s->node[i] : NULL;
}

const struct numaplace_cpu *numaplace_snapshot_cpu(const struct numaplace_snapshot *s, unsigned int i)
{
	return i < s->topology->ncpus ? &s->cpu[i] : NULL;
}

const struct numaplace_hugepages *numaplace_snapshot_hugepages(const struct numaplace_snapshot *s, unsigned int node,
							       unsigned int i)
{
	const struct topology *t = s->topology;

	if (node == NUMAPLACE_ALL_NODES)
		node = t->nnodes;
	return node <= t->nnodes && i < t->nhuge ? &s->huge[node * t->nhuge + i] : NULL;
}

unsigned int numaplace_snapshot_distance(const struct numaplace_snapshot *s, unsigned int from, unsigned int to)
{
	const struct topology *t = s->topology;

	return from < t->nnodes && to < t->nnodes ? topology_distance(t, from, to) : 0;
}

double numaplace_snapshot_load(const struct numaplace_snapshot *s, const char *cpus)
{
	struct idset set;
	double sum = 0;

	if (!s->usage || !cpus || idset_parse_kernel(cpus, &set, NULL) < 0)
		return -1;
	idset_foreach(id, &set)
		if ((unsigned int)id < s->usage->cpu_ids)
			sum += (double)s->usage->load[id] / LOAD_ONE;
	return sum;
}

const struct numaplace_counters *numaplace_snapshot_counters(const struct numaplace_snapshot *s)
{
	return &s->counters;
}

const struct numaplace_placement *numaplace_snapshot_placement(const struct numaplace_snapshot *s, unsigned int i)
{
	return i < s->placements.n ? s->placements.placement[i] : NULL;
}

const struct numaplace_placement *numaplace_snapshot_find_pid(const struct numaplace_snapshot *s, pid_t pid)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	cleanup_close int mount = -1;

	if (!s->real || cgroup_mount(&mount, NULL, 0, NULL) < 0 || cgroup_of_pid(mount, pid, &c, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < s->placements.n; i++)
		if (s->placements.placement[i]->inode == c.inode)
			return s->placements.placement[i];
	return NULL;
}
