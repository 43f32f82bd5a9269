/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace move ID NODES`: moves a running container to other nodes and shows the progress on a terminal. Success
 * means that all of its pages are on the new nodes.
 */
#include "cli/cli.h"
#include "cli/find.h"
#include "plugin/base/number.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define MOVE_SECONDS 300
#define MOVE_SECONDS_MAX 86400

struct move_options {
	const char *id, *nodes;
	unsigned int seconds;
	bool dry_run;
	bool terminal, shown;
};

static void show_progress(void *arg, uint64_t done, uint64_t total)
{
	struct move_options *o = arg;

	if (!o->terminal)
		return;
	o->shown = true;
	fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " MiB", done >> 20, total >> 20);
}

static int set_seconds(void *seconds, const char *value, struct error *err)
{
	uint64_t n;

	if (!number_parse(value, MOVE_SECONDS_MAX, &n))
		return error_set(err, -EINVAL, "--timeout %s: seconds are expected (0: no limit)", quote(value).text);
	*(unsigned int *)seconds = (unsigned int)n;
	return 0;
}

static int move_parse(struct move_options *o, int argc, char **argv, struct error *err)
{
	const struct option_rule rules[] = {
		{ .name = "timeout", .set = set_seconds, .arg = &o->seconds },
		{ .name = "dry-run", .flag = &o->dry_run },
	};
	int words = cli_options("move", rules, ARRAY_SIZE(rules), argc, argv, err);
	struct nodeset nodes;

	if (words < 0)
		return words;
	if (words > 2)
		return cli_no_arguments("move", words - 2, argv + 2, err);
	if (words < 2)
		return error_set(err, -EINVAL, "move: a container and nodes are expected: move ID NODES");
	o->id = argv[0];
	o->nodes = argv[1];
	return nodeset_parse(o->nodes, &nodes, err) < 0 ? error_prefix(err, -EINVAL, "move: nodes") : 0;
}

static void move_print_json(const struct numaplace_placement *before, const struct numaplace_placement *after)
{
	struct json_writer o = JSON_TO(stdout);

	json_begin_object(&o, NULL);
	json_put_string(&o, "id", numaplace_placement_id(after));
	cli_json_comma(&o, "nodes", numaplace_placement_nodes(after));
	json_put_string(&o, "cpus", numaplace_placement_cpus(after));
	json_put_string(&o, "mems", numaplace_placement_mems(after));
	cli_json_comma(&o, "nodes_before", numaplace_placement_nodes(before));
	json_put_string(&o, "mems_before", numaplace_placement_mems(before));
	json_end(&o);
}

static void move_print_text(const struct move_options *o, const struct numaplace_placement *before,
			    const struct numaplace_placement *after)
{
	bool mems_only = strcmp(numaplace_placement_applied(after), "cpuset.mems") == 0;

	printf("%s: memory from %s to %s, CPUs %s%s\n", numaplace_placement_id(after), numaplace_placement_mems(before),
	       numaplace_placement_mems(after), mems_only ? "are its runtime's" : numaplace_placement_cpus(after),
	       o->dry_run ? " (not done: --dry-run)" : "");
}

static int move_container(struct numaplace *np, struct move_options *o, const char *cgroup,
			  struct numaplace_placement **after, struct error *err)
{
	int r = o->dry_run ? numaplace_move_plan(np, cgroup, o->nodes, after) :
			     numaplace_move(np, cgroup, o->nodes, o->seconds, show_progress, o, after);

	if (o->shown)
		fputc('\n', stderr);
	return cli_result(np, r, err);
}

int verb_move(struct cli *cli, int argc, char **argv, struct error *err)
{
	cleanup_numaplace struct numaplace *np = NULL;
	cleanup_snapshot struct numaplace_snapshot *s = NULL;
	cleanup_numaplace_placement struct numaplace_placement *after = NULL;
	const struct numaplace_placement *before;
	struct move_options o = { .seconds = MOVE_SECONDS, .terminal = isatty(STDERR_FILENO) };
	int r = move_parse(&o, argc, argv, err);

	if (r == 0 && cli->sysroot)
		r = error_set(err, -EINVAL, "move: not on a recorded machine");
	if (r == 0)
		r = cli_open(cli, 0, &np, err);
	if (r == 0)
		r = cli_result(np, numaplace_snapshot_take(np, NUMAPLACE_LEDGER_ONLY, &s), err);
	if (r == 0)
		r = find_container(s, "move", o.id, &before, err);
	if (r == 0)
		r = move_container(np, &o, numaplace_placement_cgroup(before), &after, err);
	if (r < 0)
		return r;
	if (cli->json)
		move_print_json(before, after);
	else
		move_print_text(&o, before, after);
	return 0;
}
