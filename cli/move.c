/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace move ID NODES`: moves a running container to other nodes and shows the progress on a terminal. Success
 * means that all of its pages are on the new nodes.
 */
#include "place/move.h"
#include "cli/cli.h"
#include "cli/snapshot.h"
#include "place/machine.h"
#include "runtime-hooks/common/json-write.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define MOVE_SECONDS 300

struct move_options {
	struct move_job job;
	const char *nodes;
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
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || n > 86400)
		return error_set(err, -EINVAL, "--timeout %s: seconds are expected (0: no limit)", quote(value).text);
	*(unsigned int *)seconds = (unsigned int)n;
	return 0;
}

static int move_parse(struct move_options *o, int argc, char **argv, struct error *err)
{
	const struct option_rule rules[] = {
		{ .name = "timeout", .set = set_seconds, .arg = &o->job.seconds },
		{ .name = "dry-run", .flag = &o->job.dry_run },
	};
	int words = cli_options("move", rules, ARRAY_SIZE(rules), argc, argv, err);

	if (words < 0)
		return words;
	if (words > 2)
		return cli_no_arguments("move", words - 2, argv + 2, err);
	if (words < 2)
		return error_set(err, -EINVAL, "move: a container and nodes are expected: move ID NODES");
	o->job.id = argv[0];
	o->nodes = argv[1];
	return nodeset_parse(o->nodes, &o->job.nodes, err) < 0 ? error_prefix(err, -EINVAL, "move: nodes") : 0;
}

static void move_print_json(const struct record *before, const struct record *after)
{
	struct json_writer o = JSON_TO(stdout);

	json_begin_object(&o, NULL);
	json_put_string(&o, "id", after->id);
	json_put_comma(&o, "nodes", ids_of(&after->placement.nodes));
	json_put_list(&o, "cpus", ids_of(&after->placement.share.cpus));
	json_put_list(&o, "mems", ids_of(&after->placement.mems));
	json_put_comma(&o, "nodes_before", ids_of(&before->placement.nodes));
	json_put_list(&o, "mems_before", ids_of(&before->placement.mems));
	json_end(&o);
}

static void move_print_text(const struct move_options *o, const struct record *before, const struct record *after)
{
	char from[NODESET_TEXT_MAX], to[NODESET_TEXT_MAX], cpus[IDSET_TEXT_MAX];

	nodeset_format(&before->placement.mems, from, sizeof(from));
	nodeset_format(&after->placement.mems, to, sizeof(to));
	idset_format(&after->placement.share.cpus, cpus, sizeof(cpus));
	if (strcmp(after->applied, PLACE_MEMS_ONLY) == 0)
		snprintf(cpus, sizeof(cpus), "are its runtime's");
	printf("%s: memory from %s to %s, CPUs %s%s\n", after->id, from, to, cpus,
	       o->job.dry_run ? " (not done: --dry-run)" : "");
}

/* The machine without its free memory, from the cache if possible: the snapshot only serves to find the container. */
static int read_topology(const struct cli *cli, struct topology **out, struct error *err)
{
	cleanup_env struct place_env env = CLI_ENV_NONE; /* of its own: its folder is opened for reading only */
	cleanup_machine struct machine machine = { 0 };
	int r = cli_env(cli, &env, err);

	if (r == 0)
		r = place_open(&env, PLACE_READ, err);
	if (r == 0)
		r = machine_read(&machine, &env, false, false, err);
	if (r < 0)
		return r;
	*out = steal_ptr(machine.topology);
	return 0;
}

/* Finds the container as other verbs do. place_move() looks it up again under the lock. */
static int find_container(const struct cli *cli, struct snapshot *s, struct move_job *job, struct error *err)
{
	const struct record *found;
	int r = read_topology(cli, &s->topology, err);

	if (r == 0)
		r = snapshot_take(cli, s, err);
	if (r == 0)
		r = snapshot_find(s, "move", job->id, &found, err);
	if (r < 0)
		return r;
	job->id = found->id;
	job->cgroup_inode = found->cgroup_inode;
	return 0;
}

int verb_move(struct cli *cli, int argc, char **argv, struct error *err)
{
	cleanup_env struct place_env env = CLI_ENV_NONE;
	cleanup_record struct record before = { 0 }, after = { 0 };
	cleanup_snapshot struct snapshot s = { 0 };
	struct move_options o = { .job = { .seconds = MOVE_SECONDS, .progress = show_progress },
			     .terminal = isatty(STDERR_FILENO) };
	int r = move_parse(&o, argc, argv, err);

	o.job.arg = &o;
	if (r == 0 && cli->sysroot)
		r = error_set(err, -EINVAL, "move: not on a recorded machine");
	if (r == 0)
		r = find_container(cli, &s, &o.job, err);
	if (r == 0)
		r = cli_env(cli, &env, err);
	if (r == 0)
		r = place_move(&env, &o.job, &before, &after, err);
	if (o.shown)
		fputc('\n', stderr);
	if (r < 0)
		return r;
	if (cli->json)
		move_print_json(&before, &after);
	else
		move_print_text(&o, &before, &after);
	return 0;
}
