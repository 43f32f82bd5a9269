/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numaplace_predict() for plans and placed containers, with valid and invalid input, on a recorded machine with a
 * ledger. What it predicts is tested in select-speed-test.c.
 */
#include "include/numaplace.h"

#include "tests/unit/machine-ledger.h"
#include "tests/unit/shell.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define BOOT "11111111-2222-3333-4444-555555555555"

static char dir[] = "/tmp/numaplace-api-XXXXXX";
static char machine[64], state[64];

static void add(struct ledger *l, const char *id, uint64_t inode, const char *cpus, unsigned int node)
{
	struct record r = { .cgroup_inode = inode, .started = 1, .runtime = "runc", .applied = "cpuset" };
	struct error err = { 0 };

	snprintf(r.id, sizeof(r.id), "%s", id);
	if (asprintf(&r.cgroup, "/machine.slice/%s", id) < 0)
		return;
	request_init(&r.request);
	request_set(&r.request, "limits.cpu", "2", NULL);
	request_set(&r.request, "limits.cpu.work", "bandwidth", NULL);
	idset_parse(cpus, &r.placement.share.cpus, NULL);
	r.placement.share.count = 2;
	nodeset_add(&r.placement.nodes, node);
	nodeset_add(&r.placement.mems, node);
	if (ledger_add(l, "oci", &r, &err) < 0)
		diag("ledger_add: %s", err.text);
	record_free(&r);
}

/* Node 0 has two streaming containers, node 1 one, nodes 2 and 3 none. */
static void fill_ledger(struct ledger *l)
{
	add(l, "web", 7, "0-1", 0);
	add(l, "db", 8, "2-3", 0);
	add(l, "lone", 9, "8-9", 1);
}

static struct numaplace *open_machine(const char *st)
{
	struct numaplace *np = NULL;

	if (numaplace_open(&np, machine, st, NULL, NUMAPLACE_READ_ONLY) < 0)
		diag("open: %s", numaplace_error(np));
	return np;
}

/* A plan of four CPUs within @nodes. */
static struct numaplace_placement *plan(struct numaplace *np, const char *nodes)
{
	struct numaplace_placement *p = NULL;
	struct numaplace_request *r = NULL;

	numaplace_request_new(np, &r);
	numaplace_request_set(r, "limits.cpu", "4");
	numaplace_request_set(r, "limits.cpu.nodes", nodes);
	if (numaplace_plan(np, r, NULL, &p) < 0)
		diag("plan: %s", numaplace_error(np));
	numaplace_request_free(r);
	return p;
}

static void test_plan(struct numaplace *np)
{
	struct numaplace_placement *p = plan(np, "0");
	struct numaplace_prediction *speed = NULL, *other = NULL;
	const struct numaplace_speed *s;

	is_int(numaplace_predict(NULL, p, &speed), -EINVAL, "predict: without a context");
	is_int(numaplace_predict(np, NULL, &speed), -EINVAL, "predict: without a placement");
	is_str(numaplace_error(np), "placement: NULL", "predict: without a placement: the message");
	is_int(numaplace_predict(np, p, NULL), -EINVAL, "predict: without an output");
	is_str(numaplace_error(np), "prediction: NULL", "predict: without an output: the message");
	ok(!speed, "predict: the output is unchanged on failure");
	is_int(numaplace_predict(np, p, &speed), 0, "predict: a plan (%s)", numaplace_error(np));
	s = numaplace_prediction_speed(speed, 0);
	is_str(s->nodes, "0", "prediction: the nodes of the plan");
	ok(s->percent < 100 && s->percent > 0, "prediction: %u %%", s->percent);
	is_str(s->reason, "node 0's memory is busy", "prediction: the reason");
	ok(!numaplace_prediction_speed(speed, 1), "prediction: node 0 alone was allowed: no runner-up");
	numaplace_placement_free(p);
	is_str(s->nodes, "0", "prediction: it outlives the placement");
	p = plan(np, "2-3");
	is_int(numaplace_predict(np, p, &other), 0, "predict: another plan");
	s = numaplace_prediction_speed(other, 0);
	is_int((int)s->percent, 100, "prediction: an idle node");
	is_str(s->reason, "", "prediction: no reason at 100 %%");
	s = numaplace_prediction_speed(other, 1);
	ok(s && strcmp(s->nodes, "3") == 0 && s->percent == 100, "prediction: the runner-up, the other idle node");
	ok(!numaplace_prediction_speed(other, 2), "prediction: no third place");
	numaplace_prediction_free(speed);
	numaplace_prediction_free(other);
	numaplace_prediction_free(NULL);
	numaplace_placement_free(p);
}

static unsigned int percent_of(struct numaplace *np, const char *id, const char **second)
{
	static char nodes[64];
	struct numaplace_prediction *speed = NULL;
	struct numaplace_placement *p = NULL;
	unsigned int percent = 0;

	nodes[0] = '\0';
	if (numaplace_find(np, id, &p) == 0 && numaplace_predict(np, p, &speed) == 0) {
		percent = numaplace_prediction_speed(speed, 0)->percent;
		if (numaplace_prediction_speed(speed, 1))
			snprintf(nodes, sizeof(nodes), "%s", numaplace_prediction_speed(speed, 1)->nodes);
	}
	*second = nodes;
	numaplace_prediction_free(speed);
	numaplace_placement_free(p);
	return percent;
}

static void test_placed(struct numaplace *np)
{
	struct numaplace_prediction *speed = NULL;
	struct numaplace_placement *p = NULL;
	const char *second;
	unsigned int beside = percent_of(np, "web", &second);

	ok(beside > 0 && beside < 100, "predict: a placed container with a neighbour: %u %%", beside);
	is_str(second, "2", "predict: its runner-up is an idle node");
	is_int((int)percent_of(np, "lone", &second), 100, "predict: a placed container without a neighbour");
	is_int(numaplace_find(np, "db", &p), 0, "find: the neighbour");
	shell_in(dir, "rm state/containers/*db*");
	ok(percent_of(np, "web", &second) == 100, "predict: the neighbour has ended");
	is_int(numaplace_predict(np, p, &speed), -ENOENT, "predict: a container that has ended");
	is_str(numaplace_error(np), "db: no such container is placed", "predict: it is named");
	numaplace_placement_free(p);
}

static void make_machine(void)
{
	char line[512];

	snprintf(line, sizeof(line),
		 "printf 'node %%s mem 16384\\n' '0 cpus 0-7' '1 cpus 8-15' '2 cpus 16-23' '3 cpus 24-31' > %s/file && "
		 "tests/machines/make-machine -v root=%s %s/file",
		 dir, machine, dir);
	shell_in(".", line);
}

int main(void)
{
	struct numaplace *np;

	if (!mkdtemp(dir))
		return 1;
	snprintf(machine, sizeof(machine), "%s/machine", dir);
	snprintf(state, sizeof(state), "%s/state", dir);
	make_machine();
	fill_machine_ledger(machine, state, BOOT, fill_ledger);
	np = open_machine(state);
	test_plan(np);
	test_placed(np);
	numaplace_close(np);
	shell_in(dir, "rm -rf machine state file && rmdir \"$PWD\"");
	return done();
}
