/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A running QEMU of libvirt, as the kernel shows it: its process, its cgroup, and where its virtual CPUs run.
 */
#ifndef NUMAPLACE_QEMU_H
#define NUMAPLACE_QEMU_H

#include "cgroup/cgroup.h"

struct qemu {
	pid_t pid;
	char cgroup[CGROUP_PATH_MAX]; /* of the whole machine, above those that libvirt makes for its threads */
	unsigned int vcpus;           /* threads of virtual CPUs */
	struct idset cpus;            /* on which they may run */
	struct nodeset mems;          /* from which they may allocate */
};

/*
 * Looks below @root at the domain @name. -EINVAL: the name cannot be that of a file; -ENOENT: libvirt has no process
 * for it; -EPERM: it has no cgroup of its own; -ESRCH: it has ended.
 */
int qemu_look(int root, const char *name, struct qemu *out, struct error *err);

/* The cgroup of the machine, from that of a thread: "/machine.slice/X.scope/libvirt/vcpu0". False: none is its own. */
bool qemu_machine_cgroup(char *path);

#endif
