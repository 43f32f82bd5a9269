/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * include/numaplace.h: each function, with valid and invalid input, on a recorded machine with a ledger, and on this
 * machine where nothing is written. tests/vm/guest/74-library.t places real processes.
 */
#include "include/numaplace.h"

#include "tests/unit/machine-ledger.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <syslog.h>

#define BOOT "11111111-2222-3333-4444-555555555555"

static char dir[] = "/tmp/numaplace-api-XXXXXX";
static char machine[64], state[64];

static int sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int sh(const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int status;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	status = system(line);
	if (status != 0)
		diag("failed: %s", line);
	return status;
}

/* -EINVAL, or @want, with a message that has @part. */
static void is_refused(struct numaplace *np, int got, int want, const char *part, const char *what)
{
	const char *text = numaplace_error(np);
	bool printable = *text;

	for (const char *c = text; *c; c++)
		printable = printable && *c >= ' ' && *c <= '~';
	is_int(got, want, "%s: refused (%s)", what, text);
	ok(printable && strstr(text, part), "%s: one line with \"%s\"", what, part);
}

/* --- contexts --- */

static void is_not_opened(const char *root, const char *st, const char *cf, unsigned int flags, const char *part,
			  const char *what)
{
	struct numaplace *np = NULL;
	int rc = numaplace_open(&np, root, st, cf, flags);

	ok(np, "%s: there is a context for the message", what);
	is_refused(np, rc, -EINVAL, part, what);
	numaplace_close(np);
}

static void test_open(void)
{
	struct numaplace *np = NULL;
	char bad[80];

	is_str(numaplace_version(), NUMAPLACE_VERSION, "version: that of the Makefile");
	is_int(numaplace_open(NULL, machine, NULL, NULL, 0), -EINVAL, "open: without an output");
	is_not_opened("/nowhere", NULL, NULL, 0, "root /nowhere: No such file", "open: no such root");
	is_not_opened("/tmp", NULL, NULL, 0, "no sys/", "open: a root without sys/");
	is_not_opened("/tmp/\n\033[31m", NULL, NULL, 0, "\\x0a", "open: a root with control characters");
	is_not_opened(machine, "", NULL, 0, "state folder: \"\": empty", "open: an empty state");
	is_not_opened(machine, NULL, "/nowhere", 0, "configuration /nowhere: No such file", "open: no such configuration");
	is_not_opened(machine, NULL, NULL, 9, "flags 0x8: unknown", "open: unknown flags");
	snprintf(bad, sizeof(bad), "%s/bad.conf", dir);
	sh("echo 'balance = many' > %s", bad);
	is_not_opened(machine, NULL, bad, 0, "bad.conf:1: balance", "open: an error in the configuration");
	sh("mkdir -p %s/etc/numaplace && cp %s %s/etc/numaplace/numaplace.conf", machine, bad, machine);
	is_not_opened(machine, NULL, NULL, 0, "numaplace.conf:1: balance", "open: the machine's own configuration is read");
	sh("rm -r %s/etc", machine);
	sh("echo 'balance = many' > %s", bad);
	is_int(numaplace_open(&np, machine, NULL, bad, NUMAPLACE_NO_CONF), 0, "open: a configuration that is not read");
	numaplace_close(steal_ptr(np));
	is_str(numaplace_error(NULL), "out of memory", "error: without a context");
	is_int(numaplace_open(&np, machine, NULL, NULL, 0), 0, "open: a recorded machine (%s)", numaplace_error(np));
	is_str(numaplace_error(np), "", "error: \"\" before the first failure");
	numaplace_close(np);
	numaplace_close(NULL);
	np = NULL;
	is_int(numaplace_open(&np, NULL, state, NULL, 0), 0, "open: this machine (%s)", numaplace_error(np));
	numaplace_close(np);
	ok(access(state, F_OK) < 0, "open: the state folder is not created");
}

/* --- requests --- */

static struct numaplace *open_machine(const char *st)
{
	struct numaplace *np = NULL;

	if (numaplace_open(&np, machine, st, NULL, 0) < 0)
		diag("open: %s", numaplace_error(np));
	return np;
}

/* "NODES|CPUS|MEMS" of a plan, or "". */
static const char *planned(struct numaplace *np, const struct numaplace_request *r, const char *id)
{
	static char text[200];
	struct numaplace_placement *p = NULL;

	text[0] = '\0';
	if (numaplace_plan(np, r, id, &p) == 0)
		snprintf(text, sizeof(text), "%s|%s|%s", numaplace_placement_nodes(p), numaplace_placement_cpus(p),
			 numaplace_placement_mems(p));
	numaplace_placement_free(p);
	return text;
}

static void test_request(void)
{
	struct numaplace *np = open_machine(NULL);
	struct numaplace_placement *p = NULL;
	struct numaplace_request *r = NULL;

	is_int(numaplace_request_new(NULL, &r), -EINVAL, "request_new: without a context");
	is_refused(np, numaplace_request_new(np, NULL), -EINVAL, "request: NULL", "request_new: without an output");
	is_int(numaplace_request_new(np, &r), 0, "request_new");
	is_int(numaplace_request_set(NULL, "limits.cpu", "4"), -EINVAL, "request_set: without a request");
	is_refused(np, numaplace_request_set(r, NULL, "4"), -EINVAL, "key: NULL", "request_set: without a key");
	is_refused(np, numaplace_request_set(r, "limits.cpu", NULL), -EINVAL, "value: NULL", "request_set: without a value");
	is_refused(np, numaplace_request_set(r, "limits.cpu", "-1"), -EINVAL, "limits.cpu", "request_set: an invalid value");
	is_refused(np, numaplace_request_set(r, "limits.gpu", "1"), -ENOENT, "limits.gpu", "request_set: an unknown key");
	is_refused(np, numaplace_plan(np, r, NULL, &p), -EINVAL, "a key is missing", "plan: no key is set");
	is_int(numaplace_request_set(r, "limits.cpu", "4"), 0, "request_set: a key");
	is_int(numaplace_request_set(r, "org.numaplace.limits.cpu", "4"), 0, "request_set: the same key with its prefix");
	is_refused(np, numaplace_request_set(r, "limits.cpu", "5"), -EINVAL, "limits.cpu", "request_set: another value");
	is_str(planned(np, r, NULL), "0-1|0-3|0-1", "plan: four CPUs after refused keys");
	is_refused(np, numaplace_request_pin(r, "x", NULL), -EINVAL, "pinned CPUs", "request_pin: not a list");
	is_refused(np, numaplace_request_pin(r, "4", "9-"), -EINVAL, "pinned memory nodes", "request_pin: a broken list");
	is_int(numaplace_request_pin(NULL, "4", NULL), -EINVAL, "request_pin: without a request");
	is_str(planned(np, r, NULL), "0-1|0-3|0-1", "plan: refused pins have changed nothing");
	is_int(numaplace_request_pin(r, "4-7", "2-3"), 0, "request_pin: lists");
	is_str(planned(np, r, NULL), "2-3|4-7|2-3", "plan: within the pins");
	is_int(numaplace_request_pin(r, NULL, ""), 0, "request_pin: none");
	is_str(planned(np, r, NULL), "0-1|0-3|0-1", "plan: the pins are removed");
	is_int(numaplace_request_set(r, "limits.cpu.class", "fast"), -EINVAL, "request_set: an invalid class");
	is_int(numaplace_request_set(r, "limits.memory.hugepages", "true"), 0, "request_set: hugepages");
	is_refused(np, numaplace_plan(np, r, NULL, &p), -EINVAL, "needs limits.memory", "plan: keys that contradict");
	ok(!p, "plan: the output is unchanged on failure");
	numaplace_request_free(r);
	numaplace_request_free(NULL);
	numaplace_close(np);
}

static void test_limit(void)
{
	struct numaplace *np = open_machine(NULL);
	struct numaplace_placement *p = NULL;
	struct numaplace_request *r = NULL;

	numaplace_request_new(np, &r);
	numaplace_request_limit(r, 250000, 100000, 0);
	is_refused(np, numaplace_plan(np, r, NULL, &p), -EINVAL, "a key is missing", "request_limit: is not a request");
	numaplace_request_set(r, "limits.cpu.nodes", "balanced");
	is_str(planned(np, r, NULL), "0-1|0-2|0-1", "request_limit: 2.5 CPUs are three");
	numaplace_request_limit(r, -1, 100000, 1536LL << 20);
	is_str(planned(np, r, NULL), "0-1|0-3|0-1", "request_limit: memory of two nodes");
	numaplace_request_limit(r, 250000, 100000, 0);
	numaplace_request_set(r, "limits.cpu", "2");
	is_str(planned(np, r, NULL), "0|0-1|0", "request_limit: the key wins, also if it is set later");
	numaplace_request_free(r);
	numaplace_close(np);
}

/* --- plans --- */

static void test_plan(void)
{
	struct numaplace *np = open_machine(NULL);
	struct numaplace_placement *p = NULL;
	struct numaplace_request *r = NULL;
	unsigned int n = 0;

	numaplace_request_new(np, &r);
	numaplace_request_set(r, "limits.cpu", "9");
	is_int(numaplace_plan(NULL, r, NULL, &p), -EINVAL, "plan: without a context");
	is_refused(np, numaplace_plan(np, NULL, NULL, &p), -EINVAL, "request: NULL", "plan: without a request");
	is_refused(np, numaplace_plan(np, r, NULL, NULL), -EINVAL, "placement: NULL", "plan: without an output");
	is_refused(np, numaplace_plan(np, r, "a/b", &p), -EINVAL, "id: ", "plan: an invalid id");
	is_int(numaplace_plan(np, r, "web", &p), 0, "plan: nine CPUs of eight (%s)", numaplace_error(np));
	is_str(numaplace_placement_id(p), "web", "placement: the id of a plan");
	is_str(numaplace_placement_runtime(p), "", "placement: a plan has no runtime");
	is_str(numaplace_placement_cgroup(p), "", "placement: a plan has no cgroup");
	is_str(numaplace_placement_policy(p), "strict", "placement: the policy");
	is_str(numaplace_placement_nodes(p), "0-3", "placement: nodes are a list");
	while (numaplace_placement_reason(p, n))
		n++;
	ok(n >= 2 && strstr(numaplace_placement_reason(p, 0), "limits.cpu: 9 requested"), "placement: %u reasons", n);
	ok(!numaplace_placement_reason(p, 4000000000U), "placement: no reason with a large number");
	numaplace_placement_free(p);
	p = NULL;
	numaplace_request_set(r, "limits.memory", "5GiB");
	is_refused(np, numaplace_plan(np, r, NULL, &p), -ENOSPC, "5GiB requested, 4GiB available", "plan: no room");
	numaplace_request_free(r);
	numaplace_close(np);
}

/* --- a ledger --- */

static void add(struct ledger *l, const char *id, const char *runtime, uint64_t inode, const char *cpus, unsigned int node)
{
	struct record r = { .cgroup_inode = inode, .started = 1, .applied = "cpuset" };
	struct error err = { 0 };

	snprintf(r.id, sizeof(r.id), "%s", id);
	snprintf(r.runtime, sizeof(r.runtime), "%s", runtime);
	if (asprintf(&r.cgroup, "/machine.slice/%s-%d", id, (int)inode) < 0)
		return;
	request_init(&r.request);
	request_set(&r.request, "limits.cpu", "2", NULL);
	request_fallback_memory(&r.request, 1LL << 30);
	idset_parse("0-3", &r.request.pin_cpus, NULL);
	idset_parse(cpus, &r.placement.share.cpus, NULL);
	r.placement.share.count = 2;
	nodeset_add(&r.placement.nodes, node);
	nodeset_add(&r.placement.mems, node);
	reasons_add(&r.reasons, "because\nof \033[31m%u", node);
	if (ledger_add(l, record_class(&r), &r, &err) < 0)
		diag("ledger_add: %s", err.text);
	record_free(&r);
}

static void fill_ledger(struct ledger *l)
{
	add(l, "web", "crun", 7, "0-1", 0);
	add(l, "db", "lxc", 8, "4-5", 2);
	add(l, "twice", "runc", 9, "6", 3);
	add(l, "twice", "runc", 10, "7", 3);
}

struct listed {
	struct numaplace *np;
	unsigned int n, stop;
	int again;
	char ids[100];
};

static int note(void *arg, const struct numaplace_placement *p)
{
	struct listed *l = arg;
	struct numaplace_placement *same = NULL;

	l->n++;
	snprintf(l->ids + strlen(l->ids), sizeof(l->ids) - strlen(l->ids), "%s ", numaplace_placement_id(p));
	l->again |= numaplace_find(l->np, numaplace_placement_cgroup(p), &same);
	numaplace_placement_free(same);
	return l->stop == l->n ? 42 : 0;
}

struct heard {
	unsigned int n;
	int priority;
	char line[512];
};

static void hear(void *arg, int priority, const char *line)
{
	struct heard *h = arg;

	h->n++;
	h->priority = priority;
	snprintf(h->line, sizeof(h->line), "%s", line);
}

/* Six of eight CPUs are taken. */
static void test_log(struct numaplace *np)
{
	struct numaplace_placement *p = NULL;
	struct numaplace_request *r = NULL;
	struct heard heard = { 0 };

	numaplace_request_new(np, &r);
	numaplace_request_set(r, "limits.cpu", "4");
	is_int(numaplace_plan(np, r, NULL, &p), 0, "set_log: at first there is no log (%s)", numaplace_error(np));
	numaplace_placement_free(p);
	numaplace_set_log(np, hear, &heard);
	is_int(numaplace_plan(np, r, NULL, &p), 0, "set_log: a plan with a log");
	ok(heard.n == 1 && heard.priority == LOG_WARNING && strstr(heard.line, "shared"), "set_log: a warning (%s)",
	   heard.line);
	is_int(numaplace_placement_overcommitted(p), 1, "placement: over-committed");
	numaplace_placement_free(p);
	numaplace_set_log(np, NULL, NULL);
	is_int(numaplace_plan(np, r, NULL, &p), 0, "set_log: a plan after the log was removed");
	is_int((int)heard.n, 1, "set_log: NULL ends the warnings");
	numaplace_placement_free(p);
	numaplace_request_free(r);
}

/* --- snapshots --- */

static void test_placement_details(const struct numaplace_placement *p)
{
	is_str(numaplace_placement_request(p, "limits.cpu"), "2", "placement: a key of the request");
	ok(!numaplace_placement_request(p, "limits.memory"), "placement: a key that was not set");
	ok(!numaplace_placement_request(p, "limits.gpu"), "placement: there is no such key");
	ok(!numaplace_placement_request(p, NULL), "placement: the key NULL");
	is_str(numaplace_placement_limit(p, "limits.memory"), "1GiB", "placement: a limit of the runtime");
	ok(!numaplace_placement_limit(p, "limits.cpu"), "placement: a key is not a limit");
	is_str(numaplace_placement_pinned_cpus(p), "0-3", "placement: pinned CPUs");
	is_str(numaplace_placement_pinned_mems(p), "", "placement: no pinned memory nodes");
	is_str(numaplace_placement_held(p), "", "placement: nothing is held");
	is_str(numaplace_placement_exclusive(p), "", "placement: it is not exclusive");
	is_str(numaplace_placement_applied(p), "cpuset", "placement: what applies the policy");
	is_int((int)numaplace_placement_count(p), 2, "placement: the CPUs that it counts for");
	is_int((int)numaplace_placement_decided(p), 1, "placement: when it was chosen");
	ok(!numaplace_placement_memory(p, 0), "placement: no memory was requested");
}

static void test_machine(const struct numaplace_snapshot *s)
{
	const struct numaplace_machine *m = numaplace_snapshot_machine(s);
	const struct numaplace_node *n = numaplace_snapshot_node(s, 3);

	is_int((int)m->nnodes, 4, "snapshot: nodes");
	is_int((int)m->ncpus, 8, "snapshot: CPUs");
	is_str(m->memory_nodes, "0-3", "snapshot: nodes with memory");
	is_str(m->reserved, "", "snapshot: no CPU is reserved");
	ok(n && n->id == 3 && n->ncpus == 2 && n->first_cpu == 6, "snapshot: the last node");
	is_str(n->cpus, "6-7", "snapshot: the CPUs of a node");
	is_str(n->usable, "6-7", "snapshot: its usable CPUs");
	is_str(n->memory_kind, "ordinary", "snapshot: its kind of memory");
	ok(n->memory == 1ULL << 30 && n->memory_known && n->memory_allowed, "snapshot: its memory");
	ok(!numaplace_snapshot_node(s, 4), "snapshot: no node after the last one");
	ok(numaplace_snapshot_cpu(s, 7)->id == 7 && numaplace_snapshot_cpu(s, 7)->node == 3, "snapshot: the last CPU");
	ok(!numaplace_snapshot_cpu(s, 8), "snapshot: no CPU after the last one");
	is_int((int)numaplace_snapshot_distance(s, 2, 2), 10, "snapshot: the distance within a node");
	is_int((int)numaplace_snapshot_distance(s, 4, 0), 0, "snapshot: the distance from a node that does not exist");
	ok(!numaplace_snapshot_hugepages(s, 0, 99) && !numaplace_snapshot_hugepages(s, 99, 0), "snapshot: no hugepages there");
	is_int((int)numaplace_snapshot_counters(s)->placed, 0, "snapshot: no hook has run");
}

static void test_snapshot(struct numaplace *np)
{
	struct numaplace_snapshot *s = NULL;
	unsigned int n = 0;

	is_str(numaplace_key(0), "limits.cpu", "key: the first one");
	ok(!numaplace_key(1000), "key: none after the last one");
	is_int(numaplace_snapshot_take(NULL, 0, &s), -EINVAL, "snapshot_take: without a context");
	is_refused(np, numaplace_snapshot_take(np, 0, NULL), -EINVAL, "snapshot: NULL", "snapshot_take: without an output");
	is_refused(np, numaplace_snapshot_take(np, 3, &s), -EINVAL, "flags 0x3", "snapshot_take: two flags");
	is_refused(np, numaplace_snapshot_take(np, 8, &s), -EINVAL, "flags 0x8", "snapshot_take: an unknown flag");
	ok(!s, "snapshot_take: the output is unchanged on failure");
	is_int(numaplace_snapshot_take(np, NUMAPLACE_MACHINE_ONLY, &s), 0, "snapshot_take: the machine alone");
	ok(!numaplace_snapshot_placement(s, 0), "snapshot: the machine alone has no placements");
	ok(numaplace_snapshot_load(s, "0-7") < 0, "snapshot: the machine alone has no load");
	numaplace_snapshot_free(s);
	is_int(numaplace_snapshot_take(np, NUMAPLACE_LEDGER_ONLY, &s), 0, "snapshot_take: the ledger alone");
	ok(numaplace_snapshot_placement(s, 3) != NULL, "snapshot: the ledger alone has the placements");
	numaplace_snapshot_free(s);
	is_int(numaplace_snapshot_take(np, 0, &s), 0, "snapshot_take (%s)", numaplace_error(np));
	while (numaplace_snapshot_placement(s, n))
		n++;
	is_int((int)n, 4, "snapshot: four placements");
	ok(numaplace_snapshot_load(s, "0-1") == 2 && numaplace_snapshot_load(s, "0,4") == 2 &&
		   numaplace_snapshot_load(s, "2-3,8000") == 0 && numaplace_snapshot_load(s, "") == 0,
	   "snapshot: the load of lists of CPUs");
	ok(numaplace_snapshot_load(s, "x") < 0 && numaplace_snapshot_load(s, NULL) < 0, "snapshot: the load of no list");
	ok(!numaplace_snapshot_find_pid(s, getpid()), "snapshot_find_pid: a recorded machine has no processes");
	test_machine(s);
	numaplace_snapshot_free(s);
	numaplace_snapshot_free(NULL);
}

static void test_pages(struct numaplace *np, const struct numaplace_placement *p)
{
	struct numaplace_pages *pages = NULL;
	struct numaplace *here = NULL;
	const struct numaplace_node_pages *n;

	is_int(numaplace_pages_read(NULL, p, 0, &pages), -EINVAL, "pages_read: without a context");
	is_refused(np, numaplace_pages_read(np, NULL, 0, &pages), -EINVAL, "placement: NULL", "pages_read: no placement");
	is_refused(np, numaplace_pages_read(np, p, 0, NULL), -EINVAL, "pages: NULL", "pages_read: without an output");
	is_refused(np, numaplace_pages_read(np, p, 2, &pages), -EINVAL, "flags 0x2", "pages_read: an unknown flag");
	is_refused(np, numaplace_pages_read(np, p, 0, &pages), -ENOENT, "no cgroup2", "pages_read: a recorded machine");
	is_refused(np, numaplace_pages_read_pid(np, 0, &pages), -EINVAL, "pid: 0", "pages_read_pid: no pid");
	is_int(numaplace_pages_read_pid(np, 1, &pages) < 0, 1, "pages_read_pid: a recorded machine has no processes");
	ok(!pages, "pages_read: the output is unchanged on failure");
	numaplace_open(&here, NULL, state, NULL, NUMAPLACE_READ_ONLY);
	if (access("/proc/self/numa_maps", R_OK) < 0) {
		ok(1, "pages_read_pid # SKIP a kernel without NUMA");
	} else {
		is_int(numaplace_pages_read_pid(here, getpid(), &pages), 0, "pages_read_pid (%s)", numaplace_error(here));
		n = pages ? numaplace_pages_node(pages, 0) : NULL;
		ok(n && n->anonymous && !n->cgroup_known, "pages_read_pid: this process has anonymous memory");
	}
	numaplace_pages_free(pages);
	numaplace_pages_free(NULL);
	numaplace_close(here);
}

static void test_ledger(void)
{
	struct numaplace *np;
	struct numaplace_placement *p = NULL;
	struct numaplace_request *r = NULL;
	struct listed all = { 0 }, two = { .stop = 2 };

	np = open_machine(NULL);
	all.np = np;
	is_int(numaplace_list(np, note, &all), 0, "list: without a state folder");
	is_refused(np, numaplace_find(np, "web", &p), -ENOENT, "web: no such container", "find: without a state folder");
	numaplace_close(np);
	fill_machine_ledger(machine, state, BOOT, fill_ledger);
	sh("cd %s && find . -printf '%%p %%m %%T@ %%s\\n' | sort > ../before", state);
	np = open_machine(state);
	all.np = two.np = np;
	is_int(numaplace_list(NULL, note, &all), -EINVAL, "list: without a context");
	is_refused(np, numaplace_list(np, NULL, &all), -EINVAL, "each: NULL", "list: without a function");
	is_int(numaplace_list(np, note, &all), 0, "list (%s)", numaplace_error(np));
	ok(all.n == 4 && strstr(all.ids, "web ") && strstr(all.ids, "db ") && strstr(all.ids, "twice twice "),
	   "list: four containers (%s)", all.ids);
	is_int(all.again, 0, "list: its function may use the context");
	is_int(numaplace_list(np, note, &two), 42, "list: what its function returned");
	is_int((int)two.n, 2, "list: it ended there");
	is_int(numaplace_find(NULL, "web", &p), -EINVAL, "find: without a context");
	is_refused(np, numaplace_find(np, NULL, &p), -EINVAL, "container: NULL", "find: without a name");
	is_refused(np, numaplace_find(np, "web", NULL), -EINVAL, "placement: NULL", "find: without an output");
	is_refused(np, numaplace_find(np, "we", &p), -ENOENT, "we: no such container", "find: another name");
	is_refused(np, numaplace_find(np, "twice", &p), -ENOTUNIQ, "2 containers", "find: an id of two containers");
	ok(!p, "find: the output is unchanged on failure");
	is_int(numaplace_find(np, "/machine.slice/twice-10", &p), 0, "find: by cgroup (%s)", numaplace_error(np));
	is_str(p ? numaplace_placement_cpus(p) : "", "7", "find: the right one of two");
	numaplace_placement_free(p);
	is_int(numaplace_find(np, "web", &p), 0, "find: by id (%s)", numaplace_error(np));
	numaplace_request_new(np, &r);
	numaplace_request_set(r, "limits.cpu", "2");
	is_str(planned(np, r, NULL), "1|2-3|1", "plan: the other containers' CPUs are taken");
	numaplace_request_free(r);
	test_log(np);
	test_snapshot(np);
	test_pages(np, p);
	numaplace_close(np);
	test_placement_details(p);
	is_str(numaplace_placement_id(p), "web", "placement: valid after the context is closed: id");
	is_str(numaplace_placement_runtime(p), "crun", "placement: runtime");
	is_str(numaplace_placement_cgroup(p), "/machine.slice/web-7", "placement: cgroup");
	is_str(numaplace_placement_mems(p), "0", "placement: memory nodes");
	is_int(numaplace_placement_overcommitted(p), 0, "placement: not over-committed");
	is_str(numaplace_placement_reason(p, 0), "because?of ?[31m0", "placement: reasons are printable");
	numaplace_placement_free(p);
	is_int(sh("cd %s && find . -printf '%%p %%m %%T@ %%s\\n' | sort | cmp - ../before", state), 0,
	       "a context of a recorded machine changes nothing in the state folder");
}

/* --- what writes --- */

static int place_as(struct numaplace *np, const struct numaplace_request *r, size_t size, int pid, const char *id,
		    const char *runtime)
{
	struct numaplace_target t = { .size = size, .pid = pid, .id = id, .runtime = runtime };
	struct numaplace_placement *p = NULL;
	int rc = numaplace_place(np, r, &t, &p);

	ok(!p, "place: the output is unchanged on failure");
	return rc;
}

static void test_target(struct numaplace *np, const struct numaplace_request *r)
{
	struct {
		struct numaplace_target t;
		char later[8];
	} newer = { .t = { .size = sizeof(newer), .pid = 1, .id = "web" } };
	const size_t size = sizeof(struct numaplace_target);

	is_int(numaplace_place(NULL, r, &newer.t, NULL), -EINVAL, "place: without a context");
	is_refused(np, numaplace_place(np, NULL, &newer.t, NULL), -EINVAL, "request: NULL", "place: without a request");
	is_refused(np, numaplace_place(np, r, NULL, NULL), -EINVAL, "target: NULL", "place: without a target");
	is_refused(np, place_as(np, r, 0, 1, "web", NULL), -EINVAL, "target: size 0", "place: a target without its size");
	is_refused(np, place_as(np, r, size, 0, "web", NULL), -EINVAL, "pid: 0", "place: without a pid");
	is_refused(np, place_as(np, r, size, -4, "web", NULL), -EINVAL, "pid: -4", "place: a negative pid");
	is_refused(np, place_as(np, r, size, 1, NULL, NULL), -EINVAL, "id: NULL", "place: without an id");
	is_refused(np, place_as(np, r, size, 1, "a b", NULL), -EINVAL, "id: ", "place: an invalid id");
	is_refused(np, place_as(np, r, size, 1, "web", "a\nb"), -EINVAL, "runtime: ", "place: an invalid runtime");
	is_refused(np, place_as(np, r, size, 1, "web", "0123456789abcdef"), -EINVAL, "longer than 15 bytes",
		   "place: a long runtime");
	newer.later[7] = 1;
	is_refused(np, numaplace_place(np, r, &newer.t, NULL), -E2BIG, "this version knows", "place: a newer field is set");
	newer.later[7] = 0;
	is_refused(np, numaplace_place(np, r, &newer.t, NULL), -EROFS, "read-only", "place: a newer target, fields unused");
}

static void test_writers(void)
{
	struct numaplace *np = NULL;
	struct numaplace_request *r = NULL;

	sh("rm -rf %s", state);
	numaplace_open(&np, NULL, state, NULL, NUMAPLACE_READ_ONLY);
	numaplace_request_new(np, &r);
	numaplace_request_set(r, "limits.cpu", "1");
	test_target(np, r);
	is_int(numaplace_release(NULL, NULL, "web"), -EINVAL, "release: without a context");
	is_refused(np, numaplace_release(np, NULL, NULL), -EINVAL, "id: NULL", "release: without an id");
	is_refused(np, numaplace_move_plan(np, "web", "1", NULL), -EROFS, "read-only", "move_plan: a read-only context");
	is_refused(np, numaplace_release(np, "", "web"), -EINVAL, "runtime: ", "release: an empty runtime");
	is_refused(np, numaplace_release(np, "crun", "web"), -EROFS, "read-only", "release: a read-only context");
	is_int(numaplace_move(NULL, "web", "0", 1, NULL, NULL, NULL), -EINVAL, "move: without a context");
	is_refused(np, numaplace_move(np, "web", NULL, 1, NULL, NULL, NULL), -EINVAL, "nodes: NULL", "move: without nodes");
	is_refused(np, numaplace_move(np, "web", "x", 1, NULL, NULL, NULL), -EINVAL, "nodes: ", "move: not a list");
	is_refused(np, numaplace_move(np, "web", "0", 1, NULL, NULL, NULL), -EROFS, "read-only", "move: a read-only context");
	is_int(numaplace_resize(NULL, "web", r, 1, NULL, NULL, NULL), -EINVAL, "resize: without a context");
	is_refused(np, numaplace_resize(np, "web", NULL, 1, NULL, NULL, NULL), -EINVAL, "changes: NULL", "resize: without changes");
	is_refused(np, numaplace_resize(np, "web", r, 1, NULL, NULL, NULL), -EROFS, "read-only", "resize: a read-only context");
	is_refused(np, numaplace_resize_plan(np, "web", r, NULL), -EROFS, "read-only", "resize_plan: a read-only context");
	ok(access(state, F_OK) < 0, "a read-only context creates no state folder");
	is_int(numaplace_cpuset_read(NULL, NULL, NULL), -EINVAL, "cpuset_read: without a context");
	is_refused(np, numaplace_cpuset_read(np, NULL, NULL), -EINVAL, "placement: NULL", "cpuset_read: without a placement");
	numaplace_cpuset_free(NULL);
	numaplace_request_free(r);
	numaplace_close(np);

	np = NULL;
	numaplace_open(&np, "/", state, NULL, 0);
	is_int(numaplace_release(np, "crun", "web"), 0, "release: no such container (%s)", numaplace_error(np));
	is_refused(np, numaplace_move(np, NULL, "0", 1, NULL, NULL, NULL), -EINVAL, "container: NULL", "move: without a name");
	is_refused(np, numaplace_move(np, "web", "0", 1, NULL, NULL, NULL), -ENOENT, "web: no such container",
		   "move: no such container");
	ok(access(state, F_OK) < 0, "a release without a state folder creates none");
	numaplace_request_new(np, &r);
	is_refused(np, numaplace_resize(np, "web", r, 1, NULL, NULL, NULL), -EINVAL, "a key is missing", "resize: no key");
	numaplace_request_set(r, "limits.cpu", "1");
	is_refused(np, numaplace_resize(np, "web", r, 1, NULL, NULL, NULL), -ENOENT, "web: no such container",
		   "resize: no such container");
	numaplace_request_pin(r, "0", NULL);
	is_refused(np, numaplace_resize(np, "web", r, 1, NULL, NULL, NULL), -EINVAL, "pins are", "resize: pins");
	numaplace_request_pin(r, NULL, NULL);
	numaplace_request_limit(r, 100000, 100000, 0);
	is_refused(np, numaplace_resize(np, "web", r, 1, NULL, NULL, NULL), -EINVAL, "limits are", "resize: limits");
	numaplace_request_limit(r, 0, 0, 0);
	/* This test's own process: it is the caller, so its cgroup is not a container's, if the host has cgroup2. */
	ok(place_as(np, r, sizeof(struct numaplace_target), (int)getpid(), "web", "crun") < 0,
	   "place: this process is refused (%s)", numaplace_error(np));
	numaplace_request_free(r);
	numaplace_close(np);
}

int main(void)
{
	struct sigaction old, now;

	if (!mkdtemp(dir))
		return 1;
	snprintf(machine, sizeof(machine), "%s/machine", dir);
	snprintf(state, sizeof(state), "%s/run", dir);
	sh("tests/machines/make-machine -v root=%s tests/machines/plain-4x2-pairs.machine", machine);
	sigaction(SIGRTMAX - 2, NULL, &old);
	test_open();
	test_request();
	test_limit();
	test_plan();
	test_ledger();
	test_writers();
	sigaction(SIGRTMAX - 2, NULL, &now);
	ok(old.sa_handler == now.sa_handler, "no signal handler is left");
	sh("rm -rf %s", dir);
	return done();
}
