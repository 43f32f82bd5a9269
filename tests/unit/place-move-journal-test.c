/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * place/move-journal.c: the file of a move that succeeds, fails, or is killed. The repair of interrupted moves is tested in
 * the VM.
 */
#include "place/move-journal.h"
#include "plugin/base/util.h"
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

/* The number of interrupted moves. */
static unsigned int cut_off(void)
{
	told = 0;
	move_journal_each(state, hear, NULL);
	return told;
}

static bool is_there(const char *name)
{
	return faccessat(state, name, F_OK, 0) == 0;
}

/* A process that begins to move a container and then waits. */
static pid_t begin_elsewhere(const char *id, uint64_t inode)
{
	struct move_journal m = MOVE_JOURNAL_NONE;
	int ready[2];
	char word = 0;
	pid_t pid;

	if (pipe(ready) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(ready[0]);
		if (move_journal_begin(state, id, inode, &m, NULL) < 0 || write(ready[1], &word, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	ok(read(ready[0], &word, 1) == 1, "%s: another process has begun a move", id);
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
	struct move_journal m = MOVE_JOURNAL_NONE;
	struct error err = { 0 };

	move_journal_end(state, &m, true);
	is_int(move_journal_begin(state, "web", 7, &m, &err), 0, "move_journal_begin (%s)", err.text);
	ok(is_there("moving-7"), "a move in progress has a file");
	is_int(cut_off(), 0, "a move in progress is not interrupted");
	move_journal_end(state, &m, true);
	ok(m.fd < 0 && !is_there("moving-7"), "after a successful move, no file is left");
	is_int(move_journal_begin(state, "web", 7, &m, &err), 0, "a second move can begin after a successful one");
	move_journal_end(state, &m, false);
	ok(!is_there("moving-7"), "after a failed move that was undone, no file is left");
}

static void test_killed(void)
{
	struct move_journal m = MOVE_JOURNAL_NONE;
	struct error err = { 0 };
	pid_t pid = begin_elsewhere("web", 7);

	is_int(move_journal_begin(state, "web", 7, &m, &err), -EBUSY, "a container that another process moves is busy");
	is_str(err.text, "web: another process is moving it", "message for a container that is being moved");
	ok(m.fd < 0, "a busy container: the output is unchanged");
	is_int(move_journal_begin(state, "db", 8, &m, &err), 0, "a different container can be moved at the same time");
	is_int(cut_off(), 0, "two moves in progress: none is interrupted");
	move_journal_end(state, &m, true);
	kill_it(pid);
	is_int(cut_off(), 1, "mover killed: one interrupted move");
	is_str(last, "web", "mover killed: the container's id is reported");
	is_int(move_journal_begin(state, "web", 7, &m, &err), 0, "mover killed: another move can begin");
	is_int(cut_off(), 0, "mover killed: the second move is in progress, not interrupted");
	move_journal_end(state, &m, false);
	is_int(cut_off(), 1, "mover killed: interrupted again after the second move has failed");
	is_int(move_journal_begin(state, "web", 7, &m, &err), 0, "mover killed: a third move can begin");
	move_journal_end(state, &m, true);
	ok(!is_there("moving-7"), "mover killed: a successful third move removes the file");
	is_int(move_journal_begin(state, "web", 7, &m, &err), 0, "a fourth move can begin after a successful one");
	m.keep = true;
	move_journal_end(state, &m, false);
	is_int(cut_off(), 1, "a failed move that was not undone remains interrupted");
}

/* Killed before the id was written: nothing had been done. */
static void test_empty(void)
{
	cleanup_close int fd = -1;

	unlinkat(state, "moving-7", 0);
	fd = openat(state, "moving-9", O_WRONLY | O_CREAT, 0600);
	is_int(cut_off(), 0, "an empty file does not count as an interrupted move");
	cleanup_closep(&fd);
	fd = openat(state, "other", O_WRONLY | O_CREAT, 0600);
	ok(write(fd, "web", 3) == 3 && symlinkat("other", state, "moving-10") == 0 && cut_off() == 0,
	   "a symlink in place of the file is not followed");
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
	ok(system(clean) == 0, "the test's folder is removed");
	return done();
}
