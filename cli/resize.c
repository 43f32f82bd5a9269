/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace resize ID KEY=VALUE...`: gives a running container other resources, on the nodes where it is if they have
 * room. Success means that its cgroup and its record have the new placement.
 */
#include "cli/change.h"

#include <errno.h>

struct resize_options {
	struct change change;
	int nkeys;
	char **keys; /* "KEY=VALUE" */
};

static int resize_parse(struct resize_options *o, int argc, char **argv, struct error *err)
{
	int words = change_options(&o->change, argc, argv, err);

	if (words < 0)
		return words;
	if (words < 2)
		return error_set(err, -EINVAL, "resize: a container and keys are expected: resize ID KEY=VALUE...");
	o->change.id = argv[0];
	o->keys = argv + 1;
	o->nkeys = words - 1;
	return 0;
}

static int resize_container(void *verb, struct error *err)
{
	cleanup_numaplace_request struct numaplace_request *changes = NULL;
	struct resize_options *o = verb;
	struct change *c = &o->change;
	const char *cgroup = numaplace_placement_cgroup(c->before);
	int r = cli_result(c->np, numaplace_request_new(c->np, &changes), err);

	for (int i = 0; i < o->nkeys && r == 0; i++)
		r = cli_take_key("resize", c->np, changes, o->keys[i], err);
	if (r < 0)
		return r;
	r = c->dry_run ? numaplace_resize_plan(c->np, cgroup, changes, &c->after) :
			 numaplace_resize(c->np, cgroup, changes, c->seconds, change_progress, c, &c->after);
	return change_result(c, r, err);
}

static void resize_print_text(const struct change *c)
{
	printf("%s: memory from %s to %s, ", numaplace_placement_id(c->after), numaplace_placement_mems(c->before),
	       numaplace_placement_mems(c->after));
	if (change_mems_only(c))
		printf("CPUs are its runtime's%s\n", change_remark(c));
	else
		printf("CPUs from %s to %s%s\n", numaplace_placement_cpus(c->before), numaplace_placement_cpus(c->after),
		       change_remark(c));
}

int verb_resize(struct cli *cli, int argc, char **argv, struct error *err)
{
	struct resize_options o = { .change = { .verb = "resize" } };
	int r = resize_parse(&o, argc, argv, err);

	if (r == 0)
		r = change_run(&o.change, cli, resize_container, &o, resize_print_text, err);
	change_close(&o.change);
	return r;
}
