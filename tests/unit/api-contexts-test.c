/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Contexts of include/numaplace.h beside each other: two machines in one thread, two threads on one ledger, and a long
 * life: many calls leave no descriptor and no mapping behind.
 */
#include "include/numaplace.h"

#include "plugin/base/util.h"
#include "plugin/ledger/counters.h"
#include "plugin/ledger/ledger.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ROUNDS 100
#define BOOT "11111111-2222-3333-4444-555555555555"

static char dir[] = "/tmp/numaplace-api-XXXXXX";
static char one[64], two[64], state[64];

static void sh(const char *fmt, const char *a, const char *b)
{
	char line[300];

	snprintf(line, sizeof(line), fmt, a, b);
	if (system(line) != 0)
		diag("failed: %s", line);
}

/* The nodes that @np plans for @cpus CPUs. */
static void plan(struct numaplace *np, const char *cpus, char out[64])
{
	struct numaplace_request *r = NULL;
	struct numaplace_placement *p = NULL;

	out[0] = '\0';
	if (numaplace_request_new(np, &r) == 0 && numaplace_request_set(r, "limits.cpu", cpus) == 0 &&
	    numaplace_plan(np, r, NULL, &p) == 0)
		snprintf(out, 64, "%s|%s", numaplace_placement_nodes(p), numaplace_placement_cpus(p));
	numaplace_placement_free(p);
	numaplace_request_free(r);
}

static void count(void *arg, int priority, const char *line)
{
	(void)priority;
	(void)line;
	++*(unsigned int *)arg;
}

static void test_two(void)
{
	struct numaplace *a = NULL, *b = NULL;
	struct numaplace_request *r = NULL;
	unsigned int warned[2] = { 0 };
	char text[64];

	is_int(numaplace_open(&a, one, NULL, NULL, 0), 0, "two contexts: the first machine");
	is_int(numaplace_open(&b, two, NULL, NULL, 0), 0, "two contexts: the second machine");
	numaplace_set_log(a, count, &warned[0]);
	numaplace_set_log(b, count, &warned[1]);
	plan(a, "4", text);
	is_str(text, "0-1|0-3", "two contexts: a plan on the first machine");
	plan(b, "4", text);
	is_str(text, "1|16-19", "two contexts: a plan on the second machine");
	plan(a, "4", text);
	is_str(text, "0-1|0-3", "two contexts: the first machine again");
	numaplace_request_new(a, &r);
	is_int(numaplace_request_set(r, "limits.cpu", "x"), -EINVAL, "two contexts: an error on the first one");
	ok(*numaplace_error(a) && !*numaplace_error(b), "two contexts: each has its own error");
	numaplace_request_free(r);
	is_int((int)warned[0], 0, "two contexts: no warning on the first one");
	numaplace_close(a);
	plan(b, "12", text);
	is_str(text, "0|0-11", "two contexts: the second one after the first is closed");
	ok(warned[1] == 0 && warned[0] == 0, "two contexts: neither log has heard the other's warnings");
	numaplace_close(b);
}

/* --- threads --- */

static atomic_uint wrong;

static int none(void *arg, const struct numaplace_placement *p)
{
	(void)p;
	++*(unsigned int *)arg;
	return 0;
}

static void *work(void *arg)
{
	const char *root = arg;
	struct numaplace *np = NULL, *host = NULL;
	unsigned int listed;
	char text[64];

	wrong += numaplace_open(&np, root, state, NULL, 0) != 0;
	wrong += numaplace_open(&host, NULL, state, NULL, 0) != 0;
	for (int i = 0; i < ROUNDS; i++) {
		listed = 0;
		plan(np, "2", text);
		wrong += strcmp(text, root == one ? "0|0-1" : "1|16-17") != 0;
		wrong += numaplace_list(np, none, &listed) != 0 || listed != 0;
		wrong += numaplace_release(host, "crun", "web") != 0;
	}
	if (wrong)
		diag("%s: %s: %s, %s", root, text, numaplace_error(np), numaplace_error(host));
	numaplace_close(np);
	numaplace_close(host);
	return NULL;
}

/* POSIX locks do not exclude threads of one process from each other: a ledger that one has open is closed to the other. */
static void test_threads(void)
{
	pthread_t thread[4];

	for (int i = 0; i < 4; i++)
		if (pthread_create(&thread[i], NULL, work, i % 2 ? one : two) != 0)
			wrong++;
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	is_int(wrong, 0, "four threads with contexts of two machines and one ledger: all calls succeed");
}

/* --- a lock that another process holds --- */

static atomic_bool waiting = true;
static atomic_uint replaced;

static void on_signal(int sig)
{
	(void)sig;
}

/* Looks for a handler that replaces on_signal(), also for a short time. */
static void *watch(void *arg)
{
	struct sigaction now;

	while (waiting) {
		sigaction(SIGRTMAX - 2, NULL, &now);
		replaced += now.sa_handler != on_signal;
		usleep(100);
	}
	return arg;
}

/* Holds the ledger's lock for 300 ms. */
static pid_t hold(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 7 };
		const struct timespec time = { .tv_nsec = 300000000 };
		char path[80];
		int fd;

		snprintf(path, sizeof(path), "%s/lock", state);
		fd = open(path, O_RDWR);
		if (fcntl(fd, F_SETLK, &fl) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		nanosleep(&time, NULL);
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		diag("no lock");
	close(ready[0]);
	return pid;
}

static void test_lock(void)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct numaplace *np = NULL;
	pid_t pid = hold();
	pthread_t watcher;
	char text[64];
	int status;

	sigaction(SIGRTMAX - 2, &act, NULL);
	if (pthread_create(&watcher, NULL, watch, NULL) != 0)
		replaced++;
	is_int(numaplace_open(&np, one, state, NULL, 0), 0, "lock: a context");
	plan(np, "2", text);
	is_str(text, "0|0-1", "lock: a call waits for another process (%s)", numaplace_error(np));
	is_int(waitpid(pid, &status, WNOHANG) == pid || waitpid(pid, &status, 0) == pid ? status : -1, 0,
	       "lock: that process was not killed");
	waiting = false;
	pthread_join(watcher, NULL);
	is_int(replaced, 0, "lock: the caller's signal handler was not replaced");
	numaplace_close(np);
}

/* --- a long life --- */

static unsigned int descriptors(void)
{
	DIR *fds = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (fds && readdir(fds))
		n++;
	if (fds)
		closedir(fds);
	return n;
}

static unsigned int mappings_of_state(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned int n = 0;
	char line[1024];

	while (maps && fgets(line, sizeof(line), maps))
		n += strstr(line, dir) != NULL;
	if (maps)
		fclose(maps);
	return n;
}

static void test_life(void)
{
	cleanup_close int fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned int before = descriptors();
	char text[64];

	for (int i = 0; i < ROUNDS; i++) {
		struct numaplace *np = NULL;
		unsigned int n = 0;

		numaplace_open(&np, one, state, NULL, 0);
		plan(np, "2", text);
		plan(np, "x", text);
		numaplace_list(np, none, &n);
		numaplace_close(np);
		numaplace_open(&np, NULL, state, NULL, 0);
		numaplace_release(np, "crun", "web");
		numaplace_close(np);
		counters_add(fd, COUNT_RELEASED, 0);
	}
	is_int(descriptors(), before, "%d rounds leave no descriptor open", ROUNDS);
	is_int(mappings_of_state(), 0, "%d rounds leave no file of the state folder mapped", ROUNDS);
}

int main(void)
{
	cleanup_close int fd = -1;
	struct error err = { 0 };

	if (!mkdtemp(dir))
		return 1;
	snprintf(one, sizeof(one), "%s/one", dir);
	snprintf(two, sizeof(two), "%s/two", dir);
	snprintf(state, sizeof(state), "%s/run", dir);
	sh("tests/machines/make-machine -v root=%s tests/machines/plain-4x2-pairs.machine%s", one, "");
	sh("tests/machines/make-machine -v root=%s tests/machines/full-node.machine%s", two, "");
	mkdir(state, 0700);
	fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ledger_folder_mark(fd, &err);
	sh("touch %s/lock && chmod 600 %s/lock", state, state);
	test_two();
	test_threads();
	test_lock();
	test_life();
	sh("rm -rf %s%s", dir, "");
	return done();
}
