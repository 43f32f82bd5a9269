/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup/moving: the note of a move, by one who ends it, fails, or is killed.
 * What is made good of those that were cut off is shown in the VM.
 */
#include "cgroup/moving.h"
#include "plugin/util.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

static int state;
static unsigned int told;
static char last[RECORD_ID_MAX + 1];

static void hear(void *arg, const char *id)
{
	(void)arg;
	told++;
	snprintf(last, sizeof(last), "%s", id);
}

/* How many moves were cut off. */
static unsigned int cut_off(void)
{
	told = 0;
	moving_each(state, hear, NULL);
	return told;
}

static bool is_there(const char *name)
{
	return faccessat(state, name, F_OK, 0) == 0;
}

/* A process that begins to move a container, and then stands still. */
static pid_t begin_elsewhere(const char *id, uint64_t inode)
{
	struct moving m = MOVING_NONE;
	int ready[2];
	char word = 0;
	pid_t pid;

	if (pipe(ready) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(ready[0]);
		if (moving_begin(state, id, inode, &m, NULL) < 0 || write(ready[1], &word, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	ok(read(ready[0], &word, 1) == 1, "%s: a move has begun", id);
	close(ready[0]);
	return pid;
}

static void kill_it(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_own(void)
{
	struct moving m = MOVING_NONE;
	struct error err = { 0 };

	moving_end(state, &m, true);
	is_int(moving_begin(state, "web", 7, &m, &err), 0, "begin (%s)", err.text);
	ok(is_there("moving-7"), "it is noted");
	is_int(cut_off(), 0, "it is not cut off while it lasts");
	moving_end(state, &m, true);
	ok(m.fd < 0 && !is_there("moving-7"), "done: nothing is left");
	is_int(moving_begin(state, "web", 7, &m, &err), 0, "begin again");
	moving_end(state, &m, false);
	ok(!is_there("moving-7"), "failed, and put back: nothing is left");
}

static void test_killed(void)
{
	struct moving m = MOVING_NONE;
	struct error err = { 0 };
	pid_t pid = begin_elsewhere("web", 7);

	is_int(moving_begin(state, "web", 7, &m, &err), -EBUSY, "somebody else moves it");
	is_str(err.text, "web: another process is moving it", "which is said");
	ok(m.fd < 0, "the output is untouched by failure");
	is_int(moving_begin(state, "db", 8, &m, &err), 0, "another container can be moved meanwhile");
	is_int(cut_off(), 0, "none is cut off");
	moving_end(state, &m, true);
	kill_it(pid);
	is_int(cut_off(), 1, "killed: it is cut off");
	is_str(last, "web", "killed: its name is known");
	is_int(moving_begin(state, "web", 7, &m, &err), 0, "killed: the next may begin");
	is_int(cut_off(), 0, "then it is under way");
	moving_end(state, &m, false);
	is_int(cut_off(), 1, "and when that fails, cut off as before");
	is_int(moving_begin(state, "web", 7, &m, &err), 0, "once more");
	moving_end(state, &m, true);
	ok(!is_there("moving-7"), "done: nothing is left");
	is_int(moving_begin(state, "web", 7, &m, &err), 0, "begin");
	m.keep = true;
	moving_end(state, &m, false);
	is_int(cut_off(), 1, "failed, and not put back: it stays");
}

/* Killed before its name was written: nothing had been done. */
static void test_empty(void)
{
	cleanup_close int fd = -1;

	unlinkat(state, "moving-7", 0);
	fd = openat(state, "moving-9", O_WRONLY | O_CREAT, 0600);
	is_int(cut_off(), 0, "an empty note is none");
	cleanup_closep(&fd);
	fd = openat(state, "other", O_WRONLY | O_CREAT, 0600);
	ok(write(fd, "web", 3) == 3 && symlinkat("other", state, "moving-10") == 0 && cut_off() == 0,
	   "a symlink is not followed");
}

int main(void)
{
	char dir[] = "/tmp/numaplace-moving-XXXXXX", clean[128];

	if (!mkdtemp(dir))
		return 1;
	state = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_own();
	test_killed();
	test_empty();
	snprintf(clean, sizeof(clean), "rm -rf %s", dir);
	ok(system(clean) == 0, "cleaned up");
	return done();
}
