/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The affinity of a thread that the kernel shows is within its cpuset, so it is where the thread runs, however libvirt
 * has set it.
 */
#include "runtime-hooks/libvirt/qemu.h"

#include "cgroup/text.h"
#include "plugin/base/number.h"
#include "plugin/base/path.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define THREADS_MAX 16384

static int read_pid(int root, const char *name, pid_t *pid, struct error *err)
{
	uint64_t n;
	char text[32];
	ssize_t len;

	if (!*name || strchr(name, '/') || *name == '.')
		return error_set(err, -EINVAL, "domain \"%s\": not a name of a file", quote(name).text);
	len = path_read(root, text, sizeof(text), "run/libvirt/qemu/%s.pid", name);
	if (len < 0)
		return error_errno(err, (int)len, "read /run/libvirt/qemu/%s.pid", quote(name).text);
	if (!number_parse_line(text, INT_MAX, &n) || n < 2)
		return error_set(err, -EINVAL, "/run/libvirt/qemu/%s.pid: not a pid", quote(name).text);
	*pid = (pid_t)n;
	return 0;
}

/* Whether libvirt names a cgroup of threads like this: emulator, vcpu0, iothread1. */
static bool is_of_threads(const char *name)
{
	static const char *const kinds[] = { "vcpu", "iothread" };

	if (strcmp(name, "emulator") == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const size_t len = strlen(kinds[i]);

		if (strncmp(name, kinds[i], len) == 0 && name[len] && !name[len + strspn(name + len, "0123456789")])
			return true;
	}
	return false;
}

bool qemu_machine_cgroup(char *path)
{
	char *last = strrchr(path, '/');

	if (!last || last == path || !is_of_threads(last + 1))
		return false;
	*last = '\0';
	last = strrchr(path, '/');
	if (last != path && strcmp(last, "/libvirt") == 0)
		*last = '\0';
	return true;
}

static int find_cgroup(int root, pid_t pid, char *path, size_t size, struct error *err)
{
	char text[CGROUP_PATH_MAX + 256];
	ssize_t n = path_read(root, text, sizeof(text), "proc/%d/cgroup", (int)pid);
	int rc = n < 0 ? (int)n : membership_parse(text, path, size);

	if (n == -ENOENT)
		return error_set(err, -ESRCH, "its process has ended");
	if (rc < 0)
		return error_errno(err, rc, "cgroup of process %d", (int)pid);
	if (!qemu_machine_cgroup(path))
		return error_set(err, -EPERM, "cgroup %.200s: not one that libvirt has made for it alone", path);
	return 0;
}

/* The list behind @key in /proc/PID/status. */
static int list_in(const char *status, const char *key, struct ids_out out)
{
	char line[4096];
	const char *at = strstr(status, key);
	size_t len;

	if (!at)
		return -EINVAL;
	at += strlen(key);
	len = strcspn(at, "\n");
	if (len >= sizeof(line))
		return -EINVAL;
	memcpy(line, at, len);
	line[len] = '\0';
	return ids_parse_kernel(line, out, NULL);
}

/* "CPU 0/KVM", and "ALL CPUs/TCG", if one thread emulates all. */
static bool is_of_vcpu(const char *comm)
{
	return strncmp(comm, "CPU ", 4) == 0 || strncmp(comm, "ALL CPUs/", 9) == 0;
}

static int add_thread(int tasks, const char *tid, struct qemu *q, bool all)
{
	char comm[32], status[8192];
	struct nodeset mems = { { 0 } };
	struct idset cpus = { { 0 } };
	ssize_t n = path_read(tasks, comm, sizeof(comm), "%s/comm", tid);

	if (n < 0 || (!all && !is_of_vcpu(comm)))
		return 0;
	/* It may have ended, unlike the process. */
	if (path_read(tasks, status, sizeof(status), "%s/status", tid) < 0 ||
	    list_in(status, "\nCpus_allowed_list:\t", ids_into(&cpus)) < 0 ||
	    list_in(status, "\nMems_allowed_list:\t", ids_into(&mems)) < 0)
		return 0;
	idset_or(&q->cpus, &cpus);
	nodeset_or(&q->mems, &mems);
	q->vcpus += is_of_vcpu(comm);
	return 1;
}

static int read_threads(int root, struct qemu *q, bool all, struct error *err)
{
	cleanup_closedir DIR *list = NULL;
	char path[64];
	int found = 0;

	snprintf(path, sizeof(path), "proc/%d/task", (int)q->pid);
	list = path_list(root, path);
	if (!list)
		return error_set(err, -ESRCH, "its process has ended");
	for (unsigned int n = 0; n < THREADS_MAX; n++) {
		const struct dirent *entry = readdir(list);

		if (!entry)
			break;
		if (*entry->d_name != '.')
			found += add_thread(dirfd(list), entry->d_name, q, all);
	}
	return found;
}

int qemu_look(int root, const char *name, struct qemu *out, struct error *err)
{
	struct qemu q = { 0 };
	int rc = read_pid(root, name, &q.pid, err);

	if (rc == 0)
		rc = find_cgroup(root, q.pid, q.cgroup, sizeof(q.cgroup), err);
	if (rc == 0)
		rc = read_threads(root, &q, false, err);
	if (rc == 0) /* it does not name its threads */
		rc = read_threads(root, &q, true, err);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return error_set(err, -ESRCH, "its process has ended");
	*out = q;
	return 0;
}
