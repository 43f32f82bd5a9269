/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two contexts in one process, of two machines with two state folders: both ledgers are open at once, and neither
 * changes what the other does.
 */
#include "place/place.h"
#include "plugin/base/util.h"
#include "tests/unit/shell.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static char dir[] = "/tmp/numaplace-context-XXXXXX";

/* A machine with a context. */
struct side {
	char root[64], state[64];
	struct place_env env;
	struct topology *topology;
	struct ledger *ledger;
};

#define sh(...) shell_in_format(dir, __VA_ARGS__)

/* A machine with @nodes nodes of one CPU and 1 GiB each, in the boot that begins with @boot. */
static void make_machine(const char *name, unsigned int nodes, char boot)
{
	sh("mkdir -p %s/proc/sys/kernel/random %s/sys/devices/system/node %s/sys/devices/system/cpu && cd %s && "
	   "echo %c1111111-2222-3333-4444-555555555555 > proc/sys/kernel/random/boot_id && cd sys/devices/system && "
	   "echo 0-%u | tee cpu/online cpu/possible cpu/present node/online node/possible node/has_cpu "
	   "node/has_memory > node/has_normal_memory && for n in $(seq 0 %u); do "
	   "mkdir -p cpu/cpu$n/topology node/node$n && cd cpu/cpu$n/topology && "
	   "echo $n | tee core_id thread_siblings_list core_cpus_list > physical_package_id && cd ../../../node/node$n && "
	   "echo $n > cpulist && echo $(for m in $(seq 0 %u); do [ $m = $n ] && echo 10 || echo 20; done) > distance && "
	   "printf 'Node %%d MemTotal: 1048576 kB\\nNode %%d MemFree: 1048576 kB\\n' $n $n > meminfo && cd ../..; done",
	   name, name, name, name, boot, nodes - 1, nodes - 1, nodes - 1);
}

static void open_side(struct side *s, const char *name, unsigned int nodes, char boot)
{
	struct error err = { 0 };

	make_machine(name, nodes, boot);
	snprintf(s->root, sizeof(s->root), "%s/%s", dir, name);
	snprintf(s->state, sizeof(s->state), "%s/%s.run", dir, name);
	s->env = PLACE_ENV_NONE;
	s->env.root = open(s->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->env.real = true; /* as only then a ledger is written */
	s->env.state_path = s->state;
	s->env.timeout_ms = 1000;
	s->topology = NULL;
	s->ledger = NULL;
	is_int(topology_read(s->env.root, &s->topology, &err), 0, "%s: the machine is read %s", name, err.text);
	is_int(place_open(&s->env, PLACE_CREATE, &err), 0, "%s: the context is opened %s", name, err.text);
	/* In place of the host's cgroups, in which no container of this test is. */
	cleanup_closep(&s->env.mount);
	s->env.mount = open(s->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	is_int(place_ledger(&s->env, s->topology, &s->ledger, &err), 0, "%s: the ledger is opened %s", name, err.text);
}

static void close_side(struct side *s)
{
	ledger_close(s->ledger);
	topology_free(s->topology);
	close(s->env.root);
	place_close(&s->env);
}

/* Adds a container on @node, whose cgroup does not exist. */
static void add(struct side *s, const char *id, unsigned int node)
{
	cleanup_record struct record r = { .runtime = "runc", .cgroup_inode = 7, .started = 1 };
	struct error err = { 0 };

	snprintf(r.id, sizeof(r.id), "%s", id);
	r.cgroup = strdup("/numaplace-context-test.gone");
	request_init(&r.request);
	nodeset_add(&r.placement.nodes, node);
	nodeset_add(&r.placement.mems, node);
	idset_add(&r.placement.share.cpus, node);
	r.placement.share.count = 1;
	is_int(ledger_add(s->ledger, "oci", &r, &err), 0, "%s is added %s", id, err.text);
}

static unsigned int containers(const struct side *s)
{
	return ledger_usage(s->ledger)->containers;
}

int main(void)
{
	static struct side a, b;
	struct ledger *again = NULL;
	struct nodeset nodes = { { 0 } };
	struct error err = { 0 };
	char clean[128];

	if (!mkdtemp(dir))
		return 1;
	open_side(&a, "one", 2, '1');
	open_side(&b, "two", 4, '2');
	ok(a.env.state != b.env.state && a.env.state >= 0 && b.env.state >= 0, "each context has its own state folder");
	is_int(place_ledger(&b.env, b.topology, &again, &err), -EDEADLK, "the same ledger is not opened twice");
	add(&a, "web", 1);
	is_int(containers(&a), 1, "a container counts in the ledger that it was added to");
	is_int(containers(&b), 0, "and not in the other one");
	add(&b, "db", 3);
	is_int(ledger_remove(a.ledger, "oci", "web", &err), 0, "its end is seen while both are open");
	is_int(containers(&a), 0, "it does not count any more");
	is_int(containers(&b), 1, "the container of the other ledger stays");
	/* They are kept with the boot that the ledger was opened in. */
	ledger_close(a.ledger);
	a.ledger = NULL;
	is_int(place_ledger(&a.env, a.topology, &a.ledger, &err), 0, "one of them is opened again");
	ok(ledger_home(a.ledger, "oci", "web", &nodes) && nodeset_has(&nodes, 1) && nodeset_count(&nodes) == 1,
	   "the last nodes of the ended container are known in its ledger");
	ok(!ledger_home(b.ledger, "oci", "web", &nodes), "and not in the other one");
	close_side(&a);
	is_int(b.env.root >= 0 ? ledger_ready(b.ledger, &err) : -1, 0, "a closed context leaves the other one open");
	add(&b, "cache", 2);
	is_int(containers(&b), 2, "and its ledger is written");
	close_side(&b);
	ok(b.env.state < 0 && b.env.mount < 0, "a closed context has no descriptors");
	snprintf(clean, sizeof(clean), "rm -rf %s", dir);
	ok(system(clean) == 0, "the test's folder is removed");
	return done();
}
