/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A move and a resize that are killed at their system calls, and which CPUs a move writes. The machine has two nodes and one container
 * of 100 pages, all of it plain files: functions below replace cgroup2 and move_pages(2). A move between real nodes,
 * killed in a few places, is tested in the VM.
 */
#include "place/marks.h"
#include "place/move.h"
#include "place/move-journal.h"
#include "place/place.h"
#include "cgroup/own.h"
#include "cgroup/pages.h"
#include "plugin/base/util.h"
#include "tests/unit/shell.h"
#include "tests/unit/tap.h"
#include "tests/unit/traced.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/magic.h>
#include <numaif.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#define PAGES 100
#define START 0x10000UL
#define PID 77
#define KILLS 400 /* at most, spread evenly over the calls of a move */

static char dir[] = "/tmp/numaplace-move-XXXXXX";
static int root, cg; /* descriptors of the mock sysroot and of the container's cgroup */
static struct place_env env;

static void put(int at, const char *name, const char *text)
{
	cleanup_close int fd = openat(at, name, O_WRONLY | O_CREAT, 0644);

	if (fd < 0 || pwrite(fd, text, strlen(text), 0) != (ssize_t)strlen(text))
		diag("%s: not written", name);
}

/* The number of pages on node 1, which are the first ones. */
static unsigned int moved(void)
{
	cleanup_close int fd = openat(root, "moved", O_RDONLY);
	char text[8] = "";

	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? (unsigned int)strtoul(text, NULL, 10) : PAGES + 1;
}

/* All lines have the same length, so that a rewrite changes the file in one step, as in the kernel. */
static void set_moved(unsigned int n)
{
	char line[128], text[8];

	snprintf(line, sizeof(line), "%lx default anon=100 N0=%03u N1=%03u kernelpagesize_kB=4\n", START, PAGES - n, n);
	snprintf(text, sizeof(text), "%03u\n", n);
	put(root, "proc/77/numa_maps", line);
	put(root, "moved", text);
}

/* --- replacements for the kernel and libcgroup --- */

int fstatfs(int fd, struct statfs *out)
{
	(void)fd;
	*out = (struct statfs){ .f_type = CGROUP2_SUPER_MAGIC };
	return 0;
}

long move_pages(int pid, unsigned long count, void **pages, const int *nodes, int *status, int flags)
{
	unsigned int n = moved();

	(void)pid;
	(void)flags;
	for (unsigned long i = 0; i < count; i++)
		status[i] = nodes ? nodes[i] : ((uintptr_t)pages[i] - START) / 4096 < n;
	if (nodes && count)
		set_moved(nodes[0] ? n + (unsigned int)count : n - (unsigned int)count);
	return 0;
}

static void put_list(const char *name, const char *list)
{
	char text[16];

	if (!list || !*list)
		return;
	snprintf(text, sizeof(text), "%.1s-%.1s\n", list, &list[strlen(list) - 1]);
	put(cg, name, text);
}

int libcgroup_write_cpuset(int mount, const char *path, const char *cpus, const char *mems, struct error *err)
{
	(void)mount;
	(void)path;
	(void)err;
	put_list("cpuset.mems", mems);
	if (mems && strcmp(mems, "0") == 0)
		set_moved(0);
	if (mems && strcmp(mems, "1") == 0)
		set_moved(PAGES);
	put_list("cpuset.cpus", cpus);
	return 0;
}

/* --- the machine --- */

static void sh(const char *command)
{
	shell_in(dir, command);
}

static void make_machine(void)
{
	sh("mkdir -p root/proc/77 root/proc/sys/kernel/random cg/c && cd root && "
	   "echo 11111111-2222-3333-4444-555555555555 > proc/sys/kernel/random/boot_id && "
	   "echo 00010000-00074000 rw-p 00000000 00:00 0 > proc/77/maps && "
	   "mkdir -p sys/devices/system/node sys/devices/system/cpu && "
	   "echo 0-3 | tee sys/devices/system/cpu/online sys/devices/system/cpu/possible > "
	   "sys/devices/system/cpu/present && "
	   "for c in 0 1 2 3; do d=sys/devices/system/cpu/cpu$c/topology; mkdir -p $d; "
	   "echo $c | tee $d/core_id $d/thread_siblings_list > $d/core_cpus_list; echo $((c/2)) > "
	   "$d/physical_package_id; done; "
	   "for n in 0 1; do d=sys/devices/system/node/node$n; mkdir -p $d; "
	   "echo $((n*2))-$((n*2+1)) > $d/cpulist; "
	   "printf 'Node %d MemTotal: 1048576 kB\\nNode %d MemFree: 1048576 kB\\n' $n $n > $d/meminfo; "
	   "done; cd sys/devices/system/node; echo 10 20 > node0/distance; echo 20 10 > node1/distance; "
	   "echo 0-1 | tee online possible has_cpu has_memory > has_normal_memory");
	sh("cd cg && echo cpuset memory | tee cgroup.controllers > cgroup.subtree_control && "
	   "echo 0-3 > cpuset.cpus.effective && echo 0-1 > cpuset.mems.effective && "
	   "echo 77 > c/cgroup.procs && echo populated 1 > c/cgroup.events && cd c && touch cpuset.cpus cpuset.mems && "
	   /* a write takes effect at once */
	   "ln cpuset.cpus cpuset.cpus.effective && ln cpuset.mems cpuset.mems.effective");
}

static void hear(const char *line)
{
	(void)line;
}

static int ledger(struct topology **t, struct ledger **l)
{
	struct error err = { 0 };
	int r = topology_read(root, t, &err);

	if (r == 0)
		r = place_ledger(&env, *t, l, &err);
	if (r < 0)
		diag("ledger: %s", err.text);
	return r;
}

/* The container's runtime, and which program writes its CPUs. */
struct kind {
	const char *name, *class, *runtime, *applied;
};
static const struct kind oci = { "OCI", "oci", "runc", "cpuset" };
static const struct kind led = { "Incus, lead", "incus", "incus", "cpuset" };
static const struct kind following = { "Incus, follow", "incus", "incus", PLACE_MEMS_ONLY };

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	return at->level ? remove(path) : 0;
}

/* Without a shell: this runs before each of a thousand kills. */
static void empty_state(void)
{
	if (nftw(env.state_path, remove_one, 8, FTW_DEPTH | FTW_PHYS) < 0)
		diag("%s: not emptied", env.state_path);
}

/* Places the container on node 0, in the ledger and on its cgroup, with the request @cpus. */
static void place_on_node_0(const struct kind *k, const char *cpus)
{
	cleanup_topology struct topology *t = NULL;
	cleanup_ledger struct ledger *l = NULL;
	cleanup_record struct record r = { .id = "web", .started = 1 };
	struct cgroup_dir c = { .fd = cg, .path = "/c" };
	struct error err = { 0 };
	struct stat st;

	empty_state();
	set_moved(0);
	put_list("cpuset.cpus", "0-1");
	put_list("cpuset.mems", "0-0");
	fstat(cg, &st);
	snprintf(r.runtime, sizeof(r.runtime), "%s", k->runtime);
	snprintf(r.applied, sizeof(r.applied), "%s", k->applied);
	r.cgroup = strdup("/c");
	r.cgroup_inode = st.st_ino;
	request_init(&r.request);
	request_set(&r.request, "limits.cpu", cpus, &err);
	request_finish(&r.request, &err);
	nodeset_add(&r.placement.nodes, 0);
	nodeset_add(&r.placement.mems, 0);
	idset_add_range(&r.placement.share.cpus, 0, 1);
	r.placement.share.count = 2;
	if (marks_set(&env, &c, &r, NULL, 0, &err) < 0 || ledger(&t, &l) < 0 || ledger_add(l, k->class, &r, &err) < 0)
		diag("not placed: %s", err.text);
}

static int move_to_nodes(const char *nodes, struct error *err)
{
	cleanup_record struct record before = { 0 }, after = { 0 };
	struct move_job job = { .id = "web" };
	struct stat st;

	fstat(cg, &st);
	job.cgroup_inode = st.st_ino;
	nodeset_parse(nodes, &job.nodes, NULL);
	return place_move(&env, &job, &before, &after, err);
}

static int move_to(unsigned int node)
{
	struct error err = { 0 };
	int r = move_to_nodes(node ? "1" : "0", &err);

	if (r < 0)
		diag("move to node %u: %s", node, err.text);
	return r;
}

static int move_to_1(void *arg)
{
	(void)arg;
	return move_to(1) < 0;
}

/* --- checks --- */

static bool file_says(const char *name, const char *text)
{
	cleanup_close int fd = openat(cg, name, O_RDONLY);
	char buf[16] = "";

	return read(fd, buf, sizeof(buf) - 1) > 0 && strcmp(buf, text) == 0;
}

/* The node of the container's CPUs and memory in the ledger; -1: neither of the two. */
static int in_ledger(void)
{
	cleanup_topology struct topology *t = NULL;
	cleanup_ledger struct ledger *l = NULL;
	cleanup_record struct record r = { 0 };

	if (ledger(&t, &l) < 0 ||
	    (ledger_find(l, "oci", "web", &r, NULL) < 0 && ledger_find(l, "incus", "web", &r, NULL) < 0))
		return -1;
	return idset_has(&r.placement.share.cpus, 0) && nodeset_has(&r.placement.mems, 0)	? 0 :
	       idset_has(&r.placement.share.cpus, 2) && nodeset_has(&r.placement.mems, 1) ? 1 :
											  -1;
}

static int on_mark(void)
{
	char nodes[8] = "";

	return fgetxattr(cg, CGROUP_XATTR_NODES, nodes, sizeof(nodes) - 1) == 1 ? nodes[0] - '0' : -1;
}

struct looked {
	int mount;
	unsigned int left;
	int node; /* of its CPUs; -1: neither of the two */
};

static int look_at(void *arg, const struct record *r)
{
	struct looked *s = arg;

	s->left += move_journal_left(env.state, s->mount, r);
	s->node = idset_has(&r->placement.share.cpus, 0) ? 0 : idset_has(&r->placement.share.cpus, 2) ? 1 : -1;
	return 0;
}

/* Reads the ledger as status and doctor do, without repair. */
static struct looked look(void)
{
	cleanup_topology struct topology *t = NULL;
	cleanup_ledger struct ledger *l = NULL;
	struct looked s = { .mount = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC), .node = -1 };
	struct error err = { 0 };

	if (topology_read(root, &t, &err) < 0 || place_look(&env, t, &l, &err) < 0 || !l)
		diag("look: %s", err.text);
	else
		ledger_each(l, look_at, &s, NULL);
	close(s.mount);
	return s;
}

static unsigned int cut_off(void)
{
	return look().left;
}

static bool is_wholly_at(unsigned int node)
{
	return !cut_off() && in_ledger() == (int)node && on_mark() == (int)node && moved() == (node ? PAGES : 0) &&
	       file_says("cpuset.cpus", node ? "2-3\n" : "0-1\n") && file_says("cpuset.mems", node ? "1-1\n" : "0-0\n");
}

static void test_killed(void)
{
	struct traced t = { .kill_at = -1, .fail_at = -1 };
	unsigned int wrong = 0, unlike = 0, hidden = 0, stuck = 0, halves = 0, step;

	place_on_node_0(&oci, "2");
	run_traced(&t, move_to_1, NULL);
	ok(WIFEXITED(t.status) && WEXITSTATUS(t.status) == 0 && is_wholly_at(1),
	   "move without a kill succeeds, in %d calls", t.calls);
	step = (unsigned int)t.calls / KILLS + 1;
	for (int n = 0, calls = t.calls; n < calls; n += (int)step) {
		int node, seen, back = n / (int)step % 2;

		place_on_node_0(&oci, "2");
		t.kill_at = n;
		run_traced(&t, move_to_1, NULL);
		/* in some rounds, the ledger is not opened before the next move */
		seen = look().node;
		node = n % 3 ? in_ledger() : -2;
		if (node >= 0 && seen != node) {
			diag("killed at call %d: looked at, it is on node %d, mended, on node %d", n, seen, node);
			unlike++;
		}
		if (node == -2) {
			stuck += move_to_1(NULL) || !is_wholly_at(1);
			continue;
		}
		/* the cpuset shows where the container is */
		if (node < 0 || !file_says("cpuset.cpus", node ? "2-3\n" : "0-1\n")) {
			wrong++;
			diag("killed at call %d: the ledger says node %d", n, node);
		}
		/* a move that is half done must be reported */
		if (!is_wholly_at(0) && !is_wholly_at(1)) {
			halves++;
			if (cut_off() != 1)
				hidden++;
		}
		if (move_to(back ? 0 : 1) < 0 || !is_wholly_at(back ? 0 : 1)) {
			stuck++;
			diag("killed at call %d, moved to %d: ledger %d, mark %d, %u pages moved, %u interrupted", n,
			     back ? 0 : 1, in_ledger(), on_mark(), moved(), cut_off());
		}
	}
	is_int(wrong, 0, "killed anywhere: the ledger agrees with the cpuset");
	is_int(unlike, 0, "killed anywhere: reading without repair gives the same node");
	ok(halves > 5, "killed anywhere: %u moves were half done", halves);
	is_int(hidden, 0, "killed anywhere: each half-done move is reported");
	is_int(stuck, 0, "killed anywhere: the next move completes, to either node");
}

/* --- resize --- */

/* A key to change, and what the container has then. */
struct resize {
	const char *key, *value;
	unsigned int cpus;
	uint64_t memory;
	const char *cpuset, *mems;
};
static const struct resize at_start = { "limits.cpu", "2", 2, 0, "0-1\n", "0-0\n" };
static const struct resize resizes[] = {
	{ "limits.cpu", "1", 1, 0, "0-0\n", "0-0\n" },
	{ "limits.cpu", "4", 4, 0, "0-3\n", "0-1\n" },
	{ "limits.memory", "64MiB", 2, 64 << 20, "0-1\n", "0-0\n" },
};

static int resize_to(const char *key, const char *value, struct error *err)
{
	cleanup_record struct record before = { 0 }, after = { 0 };
	struct move_job job = { .id = "web" };
	struct request changes;
	struct stat st;

	fstat(cg, &st);
	job.cgroup_inode = st.st_ino;
	request_init(&changes);
	request_set(&changes, key, value, err);
	job.changes = &changes;
	return place_move(&env, &job, &before, &after, err);
}

static int resize_in_child(void *arg)
{
	const struct resize *z = arg;
	struct error err = { 0 };

	return resize_to(z->key, z->value, &err) < 0;
}

static bool record_says(const struct record *r, const struct resize *z)
{
	return r->request.cpu_count == z->cpus && idset_count(&r->placement.share.cpus) == z->cpus &&
	       r->request.memory == z->memory;
}

static bool mark_says(const struct resize *z)
{
	struct cgroup_dir c = { .fd = cg, .path = "/c" };
	cleanup_own_mark struct record *mark = NULL;
	struct stat st;

	fstat(cg, &st);
	c.inode = st.st_ino;
	return own_read_mark(&c, &mark, NULL) > 0 && record_says(mark, z);
}

/* Whether the ledger, the mark and the cgroup have that size. */
static bool is_sized(const struct resize *z)
{
	cleanup_topology struct topology *t = NULL;
	cleanup_ledger struct ledger *l = NULL;
	cleanup_record struct record r = { 0 };

	return ledger(&t, &l) == 0 && ledger_find(l, "oci", "web", &r, NULL) == 0 && record_says(&r, z) && mark_says(z) &&
	       file_says("cpuset.cpus", z->cpuset) && file_says("cpuset.mems", z->mems);
}

static void test_resize_killed(const struct resize *z)
{
	struct traced t = { .kill_at = -1, .fail_at = -1 };
	unsigned int olds = 0, news = 0, between = 0, stuck = 0, step;
	struct error err = { 0 };
	int calls;

	place_on_node_0(&oci, "2");
	run_traced(&t, resize_in_child, (void *)(uintptr_t)z);
	calls = t.calls;
	ok(WIFEXITED(t.status) && WEXITSTATUS(t.status) == 0 && is_sized(z),
	   "%s=%s: a resize without a kill succeeds, in %d calls", z->key, z->value, calls);
	step = (unsigned int)calls / KILLS + 1;
	for (int n = 0; n < calls; n += (int)step) {
		bool old, new;

		place_on_node_0(&oci, "2");
		t.kill_at = n;
		run_traced(&t, resize_in_child, (void *)(uintptr_t)z);
		old = is_sized(&at_start);
		new = is_sized(z);
		olds += old;
		news += new;
		if (!old && !new && between++ < 3)
			diag("%s=%s: killed at call %d of %d: neither the old nor the new placement", z->key, z->value, n, calls);
		stuck += resize_to(z->key, z->value, &err) < 0 || !is_sized(z);
	}
	ok(olds > 5 && news > 1, "%s=%s: a killed resize leaves the old placement (%u times) or the new one (%u times)", z->key,
	   z->value, olds, news);
	is_int(between, 0, "%s=%s: a killed resize leaves nothing in between", z->key, z->value);
	is_int(stuck, 0, "%s=%s: after a killed resize, the next one completes", z->key, z->value);
}

static void test_resize_refused(void)
{
	struct error err = { 0 };

	place_on_node_0(&oci, "2");
	ok(resize_to("limits.cpu", "0-7", &err) < 0 && is_sized(&at_start),
	   "resize to CPUs that do not exist is refused, and nothing changes: %s", err.text);
	ok(resize_to("volatile.cpu.nodes", "1", &err) == -EINVAL && is_sized(&at_start), "resize with a hint is refused: %s",
	   err.text);
	ok(resize_to("limits.memory.policy", "preferred", &err) == -ENOTSUP && is_sized(&at_start),
	   "resize to another memory policy is refused: %s", err.text);
	place_on_node_0(&following, "2");
	ok(resize_to("limits.cpu", "1", &err) == -ENOTSUP && strstr(err.text, "limits.cpu: another program assigns the CPUs"),
	   "Incus, follow: a resize of the CPUs is refused: %s", err.text);
}

/*
 * Incus's scheduler writes the CPUs of containers whose nodes Incus has chosen; numaplace writes those of all others.
 */
static void test_whose_cpus(void)
{
	static const struct {
		const struct kind *kind;
		enum conf_incus_mode host;
		const char *cpus; /* limits.cpu */
		const char *to, *cpus_then, *mems_then;
	} moves[] = {
		{ &oci, INCUS_FOLLOW, "2", "1", "2-3\n", "1-1\n" },
		{ &led, INCUS_FOLLOW, "2", "1", "2-3\n", "1-1\n" },
		{ &led, INCUS_LEAD, "2", "1", "2-3\n", "1-1\n" },
		{ &following, INCUS_FOLLOW, "2", "1", "0-1\n", "1-1\n" },
		{ &following, INCUS_LEAD, "2", "1", "0-1\n", "1-1\n" },
		/*
		 * a placed container gets only the nodes that it needs; one that follows Incus gets all that are given
		 */
		{ &oci, INCUS_FOLLOW, "2", "0-1", "0-1\n", "0-0\n" },
		{ &following, INCUS_FOLLOW, "2", "0-1", "0-1\n", "0-1\n" },
		/* memory stays on the nodes of CPUs that are listed */
		{ &following, INCUS_FOLLOW, "0-1", "0-1", "0-1\n", "0-0\n" },
	};
	struct error err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(moves); i++) {
		int r;

		env.conf.incus_mode = moves[i].host;
		place_on_node_0(moves[i].kind, moves[i].cpus);
		r = move_to_nodes(moves[i].to, &err);
		ok(r == 0 && file_says("cpuset.cpus", moves[i].cpus_then) &&
			   file_says("cpuset.mems", moves[i].mems_then),
		   "%s%s, limits.cpu=%s, to nodes %s: %s", moves[i].kind->name,
		   moves[i].host == INCUS_LEAD ? " on a host that leads" : "", moves[i].cpus, moves[i].to,
		   r < 0 ? err.text : "CPUs and memory as expected");
	}
	place_on_node_0(&following, "0-1");
	ok(move_to_nodes("1", &err) == -ENOSPC && strstr(err.text, "CPU 0 is on node 0") && is_wholly_at(0),
	   "Incus, follow: memory is not moved away from the listed CPUs: %s", err.text);
	env.conf.incus_mode = INCUS_FOLLOW;
}

/* Another live container with the same id, of another runtime root, was recorded first. */
static void test_same_id(void)
{
	cleanup_record struct record other = { .id = "web", .runtime = "runc", .applied = "cpuset", .started = 1 };
	cleanup_record struct record r = { 0 };
	cleanup_topology struct topology *t = NULL, *t2 = NULL;
	cleanup_ledger struct ledger *l = NULL;
	struct cgroup_dir d = { .path = "/d" };
	struct error err = { 0 };
	struct stat st;
	int rc;

	sh("mkdir cg/d && cp cg/c/* cg/d");
	d.fd = open("/sys/fs/cgroup/d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fstat(d.fd, &st);
	other.cgroup = strdup("/d");
	other.cgroup_inode = st.st_ino;
	request_init(&other.request);
	request_set(&other.request, "limits.cpu", "1", &err);
	request_finish(&other.request, &err);
	nodeset_add(&other.placement.nodes, 0);
	nodeset_add(&other.placement.mems, 0);
	idset_add(&other.placement.share.cpus, 0);
	other.placement.share.count = 1;
	for (int i = 0; i < 2; i++) {
		const char *class = i ? "lxc" : "oci"; /* in slot 0 of this class; in an earlier class */

		snprintf(other.runtime, sizeof(other.runtime), "%s", i ? "lxc" : "runc");
		place_on_node_0(i ? &led : &oci, "2");
		sh("mv run/containers/*:web web.kept");
		rc = ledger(&t, &l);
		rc = rc < 0 || marks_set(&env, &d, &other, NULL, 0, &err) < 0 ? -1 : ledger_add(l, class, &other, &err);
		ledger_close(steal_ptr(l));
		topology_free(steal_ptr(t));
		sh(i ? "mv web.kept run/containers/incus:web" : "mv web.kept run/containers/oci:web~01");
		sh("rm run/usage");
		ok(rc == 0 && move_to_nodes("1", &err) == 0 && file_says("cpuset.cpus", "2-3\n"),
		   "two containers with the id \"web\", %s first: the named one is moved: %s", class, err.text);
		ok(ledger(&t2, &l) == 0 && ledger_find(l, class, "web", &r, &err) == 0 &&
			   nodeset_has(&r.placement.nodes, 0),
		   "two containers with the id \"web\", %s first: the other one stays", class);
		record_free(&r);
		r = (struct record){ 0 };
		ledger_close(steal_ptr(l));
		topology_free(steal_ptr(t2));
	}
	cgroup_dir_close(&d);
	sh("rm -r cg/d");
}

int main(void)
{
	char path[64], clean[128];

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || !mkdtemp(dir) ||
	    mount("none", dir, "tmpfs", 0, NULL) < 0) {
		ok(true, "a move killed anywhere # SKIP needs root and a mount namespace");
		return done();
	}
	make_machine();
	snprintf(path, sizeof(path), "%s/root", dir);
	root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/cg", dir);
	ok(mount(path, "/sys/fs/cgroup", NULL, MS_BIND, NULL) == 0, "the mock cgroup2 is mounted");
	snprintf(path, sizeof(path), "%s/cg/c", dir);
	cg = open("/sys/fs/cgroup/c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/run", dir);
	sh("mkdir -m 700 run");
	env = (struct place_env){
		.root = root, .real = true, .state = -1, .state_path = path, .timeout_ms = 5000, .message = hear,
		.writer.by_path = libcgroup_write_cpuset
	};
	env.state = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	select_policy_init(&env.conf.select);
	test_killed();
	for (size_t i = 0; i < ARRAY_SIZE(resizes); i++)
		test_resize_killed(&resizes[i]);
	test_resize_refused();
	test_whose_cpus();
	test_same_id();
	snprintf(clean, sizeof(clean), "rm -rf %s/*", dir);
	ok(system(clean) == 0 && umount2(dir, MNT_DETACH) == 0 && rmdir(dir) == 0, "cleaned up");
	return done();
}
