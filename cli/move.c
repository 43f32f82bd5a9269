/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace move ID NODES`: moves a running container to other nodes and shows the progress on a terminal. Success
 * means that all of its pages are on the new nodes.
 */
#include "cli/change.h"

#include <errno.h>

struct move_options {
	struct change change;
	const char *nodes;
};

static int move_parse(struct move_options *o, int argc, char **argv, struct error *err)
{
	int words = change_options(&o->change, argc, argv, err);
	struct nodeset nodes;

	if (words < 0)
		return words;
	if (words > 2)
		return cli_no_arguments("move", words - 2, argv + 2, err);
	if (words < 2)
		return error_set(err, -EINVAL, "move: a container and nodes are expected: move ID NODES");
	o->change.id = argv[0];
	o->nodes = argv[1];
	return nodeset_parse(o->nodes, &nodes, err) < 0 ? error_prefix(err, -EINVAL, "move: nodes") : 0;
}

static int move_container(void *verb, struct error *err)
{
	struct move_options *o = verb;
	struct change *c = &o->change;
	const char *cgroup = numaplace_placement_cgroup(c->before);
	int r = c->dry_run ? numaplace_move_plan(c->np, cgroup, o->nodes, &c->after) :
			     numaplace_move(c->np, cgroup, o->nodes, c->seconds, change_progress, c, &c->after);

	return change_result(c, r, err);
}

static void move_print_text(const struct change *c)
{
	printf("%s: memory from %s to %s, CPUs %s%s\n", numaplace_placement_id(c->after),
	       numaplace_placement_mems(c->before), numaplace_placement_mems(c->after),
	       change_mems_only(c) ? "are its runtime's" : numaplace_placement_cpus(c->after), change_remark(c));
}

int verb_move(struct cli *cli, int argc, char **argv, struct error *err)
{
	struct move_options o = { .change = { .verb = "move" } };
	int r = move_parse(&o, argc, argv, err);

	if (r == 0)
		r = change_run(&o.change, cli, move_container, &o, move_print_text, err);
	change_close(&o.change);
	return r;
}
