/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The candidates of a request: the nodes and CPUs that it may be given, by the request, the policy and the machine.
 */
#include "plugin/base/util.h"
#include "plugin/select/select-internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

static void all_nodes(const struct topology *t, struct nodeset *out)
{
	nodeset_clear(out);
	for (unsigned int i = 0; i < t->nnodes; i++)
		nodeset_add(out, t->nodes[i].id);
}

/* Refuses named nodes without CPUs; a node may have lost its CPUs because they are offline. */
static int refuse_nodes(const struct choice *c, struct error *err)
{
	unsigned int offline = 0;
	char text[48] = "";

	for (unsigned int i = 0; i < c->t->nnodes; i++)
		offline += nodeset_has(&c->nodes, c->t->nodes[i].id) ? c->t->nodes[i].offline : 0;
	if (offline)
		snprintf(text, sizeof(text), "; %u CPUs of these nodes are offline", offline);
	return error_set(err, -EINVAL, "limits.cpu.nodes: \"%s\": no node with CPUs among them (CPUs are on %s%s)",
			 list_text(&c->req->nodes).text, list_text(&c->t->cpu_nodes).text, text);
}

/* The node of a device, or the nearest nodes with CPUs if it has none. */
static void add_near(const struct topology *t, unsigned int id, struct nodeset *near)
{
	int device = topology_find_node(t, (int)id);
	const uint16_t *row = device < 0 ? NULL : &t->near[(unsigned int)device * t->nnodes];
	unsigned int least = UINT_MAX;

	if (nodeset_has(&t->cpu_nodes, id))
		nodeset_add(near, id);
	if (!row || nodeset_has(&t->cpu_nodes, id))
		return;
	for (unsigned int i = 0; i < t->nnodes; i++)
		if (t->nodes[i].ncpus && row[i] < least)
			least = row[i];
	for (unsigned int i = 0; i < t->nnodes; i++)
		if (t->nodes[i].ncpus && row[i] == least)
			nodeset_add(near, t->nodes[i].id);
}

/* For "require:": leaves only the nodes of the devices. On a machine with one node, they are all there. */
static int require_devices(struct choice *c, struct error *err)
{
	const struct device_nodes *d = &c->in->devices;
	struct nodeset near = { { 0 } }, others;

	if (!c->req->devices_required || nodeset_count(&c->t->cpu_nodes) < 2)
		return 0;
	for (unsigned int i = 0; i < c->req->ndevices; i++)
		if (d->unknown >> i & 1)
			return error_set(err, -ENOSPC,
					 "limits.cpu.device: \"%s\": it is required, but the kernel reports no node for it",
					 quote(c->req->device[i]).text);
	for (unsigned int i = 0; i < d->n; i++)
		add_near(c->t, d->node[i], &near);
	if (nodeset_empty(&near))
		return error_set(err, -ENOSPC,
				 "limits.cpu.device: \"require:auto\": no device with a node is in the container's configuration");
	if (c->req->cpu_listed) {
		topology_nodes_of(c->t, &c->req->cpu_list, &others);
		nodeset_andnot(&others, &near);
		if (!nodeset_empty(&others))
			return error_set(err, -EINVAL, "limits.cpu: \"%s\": has CPUs of nodes %s, limits.cpu.device requires nodes %s",
					 list_text(&c->req->cpu_list).text, list_text(&others).text, list_text(&near).text);
	}
	nodeset_and(&c->nodes, &near);
	if (nodeset_empty(&c->nodes))
		return error_set(err, -ENOSPC,
				 "limits.cpu.device: requires nodes %s, which are reserved or not in limits.cpu.nodes",
				 list_text(&near).text);
	return 0;
}

int candidates_allow_nodes(struct choice *c, struct error *err)
{
	const struct topology *t = c->t;
	struct nodeset there, missing;

	all_nodes(t, &there);
	c->nodes = there;
	if (c->in->whole && c->req->cpu_listed)
		topology_nodes_of(t, &c->req->cpu_list, &c->nodes);
	if (c->req->nodes_mode == NODES_LIST) {
		c->nodes = c->req->nodes;
		if (nodeset_intersects(&c->nodes, &t->merged))
			nodeset_or(&c->nodes, &there);
		nodeset_and(&c->nodes, &there);
		missing = c->req->nodes;
		nodeset_andnot(&missing, &there);
		nodeset_andnot(&missing, &t->merged);
		if (!nodeset_empty(&missing))
			reasons_add(c->why, "limits.cpu.nodes: nodes %s do not exist", list_text(&missing).text);
		if (nodeset_empty(&c->nodes) || (c->req->all_nodes && !nodeset_empty(&missing)))
			return error_set(err, -EINVAL, "limits.cpu.nodes: \"%s\": no such node (nodes %s exist)",
					 list_text(&missing).text, list_text(&there).text);
		if (!c->req->cpu_listed && !nodeset_intersects(&c->nodes, &t->cpu_nodes))
			return refuse_nodes(c, err);
	}
	if (c->in->whole && nodeset_intersects(&c->nodes, &c->in->policy->reserved_nodes))
		reasons_add(c->why, "of the chosen nodes, nodes %s are reserved: their memory is not used",
			    list_text(&c->in->policy->reserved_nodes).text);
	nodeset_andnot(&c->nodes, &c->in->policy->reserved_nodes);
	return require_devices(c, err);
}

/* Determines the CPU ids that may be given, held or not. */
static void allow_cpus(struct choice *c)
{
	const struct request *req = c->req;

	c->cpus = c->t->online;
	if (c->limits->limited)
		idset_and(&c->cpus, &c->limits->allowed_cpus);
	if (!idset_empty(&c->limits->pin_cpus))
		idset_and(&c->cpus, &c->limits->pin_cpus);
	if (!c->in->whole)
		idset_andnot(&c->cpus, &c->in->policy->reserved_cpus);
	if (req->cpu_listed)
		idset_and(&c->cpus, &req->cpu_list);
	else if (c->isolated)
		idset_and(&c->cpus, &c->t->isolated);
	else
		idset_andnot(&c->cpus, &c->t->isolated);
}

bool node_allowed(const struct choice *c, const struct topo_node *node)
{
	return c->req->cpu_listed || nodeset_has(&c->nodes, node->id);
}

bool cpu_allowed(const struct choice *c, unsigned int i)
{
	const struct topo_cpu *cpu = &c->t->cpus[i];

	return idset_has(&c->cpus, cpu->id) && (!c->first_thread || c->first_thread[i]) &&
	       (c->kinds.n == 1 || c->kinds_wanted >> kind_of(&c->kinds, cpu) & 1);
}

void candidates_find(struct choice *c, unsigned int kinds)
{
	const struct topology *t = c->t;

	c->kinds_wanted = kinds;
	c->ncandidates = 0;
	for (unsigned int k = 0; k < t->nnodes; k++) {
		const struct topo_node *node = &t->nodes[k];
		bool may = node_allowed(c, node);

		for (unsigned int i = node->first_cpu; i < node->first_cpu + node->ncpus; i++) {
			c->candidate[i] = may && cpu_allowed(c, i) &&
					  (c->in->whole || !c->in->usage->exclusive[t->cpus[i].id]);
			c->ncandidates += c->candidate[i];
		}
	}
}

/* For requests that count cores: the least loaded thread represents its core. Held cores get a representative, too. */
static int find_first_threads(struct choice *c)
{
	const struct topology *t = c->t;
	cleanup_free unsigned int *first = calloc(t->ncores + 1, sizeof(*first)); /* index + 1 */
	bool *chosen = calloc(t->ncpus, sizeof(*chosen));

	if (!first || !chosen) {
		free(chosen);
		return -ENOMEM;
	}
	candidates_find(c, KINDS_ALL);
	for (unsigned int i = 0; i < t->ncpus; i++) {
		unsigned int *f = &first[t->cpus[i].core], old = *f - 1;
		const uint32_t *load = c->in->usage->load;

		if (!node_allowed(c, &t->nodes[t->cpus[i].node]) || !cpu_allowed(c, i))
			continue;
		if (!*f || (c->candidate[i] && (!c->candidate[old] || load[t->cpus[i].id] < load[t->cpus[old].id])))
			*f = i + 1;
	}
	for (unsigned int k = 0; k < t->ncores; k++)
		if (first[k])
			chosen[first[k] - 1] = true;
	c->first_thread = chosen;
	return 0;
}

unsigned int wanted_kinds(const struct choice *c)
{
	if (c->kinds.n == 1)
		return KINDS_ALL;
	switch (c->req->cpu_class) {
	case CLASS_PERFORMANCE:
		return 1;
	case CLASS_EFFICIENT:
		return KINDS_ALL & ~1U;
	default:
		return KINDS_ALL;
	}
}

/*
 * If all non-isolated cores that no container holds are free, and an exclusive container would take the last of them,
 * excludes one core for other containers and the host.
 */
static int keep_core(struct choice *c)
{
	const struct topology *t = c->t;
	cleanup_free bool *takes = NULL; /* by core: this container could take it */
	cleanup_free unsigned int *threads = NULL; /* by core: its CPUs that the container could take */
	unsigned int nfree = 0;
	int kept = -1; /* the core with the fewest CPUs to take, then the lowest CPU id */

	for (unsigned int i = 0; c->kept_core >= 0 && i < t->ncpus; i++)
		if (t->cpus[i].core == c->kept_core)
			c->free_core[i] = true;
	c->kept_core = -1;
	if (!c->req->exclusive || c->isolated || c->in->whole || !idset_intersects(&t->online, &t->isolated))
		return 0;
	takes = calloc(t->ncores + 1, sizeof(*takes));
	threads = calloc(t->ncores + 1, sizeof(*threads));
	if (!takes || !threads)
		return -ENOMEM;
	for (unsigned int i = 0; i < t->ncpus; i++) {
		takes[t->cpus[i].core] |= c->candidate[i] && c->free_core[i];
		threads[t->cpus[i].core] += c->candidate[i];
	}
	for (unsigned int i = 0; i < t->ncpus; i++) {
		const struct topo_cpu *cpu = &t->cpus[i];

		if (idset_has(&t->isolated, cpu->id) || c->in->usage->exclusive[cpu->id])
			continue;
		if (!takes[cpu->core])
			return 0; /* this core is left to others in any case */
		nfree += c->candidate[i];
		if (kept < 0 || threads[cpu->core] < threads[t->cpus[kept].core] ||
		    (threads[cpu->core] == threads[t->cpus[kept].core] && cpu->id < t->cpus[kept].id))
			kept = (int)i;
	}
	if (kept < 0 || (!c->req->cpu_listed && c->sought.count + threads[t->cpus[kept].core] <= nfree))
		return 0;
	c->kept_core = t->cpus[kept].core;
	for (unsigned int i = 0; i < t->ncpus; i++)
		if (t->cpus[i].core == c->kept_core)
			c->free_core[i] = false;
	return 0;
}

int candidates_enter_pool(struct choice *c, bool isolated)
{
	c->isolated = isolated;
	c->search.need = c->sought;
	allow_cpus(c);
	free(steal_ptr(c->first_thread));
	if (c->req->one_thread && find_first_threads(c) < 0)
		return -ENOMEM;
	candidates_find(c, wanted_kinds(c));
	return keep_core(c);
}
