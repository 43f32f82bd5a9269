/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Balanced selection, from request to placement: which CPUs and nodes are
 * candidates, what is needed of them, and in words why it cannot be.  The
 * search itself is plugin/search.c, the CPUs within nodes plugin/spread.c.
 */
#include "plugin/select-internal.h"

#include "plugin/util.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#define LIST_TEXT 160 /* of a list in a message; longer ones are cut */

/* How many local distances a wholly loaded set costs. */
#ifndef TASTE_CPU
#define TASTE_CPU 0.2
#define TASTE_MEMORY 0.1
#define KEEP 1.8      /* of many nodes, all used */
#define KEEP_IDLE 0.6 /* of many nodes, none used */
#endif
#ifndef KEEP_MOST
#define KEEP_MOST 20.0
#endif
#define TASTE_CROWDED 20.0 /* when CPUs are shared beyond their number, load is what counts */
#define BIAS_DEVICE 1.0    /* a local distance away from the device */
#define BIAS_HOME 0.05     /* of not going back to where it was */
#define BIAS_UNKNOWN 1.0   /* of a node that does not say how much memory it has */

/* Of all nodes that have CPUs for this request, whoever holds them now. */
struct emptiness {
	double nodes, cpus;
	double share; /* sum of the nodes' free shares */
};

struct choice {
	const struct select_input *in;
	const struct topology *t;
	const struct request *req;
	bool *candidate;          /* by CPU index */
	bool *free_core;          /* by CPU index; exclusive requests only */
	struct idset nodes;       /* node ids that may be chosen */
	struct idset mems;        /* node ids whose memory may be chosen */
	struct idset cpus;        /* CPU ids that may be given, if nobody holds them */
	uint16_t kind;            /* capacity of the CPUs that are candidates; 0: of any */
	unsigned int ncandidates;
	struct emptiness emptiness;
	struct search search;
	struct reasons *why;
};

void select_policy_init(struct select_policy *p)
{
	memset(p, 0, sizeof(*p));
	p->balance = 50;
}

void placement_free(struct placement *p)
{
	share_free(&p->share);
}

void reasons_add(struct reasons *why, const char *fmt, ...)
{
	va_list ap;

	if (!why || why->n == REASONS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(why->text[why->n++], sizeof(why->text[0]), fmt, ap);
	va_end(ap);
}

/* A list for a message. */
struct list_text {
	char text[LIST_TEXT];
};

static struct list_text list_text(const struct idset *s)
{
	struct list_text l;

	if (idset_format(s, l.text, sizeof(l.text)) >= sizeof(l.text))
		memcpy(l.text + sizeof(l.text) - 4, "...", 4);
	return l;
}

struct size_text {
	char text[32];
};

static struct size_text size_text(uint64_t bytes)
{
	struct size_text s;

	size_human(bytes, s.text, sizeof(s.text));
	return s;
}

static void all_nodes(const struct topology *t, struct idset *out)
{
	idset_clear(out);
	for (unsigned int i = 0; i < t->nnodes; i++)
		idset_add(out, t->nodes[i].id);
}

/* The nodes that the request and the admin leave to choose from. */
static int allow_nodes(struct choice *c, struct error *err)
{
	const struct topology *t = c->t;
	struct idset there, missing;

	all_nodes(t, &there);
	c->nodes = there;
	if (c->in->whole && c->req->cpu_listed)
		topology_nodes_of(t, &c->req->cpu_list, &c->nodes);
	if (c->req->nodes_mode == NODES_LIST) {
		c->nodes = c->req->nodes;
		if (idset_intersects(&c->nodes, &t->merged))
			idset_or(&c->nodes, &there);
		idset_and(&c->nodes, &there);
		missing = c->req->nodes;
		idset_andnot(&missing, &there);
		idset_andnot(&missing, &t->merged);
		if (!idset_empty(&missing))
			reasons_add(c->why, "limits.cpu.nodes: nodes %s are not here", list_text(&missing).text);
		if (idset_empty(&c->nodes))
			return error_set(err, -EINVAL, "limits.cpu.nodes: \"%s\": no such node here (nodes %s)",
					 list_text(&c->req->nodes).text, list_text(&there).text);
		if (!c->req->cpu_listed && !idset_intersects(&c->nodes, &t->cpu_nodes))
			return error_set(err, -EINVAL, "limits.cpu.nodes: \"%s\": no node with CPUs among them (CPUs are on %s)",
					 list_text(&c->req->nodes).text, list_text(&t->cpu_nodes).text);
	}
	if (c->in->whole && idset_intersects(&c->nodes, &c->in->policy->reserved_nodes))
		reasons_add(c->why, "of the nodes that were chosen, nodes %s are reserved: no memory of theirs is given",
			    list_text(&c->in->policy->reserved_nodes).text);
	idset_andnot(&c->nodes, &c->in->policy->reserved_nodes);
	return 0;
}

/* The memory: within nodes, parent and pin; a node without CPUs only where it is named. */
static void allow_mems(struct choice *c)
{
	const struct topology *t = c->t;
	struct idset named = { { 0 } };

	c->mems = t->mem_nodes;
	if (c->in->allowed_mems)
		idset_and(&c->mems, c->in->allowed_mems);
	if (!idset_empty(&c->req->pin_mems)) {
		idset_and(&c->mems, &c->req->pin_mems);
		idset_or(&named, &c->req->pin_mems);
	}
	if (c->req->nodes_mode == NODES_LIST)
		idset_or(&named, &c->req->nodes);
	for (unsigned int i = 0; i < t->nnodes; i++) {
		unsigned int id = t->nodes[i].id;

		if (!idset_has(&c->nodes, id) || (!t->nodes[i].ncpus && !idset_has(&named, id)))
			idset_del(&c->mems, id);
	}
	if (!c->in->whole || !idset_empty(&c->mems))
		return;
	/* The chosen nodes have CPUs alone: their nearest memory will do. */
	c->mems = t->mem_nodes;
	idset_and(&c->mems, &t->cpu_nodes);
	idset_andnot(&c->mems, &c->in->policy->reserved_nodes);
	if (c->in->allowed_mems)
		idset_and(&c->mems, c->in->allowed_mems);
}

/* The CPUs that may be given, whoever holds them now; by id. */
static void allow_cpus(struct choice *c)
{
	const struct request *req = c->req;

	c->cpus = c->t->online;
	if (c->in->allowed_cpus)
		idset_and(&c->cpus, c->in->allowed_cpus);
	if (!idset_empty(&req->pin_cpus))
		idset_and(&c->cpus, &req->pin_cpus);
	if (!c->in->whole)
		idset_andnot(&c->cpus, &c->in->policy->reserved_cpus);
	if (req->cpu_listed)
		idset_and(&c->cpus, &req->cpu_list);
	else
		idset_andnot(&c->cpus, &c->t->isolated);
}

/* Whether this CPU (index) may be given, if nobody holds it. */
static bool may_be_given(const struct choice *c, unsigned int i)
{
	const struct topo_cpu *cpu = &c->t->cpus[i];

	return (c->req->cpu_listed || idset_has(&c->nodes, c->t->nodes[cpu->node].id)) &&
	       idset_has(&c->cpus, cpu->id) && (!c->kind || cpu->capacity == c->kind);
}

static void find_candidates(struct choice *c, uint16_t kind)
{
	const struct topology *t = c->t;

	c->kind = kind;
	c->ncandidates = 0;
	for (unsigned int i = 0; i < t->ncpus; i++) {
		c->candidate[i] = may_be_given(c, i) && (c->in->whole || !c->in->usage->exclusive[t->cpus[i].id]);
		c->ncandidates += c->candidate[i];
	}
}

static uint64_t pending_less(uint64_t there, uint64_t pending)
{
	return there > pending ? there - pending : 0;
}

static void site_memory(const struct choice *c, const struct topo_node *node, struct site *s)
{
	const struct usage *u = c->in->usage;
	unsigned int id = node->id;

	if (!idset_has(&c->mems, id))
		return;
	for (unsigned int h = 0; h < c->t->nhuge; h++)
		s->huge[h] = pending_less(node->huge_free[h], u->huge_pending[id * HUGE_SIZES_MAX + h]);
	if (!node->mem_known) {
		s->avail = c->search.need.memory ? c->search.need.memory : 1; /* not known: no reason to refuse */
		return;
	}
	s->avail = pending_less(reserved_memory_less(c->in->policy, id, node->mem_free), u->pending[id]);
	s->total = node->mem_total;
	s->level = s->total > s->avail ? (unsigned int)((double)(s->total - s->avail) * LEVELS / (double)s->total) : 0;
}

static void site_cpus(const struct choice *c, const struct topo_node *node, struct site *s)
{
	for (unsigned int i = node->first_cpu; i < node->first_cpu + node->ncpus; i++) {
		uint32_t load;

		s->cpus += c->candidate[i] || may_be_given(c, i);
		if (!c->candidate[i])
			continue;
		load = c->in->usage->load[c->t->cpus[i].id];
		s->ncpus++;
		s->load += load;
		if (c->req->exclusive)
			s->room += c->free_core[i] ? LOAD_ONE : 0;
		else
			s->room += load < LOAD_ONE ? LOAD_ONE - load : 0;
	}
}

/* From node @i to the devices, in local distances beyond the first, as a mean. */
static double device_distance(const struct choice *c, unsigned int i)
{
	const struct topology *t = c->t;
	unsigned int n = 0;
	double sum = 0;

	idset_foreach(id, &c->in->device_nodes) {
		int device = topology_find_node(t, id);

		if (device < 0)
			continue;
		sum += (double)t->near[i * t->nnodes + (unsigned int)device] / 20.0 - 1;
		n++;
	}
	return n ? sum / n : 0;
}

/* Millionths of a local distance that choosing this node costs besides. */
static int64_t site_bias(const struct choice *c, unsigned int i)
{
	const struct topology *t = c->t;
	const struct topo_node *node = &t->nodes[i];
	double bias = 0;

	bias += BIAS_DEVICE * device_distance(c, i);
	if (!idset_empty(&c->req->last_nodes) && !idset_has(&c->req->last_nodes, node->id))
		bias += BIAS_HOME;
	if (c->search.need.pages <= 0 && !idset_has(&c->mems, node->id) && !idset_intersects(&t->merged, &c->mems)) {
		unsigned int nearest = UINT16_MAX;

		for (unsigned int j = 0; j < t->nnodes; j++)
			if (idset_has(&c->mems, t->nodes[j].id) && t->near[i * t->nnodes + j] < nearest)
				nearest = t->near[i * t->nnodes + j];
		bias += (double)nearest / 20.0 - 1;
	}
	if (c->search.need.memory && !node->mem_known)
		bias += BIAS_UNKNOWN;
	return bias > 0 ? (int64_t)(bias * 1e6) : 0;
}

/* Hugepages that are asked for: a host may have given nearly all of a node's memory to them. */
static bool brings_pages(const struct choice *c, const struct site *s)
{
	for (unsigned int h = 0; h < c->t->nhuge; h++)
		if (c->search.need.huge[h] && s->huge[h])
			return true;
	return false;
}

static void find_sites(struct choice *c)
{
	struct search *s = &c->search;

	s->nsites = 0;
	c->emptiness = (struct emptiness){ 0 };
	for (unsigned int i = 0; i < c->t->nnodes; i++) {
		const struct topo_node *node = &c->t->nodes[i];
		struct site x = { .node = i };

		site_cpus(c, node, &x);
		site_memory(c, node, &x);
		if (x.cpus) {
			x.share = (unsigned int)(x.room * SHARES / ((int64_t)x.cpus * LOAD_ONE));
			c->emptiness.nodes++;
			c->emptiness.cpus += x.cpus;
			c->emptiness.share += (double)x.share / SHARES;
		}
		if (!x.ncpus && !x.avail && !brings_pages(c, &x))
			continue;
		x.bias = site_bias(c, i);
		s->sites[s->nsites++] = x;
	}
}

/* What a site has of the memory that is asked for, in 1/PAGES_ONE of it. */
static int64_t pages_of(const struct search *s, const struct site *x)
{
	const struct need *need = &s->need;
	double has = (double)(x->avail < need->memory ? x->avail : need->memory);

	for (unsigned int h = 0; h < s->topology->nhuge; h++)
		has += (double)(x->huge[h] < need->huge[h] ? x->huge[h] : need->huge[h]) *
		       (double)s->topology->huge_size[h];
	return (int64_t)(has / need->pages * PAGES_ONE);
}

/* Threads run where there is room, and no more than are asked for; their pages lie where there is memory. */
static void weigh_sites(struct search *s)
{
	for (unsigned int i = 0; i < s->nsites; i++) {
		struct site *x = &s->sites[i];

		x->weight = (x->room < s->need.room ? x->room : s->need.room) >> 10;
		x->mem_weight = s->need.pages > 0 ? pages_of(s, x) : x->weight;
	}
}

static int huge_index(const struct topology *t, uint64_t size)
{
	for (unsigned int h = 0; h < t->nhuge; h++)
		if (t->huge_size[h] == size)
			return (int)h;
	return -1;
}

static int need_huge(struct choice *c, uint64_t size, uint64_t pages, struct error *err)
{
	int h = huge_index(c->t, size);

	if (h < 0)
		return error_set(err, -ENOSPC, "limits.memory.hugepages: no hugepages of %s on this machine",
				 size ? size_text(size).text : "the default size");
	c->search.need.huge[h] += pages;
	return 0;
}

static void add_up_need(struct choice *c)
{
	struct need *need = &c->search.need;

	need->pages = (double)need->memory;
	for (unsigned int h = 0; h < c->t->nhuge; h++)
		need->pages += (double)need->huge[h] * (double)c->t->huge_size[h];
}

static int find_need(struct choice *c, struct error *err)
{
	const struct request *req = c->req;
	struct need *need = &c->search.need;
	int r;

	memset(need, 0, sizeof(*need));
	need->count = req->cpu_count;
	need->memory = req->memory;
	if (req->huge_memory) {
		uint64_t size = c->t->huge_default ? c->t->huge_default : c->t->huge_size[0];

		r = need_huge(c, size, size ? (req->memory + size - 1) / size : 0, err);
		if (r < 0)
			return r;
		need->memory = 0;
	}
	for (unsigned int i = 0; i < req->nhuge; i++) {
		r = need_huge(c, req->huge[i].size, req->huge[i].count, err);
		if (r < 0)
			return r;
	}
	add_up_need(c);
	return 0;
}

/* Free hugepages that mappings have reserved are not to be had: the kernel counts them over the machine. */
static int check_reserved(const struct choice *c, struct error *err)
{
	for (unsigned int h = 0; h < c->t->nhuge; h++) {
		uint64_t need = c->search.need.huge[h], left, there = 0;

		if (!need || !c->t->huge_reserved[h])
			continue;
		left = usage_huge_left(c->in->usage, c->t, h);
		for (unsigned int i = 0; i < c->t->nnodes; i++)
			there += c->t->nodes[i].huge_free[h];
		if (left < need && there >= need)
			return error_set(err, -ENOSPC,
					 "limits.memory.hugepages: %llu pages of %s asked, %llu can be got (%llu free, of which "
					 "%llu are reserved by running programs)",
					 (unsigned long long)need, size_text(c->t->huge_size[h]).text,
					 (unsigned long long)left, (unsigned long long)there,
					 (unsigned long long)c->t->huge_reserved[h]);
	}
	return 0;
}

/* More CPUs than there are: all of them, said aloud. */
static void clamp_count(struct choice *c)
{
	struct need *need = &c->search.need;

	if (need->count > c->ncandidates && !c->req->exclusive) {
		reasons_add(c->why, "limits.cpu: %u asked, %u there are: taken down to all of them", need->count,
			    c->ncandidates);
		need->count = c->ncandidates;
	}
	need->room = (int64_t)(need->count ? need->count : 1) * LOAD_ONE;
}

/* "0: 3GiB, 1: 500MiB" for a refusal. */
static void per_node(const struct choice *c, char *buf, size_t size, int what)
{
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; i < c->t->nnodes && used < size; i++) {
		for (unsigned int k = 0; k < c->search.nsites; k++) {
			const struct site *x = &c->search.sites[k];
			char value[32];

			if (x->node != i)
				continue;
			if (what < 0)
				size_human(x->avail, value, sizeof(value));
			else if (what == HUGE_SIZES_MAX)
				snprintf(value, sizeof(value), "%u", (unsigned int)(x->room / LOAD_ONE));
			else
				snprintf(value, sizeof(value), "%llu", (unsigned long long)x->huge[what]);
			used += (size_t)snprintf(buf + used, size - used, "%s%u: %s", used ? ", " : "",
						 c->t->nodes[i].id, value);
		}
	}
	if (used >= size)
		memcpy(buf + size - 4, "...", 4);
}

/* "; 12.5GiB of it in ZFS's cache", or nothing. */
static void arc_text(const struct choice *c, char *buf, size_t size)
{
	char human[32];
	uint64_t sum = 0;

	for (unsigned int i = 0; i < c->search.nsites; i++) {
		const struct site *x = &c->search.sites[i];
		uint64_t arc = c->t->nodes[x->node].arc_bytes;

		sum += arc < x->avail ? arc : x->avail;
	}
	size_human(sum, human, sizeof(human));
	buf[0] = '\0';
	if (sum)
		snprintf(buf, size, "; %s of it in ZFS's cache", human);
}

/* Why all sites together do not suffice. */
static int refuse(const struct choice *c, struct error *err)
{
	const struct need *need = &c->search.need;
	struct sums all = { 0 };
	char nodes[180], arc[64], kept[120];

	for (unsigned int i = 0; i < c->search.nsites; i++) {
		all.room += c->search.sites[i].room;
		all.avail += c->search.sites[i].avail;
		for (unsigned int h = 0; h < c->t->nhuge; h++)
			all.huge[h] += c->search.sites[i].huge[h];
	}
	if (all.room < need->room && c->req->exclusive) {
		per_node(c, nodes, sizeof(nodes), HUGE_SIZES_MAX);
		return error_set(err, -ENOSPC,
				 "limits.cpu: %u exclusive CPUs asked, %u are in free whole cores (node %s)", need->count,
				 (unsigned int)(all.room / LOAD_ONE), nodes);
	}
	if (all.avail < need->memory) {
		per_node(c, nodes, sizeof(nodes), -1);
		arc_text(c, arc, sizeof(arc));
		reserved_memory_text(c->in->policy, &c->mems, kept, sizeof(kept));
		return error_set(err, -ENOSPC, "limits.memory: %s asked, %s to be had (node %s%s)%s",
				 size_text(need->memory).text, size_text(all.avail).text, nodes, arc, kept);
	}
	for (unsigned int h = 0; h < c->t->nhuge; h++) {
		if (all.huge[h] >= need->huge[h])
			continue;
		per_node(c, nodes, sizeof(nodes), (int)h);
		return error_set(err, -ENOSPC, "limits.memory.hugepages: %llu pages of %s asked, %llu free (node %s)",
				 (unsigned long long)need->huge[h], size_text(c->t->huge_size[h]).text,
				 (unsigned long long)all.huge[h], nodes);
	}
	return error_set(err, -ENOSPC, "no set of nodes has the CPUs, memory and hugepages asked for at once");
}

/* Nothing has room for a shared request: count capacity instead, and let load decide. */
static void crowd(struct choice *c)
{
	struct search *s = &c->search;

	s->need.overcommit = true;
	s->taste.cpu = TASTE_CROWDED;
	for (unsigned int i = 0; i < s->nsites; i++)
		s->sites[i].room = (int64_t)s->sites[i].ncpus * LOAD_ONE;
	weigh_sites(s);
}

/*
 * How much the emptiest nodes are kept.  Of many nodes it hurts little to keep
 * some, and of two, much; and while most of the machine is free, fewer will
 * need what is kept.  @mean: of the nodes' free shares.
 */
static double keep_of(double nodes, double mean)
{
	double others = 1 - 1 / nodes;
	double used = (1 - mean) * (1 - mean);

	return others * (KEEP_IDLE + (KEEP * others - KEEP_IDLE) * used);
}

/*
 * From 100, where evenness is all (worst fit, whatever the distance), over 50,
 * the point chosen on the bench's curve, to 0, where containers are packed
 * (best fit).  @keep: at 50.
 */
static void balance_taste(unsigned int balance, double keep, struct taste *t)
{
	double away = ((double)balance - 50) / 50;
	double steep = away * away * away * away;
	double whole = keep > 1 ? keep : 1; /* up to here evenness weighs in full */

	t->cpu = TASTE_CPU;
	t->memory = TASTE_MEMORY;
	t->keep = keep;
	if (away >= 0) {
		t->keep *= 1 - away;
		t->cpu *= 1 + 1000 * steep;
		t->memory *= 1 + 1000 * steep;
	} else {
		t->keep += (KEEP_MOST - keep) * away * away;
		t->cpu /= t->keep > whole ? t->keep / whole : 1;
	}
}

static void set_taste(struct choice *c)
{
	struct taste *t = &c->search.taste;
	const struct emptiness *e = &c->emptiness;
	double mean = e->nodes > 0 ? e->share / e->nodes : 0;

	t->nodes = e->nodes > 0 ? e->nodes : 1;
	balance_taste(c->in->policy->balance, keep_of(t->nodes, mean), t);
	t->mean = mean - t->keep * mean * mean * mean;
	t->step = e->cpus > 0 ? (double)c->search.need.room / LOAD_ONE * e->nodes / e->cpus : 1;
}

static int search_once(struct choice *c)
{
	search_free(&c->search);
	find_sites(c);
	clamp_count(c);
	weigh_sites(&c->search);
	c->search.need.overcommit = false;
	set_taste(c);
	c->search.want_second = c->why != NULL;
	if (!c->ncandidates)
		return -ENOSPC;
	return search_run(&c->search);
}

/* Different kinds of cores are mixed only when no kind suffices alone; the fastest first. */
static int search_classes(struct choice *c)
{
	uint16_t below = UINT16_MAX;

	while (c->t->mixed) {
		uint16_t next = 0;

		for (unsigned int i = 0; i < c->t->ncpus; i++)
			if (c->t->cpus[i].capacity < below && c->t->cpus[i].capacity > next)
				next = c->t->cpus[i].capacity;
		if (!next)
			break;
		find_candidates(c, next);
		if (c->search.need.count <= c->ncandidates && search_once(c) == 0)
			return 0;
		below = next;
		find_candidates(c, 0);
	}
	return search_once(c);
}

static int no_candidates(const struct choice *c, struct error *err)
{
	if (!idset_empty(&c->req->pin_cpus))
		return error_set(err, -ENOSPC, "no CPU left of cpuset.cpus \"%s\" that may be used",
				 list_text(&c->req->pin_cpus).text);
	if (idset_empty(&c->nodes))
		return error_set(err, -ENOSPC, "no CPU left: nodes %s are all reserved",
				 list_text(&c->in->policy->reserved_nodes).text);
	return error_set(err, -ENOSPC, "no CPU left on nodes %s: reserved, isolated, held by others or not allowed here",
			 list_text(&c->nodes).text);
}

static int choose_nodes(struct choice *c, struct error *err)
{
	int r = search_classes(c);

	if (r != -ENOSPC)
		return r < 0 ? error_errno(err, r, "selection") : 0;
	if (!c->ncandidates)
		return no_candidates(c, err);
	if (c->search.need.memory && c->req->policy == POLICY_PREFERRED) {
		uint64_t asked = c->search.need.memory;

		c->search.need.memory = 0;
		add_up_need(c);
		r = search_once(c);
		if (r == 0) {
			reasons_add(c->why, "limits.memory: %s is more than any nodes have: preferred lets it spill",
				    size_text(asked).text);
			return 0;
		}
	}
	if (c->req->exclusive)
		return refuse(c, err);
	crowd(c);
	r = search_run(&c->search);
	if (r == -ENOSPC)
		return refuse(c, err);
	if (r < 0)
		return error_errno(err, r, "selection");
	reasons_add(c->why, "no set of nodes has %u CPUs free: CPUs are shared with others",
		    c->search.need.count ? c->search.need.count : 1);
	return 0;
}

/* Exactly these CPUs: each must be there and be ours to give. */
static int check_list(struct choice *c, struct error *err)
{
	const struct request *req = c->req;

	idset_foreach(id, &req->cpu_list) {
		int i = topology_find_cpu(c->t, id);

		if (i < 0)
			return error_set(err, -EINVAL, "limits.cpu: CPU %d of \"%s\" is not here, or is offline (CPUs %s)",
					 id, list_text(&req->cpu_list).text, list_text(&c->t->online).text);
		if (c->in->usage->exclusive[id])
			return error_set(err, -ENOSPC, "limits.cpu: CPU %d is held exclusively by another container", id);
		if (!c->candidate[i])
			return error_set(err, -ENOSPC, "limits.cpu: CPU %d is reserved, or not allowed here", id);
		if (idset_has(&c->in->policy->reserved_nodes, c->t->nodes[c->t->cpus[i].node].id))
			return error_set(err, -ENOSPC, "limits.cpu: CPU %d is on node %u, which is reserved", id,
					 c->t->nodes[c->t->cpus[i].node].id);
		if (!idset_has(&c->nodes, c->t->nodes[c->t->cpus[i].node].id))
			return error_set(err, -ENOSPC, "limits.cpu: CPU %d is on node %u, not on nodes %s", id,
					 c->t->nodes[c->t->cpus[i].node].id, list_text(&c->nodes).text);
		if (req->exclusive && !c->free_core[i])
			return error_set(err, -ENOSPC, "limits.cpu: CPU %d is not on a free whole core", id);
	}
	return 0;
}

/* Whether a node (index) has memory, or pages that are asked for, left. */
static bool has_left(const struct choice *c, unsigned int node)
{
	for (unsigned int i = 0; i < c->search.nsites; i++)
		if (c->search.sites[i].node == node)
			return c->search.sites[i].avail || brings_pages(c, &c->search.sites[i]);
	return false;
}

/*
 * The node (index) with memory nearest to those in @from that is not in
 * @mems yet; one that has some left before one that is full. -1: none.
 */
static int nearest_memory(const struct choice *c, const struct idset *from, const struct idset *mems)
{
	unsigned long best_distance = ULONG_MAX;
	int best = -1;

	for (unsigned int j = 0; j < c->t->nnodes; j++) {
		unsigned long d = has_left(c, j) ? 0 : ULONG_MAX / 2;

		if (!idset_has(&c->mems, c->t->nodes[j].id) || idset_has(mems, c->t->nodes[j].id))
			continue;
		for (unsigned int i = 0; i < c->t->nnodes; i++)
			if (idset_has(from, c->t->nodes[i].id))
				d += c->t->near[i * c->t->nnodes + j];
		if (d < best_distance) {
			best_distance = d;
			best = (int)j;
		}
	}
	return best;
}

static uint16_t site_number(const struct search *s, unsigned int node)
{
	uint16_t i = 0;

	while (s->sites[i].node != node)
		i++;
	return i;
}

/* Exactly these CPUs: their nodes, and as much of the nearest memory as is needed. */
static int choose_listed(struct choice *c, struct error *err)
{
	struct search *s = &c->search;
	uint16_t *site;
	struct idset in = { { 0 } };
	struct sums sum;
	int r = check_list(c, err);

	if (r < 0)
		return r;
	find_sites(c);
	clamp_count(c);
	weigh_sites(s);
	site = calloc(s->nsites + 1, sizeof(*site));
	if (!site)
		return error_errno(err, -ENOMEM, "selection");
	s->best.site = site;
	for (unsigned int i = 0; i < s->nsites; i++)
		if (s->sites[i].ncpus) {
			site[s->best.n++] = (uint16_t)i;
			idset_add(&in, c->t->nodes[s->sites[i].node].id);
		}
	s->need.overcommit = true; /* they were named: whoever else is on them */
	s->need.room = 0;
	for (;;) {
		int more;

		search_sums(s, site, s->best.n, &sum);
		if (search_fits(s, &sum) || c->req->policy == POLICY_PREFERRED)
			return 0;
		more = nearest_memory(c, &in, &in);
		if (more < 0 || !has_left(c, (unsigned int)more) || !idset_empty(&c->req->pin_mems))
			return refuse(c, err);
		site[s->best.n++] = site_number(s, (unsigned int)more);
		idset_add(&in, c->t->nodes[more].id);
		reasons_add(c->why, "memory: node %u is added, the nearest with room, since the CPUs' own nodes lack it",
			    c->t->nodes[more].id);
	}
}

/*
 * Incus has chosen: of its nodes the reserved ones are left out, as long as one is left.  CPUs that the container
 * lists by number are its own wish, and refused as everywhere.
 */
static int check_reserved(const struct choice *c, struct error *err)
{
	const struct select_policy *policy = c->in->policy;

	if (c->req->cpu_listed)
		idset_foreach(id, &c->req->cpu_list) {
			int i = topology_find_cpu(c->t, id);

			if (idset_has(&policy->reserved_cpus, (unsigned int)id))
				return error_set(err, -ENOSPC, "limits.cpu: CPU %d is reserved", id);
			if (i >= 0 && idset_has(&policy->reserved_nodes, c->t->nodes[c->t->cpus[i].node].id))
				return error_set(err, -ENOSPC, "limits.cpu: CPU %d is on node %u, which is reserved", id,
						 c->t->nodes[c->t->cpus[i].node].id);
		}
	if (idset_empty(&c->nodes))
		return error_set(err, -ENOSPC, "limits.cpu.nodes: nodes %s were chosen, and nodes %s are reserved",
				 list_text(&c->req->nodes).text, list_text(&policy->reserved_nodes).text);
	return 0;
}

/* All of the nodes that somebody else chose, if memory and hugepages fit there. */
static int choose_whole(struct choice *c, struct error *err)
{
	struct search *s = &c->search;
	struct sums sum;
	int r = check_reserved(c, err);

	if (r < 0)
		return r;
	if (!c->ncandidates)
		return no_candidates(c, err);
	find_sites(c);
	clamp_count(c);
	weigh_sites(s);
	s->best.site = calloc(s->nsites + 1, sizeof(*s->best.site));
	if (!s->best.site)
		return error_errno(err, -ENOMEM, "selection");
	for (unsigned int i = 0; i < s->nsites; i++)
		if (idset_has(&c->nodes, c->t->nodes[s->sites[i].node].id))
			s->best.site[s->best.n++] = (uint16_t)i;
	s->need.overcommit = true; /* whoever else is there */
	s->need.room = 0;
	search_sums(s, s->best.site, s->best.n, &sum);
	return search_fits(s, &sum) || c->req->policy == POLICY_PREFERRED ? 0 : refuse(c, err);
}

/* Memory-only nodes that were named, and are nearest to a chosen node, come along. */
static void add_named_memory(const struct choice *c, struct idset *mems)
{
	const struct topology *t = c->t;
	struct idset add = { { 0 } };

	for (unsigned int j = 0; j < t->nnodes; j++) {
		unsigned int nearest = UINT16_MAX;
		bool ours = false;

		if (t->nodes[j].ncpus || !idset_has(&c->mems, t->nodes[j].id))
			continue;
		for (unsigned int i = 0; i < t->nnodes; i++) {
			unsigned int d = t->near[j * t->nnodes + i];

			if (!t->nodes[i].ncpus || !idset_has(&c->nodes, t->nodes[i].id) || d > nearest)
				continue;
			ours = idset_has(mems, t->nodes[i].id) || (d == nearest && ours);
			nearest = d;
		}
		if (ours)
			idset_add(&add, t->nodes[j].id);
	}
	idset_or(mems, &add);
}

/* What could not be checked is said. */
static void say_unknown(const struct choice *c, const struct idset *mems)
{
	struct idset unknown = { { 0 } };

	for (unsigned int i = 0; i < c->t->nnodes; i++)
		if (!c->t->nodes[i].mem_known && idset_has(mems, c->t->nodes[i].id))
			idset_add(&unknown, c->t->nodes[i].id);
	if (!idset_empty(&unknown))
		reasons_add(c->why, "limits.memory: not checked, the kernel does not say how much memory is on nodes %s",
			    list_text(&unknown).text);
}

/* From the chosen set: which memory nodes the container gets. */
static int settle_mems(struct choice *c, struct placement *out, struct error *err)
{
	const struct search *s = &c->search;
	struct idset mems = { { 0 } };
	bool spread = c->req->policy == POLICY_INTERLEAVE || c->req->policy == POLICY_WEIGHTED;

	for (unsigned int i = 0; i < s->best.n; i++) {
		const struct site *x = &s->sites[s->best.site[i]];

		if (idset_has(&c->mems, c->t->nodes[x->node].id))
			idset_add(&mems, c->t->nodes[x->node].id);
	}
	add_named_memory(c, &mems);
	if (spread && c->req->nodes_mode == NODES_LIST)
		idset_or(&mems, &c->mems);
	if (idset_empty(&mems)) {
		int near = nearest_memory(c, &out->nodes, &mems);

		if (near < 0)
			return error_set(err, -ENOSPC, "no node with memory may be used for CPUs of nodes %s",
					 list_text(&out->nodes).text);
		idset_add(&mems, c->t->nodes[near].id);
		reasons_add(c->why, "memory: on node %u, the nearest that has any", c->t->nodes[near].id);
	}
	if (idset_intersects(&mems, &c->t->merged))
		idset_or(&mems, &c->t->merged);
	idset_andnot(&mems, &c->in->policy->reserved_nodes);
	if (s->need.memory)
		say_unknown(c, &mems);
	out->mems = mems;
	return 0;
}

static void set_text(const struct choice *c, const struct site_set *set, char *buf, size_t size)
{
	struct idset ids = { { 0 } };

	for (unsigned int i = 0; i < set->n; i++)
		idset_add(&ids, c->t->nodes[c->search.sites[set->site[i]].node].id);
	snprintf(buf, size, "%s %s", set->n == 1 ? "node" : "nodes", list_text(&ids).text);
}

struct verdict {
	double distance, load, memory;
};

static struct verdict judge(const struct choice *c, const struct site_set *set)
{
	const struct search *s = &c->search;
	struct verdict v = { 0 };
	struct sums sum;
	int64_t held = 0; /* exclusively, by others */

	search_sums(s, set->site, set->n, &sum);
	for (unsigned int i = 0; i < set->n; i++)
		held += s->sites[set->site[i]].cpus - s->sites[set->site[i]].ncpus;
	v.distance = search_distance(&sum) / 2.0;
	if (sum.capacity)
		v.load = 100.0 * (double)(sum.load + s->need.room + held * LOAD_ONE) /
			 (double)(sum.capacity + held * LOAD_ONE);
	if (sum.total)
		v.memory = 100.0 * search_memory_load(s, &sum);
	return v;
}

static void explain_choice(const struct choice *c)
{
	const struct search *s = &c->search;
	struct verdict a = judge(c, &s->best), b;
	char first[LIST_TEXT + 8], second[LIST_TEXT + 8];
	char memory[2][40] = { "", "" };
	const char *lost;

	if (!c->why)
		return;
	set_text(c, &s->best, first, sizeof(first));
	if (a.memory > 0)
		snprintf(memory[0], sizeof(memory[0]), " and %.0f %% of memory", a.memory);
	reasons_add(c->why, "%.90s: %s, mean distance %.1f, then %.0f %% of CPUs%s taken", first,
		    s->need.overcommit ? "least crowded" :
		    s->best.n == 1     ? "has room for all of it" :
					 "the fewest that have room",
		    a.distance, a.load, memory[0]);
	if (!s->second.n) {
		if (s->best.n == 1)
			reasons_add(c->why, "runner-up: none, no other node suffices alone");
		else
			reasons_add(c->why, "runner-up: none, no other %u nodes suffice", s->best.n);
		return;
	}
	b = judge(c, &s->second);
	set_text(c, &s->second, second, sizeof(second));
	if (s->second.cost - s->best.cost < 1e-9)
		lost = "as good, with higher numbers";
	else if (b.distance > a.distance + 0.05)
		lost = "farther apart";
	else if (b.load > a.load + 0.5)
		lost = "more loaded";
	else if (b.memory > a.memory + 0.5)
		lost = "with less free memory";
	else if (c->req->ndevices || !idset_empty(&c->req->last_nodes))
		lost = "farther from its device or its last place";
	else if (b.load < a.load - 0.5)
		lost = "emptier, and kept for larger ones";
	else
		lost = "by a hair, over all";
	if (b.memory > 0)
		snprintf(memory[1], sizeof(memory[1]), ", memory %.0f %%", b.memory);
	reasons_add(c->why, "runner-up: %.90s, %s (distance %.1f, CPUs %.0f %%%s)", second, lost, b.distance, b.load, memory[1]);
}

static int settle(struct choice *c, struct placement *out, struct error *err)
{
	struct spread_input in = { .in = c->in, .search = &c->search, .candidate = c->candidate };
	bool all = c->req->cpu_listed || c->in->whole;
	unsigned int count = c->search.need.count;
	int r;

	out->policy = c->req->policy;
	out->overcommitted = c->search.need.overcommit && !all;
	if (all) {
		/* spread takes what it is given: all the candidates */
		c->search.need.count = 0;
	}
	r = spread_cpus(&in, out);
	if (r < 0)
		return error_errno(err, r, "selection");
	if (all)
		out->share.count = c->req->cpu_listed ? c->req->cpu_count : count ? count : 1;
	topology_nodes_of(c->t, &out->share.cpus, &out->nodes);
	r = settle_mems(c, out, err);
	if (r < 0)
		return r;
	r = spread_memory(&in, out);
	return r < 0 ? error_errno(err, r, "selection") : 0;
}

static int choose(struct choice *c, struct placement *out, struct error *err)
{
	struct placement placed = { 0 };
	int r;

	r = allow_nodes(c, err);
	if (r < 0)
		return r;
	allow_mems(c);
	allow_cpus(c);
	r = find_need(c, err);
	if (r == 0 && !c->in->whole)
		r = check_reserved(c, err);
	if (r < 0)
		return r;
	find_candidates(c, 0);
	if (c->req->exclusive) {
		c->free_core = spread_free_cores(c->in, c->candidate);
		if (!c->free_core)
			return error_errno(err, -ENOMEM, "selection");
	}
	for (unsigned int i = 0; i < c->req->ndevices; i++)
		if (c->in->devices_unknown >> i & 1)
			reasons_add(c->why,
				    "limits.cpu.device: \"%s\": the kernel knows no node for it, so it does not count",
				    quote(c->req->device[i]).text);
	if (c->in->whole)
		r = choose_whole(c, err);
	else
		r = c->req->cpu_listed ? choose_listed(c, err) : choose_nodes(c, err);
	if (r < 0)
		return r;
	if (!c->req->cpu_listed && !c->in->whole)
		explain_choice(c);
	r = settle(c, &placed, err);
	if (r < 0) {
		placement_free(&placed);
		return r;
	}
	*out = placed;
	return 0;
}

int select_placement(const struct select_input *in, struct placement *out, struct reasons *why, struct error *err)
{
	struct choice c = { .in = in, .t = in->topology, .req = in->request, .why = why };
	int r = -ENOMEM;

	if (why)
		for (unsigned int i = 0; i < in->topology->nwarnings; i++)
			reasons_add(why, "%s", in->topology->warnings[i]);
	c.search.topology = in->topology;
	c.candidate = calloc(in->topology->ncpus, sizeof(*c.candidate));
	c.search.sites = calloc(in->topology->nnodes, sizeof(*c.search.sites));
	if (in->usage->cpu_ids < in->topology->cpu_ids)
		r = error_set(err, -ERANGE, "the ledger knows %u CPUs, the machine has %u", in->usage->cpu_ids,
			      in->topology->cpu_ids);
	else if (c.candidate && c.search.sites)
		r = choose(&c, out, err);
	else
		error_errno(err, r, "selection");
	search_free(&c.search);
	free(c.search.sites);
	free(c.candidate);
	free(c.free_core);
	return r;
}
