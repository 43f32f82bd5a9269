/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The threads of the virtual CPUs of a machine that libvirt runs, as the kernel shows them: where each may run, and
 * where it ran last.
 */
#ifndef NUMAPLACE_CLI_VCPUS_H
#define NUMAPLACE_CLI_VCPUS_H

#include "cli/cli.h"
#include "cli/table.h"

struct vcpu {
	unsigned int number;
	pid_t thread;
	struct idset allowed;
	int last;   /* CPU */
	int node;   /* of @last; -1: unknown */
	bool miss;  /* it may run on CPUs that the record has not */
};

struct vcpus {
	struct vcpu *vcpu; /* ascending by number */
	size_t n, room;
};

/*
 * Reads them below @root. None for a placement of another runtime, for a machine that is ending, and for one whose QEMU
 * does not name its threads. The caller frees @out with vcpus_free(), also after a failure (-ENOMEM).
 */
int vcpus_read(int root, const struct numaplace_snapshot *s, const struct numaplace_placement *p, struct vcpus *out,
	       struct error *err);
void vcpus_free(struct vcpus *v);

bool vcpus_miss(const struct vcpus *v);

/* Writes the array "vcpus"; nothing if there are none. */
void vcpus_json(struct json_writer *w, const struct vcpus *v);
int vcpus_print(const struct vcpus *v, struct error *err);

#endif
