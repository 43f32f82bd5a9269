/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cpuset of a container in the public API.
 */
#include "lib/context.h"

#include "cgroup/partition.h"
#include "place/irq.h"
#include "lib/placement.h"
#include "place/claim.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

static int read_effective(const struct numaplace *np, const struct numaplace_placement *p, struct idset *cpus,
			  struct nodeset *mems, char state[PARTITION_STATE_MAX], uint64_t *memory,
			  struct error *err)
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
	if (rc == 0)
		rc = claim_memory_limit(mount, &c, memory, err);
	return rc < 0 ? rc : cgroup_read_effective(&c, cpus, mems, err);
}

/* Only the key away keeps interrupts from the CPUs of the placement. */
static int read_interrupts(struct numaplace *np, const struct numaplace_placement *p, struct irq_drift *out, struct error *err)
{
	cleanup_env struct place_env env = lib_env(np);
	struct idset cpus;
	int rc;

	*out = (struct irq_drift){ 0 };
	if (!p->value[KEY_CPU_IRQ] || strcmp(p->value[KEY_CPU_IRQ], irq_mode_name(IRQ_AWAY)) != 0)
		return 0;
	rc = lib_parse_list(p->cpus, "cpus", ids_into(&cpus), err);
	if (rc == 0)
		rc = place_open(&env, PLACE_READ, err);
	return rc < 0 || env.state < 0 ? rc : irq_look(env.root, env.state, &cpus, out, err);
}

int numaplace_cpuset_read(struct numaplace *np, const struct numaplace_placement *p, struct numaplace_cpuset **out)
{
	struct numaplace_cpuset *c;
	struct nodeset mems;
	struct idset cpus;
	uint64_t memory;
	char state[PARTITION_STATE_MAX];
	struct irq_drift irqs;
	struct error err = { 0 };
	int rc;

	if (!np)
		return -EINVAL;
	if (!p || !out)
		return lib_missing(np, p ? "cpuset" : "placement");
	rc = read_effective(np, p, &cpus, &mems, state, &memory, &err);
	if (rc == 0)
		rc = read_interrupts(np, p, &irqs, &err);
	if (rc < 0)
		return lib_keep(np, rc, &err);
	c = calloc(1, sizeof(*c));
	if (c) {
		c->cpus = lib_list_text(ids_of(&cpus));
		c->mems = lib_list_text(ids_of(&mems));
		c->memory = memory;
		c->partition = strdup(state);
		c->interrupts = strdup(irqs.list);
	}
	if (!c || !c->cpus || !c->mems || !c->partition || !c->interrupts) {
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
	free((void *)(uintptr_t)c->interrupts);
	free(c);
}
