/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Predicted speed of placements: 100 % alone on idle nodes, less beside others, and the cause that counts most. Made
 * machines, and thousands of random ones with containers that the selection has placed.
 */
#include "plugin/select/speed.h"
#include "tests/unit/made.h"
#include "tests/unit/tap.h"
#include "tests/unit/truth.h"

#define GIB	 (1ULL << 30)
#define MACHINES 600
#define MOST	 8
#define ROUNDING 1e-9

static unsigned int pairs(unsigned int i, unsigned int j)
{
	return i == j ? 10 : i / 2 == j / 2 ? 12 : 21;
}

/* A machine, containers on it, and the place of one more container. */
struct scene {
	struct topology *t;
	struct placement other[MOST], own, idle;
	struct neighbour neighbour[MOST];
	unsigned int n;
	struct work_hint work;
	char reason[120];
};

static struct scene scene_of(struct topology *t)
{
	return (struct scene){ .t = t };
}

static void scene_end(struct scene *s)
{
	for (unsigned int i = 0; i < s->n; i++)
		placement_free(&s->other[i]);
	placement_free(&s->own);
	placement_free(&s->idle);
	topology_free(s->t);
}

/* A container on the CPUs of a list, with its pages on the nodes of another. */
static struct placement on(const struct topology *t, const char *cpus, const char *mems)
{
	struct placement p = { 0 };

	idset_parse(cpus, &p.share.cpus, NULL);
	nodeset_parse(mems, &p.mems, NULL);
	topology_nodes_of(t, &p.share.cpus, &p.nodes);
	p.share.count = idset_count(&p.share.cpus);
	return p;
}

static void beside(struct scene *s, const char *cpus, const char *mems, struct work_hint work)
{
	s->other[s->n] = on(s->t, cpus, mems);
	s->neighbour[s->n] = (struct neighbour){ .placement = &s->other[s->n], .work = work };
	s->n++;
}

static int predict_at(const struct scene *s, const struct placement *const *place, unsigned int n, unsigned int idle,
		      struct speed *out)
{
	const struct speed_input in = {
		.topology = s->t, .work = s->work, .n = s->n, .neighbour = s->neighbour
	};

	return speed_predict(&in, place, n, idle, out);
}

/* Speed on these CPUs and memory nodes, compared with the other ones on an idle machine. Its reason is s->reason. */
static unsigned int percent(struct scene *s, const char *cpus, const char *mems, const char *idle_cpus, const char *idle_mems)
{
	struct placement own = on(s->t, cpus, mems), idle = on(s->t, idle_cpus, idle_mems);
	const struct placement *place[2] = { &own, &idle };
	struct speed speed[2] = { { 0 } };

	if (predict_at(s, place, 2, 2, speed) < 0)
		return 0;
	speed_reason(&speed[0], s->reason, sizeof(s->reason));
	return speed_percent(&speed[0]);
}

static struct topology *four(unsigned int smt, unsigned int llc)
{
	struct made_node nodes[4] = { { 0, 16, GIB }, { 1, 16, GIB }, { 2, 16, GIB }, { 3, 16, GIB } };

	return made(nodes, 4, smt, llc, pairs);
}

static void test_alone(void)
{
	struct scene s = scene_of(four(2, 0));

	is_int(percent(&s, "0,2,4,6", "0", "0,2,4,6", "0"), 100, "alone on an idle machine: 100 %%");
	is_str(s.reason, "", "alone: no reason");
	beside(&s, "32-47", "2", (struct work_hint){ 0 });
	is_int(percent(&s, "0,2,4,6", "0", "0,2,4,6", "0"), 100, "others on another node: 100 %%");
	is_str(s.reason, "", "others on another node: no reason");
	is_int(percent(&s, "0-15", "0", "0-15", "0"), 100, "all threads of an idle node: 100 %% of the same alone");
	scene_end(&s);
}

/* In CPUs, of all containers at once. */
static void test_of_all(void)
{
	struct scene s = scene_of(four(1, 0));
	struct speed_input in = { .topology = s.t, .neighbour = s.neighbour };
	struct work_hint compute = { true, WORK_COMPUTE };
	double alone, out[3] = { 0 };

	beside(&s, "0-3", "0", compute);
	in.n = 1;
	is_int(speed_of_all(&in, out), 0, "speeds of all: predicted");
	ok(out[0] > 3.9 && out[0] <= 4, "four threads that compute, alone: %.3f CPUs", out[0]);
	alone = out[0];
	beside(&s, "16-19", "1", compute);
	beside(&s, "0-3", "0", compute);
	in.n = 2;
	speed_of_all(&in, out);
	ok(out[0] == alone && out[1] == alone, "another container on another node changes nothing");
	in.n = 3;
	speed_of_all(&in, out);
	ok(out[0] > 1.9 && out[0] < 2.1 && out[2] == out[0] && out[1] == alone,
	   "two containers on the same four CPUs: half of the speed (%.3f)", out[0]);
	scene_end(&s);
}

/* Other containers use one thing after the other, and nothing else. */
static void test_causes(void)
{
	struct work_hint stream = { true, WORK_BANDWIDTH }, compute = { true, WORK_COMPUTE };
	struct scene s = scene_of(four(2, 2)); /* a cache for each core */
	unsigned int here;

	beside(&s, "18,20,22,24,26,28,30", "1", stream);
	here = percent(&s, "16", "1", "16", "1");
	ok(here < 100 && here > 40, "a node whose memory others use: %u %%", here);
	is_str(s.reason, "node 1's memory is busy", "the busy memory is named");
	scene_end(&s);
	s = scene_of(four(2, 2));
	beside(&s, "1,3", "0", compute);
	here = percent(&s, "0,2", "0", "0,2", "0");
	ok(here < 90 && here > 40, "others on the other threads: %u %%", here);
	is_str(s.reason, "its threads share cores", "shared cores are named");
	scene_end(&s);
	s = scene_of(four(1, 0));
	beside(&s, "0,1", "0", compute);
	here = percent(&s, "0,1", "0", "0,1", "0");
	is_int(here, 50, "two containers on the same CPUs: 50 %%");
	is_str(s.reason, "its CPUs are over-committed", "over-committed CPUs are named");
	scene_end(&s);
	s = scene_of(four(1, 0));
	beside(&s, "8-15", "0", compute);
	here = percent(&s, "0", "0", "0", "0");
	ok(here < 100 && here > 80, "others use the cache: %u %%", here);
	is_str(s.reason, "other containers use its last-level caches", "caches are named");
	scene_end(&s);
}

static void test_places(void)
{
	struct work_hint stream = { true, WORK_BANDWIDTH };
	struct scene s = scene_of(four(1, 1));
	struct topology *t;
	unsigned int here;

	s.work = (struct work_hint){ true, WORK_LATENCY };
	here = percent(&s, "0-7,32-39", "0,2", "0-15", "0");
	ok(here < 100 && here > 50, "two far nodes instead of one: %u %%", here);
	is_str(s.reason, "its CPUs and memory are farther apart than they could be", "distance is named");
	ok(percent(&s, "0-7,16-23", "0,1", "0-15", "0") > here, "two near nodes are faster");
	s.work.given = false;
	for (unsigned int i = 0; i < 4; i++) {
		char cpus[16], mems[4];

		snprintf(cpus, sizeof(cpus), "%u-%u", 4 + 4 * i, 7 + 4 * i);
		snprintf(mems, sizeof(mems), "%u", 2 + i % 2);
		beside(&s, cpus, mems, stream);
	}
	here = percent(&s, "0", "1", "0", "1");
	ok(here < 100, "others send all their traffic over the links: %u %%", here);
	is_str(s.reason, "the links between its nodes are busy", "links are named");
	scene_end(&s);
	t = four(1, 1);
	for (unsigned int i = 0; i < 16; i++)
		t->cpus[i].capacity = 512;
	topology_finish(t);
	s = scene_of(t);
	s.work = (struct work_hint){ true, WORK_COMPUTE };
	is_int(percent(&s, "0-3", "0", "16-19", "1"), 51, "cores of half the speed, for work that computes");
	is_str(s.reason, "its CPUs are slower than those that it could have", "slow cores are named");
	is_int(percent(&s, "0-3", "0", "0-3", "0"), 100, "slow cores, where it would get no others");
	scene_end(&s);
}

/* A faster place that is not one of the idle ones is above 100 %. */
static void test_faster(void)
{
	struct scene s = scene_of(four(1, 1));
	struct placement far = on(s.t, "0-1,32-33", "0,2"), near = on(s.t, "0-3", "0");
	const struct placement *place[2] = { &far, &near };
	struct speed speed[2];

	s.work = (struct work_hint){ true, WORK_LATENCY };
	predict_at(&s, place, 2, 1, speed);
	is_int(speed_percent(&speed[0]), 100, "the only idle place: 100 %%, although another one is faster");
	ok(speed_percent(&speed[1]) > 100 && speed[1].cause == SLOW_NOT, "the faster place: %u %%", speed_percent(&speed[1]));
	predict_at(&s, place, 2, 2, speed);
	ok(speed_percent(&speed[0]) < 100 && speed_percent(&speed[1]) == 100, "two idle places: the slower one has %u %%",
	   speed_percent(&speed[0]));
	scene_end(&s);
}

static void test_work(void)
{
	struct work_hint stream = { true, WORK_BANDWIDTH };
	unsigned int of[WORK_KINDS], any;
	struct scene s = scene_of(four(2, 2));

	beside(&s, "18,20,22,24,26,28,30", "1", stream);
	any = percent(&s, "16", "1", "16", "1");
	for (unsigned int k = 0; k < WORK_KINDS; k++) {
		s.work = (struct work_hint){ true, (enum work_kind)k };
		of[k] = percent(&s, "16", "1", "16", "1");
	}
	ok(of[WORK_COMPUTE] > of[WORK_LATENCY] && of[WORK_LATENCY] > of[WORK_BANDWIDTH],
	   "busy memory: compute %u %%, latency %u %%, bandwidth %u %%", of[WORK_COMPUTE], of[WORK_LATENCY],
	   of[WORK_BANDWIDTH]);
	ok(any > of[WORK_BANDWIDTH] && any < of[WORK_COMPUTE], "a mix is between them: %u %%", any);
	s.work.given = false;
	s.neighbour[0].work = (struct work_hint){ true, WORK_COMPUTE };
	is_int(percent(&s, "16", "1", "16", "1"), 100, "neighbours that compute leave the memory alone");
	scene_end(&s);
}

/* Places up to MOST containers at random, then one more, beside them and on the idle machine. */
static bool random_scene(struct rnd *r, struct scene *s)
{
	struct topology *t = made_random(r, 8);
	unsigned int smt = t->ncores ? t->ncpus / t->ncores : 1, most = rnd_below(r, MOST + 1);
	struct world w = world_of(t), idle = { .t = t };
	struct request q;
	bool placed;

	*s = scene_of(t);
	for (unsigned int i = 0; i < most; i++) {
		q = random_request(r, t, smt);
		if (select_in(&w, &q, &s->other[s->n]) < 0)
			continue;
		usage_add(w.u, &s->other[s->n].share);
		s->neighbour[s->n] = (struct neighbour){ .placement = &s->other[s->n], .work =
							 { rnd_below(r, 2), (enum work_kind)rnd_below(r, WORK_KINDS) } };
		s->n++;
	}
	q = random_request(r, t, smt);
	s->work = (struct work_hint){ rnd_below(r, 2), (enum work_kind)rnd_below(r, WORK_KINDS) };
	placed = select_in(&w, &q, &s->own) == 0;
	idle.u = usage_new(t->cpu_ids, (unsigned int)t->nodes[t->nnodes - 1].id + 1);
	select_policy_init(&idle.policy);
	placed = select_in(&idle, &q, &s->idle) == 0 && placed;
	usage_free(idle.u);
	usage_free(w.u);
	return placed;
}

static void test_random(void)
{
	struct rnd r = { 18 };
	unsigned int seen = 0, outside = 0, alone = 0, faster = 0, reasons = 0, slowed = 0;

	for (unsigned int m = 0; m < MACHINES; m++) {
		struct scene s;
		struct speed speed[2], quiet[2], again[2];

		if (random_scene(&r, &s)) {
			const struct placement *place[2] = { &s.own, &s.idle };
			unsigned int n = s.n;

			seen++;
			predict_at(&s, place, 2, 2, speed);
			predict_at(&s, place, 2, 2, again);
			s.n = 0;
			predict_at(&s, place, 2, 2, quiet);
			s.n = n;
			for (unsigned int i = 0; i < 2; i++) {
				outside += speed[i].part <= 0 || speed[i].part > 1 || speed[i].part != again[i].part;
				faster += speed[i].part > quiet[i].part + ROUNDING;
reasons += (speed[i].part < 1 - ROUNDING) != (speed[i].cause != SLOW_NOT);
				slowed += speed_percent(&speed[i]) < 100;
			}
			alone += quiet[0].part < 1 && quiet[1].part < 1;
		}
		scene_end(&s);
	}
	ok(seen > MACHINES / 2 && slowed > MACHINES / 10, "random machines: %u containers, %u slower than alone", seen, slowed);
	is_int(outside, 0, "random machines: a speed is above 0 and at most 1, and the same each time");
	is_int(faster, 0, "random machines: no container is faster beside others");
	is_int(reasons, 0, "random machines: there is a reason if and only if it is slower");
	is_int(alone, 0, "random machines: alone, one of the places has 100 %%");
}

/* The runner-up's placement is on other nodes, and asking for it does not change the choice. */
static void test_second(void)
{
	struct rnd r = { 7 };
	unsigned int seconds = 0, differ = 0, same_nodes = 0, unsaid = 0;

	for (unsigned int m = 0; m < MACHINES; m++) {
		struct topology *t = made_random(&r, 8);
		struct world w = world_of(t);
		struct request q = random_request(&r, t, t->ncores ? t->ncpus / t->ncores : 1);
		struct select_input in = { .topology = t, .usage = w.u, .request = &q, .policy = &w.policy };
		struct placement one, two = { 0 }, second = { 0 };
		struct reasons why = { 0 };
		unsigned int far = rnd_below(&r, t->nnodes);
		bool said = false;

		if (q.memory && t->nodes[far].has_memory && rnd_below(&r, 2)) {
			nodeset_add(&q.mem_nodes, t->nodes[far].id);
			q.given |= 1U << KEY_MEMORY_NODES;
		}
		if (select_in(&w, &q, &one) == 0) {
			int rc = select_placements(&in, &two, &second, &why, &w.err);

			differ += rc < 0 || !idset_equal(&one.share.cpus, &two.share.cpus) ||
				  !nodeset_equal(&one.mems, &two.mems) || why.n != w.why.n;
			for (unsigned int i = 0; i < why.n; i++)
				said |= strncmp(why.text[i], "runner-up: node", 15) == 0;
			seconds += !idset_empty(&second.share.cpus);
			unsaid += said != !idset_empty(&second.share.cpus);
			same_nodes += nodeset_equal(&second.nodes, &two.nodes) && nodeset_equal(&second.mems, &two.mems);
			placement_free(&one);
		}
		placement_free(&two);
		placement_free(&second);
		world_end(&w);
	}
	ok(seconds > MACHINES / 4, "%u of %d random requests have a runner-up", seconds, MACHINES);
	is_int(differ, 0, "the choice and its reasons are the same with a placement of the runner-up");
	is_int(unsaid, 0, "the runner-up has a placement if and only if the reasons name one");
	is_int(same_nodes, 0, "the runner-up's placement is elsewhere");
}

int main(void)
{
	test_alone();
	test_of_all();
	test_causes();
	test_places();
	test_faster();
	test_work();
	test_random();
	test_second();
	return done();
}
