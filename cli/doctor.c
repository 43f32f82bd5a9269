/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace doctor`: one finding per check, which says that it is fine or what to do. Changes nothing. The exit status
 * is 1 if something must be done.
 */
#include "cli/doctor-nri.h"
#include "cli/doctor-report.h"
#include "cli/doctor-runtimes.h"
#include "cli/doctor-services.h"
#include "cli/drift.h"

#include "cgroup/cgroup.h"
#include "place/irq.h"
#include "place/move-journal.h"
#include "cli/term.h"
#include "plugin/base/path.h"
#include "runtime-hooks/common/confine.h"
#include "runtime-hooks/common/json-write.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* --- the host itself --- */

static bool word_in(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = text; (p = strstr(p, word)); p += len)
		if ((p == text || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\n' || !p[len]))
			return true;
	return false;
}

static void check_machine(struct doctor *d)
{
	cleanup_topology struct topology *t = NULL;
	struct error err = { 0 };

	if (topology_read(d->cli->root, &t, &err) < 0) {
		doctor_say(d, VERDICT_DO, "machine", "%.300s", err.text);
		return;
	}
	d->many_cpus = t->cpu_ids > 8;
	if (t->nnodes < 2)
		doctor_say(d, VERDICT_NOTE, "machine", "one node: there is nothing to choose");
	else
		doctor_say(d, VERDICT_FINE, "machine", "%u nodes, %u CPUs", t->nnodes, t->ncpus);
	for (unsigned int i = 0; i < t->nwarnings; i++)
		doctor_say(d, VERDICT_NOTE, "machine", "%s", t->warnings[i]);
}

static void check_cgroup(struct doctor *d)
{
	static const char remedy[] = "boot with systemd.unified_cgroup_hierarchy=1";
	char text[1024];

	if (!doctor_read(d, "sys/fs/cgroup/cgroup.controllers", text, sizeof(text))) {
		doctor_say(d, VERDICT_DO, "cgroup v2", "not mounted at /sys/fs/cgroup (v1, or hybrid): %s", remedy);
		return;
	}
	if (!word_in(text, "cpuset")) {
		doctor_say(d, VERDICT_DO, "cgroup v2",
			   "mounted, but without the cpuset controller (a v1 hierarchy has it, or the kernel lacks it): %s",
			   remedy);
		return;
	}
	doctor_say(d, VERDICT_FINE, "cgroup v2", "mounted, with cpuset");
	if (!word_in(text, "memory"))
		doctor_say(d, VERDICT_NOTE, "cgroup v2", "no memory controller: the memory of containers per node "
			   "cannot be read");
	if (doctor_read(d, "sys/fs/cgroup/cgroup.subtree_control", text, sizeof(text)) && !word_in(text, "cpuset"))
		doctor_say(d, VERDICT_NOTE, "cgroup v2", "cpuset is not delegated yet: hooks enable it when they need it");
}

/* Hooks continue without a filter: it is an additional protection, and containers must start without it. */
static void check_filter(struct doctor *d)
{
	char text[1024];

#ifndef CONFINE_ARCH
	doctor_say(d, VERDICT_NOTE, "filter", "numaplace has no list of system calls for this architecture: "
					      "its hooks run without a seccomp filter");
	return;
#endif
	if (!doctor_read(d, "proc/sys/kernel/seccomp/actions_avail", text, sizeof(text)) || !word_in(text, "kill_process"))
		doctor_say(d, VERDICT_NOTE, "filter", "this kernel has no seccomp filters that end a process: "
						      "hooks run without one");
	else
		doctor_say(d, VERDICT_FINE, "filter", "hooks can make only the system calls that they need");
}

/* The file that --conf names, else the one below the sysroot, else the usual one. */
static void check_conf(struct doctor *d)
{
	struct error err = { 0 };
	struct conf conf;

	if (cli_conf(d->cli, &conf, &err) < 0)
		doctor_say(d, VERDICT_DO, "configuration", "%.300s", err.text);
	else if (conf.warn_only)
		doctor_say(d, VERDICT_NOTE, "configuration",
			   "on-failure = warn: containers that cannot be placed start unplaced");
	else
		doctor_say(d, VERDICT_FINE, "configuration", "can be read");
}

static void count_damaged(struct doctor *d, int state)
{
	cleanup_closedir DIR *dir = dir_list(path_open(state, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, "damaged"));
	const struct dirent *e;
	unsigned int n = 0;

	while (dir && (e = readdir(dir)))
		n += e->d_name[0] != '.';
	if (n)
		doctor_say(d, VERDICT_DO, "ledger", "%u damaged files were moved to its folder damaged/: look at "
			   "them, then delete them", n);
}

struct cut_off {
	struct doctor *d;
	int state, mount;
};

static int say_cut_off(void *arg, const struct record *r)
{
	const struct cut_off *c = arg;

	if (move_journal_left(c->state, c->mount, r))
		doctor_say(c->d, VERDICT_DO, "ledger", "%.80s: its move or resize was interrupted, its memory may be on its old and "
			   "its new nodes: run numaplace move %.80s NODES, with either", r->id, r->id);
	return 0;
}

static void count_cut_off(void *arg, const char *id)
{
	(void)id;
	++*(unsigned int *)arg;
}

/* Interrupts that were moved for containers with limits.cpu.irq. */
static void check_interrupts(struct doctor *d, int state, struct ledger *l)
{
	struct irq_left left = { 0 };
	struct error err = { 0 };

	if (irq_look_left(state, l, &left, &err) < 0)
		doctor_say(d, VERDICT_DO, "interrupts", "%.300s", err.text);
	else if (left.lost || (left.changes && !left.containers))
		doctor_say(d, VERDICT_DO, "interrupts", "%u affinities are not restored, of containers that have ended: the next "
			   "placement does it: run numaplace run limits.cpu=1 true", left.changes);
	else if (left.containers)
		doctor_say(d, VERDICT_FINE, "interrupts", "%u affinities are changed, for %u containers", left.changes,
			   left.containers);
	if (left.containers && doctor_runs(d, "irqbalance"))
		doctor_say(d, VERDICT_NOTE, "interrupts", "irqbalance runs, and may move interrupts back to the CPUs of containers "
			   "with limits.cpu.irq: stop it, or name these CPUs in IRQBALANCE_BANNED_CPULIST");
}

/* Checks the records in a copy of the ledger, as all reading verbs do. */
static void check_records(struct doctor *d, struct place_env *env)
{
	cleanup_topology struct topology *t = NULL;
	cleanup_ledger struct ledger *l = NULL;
	cleanup_close int mount = -1;
	struct cut_off cut = { .d = d, .state = env->state };
	struct error err = { 0 };
	unsigned int notes = 0;
	const char *line;

	env->message = NULL;
	if (topology_read(d->cli->root, &t, &err) < 0)
		return; /* check_machine() has reported it */
	if (place_look(env, t, &l, &err) < 0) {
		doctor_say(d, VERDICT_DO, "ledger", "%.300s", err.text);
		return;
	}
	for (unsigned int i = 0; (line = ledger_message(l, i)); i++)
		doctor_say(d, VERDICT_NOTE, "ledger", "%.300s", line);
	check_interrupts(d, env->state, l);
	move_journal_each(env->state, count_cut_off, &notes);
	if (!notes || !env->real || cgroup_mount(&mount, NULL, 0, NULL) < 0)
		return;
	cut.mount = mount;
	ledger_each(l, say_cut_off, &cut, NULL);
}

static void check_ledger(struct doctor *d)
{
	cleanup_env struct place_env env = CLI_ENV_NONE;
	struct stat st;

	if (cli_env(d->cli, &env, NULL) < 0 || !env.state_path)
		return;
	env.state = open(env.state_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (env.state < 0 && errno == ENOENT) {
		doctor_say(d, VERDICT_FINE, "ledger", "%.200s: does not exist yet, nothing was placed since boot",
			   env.state_path);
		return;
	}
	if (env.state < 0 || fstat(env.state, &st) < 0) {
		doctor_say(d, VERDICT_NOTE, "ledger", "%.200s: %s: run this as root to check it", env.state_path,
			   strerror(errno));
		return;
	}
	if (st.st_uid != geteuid() || (st.st_mode & 07777) != 0700) {
		doctor_say(d, VERDICT_DO, "ledger", "%.200s: owner %u and mode %04o, must be root's and 0700: chown, chmod",
			   env.state_path, st.st_uid, st.st_mode & 07777);
		return;
	}
	doctor_say(d, VERDICT_FINE, "ledger", "%.200s: private", env.state_path);
	count_damaged(d, env.state);
	check_records(d, &env);
}

/* Exclusive CPUs from which the kernel does not keep other processes. */
static void say_exclusive(struct doctor *d, const struct numaplace_placement *p)
{
	static const char key[] = "limits.cpu.exclusive:";
	const char *why;

	if (strcmp(numaplace_placement_exclusive(p), "placed containers") != 0)
		return;
	for (unsigned int i = 0; (why = numaplace_placement_reason(p, i)); i++)
		if (strncmp(why, key, strlen(key)) == 0)
			doctor_say(d, VERDICT_NOTE, "exclusive", "%.80s: %.300s", numaplace_placement_id(p), why);
}

/* Containers whose cpuset or memory limit another program has written. */
static void check_cpusets(struct doctor *d)
{
	cleanup_numaplace struct numaplace *np = NULL;
	cleanup_snapshot struct numaplace_snapshot *s = NULL;
	const struct numaplace_placement *p;

	/* check_ledger() has reported a ledger that cannot be read */
	if (d->cli->sysroot || cli_open(d->cli, NUMAPLACE_READ_ONLY, &np, NULL) < 0 ||
	    numaplace_snapshot_take(np, NUMAPLACE_LEDGER_ONLY, &s) < 0)
		return;
	for (unsigned int i = 0; (p = numaplace_snapshot_placement(s, i)); i++) {
		struct drift drift = drift_of(np, p);
		char text[1200];

		if (drift_is(&drift)) {
			drift_describe(&drift, p, text, sizeof(text));
			doctor_say(d, VERDICT_DO, "placements", "%.80s: %.300s: another program has written its cgroup: accept "
				   "or replace it with numaplace resize", numaplace_placement_id(p), text);
		}
		drift_free(&drift);
		say_exclusive(d, p);
	}
}

static void check_host(struct doctor *d)
{
	check_machine(d);
	check_cgroup(d);
	check_filter(d);
	check_conf(d);
	check_ledger(d);
	check_cpusets(d);
}

/* --- the report --- */

static const char *const verdicts[] = { "fine", "note", "do" };

static void doctor_print_json(const struct doctor *d)
{
	struct json_writer o = JSON_TO(stdout);

	json_begin_object(&o, NULL);
	json_begin_array(&o, "checks");
	for (unsigned int i = 0; i < d->n; i++) {
		json_begin_object(&o, NULL);
		json_put_string(&o, "check", d->finding[i].subject);
		json_put_string(&o, "verdict", verdicts[d->finding[i].verdict]);
		json_put_string(&o, "text", d->finding[i].text);
		json_end(&o);
	}
	json_end(&o);
	json_end(&o);
}

/* Prints text after an indent, wrapped at blanks. */
static void print_wrapped(const char *text, unsigned int indent, unsigned int width)
{
	unsigned int column = indent;

	while (*text) {
		unsigned int len = (unsigned int)strcspn(text, " ");

		if (column > indent && column + 1 + len > width) {
			printf("\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			putchar(' ');
			column++;
		}
		for (unsigned int i = 0; i < len; i++)
			putchar(text[i] < 0x20 || text[i] > 0x7e ? '?' : text[i]);
		column += len;
		text += len;
		text += strspn(text, " ");
	}
	putchar('\n');
}

static void doctor_print_text(const struct doctor *d)
{
	static const char *const colours[] = { "\033[32m", "\033[33m", "\033[31m" };
	unsigned int width = term_width(stdout);
	bool colour = term_colour(stdout);

	for (unsigned int i = 0; i < d->n; i++) {
		const struct finding *f = &d->finding[i];

		printf("%s%-4s%s  %-18s  ", colour ? colours[f->verdict] : "", verdicts[f->verdict],
		       colour ? "\033[0m" : "", f->subject);
		print_wrapped(f->text, 26, width > 60 ? width : 60);
	}
}

int verb_doctor(struct cli *cli, int argc, char **argv, struct error *err)
{
	cleanup_free struct doctor *d = calloc(1, sizeof(*d));
	int ret = cli_no_arguments("doctor", argc, argv, err);

	if (!d)
		return error_set(err, -ENOMEM, "out of memory");
	if (ret < 0)
		return ret;
	d->cli = cli;
	check_host(d);
	doctor_check_nri(d);
	doctor_check_runtimes(d);
	doctor_check_services(d);
	doctor_check_traps(d);
	for (unsigned int i = 0; i < d->n; i++)
		cli->failed |= d->finding[i].verdict == VERDICT_DO;
	if (cli->json)
		doctor_print_json(d);
	else
		doctor_print_text(d);
	return 0;
}
