/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace status [--watch[=SECONDS]]`: load bars, free memory and hugepages of each node, and the running containers
 * with their placements.
 */
#include "cli/cli.h"
#include "cli/table.h"
#include "cli/snapshot.h"
#include "cli/term.h"
#include "runtime-hooks/common/json-write.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define BAR_LEAST 8
#define BAR_MOST 30

static void status_json_node(struct json_writer *o, const struct snapshot *s, unsigned int i)
{
	const struct topology *t = s->topology;
	struct left_out left;
	struct idset usable;

	left_out_of(s->root, t, &s->left_out, i, &left);
	left_out_usable(t, &s->left_out, i, &usable);
	json_begin_object(o, NULL);
	json_put_uint(o, "id", t->nodes[i].id);
	json_put_list(o, "usable", ids_of(&usable));
	left_out_json(o, &left);
	json_put_string(o, "memory_kind", memory_kind_name(t->nodes[i].memory_kind));
	json_end(o);
}

static void status_print_json(const struct snapshot *s)
{
	struct json_writer o = JSON_TO(stdout);

	json_begin_object(&o, NULL);
	json_begin_array(&o, "containers");
	for (unsigned int i = 0; i < s->n; i++) {
		const struct record *r = s->record[i];

		json_begin_object(&o, NULL);
		json_put_string(&o, "id", r->id);
		json_put_string(&o, "runtime", r->runtime);
		json_put_string(&o, "cgroup", r->cgroup);
		json_put_comma(&o, "nodes", ids_of(&r->placement.nodes));
		json_put_list(&o, "cpus", ids_of(&r->placement.share.cpus));
		json_put_list(&o, "mems", ids_of(&r->placement.mems));
		json_end(&o);
	}
	json_end(&o);
	json_begin_array(&o, "nodes");
	for (unsigned int k = 0; k < s->topology->nnodes; k++)
		status_json_node(&o, s, k);
	json_end(&o);
	json_end(&o);
}

static void status_print_hugepages(const struct topology *t, const struct topo_node *n)
{
	char size[32];

	for (unsigned int h = 0; h < t->nhuge; h++) {
		if (!n->huge_total[h])
			continue;
		size_human(t->huge_size[h], size, sizeof(size));
		printf("  %" PRIu64 " of %" PRIu64 " x %s free", n->huge_free[h], n->huge_total[h], size);
	}
}

static struct left_out_text load_text(const struct snapshot *s, unsigned int i)
{
	struct left_out left;

	left_out_of(s->root, s->topology, &s->left_out, i, &left);
	return left_out_load(s->topology, &left, i, s->usage, "");
}

/* The width of the longest load text. */
static unsigned int load_width(const struct snapshot *s)
{
	size_t width = 13;

	for (unsigned int i = 0; i < s->topology->nnodes; i++) {
		size_t len = s->topology->nodes[i].ncpus ? strlen(load_text(s, i).text) : 0;

		width = len > width ? len : width;
	}
	return (unsigned int)width;
}

/* "node 0  ####....   2.0 of 4, 2 isolated  ###.....   6.0GiB of  8.0GiB free  4 of 8 x 2MiB free" */
static void status_print_node(const struct snapshot *s, unsigned int i, unsigned int bar, unsigned int wide, bool colour)
{
	const struct topology *t = s->topology;
	const struct topo_node *n = &t->nodes[i];
	struct left_out_text note = left_out_memory(t, &s->left_out, i, "");
	char total[32], avail[32];

	printf("node %-4u", n->id);
	if (n->ncpus) {
		term_bar(stdout, left_out_fill(t, &s->left_out, i, s->usage), bar, colour);
		printf(" %-*s", (int)wide, load_text(s, i).text);
	} else {
		printf("%-*s", (int)(bar + 1 + wide), n->offline ? load_text(s, i).text : "no CPUs");
	}
	putchar(' ');
	if (n->mem_known && n->mem_total) {
		size_human(n->mem_total, total, sizeof(total));
		size_human(n->mem_free, avail, sizeof(avail));
		term_bar(stdout, 1 - (double)n->mem_free / (double)n->mem_total, bar, colour);
		printf(" %8s of %s free", avail, total);
	} else {
		printf("%-*s", (int)bar, n->mem_known ? "no memory" : "memory not known");
	}
	status_print_hugepages(t, n);
	if (note.text[0])
		printf("  (%s)", note.text);
	putchar('\n');
}

static int print_containers(const struct snapshot *s, struct error *err)
{
	cleanup_table struct table table;

	table_init(&table, stdout, "lllll");
	table_cell(&table, "CONTAINER");
	table_cell(&table, "RUNTIME");
	table_cell(&table, "NODES");
	table_cell(&table, "CPUS");
	table_cell(&table, "MEMORY NODES");
	for (unsigned int i = 0; i < s->n; i++) {
		const struct record *r = s->record[i];

		table_id(&table, r->id);
		table_cell(&table, "%s", r->runtime);
		table_comma(&table, ids_of(&r->placement.nodes));
		table_list(&table, ids_of(&r->placement.share.cpus));
		table_list(&table, ids_of(&r->placement.mems));
	}
	return table_print(&table, err);
}

static int status_print_text(const struct snapshot *s, bool watched, struct error *err)
{
	unsigned int width = term_width(stdout), wide = load_width(s), rest = 49 + wide;
	unsigned int bar = width > rest + 2 * BAR_LEAST ? (width - rest) / 2 : BAR_LEAST;
	bool colour = term_colour(stdout);

	if (bar > BAR_MOST)
		bar = BAR_MOST;
	if (watched)
		term_clear(stdout);
	printf("%-9s%-*s%s\n", "", (int)(bar + 2 + wide), "load", "memory taken");
	for (unsigned int i = 0; i < s->topology->nnodes; i++)
		status_print_node(s, i, bar, wide, colour);
	putchar('\n');
	return print_containers(s, err);
}

static int look_once(const struct cli *cli, bool watched, struct error *err)
{
	cleanup_snapshot struct snapshot s = { 0 };
	int ret = snapshot_take(cli, &s, err);

	if (ret < 0)
		return ret;
	if (cli->json) {
		status_print_json(&s);
		return 0;
	}
	return status_print_text(&s, watched, err);
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
