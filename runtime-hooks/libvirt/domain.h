/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What numaplace reads in the XML of a libvirt domain: its name, its size, and how its nodes are chosen.
 */
#ifndef NUMAPLACE_DOMAIN_H
#define NUMAPLACE_DOMAIN_H

#include "plugin/machine/device-ref.h"
#include "plugin/select/request.h"

#define DOMAIN_XML_MAX (4U << 20) /* bytes; a whole number of MiB */
#define DOMAIN_CELLS_MAX 128      /* of the guest; more are one, for hugepages */
#define DOMAIN_VCPUS_MAX 4096     /* with a number of their own; of more, the pins are not read */
#define DOMAIN_NAME_MAX 255
#define DOMAIN_ID_MAX 64          /* a longer name is no id: with its class, it may not fit in the name of a file */

/* What `numaplace virt` keeps in the XML: the request and the user's own pins, from which it chooses again. */
#define DOMAIN_NAMESPACE "https://numaplace.org/libvirt/domain/1"
#define DOMAIN_PLACE "numaplace:place"

/* <vcpupin>: a virtual CPU on one CPU of the host, or on several. */
struct domain_pin {
	uint16_t vcpu, cpu;
};
#define DOMAIN_PIN_SEVERAL 0xffffU

struct domain_cell {
	unsigned int id;
	uint64_t bytes;
	struct idset vcpus;
	bool huge;                   /* its memory is in hugepages */
	uint64_t page;               /* bytes; 0: the default size of the host */
};

struct domain {
	char name[DOMAIN_NAME_MAX + 1];
	char uuid[37];
	unsigned int vcpus;          /* online at its start */
	unsigned int vcpus_max;      /* with those that can be plugged in */
	struct idset online;         /* their numbers */
	unsigned int threads;        /* of a core of the guest; 1: not given */
	struct idset iothreads;      /* numbers */
	uint64_t memory;             /* bytes */
	bool dimms;                  /* a part of it is memory devices */
	bool pages_of_cells;         /* <page nodeset>: hugepages of some cells */
	bool auto_cpus, auto_mems;   /* placement='auto' */
	struct idset cpus;           /* <vcpu cpuset>; empty: not given */
	struct idset pinned;         /* all CPUs of <vcpupin> */
	unsigned int npins;
	struct domain_pin pin[DOMAIN_VCPUS_MAX];
	struct nodeset mems;         /* <numatune>: nodeset, and those of the guest's cells; empty: not given */
	enum memory_policy policy;   /* <numatune>; strict if it is not given */
	bool restrictive;            /* mode='restrictive', which is strict here */
	unsigned int nhuge;
	struct huge_request huge[HUGE_REQUEST_MAX];
	unsigned int ncells;
	struct domain_cell cell[DOMAIN_CELLS_MAX];
	/* DOMAIN_PLACE */
	bool planned;                /* the pins and nodes above are those that numaplace has chosen */
	bool made_cells;             /* the cells, too */
	struct request asked;        /* keys; not finished */
	struct idset pin_cpus;       /* of the user; empty: none */
	struct nodeset pin_mems;
};

/* Parses a domain's XML. -EINVAL: malformed, without a name or a UUID, or with a value that cannot be. */
int domain_parse(const char *text, size_t len, struct domain *out, struct error *err);

/* Its id in the ledger: its name, or its UUID if the name is long or not plain (name_check_id()). */
const char *domain_id(const struct domain *d);

/* Whether libvirt asks for advice. */
bool domain_asks(const struct domain *d);

/* What it was given, as a finished request. -EINVAL: it has no vCPUs or memory. */
int domain_request(const struct domain *d, struct request *out, struct error *err);

/* The same for one cell of the guest. */
int domain_cell_request(const struct domain *d, unsigned int cell, struct request *out, struct error *err);

/*
 * What a domain that `numaplace virt` has placed needs at its start: exactly the CPUs of its pins, and memory on its
 * nodes. -ENOENT: it is not such a domain, or it has other pins now.
 */
int domain_start_request(const struct domain *d, struct request *out, struct error *err);

/* Adds the host's devices that the domain is given: PCI devices, disks that are block devices, macvtap's interfaces. */
int domain_devices(const char *text, size_t len, struct device_refs *out, struct error *err);

#endif
