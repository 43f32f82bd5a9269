/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace plan KEY=VALUE...`: the placement that a container with these keys would get now. Writes nothing.
 */
#include "cli/cli.h"
#include "cli/table.h"

#include <errno.h>
#include <string.h>

#define HINTS "volatile."       /* of keys that request nothing */

static int take_request(struct numaplace *np, struct numaplace_request *r, int argc, char **argv, struct error *err)
{
	bool requested = false;

	for (int i = 0; i < argc; i++) {
		int ret = cli_take_key("plan", np, r, argv[i], err);

		if (ret < 0)
			return ret;
		requested |= strncmp(argv[i], HINTS, strlen(HINTS)) != 0;
	}
	return requested ? 0 : error_set(err, -EINVAL, "plan: a key is missing, for example limits.cpu=4");
}

static void plan_print_json(const struct numaplace_placement *p, const struct numaplace_prediction *speed)
{
	struct json_writer o = JSON_TO(stdout);

	json_begin_object(&o, NULL);
	cli_json_comma(&o, "nodes", numaplace_placement_nodes(p));
	json_put_string(&o, "cpus", numaplace_placement_cpus(p));
	json_put_string(&o, "mems", numaplace_placement_mems(p));
	cli_json_reasons(&o, p);
	cli_json_speed(&o, speed);
	json_end(&o);
}

static int plan_print_text(const struct numaplace_placement *p, const struct numaplace_prediction *speed,
			   struct error *err)
{
	cleanup_table struct table table;
	const char *line;
	char text[400];
	int ret;

	table_init(&table, stdout, "lll");
	table_cell(&table, "NODES");
	table_cell(&table, "CPUS");
	table_cell(&table, "MEMORY NODES");
	table_comma_text(&table, numaplace_placement_nodes(p));
	table_list_text(&table, numaplace_placement_cpus(p));
	table_list_text(&table, numaplace_placement_mems(p));
	ret = table_print(&table, err);
	if (ret < 0)
		return ret;
	for (unsigned int i = 0; (line = numaplace_placement_reason(p, i)); i++)
		printf("%s%s\n", i ? "" : "\n", line);
	if (speed) {
		cli_speed_text(speed, text, sizeof(text));
		printf("predicted %s\n", text);
	}
	return 0;
}

static void free_request(struct numaplace_request **r)
{
	numaplace_request_free(*r);
}

int verb_plan(struct cli *cli, int argc, char **argv, struct error *err)
{
	cleanup_numaplace struct numaplace *np = NULL;
	__attribute__((cleanup(free_request))) struct numaplace_request *r = NULL;
	cleanup_numaplace_placement struct numaplace_placement *p = NULL;
	cleanup_prediction struct numaplace_prediction *speed = NULL;
	int ret = cli_open(cli, NUMAPLACE_READ_ONLY, &np, err);

	if (ret == 0)
		ret = cli_result(np, numaplace_request_new(np, &r), err);
	if (ret == 0)
		ret = take_request(np, r, argc, argv, err);
	if (ret == 0)
		ret = cli_result(np, numaplace_plan(np, r, NULL, &p), err);
	if (ret == 0)
		ret = cli_predict(np, p, &speed, err);
	if (ret < 0)
		return ret;
	if (!cli->json)
		return plan_print_text(p, speed, err);
	plan_print_json(p, speed);
	return 0;
}
