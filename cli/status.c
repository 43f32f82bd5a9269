/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace status [--watch[=SECONDS]]`: load bars, free memory and hugepages of each node, and the running containers
 * with their placements.
 */
#include "cli/cli.h"
#include "cli/left-out.h"
#include "cli/table.h"
#include "cli/term.h"
#include "plugin/base/size.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define BAR_LEAST 8
#define BAR_MOST 30

static void status_json_node(struct json_writer *o, const struct numaplace_node *n)
{
	json_begin_object(o, NULL);
	json_put_uint(o, "id", n->id);
	json_put_string(o, "usable", n->usable);
	left_out_json(o, n);
	json_put_string(o, "memory_kind", n->memory_kind);
	json_end(o);
}

static void status_print_json(const struct numaplace_snapshot *s)
{
	struct json_writer o = JSON_TO(stdout);
	const struct numaplace_placement *p;
	const struct numaplace_node *n;

	json_begin_object(&o, NULL);
	json_begin_array(&o, "containers");
	for (unsigned int i = 0; (p = numaplace_snapshot_placement(s, i)); i++) {
		json_begin_object(&o, NULL);
		json_put_string(&o, "id", numaplace_placement_id(p));
		json_put_string(&o, "runtime", numaplace_placement_runtime(p));
		json_put_string(&o, "cgroup", numaplace_placement_cgroup(p));
		cli_json_comma(&o, "nodes", numaplace_placement_nodes(p));
		json_put_string(&o, "cpus", numaplace_placement_cpus(p));
		json_put_string(&o, "mems", numaplace_placement_mems(p));
		if (*numaplace_placement_exclusive(p))
			json_put_string(&o, "exclusive", numaplace_placement_exclusive(p));
		if (numaplace_placement_request(p, "limits.cpu.irq"))
			json_put_string(&o, "irq", numaplace_placement_request(p, "limits.cpu.irq"));
		json_end(&o);
	}
	json_end(&o);
	json_begin_array(&o, "nodes");
	for (unsigned int i = 0; (n = numaplace_snapshot_node(s, i)); i++)
		status_json_node(&o, n);
	json_end(&o);
	json_end(&o);
}

static void status_print_hugepages(const struct numaplace_snapshot *s, unsigned int i)
{
	const struct numaplace_hugepages *huge;
	char size[32];

	for (unsigned int h = 0; (huge = numaplace_snapshot_hugepages(s, i, h)); h++) {
		if (!huge->total)
			continue;
		size_human(huge->size, size, sizeof(size));
		printf("  %" PRIu64 " of %" PRIu64 " x %s free", huge->free, huge->total, size);
	}
}

/* The width of the longest load text. */
static unsigned int load_width(const struct numaplace_snapshot *s)
{
	const struct numaplace_node *n;
	size_t width = 13;

	for (unsigned int i = 0; (n = numaplace_snapshot_node(s, i)); i++) {
		size_t len = n->ncpus ? strlen(left_out_load(s, n, "").text) : 0;

		width = len > width ? len : width;
	}
	return (unsigned int)width;
}

/* "node 0  ####....   2.0 of 4, 2 isolated  ###.....   6.0GiB of  8.0GiB free  4 of 8 x 2MiB free" */
static void status_print_node(const struct numaplace_snapshot *s, unsigned int i, unsigned int bar, unsigned int wide,
			      bool colour)
{
	const struct numaplace_node *n = numaplace_snapshot_node(s, i);
	struct left_out_text note = left_out_memory(n, "");
	char total[32], avail[32];

	printf("node %-4u", n->id);
	if (n->ncpus) {
		term_bar(stdout, left_out_fill(s, n), bar, colour);
		printf(" %-*s", (int)wide, left_out_load(s, n, "").text);
	} else {
		printf("%-*s", (int)(bar + 1 + wide), n->noffline ? left_out_load(s, n, "").text : "no CPUs");
	}
	putchar(' ');
	if (n->memory_known && n->memory) {
		size_human(n->memory, total, sizeof(total));
		size_human(n->memory_free, avail, sizeof(avail));
		term_bar(stdout, 1 - (double)n->memory_free / (double)n->memory, bar, colour);
		printf(" %8s of %s free", avail, total);
	} else {
		printf("%-*s", (int)bar, n->memory_known ? "no memory" : "memory not known");
	}
	status_print_hugepages(s, i);
	if (note.text[0])
		printf("  (%s)", note.text);
	putchar('\n');
}

static int print_containers(const struct numaplace_snapshot *s, struct error *err)
{
	const struct numaplace_placement *p;
	cleanup_table struct table table;

	table_init(&table, stdout, "lllll");
	table_cell(&table, "CONTAINER");
	table_cell(&table, "RUNTIME");
	table_cell(&table, "NODES");
	table_cell(&table, "CPUS");
	table_cell(&table, "MEMORY NODES");
	for (unsigned int i = 0; (p = numaplace_snapshot_placement(s, i)); i++) {
		table_id(&table, numaplace_placement_id(p));
		table_cell(&table, "%s", numaplace_placement_runtime(p));
		table_comma_text(&table, numaplace_placement_nodes(p));
		table_list_text(&table, numaplace_placement_cpus(p));
		table_list_text(&table, numaplace_placement_mems(p));
	}
	return table_print(&table, err);
}

static int status_print_text(const struct numaplace_snapshot *s, bool watched, struct error *err)
{
	unsigned int width = term_width(stdout), wide = load_width(s), rest = 49 + wide;
	unsigned int bar = width > rest + 2 * BAR_LEAST ? (width - rest) / 2 : BAR_LEAST;
	bool colour = term_colour(stdout);

	if (bar > BAR_MOST)
		bar = BAR_MOST;
	if (watched)
		term_clear(stdout);
	printf("%-9s%-*s%s\n", "", (int)(bar + 2 + wide), "load", "memory taken");
	for (unsigned int i = 0; numaplace_snapshot_node(s, i); i++)
		status_print_node(s, i, bar, wide, colour);
	putchar('\n');
	return print_containers(s, err);
}

static int look_once(const struct cli *cli, bool watched, struct error *err)
{
	cleanup_snapshot struct numaplace_snapshot *s = NULL;
	int ret = cli_snapshot(cli, &s, err);

	if (ret < 0)
		return ret;
	if (cli->json) {
		status_print_json(s);
		return 0;
	}
	return status_print_text(s, watched, err);
}

int verb_status(struct cli *cli, int argc, char **argv, struct error *err)
{
	unsigned int watch = 0;
	const struct option_rule rules[] = { TERM_WATCH_RULE(&watch) };
	int words = cli_options("status", rules, ARRAY_SIZE(rules), argc, argv, err);
	int ret = words < 0 ? words : cli_no_arguments("status", words, argv, err);

	if (ret < 0)
		return ret;
	do {
		ret = look_once(cli, watch > 0, err);
	} while (ret == 0 && watch && term_wait(watch));
	return ret;
}
