/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process that moves itself to another cgroup while it is looked for: before each
 * system call of the search in turn.  Whichever way, what is found is a cgroup that held it when
 * its list was read, or nothing.  On a real cgroup2, in a mount namespace.
 */
#include "cgroup/cgroup.h"
#include "plugin/util.h"
#include "tests/unit/cgroup2.h"
#include "tests/unit/tap.h"
#include "tests/unit/traced.h"

#include <fcntl.h>

enum found { IN_A, IN_B, REFUSED, OTHER };

static struct cgroup2 own;
static pid_t pid;
static int move_at, at; /* before the n-th call; this one */
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

/* In the child that is stopped at its calls. */
static int look(void *arg)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	struct error err = { 0 };
	char want[300];
	int rc = cgroup_of_pid(own.mount, pid, &c, &err);

	(void)arg;
	snprintf(want, sizeof(want), refusal, (int)pid, own.top, own.top);
	if (rc == 0)
		return strcmp(strrchr(c.path, '/'), "/a") == 0 ? IN_A : strcmp(strrchr(c.path, '/'), "/b") == 0 ? IN_B : OTHER;
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

/* First it is found in b, then in neither, and at last, when it has been seen in a, there. */
static void moves(const char *name)
{
	struct traced t = { .kill_at = -1, .fail_at = -1, .watch = watch };
	int times[OTHER + 1] = { 0 }, back = 0, calls;
	enum found last = IN_B, found;

	move_at = -1;
	ok(move_to("a/cgroup.procs"), "%s: begins in a", name);
	is_int(look_once(&t), IN_A, "%s: one that stays is found", name);
	calls = t.calls;
	for (move_at = 0; move_at < calls; move_at++) {
		move_to("a/cgroup.procs");
		found = look_once(&t);
		times[found]++;
		back += (found == IN_B && last != IN_B) || (found == REFUSED && last == IN_A);
		last = found;
	}
	diag("%d calls: found in b %d times, refused %d, found in a %d", calls, times[IN_B], times[REFUSED], times[IN_A]);
	is_int(times[OTHER], 0, "%s: found in a or in b, or refused with the reason", name);
	is_int(back, 0, "%s: in this order: b, refused, a", name);
	ok(times[IN_B] > 0 && times[IN_A] > 0, "%s: before and after the search, it is where it is", name);
	ok(times[REFUSED] >= 2, "%s: between the two reads it is refused", name);
}

static void end(void)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	is_int(unlinkat(own.folder, "a", AT_REMOVEDIR) | unlinkat(own.folder, "b", AT_REMOVEDIR), 0,
	       "the cgroups are taken away");
	ok(cgroup2_end(&own), "and the folder");
}

int main(void)
{
	if (!cgroup2_begin(&own)) {
		printf("1..0 # SKIP no cgroup2 of our own here\n");
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
	/* Its list of processes cannot be read there: /proc is asked again. */
	move_to("cgroup.procs");
	ok(put("a/cgroup.type", "threaded") && put("b/cgroup.type", "threaded"), "both become threaded");
	refusal = "pid %d moved from %s/a to %s/b";
	moves("threaded");
	end();
	return done();
}
