/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The search for cgroups that live, on a real cgroup2: it finds those with processes and those around them, whatever the
 * number of empty ones, and where it is cut short it goes on until all are found.
 */
#include "cgroup/cgroup.h"
#include "plugin/util.h"
#include "tests/unit/cgroup2.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define EMPTY 3000
#define PROCESSES 300

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

int main(void)
{
	struct found f = { 0 }, without = { 0 };
	struct error err = { 0 };
	pid_t pid[PROCESSES];
	char name[32];
	uint64_t cursor = 0;
	int rc = 1, calls = 0;

	if (!cgroup2_begin(&cg2)) {
		ok(true, "live cgroups # SKIP needs root and cgroup2");
		return done();
	}
	make("box");
	make("box/inner");
	for (int i = 0; i < PROCESSES; i++)
		pid[i] = sleeper();
	/* the last: after all the others, wherever numbers begin again */
	put("box/inner/cgroup.procs", pid[PROCESSES - 1]);
	is_int(cgroup_scan(cg2.mount, &cursor, UINT64_MAX, count, &without, &err), 0, "all in one call %s", err.text);
	ok(without.outer == 1 && without.inner == 1, "the cgroup of a process, and the one around it");
	for (int i = 0; i < EMPTY; i++) {
		snprintf(name, sizeof(name), "empty-%d", i);
		make(name);
	}
	is_int(cgroup_scan(cg2.mount, &cursor, UINT64_MAX, count, &f, &err), 0, "with %d empty ones %s", EMPTY, err.text);
	is_int(f.empty, 0, "none of them is visited");
	ok(f.inner == 1 && f.visits <= without.visits + 8, "and there are no more visits: %u, %u before", f.visits,
	   without.visits);
	f = (struct found){ 0 };
	for (; rc == 1 && calls < 10000; calls++)
		rc = cgroup_scan(cg2.mount, &cursor, 0, count, &f, &err);
	is_int(rc, 0, "without any time it ends, too %s", err.text);
	ok(calls >= PROCESSES / 128, "after %d calls", calls);
	ok(f.outer >= 1 && f.inner >= 1, "and has found the same");
	is_int(cursor, 0, "then it begins again");
	is_int(cgroup_scan(cg2.mount, &cursor, UINT64_MAX, stop, NULL, &err), -ECANCELED, "what stops it is returned");
	cursor = UINT64_MAX;
	f = (struct found){ 0 };
	is_int(cgroup_scan(cg2.mount, &cursor, UINT64_MAX, count, &f, &err), 0, "a place that is none is the beginning %s", err.text);
	is_int(f.inner, 1, "all is found from there");
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
	ok(cgroup2_end(&cg2), "cleaned up");
	return done();
}
