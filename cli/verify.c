/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace verify`: the nodes of a container's or process's pages, beside the nodes where they should be. The proof
 * is numa_maps of the processes; the cgroup's sums are shown, too. Any process may have brought in file pages, so they
 * are shown separately and do not count as misplaced.
 */
#include "cli/cli.h"
#include "cli/drift.h"
#include "cli/find.h"
#include "cli/table.h"
#include "cli/term.h"
#include "cli/vcpus.h"
#include "plugin/base/file.h"
#include "plugin/base/number.h"
#include "plugin/base/vec.h"

#include <errno.h>
#include <string.h>

#define PID_MAX (1 << 22)

/* A container or process to verify. */
struct target {
	const struct numaplace_placement *placed; /* in the snapshot; NULL: not a placed container's */
	pid_t pid;                                /* 0: a container */
	struct nodeset should;                      /* node ids */
	/* Results. */
	struct numaplace_pages *pages;
	uint64_t own, miss;
	uint64_t mixed; /* private or file pages, which cannot be distinguished */
	struct drift drift;
	struct vcpus vcpus;
};

struct verify {
	struct cli *cli;
	struct nodeset nodes; /* --nodes; empty: not given */
	unsigned int watch; /* seconds; 0: once */
	char **names;
	int nnames;
	struct numaplace *np;
	struct numaplace_snapshot *s;
	struct target *target;
	size_t n, room;
};

static void verify_clear(struct verify *v)
{
	while (v->n) {
		struct target *t = &v->target[--v->n];

		numaplace_pages_free(t->pages);
		drift_free(&t->drift);
		vcpus_free(&t->vcpus);
	}
	numaplace_snapshot_free(steal_ptr(v->s));
}

static void verify_free(struct verify *v)
{
	verify_clear(v);
	free(v->target);
	numaplace_close(v->np);
}
#define cleanup_verify __attribute__((cleanup(verify_free)))

/* Its id, or "pid 7". */
struct target_name {
	char text[300];
};
static struct target_name name_of(const struct target *t)
{
	struct target_name name;

	if (t->pid)
		snprintf(name.text, sizeof(name.text), "pid %d", (int)t->pid);
	else
		snprintf(name.text, sizeof(name.text), "%s", numaplace_placement_id(t->placed));
	return name;
}

static const char *policy_of(const struct target *t)
{
	return t->placed ? numaplace_placement_policy(t->placed) : "strict";
}

static const char *runtime_of(const struct target *t)
{
	return t->placed ? numaplace_placement_runtime(t->placed) : "";
}

static const char *applied_of(const struct target *t)
{
	return t->placed ? numaplace_placement_applied(t->placed) : "";
}

/* --- targets --- */

/* The whole id or a prefix. A prefix that could be a pid must be longer. */
static bool means(const char *name, const char *id)
{
	size_t len = strlen(name);

	if (strcmp(name, id) == 0)
		return true;
	return len >= (name[strspn(name, "0123456789")] ? FIND_PREFIX : 3 * FIND_PREFIX) && strncmp(name, id, len) == 0;
}

static bool is_named(const struct verify *v, const char *id)
{
	for (int i = 0; i < v->nnames; i++)
		if (means(v->names[i], id))
			return true;
	return v->nnames == 0;
}

static int add_container(struct verify *v, const struct numaplace_placement *p, struct error *err)
{
	struct target *t = vec_push(v->target, v->n, v->room);

	if (!t)
		return error_set(err, -ENOMEM, "out of memory");
	t->placed = p;
	t->should = cli_nodes(numaplace_placement_mems(p));
	return 0;
}

/* "Mems_allowed_list:\t0-3" */
static int read_allowed(int root, pid_t pid, struct nodeset *out, struct error *err)
{
	static const char key[] = "Mems_allowed_list:\t";
	cleanup_free char *text = NULL;
	char path[64], *at;
	ssize_t n;

	snprintf(path, sizeof(path), "proc/%d/status", (int)pid);
	n = file_read_all(root, path, 1 << 20, &text);
	if (n == -ENOENT || n == -ESRCH)
		return error_set(err, -ESRCH, "pid %d is gone", (int)pid);
	if (n < 0)
		return error_errno(err, (int)n, "read %s", path);
	at = strstr(text, key);
	if (!at)
		return error_set(err, -ENOENT, "%s: Mems_allowed_list is missing", path);
	at += strlen(key);
	at[strcspn(at, "\n")] = '\0';
	return nodeset_parse_kernel(at, out, err) < 0 ? error_prefix(err, -EINVAL, "%s", path) : 0;
}

/* Adds a process by its pid. If its cgroup is a placed container's, it should be on that container's nodes. */
static int add_process(struct verify *v, const char *name, struct error *err)
{
	struct target *t;
	uint64_t pid;

	if (!number_parse(name, PID_MAX, &pid) || !pid)
		return error_set(err, -EINVAL, "verify: %s: no such container, and not a pid", quote(name).text);
	t = vec_push(v->target, v->n, v->room);
	if (!t)
		return error_set(err, -ENOMEM, "out of memory");
	t->pid = (pid_t)pid;
	t->placed = numaplace_snapshot_find_pid(v->s, t->pid);
	if (!t->placed)
		return read_allowed(v->cli->root, t->pid, &t->should, err);
	t->should = cli_nodes(numaplace_placement_mems(t->placed));
	return 0;
}

static bool is_found(const struct verify *v, const char *name)
{
	for (size_t i = 0; i < v->n; i++)
		if (means(name, name_of(&v->target[i]).text))
			return true;
	return false;
}

static int choose_targets(struct verify *v, struct error *err)
{
	const struct numaplace_placement *p;
	int r = 0;

	for (unsigned int i = 0; r == 0 && (p = numaplace_snapshot_placement(v->s, i)); i++)
		if (is_named(v, numaplace_placement_id(p)))
			r = add_container(v, p, err);
	for (int i = 0; i < v->nnames && r == 0; i++)
		if (!is_found(v, v->names[i]))
			r = add_process(v, v->names[i], err);
	return r;
}

/* --- measuring --- */

/* Bytes that belong to the container, not to files that others may have read in. */
static uint64_t own_bytes(const struct numaplace_node_pages *n)
{
	return n->anonymous + n->shared + n->huge;
}

static int verify_look(const struct verify *v, struct target *t, struct error *err)
{
	const struct numaplace_node_pages *n;
	int r = t->pid ? numaplace_pages_read_pid(v->np, t->pid, &t->pages) :
			 numaplace_pages_read(v->np, t->placed, 0, &t->pages);

	if (r < 0) {
		cli_result(v->np, r, err);
		return error_prefix(err, r, "%s", name_of(t).text);
	}
	if (t->placed && !t->pid) {
		t->drift = drift_of(v->np, t->placed);
		r = vcpus_read(v->cli->root, v->s, t->placed, &t->vcpus, err);
		if (r < 0)
			return r;
	}
	if (drift_is(&t->drift) || vcpus_miss(&t->vcpus))
		v->cli->failed = true;
	if (!nodeset_empty(&v->nodes))
		t->should = v->nodes;
	for (unsigned int i = 0; (n = numaplace_pages_node(t->pages, i)); i++) {
		t->own += own_bytes(n);
		t->mixed += n->mixed;
		if (!nodeset_has(&t->should, n->id))
			t->miss += own_bytes(n);
	}
	/* Memory with policy preferred may be on other nodes: that is reported, but not as a failure. */
	if (t->miss && (strcmp(policy_of(t), "preferred") != 0 || !nodeset_empty(&v->nodes)))
		v->cli->failed = true;
	return 0;
}

static const char *verdict(const struct verify *v, const struct target *t)
{
	if (!t->miss)
		return "hit";
	return strcmp(policy_of(t), "preferred") == 0 && nodeset_empty(&v->nodes) ? "spilled" : "miss";
}

/* Nodes with memory, with pages, or in the expected set. */
static void shown_nodes(const struct verify *v, const struct target *t, struct nodeset *out)
{
	const struct numaplace_node_pages *n;

	*out = cli_nodes(numaplace_snapshot_machine(v->s)->memory_nodes);
	nodeset_or(out, &t->should);
	for (unsigned int i = 0; (n = numaplace_pages_node(t->pages, i)); i++)
		if (own_bytes(n) || n->files || n->mixed)
			nodeset_add(out, n->id);
}

/* A row of the table: a kind of pages. */
enum kind { PRIVATE, SHARED, HUGE, MISS, FILES, CGROUP_ANON, CGROUP_FILES, CGROUP_KERNEL, KINDS };

static const struct {
	const char *key, *title;
} kinds[KINDS] = {
	[PRIVATE] = { "private", "private" },
	[SHARED] = { "shared", "shared" },
	[HUGE] = { "huge", "hugepages" },
	[MISS] = { "miss", "elsewhere" },
	[FILES] = { "files", "files, anyone's" },
	[CGROUP_ANON] = { "cgroup_anon", "cgroup: private" },
	[CGROUP_FILES] = { "cgroup_files", "cgroup: files" },
	[CGROUP_KERNEL] = { "cgroup_kernel", "cgroup: kernel" },
};

static uint64_t bytes_of(const struct target *t, unsigned int id, enum kind kind)
{
	static const struct numaplace_node_pages none;
	const struct numaplace_node_pages *n;

	for (unsigned int i = 0; (n = numaplace_pages_node(t->pages, i)); i++)
		if (n->id == id)
			break;
	if (!n)
		n = &none;
	switch (kind) {
	case PRIVATE:
		return n->anonymous;
	case SHARED:
		return n->shared;
	case HUGE:
		return n->huge;
	case MISS:
		return nodeset_has(&t->should, id) ? 0 : own_bytes(n);
	case FILES:
		return n->files + n->mixed;
	case CGROUP_ANON:
		return n->cgroup_anonymous;
	case CGROUP_FILES:
		return n->cgroup_files;
	default:
		return n->cgroup_kernel;
	}
}

/* The number of kinds that are known. */
static enum kind kinds_of(const struct target *t)
{
	const struct numaplace_node_pages *n = numaplace_pages_node(t->pages, 0);

	return n && n->cgroup_known ? KINDS : CGROUP_ANON;
}

/* --- output --- */

static void verify_print_json(const struct verify *v)
{
	struct json_writer o = JSON_TO(stdout);
	struct nodeset nodes;

	json_begin_object(&o, NULL);
	json_begin_array(&o, "containers");
	for (size_t i = 0; i < v->n; i++) {
		const struct target *t = &v->target[i];

		json_begin_object(&o, NULL);
		json_put_string(&o, "id", name_of(t).text);
		if (t->pid)
			json_put_uint(&o, "pid", (uint64_t)t->pid);
		json_put_string(&o, "runtime", runtime_of(t));
		json_put_list(&o, "mems", ids_of(&t->should));
		json_put_string(&o, "policy", policy_of(t));
		json_put_string(&o, "applied", applied_of(t));
		json_put_string(&o, "verdict", verdict(v, t));
		if (t->drift.now) {
			json_put_bool(&o, "drift", drift_is(&t->drift));
			json_put_string(&o, "cpus_now", t->drift.now->cpus);
			json_put_string(&o, "mems_now", t->drift.now->mems);
			json_put_string(&o, "partition_now", t->drift.now->partition);
			if (t->drift.interrupts)
				json_put_string(&o, "interrupts_now", t->drift.now->interrupts);
			if (t->drift.now->memory != UINT64_MAX)
				json_put_uint(&o, "memory_limit_now", t->drift.now->memory);
		}
		vcpus_json(&o, &t->vcpus);
		json_put_uint(&o, "hit", t->own - t->miss);
		json_put_uint(&o, "miss", t->miss);
		json_put_uint(&o, "mixed", t->mixed);
		json_begin_array(&o, "nodes");
		shown_nodes(v, t, &nodes);
		nodeset_foreach(id, &nodes) {
			json_begin_object(&o, NULL);
			json_put_uint(&o, "id", (uint64_t)id);
			for (enum kind k = 0; k < kinds_of(t); k++)
				json_put_uint(&o, kinds[k].key, bytes_of(t, (unsigned int)id, k));
			json_end(&o);
		}
		json_end(&o);
		json_end(&o);
	}
	json_end(&o);
	json_end(&o);
}

static void mib_cell(struct table *t, uint64_t bytes)
{
	table_cell(t, "%.1f", (double)bytes / (1 << 20));
}

static void fill_table(const struct target *t, const struct nodeset *nodes, struct table *table)
{
	table_cell(table, "MiB");
	nodeset_foreach(id, nodes)
		table_cell(table, "Node %d", id);
	table_cell(table, "Total");
	table_cell(table, "should be on");
	nodeset_foreach(id, nodes)
		table_cell(table, "%s", nodeset_has(&t->should, (unsigned int)id) ? "yes" : "-");
	table_cell(table, "%s", "");
	for (enum kind k = 0; k < kinds_of(t); k++) {
		uint64_t sum = 0;

		table_cell(table, "%s", kinds[k].title);
		nodeset_foreach(id, nodes) {
			sum += bytes_of(t, (unsigned int)id, k);
			mib_cell(table, bytes_of(t, (unsigned int)id, k));
		}
		mib_cell(table, sum);
	}
}

static void print_drift(const struct target *t)
{
	char text[1200];

	if (!drift_is(&t->drift))
		return;
	drift_describe(&t->drift, t->placed, text, sizeof(text));
	printf("drift: %s: another program has written its cgroup (see numaplace-resize(1))\n", text);
}

static int print_target(const struct verify *v, const struct target *t, struct error *err)
{
	struct nodeset nodes;
	struct target_name name = name_of(t);
	cleanup_table struct table table = { 0 };
	cleanup_free char *align = NULL;
	char list[NODESET_TEXT_MAX];
	int r;

	shown_nodes(v, t, &nodes);
	align = calloc(1, nodeset_count(&nodes) + 3);
	if (!align)
		return error_set(err, -ENOMEM, "out of memory");
	align[0] = 'l';
	memset(align + 1, 'r', nodeset_count(&nodes) + 1);
	table_init(&table, stdout, align);
	fill_table(t, &nodes, &table);
	nodeset_format(&t->should, list, sizeof(list));
	make_printable(name.text);
	printf("%s%s%s: memory on node%s %s", name.text, *runtime_of(t) ? ", " : "", runtime_of(t),
	       nodeset_count(&t->should) == 1 ? "" : "s", list);
	if (t->placed)
		printf(", %s by %s", policy_of(t), applied_of(t));
	printf("\n");
	r = table_print(&table, err);
	if (r < 0)
		return r;
	printf("%s: %.1f MiB where they should be, %.1f MiB elsewhere\n", verdict(v, t),
	       (double)(t->own - t->miss) / (1 << 20), (double)t->miss / (1 << 20));
	if (t->mixed)
		printf("%.1f MiB in file mappings, private or page cache: cannot distinguish\n", (double)t->mixed / (1 << 20));
	print_drift(t);
	r = vcpus_print(&t->vcpus, err);
	printf("\n");
	return r;
}

static int verify_once(struct verify *v, struct error *err)
{
	int r;

	verify_clear(v);
	v->cli->failed = false;
	r = cli_result(v->np, numaplace_snapshot_take(v->np, 0, &v->s), err);
	if (r == 0)
		r = choose_targets(v, err);
	for (size_t i = 0; i < v->n && r == 0; i++)
		r = verify_look(v, &v->target[i], err);
	if (r < 0)
		return r;
	if (v->watch && !v->cli->json)
		term_clear(stdout);
	if (v->cli->json) {
		verify_print_json(v);
		return 0;
	}
	if (!v->n)
		puts("no container is placed");
	for (size_t i = 0; i < v->n && r == 0; i++)
		r = print_target(v, &v->target[i], err);
	return r;
}

static int parse_nodes(struct verify *v, const char *list, struct error *err)
{
	if (nodeset_parse(list, &v->nodes, err) < 0)
		return error_prefix(err, -EINVAL, "verify: --nodes");
	if (nodeset_empty(&v->nodes))
		return error_set(err, -EINVAL, "verify: --nodes: \"%s\": the list leaves no node", quote(list).text);
	return 0;
}

static int verify_parse(struct verify *v, int argc, char **argv, struct error *err)
{
	const char *list = NULL;
	const struct option_rule rules[] = { { .name = "nodes", .value = &list }, TERM_WATCH_RULE(&v->watch) };
	int words = cli_options("verify", rules, ARRAY_SIZE(rules), argc, argv, err);

	if (words < 0)
		return words;
	v->names = argv;
	v->nnames = words;
	return list ? parse_nodes(v, list, err) : 0;
}

int verb_verify(struct cli *cli, int argc, char **argv, struct error *err)
{
	cleanup_verify struct verify v = { .cli = cli };
	int r = verify_parse(&v, argc, argv, err);

	if (r == 0)
		r = cli_open(cli, NUMAPLACE_READ_ONLY, &v.np, err);
	if (r < 0)
		return r;
	do {
		r = verify_once(&v, err);
	} while (r == 0 && v.watch && term_wait(v.watch));
	return r;
}
