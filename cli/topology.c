/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace topology`: the machine as numaplace sees it.  The load column is
 * there when the ledger can be read; without it the machine is still shown.
 */
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/snapshot.h"
#include "plugin/util.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const struct topo_node *node_at(const struct topology *t, unsigned int i)
{
	return &t->nodes[i];
}

/* A page size as the kernel's folders have it: "2048kB". */
static const char *page_size_name(uint64_t bytes, char *buf, size_t size)
{
	snprintf(buf, size, "%" PRIu64 "kB", bytes / 1024);
	return buf;
}

static void print_json_node(struct out *o, const struct topology *t, unsigned int i)
{
	const struct topo_node *n = node_at(t, i);
	struct idset cpus;
	char name[32];

	snapshot_cpus_of(t, i, &cpus);
	out_object(o, NULL);
	out_uint(o, "id", n->id);
	out_list(o, "cpus", &cpus);
	out_uint(o, "mem_total", n->mem_total);
	out_uint(o, "mem_free", n->mem_free);
	out_string(o, "memory_kind", memory_kind_name(n->memory_kind));
	out_bool(o, "movable_only", n->movable_only);
	out_uint(o, "arc", n->arc_bytes);
	out_object(o, "hugepages");
	for (unsigned int h = 0; h < t->nhuge; h++) {
		out_object(o, page_size_name(t->huge_size[h], name, sizeof(name)));
		out_uint(o, "total", n->huge_total[h]);
		out_uint(o, "free", n->huge_free[h]);
		out_end(o);
	}
	out_end(o);
	out_object(o, "distances");
	for (unsigned int k = 0; k < t->nnodes; k++) {
		snprintf(name, sizeof(name), "%u", node_at(t, k)->id);
		out_uint(o, name, topology_distance(t, i, k));
	}
	out_end(o);
	out_end(o);
}

static void print_json(const struct topology *t)
{
	struct out o = JSON_OUT(stdout);

	out_object(&o, NULL);
	out_array(&o, "nodes");
	for (unsigned int i = 0; i < t->nnodes; i++)
		print_json_node(&o, t, i);
	out_end(&o);
	out_uint(&o, "cores", t->ncores);
	out_uint(&o, "last_level_caches", t->nllcs);
	out_end(&o);
}

/* A page size that no node has pages of is not worth a column. */
static bool has_pages(const struct topology *t, unsigned int h)
{
	for (unsigned int i = 0; i < t->nnodes; i++)
		if (t->nodes[i].huge_total[h])
			return true;
	return false;
}

/* Sums up what the ledger says, per node index. */
struct loads {
	const struct topology *topology;
	uint64_t *node; /* in 1/LOAD_ONE of a CPU */
};

static int sum_loads(void *arg, struct ledger *ledger, struct error *err)
{
	const struct loads *loads = arg;
	const struct topology *t = loads->topology;
	const struct usage *usage = ledger ? ledger_usage(ledger) : NULL;

	(void)err;
	for (unsigned int i = 0; usage && i < t->ncpus; i++)
		if (t->cpus[i].id < usage->cpu_ids)
			loads->node[t->cpus[i].node] += usage->load[t->cpus[i].id];
	return 0;
}

static void add_node_row(struct table *table, const struct topology *t, unsigned int i, const uint64_t *load)
{
	const struct topo_node *n = node_at(t, i);
	char total[32], avail[32];
	struct idset cpus;

	snapshot_cpus_of(t, i, &cpus);
	size_human(n->mem_total, total, sizeof(total));
	size_human(n->mem_free, avail, sizeof(avail));
	table_cell(table, "%u", n->id);
	table_list(table, &cpus);
	table_cell(table, "%s", n->mem_known ? total : "-");
	table_cell(table, "%s", n->mem_known ? avail : "-");
	if (load && n->ncpus)
		table_cell(table, "%.1f of %u", (double)load[i] / LOAD_ONE, n->ncpus);
	else
		table_cell(table, "-");
	for (unsigned int h = 0; h < t->nhuge; h++)
		if (has_pages(t, h))
			table_cell(table, "%" PRIu64 " of %" PRIu64, n->huge_free[h], n->huge_total[h]);
}

static int print_nodes(const struct topology *t, const uint64_t *load, struct error *err)
{
	char align[5 + HUGE_SIZES_MAX + 1] = "rlrrr";
	cleanup_table struct table table;
	char name[32];

	for (unsigned int h = 0; h < t->nhuge; h++)
		if (has_pages(t, h))
			strcat(align, "r");
	table_init(&table, stdout, align);
	table_cell(&table, "NODE");
	table_cell(&table, "CPUS");
	table_cell(&table, "MEMORY");
	table_cell(&table, "FREE");
	table_cell(&table, "LOAD");
	for (unsigned int h = 0; h < t->nhuge; h++)
		if (has_pages(t, h))
			table_cell(&table, "%s FREE", page_size_name(t->huge_size[h], name, sizeof(name)));
	for (unsigned int i = 0; i < t->nnodes; i++)
		add_node_row(&table, t, i, load);
	if (!table_print(&table))
		return error_set(err, -ENOMEM, "out of memory");
	return 0;
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
	if (!table_print(&table))
		return error_set(err, -ENOMEM, "out of memory");
	return 0;
}

static const char *plural(unsigned int n)
{
	return n == 1 ? "" : "s";
}

static int print_text(const struct cli *cli, const struct topology *t, struct error *err)
{
	cleanup_free uint64_t *load = calloc(t->nnodes + 1, sizeof(*load));
	struct loads loads = { t, load };
	int known, ret;

	if (!load)
		return error_set(err, -ENOMEM, "out of memory");
	/* a machine whose ledger is not ours to read is still a machine */
	known = cli_with_ledger(cli, t, sum_loads, &loads, err);
	if (known == -EINVAL)
		return known;
	printf("%u node%s, %u CPU%s, %u core%s, %u last-level cache%s\n\n", t->nnodes, plural(t->nnodes), t->ncpus,
	       plural(t->ncpus), t->ncores, plural(t->ncores), t->nllcs, plural(t->nllcs));
	ret = print_nodes(t, known == 0 ? load : NULL, err);
	if (ret < 0)
		return ret;
	putchar('\n');
	return print_distances(t, err);
}

/* A label's value is text, in JSON too. */
static void print_label(struct out *o, bool json, const char *name, uint64_t value)
{
	char key[64], text[24];

	snprintf(key, sizeof(key), "numaplace.org/%s", name);
	snprintf(text, sizeof(text), "%" PRIu64, value);
	if (json)
		out_string(o, key, text);
	else
		printf("%s=%s\n", key, text);
}

/*
 * Labels for node-feature-discovery's local source, one KEY=VALUE a line; a value is at most 63 letters, digits and
 * "-_.", so sizes are whole GiB.
 */
static void print_nfd(const struct topology *t, bool json)
{
	struct out o = JSON_OUT(stdout);
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
		out_object(&o, NULL);
	print_label(&o, json, "nodes", nodes);
	print_label(&o, json, "memory-only-nodes", memory_only);
	print_label(&o, json, "cpus-per-node", least);
	print_label(&o, json, "memory-gib-per-node", memory >> 30);
	print_label(&o, json, "cores", t->ncores);
	print_label(&o, json, "last-level-caches", t->nllcs);
	print_label(&o, json, "largest-distance", far);
	if (json)
		out_end(&o);
}

int verb_topology(struct cli *cli, int argc, char **argv, struct error *err)
{
	cleanup_topology struct topology *t = NULL;
	bool nfd = argc && strcmp(argv[0], "--nfd") == 0;
	int ret = cli_no_arguments("topology", argc - nfd, argv + nfd, err);

	if (ret < 0)
		return ret;
	ret = cli_topology(cli, &t, err);
	if (ret < 0)
		return ret;
	if (nfd) {
		print_nfd(t, cli->json);
		return 0;
	}
	if (cli->json) {
		print_json(t);
		return 0;
	}
	return print_text(cli, t, err);
}
