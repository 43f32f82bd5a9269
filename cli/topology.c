/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace topology`: the machine as numaplace sees it. If the ledger cannot be read, the machine is still shown,
 * without the load.
 */
#include "cli/cli.h"
#include "cli/left-out.h"
#include "cli/table.h"
#include "plugin/base/size.h"
#include "runtime-hooks/kube/nrt.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define HUGE_COLUMNS_MAX 16

/* A page size as in the kernel's folder names: "2048kB". */
static const char *page_size_name(uint64_t bytes, char *buf, size_t size)
{
	snprintf(buf, size, "%" PRIu64 "kB", bytes / 1024);
	return buf;
}

static void topology_json_node(struct json_writer *o, const struct numaplace_snapshot *s, unsigned int i)
{
	const struct numaplace_node *n = numaplace_snapshot_node(s, i), *to;
	const struct numaplace_hugepages *huge;
	char name[32];

	json_begin_object(o, NULL);
	json_put_uint(o, "id", n->id);
	json_put_string(o, "cpus", n->cpus);
	left_out_json(o, n);
	json_put_uint(o, "mem_total", n->memory);
	json_put_uint(o, "mem_free", n->memory_free);
	json_put_string(o, "memory_kind", n->memory_kind);
	json_put_bool(o, "movable_only", n->memory_movable);
	json_put_uint(o, "arc", n->memory_cached);
	json_begin_object(o, "hugepages");
	for (unsigned int h = 0; (huge = numaplace_snapshot_hugepages(s, i, h)); h++) {
		json_begin_object(o, page_size_name(huge->size, name, sizeof(name)));
		json_put_uint(o, "total", huge->total);
		json_put_uint(o, "free", huge->free);
		json_end(o);
	}
	json_end(o);
	json_begin_object(o, "distances");
	for (unsigned int k = 0; (to = numaplace_snapshot_node(s, k)); k++) {
		snprintf(name, sizeof(name), "%u", to->id);
		json_put_uint(o, name, numaplace_snapshot_distance(s, i, k));
	}
	json_end(o);
	json_end(o);
}

static void topology_print_json(const struct numaplace_snapshot *s)
{
	const struct numaplace_machine *m = numaplace_snapshot_machine(s);
	const struct numaplace_hugepages *huge;
	struct json_writer o = JSON_TO(stdout);
	char name[32];

	json_begin_object(&o, NULL);
	json_begin_array(&o, "nodes");
	for (unsigned int i = 0; i < m->nnodes; i++)
		topology_json_node(&o, s, i);
	json_end(&o);
	json_begin_object(&o, "hugepages");
	for (unsigned int h = 0; (huge = numaplace_snapshot_hugepages(s, NUMAPLACE_ALL_NODES, h)); h++) {
		json_begin_object(&o, page_size_name(huge->size, name, sizeof(name)));
		json_put_uint(&o, "reserved", huge->reserved);
		json_end(&o);
	}
	json_end(&o);
	json_put_uint(&o, "cores", m->ncores);
	json_put_uint(&o, "last_level_caches", m->ncaches);
	json_end(&o);
}

/* The next page size from @h on that has pages on some node: only these get a column. */
static const struct numaplace_hugepages *column_of(const struct numaplace_snapshot *s, unsigned int *h)
{
	const struct numaplace_hugepages *huge;

	while ((huge = numaplace_snapshot_hugepages(s, NUMAPLACE_ALL_NODES, *h)) && !huge->total)
		++*h;
	return huge;
}

/* The column for notes is shown only if a node has one. */
static bool has_notes(const struct numaplace_snapshot *s)
{
	const struct numaplace_node *n;

	for (unsigned int i = 0; (n = numaplace_snapshot_node(s, i)); i++)
		if (left_out_memory(n, "").text[0])
			return true;
	return false;
}

static void add_node_row(struct table *table, const struct numaplace_snapshot *s, unsigned int i, bool notes)
{
	const struct numaplace_node *n = numaplace_snapshot_node(s, i);
	char total[32], avail[32];

	size_human(n->memory, total, sizeof(total));
	size_human(n->memory_free, avail, sizeof(avail));
	table_cell(table, "%u", n->id);
	table_list_text(table, n->cpus);
	table_cell(table, "%s", n->memory_known ? total : "-");
	table_cell(table, "%s", n->memory_known ? avail : "-");
	table_cell(table, "%s", n->ncpus || n->noffline ? left_out_load(s, n, "").text : "no CPUs");
	for (unsigned int h = 0; column_of(s, &h); h++) {
		const struct numaplace_hugepages *huge = numaplace_snapshot_hugepages(s, i, h);

		table_cell(table, "%" PRIu64 " of %" PRIu64, huge->free, huge->total);
	}
	if (notes)
		table_cell(table, "%s", left_out_memory(n, "-").text);
}

static int topology_print_nodes(const struct numaplace_snapshot *s, struct error *err)
{
	static const char *const titles[] = { "NODE", "CPUS", "MEMORY", "FREE", "LOAD" };
	const struct numaplace_hugepages *huge;
	char align[HUGE_COLUMNS_MAX] = "rlrrl";
	bool notes = has_notes(s);
	cleanup_table struct table table;
	char name[32];

	for (unsigned int h = 0; column_of(s, &h); h++)
		strcat(align, "r");
	if (notes)
		strcat(align, "l");
	table_init(&table, stdout, align);
	for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
		table_cell(&table, "%s", titles[i]);
	for (unsigned int h = 0; (huge = column_of(s, &h)); h++)
		table_cell(&table, "%s FREE", page_size_name(huge->size, name, sizeof(name)));
	if (notes)
		table_cell(&table, "NOTE");
	for (unsigned int i = 0; numaplace_snapshot_node(s, i); i++)
		add_node_row(&table, s, i, notes);
	return table_print(&table, err);
}

static int print_distances(const struct numaplace_snapshot *s, struct error *err)
{
	unsigned int nodes = numaplace_snapshot_machine(s)->nnodes;
	cleanup_free char *align = malloc(nodes + 2);
	cleanup_table struct table table = { 0 };

	if (!align)
		return error_set(err, -ENOMEM, "out of memory");
	memset(align, 'r', nodes + 1);
	align[nodes + 1] = '\0';
	table_init(&table, stdout, align);
	table_cell(&table, "DISTANCE");
	for (unsigned int i = 0; i < nodes; i++)
		table_cell(&table, "%u", numaplace_snapshot_node(s, i)->id);
	for (unsigned int i = 0; i < nodes; i++) {
		table_cell(&table, "%u", numaplace_snapshot_node(s, i)->id);
		for (unsigned int k = 0; k < nodes; k++)
			table_cell(&table, "%u", numaplace_snapshot_distance(s, i, k));
	}
	return table_print(&table, err);
}

static const char *plural(unsigned int n)
{
	return n == 1 ? "" : "s";
}

static unsigned int count_of(const char *list)
{
	struct idset set = cli_set(list);

	return idset_count(&set);
}

/* "2 nodes (1 without CPUs), 16 CPUs (14 isolated, 2 reserved), 8 cores, 2 last-level caches" */
static void print_counts(const struct numaplace_snapshot *s)
{
	const struct numaplace_machine *m = numaplace_snapshot_machine(s);
	const struct {
		const char *word, *cpus;
	} kinds[] = {
		{ "isolated", m->isolated },
		{ "reserved", m->reserved },
		{ "not allowed here", m->not_allowed },
		{ "held exclusively", m->held },
	};
	unsigned int bare = 0;
	bool any = false;

	for (unsigned int i = 0; i < m->nnodes; i++)
		bare += !numaplace_snapshot_node(s, i)->ncpus;
	printf("%u node%s", m->nnodes, plural(m->nnodes));
	if (bare)
		printf(" (%u without CPUs)", bare);
	printf(", %u CPU%s", m->ncpus, plural(m->ncpus));
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		if (!*kinds[k].cpus)
			continue;
		printf("%s%u %s", any ? ", " : " (", count_of(kinds[k].cpus), kinds[k].word);
		any = true;
	}
	if (any)
		putchar(')');
	if (*m->offline)
		printf(" and %u offline", count_of(m->offline));
	printf(", %u core%s, %u last-level cache%s\n\n", m->ncores, plural(m->ncores), m->ncaches, plural(m->ncaches));
}

static void print_reserved_pages(const struct numaplace_snapshot *s)
{
	const struct numaplace_hugepages *huge;
	char name[32];

	for (unsigned int h = 0; (huge = numaplace_snapshot_hugepages(s, NUMAPLACE_ALL_NODES, h)); h++)
		if (huge->reserved)
			printf("\n%" PRIu64 " of the free pages of %s are reserved by running programs\n", huge->reserved,
			       page_size_name(huge->size, name, sizeof(name)));
}

static int topology_print_text(const struct numaplace_snapshot *s, struct error *err)
{
	int ret;

	print_counts(s);
	ret = topology_print_nodes(s, err);
	if (ret < 0)
		return ret;
	print_reserved_pages(s);
	putchar('\n');
	return print_distances(s, err);
}

/* A label's value is a string, in JSON, too. */
static void print_label(struct json_writer *o, bool json, const char *name, uint64_t value)
{
	char key[64], text[24];

	snprintf(key, sizeof(key), "numaplace.org/%s", name);
	snprintf(text, sizeof(text), "%" PRIu64, value);
	if (json)
		json_put_string(o, key, text);
	else
		printf("%s=%s\n", key, text);
}

/*
 * Prints labels for node-feature-discovery's local source, one KEY=VALUE per line. A value has at most 63 letters,
 * digits and "-_.", so sizes are in whole GiB.
 */
static void print_nfd(const struct numaplace_snapshot *s, bool json)
{
	const struct numaplace_machine *m = numaplace_snapshot_machine(s);
	struct json_writer o = JSON_TO(stdout);
	unsigned int least = 0, memory_only = 0, nodes = 0, far = 0;
	uint64_t memory = 0;

	for (unsigned int i = 0; i < m->nnodes; i++) {
		const struct numaplace_node *n = numaplace_snapshot_node(s, i);

		for (unsigned int k = 0; k < m->nnodes; k++) {
			unsigned int distance = numaplace_snapshot_distance(s, i, k);

			far = distance > far ? distance : far;
		}
		memory_only += !n->ncpus;
		if (!n->ncpus)
			continue;
		least = !nodes || n->ncpus < least ? n->ncpus : least;
		memory = !nodes || n->memory < memory ? n->memory : memory;
		nodes++;
	}
	if (json)
		json_begin_object(&o, NULL);
	print_label(&o, json, "nodes", nodes);
	print_label(&o, json, "memory-only-nodes", memory_only);
	print_label(&o, json, "cpus-per-node", least);
	print_label(&o, json, "memory-gib-per-node", memory >> 30);
	print_label(&o, json, "cores", m->ncores);
	print_label(&o, json, "last-level-caches", m->ncaches);
	print_label(&o, json, "largest-distance", far);
	if (json)
		json_end(&o);
}

/* The labels need neither the configuration nor the ledger. */
static int show_labels(const struct cli *cli, struct error *err)
{
	cleanup_numaplace struct numaplace *np = NULL;
	cleanup_snapshot struct numaplace_snapshot *s = NULL;
	int ret = cli_open(cli, NUMAPLACE_NO_CONF, &np, err);

	if (ret == 0)
		ret = cli_result(np, numaplace_snapshot_take(np, NUMAPLACE_MACHINE_ONLY, &s), err);
	if (ret == 0)
		print_nfd(s, cli->json);
	return ret;
}

/* Without the ledger, the available amounts would be too high: an error. */
static int show_nrt(const struct cli *cli, const char *node_name, struct error *err)
{
	cleanup_snapshot struct numaplace_snapshot *s = NULL;
	struct json_writer o = JSON_TO(stdout);
	char name[KUBE_NAME_MAX + 1];
	int ret = nrt_node_name(cli->root, node_name, name, err);

	if (ret < 0)
		return error_prefix(err, ret, "topology");
	ret = cli_snapshot(cli, &s, err);
	if (ret == 0)
		nrt_write(&o, s, name);
	return ret;
}

/* A configuration or a ledger that this user may not read is not an error: the machine is shown without load. */
static int show(const struct cli *cli, struct error *err)
{
	cleanup_numaplace struct numaplace *np = NULL;
	cleanup_snapshot struct numaplace_snapshot *s = NULL;
	unsigned int flags = NUMAPLACE_LEDGER_OPTIONAL;
	int ret = cli_open(cli, NUMAPLACE_READ_ONLY, &np, err);

	if (ret < 0 && ret != -EINVAL && ret != -ENOMEM) {
		numaplace_close(steal_ptr(np));
		flags = NUMAPLACE_MACHINE_ONLY;
		ret = cli_open(cli, NUMAPLACE_NO_CONF, &np, err);
	}
	if (ret == 0)
		ret = cli_result(np, numaplace_snapshot_take(np, flags, &s), err);
	if (ret < 0)
		return ret;
	if (!cli->json)
		return topology_print_text(s, err);
	topology_print_json(s);
	return 0;
}

int verb_topology(struct cli *cli, int argc, char **argv, struct error *err)
{
	const char *node_name = NULL;
	bool nfd = false, nrt = false;
	const struct option_rule rules[] = {
		{ .name = "nfd", .flag = &nfd },
		{ .name = "nrt", .flag = &nrt },
		{ .name = "node-name", .value = &node_name },
	};
	int words = cli_options("topology", rules, ARRAY_SIZE(rules), argc, argv, err);
	int ret = words < 0 ? words : cli_no_arguments("topology", words, argv, err);

	if (ret < 0)
		return ret;
	if (nfd && nrt)
		return error_set(err, -EINVAL, "topology: --nfd and --nrt: one is enough");
	if (node_name && !nrt)
		return error_set(err, -EINVAL, "topology: --node-name: only with --nrt");
	if (nrt)
		return show_nrt(cli, node_name, err);
	return nfd ? show_labels(cli, err) : show(cli, err);
}
