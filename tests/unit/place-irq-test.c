/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * limits.cpu.irq on a folder of files in place of /proc/irq: containers come and go in each order, other programs write
 * affinities, and the process is killed at each of its system calls. In the end each affinity must be what it was. Real
 * interrupts are tested in the VM.
 */
#include "place/irq.h"
#include "place/irq-state.h"
#include "tests/unit/ledger-kit.h"
#include "tests/unit/shell.h"
#include "tests/unit/traced.h"

#include <sched.h>
#include <sys/mount.h>

#define A 11 /* inodes of the cgroups of two containers */
#define B 12

static char dir[] = "/tmp/numaplace-irq-XXXXXX";
static struct place_env env;
static char said[512];

static void hear(const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
}

/* Eight CPUs. Interrupt 26 is elsewhere, and 27 was on CPUs 4 and 5 alone. */
static void make_template(void)
{
	shell_in(dir, "mkdir -p made/proc made/sys/devices/system/cpu made/sys/devices/virtual/workqueue && cd made && "
		      "echo 0-7 > sys/devices/system/cpu/online && echo > sys/devices/system/cpu/isolated && "
		      "echo ff > sys/devices/virtual/workqueue/cpumask && "
		      "for i in 24 25 26 27; do mkdir -p proc/irq/$i; echo 0-7 > proc/irq/$i/smp_affinity_list; done && "
		      "echo ff > proc/irq/default_smp_affinity && echo 0-1 > proc/irq/26/smp_affinity_list && "
		      "echo 4-5 > proc/irq/27/smp_affinity_list && "
		      "d=sys/devices/pci0000:00/0000:00:04.0 && mkdir -p $d/msi_irqs $d/virtio1/net/eth0 sys/class/net && "
		      "touch $d/msi_irqs/24 $d/msi_irqs/27 $d/uevent $d/virtio1/uevent && "
		      "ln -s ../.. $d/virtio1/net/eth0/device && ln -s ../../../$d/virtio1/net/eth0 sys/class/net/eth0");
}

static void make_machine(void)
{
	char path[64];

	shell_in(dir, "rm -rf root && cp -a made root");
	snprintf(path, sizeof(path), "%s/root", dir);
	if (env.root >= 0)
		close(env.root);
	env.root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static const char *read_back(const char *path)
{
	static char text[256];

	if (file_read(env.root, path, text, sizeof(text)) < 0)
		snprintf(text, sizeof(text), "cannot be read");
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static const char *of_irq(int irq)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/irq/%d/smp_affinity_list", irq);
	return read_back(path);
}

static void set_irq(int irq, const char *list)
{
	char command[128];

	snprintf(command, sizeof(command), "mkdir -p root/proc/irq/%d && echo %s > root/proc/irq/%d/smp_affinity_list", irq, list,
		 irq);
	shell_in(dir, command);
}

static bool untouched(void)
{
	return strcmp(of_irq(24), "0-7") == 0 && strcmp(of_irq(25), "0-7") == 0 && strcmp(of_irq(26), "0-1") == 0 &&
	       strcmp(of_irq(27), "4-5") == 0 && strcmp(read_back("proc/irq/default_smp_affinity"), "ff") == 0 &&
	       strcmp(read_back("sys/devices/virtual/workqueue/cpumask"), "ff") == 0 && !irq_state_exists(kit.dir);
}

/* The map is without a newline, as numaplace writes it. */
static bool all_within(const char *list, const char *map)
{
	return strcmp(of_irq(24), list) == 0 && strcmp(of_irq(25), list) == 0 && strcmp(of_irq(26), "0-1") == 0 &&
	       strcmp(read_back("proc/irq/default_smp_affinity"), map) == 0 &&
	       strcmp(read_back("sys/devices/virtual/workqueue/cpumask"), map) == 0;
}

/* --- containers --- */

static void container(uint64_t inode, const char *cpus, const char *irq, struct record *r)
{
	kit_record(inode == A ? "a" : "b", inode, r);
	request_init(&r->request);
	r->reasons.n = 0;
	request_set(&r->request, "limits.cpu", cpus, NULL);
	request_set(&r->request, "limits.cpu.exclusive", "true", NULL);
	request_set(&r->request, "limits.cpu.irq", irq, NULL);
	if (strcmp(irq, "near") == 0)
		request_set(&r->request, "limits.cpu.device", "eth0", NULL);
	idset_parse(cpus, &r->placement.share.cpus, NULL);
	r->placement.share.held = r->placement.share.cpus;
}

static int begin(uint64_t inode, const char *cpus, const char *irq, struct record *out)
{
	cleanup_ledger struct ledger *l = kit_open();
	cleanup_record struct record r = { 0 };
	struct error err = { 0 };
	int rc;

	container(inode, cpus, irq, &r);
	rc = ledger_add(l, record_class(&r), &r, &err);
	if (rc == 0)
		rc = irq_follow(&env, l, &r, &err);
	if (rc < 0)
		diag("%s", err.text);
	if (out) {
		*out = r;
		r = (struct record){ 0 };
	}
	return rc;
}

static int kit_give_back(void *ctx, const struct record *r, struct error *err)
{
	(void)ctx;
	return irq_release(env.root, kit.dir, env.live.boot_id, r->cgroup_inode, err);
}

/* As a sweep, which drops the record after the affinities are restored. */
static int end(uint64_t inode)
{
	cleanup_ledger struct ledger *l = kit_open();
	struct error err = { 0 };
	int rc = ledger_remove_cgroup(l, "oci", inode == A ? "a" : "b", inode, &err);

	if (rc < 0 && rc != -ENOENT)
		diag("%s", err.text);
	return rc == -ENOENT ? 0 : rc;
}

static void fresh(void)
{
	make_machine();
	kit_fresh();
	kit.liveness.give_back = kit_give_back;
	env.state = kit.dir;
	snprintf(env.live.boot_id, sizeof(env.live.boot_id), "%s", kit.world.boot_id);
	env.message = hear;
	said[0] = '\0';
}

/* --- tests --- */

static void test_away(void)
{
	cleanup_record struct record r = { 0 };

	fresh();
	begin(A, "4-7", "away", &r);
	ok(all_within("0-3", "f"), "away: interrupts, the default affinity and workqueues leave its CPUs");
	is_str(of_irq(27), "0-3", "away: an interrupt that was on its CPUs alone goes to all others");
	ok(r.reasons.n == 1 && strstr(r.reasons.text[0], "limits.cpu.irq: interrupts and unbound work of the kernel are kept away"),
	   "away: the record says so");
	end(A);
	ok(untouched(), "away: at its end, each affinity is what it was, and the file is removed");
	fresh();
	shell_in(dir, "echo 1-3 > root/sys/devices/system/cpu/isolated");
	begin(A, "4-7", "away", NULL);
	is_str(of_irq(27), "0", "away: an interrupt without other CPUs does not go to isolated ones");
	fresh();
	begin(A, "0-7", "away", NULL);
	ok(strcmp(of_irq(24), "0-7") == 0 && strcmp(read_back("proc/irq/default_smp_affinity"), "ff") == 0,
	   "away: affinities stay if no CPU would be left");
	fresh();
	begin(A, "4-7", "none", NULL);
	ok(untouched(), "none: nothing is changed");
}

static void test_orders(void)
{
	for (int i = 0; i < 4; i++) {
		uint64_t first = i & 1 ? A : B, second = i & 1 ? B : A, ends = i & 2 ? A : B;

		fresh();
		begin(first, first == A ? "4-5" : "6-7", "away", NULL);
		begin(second, second == A ? "4-5" : "6-7", "away", NULL);
		ok(all_within("0-3", "f"), "two containers, order %d: the CPUs of both are left", i);
		end(ends);
		ok(ends == A ? all_within("0-5", "3f") && strcmp(of_irq(27), "4-5") == 0 :
			       all_within("0-3,6-7", "cf") && strcmp(of_irq(27), "0-3,6-7") == 0,
		   "two containers, order %d: when one ends, its CPUs handle interrupts again", i);
		end(ends == A ? B : A);
		ok(untouched(), "two containers, order %d: when both have ended, all is as before", i);
	}
}

static void test_move(void)
{
	fresh();
	begin(A, "4-5", "away", NULL);
	begin(A, "6-7", "away", NULL);
	ok(all_within("0-5", "3f") && strcmp(of_irq(27), "4-5") == 0, "after a move, interrupts are kept from the new CPUs alone");
	begin(A, "6-7", "none", NULL);
	ok(untouched(), "a resize to none restores all");
}

static void test_other_programs(void)
{
	struct irq_drift drift;
	struct idset cpus;
	struct error err = { 0 };

	fresh();
	idset_parse("4-7", &cpus, NULL);
	begin(A, "4-7", "away", NULL);
	is_int(irq_look(env.root, kit.dir, &cpus, &drift, &err), 0, "looked at");
	ok(!drift.n, "no interrupt is on its CPUs again");
	set_irq(24, "2");
	set_irq(25, "5-6");
	irq_look(env.root, kit.dir, &cpus, &drift, &err);
	ok(drift.n == 1 && strcmp(drift.list, "25") == 0, "an interrupt that another program has moved back is found: %s", drift.list);
	end(A);
	is_str(of_irq(24), "2", "what another program has set since then stays");
	is_str(of_irq(25), "5-6", "what another program has set to the container's CPUs stays, too");
	is_str(of_irq(27), "4-5", "all others come back");
	fresh();
	begin(A, "4-5", "away", NULL);
	set_irq(25, "2-7");
	begin(B, "6-7", "away", NULL);
	is_str(of_irq(25), "2-3", "what another program has set is narrowed for the next container");
	end(A);
	end(B);
	is_str(of_irq(25), "2-7", "and comes back");
}

static void test_new_interrupts(void)
{
	fresh();
	set_irq(30, "0-3");
	begin(A, "4-7", "away", NULL);
	set_irq(28, "0-3");
	set_irq(29, "2");
	end(A);
	is_str(of_irq(28), "0-7", "an interrupt that was requested since then gets the default affinity back");
	is_str(of_irq(29), "2", "an interrupt that a program has set since then stays");
	is_str(of_irq(30), "0-3", "an interrupt that had the same affinity before stays");
	shell_in(dir, "rm -r root/proc/irq/28 root/proc/irq/29 root/proc/irq/30");
	ok(untouched(), "the others are as before");
	begin(A, "4-7", "away", NULL);
	shell_in(dir, "rm -r root/proc/irq/25");
	end(A);
	ok(strcmp(of_irq(24), "0-7") == 0 && !irq_state_exists(kit.dir), "an interrupt that was freed since then leaves nothing behind");
}

static void test_near(void)
{
	cleanup_record struct record r = { 0 };

	fresh();
	begin(A, "2-3", "near", NULL);
	ok(strcmp(of_irq(24), "2-3") == 0 && strcmp(of_irq(27), "2-3") == 0, "near: interrupts of the named device are on its CPUs");
	ok(strcmp(of_irq(25), "0-7") == 0 && strcmp(read_back("proc/irq/default_smp_affinity"), "ff") == 0, "near: others stay");
	begin(B, "6-7", "away", NULL);
	ok(strcmp(of_irq(24), "2-3") == 0 && strcmp(of_irq(25), "0-5") == 0, "near and away of two containers do not disturb each other");
	end(A);
	is_str(of_irq(24), "0-5", "when near ends, away still applies");
	end(B);
	ok(untouched(), "both have ended: all is as before");
	shell_in(dir, "rm root/sys/class/net/eth0");
	begin(A, "2-3", "near", &r);
	ok(r.reasons.n == 1 && strstr(r.reasons.text[0], "\"near\": its devices have no interrupts that the kernel shows"),
	   "near: a device without interrupts is said");
	end(A);
}

static void test_lost(void)
{
	struct irq_left left;
	struct error err = { 0 };
	struct ledger *l;

	fresh();
	begin(A, "4-5", "away", NULL);
	begin(B, "6-7", "away", NULL);
	shell_in(kit.path, "rm containers/oci:a usage");
	l = kit_open();
	is_int(irq_look_left(kit.dir, l, &left, &err), 0, "what is left can be read");
	ok(left.containers == 2 && left.lost == 1, "a container without a record is found");
	irq_mend(&env, l);
	ledger_close(l);
	ok(all_within("0-5", "3f"), "a container without a record is dropped at the next placement");
	end(B);
	ok(untouched(), "after a lost record, all comes back");
	begin(A, "4-7", "away", NULL);
	shell_in(kit.path, "sed -i 's/^change/chance/' interrupts");
	begin(B, "2-3", "away", NULL);
	ok(strstr(said, "interrupts:") && strstr(said, "damaged") && all_within("0-3", "f"), "a damaged file is reported, and nothing is moved: %s",
	   said);
	fresh();
	begin(A, "4-7", "away", NULL);
	snprintf(env.live.boot_id, sizeof(env.live.boot_id), "6f1c1f4e-0000-0000-0000-000000000002");
	make_machine();
	set_irq(24, "0-3");
	l = kit_open();
	irq_mend(&env, l);
	ledger_close(l);
	end(A);
	is_str(of_irq(24), "0-3", "the file of an earlier boot changes nothing, also not an affinity that it has");
}

/* Interrupt 25 cannot be written, as a managed one. */
static void test_refused(void)
{
	cleanup_record struct record r = { 0 };
	char path[96];

	fresh();
	snprintf(path, sizeof(path), "%s/root/proc/irq/25/smp_affinity_list", dir);
	if (mount(path, path, NULL, MS_BIND, NULL) < 0 || mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0) {
		ok(true, "an interrupt that cannot be moved # SKIP needs mounts");
		return;
	}
	begin(A, "4-7", "away", &r);
	ok(strcmp(of_irq(24), "0-3") == 0 && strcmp(of_irq(25), "0-7") == 0, "an interrupt that cannot be moved is skipped");
	ok(r.reasons.n == 1 && strstr(r.reasons.text[0], "binds them to CPUs: 1") && strstr(said, "interrupts that stay"),
	   "the record and a message say how many: %s", said);
	umount(path);
	set_irq(25, "0-7");
	end(A);
	ok(untouched(), "its affinity is not changed at the end");
}

/* A service of systemd that may not write /proc/irq. */
static void test_read_only(void)
{
	struct request asks = { .irq = IRQ_AWAY }, none = { .irq = IRQ_NONE };
	struct error err = { 0 };
	struct ledger *l;
	char path[96];

	fresh();
	begin(A, "4-5", "away", NULL);
	begin(B, "6-7", "away", NULL);
	is_int(irq_admit(&env, &asks, &err), 0, "away is admitted where affinities can be written");
	snprintf(path, sizeof(path), "%s/root/proc", dir);
	if (mount(path, path, NULL, MS_BIND, NULL) < 0 || mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0) {
		ok(true, "a process that may not write affinities # SKIP needs mounts");
		return;
	}
	ok(irq_admit(&env, &asks, &err) == -EPERM && strstr(err.text, "limits.cpu.irq: \"away\": /proc/irq cannot be written"),
	   "away is refused where affinities cannot be written: %s", err.text);
	is_int(irq_admit(&env, &none, &err), 0, "other requests are not");
	end(A);
	begin(B, "2-3", "away", NULL);
	ok(all_within("0-3", "f") && strstr(said, "the next placement does it"), "it leaves all as it is, and says so: %s", said);
	umount(path);
	l = kit_open();
	irq_mend(&env, l);
	ledger_close(l);
	ok(all_within("0-1,4-7", "f3"), "the next placement does what is left");
	end(B);
	ok(untouched(), "and at the end, all is as before");
}

/* --- kills --- */

static int begin_b(void *arg)
{
	(void)arg;
	return begin(B, "6-7", "away", NULL);
}

static int move_a(void *arg)
{
	(void)arg;
	return begin(A, "2-3", "away", NULL);
}

static int end_a(void *arg)
{
	(void)arg;
	return end(A);
}

/* Kills @fn at each of its calls; the containers end afterwards, or a placement comes first. */
static void test_killed(const char *name, int (*fn)(void *))
{
	struct traced t = { .kill_at = -1, .fail_at = -1 };
	unsigned int wrong = 0;

	fresh();
	begin(A, "4-5", "away", NULL);
	run_traced(&t, fn, NULL);
	ok(WIFEXITED(t.status) && WEXITSTATUS(t.status) == 0 && t.calls > 50, "%s: %d system calls", name, t.calls);
	/* The first calls are those of the ledger, which has a test of its own. */
	for (int n = 0, calls = t.calls; n < calls; n += n < 40 ? 5 : 1) {
		fresh();
		begin(A, "4-5", "away", NULL);
		t.kill_at = n;
		shell_in(dir, "rm -rf before && cp -a root before");
		run_traced(&t, fn, NULL);
		/* Files are emptied when they are opened for writing; those of the kernel are not. */
		shell_in(dir, "cd root && find . -type f -empty -exec cp ../before/{} {} \\;");
		if (n % 2) {
			cleanup_ledger struct ledger *l = kit_open();

			irq_mend(&env, l);
		}
		end(n % 3 ? A : B);
		end(n % 3 ? B : A);
		if (untouched())
			continue;
		wrong++;
		diag("%s: killed at call %d: 24 %s, 27 %s", name, n, of_irq(24), of_irq(27));
	}
	is_int((int)wrong, 0, "%s: killed anywhere, all is as before when the containers have ended", name);
}

int main(void)
{
	char clean[64];

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		diag("without mounts");
	if (!mkdtemp(dir))
		return 1;
	env = PLACE_ENV_NONE;
	make_template();
	test_away();
	test_orders();
	test_move();
	test_other_programs();
	test_new_interrupts();
	test_near();
	test_lost();
	test_refused();
	test_read_only();
	test_killed("a second container", begin_b);
	test_killed("a move", move_a);
	test_killed("the end", end_a);
	kit_end();
	snprintf(clean, sizeof(clean), "rm -rf %s", dir);
	ok(system(clean) == 0, "cleaned up");
	return done();
}
