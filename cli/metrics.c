/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace metrics [-o FILE]`: Prometheus text format. -o writes a temporary file and renames it, as node-exporter's
 * textfile collector requires. Names and labels are an interface: dashboards depend on them.
 */
#include "cli/cli.h"
#include "plugin/base/atomic-file.h"
#include "plugin/base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

struct metrics {
	struct numaplace_snapshot *s;
	unsigned int ncontainers;
	bool looked;             /* @elsewhere is valid */
	uint64_t *elsewhere;     /* by number of the node: bytes of containers that belong on other nodes */
	unsigned int *containers; /* by number of the node: those with CPUs there */
};

static void metrics_free(struct metrics *m)
{
	numaplace_snapshot_free(m->s);
	free(m->elsewhere);
	free(m->containers);
}

static const struct numaplace_node *node_of(const struct metrics *m, unsigned int i)
{
	return numaplace_snapshot_node(m->s, i);
}

/* Adds one container's anonymous memory on nodes outside its placement. */
static void add_elsewhere(struct metrics *m, struct numaplace *np, const struct numaplace_placement *p)
{
	struct nodeset mems = cli_nodes(numaplace_placement_mems(p));
	struct numaplace_pages *pages = NULL;
	const struct numaplace_node_pages *n;
	const struct numaplace_node *node;

	if (strcmp(numaplace_placement_policy(p), "preferred") == 0 ||
	    numaplace_pages_read(np, p, NUMAPLACE_CGROUP_ONLY, &pages) < 0)
		return;
	m->looked = true;
	for (unsigned int k = 0; (n = numaplace_pages_node(pages, k)); k++)
		for (unsigned int i = 0; (node = node_of(m, i)); i++)
			if (node->id == n->id && !nodeset_has(&mems, n->id))
				m->elsewhere[i] += n->cgroup_anonymous;
	numaplace_pages_free(pages);
}

static void count_nodes(struct metrics *m, const struct numaplace_placement *p)
{
	struct nodeset nodes = cli_nodes(numaplace_placement_nodes(p));
	const struct numaplace_node *node;

	for (unsigned int i = 0; (node = node_of(m, i)); i++)
		m->containers[i] += nodeset_has(&nodes, node->id);
}

static int metrics_look(const struct cli *cli, struct metrics *m, struct error *err)
{
	cleanup_numaplace struct numaplace *np = NULL;
	const struct numaplace_placement *p;
	unsigned int nodes;
	int ret = cli_open(cli, NUMAPLACE_READ_ONLY, &np, err);

	if (ret == 0)
		ret = cli_result(np, numaplace_snapshot_take(np, 0, &m->s), err);
	if (ret < 0)
		return ret;
	nodes = numaplace_snapshot_machine(m->s)->nnodes;
	m->elsewhere = calloc(nodes + 1, sizeof(*m->elsewhere));
	m->containers = calloc(nodes + 1, sizeof(*m->containers));
	if (!m->elsewhere || !m->containers)
		return error_set(err, -ENOMEM, "out of memory");
	for (; (p = numaplace_snapshot_placement(m->s, m->ncontainers)); m->ncontainers++) {
		count_nodes(m, p);
		add_elsewhere(m, np, p);
	}
	return 0;
}

/* --- Prometheus --- */

static void head(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP numaplace_%s %s\n# TYPE numaplace_%s %s\n", name, help, name, type);
}

static double value_cpus(const struct metrics *m, unsigned int i)
{
	return node_of(m, i)->ncpus;
}

static double value_load(const struct metrics *m, unsigned int i)
{
	return numaplace_snapshot_load(m->s, node_of(m, i)->cpus);
}

static double value_total(const struct metrics *m, unsigned int i)
{
	return (double)node_of(m, i)->memory;
}

static double value_free(const struct metrics *m, unsigned int i)
{
	return (double)node_of(m, i)->memory_free;
}

static double value_asked(const struct metrics *m, unsigned int i)
{
	return (double)node_of(m, i)->memory_requested;
}

static double value_pending(const struct metrics *m, unsigned int i)
{
	return (double)node_of(m, i)->memory_pending;
}

static double value_containers(const struct metrics *m, unsigned int i)
{
	return m->containers[i];
}

static double value_elsewhere(const struct metrics *m, unsigned int i)
{
	return (double)m->elsewhere[i];
}

/* The metrics per node: value(m, i) is that of node @i. */
static const struct {
	const char *name, *help;
	double (*value)(const struct metrics *m, unsigned int i);
} per_node[] = {
	{ "node_cpus", "Online CPUs.", value_cpus },
	{ "node_load_cpus", "CPUs that placed containers use.", value_load },
	{ "node_memory_bytes", "Memory.", value_total },
	{ "node_memory_free_bytes", "Memory available to a new process.", value_free },
	{ "node_memory_asked_bytes", "Memory that placed containers requested.", value_asked },
	{ "node_memory_pending_bytes", "Requested memory that they have not touched yet.", value_pending },
	{ "node_containers", "Placed containers with CPUs here.", value_containers },
	{ "node_misplaced_bytes", "Anonymous memory of placed containers that belongs on other nodes.",
	  value_elsewhere },
};

static void metrics_nodes(FILE *f, const struct metrics *m)
{
	for (size_t k = 0; k < ARRAY_SIZE(per_node); k++) {
		if (per_node[k].value == value_elsewhere && !m->looked)
			continue;
		head(f, per_node[k].name, "gauge", per_node[k].help);
		for (unsigned int i = 0; node_of(m, i); i++)
			fprintf(f, "numaplace_%s{node=\"%u\"} %.15g\n", per_node[k].name, node_of(m, i)->id,
				per_node[k].value(m, i));
	}
}

static void metrics_hugepages(FILE *f, const struct metrics *m)
{
	const struct numaplace_hugepages *huge;
	const struct numaplace_node *n;

	for (int is_free = 0; is_free < 2 && numaplace_snapshot_hugepages(m->s, 0, 0); is_free++) {
		const char *name = is_free ? "node_hugepages_free" : "node_hugepages";

		head(f, name, "gauge", is_free ? "Free hugepages, by size in bytes." : "Hugepages, by size in bytes.");
		for (unsigned int i = 0; (n = node_of(m, i)); i++)
			for (unsigned int h = 0; (huge = numaplace_snapshot_hugepages(m->s, i, h)); h++)
				fprintf(f, "numaplace_%s{node=\"%u\",size=\"%" PRIu64 "\"} %" PRIu64 "\n", name, n->id,
					huge->size, is_free ? huge->free : huge->total);
	}
}

static const char *runtime_of(const struct metrics *m, unsigned int container)
{
	return numaplace_placement_runtime(numaplace_snapshot_placement(m->s, container));
}

/* The runtime's name may come from a hostile record: prints only plain characters. */
static void metrics_runtimes(FILE *f, const struct metrics *m)
{
	head(f, "containers", "gauge", "Live placed containers, by runtime.");
	for (unsigned int i = 0; i < m->ncontainers; i++) {
		const char *runtime = runtime_of(m, i);
		unsigned int n = 0;
		bool seen = false;

		for (unsigned int k = 0; k < m->ncontainers; k++) {
			bool same = strcmp(runtime, runtime_of(m, k)) == 0;

			seen |= same && k < i;
			n += same;
		}
		if (seen)
			continue;
		fputs("numaplace_containers{runtime=\"", f);
		for (const char *p = runtime; *p; p++)
			putc(strchr("\"\\", *p) || *p < 0x20 || *p > 0x7e ? '?' : *p, f);
		fprintf(f, "\"} %u\n", n);
	}
}

static void metrics_counters(FILE *f, const struct numaplace_counters *c)
{
	uint64_t sum = 0;

	head(f, "decisions_total", "counter", "Containers that a hook placed, refused, or failed to place.");
	fprintf(f, "numaplace_decisions_total{result=\"placed\"} %" PRIu64 "\n", c->placed);
	fprintf(f, "numaplace_decisions_total{result=\"refused\"} %" PRIu64 "\n", c->refused);
	fprintf(f, "numaplace_decisions_total{result=\"failed\"} %" PRIu64 "\n", c->failed);
	head(f, "releases_total", "counter", "Containers that a hook removed from the ledger.");
	fprintf(f, "numaplace_releases_total %" PRIu64 "\n", c->released);
	head(f, "hook_seconds", "histogram", "How long a placement took, from reading the machine to the mark on the cgroup.");
	for (int i = 0; i < NUMAPLACE_BUCKETS; i++) {
		sum += c->bucket[i];
		fprintf(f, "numaplace_hook_seconds_bucket{le=\"%g\"} %" PRIu64 "\n", (double)c->bound[i] / 1e6, sum);
	}
	fprintf(f, "numaplace_hook_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n", c->hooks);
	fprintf(f, "numaplace_hook_seconds_sum %.6f\nnumaplace_hook_seconds_count %" PRIu64 "\n",
		(double)c->microseconds / 1e6, c->hooks);
}

static void metrics_all(FILE *f, const struct metrics *m)
{
	metrics_nodes(f, m);
	metrics_hugepages(f, m);
	metrics_runtimes(f, m);
	metrics_counters(f, numaplace_snapshot_counters(m->s));
}

/* --- JSON: the same values in one object --- */

static void metrics_print_json(FILE *f, const struct metrics *m)
{
	const struct numaplace_counters *c = numaplace_snapshot_counters(m->s);
	struct json_writer o = JSON_TO(f);

	json_begin_object(&o, NULL);
	json_put_uint(&o, "containers", m->ncontainers);
	json_put_uint(&o, "placed", c->placed);
	json_put_uint(&o, "refused", c->refused);
	json_put_uint(&o, "failed", c->failed);
	json_put_uint(&o, "released", c->released);
	json_put_uint(&o, "hook_microseconds", c->microseconds);
	json_begin_array(&o, "nodes");
	for (unsigned int i = 0; node_of(m, i); i++) {
		json_begin_object(&o, NULL);
		json_put_uint(&o, "id", node_of(m, i)->id);
		for (size_t k = 0; k < ARRAY_SIZE(per_node); k++) {
			if (per_node[k].value == value_load)
				json_put_number(&o, "load_cpus", value_load(m, i));
			else if (per_node[k].value != value_elsewhere || m->looked)
				json_put_uint(&o, per_node[k].name + strlen("node_"), (uint64_t)per_node[k].value(m, i));
		}
		json_end(&o);
	}
	json_end(&o);
	json_end(&o);
}

/* Writes a temporary file and renames it. The file is readable for the exporter, whatever the umask. */
static int write_file(const struct metrics *m, bool json, const char *file, struct error *err)
{
	cleanup_strbuf struct strbuf aside = { 0 };
	FILE *f = NULL;
	int fd, ret;

	strbuf_printf(&aside, "%s.%d", file, (int)getpid());
	if (aside.failed)
		return error_set(err, -ENOMEM, "out of memory");
	fd = atomic_file_begin(AT_FDCWD, aside.text, O_WRONLY);
	if (fd < 0)
		return error_errno(err, fd, "metrics: %s", quote(aside.text).text);
	f = fdopen(fd, "w");
	if (!f) {
		cleanup_closep(&fd);
		ret = atomic_file_end(AT_FDCWD, aside.text, file, -ENOMEM);
		return error_errno(err, ret, "metrics: %s", quote(aside.text).text);
	}
	if (json)
		metrics_print_json(f, m);
	else
		metrics_all(f, m);
	ret = fflush(f) || ferror(f) || fchmod(fd, 0644) < 0 ? -errno : 0;
	if (fclose(f) && ret == 0)
		ret = -errno;
	ret = atomic_file_end(AT_FDCWD, aside.text, file, ret);
	return ret < 0 ? error_errno(err, ret, "metrics: %s", quote(file).text) : 0;
}

int verb_metrics(struct cli *cli, int argc, char **argv, struct error *err)
{
	__attribute__((cleanup(metrics_free))) struct metrics m = { 0 };
	const char *file = NULL;
	int ret = cli_output_option("metrics", argc, argv, &file, err);

	if (ret == 0)
		ret = metrics_look(cli, &m, err);
	if (ret < 0)
		return ret;
	if (file && strcmp(file, "-") != 0)
		return write_file(&m, cli->json, file, err);
	if (cli->json)
		metrics_print_json(stdout, &m);
	else
		metrics_all(stdout, &m);
	return 0;
}
