/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace map [-o FILE.svg]`: the machine with its containers, as letters on a terminal or as a picture.
 */
#include "cli/cli.h"
#include "cli/map-load.h"
#include "cli/svg.h"
#include "cli/table.h"
#include "cli/term.h"
#include "runtime-hooks/common/json-write.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define NLETTERS (sizeof(LETTERS) - 1)
#define TEXT_BAR 16

/* --- text --- */

static char letter_of(unsigned int container)
{
	return container < NLETTERS ? LETTERS[container] : '*';
}

/* One of the terminal's own colours, which suit its background. */
static void start_colour(unsigned int container, bool colour)
{
	if (colour)
		printf("\033[%um", 31 + container % 6);
}

static void end_colour(bool colour)
{
	if (colour)
		fputs("\033[0m", stdout);
}

static void print_cpu(const struct map *m, unsigned int i, bool colour)
{
	const struct map_cpu *c = &m->cpu[i];

	if (c->n == 1)
		start_colour(c->who[0], colour);
	putchar(!c->n ? (map_left_out(m, i) ? '-' : '.') : c->n > 1 ? '+' : letter_of(c->who[0]));
	if (c->n == 1)
		end_colour(colour);
}

/* Prints a node's CPUs as letters, with a gap between last-level caches, wrapped at @width. */
static void print_cpus(const struct map *m, const struct topo_node *n, unsigned int indent, unsigned int width,
		       bool colour)
{
	const struct topology *t = m->s->topology;
	unsigned int column = indent;

	printf("%*s", (int)indent, "");
	for (unsigned int i = n->first_cpu; i < n->first_cpu + n->ncpus; i++) {
		bool gap = i > n->first_cpu && t->cpus[i].llc != t->cpus[i - 1].llc;

		if (column + 2 > width) {
			printf("\n%*s", (int)indent, "");
			column = indent;
			gap = false;
		}
		if (gap)
			putchar(' ');
		print_cpu(m, i, colour);
		column += 1 + gap;
	}
	putchar('\n');
}

static void map_print_node(const struct map *m, unsigned int i, unsigned int width, bool colour)
{
	const struct topo_node *n = &m->s->topology->nodes[i];
	struct left_out_text load = map_load_text(m, i, " CPUs");
	struct left_out_text note = left_out_memory(m->s->topology, &m->s->left_out, i, "");
	char total[32], avail[32];

	printf("node %-4u", n->id);
	if (n->ncpus) {
		term_bar(stdout, map_load(m, i), TEXT_BAR, colour);
		printf(" %s", load.text);
	} else {
		fputs(n->offline ? load.text : "no CPUs", stdout);
	}
	if (n->mem_known) {
		size_human(n->mem_total, total, sizeof(total));
		size_human(n->mem_free, avail, sizeof(avail));
		printf(", %s of %s free", avail, total);
	}
	if (note.text[0])
		printf(" (%s)", note.text);
	putchar('\n');
	if (n->ncpus)
		print_cpus(m, n, 9, width, colour);
}

static int print_legend(const struct map *m, struct error *err)
{
	cleanup_table struct table table;

	table_init(&table, stdout, "llll");
	table_cell(&table, "%s", "");
	table_cell(&table, "CONTAINER");
	table_cell(&table, "NODES");
	table_cell(&table, "MEMORY NODES");
	for (unsigned int k = 0; k < m->s->n; k++) {
		table_cell(&table, "%c", letter_of(k));
		table_id(&table, m->s->record[k]->id);
		table_comma(&table, ids_of(&m->s->record[k]->placement.nodes));
		table_list(&table, ids_of(&m->s->record[k]->placement.mems));
	}
	return table_print(&table, err);
}

static int map_print_text(const struct map *m, struct error *err)
{
	unsigned int width = term_width(stdout);
	bool colour = term_colour(stdout);

	for (unsigned int i = 0; i < m->s->topology->nnodes; i++)
		map_print_node(m, i, width, colour);
	fputs("\n. idle   + shared by several", stdout);
	for (unsigned int i = 0; i < m->s->topology->ncpus; i++)
		if (map_left_out(m, i)) {
			fputs("   - isolated, reserved or not allowed here", stdout);
			break;
		}
	putchar('\n');
	return m->s->n ? print_legend(m, err) : 0;
}

/* --- JSON --- */

static void map_json_node(struct json_writer *o, const struct map *m, unsigned int i)
{
	const struct topo_node *n = &m->s->topology->nodes[i];
	struct left_out left;
	struct idset cpus;

	left_out_cpus_of(m->s->topology, i, &cpus);
	json_begin_object(o, NULL);
	json_put_uint(o, "id", n->id);
	json_put_uint(o, "package", n->package);
	json_put_list(o, "cpus", ids_of(&cpus));
	json_put_number(o, "load", (double)m->s->load[i] / LOAD_ONE);
	json_put_uint(o, "mem_total", n->mem_total);
	json_put_uint(o, "mem_free", n->mem_free);
	left_out_of(m->s->root, m->s->topology, &m->s->left_out, i, &left);
	left_out_json(o, &left);
	json_put_string(o, "memory_kind", memory_kind_name(n->memory_kind));
	json_begin_array(o, "containers");
	for (unsigned int k = 0; k < m->s->n; k++)
		if (nodeset_has(&m->s->record[k]->placement.nodes, n->id))
			json_put_string(o, NULL, m->s->record[k]->id);
	json_end(o);
	json_end(o);
}

static void map_print_json(const struct map *m)
{
	struct json_writer o = JSON_TO(stdout);

	json_begin_object(&o, NULL);
	json_put_number(&o, "max_load_over_mean", m->worst);
	json_begin_array(&o, "nodes");
	for (unsigned int i = 0; i < m->s->topology->nnodes; i++)
		map_json_node(&o, m, i);
	json_end(&o);
	json_end(&o);
}

static int map_write_svg(const struct map *m, const char *file, struct error *err)
{
	bool is_stdout = strcmp(file, "-") == 0;
	FILE *f = is_stdout ? stdout : fopen(file, "we");
	int ret;

	if (!f)
		return error_errno(err, -errno, "map: %s", quote(file).text);
	ret = svg_draw(m, f, err);
	if (is_stdout)
		return ret;
	if (ret == 0 && (fflush(f) || ferror(f)))
		ret = error_errno(err, errno ? -errno : -EIO, "map: %s", quote(file).text);
	if (fclose(f) && ret == 0)
		ret = error_errno(err, -errno, "map: %s", quote(file).text);
	return ret;
}

int verb_map(struct cli *cli, int argc, char **argv, struct error *err)
{
	cleanup_snapshot struct snapshot s = { 0 };
	__attribute__((cleanup(map_free))) struct map m = { 0 };
	const char *file = NULL;
	int ret = cli_output_option("map", argc, argv, &file, err);

	if (ret == 0)
		ret = snapshot_take(cli, &s, err);
	if (ret == 0)
		ret = map_make(&m, &s, err);
	if (ret < 0)
		return ret;
	if (file)
		return map_write_svg(&m, file, err);
	if (cli->json) {
		map_print_json(&m);
		return 0;
	}
	return map_print_text(&m, err);
}
