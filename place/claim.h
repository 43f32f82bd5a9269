/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reduces what a request claims to what the container could use.
 */
#ifndef NUMAPLACE_PLACE_CLAIM_H
#define NUMAPLACE_PLACE_CLAIM_H

#include "cgroup/cgroup.h"
#include "plugin/select/select.h"

/*
 * Reduces @limits->memory to the runtime's own memory limit, if the request has one. Describes a reduction in
 * @limits->cut.
 */
void claim_cut_known(struct constraints *limits, const struct request *r);

/*
 * The same for memory and hugepages, with the limits (memory.max, hugetlb.SIZE.max) of @cgroup and its ancestors.
 * -EINVAL: a limit cannot be parsed.
 */
int claim_cut(struct constraints *limits, const struct request *r, const struct topology *t, int mount,
	      const struct cgroup_dir *cgroup, struct error *err);

/* The memory that @cgroup and its ancestors allow (memory.max); UINT64_MAX: no limit. -EINVAL: it cannot be parsed. */
int claim_memory_limit(int mount, const struct cgroup_dir *cgroup, uint64_t *out, struct error *err);

#endif
