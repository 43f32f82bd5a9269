/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The only file that uses libnuma. Its node lists and distances are those of this machine, not of the sysroot, and its
 * masks those of the calling process; so they are only used for comparison. Only its thin wrappers of system calls
 * (set_mempolicy, move_pages) are used for work.
 */
#include "cgroup/pages.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <string.h>

/* For headers older than the kernel. */
#ifndef MPOL_F_STATIC_NODES
#define MPOL_F_STATIC_NODES (1 << 15)
#endif
#define PREFERRED_MANY	    5
#define WEIGHTED_INTERLEAVE 6

static int mode_of(enum memory_policy policy, const struct nodeset *nodes)
{
	switch (policy) {
	case POLICY_PREFERRED:
		return nodeset_count(nodes) == 1 ? MPOL_PREFERRED : PREFERRED_MANY;
	case POLICY_INTERLEAVE:
		return MPOL_INTERLEAVE;
	case POLICY_WEIGHTED:
		return WEIGHTED_INTERLEAVE;
	case POLICY_STRICT:
		break;
	}
	return MPOL_BIND;
}

int libnuma_set_policy(enum memory_policy policy, const struct nodeset *nodes, struct error *err)
{
	unsigned long mask[NODESET_MAX / (8 * sizeof(unsigned long))] = { 0 };
	int mode = mode_of(policy, nodes);
	const char *since = mode == PREFERRED_MANY ? "5.15" : mode == WEIGHTED_INTERLEAVE ? "6.9" : NULL;

	nodeset_foreach(id, nodes) {
		unsigned int bits = 8 * sizeof(mask[0]);

		if (id < NODESET_MAX)
			mask[(unsigned int)id / bits] |= 1UL << ((unsigned int)id % bits);
	}
	/* The kernel subtracts 1 from the length. */
	if (set_mempolicy(mode | MPOL_F_STATIC_NODES, mask, NODESET_MAX + 1) == 0)
		return 0;
	if (errno == EINVAL && since)
		return error_set(err, -ENOTSUP,
				 "limits.memory.policy: \"%s\": this kernel does not know it (Linux %s does)",
				 memory_policy_name(policy), since);
	return error_errno(err, -errno, "limits.memory.policy: \"%s\": set_mempolicy", memory_policy_name(policy));
}

int libnuma_move_pages(pid_t pid, size_t n, void **pages, const int *nodes, int *status, bool shared_too)
{
	return move_pages(pid, n, pages, nodes, status, shared_too ? MPOL_MF_MOVE_ALL : MPOL_MF_MOVE) < 0 ? -errno : 0;
}
