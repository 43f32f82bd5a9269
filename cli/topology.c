/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace topology`: the machine as numaplace sees it. If the ledger cannot be read, the machine is still shown,
 * without the load.
 */
#include "cli/cli.h"
#include "cli/left-out.h"
#include "cli/table.h"
#include "cli/snapshot.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/json-write.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const struct topo_node *node_at(const struct topology *t, unsigned int i)
{
	return &t->nodes[i];
}

/* A page size as in the kernel's folder names: "2048kB". */
static const char *page_size_name(uint64_t bytes, char *buf, size_t size)
{
	snprintf(buf, size, "%" PRIu64 "kB", bytes / 1024);
	return buf;
}

/* The data for text and JSON output. */
struct view {
	const struct cli *cli;
	const struct topology *t;
	struct usage *usage; /* NULL: the ledger cannot be read */
	struct left_out left_out;
};

static void topology_json_node(struct json_writer *o, const struct view *v, unsigned int i)
{
	const struct topology *t = v->t;
	const struct topo_node *n = node_at(t, i);
	struct left_out left;
	struct idset cpus;
	char name[32];

	left_out_cpus_of(t, i, &cpus);
	json_begin_object(o, NULL);
	json_put_uint(o, "id", n->id);
	json_put_list(o, "cpus", ids_of(&cpus));
	left_out_of(v->cli->root, t, &v->left_out, i, &left);
	left_out_json(o, &left);
	json_put_uint(o, "mem_total", n->mem_total);
	json_put_uint(o, "mem_free", n->mem_free);
	json_put_string(o, "memory_kind", memory_kind_name(n->memory_kind));
	json_put_bool(o, "movable_only", n->movable_only);
	json_put_uint(o, "arc", n->arc_bytes);
	json_begin_object(o, "hugepages");
	for (unsigned int h = 0; h < t->nhuge; h++) {
		json_begin_object(o, page_size_name(t->huge_size[h], name, sizeof(name)));
		json_put_uint(o, "total", n->huge_total[h]);
		json_put_uint(o, "free", n->huge_free[h]);
		json_end(o);
	}
	json_end(o);
	json_begin_object(o, "distances");
	for (unsigned int k = 0; k < t->nnodes; k++) {
		snprintf(name, sizeof(name), "%u", node_at(t, k)->id);
		json_put_uint(o, name, topology_distance(t, i, k));
	}
	json_end(o);
	json_end(o);
}

static void topology_print_json(const struct view *v)
{
	const struct topology *t = v->t;
	struct json_writer o = JSON_TO(stdout);
	char name[32];

	json_begin_object(&o, NULL);
	json_begin_array(&o, "nodes");
	for (unsigned int i = 0; i < t->nnodes; i++)
		topology_json_node(&o, v, i);
	json_end(&o);
	json_begin_object(&o, "hugepages");
	for (unsigned int h = 0; h < t->nhuge; h++) {
		json_begin_object(&o, page_size_name(t->huge_size[h], name, sizeof(name)));
		json_put_uint(&o, "reserved", t->huge_reserved[h]);
		json_end(&o);
	}
	json_end(&o);
	json_put_uint(&o, "cores", t->ncores);
	json_put_uint(&o, "last_level_caches", t->nllcs);
	json_end(&o);
}

/* Only page sizes with pages on some node get a column. */
static bool has_pages(const struct topology *t, unsigned int h)
{
	for (unsigned int i = 0; i < t->nnodes; i++)
		if (t->nodes[i].huge_total[h])
			return true;
	return false;
}

static int copy_usage(void *arg, struct ledger *ledger, struct error *err)
{
	struct view *v = arg;
	const struct topology *t = v->t;

	v->usage = ledger ? usage_copy(ledger_usage(ledger)) :
			    usage_new(t->cpu_ids, t->nnodes ? t->nodes[t->nnodes - 1].id + 1U : 1U);
	return v->usage ? 0 : error_set(err, -ENOMEM, "out of memory");
}

/* The column for notes is shown only if a node has one. */
static bool has_notes(const struct view *v)
{
	for (unsigned int i = 0; i < v->t->nnodes; i++)
		if (left_out_memory(v->t, &v->left_out, i, "").text[0])
			return true;
	return false;
}

static void add_node_row(struct table *table, const struct view *v, unsigned int i, bool notes)
{
	const struct topology *t = v->t;
	const struct topo_node *n = node_at(t, i);
	char total[32], avail[32];
	struct left_out left;
	struct idset cpus;

	left_out_cpus_of(t, i, &cpus);
	size_human(n->mem_total, total, sizeof(total));
	size_human(n->mem_free, avail, sizeof(avail));
	table_cell(table, "%u", n->id);
	table_list(table, ids_of(&cpus));
	table_cell(table, "%s", n->mem_known ? total : "-");
	table_cell(table, "%s", n->mem_known ? avail : "-");
	left_out_of(v->cli->root, t, &v->left_out, i, &left);
	if (n->ncpus || n->offline)
		table_cell(table, "%s", left_out_load(t, &left, i, v->usage, "").text);
	else
		table_cell(table, "no CPUs");
	for (unsigned int h = 0; h < t->nhuge; h++)
		if (has_pages(t, h))
			table_cell(table, "%" PRIu64 " of %" PRIu64, n->huge_free[h], n->huge_total[h]);
	if (notes)
		table_cell(table, "%s", left_out_memory(t, &v->left_out, i, "-").text);
}

static int topology_print_nodes(const struct view *v, struct error *err)
{
	const struct topology *t = v->t;
	char align[5 + HUGE_SIZES_MAX + 2] = "rlrrl";
	bool notes = has_notes(v);
	cleanup_table struct table table;
	char name[32];

	for (unsigned int h = 0; h < t->nhuge; h++)
		if (has_pages(t, h))
			strcat(align, "r");
	if (notes)
		strcat(align, "l");
	table_init(&table, stdout, align);
	table_cell(&table, "NODE");
	table_cell(&table, "CPUS");
	table_cell(&table, "MEMORY");
	table_cell(&table, "FREE");
	table_cell(&table, "LOAD");
	for (unsigned int h = 0; h < t->nhuge; h++)
		if (has_pages(t, h))
			table_cell(&table, "%s FREE", page_size_name(t->huge_size[h], name, sizeof(name)));
	if (notes)
		table_cell(&table, "NOTE");
	for (unsigned int i = 0; i < t->nnodes; i++)
		add_node_row(&table, v, i, notes);
	return table_print(&table, err);
}

static int print_distances(const struct topology *t, struct error *err)
{
	cleanup_free char *align = malloc(t->nnodes + 2);
	cleanup_table struct table table = { 0 };

	if (!align)
		return error_set(err, -ENOMEM, "out of memory");
	memset(align, 'r', t->nnodes + 1);
	align[t->nnodes + 1] = '\0';
	table_init(&table, stdout, align);
	table_cell(&table, "DISTANCE");
	for (unsigned int i = 0; i < t->nnodes; i++)
		table_cell(&table, "%u", node_at(t, i)->id);
	for (unsigned int i = 0; i < t->nnodes; i++) {
		table_cell(&table, "%u", node_at(t, i)->id);
		for (unsigned int k = 0; k < t->nnodes; k++)
			table_cell(&table, "%u", topology_distance(t, i, k));
	}
	return table_print(&table, err);
}

static const char *plural(unsigned int n)
{
	return n == 1 ? "" : "s";
}

/* "2 nodes (1 without CPUs), 16 CPUs (14 isolated, 2 reserved), 8 cores, 2 last-level caches" */
static void print_counts(const struct view *v)
{
	const struct {
		const char *word;
		const struct idset *cpus;
	} kinds[] = {
		{ "isolated", &v->left_out.isolated },
		{ "reserved", &v->left_out.reserved },
		{ "not allowed here", &v->left_out.not_allowed },
		{ "held exclusively", &v->left_out.held },
	};
	const struct topology *t = v->t;
	unsigned int bare = 0;
	bool any = false;

	for (unsigned int i = 0; i < t->nnodes; i++)
		bare += !node_at(t, i)->ncpus;
	printf("%u node%s", t->nnodes, plural(t->nnodes));
	if (bare)
		printf(" (%u without CPUs)", bare);
	printf(", %u CPU%s", t->ncpus, plural(t->ncpus));
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		if (idset_empty(kinds[k].cpus))
			continue;
		printf("%s%u %s", any ? ", " : " (", idset_count(kinds[k].cpus), kinds[k].word);
		any = true;
	}
	if (any)
		putchar(')');
	if (!idset_empty(&t->offline))
		printf(" and %u offline", idset_count(&t->offline));
	printf(", %u core%s, %u last-level cache%s\n\n", t->ncores, plural(t->ncores), t->nllcs, plural(t->nllcs));
}

static void print_reserved_pages(const struct topology *t)
{
	char name[32];

	for (unsigned int h = 0; h < t->nhuge; h++)
		if (t->huge_reserved[h])
			printf("\n%" PRIu64 " of the free pages of %s are reserved by running programs\n",
			       t->huge_reserved[h], page_size_name(t->huge_size[h], name, sizeof(name)));
}

static int topology_print_text(const struct view *v, struct error *err)
{
	int ret;

	print_counts(v);
	ret = topology_print_nodes(v, err);
	if (ret < 0)
		return ret;
	print_reserved_pages(v->t);
	putchar('\n');
	return print_distances(v->t, err);
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
static void print_nfd(const struct topology *t, bool json)
{
	struct json_writer o = JSON_TO(stdout);
	unsigned int least = 0, memory_only = 0, nodes = 0, far = 0;
	uint64_t memory = 0;

	for (unsigned int i = 0; i < t->nnodes; i++) {
		const struct topo_node *n = node_at(t, i);

		for (unsigned int k = 0; k < t->nnodes; k++)
			far = topology_distance(t, i, k) > far ? topology_distance(t, i, k) : far;
		memory_only += !n->ncpus;
		if (!n->ncpus)
			continue;
		least = !nodes || n->ncpus < least ? n->ncpus : least;
		memory = !nodes || n->mem_total < memory ? n->mem_total : memory;
		nodes++;
	}
	if (json)
		json_begin_object(&o, NULL);
	print_label(&o, json, "nodes", nodes);
	print_label(&o, json, "memory-only-nodes", memory_only);
	print_label(&o, json, "cpus-per-node", least);
	print_label(&o, json, "memory-gib-per-node", memory >> 30);
	print_label(&o, json, "cores", t->ncores);
	print_label(&o, json, "last-level-caches", t->nllcs);
	print_label(&o, json, "largest-distance", far);
	if (json)
		json_end(&o);
}

static int show(const struct cli *cli, const struct topology *t, struct error *err)
{
	struct view v = { .cli = cli, .t = t };
	/* a ledger that this user may not read is not an error */
	int ret = cli_with_ledger(cli, t, copy_usage, &v, err);

	if (ret == -EINVAL || ret == -ENOMEM)
		return ret;
	left_out_read(cli, t, v.usage, &v.left_out);
	ret = 0;
	if (cli->json)
		topology_print_json(&v);
	else
		ret = topology_print_text(&v, err);
	usage_free(v.usage);
	return ret;
}

int verb_topology(struct cli *cli, int argc, char **argv, struct error *err)
{
	cleanup_topology struct topology *t = NULL;
	bool nfd = false;
	const struct option_rule rules[] = { { .name = "nfd", .flag = &nfd } };
	int words = cli_options("topology", rules, ARRAY_SIZE(rules), argc, argv, err);
	int ret = words < 0 ? words : cli_no_arguments("topology", words, argv, err);

	if (ret < 0)
		return ret;
	ret = cli_topology(cli, &t, err);
	if (ret < 0)
		return ret;
	if (nfd) {
		print_nfd(t, cli->json);
		return 0;
	}
	return show(cli, t, err);
}
