/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds left-out CPUs and nodes from the kernel, the conf and the ledger, and describes them in words.
 */
#include "cli/left-out.h"

#include <string.h>

void left_out_cpus_of(const struct topology *t, unsigned int node, struct idset *cpus)
{
	const struct topo_node *n = &t->nodes[node];

	idset_clear(cpus);
	for (unsigned int i = 0; i < n->ncpus; i++)
		idset_add(cpus, t->cpus[n->first_cpu + i].id);
}

static void read_cgroup(const struct cli *cli, const struct topology *t, struct left_out *out)
{
	struct idset cpus;
	struct nodeset mems;

	topology_allowed(cli->root, t, &cpus, &mems);
	out->not_allowed = t->online;
	idset_andnot(&out->not_allowed, &cpus);
	out->bad_mems = t->mem_nodes;
	nodeset_andnot(&out->bad_mems, &mems);
}

static void read_reserved(const struct cli *cli, const struct topology *t, struct left_out *out)
{
	struct error ignored;
	struct conf conf;

	if (cli_conf(cli, &conf, &ignored) < 0)
		return;
	out->reserved = conf.select.reserved_cpus;
	idset_and(&out->reserved, &t->online);
	for (unsigned int i = 0; i < t->nnodes; i++) {
		struct idset cpus;

		if (!nodeset_has(&conf.select.reserved_nodes, t->nodes[i].id))
			continue;
		left_out_cpus_of(t, i, &cpus);
		idset_or(&out->reserved, &cpus);
		if (t->nodes[i].has_memory)
			nodeset_add(&out->bad_mems, t->nodes[i].id);
	}
}

void left_out_read(const struct cli *cli, const struct topology *t, const struct usage *usage, struct left_out *out)
{
	memset(out, 0, sizeof(*out));
	out->isolated = t->isolated;
	idset_and(&out->isolated, &t->online);
	out->offline = t->offline;
	read_cgroup(cli, t, out);
	read_reserved(cli, t, out);
	for (unsigned int i = 0; usage && i < t->ncpus; i++)
		if (t->cpus[i].id < usage->cpu_ids && usage->exclusive[t->cpus[i].id])
			idset_add(&out->held, t->cpus[i].id);
}

void left_out_of(int root, const struct topology *t, const struct left_out *all, unsigned int node,
		 struct left_out *out)
{
	struct idset cpus;

	left_out_cpus_of(t, node, &cpus);
	*out = *all;
	idset_and(&out->isolated, &cpus);
	idset_and(&out->reserved, &cpus);
	idset_and(&out->not_allowed, &cpus);
	idset_and(&out->held, &cpus);
	topology_offline_of(root, t, node, &out->offline);
}

void left_out_usable(const struct topology *t, const struct left_out *all, unsigned int node, struct idset *cpus)
{
	left_out_cpus_of(t, node, cpus);
	idset_andnot(cpus, &all->isolated);
	idset_andnot(cpus, &all->reserved);
	idset_andnot(cpus, &all->not_allowed);
}

static double load_on(const struct usage *usage, const struct idset *cpus)
{
	double sum = 0;

	idset_foreach(id, cpus)
		if (usage && (unsigned int)id < usage->cpu_ids)
			sum += (double)usage->load[id] / LOAD_ONE;
	return sum;
}

double left_out_fill(const struct topology *t, const struct left_out *all, unsigned int node, const struct usage *usage)
{
	struct idset usable;

	left_out_usable(t, all, node, &usable);
	return idset_empty(&usable) ? 0 : load_on(usage, &usable) / idset_count(&usable);
}

struct left_out_text left_out_load(const struct topology *t, const struct left_out *node, unsigned int i,
				   const struct usage *usage, const char *unit)
{
	const struct {
		const char *word;
		const struct idset *cpus;
	} reasons[] = {
		{ "isolated", &node->isolated },
		{ "reserved", &node->reserved },
		{ "not allowed here", &node->not_allowed },
		{ "offline", &node->offline },
		{ "held exclusively", &node->held },
	};
	struct left_out_text out;
	struct idset usable, seen = { { 0 } };
	size_t used;

	left_out_usable(t, node, i, &usable);
	if (usage)
		used = (size_t)snprintf(out.text, sizeof(out.text), "%.1f of %u%s", load_on(usage, &usable),
					idset_count(&usable), unit);
	else
		used = (size_t)snprintf(out.text, sizeof(out.text), "- of %u%s", idset_count(&usable), unit);
	for (size_t k = 0; k < ARRAY_SIZE(reasons) && used < sizeof(out.text); k++) {
		struct idset cpus = *reasons[k].cpus;
		double load;

		idset_andnot(&cpus, &seen);
		idset_or(&seen, &cpus);
		if (idset_empty(&cpus))
			continue;
		used += (size_t)snprintf(out.text + used, sizeof(out.text) - used, ", %u %s", idset_count(&cpus),
					 reasons[k].word);
		load = reasons[k].cpus == &node->held ? 0 : load_on(usage, &cpus);
		if (load >= 0.05 && used < sizeof(out.text))
			used += (size_t)snprintf(out.text + used, sizeof(out.text) - used, " (load %.1f)", load);
	}
	return out;
}

struct left_out_text left_out_memory(const struct topology *t, const struct left_out *all, unsigned int node,
				     const char *none)
{
	const struct topo_node *n = &t->nodes[node];
	struct left_out_text out = { "" };
	char size[32];
	size_t used = 0;

	if (n->memory_kind == MEMORY_UNKNOWN)
		used = (size_t)snprintf(out.text, sizeof(out.text), "unknown kind of memory: only where named");
	else if (n->memory_kind > MEMORY_ORDINARY)
		used = (size_t)snprintf(out.text, sizeof(out.text), "%s memory: only where named",
					memory_kind_name(n->memory_kind));
	else if (n->memory_kind == MEMORY_ORDINARY && !n->ncpus)
		used = (size_t)snprintf(out.text, sizeof(out.text), "ordinary memory");
	if (n->movable_only)
		used += (size_t)snprintf(out.text + used, sizeof(out.text) - used, "%smovable memory alone",
					 used ? ", " : "");
	if (nodeset_has(&all->bad_mems, n->id))
		used += (size_t)snprintf(out.text + used, sizeof(out.text) - used, "%smemory reserved or not allowed here",
					 used ? ", " : "");
	if (n->arc_bytes) {
		size_human(n->arc_bytes, size, sizeof(size));
		used += (size_t)snprintf(out.text + used, sizeof(out.text) - used, "%s%s of it free in ZFS's cache",
					 used ? ", " : "", size);
	}
	if (!used)
		snprintf(out.text, sizeof(out.text), "%s", none);
	return out;
}

void left_out_json(struct json_writer *o, const struct left_out *node)
{
	json_put_list(o, "isolated", ids_of(&node->isolated));
	json_put_list(o, "reserved", ids_of(&node->reserved));
	json_put_list(o, "not_allowed", ids_of(&node->not_allowed));
	json_put_list(o, "offline", ids_of(&node->offline));
	json_put_list(o, "held", ids_of(&node->held));
}
