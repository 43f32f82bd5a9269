/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cpuset of a container in the public API.
 */
#include "lib/context.h"

#include "cgroup/partition.h"
#include "lib/placement.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

static int read_effective(const struct numaplace *np, const struct numaplace_placement *p, struct idset *cpus,
			  struct nodeset *mems, char state[PARTITION_STATE_MAX], struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	cleanup_close int mount = -1;
	int rc;

	if (!np->real || cgroup_mount(&mount, NULL, 0, NULL) < 0)
		return error_set(err, -ENOENT, "no cgroup2 to read its cpuset from");
	rc = cgroup_open(mount, p->cgroup, &c, err);
	if (rc == 0 && c.inode != p->inode)
		rc = error_set(err, -ENOENT, "%s: the cgroup was replaced by another one", quote(p->cgroup).text);
	if (rc == 0)
		partition_read(&c, state);
	return rc < 0 ? rc : cgroup_read_effective(&c, cpus, mems, err);
}

int numaplace_cpuset_read(struct numaplace *np, const struct numaplace_placement *p, struct numaplace_cpuset **out)
{
	struct numaplace_cpuset *c;
	struct nodeset mems;
	struct idset cpus;
	char state[PARTITION_STATE_MAX];
	struct error err = { 0 };
	int rc;

	if (!np)
		return -EINVAL;
	if (!p || !out)
		return lib_missing(np, p ? "cpuset" : "placement");
	rc = read_effective(np, p, &cpus, &mems, state, &err);
	if (rc < 0)
		return lib_keep(np, rc, &err);
	c = calloc(1, sizeof(*c));
	if (c) {
		c->cpus = lib_list_text(ids_of(&cpus));
		c->mems = lib_list_text(ids_of(&mems));
		c->partition = strdup(state);
	}
	if (!c || !c->cpus || !c->mems || !c->partition) {
		numaplace_cpuset_free(c);
		return lib_keep(np, error_set(&err, -ENOMEM, "out of memory"), &err);
	}
	*out = c;
	return 0;
}

void numaplace_cpuset_free(struct numaplace_cpuset *c)
{
	if (!c)
		return;
	free((void *)(uintptr_t)c->cpus);
	free((void *)(uintptr_t)c->mems);
	free((void *)(uintptr_t)c->partition);
	free(c);
}
