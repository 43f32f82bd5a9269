/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace status`: the live containers and where they were put.
 */
#include "cli/cli.h"
#include "cli/out.h"

#include <errno.h>

static int json_row(void *arg, const struct record *r)
{
	struct out *o = arg;

	out_object(o, NULL);
	out_string(o, "id", r->id);
	out_string(o, "runtime", r->runtime);
	out_comma(o, "nodes", &r->placement.nodes);
	out_list(o, "cpus", &r->placement.share.cpus);
	out_list(o, "mems", &r->placement.mems);
	out_end(o);
	return 0;
}

/* Written aside: nothing half-done reaches stdout, and a slow reader does not hold the ledger's lock. */
static int write_json(void *arg, struct ledger *ledger, struct error *err)
{
	struct out o = JSON_OUT(arg);
	int ret = 0;

	out_object(&o, NULL);
	out_array(&o, "containers");
	if (ledger)
		ret = ledger_each(ledger, json_row, &o, err);
	out_end(&o);
	out_end(&o);
	return ret;
}

static int print_json(const struct cli *cli, const struct topology *t, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t len = 0;
	FILE *aside = open_memstream(&text, &len);
	int ret;

	if (!aside)
		return error_set(err, -ENOMEM, "out of memory");
	ret = cli_with_ledger(cli, t, write_json, aside, err);
	if (fclose(aside) && !ret)
		ret = error_set(err, -ENOMEM, "out of memory");
	if (ret < 0)
		return ret;
	fwrite(text, 1, len, stdout);
	return 0;
}

static int table_row(void *arg, const struct record *r)
{
	struct table *t = arg;

	table_cell(t, "%s", r->id);
	table_cell(t, "%s", r->runtime);
	table_comma(t, &r->placement.nodes);
	table_list(t, &r->placement.share.cpus);
	table_list(t, &r->placement.mems);
	return 0;
}

static int fill_table(void *arg, struct ledger *ledger, struct error *err)
{
	return ledger ? ledger_each(ledger, table_row, arg, err) : 0;
}

static int print_text(const struct cli *cli, const struct topology *t, struct error *err)
{
	cleanup_table struct table table;
	int ret;

	table_init(&table, stdout, "lllll");
	table_cell(&table, "CONTAINER");
	table_cell(&table, "RUNTIME");
	table_cell(&table, "NODES");
	table_cell(&table, "CPUS");
	table_cell(&table, "MEMORY NODES");
	ret = cli_with_ledger(cli, t, fill_table, &table, err);
	if (ret < 0)
		return ret;
	if (!table_print(&table))
		return error_set(err, -ENOMEM, "out of memory");
	return 0;
}

int verb_status(struct cli *cli, int argc, char **argv, struct error *err)
{
	cleanup_topology struct topology *t = NULL;
	int ret = cli_no_arguments("status", argc, argv, err);

	if (ret < 0)
		return ret;
	ret = cli_topology(cli, &t, err);
	if (ret < 0)
		return ret;
	return cli->json ? print_json(cli, t, err) : print_text(cli, t, err);
}
