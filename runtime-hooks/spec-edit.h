/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes to a bundle's config.json, as text: what is put in or replaced is
 * ours, every other byte stays where and what it was, understood or not.  The
 * same change made twice is made once.
 */
#ifndef NUMAPLACE_SPEC_EDIT_H
#define NUMAPLACE_SPEC_EDIT_H

#include "plugin/error.h"

#include <stdbool.h>
#include <stddef.h>

#define SPEC_OPTIONS_MAX 16

/* NULL: that is left alone. */
struct spec_edit {
	const char *cpus, *mems;               /* linux.resources.cpu */
	const char *policy_mode, *policy_nodes; /* linux.memoryPolicy; without, one that was ours goes */
	const char *cpu_nodes, *memory_nodes;  /* annotations volatile.cpu.nodes and volatile.memory.nodes */
	const char *hook;                      /* path of oci-hook, for createRuntime */
	const char *options[SPEC_OPTIONS_MAX]; /* of the hook, before its stage; NULL behind the last */
	const char *plan[SPEC_OPTIONS_MAX];    /* more of them, where it places */
	bool poststop;                         /* the hook there, too */
};

/* The flag that a policy of ours carries: its nodes are these, however the cpuset changes under it. */
#define SPEC_POLICY_FLAG "MPOL_F_STATIC_NODES"

/*
 * *@out is malloc'd, a NUL behind its *@out_len bytes.  A hook with this path that is there already gets our
 * options in its place.  -EINVAL: the text is malformed, or has a memoryPolicy that is not ours.
 */
int spec_edit(const char *text, size_t len, const struct spec_edit *edit, char **out, size_t *out_len,
	      struct error *err);

#endif
