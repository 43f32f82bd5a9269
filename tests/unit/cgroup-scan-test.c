/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup_scan() on a real cgroup2: it finds cgroups that have processes, and their ancestors, no matter how many empty
 * ones there are; when interrupted by its deadline, it continues until all are found.
 */
#include "cgroup/cgroup.h"
#include "plugin/base/util.h"
#include "tests/unit/cgroup2.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define EMPTY 3000
#define PROCESSES 300
#define CHAINS 12 /* of nested cgroups, with one process in the innermost */
#define CHAIN 60
#define AT_ONCE 64 /* cgroups and processes per call after the deadline; a call ends with a process */

static struct cgroup2 cg2;

struct found {
	unsigned int visits, outer, inner, empty;
};

static bool is(const struct cgroup_dir *c, const char *below)
{
	size_t len = strlen(cg2.top);

	return strncmp(c->path, cg2.top, len) == 0 && strcmp(c->path + len, below) == 0;
}

static int count(void *arg, const struct cgroup_dir *c)
{
	struct found *f = arg;

	f->visits++;
	f->outer += is(c, "/box");
	f->inner += is(c, "/box/inner");
	f->empty += strstr(c->path, "/empty-") != NULL;
	return 0;
}

static void make(const char *name)
{
	if (mkdirat(cg2.folder, name, 0755) < 0)
		diag("%s: %s", name, strerror(errno));
}

static void put(const char *path, pid_t pid)
{
	cleanup_close int fd = openat(cg2.folder, path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || dprintf(fd, "%d", (int)pid) < 0)
		diag("%s: %s", path, strerror(errno));
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static int stop(void *arg, const struct cgroup_dir *c)
{
	(void)arg;
	(void)c;
	return -ECANCELED;
}

/* The path of the @depth outermost cgroups of chain @n. */
static const char *chain(int n, int depth)
{
	static char path[16 + 2 * CHAIN];
	int len = snprintf(path, sizeof(path), "chain-%d", n);

	while (--depth > 0)
		len += snprintf(path + len, sizeof(path) - (size_t)len, "/d");
	return path;
}

static void make_chains(pid_t *pid)
{
	char procs[32 + 2 * CHAIN];

	for (int n = 0; n < CHAINS; n++) {
		for (int depth = 1; depth <= CHAIN; depth++)
			make(chain(n, depth));
		snprintf(procs, sizeof(procs), "%s/cgroup.procs", chain(n, CHAIN));
		pid[n] = sleeper();
		put(procs, pid[n]);
	}
}

static void remove_chains(const pid_t *pid)
{
	for (int n = 0; n < CHAINS; n++) {
		kill(pid[n], SIGKILL);
		waitpid(pid[n], NULL, 0);
		for (int depth = CHAIN; depth; depth--)
			for (int i = 0;
			     i < 100 && unlinkat(cg2.folder, chain(n, depth), AT_REMOVEDIR) < 0 && errno == EBUSY; i++)
				usleep(10000);
	}
}

/* The cost of a call is bounded by the number of cgroups, not of processes: one process can be in many nested ones. */
static void test_chains(void)
{
	struct error err = { 0 };
	uint64_t cursor = 0;
	unsigned int most = 0, all = 0;
	pid_t pid[CHAINS];
	int rc = 1;

	make_chains(pid);
	while (rc == 1) {
		struct found f = { 0 };

		rc = cgroup_scan(cg2.mount, &cursor, 0, count, &f, &err);
		most = f.visits > most ? f.visits : most;
		all += f.visits;
	}
	is_int(rc, 0, "nested cgroups: scan with an expired deadline %s", err.text);
	ok(all >= CHAINS * CHAIN, "nested cgroups: all are visited");
	ok(most <= AT_ONCE + CHAIN + 16, "nested cgroups: a call visits no more than the bound and one chain: %u",
	   most);
	remove_chains(pid);
}

int main(void)
{
	struct found f = { 0 }, without = { 0 };
	struct error err = { 0 };
	pid_t pid[PROCESSES];
	char name[32];
	uint64_t cursor = 0;
	int rc = 1, calls = 0;

	if (!cgroup2_begin(&cg2)) {
		ok(true, "cgroup_scan # SKIP needs root and cgroup2");
		return done();
	}
	make("box");
	make("box/inner");
	for (int i = 0; i < PROCESSES; i++)
		pid[i] = sleeper();
	/* the last process: it comes after all others in /proc, unless pids have wrapped around */
	put("box/inner/cgroup.procs", pid[PROCESSES - 1]);
	is_int(cgroup_scan(cg2.mount, &cursor, UINT64_MAX, count, &without, &err), 0, "scan in one call %s", err.text);
	ok(without.outer == 1 && without.inner == 1, "scan finds a process's cgroup and its parent");
	for (int i = 0; i < EMPTY; i++) {
		snprintf(name, sizeof(name), "empty-%d", i);
		make(name);
	}
	is_int(cgroup_scan(cg2.mount, &cursor, UINT64_MAX, count, &f, &err), 0, "scan with %d empty cgroups %s", EMPTY,
	       err.text);
	is_int(f.empty, 0, "scan visits no empty cgroup");
	ok(f.inner == 1 && f.visits <= without.visits + 8,
	   "scan makes no more visits with empty cgroups: %u, %u before", f.visits, without.visits);
	f = (struct found){ 0 };
	for (; rc == 1 && calls < 10000; calls++)
		rc = cgroup_scan(cg2.mount, &cursor, 0, count, &f, &err);
	is_int(rc, 0, "scan with an expired deadline reaches the end %s", err.text);
	ok(calls >= PROCESSES / 128, "scan with an expired deadline takes %d calls", calls);
	ok(f.outer >= 1 && f.inner >= 1, "scan with an expired deadline finds the same cgroups");
	is_int(cursor, 0, "scan resets the cursor at the end");
	is_int(cgroup_scan(cg2.mount, &cursor, UINT64_MAX, stop, NULL, &err), -ECANCELED,
	       "scan returns the callback's error");
	cursor = UINT64_MAX;
	f = (struct found){ 0 };
	is_int(cgroup_scan(cg2.mount, &cursor, UINT64_MAX, count, &f, &err), 0,
	       "scan with an invalid cursor starts at the beginning %s", err.text);
	is_int(f.inner, 1, "scan with an invalid cursor finds everything");
	for (int i = 0; i < PROCESSES; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	for (int i = 0; i < EMPTY; i++) {
		snprintf(name, sizeof(name), "empty-%d", i);
		unlinkat(cg2.folder, name, AT_REMOVEDIR);
	}
	for (int i = 0; i < 100 && unlinkat(cg2.folder, "box/inner", AT_REMOVEDIR) < 0 && errno == EBUSY; i++)
		usleep(10000);
	unlinkat(cg2.folder, "box", AT_REMOVEDIR);
	test_chains();
	ok(cgroup2_end(&cg2), "the test's cgroups are removed");
	return done();
}
