/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The common part of `numaplace move` and `numaplace resize`.
 */
#include "cli/change.h"

#include "cli/find.h"
#include "plugin/base/number.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define CHANGE_SECONDS 300
#define CHANGE_SECONDS_MAX 86400

void change_close(struct change *c)
{
	numaplace_placement_free(c->after);
	numaplace_snapshot_free(c->snapshot);
	numaplace_close(c->np);
}

void change_progress(void *change, uint64_t done, uint64_t total)
{
	struct change *c = change;

	if (!isatty(STDERR_FILENO))
		return;
	c->shown = true;
	fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " MiB", done >> 20, total >> 20);
}

int change_result(struct change *c, int status, struct error *err)
{
	if (c->shown)
		fputc('\n', stderr);
	return cli_result(c->np, status, err);
}

static int set_seconds(void *seconds, const char *value, struct error *err)
{
	uint64_t n;

	if (!number_parse(value, CHANGE_SECONDS_MAX, &n))
		return error_set(err, -EINVAL, "--timeout %s: seconds are expected (0: no limit)", quote(value).text);
	*(unsigned int *)seconds = (unsigned int)n;
	return 0;
}

int change_options(struct change *c, int argc, char **argv, struct error *err)
{
	const struct option_rule rules[] = {
		{ .name = "timeout", .set = set_seconds, .arg = &c->seconds },
		{ .name = "dry-run", .flag = &c->dry_run },
	};

	c->seconds = CHANGE_SECONDS;
	return cli_options(c->verb, rules, ARRAY_SIZE(rules), argc, argv, err);
}

/* Finds .before by .id. -EINVAL on a recorded machine, or without such a container. */
static int change_open(struct change *c, const struct cli *cli, struct error *err)
{
	int r = cli->sysroot ? error_set(err, -EINVAL, "%s: not on a recorded machine", c->verb) : 0;

	if (r == 0)
		r = cli_open(cli, 0, &c->np, err);
	if (r == 0)
		r = cli_result(c->np, numaplace_snapshot_take(c->np, NUMAPLACE_LEDGER_ONLY, &c->snapshot), err);
	return r < 0 ? r : find_container(c->snapshot, c->verb, c->id, &c->before, err);
}

static void change_print_json(const struct change *c)
{
	struct json_writer o = JSON_TO(stdout);

	json_begin_object(&o, NULL);
	json_put_string(&o, "id", numaplace_placement_id(c->after));
	cli_json_comma(&o, "nodes", numaplace_placement_nodes(c->after));
	json_put_string(&o, "cpus", numaplace_placement_cpus(c->after));
	json_put_string(&o, "mems", numaplace_placement_mems(c->after));
	cli_json_comma(&o, "nodes_before", numaplace_placement_nodes(c->before));
	json_put_string(&o, "cpus_before", numaplace_placement_cpus(c->before));
	json_put_string(&o, "mems_before", numaplace_placement_mems(c->before));
	json_end(&o);
}

int change_run(struct change *c, const struct cli *cli, int (*act)(void *verb, struct error *err), void *verb,
	       void (*print_text)(const struct change *c), struct error *err)
{
	int r = change_open(c, cli, err);

	if (r == 0)
		r = act(verb, err);
	if (r < 0)
		return r;
	if (cli->json)
		change_print_json(c);
	else
		print_text(c);
	return 0;
}

bool change_mems_only(const struct change *c)
{
	return strcmp(numaplace_placement_applied(c->after), "cpuset.mems") == 0;
}

const char *change_remark(const struct change *c)
{
	return c->dry_run ? " (not done: --dry-run)" : "";
}
