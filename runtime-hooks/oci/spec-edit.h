/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Edits a bundle's config.json as text. Only the inserted and replaced members change; every other byte stays the same,
 * whether this program knows it or not. Applying the same edit again changes nothing.
 */
#ifndef NUMAPLACE_SPEC_EDIT_H
#define NUMAPLACE_SPEC_EDIT_H

#include "plugin/base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define SPEC_OPTIONS_MAX 16

/* Environment variables that give the process its place, as in spec_edit.variable. */
enum { SPEC_CPUS, SPEC_NODES, SPEC_MEMORY_NODES, SPEC_VARIABLES };

/* A NULL member leaves that part of the spec alone. */
struct spec_edit {
	const char *cpus, *mems;               /* linux.resources.cpu */
	const char *policy_mode, *policy_nodes; /* linux.memoryPolicy; NULL: remove a policy that numaplace set */
	const char *cpu_nodes, *memory_nodes;  /* annotations volatile.cpu.nodes and volatile.memory.nodes */
	/*
	 * NUMAPLACE_CPUS, NUMAPLACE_NODES and NUMAPLACE_MEMORY_NODES in process.env. A spec without a process gets none.
	 */
	const char *variable[SPEC_VARIABLES];
	const char *hook;                      /* path of oci-hook, for createRuntime */
	const char *options[SPEC_OPTIONS_MAX]; /* of the hook, before its stage; NULL after the last */
	const char *plan[SPEC_OPTIONS_MAX];    /* more options for the placing stages */
	bool poststop;                         /* add the hook to poststop, too */
};

/* The flag of policies that numaplace sets: the kernel keeps their nodes when the cpuset changes. */
#define SPEC_POLICY_FLAG "MPOL_F_STATIC_NODES"

/*
 * *@out is malloc'd, with a NUL after its *@out_len bytes. An existing hook with this path gets the new options.
 * -EINVAL: the text is malformed, has a memoryPolicy that numaplace did not set, or too many variables of these names.
 */
int spec_edit(const char *text, size_t len, const struct spec_edit *edit, char **out, size_t *out_len,
	      struct error *err);

#endif
