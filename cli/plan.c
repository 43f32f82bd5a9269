/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace plan KEY=VALUE...`: the placement that a container with these keys would get now. Writes nothing.
 */
#include "cli/cli.h"
#include "cli/table.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/json-write.h"

#include <errno.h>
#include <string.h>

/* Parses one argument, "limits.cpu=4". */
static int take_key(struct request *r, const char *argument, struct error *err)
{
	size_t len = strcspn(argument, "=");
	cleanup_free char *key = NULL;

	if (!argument[len])
		return error_set(err, -EINVAL, "plan: %s: not of the form KEY=VALUE", quote(argument).text);
	key = strndup(argument, len);
	if (!key)
		return error_set(err, -ENOMEM, "out of memory");
	return cli_set_key(r, key, argument + len + 1, err);
}

static int take_request(struct request *r, int argc, char **argv, struct error *err)
{
	request_init(r);
	for (int i = 0; i < argc; i++) {
		int ret = take_key(r, argv[i], err);

		if (ret < 0)
			return ret;
	}
	if (!request_asks(r))
		return error_set(err, -EINVAL, "plan: a key is missing, for example limits.cpu=4");
	return request_finish(r, err);
}

static void plan_print_json(const struct placement *p, const struct reasons *why)
{
	struct json_writer o = JSON_TO(stdout);

	json_begin_object(&o, NULL);
	json_put_comma(&o, "nodes", ids_of(&p->nodes));
	json_put_list(&o, "cpus", ids_of(&p->share.cpus));
	json_put_list(&o, "mems", ids_of(&p->mems));
	cli_json_reasons(&o, why);
	json_end(&o);
}

static int plan_print_text(const struct placement *p, const struct reasons *why, struct error *err)
{
	cleanup_table struct table table;
	int ret;

	table_init(&table, stdout, "lll");
	table_cell(&table, "NODES");
	table_cell(&table, "CPUS");
	table_cell(&table, "MEMORY NODES");
	table_comma(&table, ids_of(&p->nodes));
	table_list(&table, ids_of(&p->share.cpus));
	table_list(&table, ids_of(&p->mems));
	ret = table_print(&table, err);
	if (ret < 0)
		return ret;
	if (why->n)
		putchar('\n');
	for (unsigned int i = 0; i < why->n; i++)
		printf("%s\n", why->text[i]);
	return 0;
}

int verb_plan(struct cli *cli, int argc, char **argv, struct error *err)
{
	cleanup_placement struct placement placement = { 0 };
	struct reasons why = { 0 };
	struct request request;
	cleanup_env struct place_env env = CLI_ENV_NONE;
	int ret = take_request(&request, argc, argv, err);

	if (ret < 0)
		return ret;
	ret = cli_env(cli, &env, err);
	if (ret < 0)
		return ret;
	ret = place_plan(&env, &request, NULL, &placement, &why, err);
	if (ret < 0)
		return ret;
	if (!cli->json)
		return plan_print_text(&placement, &why, err);
	plan_print_json(&placement, &why);
	return 0;
}
