/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Explanations of a selection: why these nodes, why a refusal, what was left out. Each CPU and node that was left out
 * counts once, by its first cause.
 */
#include "plugin/select/select-internal.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

void reasons_add(struct reasons *why, const char *fmt, ...)
{
	va_list ap;

	if (!why || why->n == REASONS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(why->text[why->n++], sizeof(why->text[0]), fmt, ap);
	va_end(ap);
}

const char *placement_warning(enum placement_warning w)
{
	static const char *const text[WARNINGS] = {
		[WARN_STARVED] = "the memory nodes that it may use have no free memory left",
		[WARN_MOVABLE] = "its memory nodes have movable memory alone, and the kernel needs some of its own",
		[WARN_ISOLATED] = "some of its CPUs are isolated: the kernel does not balance load over these",
	};

	return text[w];
}

struct list_text ids_text(struct ids s)
{
	struct list_text l;

	if (ids_format(s, l.text, sizeof(l.text)) >= sizeof(l.text))
		memcpy(l.text + sizeof(l.text) - 4, "...", 4);
	return l;
}

struct size_text size_text(uint64_t bytes)
{
	struct size_text s;

	size_human(bytes, s.text, sizeof(s.text));
	return s;
}

/* --- what was left out --- */

enum cause { OFFLINE, NOT_ALLOWED, NOT_PINNED, RESERVED, ISOLATED, OTHER_CLASS, HELD, KEPT, IN_USE, CAUSES };

/* Why CPU @i (index) is not a candidate; CAUSES if it is one, or is irrelevant to the request. */
static enum cause cause_of(const struct choice *c, unsigned int i)
{
	const struct topo_cpu *cpu = &c->t->cpus[i];
	const struct select_policy *policy = c->in->policy;
	const struct idset *pin = &c->limits->pin_cpus;
	unsigned int node = c->t->nodes[cpu->node].id;

	if (c->req->nodes_mode == NODES_LIST && !nodeset_has(&c->req->nodes, node))
		return CAUSES;
	if (c->limits->limited && !idset_has(&c->limits->allowed_cpus, cpu->id))
		return NOT_ALLOWED;
	if (!idset_empty(pin) && !idset_has(pin, cpu->id))
		return NOT_PINNED;
	if (idset_has(&policy->reserved_cpus, cpu->id) || nodeset_has(&policy->reserved_nodes, node))
		return RESERVED;
	if (!c->req->cpu_listed && idset_has(&c->t->isolated, cpu->id) != c->isolated)
		return c->isolated ? CAUSES : ISOLATED;
	if (!(c->kinds_wanted >> kind_of(&c->kinds, cpu) & 1))
		return OTHER_CLASS;
	if (c->in->usage->exclusive[cpu->id])
		return HELD;
	if (cpu->core == c->kept_core)
		return KEPT;
	return c->req->exclusive && !c->free_core[i] ? IN_USE : CAUSES;
}

/* Number of offline CPUs, on the named nodes if the request names any. */
static unsigned int offline_cpus(const struct choice *c)
{
	unsigned int n = 0;

	if (c->req->nodes_mode != NODES_LIST)
		return idset_count(&c->t->offline);
	for (unsigned int i = 0; i < c->t->nnodes; i++)
		n += nodeset_has(&c->req->nodes, c->t->nodes[i].id) ? c->t->nodes[i].offline : 0;
	return n;
}

static const char *const words[CAUSES] = {
	[OFFLINE] = "offline",
	[NOT_ALLOWED] = "not allowed here",
	[NOT_PINNED] = "outside of cpuset.cpus",
	[RESERVED] = "reserved",
	[ISOLATED] = "isolated",
	[OTHER_CLASS] = "of another class",
	[HELD] = "held by others",
	[KEPT] = "kept for others, as the last that are not isolated",
	[IN_USE] = "on cores in use",
};

struct left_out_text left_out(const struct choice *c, bool more)
{
	struct left_out_text out = { "" };
	unsigned int n[CAUSES + 1] = { 0 };
	size_t used = 0;

	n[OFFLINE] = offline_cpus(c);
	for (unsigned int i = 0; i < c->t->ncpus; i++)
		n[cause_of(c, i)]++;
	for (unsigned int k = 0; k < CAUSES && used < sizeof(out.text); k++) {
		if (!n[k])
			continue;
		used += (size_t)snprintf(out.text + used, sizeof(out.text) - used, "%s%u%s %s", used ? ", " : "", n[k],
					 used	    ? "" :
					 n[k] == 1 ? (more ? " more is" : " is") :
						     (more ? " more are" : " are"),
					 words[k]);
	}
	return out;
}

/*
 * Memory of nodes without CPUs that the request does not name, so that it is not used: bytes, or pages of size @huge
 * if not negative.
 */
static void bare_memory(const struct choice *c, int huge, struct nodeset *bare, uint64_t *amount)
{
	const struct topology *t = c->t;

	*amount = 0;
	for (unsigned int i = 0; i < t->nnodes; i++) {
		const struct topo_node *node = &t->nodes[i];
		uint64_t here = huge < 0 ? node->mem_free : node->huge_free[huge];

		if (node->ncpus || !here || nodeset_has(&c->mems, node->id) || nodeset_has(&t->merged, node->id) ||
		    nodeset_has(&c->in->policy->reserved_nodes, node->id) ||
		    (c->limits->limited && !nodeset_has(&c->limits->allowed_mems, node->id)) ||
		    (!nodeset_empty(&c->limits->pin_mems) && !nodeset_has(&c->limits->pin_mems, node->id)))
			continue;
		nodeset_add(bare, node->id);
		*amount += here;
	}
}

/* "; node 2 has 4GiB and no CPUs: limits.cpu.nodes=0-2"; @huge as in bare_memory(). */
static size_t bare_text(const struct choice *c, int huge, char *buf, size_t size)
{
	struct nodeset bare = { { 0 } }, name;
	char amount[40];
	uint64_t n;
	bool several;

	buf[0] = '\0';
	bare_memory(c, huge, &bare, &n);
	if (nodeset_empty(&bare) || c->mems_named)
		return 0;
	name = c->req->nodes_mode == NODES_LIST ? c->nodes : c->t->cpu_nodes;
	nodeset_andnot(&name, &c->in->policy->reserved_nodes);
	nodeset_or(&name, &bare);
	if (huge < 0)
		size_human(n, amount, sizeof(amount));
	else
		snprintf(amount, sizeof(amount), "%llu", (unsigned long long)n);
	several = nodeset_count(&bare) > 1;
	return (size_t)snprintf(buf, size, "; node%s %.60s %s %s and no CPUs: limits.cpu.nodes=%.60s", several ? "s" : "",
				list_text(&bare).text, several ? "have" : "has", amount, list_text(&name).text);
}

void unused_memory(const struct choice *c, char *buf, size_t size)
{
	bare_text(c, -1, buf, size);
}

/* Lists memory, or pages of size @huge, that does not count, and why: "; reserved: node 3". */
static size_t memory_left_out(const struct choice *c, int huge, char *buf, size_t size)
{
	const struct topology *t = c->t;
	struct nodeset reserved = t->mem_nodes, outside = t->mem_nodes;
	size_t used = bare_text(c, huge, buf, size);

	nodeset_and(&reserved, &c->in->policy->reserved_nodes);
	if (!nodeset_empty(&reserved) && used < size)
		used += (size_t)snprintf(buf + used, size - used, "; reserved: node %.60s", list_text(&reserved).text);
	if (c->limits->limited)
		nodeset_andnot(&outside, &c->limits->allowed_mems);
	else
		nodeset_clear(&outside);
	if (!nodeset_empty(&outside) && used < size)
		used += (size_t)snprintf(buf + used, size - used, "; not allowed here: node %.60s", list_text(&outside).text);
	return used;
}

/* "0: 3GiB, 1: 500MiB" for a refusal. @what: -1 memory, HUGE_SIZES_MAX free CPUs, else the index of a page size. */
static void per_node(const struct choice *c, char *buf, size_t size, int what)
{
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; i < c->t->nnodes && used < size; i++) {
		for (unsigned int k = 0; k < c->search.nsites; k++) {
			const struct site *x = &c->search.sites[k];
			char value[32];

			if (x->node != i ||
			    (what != HUGE_SIZES_MAX && c->mems_named && !nodeset_has(&c->mems, c->t->nodes[i].id)))
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

/* "; 12.5GiB of it in ZFS's cache", or "". */
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

/* Reports why all sites together do not suffice. */
int refuse(const struct choice *c, struct error *err)
{
	const struct need *need = &c->asked;
	struct sums all = { 0 };
	char nodes[180], besides[180], arc[64], kept[120];

	for (unsigned int i = 0; i < c->search.nsites; i++) {
		all.room += c->search.sites[i].room;
		all.avail += c->search.sites[i].avail;
		for (unsigned int h = 0; h < c->t->nhuge; h++)
			all.huge[h] += c->search.sites[i].huge[h];
	}
	if (all.room < c->search.need.room && c->req->exclusive) {
		struct left_out_text causes = left_out(c, true);

		per_node(c, nodes, sizeof(nodes), HUGE_SIZES_MAX);
		return error_set(err, -ENOSPC,
				 "limits.cpu: %u exclusive %s requested, %u are in free whole cores (node %s%s%s)", need->count,
				 c->req->one_thread ? "cores" : "CPUs", (unsigned int)(all.room / LOAD_ONE), nodes,
				 causes.text[0] ? "; " : "", causes.text);
	}
	if (all.avail < need->memory) {
		per_node(c, nodes, sizeof(nodes), -1);
		memory_left_out(c, -1, besides, sizeof(besides));
		arc_text(c, arc, sizeof(arc));
		reserved_memory_text(c->in->policy, &c->mems, kept, sizeof(kept));
		return error_set(err, -ENOSPC, "limits.memory: %s requested, %s available (node %s%s)%s%s",
				 size_text(need->memory).text, size_text(all.avail).text, nodes, arc, kept, besides);
	}
	for (unsigned int h = 0; h < c->t->nhuge; h++) {
		if (all.huge[h] >= need->huge[h])
			continue;
		per_node(c, nodes, sizeof(nodes), (int)h);
		memory_left_out(c, (int)h, besides, sizeof(besides));
		return error_set(err, -ENOSPC, "limits.memory.hugepages: %llu pages of %s requested, %llu free (node %s)%s",
				 (unsigned long long)need->huge[h], size_text(c->t->huge_size[h]).text,
				 (unsigned long long)all.huge[h], nodes, besides);
	}
	return error_set(err, -ENOSPC, "no set of nodes has all of the requested CPUs, memory and hugepages");
}

/* Refuses a listed CPU (index) that is not a candidate. */
int refuse_listed(const struct choice *c, unsigned int cpu, struct error *err)
{
	enum cause cause = cause_of(c, cpu);
	const struct topo_cpu *x = &c->t->cpus[cpu];
	unsigned int node = c->t->nodes[x->node].id;

	if (nodeset_has(&c->in->policy->reserved_nodes, node))
		return error_set(err, -ENOSPC, "limits.cpu: CPU %u is on node %u, which is reserved", x->id, node);
	if (!nodeset_has(&c->nodes, node))
		return error_set(err, -ENOSPC, "limits.cpu: CPU %u is on node %u, not on nodes %s", x->id, node,
				 list_text(&c->nodes).text);
	if (cause == HELD)
		return error_set(err, -ENOSPC, "limits.cpu: CPU %u is held exclusively by another container", x->id);
	return error_set(err, -ENOSPC, "limits.cpu: CPU %u is %s", x->id, cause < CAUSES ? words[cause] : "not available");
}

/* Refuses a listed CPU (index) whose core others use or may use. */
int refuse_core(const struct choice *c, unsigned int cpu, struct error *err)
{
	const struct topology *t = c->t;
	const struct select_policy *policy = c->in->policy;

	if (c->in->usage->load[t->cpus[cpu].id])
		return error_set(err, -ENOSPC, "limits.cpu: CPU %u is in use by another container: it cannot be exclusive",
				 t->cpus[cpu].id);
	for (unsigned int i = 0; i < t->ncpus; i++) {
		const struct topo_cpu *x = &t->cpus[i];
		const char *what = c->in->usage->exclusive[x->id]     ? "held exclusively by another container" :
				   c->in->usage->load[x->id]	     ? "in use by another container" :
				   idset_has(&policy->reserved_cpus, x->id) ||
						   nodeset_has(&policy->reserved_nodes, t->nodes[x->node].id) ?
								      words[RESERVED] :
								      words[NOT_ALLOWED];

		if (i == cpu || x->core != t->cpus[cpu].core)
			continue;
		if (what == words[NOT_ALLOWED] && (!c->limits->limited || idset_has(&c->limits->allowed_cpus, x->id)))
			continue;
		return error_set(err, -ENOSPC, "limits.cpu: CPU %u shares its core with CPU %u, which is %s",
				 t->cpus[cpu].id, x->id, what);
	}
	return error_set(err, -ENOSPC, "limits.cpu: CPU %u is not on a free whole core", t->cpus[cpu].id);
}

/* Refuses because no CPU is a candidate. */
int no_candidates(const struct choice *c, struct error *err)
{
	struct left_out_text causes = left_out(c, false);
	const char *colon = causes.text[0] ? ": " : "";

	if (!idset_empty(&c->limits->pin_cpus))
		return error_set(err, -ENOSPC, "no CPU left of cpuset.cpus \"%s\" that may be used%s%s",
				 list_text(&c->limits->pin_cpus).text, colon, causes.text);
	if (nodeset_empty(&c->nodes))
		return error_set(err, -ENOSPC, "no CPU left: nodes %s are all reserved",
				 list_text(&c->in->policy->reserved_nodes).text);
	if (c->isolated)
		return error_set(err, -ENOSPC, "limits.cpu.class: \"isolated\": no isolated CPU left on nodes %s%s%s",
				 list_text(&c->nodes).text, colon, causes.text);
	return error_set(err, -ENOSPC, "no CPU left on nodes %s%s%s", list_text(&c->nodes).text, colon, causes.text);
}

static void set_text(const struct choice *c, const struct site_set *set, char *buf, size_t size)
{
	struct nodeset ids = { { 0 } }, memory = { { 0 } };
	int n;

	for (unsigned int i = 0; i < set->n; i++) {
		const struct site *x = &c->search.sites[set->site[i]];

		nodeset_add(&ids, c->t->nodes[x->node].id);
		if (!x->ncpus)
			nodeset_add(&memory, c->t->nodes[x->node].id);
	}
	n = snprintf(buf, size, "%s %.60s", set->n == 1 ? "node" : "nodes", list_text(&ids).text);
	if (!nodeset_empty(&memory) && n > 0 && (size_t)n < size)
		snprintf(buf + n, size - (size_t)n, " (%.20s for memory)", list_text(&memory).text);
}

struct verdict {
	double distance, load, memory;
	double away; /* part of distance that is due to remote memory */
};

static struct verdict judge(const struct choice *c, const struct site_set *set)
{
	const struct search *s = &c->search;
	struct verdict v = { 0 };
	struct sums sum;
	int64_t held = 0; /* CPUs held exclusively by others */

	search_sums(s, set->site, set->n, &sum);
	for (unsigned int i = 0; i < set->n; i++) {
		const struct site *x = &s->sites[set->site[i]];

		held += x->cpus - x->ncpus;
	}
	v.distance = search_distance(&sum) / 2.0;
	v.away = sum.weight && !sum.mem_weight ? v.distance - 10 : 0;
	if (sum.capacity)
		v.load = 100.0 * (double)(sum.load + s->need.room + held * LOAD_ONE) /
			 (double)(sum.capacity + held * LOAD_ONE);
	if (sum.total)
		v.memory = 100.0 * search_memory_load(s, &sum);
	return v;
}

/* The lowest node of @set that is not in @other. */
static unsigned int lowest_of(const struct search *s, const struct site_set *set, const struct site_set *other)
{
	unsigned int lowest = UINT_MAX;

	for (unsigned int i = 0; i < set->n; i++) {
		unsigned int node = s->sites[set->site[i]].node;
		bool in = false;

		for (unsigned int k = 0; k < other->n; k++)
			in |= other->site[k] == set->site[i];
		if (!in && node < lowest)
			lowest = node;
	}
	return lowest;
}

static const char *why_lost(const struct choice *c, const struct verdict *a, const struct verdict *b)
{
	const struct search *s = &c->search;

	if (s->second.cost - s->best.cost < 1e-9)
		return lowest_of(s, &s->best, &s->second) < lowest_of(s, &s->second, &s->best)
			       ? "as good, with higher numbers"
			       : "as good";
	if (b->away > a->away + 0.05)
		return "its memory is elsewhere";
	if (b->distance > a->distance + 0.05)
		return "farther apart";
	if (b->load > a->load + 0.5)
		return "more loaded";
	if (b->memory > a->memory + 0.5)
		return "with less free memory";
	if (c->in->devices.n || c->req->ndevices || !nodeset_empty(&c->limits->last_nodes))
		return "farther from its device or its last place";
	if (b->load < a->load - 0.5)
		return "emptier, and kept for larger ones";
	return "slightly worse overall";
}

/* "sda, sdb and 3 more" of those on @node */
static void found_text(const struct request *r, unsigned int node, char *buf, size_t size)
{
	unsigned int named = 0, more = 0;
	size_t used = 0;

	for (unsigned int i = 0; i < r->nfound; i++) {
		if (r->found[i].node != node)
			continue;
		if (named < 2 && used < size)
			used += (size_t)snprintf(buf + used, size - used, "%s%s", named++ ? ", " : "", r->found[i].name);
		else
			more++;
	}
	if (more && used < size)
		snprintf(buf + used, size - used, " and %u more", more);
}

void explain_devices(const struct choice *c, const struct nodeset *chosen)
{
	const struct request *r = c->req;
	struct nodeset told = { { 0 } };
	char names[110];

	for (unsigned int i = 0; c->why && r->devices_mode == DEVICES_AUTO && i < r->nfound; i++) {
		unsigned int node = r->found[i].node;
		bool near = nodeset_has(chosen, node);

		if (nodeset_has(&told, node))
			continue;
		nodeset_add(&told, node);
		found_text(r, node, names, sizeof(names));
		reasons_add(c->why, "%s %s (node %u), found in the container's configuration%s", near ? "near" : "not near", names,
			    node, near ? "" : ": other costs weigh more");
	}
}

void explain_choice(const struct choice *c)
{
	const struct search *s = &c->search;
	struct verdict a, b;
	char first[100], second[100];
	char memory[2][40] = { "", "" };

	if (!c->why)
		return;
	a = judge(c, &s->best);
	set_text(c, &s->best, first, sizeof(first));
	if (a.memory > 0)
		snprintf(memory[0], sizeof(memory[0]), " and %.0f %% of memory", a.memory);
	reasons_add(c->why, "%.90s: %s, mean distance %.1f, then %.0f %% of CPUs%s taken", first,
		    c->req->all_nodes	 ? "all of them, as requested" :
		    s->need.overcommit ? "least crowded" :
		    s->best.n == 1     ? "has room for all of it" :
					 "the fewest that have room",
		    a.distance, a.load, memory[0]);
	if (c->req->all_nodes)
		return;
	if (!s->second.n) {
		if (s->best.n == 1)
			reasons_add(c->why, "runner-up: none, no other node suffices alone");
		else
			reasons_add(c->why, "runner-up: none, no other %u nodes suffice", s->best.n);
		return;
	}
	b = judge(c, &s->second);
	set_text(c, &s->second, second, sizeof(second));
	if (b.memory > 0)
		snprintf(memory[1], sizeof(memory[1]), ", memory %.0f %%", b.memory);
	reasons_add(c->why, "runner-up: %.90s, %s (distance %.1f, CPUs %.0f %%%s)", second, why_lost(c, &a, &b), b.distance,
		    b.load, memory[1]);
}
