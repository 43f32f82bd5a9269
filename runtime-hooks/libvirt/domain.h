/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What numaplace reads in the XML of a libvirt domain: its name, its size, and how its nodes are chosen.
 */
#ifndef NUMAPLACE_DOMAIN_H
#define NUMAPLACE_DOMAIN_H

#include "plugin/select/request.h"

#define DOMAIN_XML_MAX (4U << 20) /* bytes; a whole number of MiB */
#define DOMAIN_CELLS_MAX 128      /* of the guest; more are one, for hugepages */
#define DOMAIN_NAME_MAX 255
#define DOMAIN_ID_MAX 64          /* a longer name is no id: with its class, it may not fit in the name of a file */

struct domain {
	char name[DOMAIN_NAME_MAX + 1];
	char uuid[37];
	unsigned int vcpus;          /* online at its start */
	uint64_t memory;             /* bytes */
	bool auto_cpus, auto_mems;   /* placement='auto' */
	struct idset cpus;           /* <vcpu cpuset>; empty: not given */
	struct nodeset mems;         /* <numatune>: nodeset, and those of the guest's cells; empty: not given */
	enum memory_policy policy;   /* <numatune>; strict if it is not given */
	unsigned int nhuge;
	struct huge_request huge[HUGE_REQUEST_MAX];
};

/* Parses a domain's XML. -EINVAL: malformed, without a name or a UUID, or with a value that cannot be. */
int domain_parse(const char *text, size_t len, struct domain *out, struct error *err);

/* Its id in the ledger: its name, or its UUID if the name is long or not plain (name_check_id()). */
const char *domain_id(const struct domain *d);

/* Whether libvirt asks for advice. */
bool domain_asks(const struct domain *d);

/* What it was given, as a finished request. -EINVAL: it has no vCPUs or memory. */
int domain_request(const struct domain *d, struct request *out, struct error *err);

#endif
