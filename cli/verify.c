/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace verify`: the nodes of a container's or process's pages, beside the nodes where they should be. The proof
 * is numa_maps of the processes; the cgroup's sums are shown, too. Any process may have brought in file pages, so they
 * are shown separately and do not count as misplaced.
 */
#include "cgroup/pages.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "cli/snapshot.h"
#include "cli/term.h"
#include "plugin/base/file.h"
#include "runtime-hooks/common/json-write.h"

#include <errno.h>
#include <string.h>

/* A container or process to verify. */
struct target {
	char name[RECORD_ID_MAX + 1], runtime[16], applied[32];
	char *cgroup;        /* NULL: a single process */
	pid_t pid;           /* 0: a container */
	bool placed;         /* recorded in the ledger */
	struct nodeset should; /* node ids */
	enum memory_policy policy;
	/* Results. */
	struct pages pages;
	bool has_stat;
	struct numa_stat stat;
	uint64_t own, miss;
	uint64_t mixed; /* private or file pages, which cannot be distinguished */
};

struct verify {
	struct cli *cli;
	int mount;
	struct nodeset nodes; /* --nodes; empty: not given */
	unsigned int watch; /* seconds; 0: once */
	char **names;
	int nnames;
	struct target *target;
	size_t n, room;
	struct topology *topology;
};

static void verify_clear(struct verify *v)
{
	while (v->n)
		free(v->target[--v->n].cgroup);
}

static void verify_free(struct verify *v)
{
	verify_clear(v);
	free(v->target);
	topology_free(v->topology);
	cleanup_closep(&v->mount);
}
#define cleanup_verify __attribute__((cleanup(verify_free)))

static struct target *new_target(struct verify *v)
{
	if (v->n == v->room) {
		size_t room = v->room ? v->room * 2 : 8;
		struct target *bigger = reallocarray(v->target, room, sizeof(*bigger));

		if (!bigger)
			return NULL;
		v->target = bigger;
		v->room = room;
	}
	memset(&v->target[v->n], 0, sizeof(v->target[0]));
	return &v->target[v->n++];
}

/* --- targets --- */

/* The whole id or a prefix. A prefix that could be a pid must be longer. */
static bool means(const char *name, const char *id)
{
	size_t len = strlen(name);

	if (strcmp(name, id) == 0)
		return true;
	return len >= (name[strspn(name, "0123456789")] ? SNAPSHOT_PREFIX : 3 * SNAPSHOT_PREFIX) && strncmp(name, id, len) == 0;
}

static bool is_named(const struct verify *v, const char *id)
{
	for (int i = 0; i < v->nnames; i++)
		if (means(v->names[i], id))
			return true;
	return v->nnames == 0;
}

static int add_container(void *arg, const struct record *r)
{
	struct verify *v = arg;
	struct target *t;

	if (!is_named(v, r->id))
		return 0;
	t = new_target(v);
	if (!t)
		return -ENOMEM;
	snprintf(t->name, sizeof(t->name), "%s", r->id);
	snprintf(t->runtime, sizeof(t->runtime), "%s", r->runtime);
	snprintf(t->applied, sizeof(t->applied), "%s", r->applied);
	t->placed = true;
	t->should = r->placement.mems;
	t->policy = r->placement.policy;
	t->cgroup = strdup(r->cgroup ? r->cgroup : "");
	return t->cgroup ? 0 : -ENOMEM;
}

struct by_inode {
	uint64_t inode;
	struct target *target;
};

static int find_inode(void *arg, const struct record *r)
{
	struct by_inode *b = arg;

	if (r->cgroup_inode != b->inode)
		return 0;
	b->target->placed = true;
	b->target->should = r->placement.mems;
	b->target->policy = r->placement.policy;
	snprintf(b->target->runtime, sizeof(b->target->runtime), "%s", r->runtime);
	snprintf(b->target->applied, sizeof(b->target->applied), "%s", r->applied);
	return 1;
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
static int add_process(struct verify *v, struct ledger *l, const char *name, struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	struct target *t;
	struct by_inode by;
	long pid = 0;
	char *end;

	errno = 0;
	pid = strtol(name, &end, 10);
	if (*end || errno || pid <= 0 || pid > 1 << 22)
		return error_set(err, -EINVAL, "verify: %s: no such container, and not a pid", quote(name).text);
	t = new_target(v);
	if (!t)
		return error_set(err, -ENOMEM, "out of memory");
	snprintf(t->name, sizeof(t->name), "pid %ld", pid);
	t->pid = (pid_t)pid;
	if (l && v->mount >= 0 && cgroup_of_pid(v->mount, t->pid, &c, NULL) == 0) {
		by = (struct by_inode){ .inode = c.inode, .target = t };
		ledger_each(l, find_inode, &by, NULL);
	}
	if (!t->placed)
		return read_allowed(v->cli->root, t->pid, &t->should, err);
	return 0;
}

static bool is_found(const struct verify *v, const char *name)
{
	for (size_t i = 0; i < v->n; i++)
		if (means(name, v->target[i].name))
			return true;
	return false;
}

/* Runs on a copy of the ledger: only collects names and numbers. */
static int choose_targets(void *arg, struct ledger *l, struct error *err)
{
	struct verify *v = arg;
	int r = l ? ledger_each(l, add_container, v, err) : 0;

	if (r == -ENOMEM)
		return error_set(err, r, "out of memory");
	for (int i = 0; i < v->nnames && r == 0; i++)
		if (!is_found(v, v->names[i]))
			r = add_process(v, l, v->names[i], err);
	return r;
}

/* --- measuring --- */

static void read_stat(const struct verify *v, struct target *t)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;

	t->has_stat = t->cgroup && v->mount >= 0 && cgroup_open(v->mount, t->cgroup, &c, NULL) == 0 &&
		      cgroup_read_numa_stat(&c, &t->stat, NULL) == 0;
}

static int verify_look(const struct verify *v, struct target *t, struct error *err)
{
	int r;

	if (t->pid)
		r = pages_of_pid(v->cli->root, t->pid, &t->pages, err);
	else if (v->mount < 0)
		r = error_set(err, -ENOENT, "no cgroup2 to find its processes in");
	else
		r = pages_of_cgroup(v->cli->root, v->mount, t->cgroup, &t->pages, err);
	if (r < 0)
		return error_prefix(err, r, "%s", t->name);
	if (!nodeset_empty(&v->nodes))
		t->should = v->nodes;
	read_stat(v, t);
	for (unsigned int i = 0; i < t->pages.n; i++) {
		t->own += pages_own(&t->pages.node[i]);
		t->mixed += t->pages.node[i].mixed;
	}
	t->miss = pages_elsewhere(&t->pages, &t->should);
	/* Memory with policy preferred may be on other nodes: that is reported, but not as a failure. */
	if (t->miss && (t->policy != POLICY_PREFERRED || !nodeset_empty(&v->nodes)))
		v->cli->failed = true;
	return 0;
}

static const char *verdict(const struct verify *v, const struct target *t)
{
	if (!t->miss)
		return "hit";
	return t->policy == POLICY_PREFERRED && nodeset_empty(&v->nodes) ? "spilled" : "miss";
}

/* Nodes with memory, with pages, or in the expected set. */
static void shown_nodes(const struct verify *v, const struct target *t, struct nodeset *out)
{
	*out = v->topology->mem_nodes;
	nodeset_or(out, &t->should);
	for (unsigned int i = 0; i < t->pages.n; i++)
		nodeset_add(out, t->pages.node[i].id);
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

static uint64_t stat_of(const struct target *t, unsigned int id, enum kind kind)
{
	for (unsigned int i = 0; i < t->stat.n; i++)
		if (t->stat.node[i].id == id)
			return kind == CGROUP_ANON    ? t->stat.node[i].anon :
			       kind == CGROUP_FILES ? t->stat.node[i].file :
							t->stat.node[i].kernel;
	return 0;
}

static uint64_t bytes_of(const struct target *t, unsigned int id, enum kind kind)
{
	static const struct pages_node none;
	const struct pages_node *n = &none;

	for (unsigned int i = 0; i < t->pages.n; i++)
		if (t->pages.node[i].id == id)
			n = &t->pages.node[i];
	switch (kind) {
	case PRIVATE:
		return n->anon;
	case SHARED:
		return n->shared;
	case HUGE:
		return n->huge;
	case MISS:
		return nodeset_has(&t->should, id) ? 0 : pages_own(n);
	case FILES:
		return n->file - n->shared + n->mixed;
	default:
		return stat_of(t, id, kind);
	}
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
		json_put_string(&o, "id", t->name);
		if (t->pid)
			json_put_uint(&o, "pid", (uint64_t)t->pid);
		json_put_string(&o, "runtime", t->runtime);
		json_put_list(&o, "mems", ids_of(&t->should));
		json_put_string(&o, "policy", memory_policy_name(t->policy));
		json_put_string(&o, "applied", t->applied);
		json_put_string(&o, "verdict", verdict(v, t));
		json_put_uint(&o, "hit", t->own - t->miss);
		json_put_uint(&o, "miss", t->miss);
		json_put_uint(&o, "mixed", t->mixed);
		json_begin_array(&o, "nodes");
		shown_nodes(v, t, &nodes);
		nodeset_foreach(id, &nodes) {
			json_begin_object(&o, NULL);
			json_put_uint(&o, "id", (uint64_t)id);
			for (enum kind k = 0; k < (t->has_stat ? KINDS : CGROUP_ANON); k++)
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
	for (enum kind k = 0; k < (t->has_stat ? KINDS : CGROUP_ANON); k++) {
		uint64_t sum = 0;

		table_cell(table, "%s", kinds[k].title);
		nodeset_foreach(id, nodes) {
			sum += bytes_of(t, (unsigned int)id, k);
			mib_cell(table, bytes_of(t, (unsigned int)id, k));
		}
		mib_cell(table, sum);
	}
}

static int print_target(const struct verify *v, const struct target *t, struct error *err)
{
	cleanup_table struct table table = { 0 };
	char align[NODESET_MAX + 3] = "l", list[NODESET_TEXT_MAX], name[sizeof(t->name)];
	struct nodeset nodes;
	int r;

	shown_nodes(v, t, &nodes);
	memset(align + 1, 'r', nodeset_count(&nodes) + 1);
	table_init(&table, stdout, align);
	fill_table(t, &nodes, &table);
	nodeset_format(&t->should, list, sizeof(list));
	memcpy(name, t->name, sizeof(name));
	make_printable(name);
	printf("%s%s%s: memory on node%s %s", name, *t->runtime ? ", " : "", t->runtime,
	       nodeset_count(&t->should) == 1 ? "" : "s", list);
	if (t->placed)
		printf(", %s by %s", memory_policy_name(t->policy), t->applied);
	printf("\n");
	r = table_print(&table, err);
	if (r < 0)
		return r;
	printf("%s: %.1f MiB where they should be, %.1f MiB elsewhere\n", verdict(v, t),
	       (double)(t->own - t->miss) / (1 << 20), (double)t->miss / (1 << 20));
	if (t->mixed)
		printf("%.1f MiB in file mappings, private or page cache: cannot distinguish\n", (double)t->mixed / (1 << 20));
	printf("\n");
	return 0;
}

static int verify_once(struct verify *v, struct error *err)
{
	int r;

	verify_clear(v);
	v->cli->failed = false;
	r = cli_with_ledger(v->cli, v->topology, choose_targets, v, err);
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
	cleanup_verify struct verify v = { .cli = cli, .mount = -1 };
	int r = verify_parse(&v, argc, argv, err);

	if (r == 0)
		r = cli_topology(cli, &v.topology, err);
	if (r < 0)
		return r;
	if (!cli->sysroot)
		cgroup_mount(&v.mount, NULL, 0, NULL);
	do {
		r = verify_once(&v, err);
	} while (r == 0 && v.watch && term_wait(v.watch));
	return r;
}
