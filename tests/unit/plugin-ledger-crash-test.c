/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger among processes that die, stop and fail: killed before each of
 * its system calls, each of them failing, killed at random, stopped with the lock,
 * two hundred at once, out of space; and what a transaction costs with many.
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

/* --- what the children do; 0: it was reported as done --- */

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

/* --- how it stands before, and what may be there after --- */

static void fill_five(void)
{
	char id[16];
	struct ledger *l;

	l = kit_open();
	for (int i = 1; i <= 5; i++) {
		snprintf(id, sizeof(id), "c%d", i);
		kit_add(l, id, (uint64_t)i, NULL);
		kit_make_live(id, (uint64_t)i);
	}
	ledger_close(l);
}

static void five(void)
{
	kit_fresh();
	fill_five();
}

/* Sums of more than a page are written in steps. */
static void five_large(void)
{
	kit_fresh();
	kit.topology.cpu_ids = 4096;
	fill_five();
}

static void five_usage_lost(void)
{
	five();
	unlinkat(kit.dir, "usage", 0);
}

static void five_damaged(void)
{
	five();
	kit_write("usage", "x", 1);
	kit_write("containers/oci:c3", "y", 1);
}

static void five_folder_lost(void)
{
	int fd;

	five();
	fd = openat(kit.dir, "containers", O_RDONLY | O_DIRECTORY);
	wipe(fd);
	close(fd);
	unlinkat(kit.dir, "containers", AT_REMOVEDIR);
}

/* Collected in steps: four of five are known. */
static void five_in_steps(void)
{
	five();
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
	int least, most, done; /* containers afterwards: when cut off, and when it was reported as done */
} scenes[] = {
	{ "the first of all", kit_fresh, do_add, 0, 1, 1 },
	{ "add", five, do_add_plain, 5, 6, 6 },
	{ "add, large sums", five_large, do_add, 5, 6, 6 },
	{ "replace", five, do_replace, 5, 5, 5 },
	{ "remove", five, do_remove, 4, 5, 4 },
	{ "sweep", five, do_sweep, 4, 5, 4 },
	{ "growth", five, do_grow, 5, 5, 5 },
	{ "another boot", five, do_boot, 0, 5, 0 },
	{ "usage lost", five_usage_lost, do_open, 5, 5, 5 },
	{ "damaged", five_damaged, do_open, 5, 5, 5 },
	{ "folder lost", five_folder_lost, do_open, 5, 5, 5 },
	{ "lost, collected in steps", five_in_steps, do_open, 5, 5, 5 },
	{ "the first of a boot", first_of_a_boot, do_add, 0, 1, 1 },
};

/* Whether all is well after a child that was cut off (@done: that said so). */
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
		done_it = true; /* the next to open does it */
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
	if (!ok(WIFEXITED(t.status) && WEXITSTATUS(t.status) == 0 && stands(s, true), "%s: %d system calls", s->name,
		n))
		return;
	for (int i = 0; i < n; i++) {
		s->before();
		t.kill_at = i;
		run_traced(&t, s->act, NULL);
		killed += WIFSIGNALED(t.status) && WTERMSIG(t.status) == SIGKILL;
		/* a few more or less are malloc's: then the last ones end well */
		if (!stands(s, WIFEXITED(t.status) && WEXITSTATUS(t.status) == 0)) {
			diag("killed at %d", i);
			bad++;
		}
	}
	ok(!bad && killed > n - 10, "%s: killed before each of them (%d), the ledger is right", s->name, killed);
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
	/* an addition meets each error at each call; the others take turns */
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
	is_int(bad, 0, "%s: each call failing (%d runs), the ledger is right", s->name, runs);
}

/* --- without a tracer: at random --- */

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
	is_int(died, 300, "300 killed at random in a row of transactions");
	is_int(bad, 0, "the sums are right after each");
}

/* --- many at once --- */

static int first_free(const struct usage *u)
{
	for (unsigned int id = 0; id < u->cpu_ids; id++)
		if (!u->exclusive[id])
			return (int)id;
	return -1;
}

/* Takes the first CPU that nobody holds, as a decision does. */
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
	is_int(bad, 0, "200 processes at once, each placing one");
	l = kit_open();
	is_int(kit_count(l), 200, "none is lost");
	for (unsigned int id = 0; id < KIT_CPUS; id++)
		twice += ledger_usage(l)->exclusive[id] != (id < 200);
	is_int(twice, 0, "no CPU is granted twice");
	ledger_close(l);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* A child that has the lock, and then does @what. */
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
	is_int(ledger_open(kit.dir, &kit.topology, &kit.world, 0, &l, &err), -ETIMEDOUT, "without waiting: %s",
	       err.text);
	is_int(waitpid(pid, &status, WNOHANG), 0, "nobody is killed");
	sigaction(signo, NULL, &before);
	sigprocmask(SIG_SETMASK, NULL, &mask_before);
	start = now_ms();
	is_int(ledger_open(kit.dir, &kit.topology, &kit.world, 300, &l, &err), 0,
	       "a holder that is stopped is waited for");
	ok(now_ms() - start >= 300 && now_ms() - start < 5000, "for as long as was said: %d ms",
	   (int)(now_ms() - start));
	ok(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "and killed then");
	ok(kit_says(l, "killed process"), "which is told: %s", ledger_message(l, 0));
	is_int(kit_count(l), 1, "what it had added is there");
	ledger_close(l);
	sigaction(signo, NULL, &after);
	sigprocmask(SIG_SETMASK, NULL, &mask_after);
	ok(before.sa_handler == after.sa_handler && sigismember(&mask_before, signo) == sigismember(&mask_after, signo),
	   "the signals are as they were");

	pid = holder(nap);
	start = now_ms();
	l = NULL;
	is_int(ledger_open(kit.dir, &kit.topology, &kit.world, 5000, &l, &err), 0, "one that is slow is waited for");
	ok(now_ms() - start < 2000, "and no longer than needed: %d ms", (int)(now_ms() - start));
	ok(!ledger_message(l, 0), "and not killed");
	ledger_close(l);
	waitpid(pid, &status, 0);
	is_int(status, 0, "it ended well");
}

/* Each is quick, but the last waits much longer than the timeout in all. */
static void test_changing_holders(void)
{
	int bad = 0, status;

	kit_fresh();
	ledger_close(kit_open());
	for (int i = 0; i < 30; i++) {
		struct ledger *l = NULL;

		if (fork())
			continue;
		for (int k = 0; k < 2; k++) { /* the same process comes again */
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
	is_int(bad, 0, "30 that hold it in turn, longer in all than the timeout: none is killed, all get it");
}

/* --- a holder that lets go while another is about to kill it --- */

static struct {
	pid_t pid;
	int tell, hear;
	int step;
} late;

/* Holds it; lets go and takes it again; lets go: each when it is told to. */
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

/* One that was killed says nothing. */
static void next_step(void)
{
	char c = 'x';

	if (write(late.tell, &c, 1) == 1 && read(late.hear, &c, 1) < 0)
		diag("nothing is heard");
	late.step++;
}

/* Another holding by the time that the process is pinned; which goes on until that has been looked at. */
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
	is_int(read(late.hear, &c, 1), 1, "a holder");
	run_traced(&t, do_wait, NULL);
	is_int(t.status, 0, "who was about to kill it gets the lock, and has nothing to tell");
	is_int(late.step, 3, "it was about to");
	ok(waitpid(late.pid, &status, 0) == late.pid && status == 0,
	   "a process that let go in between is not killed for what it holds now");
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
	       "lock taken away while it is waited for");
	is_int(faccessat(kit.dir, "lock", F_OK, 0), 0, "what we hold is what others find");
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

/* In a mount namespace of its own: a folder that is nearly full. */
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

	five();
	is_int(in_child(add_until_full), 0, "a limit on file size: refused, not half done");
	is_int(kit_reopen(), 5, "and nothing has changed");
	r = in_child(on_tiny_tmpfs);
	if (r == 77)
		ok(true, "a full file system # SKIP needs the right to mount");
	else
		is_int(r, 0, "a full file system: what fits is in, what does not is refused, the sums are right");
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
		/* A sanitizer asks for memory when it likes. */
		calls[i] = t.calls - t.memory;
		is_int(t.status, 0, "%d containers: sweep, find, add, remove are %d system calls, and %d for memory",
		       sizes[i], calls[i], t.memory);
	}
	ok(calls[0] <= 45, "with none: not many");
	ok(calls[4] <= calls[1] + 5, "with ten thousand: as many as with twenty");
	l = kit_open();
	is_int(kit_count(l), 10000, "all ten thousand are there, and summed");
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
