/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace status [--watch[=SECONDS]]`: each node's load as a bar, its free
 * memory and hugepages; below, the live containers and where they were put.
 */
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/snapshot.h"
#include "cli/term.h"

#include <errno.h>
#include <inttypes.h>

#define BAR_LEAST 8
#define BAR_MOST 30

static void print_json(const struct snapshot *s)
{
	struct out o = JSON_OUT(stdout);

	out_object(&o, NULL);
	out_array(&o, "containers");
	for (unsigned int i = 0; i < s->n; i++) {
		const struct record *r = s->record[i];

		out_object(&o, NULL);
		out_string(&o, "id", r->id);
		out_string(&o, "runtime", r->runtime);
		out_comma(&o, "nodes", &r->placement.nodes);
		out_list(&o, "cpus", &r->placement.share.cpus);
		out_list(&o, "mems", &r->placement.mems);
		out_end(&o);
	}
	out_end(&o);
	out_end(&o);
}

static void print_hugepages(const struct topology *t, const struct topo_node *n)
{
	char size[32];

	for (unsigned int h = 0; h < t->nhuge; h++) {
		if (!n->huge_total[h])
			continue;
		size_human(t->huge_size[h], size, sizeof(size));
		printf("  %" PRIu64 " of %" PRIu64 " x %s free", n->huge_free[h], n->huge_total[h], size);
	}
}

/* "node 0  ####....   2.0 of 4 CPUs  ###.....   6.0GiB of  8.0GiB free  4 of 8 x 2MiB free" */
static void print_node(const struct snapshot *s, unsigned int i, unsigned int bar, bool colour)
{
	const struct topology *t = s->topology;
	const struct topo_node *n = &t->nodes[i];
	double load = (double)s->load[i] / LOAD_ONE;
	char total[32], avail[32];

	printf("node %-4u", n->id);
	if (n->ncpus) {
		term_bar(stdout, load / n->ncpus, bar, colour);
		printf(" %5.1f of %-4u", load, n->ncpus);
	} else {
		printf("%-*s", (int)bar + 14, "no CPUs");
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
	print_hugepages(t, n);
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
		table_comma(&table, &r->placement.nodes);
		table_list(&table, &r->placement.share.cpus);
		table_list(&table, &r->placement.mems);
	}
	if (!table_print(&table))
		return error_set(err, -ENOMEM, "out of memory");
	return 0;
}

static int print_text(const struct snapshot *s, bool watched, struct error *err)
{
	unsigned int width = term_width(stdout);
	unsigned int bar = width > 62 + 2 * BAR_LEAST ? (width - 62) / 2 : BAR_LEAST;
	bool colour = term_colour(stdout);

	if (bar > BAR_MOST)
		bar = BAR_MOST;
	if (watched)
		term_clear(stdout);
	printf("%-9s%-*s%s\n", "", (int)bar + 15, "load", "memory taken");
	for (unsigned int i = 0; i < s->topology->nnodes; i++)
		print_node(s, i, bar, colour);
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
		print_json(&s);
		return 0;
	}
	return print_text(&s, watched, err);
}

int verb_status(struct cli *cli, int argc, char **argv, struct error *err)
{
	unsigned int watch = 0;
	int ret;

	for (int i = 0; i < argc; i++) {
		ret = term_watch_option("status", argv[i], &watch, err);
		if (ret == 0)
			ret = cli_no_arguments("status", 1, &argv[i], err);
		if (ret < 0)
			return ret;
	}
	do {
		ret = look_once(cli, watch > 0, err);
	} while (ret == 0 && watch && term_wait(watch));
	return ret;
}
