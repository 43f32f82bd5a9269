/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The virtual CPUs get the CPUs in the order of nodes, then cores, so that two threads of a core of the guest are two
 * of the host, and the first cell of the guest is the first node.
 */
#include "runtime-hooks/libvirt/domain-layout.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KIB 1024ULL
#define MIB (1ULL << 20)

unsigned int domain_own_cells(const struct domain *d)
{
	return d->made_cells ? 0 : d->ncells;
}

static int by_core(const void *a, const void *b)
{
	const struct topo_cpu *x = a, *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	if (x->core != y->core)
		return x->core < y->core ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* Gives the virtual CPUs @vcpus a CPU each. */
static int pin(const struct idset *vcpus, const struct topology *t, const struct placement *p, struct domain_layout *l,
	       struct error *err)
{
	const unsigned int need = idset_count(vcpus), have = idset_count(&p->share.cpus);
	cleanup_free struct topo_cpu *cpu = calloc(have + 1UL, sizeof(*cpu));
	unsigned int n = 0, next = 0;

	if (!cpu)
		return error_errno(err, -ENOMEM, "domain");
	if (have < need)
		return error_set(err, -ENOSPC, "%u virtual CPUs need one CPU each, %u can be given", need, have);
	if (need && p->overcommitted)
		return error_set(err, -ENOSPC, "%u virtual CPUs need one CPU each, others use some of the %u that can be given",
				 need, have);
	idset_foreach(id, &p->share.cpus) {
		const int at = topology_find_cpu(t, id);

		if (at >= 0)
			cpu[n++] = t->cpus[at];
	}
	if (n < need)
		return error_set(err, -ENOSPC, "%u virtual CPUs need one CPU each, %u are online", need, n);
	qsort(cpu, n, sizeof(*cpu), by_core);
	idset_foreach(id, vcpus) {
		if (l->npins == DOMAIN_VCPUS_MAX)
			return error_set(err, -EINVAL, "more than %d virtual CPUs", DOMAIN_VCPUS_MAX);
		idset_add(&l->cpus, cpu[next].id);
		l->pin[l->npins++] = (struct domain_pin){ (uint16_t)id, cpu[next++].id };
	}
	return 0;
}

/* --- cells of the domain's own --- */

static int lay_out_own(const struct domain *d, const struct topology *t, const struct placement *part,
		       struct domain_layout *l, struct error *err)
{
	struct idset left = d->online;

	for (unsigned int i = 0; i < d->ncells; i++) {
		const struct domain_cell *c = &d->cell[i];
		struct idset vcpus = c->vcpus;
		int rc;

		if (nodeset_count(&part[i].mems) != 1)
			return error_set(err, -ENOSPC, "cell %u is on %u nodes", c->id, nodeset_count(&part[i].mems));
		idset_and(&vcpus, &d->online);
		idset_andnot(&left, &vcpus);
		rc = pin(&vcpus, t, &part[i], l, err);
		if (rc < 0)
			return error_prefix(err, rc, "cell %u", c->id);
		l->cell[i] = (struct layout_cell){ .id = c->id, .node = (unsigned int)nodeset_next(&part[i].mems, 0),
						   .kib = c->bytes / KIB, .vcpus = c->vcpus };
	}
	if (!idset_empty(&left))
		return error_set(err, -EINVAL, "virtual CPU %d is in no cell of <numa>", idset_next(&left, 0));
	l->ncells = d->ncells;
	return 0;
}

/* --- cells as the host's nodes --- */

/* The unit of a cell's memory: a hugepage, or what every machine of QEMU can divide. */
static uint64_t unit_of(const struct domain *d, const struct topology *t)
{
	uint64_t unit = MIB;

	for (unsigned int i = 0; i < d->nhuge; i++) {
		const uint64_t size = d->huge[i].size ? d->huge[i].size : t->huge_default;

		unit = size > unit ? size : unit;
	}
	return unit;
}

static uint64_t bytes_on(const struct topology *t, const struct share_node *n)
{
	uint64_t bytes = n->memory;

	for (unsigned int h = 0; h < t->nhuge; h++)
		bytes += n->huge[h] * t->huge_size[h];
	return bytes;
}

/* The last cell gets what the division leaves. */
static void divide_memory(const struct domain *d, const struct topology *t, const struct placement *p,
			  struct domain_layout *l)
{
	const uint64_t unit = unit_of(d, t);
	uint64_t left = (d->memory + unit - 1) / unit * unit;

	for (unsigned int i = 0; i < p->share.nmem && l->ncells < DOMAIN_CELLS_MAX; i++) {
		uint64_t bytes = bytes_on(t, &p->share.mem[i]) / unit * unit;

		bytes = bytes < left ? bytes : left;
		if (!bytes)
			continue;
		l->cell[l->ncells] = (struct layout_cell){ .id = l->ncells, .node = p->share.mem[i].id, .kib = bytes / KIB };
		l->ncells++;
		left -= bytes;
	}
	if (l->ncells)
		l->cell[l->ncells - 1].kib += left / KIB;
}

/* The cell of @node, or the nearest one. */
static struct layout_cell *cell_near(struct domain_layout *l, const struct topology *t, unsigned int node)
{
	struct layout_cell *best = NULL;
	unsigned int least = 0;

	for (unsigned int i = 0; i < l->ncells; i++) {
		const int at = topology_find_node(t, (int)l->cell[i].node);
		const unsigned int far = at < 0 ? UINT16_MAX : topology_distance(t, node, (unsigned int)at);

		if (!best || far < least) {
			best = &l->cell[i];
			least = far;
		}
	}
	return best;
}

/* Those that can be plugged in go to the cells in turn, with the threads of a core together. */
static void divide_vcpus(const struct domain *d, const struct topology *t, struct domain_layout *l)
{
	unsigned int turn = 0;

	for (unsigned int i = 0; i < l->npins; i++) {
		const unsigned int node = t->cpus[topology_find_cpu(t, l->pin[i].cpu)].node;

		idset_add(&cell_near(l, t, node)->vcpus, l->pin[i].vcpu);
	}
	for (unsigned int v = 0; v < d->vcpus_max && v < DOMAIN_VCPUS_MAX; v++)
		if (!idset_has(&d->online, v))
			idset_add(&l->cell[turn++ / d->threads % l->ncells].vcpus, v);
}

static int lay_out_whole(const struct domain *d, const struct topology *t, const struct placement *p,
			 struct domain_layout *l, struct error *err)
{
	int rc = pin(&d->online, t, p, l, err);

	/* The cells that numaplace makes and removes are not those that a page names. */
	if (rc == 0 && d->pages_of_cells && (d->made_cells || nodeset_count(&p->mems) > 1))
		return error_set(err, -ENOTSUP, "its hugepages are for some cells (<page nodeset>): define its cells in <cpu><numa> first");
	if (rc < 0 || nodeset_count(&p->mems) < 2 || p->policy == POLICY_INTERLEAVE)
		return rc;
	if (d->dimms)
		return error_set(err, -ENOTSUP, "its memory is on %u nodes, so it needs cells; with memory devices, define "
				 "them in <cpu><numa> first", nodeset_count(&p->mems));
	divide_memory(d, t, p, l);
	if (l->ncells < 2) {
		l->ncells = 0;
		return 0;
	}
	l->make_cells = true;
	divide_vcpus(d, t, l);
	return 0;
}

/* --- the whole --- */

static const char *mode_of(const struct domain *d, enum memory_policy policy)
{
	switch (policy) {
	case POLICY_PREFERRED:
		return "preferred";
	case POLICY_INTERLEAVE:
		return "interleave";
	default:
		return d->restrictive ? "restrictive" : "strict";
	}
}

/* QEMU's other threads run beside the virtual CPUs if the domain holds a thread that none of these has. */
static void choose_others(const struct placement *part, unsigned int nparts, struct domain_layout *l)
{
	for (unsigned int i = 0; i < nparts; i++)
		idset_or(&l->others, &part[i].share.held);
	idset_andnot(&l->others, &l->cpus);
	if (idset_empty(&l->others))
		l->others = l->cpus;
}

int domain_lay_out(const struct domain *d, const struct topology *t, const struct placement *part, unsigned int nparts,
		   struct domain_layout *out, struct error *err)
{
	cleanup_free struct domain_layout *l = calloc(1, sizeof(*l));
	int rc;

	if (!l)
		return error_errno(err, -ENOMEM, "domain");
	if (part[0].policy == POLICY_WEIGHTED)
		return error_set(err, -ENOTSUP, "limits.memory.policy: weighted-interleave: libvirt has strict, preferred and "
				 "interleave");
	rc = domain_own_cells(d) ? lay_out_own(d, t, part, l, err) : lay_out_whole(d, t, part, l, err);
	if (rc < 0)
		return rc;
	for (unsigned int i = 0; i < nparts; i++)
		nodeset_or(&l->mems, &part[i].mems);
	l->mode = mode_of(d, part[0].policy);
	choose_others(part, nparts, l);
	*out = *l;
	return 0;
}

/* --- what libvirt has kept of it --- */

static bool same_pins(const struct domain *d, const struct domain_layout *l)
{
	if (d->npins != l->npins)
		return false;
	for (unsigned int i = 0; i < l->npins; i++) {
		unsigned int k = 0;

		while (k < d->npins && (d->pin[k].vcpu != l->pin[i].vcpu || d->pin[k].cpu != l->pin[i].cpu))
			k++;
		if (k == d->npins)
			return false;
	}
	return true;
}

int domain_check(const struct domain *d, const struct domain_layout *l, struct error *err)
{
	if (!same_pins(d, l) || domain_asks(d))
		return error_set(err, -EBADMSG, "its virtual CPUs have other pins");
	if (!nodeset_equal(&d->mems, &l->mems))
		return error_set(err, -EBADMSG, "<numatune> has other nodes");
	if (l->ncells != d->ncells)
		return error_set(err, -EBADMSG, "it has %u cells instead of %u", d->ncells, l->ncells);
	for (unsigned int i = 0; i < l->ncells; i++)
		if (d->cell[i].bytes / KIB != l->cell[i].kib || !idset_equal(&d->cell[i].vcpus, &l->cell[i].vcpus))
			return error_set(err, -EBADMSG, "cell %u has other memory or virtual CPUs", d->cell[i].id);
	return 0;
}
