/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a placement to what the XML of a domain says: the CPU of each virtual CPU, the CPUs of QEMU's other threads, the
 * memory nodes, and the cells of the guest with the host's node of each. A pure function, and its writer.
 */
#ifndef NUMAPLACE_DOMAIN_LAYOUT_H
#define NUMAPLACE_DOMAIN_LAYOUT_H

#include "plugin/select/select.h"
#include "runtime-hooks/libvirt/domain.h"

struct layout_cell {
	unsigned int id;     /* of the guest */
	unsigned int node;   /* of the host */
	uint64_t kib;
	struct idset vcpus;
};

struct domain_layout {
	unsigned int npins;
	struct domain_pin pin[DOMAIN_VCPUS_MAX]; /* ascending by vcpu */
	struct idset cpus;           /* of all pins */
	struct idset others;         /* for QEMU's other threads */
	struct nodeset mems;
	const char *mode;            /* of <numatune> */
	bool make_cells;             /* they are not the domain's own */
	unsigned int ncells;         /* 0: the guest has no nodes, or alternates its memory over those of the host */
	struct layout_cell cell[DOMAIN_CELLS_MAX];
};

/*
 * The cells of the domain that its user has defined; 0: none. Those that an earlier layout has made are not.
 */
unsigned int domain_own_cells(const struct domain *d);

/*
 * Lays out @d on @part: one placement for each of its own cells, or one for all of it. -ENOSPC: it has more virtual CPUs
 * than CPUs, or a cell is on several nodes. -ENOTSUP: libvirt cannot express it.
 */
int domain_lay_out(const struct domain *d, const struct topology *t, const struct placement *part, unsigned int nparts,
		   struct domain_layout *out, struct error *err);

/*
 * Writes the layout into the XML of @d, and DOMAIN_PLACE with @d->asked and its pins, so that a later call knows them.
 * The caller frees *@out. -EINVAL: not the XML of a domain, or one in which the layout cannot be read back;
 * -ENOMEM.
 */
int domain_edit(const char *text, size_t len, const struct domain *d, const struct domain_layout *l, char **out,
		size_t *out_len, struct error *err);

/* Whether @d, parsed from an XML, has the pins, the nodes and the cells of the layout. -EBADMSG: it has others. */
int domain_check(const struct domain *d, const struct domain_layout *l, struct error *err);

#endif
