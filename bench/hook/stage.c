/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes the files of simulated machines of any size, with containers, on which hooks are measured.
 *
 * stage machine DIR NODES CPUS              sys/ and proc/ of a machine, CPUs on each node, two threads a core
 * stage top CGROUPS GROUP NODES CPUS        the cgroup root of such a machine, and GROUP in it
 * stage cgroup CGROUPS PATH PID             the cgroup of a starting container, with PID in it
 * stage marked FOLDER                       prints the id in the mark of a cgroup, or nothing
 * stage placed CGROUPS GROUP STATE COUNT    COUNT placed containers in GROUP: cgroups, marks, ledger
 */
#include "plugin/base/file.h"
#include "plugin/ledger/ledger.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>

#define NODE_MIB 16384U
#define MIB (1ULL << 20)

static void die(const char *what, const char *why)
{
	fprintf(stderr, "stage: %s: %s\n", what, why);
	exit(1);
}

/* Writes the file @path and makes missing folders. */
static void __attribute__((format(printf, 2, 3))) put(const char *path, const char *fmt, ...)
{
	char folder[512];
	va_list ap;
	FILE *f;

	snprintf(folder, sizeof(folder), "%s", path);
	for (char *slash = folder + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = '\0';
		if (mkdir(folder, 0755) < 0 && errno != EEXIST)
			die(folder, strerror(errno));
	}
	f = fopen(path, "w");
	if (!f)
		die(path, strerror(errno));
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	if (fclose(f))
		die(path, strerror(errno));
}

/* Returns a path that is valid until the second next call. */
static const char *in(const char *folder, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static const char *in(const char *folder, const char *fmt, ...)
{
	static char paths[2][512];
	static unsigned int turn;
	char *path = paths[turn++ % 2];
	size_t n = (size_t)snprintf(path, sizeof(paths[0]), "%s/", folder);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(paths[0]) - n, fmt, ap);
	va_end(ap);
	return path;
}

/* --- a machine --- */

/* All lines of the kernel's nodeN/meminfo. */
static void put_meminfo(const char *path, unsigned int node)
{
	static const char *const names[] = {
		"MemUsed",	"SwapCached",	  "Active",	   "Inactive",	    "Active(anon)",  "Inactive(anon)",
		"Active(file)", "Inactive(file)", "Unevictable",   "Mlocked",	    "Dirty",	     "Writeback",
		"FilePages",	"Mapped",	  "AnonPages",	   "Shmem",	    "KernelStack",   "PageTables",
		"SecPageTables", "NFS_Unstable",  "Bounce",	   "WritebackTmp",  "KReclaimable",  "Slab",
		"SReclaimable", "SUnreclaim",	  "AnonHugePages", "ShmemHugePages", "ShmemPmdMapped", "FileHugePages",
		"FilePmdMapped", "Unaccepted",	  "HugePages_Total", "HugePages_Free", "HugePages_Surp",
	};
	char text[4096];
	int n = snprintf(text, sizeof(text), "Node %u MemTotal:       %u kB\nNode %u MemFree:        %u kB\n", node,
			 NODE_MIB * 1024, node, NODE_MIB * 512);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "Node %u %s:  %u kB\n", node, names[i],
			      strncmp(names[i], "Huge", 4) ? 20480 : 0);
	put(path, "%s", text);
}

/* Four nodes per package, sixteen packages per chassis. */
static unsigned int distance(unsigned int a, unsigned int b)
{
	return a == b ? 10 : a / 4 == b / 4 ? 12 : a / 64 == b / 64 ? 20 : 32;
}

static void put_node(const char *root, unsigned int node, unsigned int nodes, unsigned int cpus)
{
	char folder[400], text[8192];
	int n = 0;

	snprintf(folder, sizeof(folder), "%s/sys/devices/system/node/node%u", root, node);
	put(in(folder, "cpulist"), "%u-%u\n", node * cpus, node * cpus + cpus - 1);
	put_meminfo(in(folder, "meminfo"), node);
	for (unsigned int to = 0; to < nodes; to++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%u", to ? " " : "", distance(node, to));
	put(in(folder, "distance"), "%s\n", text);
	for (unsigned int kb = 2048; kb <= 1048576; kb *= 512) {
		put(in(folder, "hugepages/hugepages-%ukB/nr_hugepages", kb), "0\n");
		put(in(folder, "hugepages/hugepages-%ukB/free_hugepages", kb), "0\n");
	}
}

static void put_cpu(const char *root, unsigned int cpu, unsigned int cpus)
{
	unsigned int core = cpu / 2 * 2, first = cpu / cpus * cpus;
	char folder[400];

	snprintf(folder, sizeof(folder), "%s/sys/devices/system/cpu/cpu%u", root, cpu);
	put(in(folder, "topology/thread_siblings_list"), "%u-%u\n", core, core + 1);
	put(in(folder, "topology/physical_package_id"), "%u\n", cpu / cpus / 4);
	put(in(folder, "cache/index3/shared_cpu_list"), "%u-%u\n", first, first + cpus - 1);
}

static void make_machine(const char *root, unsigned int nodes, unsigned int cpus)
{
	unsigned long long kb = nodes * (unsigned long long)NODE_MIB * 1024;
	const char *lists[] = { "online", "possible", "has_cpu", "has_memory", "has_normal_memory" };

	for (unsigned int node = 0; node < nodes; node++)
		put_node(root, node, nodes, cpus);
	for (unsigned int cpu = 0; cpu < nodes * cpus; cpu++)
		put_cpu(root, cpu, cpus);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		put(in(root, "sys/devices/system/node/%s", lists[i]), "0-%u\n", nodes - 1);
	put(in(root, "sys/devices/system/cpu/online"), "0-%u\n", nodes * cpus - 1);
	put(in(root, "sys/devices/system/cpu/possible"), "0-%u\n", nodes * cpus - 1);
	put(in(root, "sys/devices/system/cpu/isolated"), "\n");
	put(in(root, "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"), "0\n");
	put(in(root, "sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages"), "0\n");
	put(in(root, "proc/meminfo"), "MemTotal:       %llu kB\nMemFree:        %llu kB\nHugepagesize:       2048 kB\n",
	    kb, kb / 2);
}

/* --- cgroups --- */

/* The effective file is a link to the written one, so each write takes effect. */
static void put_cpuset(const char *folder, const char *name, const char *list)
{
	char file[512], effective[540];

	snprintf(file, sizeof(file), "%s/%s", folder, name);
	snprintf(effective, sizeof(effective), "%s.effective", file);
	put(file, "%s", list);
	if (link(file, effective) < 0 && errno != EEXIST)
		die(effective, strerror(errno));
}

static void put_cgroup(const char *folder, const char *cpus, const char *mems, int pid)
{
	put(in(folder, "cgroup.controllers"), "cpuset cpu io memory hugetlb pids\n");
	put(in(folder, "cgroup.subtree_control"), "cpuset cpu io memory hugetlb pids\n");
	put(in(folder, "cgroup.events"), "populated %d\nfrozen 0\n", pid != 0);
	if (pid)
		put(in(folder, "cgroup.procs"), "%d\n", pid);
	else
		put(in(folder, "cgroup.procs"), "%s", "");
	put_cpuset(folder, "cpuset.cpus", cpus);
	put_cpuset(folder, "cpuset.mems", mems);
}

static void make_top(const char *root, const char *group, unsigned int nodes, unsigned int cpus)
{
	char all_cpus[32], all_mems[32], folder[400];

	snprintf(folder, sizeof(folder), "%s%s", root, group);
	snprintf(all_cpus, sizeof(all_cpus), "0-%u\n", nodes * cpus - 1);
	snprintf(all_mems, sizeof(all_mems), "0-%u\n", nodes - 1);
	put_cgroup(root, all_cpus, all_mems, 0);
	put_cgroup(folder, all_cpus, all_mems, 0);
	put(in(folder, "memory.max"), "max\n");
}

static void make_cgroup(const char *root, const char *path, int pid)
{
	char folder[400];

	snprintf(folder, sizeof(folder), "%s%s", root, path);
	put_cgroup(folder, "", "", pid);
	put(in(folder, "memory.max"), "1073741824\n");
}

/* --- placed containers --- */

static enum life all_live(void *arg, struct record *r, bool *changed)
{
	(void)arg;
	(void)r;
	(void)changed;
	return LIFE_PLACED;
}

/* One CPU and 64 MiB of memory, in turn over the nodes, and over the CPUs of a node. */
static void fill_record(const struct topology *t, const char *group, unsigned int i, struct record *r)
{
	const struct topo_node *node = &t->nodes[i % t->nnodes];
	const struct topo_cpu *cpu = &t->cpus[node->first_cpu + i / t->nnodes % node->ncpus];
	struct placement *p = &r->placement;

	memset(r, 0, sizeof(*r));
	snprintf(r->id, sizeof(r->id), "placed-%u", i);
	snprintf(r->runtime, sizeof(r->runtime), "runc");
	snprintf(r->applied, sizeof(r->applied), "cpuset");
	request_init(&r->request);
	request_set(&r->request, "limits.cpu", "1", NULL);
	request_set(&r->request, "limits.memory", "64MiB", NULL);
	if (asprintf(&r->cgroup, "%s/placed-%u", group, i) < 0)
		die(r->id, "no memory");
	nodeset_add(&p->nodes, node->id);
	nodeset_add(&p->mems, node->id);
	idset_add(&p->share.cpus, cpu->id);
	p->share.count = 1;
	p->share.nmem = 1;
	p->share.mem = calloc(1, sizeof(*p->share.mem));
	if (!p->share.mem)
		die(r->id, "no memory");
	p->share.mem[0] = (struct share_node){ .id = node->id, .memory = 64 * MIB, .seen = 64 * MIB };
	reasons_add(&r->reasons, "1 CPU fits on one node: the least that it can be");
	reasons_add(&r->reasons, "node %u has the most room of %u", node->id, t->nnodes);
}

static void mark(const char *folder, struct record *r)
{
	cleanup_free char *text = NULL;
	struct error err;
	struct stat st;
	size_t len;

	if (stat(folder, &st) < 0)
		die(folder, strerror(errno));
	r->cgroup_inode = st.st_ino;
	if (record_format(r, &text, &len, &err) < 0)
		die(folder, err.text);
	if (setxattr(folder, "trusted.numaplace.record", text, len, 0) < 0)
		die(folder, strerror(errno));
}

/* As long as the file of the kernel: each kind of page on each node. All requested memory is allocated; all cgroups share
 * one file. */
static void put_numa_stat(const char *path, const struct topology *t)
{
	FILE *f = fopen(path, "w");

	if (!f)
		die(path, strerror(errno));
	for (unsigned int kind = 0; kind < 40; kind++) {
		if (kind < 2)
			fputs(kind ? "file" : "anon", f);
		else
			fprintf(f, "other_pages_%u", kind);
		for (unsigned int i = 0; i < t->nnodes; i++)
			fprintf(f, " N%u=%llu", t->nodes[i].id, kind ? 0 : 64 * MIB);
		fputc('\n', f);
	}
	if (fclose(f))
		die(path, strerror(errno));
}

static void make_placed(const char *root, const char *group, const char *state, unsigned int count)
{
	static const struct liveness liveness = { .life = all_live };
	struct ledger_world world = { .liveness = &liveness };
	cleanup_topology struct topology *t = NULL;
	cleanup_ledger struct ledger *l = NULL;
	cleanup_close int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int dir = -1;
	char boot_id[64] = "", numa_stat[400];
	struct timespec now;
	struct error err;

	if (mkdir(state, 0700) < 0 && errno != EEXIST)
		die(state, strerror(errno));
	dir = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0 || dir < 0 || file_read(top, "proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id)) < 0)
		die(state, strerror(errno));
	boot_id[strcspn(boot_id, "\n")] = '\0';
	clock_gettime(CLOCK_BOOTTIME, &now);
	world.boot_id = boot_id;
	world.now = (uint64_t)now.tv_sec;
	if (topology_read(top, &t, &err) < 0 || ledger_open(dir, t, &world, 1000, &l, &err) < 0)
		die("placed", err.text);
	snprintf(numa_stat, sizeof(numa_stat), "%s%s/numa_stat", root, group);
	put_numa_stat(numa_stat, t);
	for (unsigned int i = 0; i < count; i++) {
		cleanup_record struct record r;
		char folder[400];

		fill_record(t, group, i, &r);
		snprintf(folder, sizeof(folder), "%s%s", root, r.cgroup);
		put_cgroup(folder, "", "", 1);
		if (link(numa_stat, in(folder, "memory.numa_stat")) < 0)
			die(folder, strerror(errno));
		mark(folder, &r);
		r.started = world.now;
		if (ledger_add(l, "oci", &r, &err) < 0)
			die(r.id, err.text);
	}
}

static void print_mark(const char *folder)
{
	static char text[RECORD_TEXT_MAX];
	cleanup_record struct record r = { 0 };
	ssize_t n = getxattr(folder, "trusted.numaplace.record", text, sizeof(text));

	if (n > 0 && record_parse(text, (size_t)n, &r, NULL) == 0)
		puts(r.id);
}

int main(int argc, char **argv)
{
	umask(0022);
	if (argc == 5 && strcmp(argv[1], "machine") == 0)
		make_machine(argv[2], (unsigned int)atoi(argv[3]), (unsigned int)atoi(argv[4]));
	else if (argc == 6 && strcmp(argv[1], "top") == 0)
		make_top(argv[2], argv[3], (unsigned int)atoi(argv[4]), (unsigned int)atoi(argv[5]));
	else if (argc == 5 && strcmp(argv[1], "cgroup") == 0)
		make_cgroup(argv[2], argv[3], atoi(argv[4]));
	else if (argc == 3 && strcmp(argv[1], "marked") == 0)
		print_mark(argv[2]);
	else if (argc == 6 && strcmp(argv[1], "placed") == 0)
		make_placed(argv[2], argv[3], argv[4], (unsigned int)atoi(argv[5]));
	else
		die("usage", "machine DIR NODES CPUS | top CGROUPS GROUP NODES CPUS | cgroup CGROUPS PATH PID | "
			     "marked FOLDER | "
			     "placed CGROUPS GROUP STATE COUNT");
	return 0;
}
