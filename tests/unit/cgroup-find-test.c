/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup_of_pid() while the process moves to another cgroup, before each system call of the search in turn. The result
 * must be a cgroup that held the process when its list was read, or an error. On a real cgroup2, in a mount namespace.
 */
#include "cgroup/cgroup.h"
#include "plugin/base/util.h"
#include "tests/unit/cgroup2.h"
#include "tests/unit/tap.h"
#include "tests/unit/traced.h"

#include <fcntl.h>

enum found { IN_A, IN_B, REFUSED, OTHER };

static struct cgroup2 own;
static pid_t pid;
static int move_at, at; /* move before this call; the present call */
static const char *refusal;

static bool put(const char *file, const char *text)
{
	cleanup_close int fd = openat(own.folder, file, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static bool move_to(const char *procs)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)pid);
	return put(procs, text);
}

static void watch(unsigned long long nr)
{
	(void)nr;
	if (at++ == move_at)
		move_to("b/cgroup.procs");
}

/* Runs in the child that is stopped at its system calls. */
static int look(void *arg)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	struct error err = { 0 };
	char want[300];
	int rc = cgroup_of_pid(own.mount, pid, &c, &err);

	(void)arg;
	snprintf(want, sizeof(want), refusal, (int)pid, own.top, own.top);
	if (rc == 0)
		return strcmp(strrchr(c.path, '/'), "/a") == 0	 ? IN_A
		       : strcmp(strrchr(c.path, '/'), "/b") == 0 ? IN_B
								 : OTHER;
	if (rc == -ESRCH && strcmp(err.text, want) == 0)
		return REFUSED;
	diag("%d, %s (not: %s)", rc, err.text, want);
	return OTHER;
}

static enum found look_once(struct traced *t)
{
	at = 0;
	run_traced(t, look, NULL);
	return WIFEXITED(t->status) ? (enum found)WEXITSTATUS(t->status) : OTHER;
}

/* The later the move, the result changes from b to an error, and then to a. */
static void moves(const char *name)
{
	struct traced t = { .kill_at = -1, .fail_at = -1, .watch = watch };
	int times[OTHER + 1] = { 0 }, back = 0, calls;
	enum found last = IN_B, found;

	move_at = -1;
	ok(move_to("a/cgroup.procs"), "%s: the process is put into a", name);
	is_int(look_once(&t), IN_A, "%s: a process that does not move is found", name);
	calls = t.calls;
	for (move_at = 0; move_at < calls; move_at++) {
		move_to("a/cgroup.procs");
		found = look_once(&t);
		times[found]++;
		back += (found == IN_B && last != IN_B) || (found == REFUSED && last == IN_A);
		last = found;
	}
	diag("%d calls: found in b %d times, refused %d, found in a %d", calls, times[IN_B], times[REFUSED],
	     times[IN_A]);
	is_int(times[OTHER], 0, "%s: found in a or in b, or refused with the right message", name);
	is_int(back, 0, "%s: results come in the order b, refused, a", name);
	ok(times[IN_B] > 0 && times[IN_A] > 0, "%s: found in b after an early move, and in a before a late one", name);
	ok(times[REFUSED] >= 2, "%s: refused after a move between the two reads", name);
}

static void end(void)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	is_int(unlinkat(own.folder, "a", AT_REMOVEDIR) | unlinkat(own.folder, "b", AT_REMOVEDIR), 0,
	       "cgroups a and b are removed");
	ok(cgroup2_end(&own), "the test's cgroup is removed");
}

int main(void)
{
	if (!cgroup2_begin(&own)) {
		printf("1..0 # SKIP no cgroup2 for tests here\n");
		return 0;
	}
	if (mkdirat(own.folder, "a", 0755) < 0 || mkdirat(own.folder, "b", 0755) < 0)
		return 1;
	pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	refusal = "pid %d is not in %s/a: it was moved, or it ended";
	moves("domain");
	/* In a threaded cgroup, cgroup.procs cannot be read, and /proc is read again instead. */
	move_to("cgroup.procs");
	ok(put("a/cgroup.type", "threaded") && put("b/cgroup.type", "threaded"), "threaded: a and b become threaded");
	refusal = "pid %d moved from %s/a to %s/b";
	moves("threaded");
	end();
	return done();
}
