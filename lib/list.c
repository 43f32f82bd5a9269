/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading the ledger: the placements of live containers.
 */
#include "lib/context.h"

#include "lib/placement.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

/* Calls @each for the records of live containers. */
static int run_list(struct numaplace *np, int (*each)(void *arg, const struct record *r), void *arg, struct error *err)
{
	cleanup_env struct place_env env = lib_env(np);
	cleanup_topology struct topology *t = NULL;
	cleanup_ledger struct ledger *ledger = NULL;
	int rc = topology_read(np->root, &t, err);

	if (rc == 0 && np->state)
		rc = place_look(&env, t, &ledger, err);
	return rc == 0 && ledger ? ledger_each(ledger, each, arg, err) : rc;
}

/* As run_list(), for the identity of the containers alone: the machine is read from the cache if possible. */
static int run_names(struct numaplace *np, int (*each)(void *arg, const struct record *r), void *arg, struct error *err)
{
	cleanup_env struct place_env env = lib_env(np);
	cleanup_machine struct machine machine = { 0 };
	cleanup_ledger struct ledger *ledger = NULL;
	int rc = place_open(&env, PLACE_READ, err);

	env.message = NULL;
	if (rc == 0)
		rc = machine_read(&machine, &env, false, false, err);
	if (rc == 0 && np->state)
		rc = place_look(&env, machine.topology, &ledger, err);
	return rc == 0 && ledger ? ledger_each(ledger, each, arg, err) : rc;
}

struct search {
	const char *name;
	unsigned int matches;
	struct lib_container container;
	bool wanted; /* the placement, too */
	struct numaplace_placement *found;
};

static int match(void *arg, const struct record *r)
{
	struct search *s = arg;

	if (strcmp(*s->name == '/' ? r->cgroup : r->id, s->name) != 0)
		return 0;
	if (s->matches++)
		return 0;
	s->container.inode = r->cgroup_inode;
	memcpy(s->container.id, r->id, sizeof(s->container.id));
	if (!s->wanted)
		return 0;
	s->found = placement_of_record(r);
	return s->found ? 0 : -ENOMEM;
}

static int search(struct numaplace *np, struct search *s, struct error *err)
{
	int rc;

	if (!s->name)
		return error_set(err, -EINVAL, "container: NULL");
	rc = s->wanted ? run_list(np, match, s, err) : run_names(np, match, s, err);
	if (rc < 0)
		return rc;
	if (!s->matches)
		return error_set(err, -ENOENT, "%s: no such container is placed", quote(s->name).text);
	if (s->matches > 1)
		return error_set(err, -ENOTUNIQ, "%s: %u containers have this id: give the cgroup instead",
				 quote(s->name).text, s->matches);
	return 0;
}

int lib_find(struct numaplace *np, const char *name, struct lib_container *out, struct error *err)
{
	struct search s = { .name = name };
	int rc = search(np, &s, err);

	if (rc == 0)
		*out = s.container;
	return rc;
}

int numaplace_find(struct numaplace *np, const char *name, struct numaplace_placement **out)
{
	struct search s = { .name = name, .wanted = true };
	struct error err = { 0 };
	int rc;

	if (!np)
		return -EINVAL;
	if (!out)
		return lib_missing(np, "placement");
	rc = search(np, &s, &err);
	if (rc == 0)
		*out = steal_ptr(s.found);
	numaplace_placement_free(s.found);
	return lib_keep(np, rc, &err);
}

/* The ledger is closed before the first call of @each, which may use the context. */
int numaplace_list(struct numaplace *np, int (*each)(void *arg, const struct numaplace_placement *p), void *arg)
{
	__attribute__((cleanup(placements_free))) struct placements list = { 0 };
	struct error err = { 0 };
	int rc;

	if (!np)
		return -EINVAL;
	if (!each)
		return lib_missing(np, "each");
	rc = run_list(np, placements_add, &list, &err);
	if (rc < 0)
		return lib_keep(np, rc, &err);
	for (size_t i = 0; i < list.n && rc == 0; i++)
		rc = each(arg, list.placement[i]);
	return rc;
}
