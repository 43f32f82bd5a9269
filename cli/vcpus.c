/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt keeps the pid of each QEMU in a file with the name of the domain, which is the id of the record, and QEMU
 * names its threads "CPU 0/KVM".
 */
#include "cli/vcpus.h"

#include "plugin/base/number.h"
#include "plugin/base/path.h"
#include "plugin/base/vec.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#define VCPU_MAX 16384

/* Whether the cgroup of the process is that of the record or below it, as those of QEMU's threads. */
static bool is_in(int root, uint64_t pid, const char *cgroup)
{
	const size_t len = strlen(cgroup);
	char text[8192];
	const char *at;

	if (!len || path_read(root, text, sizeof(text), "proc/%" PRIu64 "/cgroup", pid) < 0)
		return false;
	at = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	at = at ? strchr(at, '/') : NULL;
	return at && strncmp(at, cgroup, len) == 0 && strchr("/\n", at[len]);
}

/* 0: it has no process, or that is not in its cgroup. */
static pid_t find_qemu(int root, const struct numaplace_placement *p)
{
	char text[32];
	uint64_t pid;

	if (strcmp(numaplace_placement_runtime(p), "libvirt") != 0 || *numaplace_placement_id(p) == '.')
		return 0;
	if (path_read(root, text, sizeof(text), "run/libvirt/qemu/%s.pid", numaplace_placement_id(p)) < 0 ||
	    !number_parse_line(text, INT_MAX, &pid))
		return 0;
	return is_in(root, pid, numaplace_placement_cgroup(p)) ? (pid_t)pid : 0;
}

static int node_of(const struct numaplace_snapshot *s, int id)
{
	const struct numaplace_cpu *cpu;

	for (unsigned int i = 0; (cpu = numaplace_snapshot_cpu(s, i)); i++)
		if ((int)cpu->id == id)
			return (int)numaplace_snapshot_node(s, cpu->node)->id;
	return -1;
}

/* "CPU 12/KVM" */
static bool parse_name(const char *comm, unsigned int *number)
{
	uint64_t n;

	if (strncmp(comm, "CPU ", 4) != 0)
		return false;
	comm += 4;
	if (!number_prefix(&comm, VCPU_MAX, &n) || *comm != '/')
		return false;
	*number = (unsigned int)n;
	return true;
}

/* The 39th field of stat. The second is the name in parentheses, which may hold blanks and parentheses. */
static int last_cpu(const char *stat)
{
	const char *at = strrchr(stat, ')');
	uint64_t n;

	for (int field = 2; at && field < 39; field++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	return at && number_prefix(&at, INT_MAX, &n) ? (int)n : -1;
}

static bool read_allowed(const char *status, struct idset *out)
{
	static const char key[] = "\nCpus_allowed_list:\t";
	const char *at = strstr(status, key);
	cleanup_free char *list = at ? strndup(at + strlen(key), strcspn(at + strlen(key), "\n")) : NULL;

	return list && idset_parse_kernel(list, out, NULL) == 0;
}

/* Leaves out a thread that ends during the reading. */
static int add_thread(int tasks, const char *tid, const struct numaplace_snapshot *s, const struct idset *record,
		      struct vcpus *out, struct error *err)
{
	char comm[32], status[8192], stat[2048];
	struct vcpu v = { 0 }, *new;
	uint64_t thread;

	if (!number_parse(tid, INT_MAX, &thread) || path_read(tasks, comm, sizeof(comm), "%s/comm", tid) < 0 ||
	    !parse_name(comm, &v.number) || path_read(tasks, status, sizeof(status), "%s/status", tid) < 0 ||
	    path_read(tasks, stat, sizeof(stat), "%s/stat", tid) < 0 || !read_allowed(status, &v.allowed))
		return 0;
	v.thread = (pid_t)thread;
	v.last = last_cpu(stat);
	v.node = node_of(s, v.last);
	v.miss = !idset_subset(&v.allowed, record);
	new = vec_push(out->vcpu, out->n, out->room);
	if (!new)
		return error_set(err, -ENOMEM, "out of memory");
	*new = v;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const struct vcpu *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

int vcpus_read(int root, const struct numaplace_snapshot *s, const struct numaplace_placement *p, struct vcpus *out,
	       struct error *err)
{
	const struct idset record = cli_set(numaplace_placement_cpus(p));
	const pid_t pid = find_qemu(root, p);
	cleanup_closedir DIR *list = NULL;
	const struct dirent *entry;
	char path[64];
	int rc = 0;

	if (!pid)
		return 0;
	snprintf(path, sizeof(path), "proc/%d/task", (int)pid);
	list = path_list(root, path);
	while (list && rc == 0 && out->n < VCPU_MAX && (entry = readdir(list)))
		rc = add_thread(dirfd(list), entry->d_name, s, &record, out, err);
	if (out->n)
		qsort(out->vcpu, out->n, sizeof(*out->vcpu), by_number);
	return rc;
}

void vcpus_free(struct vcpus *v)
{
	free(v->vcpu);
	*v = (struct vcpus){ 0 };
}

bool vcpus_miss(const struct vcpus *v)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->vcpu[i].miss)
			return true;
	return false;
}

static const char *verdict(const struct vcpu *v)
{
	return v->miss ? "miss" : "hit";
}

void vcpus_json(struct json_writer *w, const struct vcpus *v)
{
	if (!v->n)
		return;
	json_begin_array(w, "vcpus");
	for (size_t i = 0; i < v->n; i++) {
		const struct vcpu *c = &v->vcpu[i];

		json_begin_object(w, NULL);
		json_put_uint(w, "vcpu", c->number);
		json_put_uint(w, "thread", (uint64_t)c->thread);
		json_put_list(w, "allowed", ids_of(&c->allowed));
		if (c->last >= 0)
			json_put_uint(w, "last", (uint64_t)c->last);
		if (c->node >= 0)
			json_put_uint(w, "node", (uint64_t)c->node);
		json_put_string(w, "verdict", verdict(c));
		json_end(w);
	}
	json_end(w);
}

int vcpus_print(const struct vcpus *v, struct error *err)
{
	cleanup_table struct table table = { 0 };
	cleanup_free char *list = malloc(IDSET_TEXT_MAX);

	if (!v->n)
		return 0;
	if (!list)
		return error_set(err, -ENOMEM, "out of memory");
	table_init(&table, stdout, "rrlrrl");
	for (const char *const *title = (const char *const[]){ "vCPU", "thread", "may run on", "last on", "node", "", NULL };
	     *title; title++)
		table_cell(&table, "%s", *title);
	for (size_t i = 0; i < v->n; i++) {
		const struct vcpu *c = &v->vcpu[i];

		idset_format(&c->allowed, list, IDSET_TEXT_MAX);
		table_cell(&table, "%u", c->number);
		table_cell(&table, "%d", (int)c->thread);
		table_cell(&table, "%s", list);
		table_cell(&table, "%d", c->last);
		table_cell(&table, "%d", c->node);
		table_cell(&table, "%s", verdict(c));
	}
	return table_print(&table, err);
}
