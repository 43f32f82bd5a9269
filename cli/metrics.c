/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace metrics [-o FILE]`: Prometheus text format. -o writes a temporary file and renames it, as node-exporter's
 * textfile collector requires. Names and labels are an interface: dashboards depend on them.
 */
#include "cli/cli.h"
#include "cli/snapshot.h"
#include "plugin/ledger/counters.h"
#include "runtime-hooks/common/json-write.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

struct metrics {
	struct snapshot s;
	struct counters counters;
	bool looked;             /* @elsewhere is valid */
	uint64_t *elsewhere;     /* by node index: bytes of containers that belong on other nodes */
};

static void metrics_free(struct metrics *m)
{
	snapshot_free(&m->s);
	free(m->elsewhere);
}

/* Adds one container's anonymous memory on nodes outside its placement. */
static void add_elsewhere(struct metrics *m, int mount, const struct record *r, struct numa_stat *stat)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;

	if (r->placement.policy == POLICY_PREFERRED || cgroup_open(mount, r->cgroup, &c, NULL) < 0 ||
	    c.inode != r->cgroup_inode || cgroup_read_numa_stat(&c, stat, NULL) < 0)
		return;
	m->looked = true;
	for (unsigned int i = 0; i < stat->n; i++) {
		int node = topology_find_node(m->s.topology, stat->node[i].id);

		if (node >= 0 && !nodeset_has(&r->placement.mems, stat->node[i].id))
			m->elsewhere[node] += stat->node[i].anon;
	}
}

static int metrics_look(const struct cli *cli, struct metrics *m, struct error *err)
{
	cleanup_free struct numa_stat *stat = malloc(sizeof(*stat));
	cleanup_env struct place_env env = CLI_ENV_NONE;
	cleanup_close int mount = -1;
	int ret = snapshot_take(cli, &m->s, err);

	if (ret == 0)
		ret = cli_env(cli, &env, err);
	if (ret < 0)
		return ret;
	m->elsewhere = calloc(m->s.topology->nnodes + 1, sizeof(*m->elsewhere));
	if (!m->elsewhere || !stat)
		return error_set(err, -ENOMEM, "out of memory");
	if (place_open(&env, PLACE_READ, NULL) == 0 && env.state >= 0)
		counters_read(env.state, &m->counters, NULL);
	if (env.real && cgroup_mount(&mount, NULL, 0, NULL) == 0)
		for (unsigned int i = 0; i < m->s.n; i++)
			add_elsewhere(m, mount, m->s.record[i], stat);
	return 0;
}

/* --- Prometheus --- */

static void head(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP numaplace_%s %s\n# TYPE numaplace_%s %s\n", name, help, name, type);
}


static const struct topo_node *node_of(const struct metrics *m, unsigned int i)
{
	return &m->s.topology->nodes[i];
}

static double value_cpus(const struct metrics *m, unsigned int i)
{
	return node_of(m, i)->ncpus;
}

static double value_load(const struct metrics *m, unsigned int i)
{
	return (double)m->s.load[i] / LOAD_ONE;
}

static double value_total(const struct metrics *m, unsigned int i)
{
	return (double)node_of(m, i)->mem_total;
}

static double value_free(const struct metrics *m, unsigned int i)
{
	return (double)node_of(m, i)->mem_free;
}

static double value_asked(const struct metrics *m, unsigned int i)
{
	unsigned int id = node_of(m, i)->id;

	return id < m->s.usage->node_ids ? (double)m->s.usage->asked[id] : 0;
}

static double value_pending(const struct metrics *m, unsigned int i)
{
	unsigned int id = node_of(m, i)->id;

	return id < m->s.usage->node_ids ? (double)m->s.usage->pending[id] : 0;
}

static double value_containers(const struct metrics *m, unsigned int i)
{
	return snapshot_containers_on(&m->s, i);
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
		for (unsigned int i = 0; i < m->s.topology->nnodes; i++)
			fprintf(f, "numaplace_%s{node=\"%u\"} %.15g\n", per_node[k].name, node_of(m, i)->id,
				per_node[k].value(m, i));
	}
}

static void metrics_hugepages(FILE *f, const struct metrics *m)
{
	const struct topology *t = m->s.topology;

	for (int is_free = 0; is_free < 2 && t->nhuge; is_free++) {
		const char *name = is_free ? "node_hugepages_free" : "node_hugepages";

		head(f, name, "gauge", is_free ? "Free hugepages, by size in bytes." : "Hugepages, by size in bytes.");
		for (unsigned int i = 0; i < t->nnodes; i++)
			for (unsigned int h = 0; h < t->nhuge; h++)
				fprintf(f, "numaplace_%s{node=\"%u\",size=\"%" PRIu64 "\"} %" PRIu64 "\n", name,
					t->nodes[i].id, t->huge_size[h],
					is_free ? t->nodes[i].huge_free[h] : t->nodes[i].huge_total[h]);
	}
}

/* The runtime's name may come from a hostile record: prints only plain characters. */
static void metrics_runtimes(FILE *f, const struct metrics *m)
{
	head(f, "containers", "gauge", "Live placed containers, by runtime.");
	for (unsigned int i = 0; i < m->s.n; i++) {
		const char *runtime = m->s.record[i]->runtime;
		unsigned int n = 0;
		bool seen = false;

		for (unsigned int k = 0; k < m->s.n; k++) {
			bool same = strcmp(runtime, m->s.record[k]->runtime) == 0;

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

static void metrics_counters(FILE *f, const struct counters *c)
{
	static const char *const result[] = { "placed", "refused", "failed" };
	uint64_t sum = 0;

	head(f, "decisions_total", "counter", "Containers that a hook placed, refused, or failed to place.");
	for (int i = 0; i <= COUNT_FAILED; i++)
		fprintf(f, "numaplace_decisions_total{result=\"%s\"} %" PRIu64 "\n", result[i], c->count[i]);
	head(f, "releases_total", "counter", "Containers that a hook removed from the ledger.");
	fprintf(f, "numaplace_releases_total %" PRIu64 "\n", c->count[COUNT_RELEASED]);
	head(f, "hook_seconds", "histogram", "How long a placement took, from reading the machine to the mark on the cgroup.");
	for (int i = 0; i < COUNTERS_BUCKETS; i++) {
		sum += c->bucket[i];
		fprintf(f, "numaplace_hook_seconds_bucket{le=\"%g\"} %" PRIu64 "\n", counters_bounds[i] / 1e6, sum);
	}
	fprintf(f, "numaplace_hook_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n", c->all);
	fprintf(f, "numaplace_hook_seconds_sum %.6f\nnumaplace_hook_seconds_count %" PRIu64 "\n",
		(double)c->microseconds / 1e6, c->all);
}

static void metrics_all(FILE *f, const struct metrics *m)
{
	metrics_nodes(f, m);
	metrics_hugepages(f, m);
	metrics_runtimes(f, m);
	metrics_counters(f, &m->counters);
}

/* --- JSON: the same values in one object --- */

static void metrics_print_json(FILE *f, const struct metrics *m)
{
	struct json_writer o = JSON_TO(f);

	json_begin_object(&o, NULL);
	json_put_uint(&o, "containers", m->s.n);
	json_put_uint(&o, "placed", m->counters.count[COUNT_PLACED]);
	json_put_uint(&o, "refused", m->counters.count[COUNT_REFUSED]);
	json_put_uint(&o, "failed", m->counters.count[COUNT_FAILED]);
	json_put_uint(&o, "released", m->counters.count[COUNT_RELEASED]);
	json_put_uint(&o, "hook_microseconds", m->counters.microseconds);
	json_begin_array(&o, "nodes");
	for (unsigned int i = 0; i < m->s.topology->nnodes; i++) {
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
	cleanup_free char *aside = NULL;
	FILE *f = NULL;
	int fd, bad;

	if (asprintf(&aside, "%s.%d", file, (int)getpid()) < 0) {
		aside = NULL;
		return error_set(err, -ENOMEM, "out of memory");
	}
	fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		cleanup_closep(&fd);
		return error_errno(err, -errno, "metrics: %s", quote(aside).text);
	}
	if (json)
		metrics_print_json(f, m);
	else
		metrics_all(f, m);
	bad = fflush(f) || ferror(f) || fchmod(fd, 0644) < 0 ? errno : 0;
	if (fclose(f) && !bad)
		bad = errno;
	if (!bad && rename(aside, file) < 0)
		bad = errno;
	if (!bad)
		return 0;
	unlink(aside);
	return error_errno(err, -bad, "metrics: %s", quote(file).text);
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
