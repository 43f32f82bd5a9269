/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger among processes that die, stop and fail: killed before each system call, with each call failing, killed at
 * random, stopped while holding the lock, two hundred at once, out of space; and the cost of a transaction with many
 * records.
 */
#include "tests/unit/ledger-kit.h"
#include "tests/unit/traced.h"

#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <time.h>

#ifdef __SANITIZE_ADDRESS__
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* --- actions of the child; 0: reported as done --- */

static int do_add(void *arg)
{
	cleanup_ledger struct ledger *l = NULL;

	(void)arg;
	if (ledger_open(kit.dir, &kit.topology, &kit.world, 1000, &l, NULL) < 0)
		return 2;
	return kit_add(l, "new", 100, NULL) < 0;
}

static int do_add_plain(void *arg)
{
	cleanup_record struct record r = { 0 };
	cleanup_ledger struct ledger *l = NULL;

	(void)arg;
	if (ledger_open(kit.dir, &kit.topology, &kit.world, 1000, &l, NULL) < 0)
		return 2;
	ledger_sweep(l, false, NULL);
	if (ledger_find(l, "oci", "new", &r, NULL) != -ENOENT)
		return 3;
	return kit_add(l, "new", 100, NULL) < 0;
}

static int do_replace(void *arg)
{
	cleanup_ledger struct ledger *l = NULL;
	cleanup_record struct record r = { 0 };

	(void)arg;
	if (ledger_open(kit.dir, &kit.topology, &kit.world, 1000, &l, NULL) < 0)
		return 2;
	kit_record("c1", 1, &r);
	idset_clear(&r.placement.share.held);
	r.placement.share.count += 5;
	return ledger_add(l, "oci", &r, NULL) < 0;
}

static int do_remove(void *arg)
{
	cleanup_ledger struct ledger *l = NULL;

	(void)arg;
	if (ledger_open(kit.dir, &kit.topology, &kit.world, 1000, &l, NULL) < 0)
		return 2;
	return kit_remove(l, "oci", "c1", NULL) < 0;
}

static int do_sweep(void *arg)
{
	cleanup_ledger struct ledger *l = NULL;

	(void)arg;
	kit_fate(2, LIFE_GONE, 0);
	kit_fate(3, LIFE_PLACED, 4711);
	kit_fate(4, LIFE_PLACED, 4711);
	if (ledger_open(kit.dir, &kit.topology, &kit.world, 1000, &l, NULL) < 0)
		return 2;
	return ledger_sweep(l, false, NULL) < 0;
}

static int do_open(void *arg)
{
	cleanup_ledger struct ledger *l = NULL;

	(void)arg;
	return ledger_open(kit.dir, &kit.topology, &kit.world, 1000, &l, NULL) < 0;
}

static int do_grow(void *arg)
{
	kit.topology.cpu_ids = 2 * KIT_CPUS;
	return do_open(arg);
}

static int do_boot(void *arg)
{
	kit.world.boot_id = "6f1c1f4e-0000-0000-0000-000000000009";
	return do_open(arg);
}

/* --- the ledger before the action, and the containers allowed after it --- */

/* Sums of more than a page are written in several steps. */
static void five_large(void)
{
	kit_fresh();
	kit.topology.cpu_ids = 4096;
	kit_add_five();
}

static void five_usage_lost(void)
{
	kit_five();
	unlinkat(kit.dir, "usage", 0);
}

static void five_damaged(void)
{
	kit_five();
	kit_write("usage", "x", 1);
	kit_write("containers/oci:c3", "y", 1);
}

static void five_folder_lost(void)
{
	int fd;

	kit_five();
	fd = openat(kit.dir, "containers", O_RDONLY | O_DIRECTORY);
	wipe(fd);
	close(fd);
	unlinkat(kit.dir, "containers", AT_REMOVEDIR);
}

/* A rebuild in steps: four of five containers have been read. */
static void five_in_steps(void)
{
	kit_five();
	wipe(kit.dir);
	kit.at_once = 2;
	ledger_close(kit_open());
	ledger_close(kit_open());
}

static void first_of_a_boot(void)
{
	kit_fresh();
	kit.begun = false;
}

static const struct scene {
	const char *name;
	void (*before)(void);
	int (*act)(void *arg);
	int least, most, done; /* containers afterwards: at least and at most if killed, and if reported as done */
} scenes[] = {
	{ "first ledger", kit_fresh, do_add, 0, 1, 1 },
	{ "add", kit_five, do_add_plain, 5, 6, 6 },
	{ "add with large sums", five_large, do_add, 5, 6, 6 },
	{ "replace", kit_five, do_replace, 5, 5, 5 },
	{ "remove", kit_five, do_remove, 4, 5, 4 },
	{ "sweep", kit_five, do_sweep, 4, 5, 4 },
	{ "more CPUs", kit_five, do_grow, 5, 5, 5 },
	{ "another boot", kit_five, do_boot, 0, 5, 0 },
	{ "lost usage file", five_usage_lost, do_open, 5, 5, 5 },
	{ "damaged files", five_damaged, do_open, 5, 5, 5 },
	{ "lost folder", five_folder_lost, do_open, 5, 5, 5 },
	{ "lost folder, rebuilt in steps", five_in_steps, do_open, 5, 5, 5 },
	{ "first ledger of a boot", first_of_a_boot, do_add, 0, 1, 1 },
};

/* Whether the ledger is valid after a child that was killed, or (@done_it) reported success. */
static bool stands(const struct scene *s, bool done_it)
{
	struct ledger *l;
	int n;

	if (s->act == do_boot)
		kit.world.boot_id = "6f1c1f4e-0000-0000-0000-000000000009";
	l = kit_open();
	for (int i = 0; l && i < 5 && ledger_ready(l, NULL) < 0; i++) {
		ledger_close(l);
		l = kit_open();
	}
	if (!l)
		return false;
	n = kit_count(l);
	if (s->act == do_boot)
		done_it = true; /* the next opening completes it */
	if (done_it ? n != s->done : n < s->least || n > s->most)
		diag("%s: %d containers", s->name, n);
	else
		n = kit_add(l, "after", 200, NULL) < 0 || kit_remove(l, "oci", "after", NULL) < 0 ? -3 : n;
	ledger_close(l);
	return done_it ? n == s->done : n >= s->least && n <= s->most;
}

static void test_killed(const struct scene *s)
{
	struct traced t = { .kill_at = -1, .fail_at = -1 };
	int n, bad = 0, killed = 0;

	s->before();
	run_traced(&t, s->act, NULL);
	n = t.calls;
	if (!ok(WIFEXITED(t.status) && WEXITSTATUS(t.status) == 0 && stands(s, true), "%s: succeeds in %d system calls",
		s->name, n))
		return;
	for (int i = 0; i < n; i++) {
		s->before();
		t.kill_at = i;
		run_traced(&t, s->act, NULL);
		killed += WIFSIGNALED(t.status) && WTERMSIG(t.status) == SIGKILL;
		/* the number of calls varies with malloc; then the child may end normally */
		if (!stands(s, WIFEXITED(t.status) && WEXITSTATUS(t.status) == 0)) {
			diag("killed at %d", i);
			bad++;
		}
	}
	ok(!bad && killed > n - 10, "%s: killed before each call (%d kills), the ledger is valid", s->name, killed);
}

static void test_failing(const struct scene *s)
{
	static const int errors[] = { EIO, ENOSPC, EACCES, EINTR, ENOMEM };
	struct traced t = { .kill_at = -1, .not_memory = SANITIZED };
	int bad = 0, runs = 0, n;

	t.fail_at = -1;
	s->before();
	run_traced(&t, s->act, NULL);
	n = t.calls;
	/* add is tested with each error at each call, the others with two of them */
	for (size_t e = 0; e < (s->act == do_add_plain ? ARRAY_SIZE(errors) : 2); e++) {
		for (int i = 0; i < n; i++, runs++) {
			t.fail_with = errors[((size_t)i + e) % ARRAY_SIZE(errors)];
			s->before();
			t.fail_at = i;
			run_traced(&t, s->act, NULL);
			if (!WIFEXITED(t.status) || !stands(s, WEXITSTATUS(t.status) == 0)) {
				diag("call %d failed with %s: status %x", i, strerror(t.fail_with),
				     (unsigned int)t.status);
				bad++;
			} else if (s->act == do_add_plain && WEXITSTATUS(t.status) && kit_has("new")) {
				diag("call %d failed with %s: reported as failed, but recorded", i,
				     strerror(t.fail_with));
				bad++;
			}
		}
	}
	is_int(bad, 0, "%s: with each call failing (%d runs), the ledger is valid", s->name, runs);
}

/* --- without a tracer, at random times --- */

static void churn(uint64_t seed)
{
	for (;;) {
		struct ledger *l = NULL;
		char id[16];

		if (ledger_open(kit.dir, &kit.topology, &kit.world, 5000, &l, NULL) < 0)
			_exit(1);
		for (int i = 0; i < 3; i++) {
			snprintf(id, sizeof(id), "r%d", (int)random_below(&seed, 20));
			if (random_below(&seed, 2))
				kit_add(l, id, 1 + random_below(&seed, 3), NULL);
			else
				kit_remove(l, "oci", id, NULL);
		}
		ledger_close(l);
	}
}

static void test_killed_at_random(void)
{
	uint64_t seed = 99;
	int bad = 0, died = 0;

	kit_fresh();
	for (int i = 0; i < 300; i++) {
		struct timespec nap = { .tv_nsec = (long)random_below(&seed, 4000000) };
		pid_t pid = fork();
		int status;

		if (pid == 0)
			churn(seed);
		nanosleep(&nap, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		died += WIFSIGNALED(status);
		bad += kit_reopen() < 0;
	}
	is_int(died, 300, "random kills: 300 processes killed during transactions");
	is_int(bad, 0, "random kills: the sums are right after each");
}

/* --- many processes at once --- */

static int first_free(const struct usage *u)
{
	for (unsigned int id = 0; id < u->cpu_ids; id++)
		if (!u->exclusive[id])
			return (int)id;
	return -1;
}

/* Takes the first CPU that is not held, as a decision does. */
static int take_one(int i)
{
	cleanup_ledger struct ledger *l = NULL;
	cleanup_record struct record r = { 0 };
	struct error err = { 0 };
	char id[16];
	int cpu;

	if (ledger_open(kit.dir, &kit.topology, &kit.world, 20000, &l, &err) < 0) {
		fprintf(stderr, "# %s\n", err.text);
		return 1;
	}
	cpu = first_free(ledger_usage(l));
	snprintf(id, sizeof(id), "p%d", i);
	kit_record(id, (uint64_t)i + 1, &r);
	idset_clear(&r.placement.share.cpus);
	idset_add(&r.placement.share.cpus, (unsigned int)cpu);
	r.placement.share.held = r.placement.share.cpus;
	return cpu < 0 || ledger_add(l, "oci", &r, &err) < 0 || ledger_message(l, 0) != NULL;
}

static void test_crowd(void)
{
	int bad = 0, twice = 0, status;
	struct ledger *l;

	kit_fresh();
	ledger_close(kit_open());
	for (int i = 0; i < 200; i++)
		if (fork() == 0)
			_exit(take_one(i));
	for (int i = 0; i < 200; i++)
		bad += wait(&status) < 0 || status != 0;
	is_int(bad, 0, "200 processes at once: each adds a record");
	l = kit_open();
	is_int(kit_count(l), 200, "200 processes at once: no record is lost");
	for (unsigned int id = 0; id < KIT_CPUS; id++)
		twice += ledger_usage(l)->exclusive[id] != (id < 200);
	is_int(twice, 0, "200 processes at once: no CPU is given twice");
	ledger_close(l);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* A child that takes the lock and then calls @what. */
static pid_t holder(void (*what)(void))
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready) < 0 || (pid = fork()) < 0)
		abort();
	if (pid == 0) {
		struct ledger *l = kit_open();

		kit_add(l, "held", 77, NULL);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		what();
		ledger_close(l);
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		abort();
	close(ready[0]);
	return pid;
}

static void stop(void)
{
	raise(SIGSTOP);
}

static void nap(void)
{
	usleep(200000);
}

static void test_stopped_holder(void)
{
	struct sigaction before, after;
	struct ledger *l = NULL;
	struct error err = { 0 };
	sigset_t mask_before, mask_after;
	int status, signo = SIGRTMAX - 2;
	uint64_t start;
	pid_t pid;

	kit_fresh();
	pid = holder(stop);
	is_int(ledger_open(kit.dir, &kit.topology, &kit.world, 0, &l, &err), -ETIMEDOUT,
	       "stopped holder: time-out without waiting: %s", err.text);
	is_int(waitpid(pid, &status, WNOHANG), 0, "stopped holder: not killed by a caller that does not wait");
	sigaction(signo, NULL, &before);
	sigprocmask(SIG_SETMASK, NULL, &mask_before);
	start = now_ms();
	is_int(ledger_open(kit.dir, &kit.topology, &kit.world, 300, &l, &err), 0,
	       "stopped holder: the lock is taken after a wait");
	ok(now_ms() - start >= 300 && now_ms() - start < 5000, "stopped holder: the wait is the time-out: %d ms",
	   (int)(now_ms() - start));
	ok(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	   "stopped holder: killed after the time-out");
	ok(kit_says(l, "killed process"), "stopped holder: the kill is reported: %s", ledger_message(l, 0));
	is_int(kit_count(l), 1, "stopped holder: its record is kept");
	ledger_close(l);
	sigaction(signo, NULL, &after);
	sigprocmask(SIG_SETMASK, NULL, &mask_after);
	ok(before.sa_handler == after.sa_handler && sigismember(&mask_before, signo) == sigismember(&mask_after, signo),
	   "stopped holder: signal handler and mask are restored");

	pid = holder(nap);
	start = now_ms();
	l = NULL;
	is_int(ledger_open(kit.dir, &kit.topology, &kit.world, 5000, &l, &err), 0,
	       "slow holder: the lock is taken after a wait");
	ok(now_ms() - start < 2000, "slow holder: the wait is no longer than needed: %d ms", (int)(now_ms() - start));
	ok(!ledger_message(l, 0), "slow holder: no kill is reported");
	ledger_close(l);
	waitpid(pid, &status, 0);
	is_int(status, 0, "slow holder: it is not killed");
}

/* Each holder is quick, but the last one waits much longer than the time-out in total. */
static void test_changing_holders(void)
{
	int bad = 0, status;

	kit_fresh();
	ledger_close(kit_open());
	for (int i = 0; i < 30; i++) {
		struct ledger *l = NULL;

		if (fork())
			continue;
		for (int k = 0; k < 2; k++) { /* the same process takes the lock again */
			if (ledger_open(kit.dir, &kit.topology, &kit.world, 400, &l, NULL) < 0)
				_exit(1);
			usleep(20000);
			if (ledger_message(l, 0))
				_exit(2);
			ledger_close(l);
		}
		_exit(0);
	}
	for (int i = 0; i < 30; i++)
		bad += wait(&status) < 0 || status != 0;
	is_int(bad, 0, "30 holders in turn, for longer than the time-out in total: all get the lock, none is killed");
}

/* --- a holder that releases the lock when another process is about to kill it --- */

static struct {
	pid_t pid;
	int tell, hear;
	int step;
} late;

/* Takes the lock, releases it, takes it again and releases it, each when signalled through the pipe. */
static void hold_twice(int told, int tells)
{
	char c;

	for (int i = 0; i < 2; i++) {
		struct ledger *l = kit_open();

		if (write(tells, "x", 1) != 1 || read(told, &c, 1) != 1)
			_exit(1);
		ledger_close(l);
	}
	if (write(tells, "x", 1) != 1)
		_exit(1);
	_exit(0);
}

/* A holder that was killed does not answer. */
static void next_step(void)
{
	char c = 'x';

	if (write(late.tell, &c, 1) == 1 && read(late.hear, &c, 1) < 0)
		diag("no answer");
	late.step++;
}

/*
 * When the waiting process opens a pidfd, the holder releases the lock and takes it again; it continues when the lock
 * has been examined.
 */
static void let_go(unsigned long long nr)
{
	if (late.step == 0 && nr == SYS_pidfd_open)
		next_step();
	else if (late.step == 1 && nr == SYS_fcntl)
		late.step++;
	else if (late.step == 2 && nr == SYS_fcntl)
		next_step();
}

static int do_wait(void *arg)
{
	struct ledger *l = NULL;

	(void)arg;
	if (ledger_open(kit.dir, &kit.topology, &kit.world, 200, &l, NULL) < 0)
		return 2;
	if (ledger_message(l, 0))
		return 3;
	ledger_close(l);
	return 0;
}

static void test_late_to_kill(void)
{
	struct traced t = { .kill_at = -1, .fail_at = -1, .watch = let_go };
	int to[2], from[2], status;
	char c;

	kit_fresh();
	ledger_close(kit_open());
	if (pipe(to) < 0 || pipe(from) < 0 || (late.pid = fork()) < 0)
		abort();
	if (late.pid == 0) {
		close(to[1]);
		close(from[0]);
		hold_twice(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	late.tell = to[1];
	late.hear = from[0];
	signal(SIGPIPE, SIG_IGN);
	is_int(read(late.hear, &c, 1), 1, "late kill: the holder has the lock");
	run_traced(&t, do_wait, NULL);
	is_int(t.status, 0, "late kill: the waiting process gets the lock and reports nothing");
	is_int(late.step, 3, "late kill: the waiting process was about to kill");
	ok(waitpid(late.pid, &status, 0) == late.pid && status == 0,
	   "late kill: a holder that has taken the lock again is not killed");
	signal(SIGPIPE, SIG_DFL);
	close(late.tell);
	close(late.hear);
}

static void test_lock_taken_away(void)
{
	struct ledger *l = NULL;
	pid_t pid;

	kit_fresh();
	pid = holder(nap);
	if (fork() == 0) {
		usleep(50000);
		_exit(unlinkat(kit.dir, "lock", 0));
	}
	is_int(ledger_open(kit.dir, &kit.topology, &kit.world, 5000, &l, NULL), 0,
	       "removed lock file: a waiting process gets the lock");
	is_int(faccessat(kit.dir, "lock", F_OK, 0), 0, "removed lock file: there is a new one");
	ledger_close(l);
	(void)pid;
	while (wait(NULL) > 0)
		;
}

/* --- no space --- */

static int add_until_full(void *arg)
{
	struct rlimit limit = { 200, 200 };

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	return do_add(arg) == 1 ? 0 : 1;
}

/* Runs in a mount namespace with a nearly full folder. */
static int on_tiny_tmpfs(void *arg)
{
	char id[300], fd_path[64];
	int dir, refused = 0, added = 0;
	struct ledger *l = NULL;

	(void)arg;
	kit_forget_live();
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 77;
	snprintf(fd_path, sizeof(fd_path), "%s", kit.path);
	if (mount("tmpfs", fd_path, "tmpfs", 0, "size=64k,mode=0700") < 0)
		return 77;
	dir = open(fd_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dup2(dir, kit.dir);
	l = kit_open();
	for (uint64_t i = 1; i <= 40; i++) {
		snprintf(id, sizeof(id), "%d", (int)i);
		if (kit_add(l, id, i, NULL) == 0)
			added++;
		else
			refused++;
	}
	diag("%d added, %d refused", added, refused);
	if (!added || !refused || kit_count(l) != added)
		return 1;
	if (kit_remove(l, "oci", "1", NULL) < 0 || kit_add(l, "1", 1, NULL) < 0 || kit_count(l) != added)
		return 2;
	ledger_close(l);
	l = kit_open();
	if (ledger_message(l, 0) || kit_count(l) != added)
		return 3;
	ledger_close(l);
	unlinkat(kit.dir, "usage", 0);
	return kit_reopen() == added ? 0 : 4;
}

static int in_child(int (*fn)(void *))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
	{
			int r = fn(NULL);

			fflush(stdout);
			_exit(r);
		}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_no_space(void)
{
	int r;

	kit_five();
	is_int(in_child(add_until_full), 0, "file size limit: an addition is refused");
	is_int(kit_reopen(), 5, "file size limit: the ledger is unchanged");
	r = in_child(on_tiny_tmpfs);
	if (r == 77)
		ok(true, "full file system # SKIP needs permission to mount");
	else
		is_int(r, 0, "full file system: what fits is added, the rest refused, and the sums are right");
}

/* --- cost --- */

static int do_transaction(void *arg)
{
	cleanup_ledger struct ledger *l = NULL;
	cleanup_record struct record r = { 0 };

	(void)arg;
	if (ledger_open(kit.dir, &kit.topology, &kit.world, 1000, &l, NULL) < 0)
		return 2;
	if (ledger_sweep(l, false, NULL) < 0)
		return 3;
	ledger_find(l, "oci", "x", &r, NULL);
	return kit_add(l, "x", 123456, NULL) < 0 || kit_remove(l, "oci", "x", NULL) < 0;
}

static void test_cost(void)
{
	static const int sizes[] = { 0, 20, 100, 1000, 10000 };
	int calls[5];
	struct ledger *l;
	int n = 0;

	kit_fresh();
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct traced t = { .kill_at = -1, .fail_at = -1 };

		l = kit_open();
		for (; n < sizes[i]; n++) {
			char id[16];

			snprintf(id, sizeof(id), "n%d", n);
			kit_add(l, id, (uint64_t)n + 1, NULL);
		}
		ledger_close(l);
		run_traced(&t, do_transaction, NULL);
		/* A sanitizer allocates memory at any time. */
		calls[i] = t.calls - t.memory;
		is_int(t.status, 0,
		       "cost with %d containers: sweep, find, add and remove take %d system calls, and %d for memory",
		       sizes[i], calls[i], t.memory);
	}
	ok(calls[0] <= 45, "cost with no containers: at most 45 system calls");
	ok(calls[4] <= calls[1] + 5, "cost with 10000 containers: as with 20");
	l = kit_open();
	is_int(kit_count(l), 10000, "cost: 10000 containers are in the ledger and in the sums");
	ledger_close(l);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(scenes); i++)
		test_killed(&scenes[i]);
	for (size_t i = 0; CAN_INJECT && i < ARRAY_SIZE(scenes); i++)
		test_failing(&scenes[i]);
	test_killed_at_random();
	test_crowd();
	test_stopped_holder();
	test_changing_holders();
	test_late_to_kill();
	test_lock_taken_away();
	test_no_space();
	test_cost();
	kit_end();
	return done();
}
