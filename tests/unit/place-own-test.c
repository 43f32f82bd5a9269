/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a cgroup is one container's own. First the verdict over every combination of facts, against the rule written
 * differently; then the facts on a real cgroup2: containers of two processes each, and this process, are moved, killed
 * and marked at random in trees of cgroups, and compared with a model. NUMAPLACE_SEED repeats a run.
 */
#include "place/marks.h"
#include "cgroup/own.h"
#include "cgroup/text.h"
#include "plugin/base/file.h"
#include "plugin/base/util.h"
#include "tests/unit/cgroup2.h"
#include "tests/unit/tap.h"
#include "tests/unit/traced.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sys/xattr.h>

/* --- the verdict --- */

static struct own_facts facts_of(unsigned int n)
{
	return (struct own_facts){
		.root = n & 1, .member = n & 2, .listed = n & 4, .caller = n & 8, .stranger = n & 16, .child = n & 32,
		.mark = (enum own_mark)(n >> 6),
	};
}

static void test_verdict(void)
{
	unsigned int wrong_start = 0, wrong_placed = 0, marked = 0, yes = 0;

	for (unsigned int n = 0; n < 3 * 64; n++) {
		const struct own_facts f = facts_of(n);
		bool alone = f.member && f.listed && !f.root && !f.caller && !f.stranger && !f.child;
		bool placed = !f.root && f.member && f.mark == OWN_MARK_SAME && !f.child;

		wrong_start += (own_judge_start(&f) == OWN_YES) != alone;
		wrong_placed += (own_judge_placed(&f) == OWN_YES) != placed;
		yes += own_judge_start(&f) == OWN_YES;
		/* Where another container may be the cause, the verdict names it. */
		marked += own_judge_start(&f) == OWN_MARKED;
	}
	is_int(wrong_start, 0, "verdict at start: yes if and only if the container is alone in the cgroup");
	is_int(wrong_placed, 0,
	       "verdict later: yes if and only if it has the container's mark and no other container below");
	is_int(yes, 3, "verdict at start: yes for one combination of facts, with each mark");
	is_int(marked, 7, "verdict at start: the other container's mark is the reason if that may be alive");
}

static void test_mark(void)
{
	struct record r = { .id = "web", .runtime = "crun", .cgroup_inode = 7 };

	is_int(own_mark_of(NULL, 7, "oci", "web"), OWN_MARK_NONE, "own_mark_of: no mark");
	is_int(own_mark_of(&r, 7, "oci", "web"), OWN_MARK_SAME, "own_mark_of: this container's");
	is_int(own_mark_of(&r, 8, "oci", "web"), OWN_MARK_NONE, "own_mark_of: made for another inode");
	is_int(own_mark_of(&r, 7, "oci", "we"), OWN_MARK_OTHER, "own_mark_of: another id");
	is_int(own_mark_of(&r, 7, "lxc", "web"), OWN_MARK_OTHER, "own_mark_of: another runtime class");
}

/* --- a model of which process is where --- */

#define DIRS 7
#define CONTAINERS 3
#define STEPS 1000

/* Two trees; a .inner is LXC's inner cgroup. */
static const char *const dirs[DIRS] = { "a", "a/b", "a/b/c", "a/.inner", "d", "d/.inner", "d/.inner/e" };
static const int above[DIRS] = { -1, 0, 1, 0, -1, 4, 5 };

static struct cgroup2 own;
static struct {
	pid_t pid[2]; /* the first process and its child */
	int at[2];    /* index of its cgroup; -1: the test's own */
} container[CONTAINERS];
static int self_at; /* this process; -1: not in the trees */
static unsigned int seed;

static unsigned int rnd(unsigned int n)
{
	return (unsigned int)rand_r(&seed) % n;
}

static bool move_into(const char *dir, pid_t pid)
{
	char path[NAME_MAX + 32], text[16];
	cleanup_close int fd = -1;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	fd = openat(own.folder, path, O_WRONLY | O_CLOEXEC);
	snprintf(text, sizeof(text), "%d", (int)pid);
	return fd >= 0 && write(fd, text, strlen(text)) > 0;
}

static bool move_to(int at, pid_t pid)
{
	return move_into(at < 0 ? "." : dirs[at], pid);
}

/* Starts a container's first process, which has a child. */
static void begin(int c)
{
	int pipes[2];
	pid_t child = 0;

	if (pipe(pipes) < 0)
		return;
	container[c].pid[0] = fork();
	if (container[c].pid[0] == 0) {
		child = fork();
		if (child == 0)
			for (;;)
				pause();
		if (write(pipes[1], &child, sizeof(child)) != sizeof(child))
			_exit(1);
		for (;;)
			pause();
	}
	if (read(pipes[0], &child, sizeof(child)) != sizeof(child))
		diag("container %d: no child", c);
	close(pipes[0]);
	close(pipes[1]);
	container[c].pid[1] = child;
	for (int i = 0; i < 2; i++)
		container[c].at[i] = move_to(-1, container[c].pid[i]) ? -1 : -2;
}

static void end(int c)
{
	/* The child first, or it becomes an orphan. This process is their subreaper (see main) and waits for both. */
	kill(container[c].pid[1], SIGKILL);
	kill(container[c].pid[0], SIGKILL);
	waitpid(container[c].pid[0], NULL, 0);
	waitpid(container[c].pid[1], NULL, 0);
}

static bool is_below(int dir, int top)
{
	for (; dir >= 0; dir = above[dir])
		if (dir == top)
			return true;
	return false;
}

/* Whether @dir has only processes of container @c, and nothing below it except in @inner's tree. */
static bool model_alone(int dir, int inner, int c)
{
	for (int k = 0; k < CONTAINERS; k++)
		for (int i = 0; i < 2; i++) {
			int at = container[k].at[i];

			if (at == dir && k != c)
				return false;
			if (at != dir && is_below(at, dir) && (inner < 0 || !is_below(at, inner)))
				return false;
		}
	return self_at != dir && (self_at < 0 || !is_below(self_at, dir) || (inner >= 0 && is_below(self_at, inner)));
}

static bool model_owned(int c, bool lxc)
{
	int dir = container[c].at[0];

	if (dir < 0)
		return false;
	if (!model_alone(dir, -1, c))
		return false;
	if (lxc && strcmp(strrchr(dirs[dir], '/') ? strrchr(dirs[dir], '/') : "", "/.inner") == 0)
		return model_alone(above[dir], dir, c);
	return true;
}

static void mark_cgroup(const char *dir, const char *id)
{
	char path[PATH_MAX];
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	struct record r = { .runtime = "runc" };
	struct place_env env = { .state = -1 };
	struct error err = { 0 };

	snprintf(path, sizeof(path), "%s/%s", own.top, dir);
	if (cgroup_open(own.mount, path, &c, &err) < 0) {
		diag("%s", err.text);
		return;
	}
	snprintf(r.id, sizeof(r.id), "%s", id);
	r.cgroup = path;
	r.cgroup_inode = c.inode;
	request_init(&r.request);
	nodeset_add(&r.placement.nodes, 0);
	nodeset_add(&r.placement.mems, 0);
	idset_add(&r.placement.share.cpus, 0);
	r.placement.share.count = 1;
	if (marks_set(&env, &c, &r, NULL, 0, &err) < 0)
		diag("mark %s: %s", dir, err.text);
}

static void mark(int dir, const char *id)
{
	mark_cgroup(dirs[dir], id);
}

static void unmark_all(void)
{
	for (int n = 0; n < DIRS; n++) {
		cleanup_close int fd = openat(own.folder, dirs[n], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		fremovexattr(fd, CGROUP_XATTR_RECORD);
	}
}

static bool check(int c, bool lxc)
{
	cleanup_cgroup_dir struct cgroup_dir found = CGROUP_DIR_NONE;
	cleanup_own_mark struct record *carried = NULL;
	struct error err = { 0 };
	char id[8], want[PATH_MAX];
	int dir = container[c].at[0], rc;
	bool wanted = model_owned(c, lxc);

	if (cgroup_of_pid(own.mount, container[c].pid[0], &found, &err) < 0) {
		diag("cgroup_of_pid: %s", err.text);
		return false;
	}
	snprintf(id, sizeof(id), "c%d", c);
	rc = own_at_start(own.mount, &(struct own_start){ container[c].pid[0], lxc ? "lxc" : "oci", id, ".inner", false },
			  &found, &carried, &err);
	if (dir >= 0) {
		const char *last = strrchr(dirs[dir], '/');
		bool out = wanted && lxc && last && strcmp(last, "/.inner") == 0;

		snprintf(want, sizeof(want), "%s/%s", own.top, dirs[out ? above[dir] : dir]);
	}
	if ((rc == 0) == wanted && found.owned == wanted && (!wanted || strcmp(found.path, want) == 0))
		return true;
	diag("seed: container %d (%s) in %s: %d %s, wanted %d at %s", c, lxc ? "lxc" : "oci", dir < 0 ? "." : dirs[dir],
	     rc, err.text, wanted, want);
	for (int k = 0; k < CONTAINERS; k++)
		diag("container %d at %d, %d; self at %d", k, container[k].at[0], container[k].at[1], self_at);
	return false;
}

static void step(void)
{
	int c = (int)rnd(CONTAINERS), i = (int)rnd(2), dir = (int)rnd(DIRS + 1) - 1;
	char id[8];

	switch (rnd(12)) {
	case 0:
		end(c);
		begin(c);
		break;
	case 1:
		if (move_to(dir, getpid()))
			self_at = dir;
		break;
	case 2:
		snprintf(id, sizeof(id), "c%u", rnd(CONTAINERS));
		if (dir >= 0)
			mark(dir, id);
		break;
	case 3: /* the whole container, as at its start */
		for (i = 0; i < 2; i++)
			if (move_to(dir, container[c].pid[i]))
				container[c].at[i] = dir;
		break;
	default:
		if (move_to(dir, container[c].pid[i]))
			container[c].at[i] = dir;
	}
}

static void test_model(void)
{
	unsigned int wrong = 0, owned[2] = { 0 };
	const char *given = getenv("NUMAPLACE_SEED");

	seed = given ? (unsigned int)strtoul(given, NULL, 10) : (unsigned int)getpid();
	diag("NUMAPLACE_SEED=%u", seed);
	self_at = -1;
	for (int c = 0; c < CONTAINERS; c++)
		begin(c);
	for (int n = 0; n < STEPS && wrong < 5; n++) {
		int c = (int)rnd(CONTAINERS);
		bool lxc = n & 1;

		step();
		wrong += !check(c, lxc);
		owned[lxc] += model_owned(c, lxc);
	}
	is_int(wrong, 0, "model: %d random steps give the same verdicts", STEPS);
	ok(owned[0] > STEPS / 50 && owned[0] < STEPS / 2, "model: %u times the cgroup was the container's own",
	   owned[0]);
	ok(owned[1] > STEPS / 50 && owned[1] < STEPS / 2, "model: %u times with LXC's inner cgroup", owned[1]);
	move_to(-1, getpid());
	for (int c = 0; c < CONTAINERS; c++)
		end(c);
}

/* --- messages, and cases that the model does not cover --- */

static int start(pid_t pid, const char *class, const char *id, const char *inner, struct cgroup_dir *c,
		 struct error *err)
{
	cleanup_own_mark struct record *carried = NULL;
	int rc = cgroup_of_pid(own.mount, pid, c, err);

	return rc < 0 ? rc : own_at_start(own.mount, &(struct own_start){ pid, class, id, inner, false }, c, &carried,
						     err);
}

static void put(const char *file, const char *text)
{
	cleanup_close int fd = openat(own.folder, file, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		diag("%s: not written", file);
}

static void test_messages(void)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	static const struct idset some = { { 1 } };
	static const struct nodeset nodes = { { 1 } };
	struct record r = { .id = "c0", .runtime = "runc" };
	struct error err = { 0 };
	char want[400];

	unmark_all();
	begin(0);
	begin(1);
	move_to(0, container[0].pid[0]);
	is_int(start(container[0].pid[0], "oci", "c0", NULL, &c, &err), 0, "own_at_start: alone in the cgroup (%s)",
	       err.text);
	mark(0, "c0");
	move_to(0, container[1].pid[0]);
	cgroup_dir_close(&c);
	is_int(start(container[1].pid[0], "oci", "c1", NULL, &c, &err), -EBUSY,
	       "own_at_start: in the cgroup of a placed container");
	snprintf(want, sizeof(want), "cgroup %s/a: container \"c0\" (runc) is placed there, \"c1\" cannot be", own.top);
	is_str(err.text, want, "own_at_start: the message names both containers");
	ok(!c.owned, "own_at_start: a refused cgroup is not owned");
	is_int(cgroup_write_cpuset(NULL, &c, &(struct cpuset){ 0 }, &some, &nodes, &err), -EPERM,
	       "cgroup_write_cpuset refuses a cgroup that is not owned");
	is_int(cgroup_write_cpus(NULL, &c, &some, &err), -EPERM, "cgroup_write_cpus refuses a cgroup that is not owned");
	cgroup_dir_close(&c);
	is_int(start(container[0].pid[0], "oci", "c0", NULL, &c, &err), -EBUSY,
	       "own_at_start: a cgroup that another process has joined");
	snprintf(want, sizeof(want),
		 "cgroup %s/a also holds process %d, which does not descend from %d: it is not the container's own",
		 own.top, (int)container[1].pid[0], (int)container[0].pid[0]);
	is_str(err.text, want, "own_at_start: the message names the other process");
	/* The first container has ended, but its cgroup remains. */
	move_to(-1, container[0].pid[0]);
	cgroup_dir_close(&c);
	is_int(start(container[1].pid[0], "oci", "c1", NULL, &c, &err), 0,
	       "own_at_start: in the cgroup of a container that has ended (%s)", err.text);
	/* Placed containers: the mark decides. */
	r.cgroup_inode = c.inode;
	c.owned = false;
	is_int(own_while_placed(own.mount, &r, &c, &err), 0, "own_while_placed: the container's mark (%s)", err.text);
	ok(c.owned, "own_while_placed: the cgroup is owned");
	mark(1, "c0");
	is_int(own_while_placed(own.mount, &r, &c, &err), -EBUSY,
	       "own_while_placed: another container is placed below");
	ok(!c.owned && strstr(err.text, "container \"c0\" is placed below it"),
	   "own_while_placed: message for a container below: %s", err.text);
	r.id[1] = '1';
	is_int(own_while_placed(own.mount, &r, &c, &err), -EBUSY, "own_while_placed: another container's mark");
	ok(!c.owned && strstr(err.text, "\"c0\" (runc) is placed there, \"c1\" cannot be"),
	   "own_while_placed: message for another's mark: %s", err.text);
	r.cgroup_inode++;
	is_int(own_while_placed(own.mount, &r, &c, &err), -ESRCH, "own_while_placed: another inode");
	fremovexattr(c.fd, CGROUP_XATTR_RECORD);
	r.cgroup_inode--;
	is_int(own_while_placed(own.mount, &r, &c, &err), -EBUSY, "own_while_placed: no mark");
	ok(strstr(err.text, "does not carry the mark of \"c1\""), "own_while_placed: message for a missing mark: %s",
	   err.text);
	end(0);
	end(1);
}

#define MANY 3000

static struct {
	struct cgroup_dir *c;
	struct record *r;
} placed;

static int judge_placed(void *arg)
{
	struct error err = { 0 };

	(void)arg;
	return -own_while_placed(own.mount, placed.r, placed.c, &err);
}

/* Makes or removes cgroups without processes below the first one. */
static void many(bool make)
{
	char name[32];

	if (make && mkdirat(own.folder, "a/many", 0755) < 0)
		diag("a/many: not made");
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "a/many/%d", i);
		if ((make ? mkdirat(own.folder, name, 0755) : unlinkat(own.folder, name, AT_REMOVEDIR)) < 0)
			diag("%s: %s", name, strerror(errno));
	}
	if (!make)
		unlinkat(own.folder, "a/many", AT_REMOVEDIR);
}

/*
 * The name of a cgroup in the middle of the list of a/many: a walk over few cgroups finds it neither if it begins at the
 * first one nor if it begins at the last one.
 */
static void name_in_the_middle(char *name, size_t size)
{
	cleanup_closedir DIR *dir = fdopendir(openat(own.folder, "a/many", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *e;

	for (int i = 0; dir && (e = readdir(dir)) && i < MANY / 2;)
		if (e->d_type == DT_DIR && e->d_name[0] != '.' && i++ < MANY / 2)
			snprintf(name, size, "a/many/%s", e->d_name);
}

/* A container that has made many cgroups must not hold up the process that moves it, which holds the ledger's lock. */
static void test_many_below(void)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	struct record r = { .id = "c0", .runtime = "runc" };
	struct traced t = { .kill_at = -1, .fail_at = -1 };
	struct error err = { 0 };
	char path[PATH_MAX], inner[NAME_MAX + 8] = "a/b";

	unmark_all();
	begin(0);
	begin(1);
	move_to(0, container[0].pid[0]);
	mark(0, "c0");
	snprintf(path, sizeof(path), "%s/a", own.top);
	many(true);
	is_int(cgroup_open(own.mount, path, &c, &err), 0, "many cgroups below: opened (%s)", err.text);
	r.cgroup_inode = c.inode;
	placed.c = &c;
	placed.r = &r;
	run_traced(&t, judge_placed, NULL);
	ok(WIFEXITED(t.status) && WEXITSTATUS(t.status) == 0, "many cgroups below: it is the container's own");
	ok(t.calls < 2 * MANY + 4000, "many cgroups below: %d empty ones are not all visited, in %d calls", MANY, t.calls);
	name_in_the_middle(inner, sizeof(inner));
	mark_cgroup(inner, "c1");
	move_into(inner, container[1].pid[0]);
	is_int(own_while_placed(own.mount, &r, &c, &err), -EBUSY, "many cgroups below: a container below is found");
	ok(strstr(err.text, "container \"c1\" is placed below it") != NULL, "many cgroups below: it is named: %s", err.text);
	end(0);
	end(1);
	many(false);
}

/* In a new pid namespace. 0: refused; 1: not refused; 2: not possible here. */
static int start_as_init(void)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	struct error err = { 0 };
	int status = -1;
	pid_t pid;

	if (unshare(CLONE_NEWNS) < 0 || mount("proc", "/proc", "proc", 0, NULL) < 0 || !move_to(0, getpid()))
		return 2;
	pid = fork();
	if (pid == 0) {
		move_to(-1, getpid());
		pid = fork();
		if (pid == 0)
			_exit(start(1, "oci", "c0", NULL, &c, &err) == -EPERM ? 0 : 1);
		waitpid(pid, &status, 0);
		_exit(WEXITSTATUS(status));
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static void test_caller(void)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	struct error err = { 0 };
	int status = -1;
	pid_t pid;

	/* The runtime is alone in a cgroup; the hook, its child, is not in it. */
	move_to(0, getpid());
	pid = fork();
	if (pid == 0) {
		move_to(-1, getpid());
		_exit(start(getppid(), "oci", "c0", NULL, &c, &err) == -EPERM &&
		      strstr(err.text, "also holds the runtime") ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	is_int(status, 0, "own_at_start: the runtime's cgroup is refused, although the hook is not in it");
	pid = fork();
	if (pid == 0)
		_exit(start(getpid(), "oci", "c0", NULL, &c, &err) == -EPERM ? 0 : 1);
	waitpid(pid, &status, 0);
	is_int(status, 0, "own_at_start: the hook's own cgroup is refused");
	move_to(-1, getpid());
	/* The first process of a pid namespace, alone in a cgroup, with a hook elsewhere as its grandchild. */
	pid = fork();
	if (pid == 0) {
		pid_t init = unshare(CLONE_NEWPID) == 0 ? fork() : -1;

		if (init == 0)
			_exit(start_as_init());
		_exit(init > 0 && waitpid(init, &status, 0) == init && WIFEXITED(status) ? WEXITSTATUS(status) : 2);
	}
	waitpid(pid, &status, 0);
	is_int(status, 0, "own_at_start: the cgroup of init is refused, although the hook is not in it");
}

static void test_threaded(void)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	struct error err = { 0 };

	begin(0);
	put("d/.inner/cgroup.type", "threaded");
	if (!move_to(4, container[0].pid[0]) || !move_to(5, container[0].pid[0])) {
		diag("threaded cgroups: not possible here");
	} else {
		is_int(start(container[0].pid[0], "oci", "c0", NULL, &c, &err), -EOPNOTSUPP,
		       "own_at_start: a threaded cgroup is refused");
		ok(strstr(err.text, "cannot be listed"), "own_at_start: message for a threaded cgroup: %s", err.text);
	}
	end(0);
}

/* The cgroup that this process was in before the test. */
static int own_cgroup(void)
{
	char text[4096], path[CGROUP_PATH_MAX];
	cleanup_close int fd = -1;

	if (file_read(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text)) < 0 ||
	    membership_parse(text, path, sizeof(path)) < 0)
		return -1;
	fd = openat(own.mount, path[1] ? path + 1 : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -1 : openat(fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
}

static void remove_all(int home)
{
	if (write(home, "0", 1) < 0)
		diag("not moved back");
	close(home);
	for (int n = DIRS; n-- > 0;)
		is_int(unlinkat(own.folder, dirs[n], AT_REMOVEDIR), 0, "cgroup %s is removed", dirs[n]);
	ok(cgroup2_end(&own), "the test's cgroup is removed");
}

int main(void)
{
	int home;

	test_verdict();
	test_mark();
	if (!cgroup2_begin(&own)) {
		diag("no cgroup2 for tests here: only the verdict is tested");
		return done();
	}
	home = own_cgroup();
	for (int n = 0; n < DIRS; n++)
		if (mkdirat(own.folder, dirs[n], 0755) < 0)
			return 1;
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	test_model();
	test_messages();
	test_many_below();
	test_caller();
	test_threaded();
	remove_all(home);
	return done();
}
