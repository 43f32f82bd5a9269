/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Machines for the bench: simulated ones from small data files (see machines/README), recorded ones through topology_read.
 * topology_free() frees them, because each array is its own allocation.
 */
#include "bench/select/bench.h"

#include "plugin/select/request.h"
#include "plugin/base/util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum numbering {
	SIBLINGS_LAST,	   /* first threads of all cores, then second ones: x86 */
	SIBLINGS_ADJACENT, /* 0 and 1 share a core */
	INTERLEAVED,	   /* cores dealt over the nodes in turn, siblings last */
};

struct plan {
	unsigned int nnodes, ncpu_nodes;
	unsigned int cpus[NODE_ID_MAX];
	uint64_t memory[NODE_ID_MAX];
	unsigned int smt, llc, package, alternate;
	enum numbering numbering;
	unsigned int local, far;
	unsigned int nrules;
	struct near {
		unsigned int block;	 /* nodes of a block; 0: a range */
		unsigned int a, b, c, d; /* a-b to c-d */
		unsigned int distance;
		bool one_way;
	} rule[64];
};

static void plan_init(struct plan *p)
{
	*p = (struct plan){ .smt = 1, .package = 1, .local = 10, .far = 20 };
}

static int plan_nodes(struct plan *p, unsigned int count, unsigned int cpus, uint64_t memory, struct error *err)
{
	if (count == 0 || p->nnodes + count > NODE_ID_MAX)
		return error_set(err, -EINVAL, "node count %u: out of range", count);
	if (cpus && p->ncpu_nodes < p->nnodes)
		return error_set(err, -EINVAL, "nodes with CPUs come before those without");
	for (unsigned int i = 0; i < count; i++) {
		p->cpus[p->nnodes] = cpus;
		p->memory[p->nnodes++] = memory;
	}
	if (cpus)
		p->ncpu_nodes = p->nnodes;
	return 0;
}

static int plan_near(struct plan *p, const struct near *n, struct error *err)
{
	if (p->nrules == ARRAY_SIZE(p->rule))
		return error_set(err, -EINVAL, "too many distances");
	p->rule[p->nrules++] = *n;
	return 0;
}

static int plan_numbering(struct plan *p, const char *text, struct error *err)
{
	static const char *const names[] = { "siblings-last", "siblings-adjacent", "interleaved" };

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(text, names[i]) == 0) {
			p->numbering = (enum numbering)i;
			return 0;
		}
	return error_set(err, -EINVAL, "numbering %s: not known", quote(text).text);
}

static int plan_line(struct plan *p, const char *line, struct error *err)
{
	unsigned int a, b;
	char text[64];
	uint64_t size;
	struct near n = { 0 };

	if (sscanf(line, "nodes %u %u %63s", &a, &b, text) == 3)
		return size_parse(text, &size, err) ? err->status : plan_nodes(p, a, b, size, err);
	if (sscanf(line, "memory-nodes %u %63s", &a, text) == 2)
		return size_parse(text, &size, err) ? err->status : plan_nodes(p, a, 0, size, err);
	if (sscanf(line, "smt %u", &p->smt) == 1 || sscanf(line, "llc %u", &p->llc) == 1 ||
	    sscanf(line, "package %u", &p->package) == 1 || sscanf(line, "alternate %u", &p->alternate) == 1 ||
	    sscanf(line, "local %u", &p->local) == 1 || sscanf(line, "far %u", &p->far) == 1)
		return 0;
	if (sscanf(line, "numbering %63s", text) == 1)
		return plan_numbering(p, text, err);
	if (sscanf(line, "block %u %u", &n.block, &n.distance) == 2 && n.block)
		return plan_near(p, &n, err);
	if (sscanf(line, "pair %u %u %u", &n.a, &n.c, &n.distance) == 3) {
		n.b = n.a;
		n.d = n.c;
		return plan_near(p, &n, err);
	}
	if (sscanf(line, "one-way %u %u %u", &n.a, &n.c, &n.distance) == 3) {
		n.b = n.a;
		n.d = n.c;
		n.one_way = true;
		return plan_near(p, &n, err);
	}
	if (sscanf(line, "range %u-%u %u-%u %u", &n.a, &n.b, &n.c, &n.d, &n.distance) == 5)
		return plan_near(p, &n, err);
	return error_set(err, -EINVAL, "%s: not understood", quote(line).text);
}

static bool near_holds(const struct near *n, unsigned int from, unsigned int to)
{
	if (n->block)
		return from / n->block == to / n->block;
	if (from >= n->a && from <= n->b && to >= n->c && to <= n->d)
		return true;
	return !n->one_way && to >= n->a && to <= n->b && from >= n->c && from <= n->d;
}

static uint16_t plan_distance(const struct plan *p, unsigned int from, unsigned int to)
{
	unsigned int d = p->far;

	if (from == to)
		return (uint16_t)p->local;
	for (unsigned int i = 0; i < p->nrules; i++)
		if (near_holds(&p->rule[i], from, to))
			d = p->rule[i].distance;
	return (uint16_t)d;
}

/* The id of thread @thread of core @core of node @node. */
static unsigned int plan_cpu_id(const struct plan *p, unsigned int total_cores, unsigned int core_base,
				unsigned int node, unsigned int core, unsigned int thread)
{
	if (p->numbering == SIBLINGS_ADJACENT)
		return (core_base + core) * p->smt + thread;
	if (p->numbering == INTERLEAVED)
		return thread * total_cores + core * p->ncpu_nodes + node;
	return thread * total_cores + core_base + core;
}

static int topology_alloc(struct topology *t, unsigned int nnodes, unsigned int ncpus)
{
	t->nnodes = nnodes;
	t->ncpus = ncpus;
	t->cpu_ids = ncpus;
	t->nodes = calloc(nnodes, sizeof(*t->nodes));
	t->cpus = calloc(ncpus, sizeof(*t->cpus));
	t->distance = calloc((size_t)nnodes * nnodes, sizeof(*t->distance));
	t->cpu_index = calloc(ncpus, sizeof(*t->cpu_index));
	t->node_index = calloc(NODE_ID_MAX, sizeof(*t->node_index));
	if (!t->nodes || !t->cpus || !t->distance || !t->cpu_index || !t->node_index)
		return -ENOMEM;
	for (unsigned int i = 0; i < NODE_ID_MAX; i++)
		t->node_index[i] = NO_NODE;
	return 0;
}

static int by_cpu_id(const void *a, const void *b)
{
	const struct topo_cpu *x = a, *y = b;

	return (int)x->id - (int)y->id;
}

static void fill_node(struct topology *t, const struct plan *p, unsigned int node, unsigned int total_cores,
		      unsigned int *cpu, unsigned int *core)
{
	struct topo_node *n = &t->nodes[node];
	unsigned int cores = p->cpus[node] / p->smt;
	unsigned int llc_cpus = p->llc ? p->llc : p->cpus[node];

	*n = (struct topo_node){ .id = (uint16_t)node, .has_memory = p->memory[node] > 0, .mem_known = true };
	n->package = (uint16_t)(p->alternate ? node % p->alternate : node / p->package);
	if (node >= p->ncpu_nodes)
		n->package = 0;
	n->mem_total = n->mem_free = p->memory[node];
	n->first_cpu = *cpu;
	n->ncpus = p->cpus[node];
	t->node_index[node] = (uint16_t)node;
	if (n->has_memory)
		nodeset_add(&t->mem_nodes, node);
	if (n->ncpus)
		nodeset_add(&t->cpu_nodes, node);
	for (unsigned int c = 0; c < cores; c++)
		for (unsigned int s = 0; s < p->smt; s++)
			t->cpus[(*cpu)++] = (struct topo_cpu){
				.id = (uint16_t)plan_cpu_id(p, total_cores, *core, node, c, s),
				.node = (uint16_t)node,
				.core = (uint16_t)(*core + c),
				.llc = (uint16_t)(t->nllcs + c * p->smt / llc_cpus),
				.capacity = 1024,
			};
	qsort(&t->cpus[n->first_cpu], n->ncpus, sizeof(*t->cpus), by_cpu_id);
	*core += cores;
	if (cores)
		t->nllcs += (n->ncpus + llc_cpus - 1) / llc_cpus;
}

static int plan_build(const struct plan *p, struct topology **out, struct error *err)
{
	cleanup_topology struct topology *t = calloc(1, sizeof(*t));
	unsigned int ncpus = 0, cpu = 0, core = 0;

	for (unsigned int i = 0; i < p->nnodes; i++) {
		if (p->smt == 0 || p->cpus[i] % p->smt || (p->llc && p->cpus[i] % p->smt))
			return error_set(err, -EINVAL, "node %u: CPUs are not whole cores", i);
		ncpus += p->cpus[i];
	}
	if (p->ncpu_nodes == 0 || ncpus > IDSET_MAX || p->package == 0)
		return error_set(err, -EINVAL, "%u nodes, %u CPUs: out of range", p->nnodes, ncpus);
	if (p->numbering == INTERLEAVED)
		for (unsigned int i = 1; i < p->ncpu_nodes; i++)
			if (p->cpus[i] != p->cpus[0])
				return error_set(err, -EINVAL, "interleaved: the nodes are not equal");
	if (!t || topology_alloc(t, p->nnodes, ncpus))
		return error_set(err, -ENOMEM, "out of memory");
	for (unsigned int i = 0; i < p->nnodes; i++)
		fill_node(t, p, i, ncpus / p->smt, &cpu, &core);
	t->ncores = core;
	for (unsigned int i = 0; i < ncpus; i++) {
		t->cpu_index[t->cpus[i].id] = (uint16_t)i;
		idset_add(&t->online, t->cpus[i].id);
	}
	for (unsigned int i = 0; i < p->nnodes; i++)
		for (unsigned int j = 0; j < p->nnodes; j++)
			t->distance[i * p->nnodes + j] = plan_distance(p, i, j);
	if (topology_finish(t))
		return error_set(err, -ENOMEM, "out of memory");
	*out = steal_ptr(t);
	return 0;
}

int machine_parse(FILE *in, const char *name, struct topology **out, struct error *err)
{
	cleanup_free struct plan *p = calloc(1, sizeof(*p));
	char line[256];

	if (!p)
		return error_set(err, -ENOMEM, "out of memory");
	plan_init(p);
	while (fgets(line, sizeof(line), in)) {
		char *at = line + strspn(line, " \t");

		line[strcspn(line, "#\n")] = '\0';
		if (*at == '\0')
			continue;
		if (plan_line(p, at, err))
			return error_prefix(err, err->status, "%s", name);
	}
	if (plan_build(p, out, err))
		return error_prefix(err, err->status, "%s", name);
	return 0;
}

int machine_made(unsigned int nodes, unsigned int cpus, unsigned int smt, struct topology **out, struct error *err)
{
	cleanup_free struct plan *p = calloc(1, sizeof(*p));

	if (!p)
		return error_set(err, -ENOMEM, "out of memory");
	plan_init(p);
	p->smt = smt;
	p->package = nodes > 1 ? nodes / 2 : 1;
	p->far = 32;
	plan_near(p, &(struct near){ .block = 64, .distance = 22 }, err);
	plan_near(p, &(struct near){ .block = 8, .distance = 16 }, err);
	plan_near(p, &(struct near){ .block = 2, .distance = 12 }, err);
	if (plan_nodes(p, nodes, cpus, 64ULL << 30, err))
		return err->status;
	return plan_build(p, out, err);
}

static int add_machine(struct machines *all, const char *name, size_t len, bool recorded, struct topology *t)
{
	struct machine *m;

	if (all->n == ARRAY_SIZE(all->m)) {
		topology_free(t);
		return -E2BIG;
	}
	m = &all->m[all->n++];
	snprintf(m->name, sizeof(m->name), "%.*s", (int)len, name);
	m->recorded = recorded;
	m->t = t;
	return 0;
}

static int only_machines(const struct dirent *d)
{
	const char *dot = strrchr(d->d_name, '.');

	return dot && strcmp(dot, ".machine") == 0;
}

static int only_archives(const struct dirent *d)
{
	const char *dot = strstr(d->d_name, ".tar.xz");

	return dot && dot[7] == '\0';
}

static int load_made(struct machines *all, const char *dir, struct error *err)
{
	struct dirent **list = NULL;
	int n = scandir(dir, &list, only_machines, alphasort), status = 0;

	if (n < 0)
		return error_errno(err, -errno, "%s", dir);
	for (int i = 0; i < n; i++) {
		char path[8192];
		cleanup_fclose FILE *in = NULL;
		struct topology *t = NULL;

		snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
		if (!status) {
			in = fopen(path, "re");
			status =
				in ? machine_parse(in, list[i]->d_name, &t, err) : error_errno(err, -errno, "%s", path);
		}
		if (!status)
			status = add_machine(all, list[i]->d_name, strlen(list[i]->d_name) - 8, false, t);
		free(list[i]);
	}
	free(list);
	return status;
}

static int unpack(const char *archive, const char *where)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		execlp("tar", "tar", "-xJf", archive, "-C", where, (char *)NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* A recorded machine that cannot be read is reported and skipped. */
static void load_recorded(struct machines *all, const char *from, const char *where, const char *file)
{
	char archive[8192], root[8192];
	cleanup_close int fd = -1;
	struct topology *t = NULL;
	struct error err = { 0 };
	size_t len = strlen(file) - 7;

	snprintf(archive, sizeof(archive), "%s/%s", from, file);
	snprintf(root, sizeof(root), "%s/%.*s", where, (int)len, file);
	if (unpack(archive, where)) {
		fprintf(stderr, "bench: %s: cannot be unpacked: left out\n", file);
		return;
	}
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || topology_read(fd, &t, &err)) {
		fprintf(stderr, "bench: %s: %s: left out\n", file, fd < 0 ? strerror(errno) : err.text);
		return;
	}
	topology_idle(t);
	add_machine(all, file, len, true, t);
}

/* Unpacking takes seconds, so only machines that a pattern (MACHINE/..., or one without a slash) may match. */
static bool rows_may_want(const char *patterns, const char *file)
{
	char copy[1024], name[NAME_LEN], *save = NULL;

	if (!patterns)
		return true;
	snprintf(copy, sizeof(copy), "%s", patterns);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(file, "."), file);
	for (char *p = strtok_r(copy, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
		char *slash = strchr(p, '/');

		if (slash)
			*slash = '\0';
		if (!slash || fnmatch(p, name, 0) == 0)
			return true;
	}
	return false;
}

int machines_load(struct machines *all, const char *dir, const char *shared, const char *patterns, struct error *err)
{
	char from[4096], where[] = "/tmp/numaplace-bench.XXXXXX";
	struct dirent **list = NULL;
	int n, status = load_made(all, dir, err);

	if (status)
		return status;
	snprintf(from, sizeof(from), "%s/topologies", shared);
	n = scandir(from, &list, only_archives, alphasort);
	if (n < 0)
		return 0;
	if (!mkdtemp(where))
		return error_errno(err, -errno, "%s", where);
	for (int i = 0; i < n; i++) {
		if (rows_may_want(patterns, list[i]->d_name))
			load_recorded(all, from, where, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	nftw(where, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

void machines_free(struct machines *all)
{
	for (unsigned int i = 0; i < all->n; i++)
		topology_free(all->m[i].t);
	all->n = 0;
}
