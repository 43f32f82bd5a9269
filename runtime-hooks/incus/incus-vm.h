/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Placement of one virtual machine of Incus or LXD that runs, in a child process of the agent. The daemon calls no hook for
 * it: QEMU's process gets a scope of its own, and is placed in it like the first process of a container.
 */
#ifndef NUMAPLACE_INCUS_VM_H
#define NUMAPLACE_INCUS_VM_H

#include "place/place.h"

struct vm_ref {
	const char *socket;  /* NULL: the default one of @runtime */
	const char *runtime; /* "incus" or "lxd" */
	const char *id;      /* NAME, or PROJECT_NAME */
	pid_t pid;           /* of QEMU; 0: it has ended */
};

/*
 * Waits until no operation on the machine is in progress, because the daemon sets the affinity of the virtual CPUs at the
 * end of a start, and places it if its configuration requests that. A machine that is placed is resized if its limits
 * have changed. If @ref->pid is 0, its record is dropped. @env: a closed one with its settings. Returns the exit status:
 * 0, also for a machine that requests nothing or has ended, or 1 after a message.
 */
int vm_place(struct place_env *env, const struct vm_ref *ref);

#endif
