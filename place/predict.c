/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gathers what a prediction needs: all containers of the ledger, the choice without this container, its runner-up, and
 * the choice on an idle machine.
 */
#include "place/predict.h"

#include "place/decide.h"
#include "place/place.h"
#include "plugin/base/util.h"
#include "plugin/base/vec.h"

#include <errno.h>
#include <string.h>

/* The containers of the ledger, as copies. */
struct crowd {
	const struct predict_job *job;
	struct work_hint work; /* of containers that do not name it */
	unsigned int n, room;
	struct tenant {
		struct placement placement;
		struct work_hint work;
	} *tenant;
	bool found; /* the container of the job */
	struct request request;
	struct placement placement;
};

static void crowd_free(struct crowd *c)
{
	for (unsigned int i = 0; i < c->n; i++)
		placement_free(&c->tenant[i].placement);
	free(c->tenant);
	placement_free(&c->placement);
}

static int copy_placement(struct placement *out, const struct placement *p)
{
	size_t size = p->share.nmem * sizeof(*p->share.mem);
	struct share_node *mem = malloc(size + 1);

	if (!mem)
		return -ENOMEM;
	if (size)
		memcpy(mem, p->share.mem, size);
	*out = *p;
	out->share.mem = mem;
	return 0;
}

static int add_record(void *arg, const struct record *r)
{
	struct crowd *c = arg;
	struct tenant *x;

	if (!c->job->request && r->cgroup_inode == c->job->cgroup_inode && strcmp(r->id, c->job->id) == 0 && !c->found) {
		c->found = true;
		c->request = r->request;
		return copy_placement(&c->placement, &r->placement);
	}
	x = vec_push(c->tenant, c->n, c->room);
	if (!x)
		return -ENOMEM;
	*x = (struct tenant){ .work = r->request.work.given ? r->request.work : c->work };
	return copy_placement(&x->placement, &r->placement);
}

/* Without a ledger, or without the permission to read it, there are no other containers. A plan has reported that. */
static int gather(struct place_env *env, struct topology *t, struct crowd *c, struct decision *d, struct error *err)
{
	cleanup_ledger struct ledger *l = NULL;
	int rc = place_need_state(env, err);

	if (rc == 0)
		rc = place_look(env, t, &l, err);
	if (rc < 0 && rc != -ENOMEM)
		rc = 0;
	if (rc == 0 && l)
		rc = ledger_each(l, add_record, c, err);
	if (rc < 0)
		return error_errno(err, rc, "prediction");
	if (c->job->request) {
		if (c->job->oci_id && l)
			decision_hint_home(d, l, "oci", c->job->oci_id);
		return 0;
	}
	return c->found ? 0 : error_set(err, -ENOENT, "%s: no such container is placed", quote(c->job->id).text);
}

static struct usage *sums_of(const struct topology *t, const struct crowd *c)
{
	struct usage *u = usage_new(t->cpu_ids, t->nnodes ? t->nodes[t->nnodes - 1].id + 1U : 1U);

	for (unsigned int i = 0; u && i < c->n; i++)
		usage_add(u, &c->tenant[i].placement.share);
	return u;
}

/* Memory that the container uses already is free for it on another choice. */
static void give_back(struct topology *t, const struct share *s)
{
	for (unsigned int i = 0; i < s->nmem; i++) {
		int node = topology_find_node(t, s->mem[i].id);

		if (node >= 0)
			t->nodes[node].mem_free += s->mem[i].seen;
	}
}

/* The container's places: its own, the best other one now, and the choice on an idle machine. */
struct places {
	struct placement now, second, idle;
	const struct placement *place[3];
	unsigned int n, places_idle; /* the first places_idle are its own and that on an idle machine */
};

static void places_free(struct places *p)
{
	placement_free(&p->now);
	placement_free(&p->second);
	placement_free(&p->idle);
}

static bool elsewhere(const struct placement *p, const struct placement *own)
{
	return !idset_empty(&p->share.cpus) && !nodeset_equal(&p->nodes, &own->nodes);
}

/* A choice that fails leaves its place out: the container has its own in any case. */
static int find_places(struct decision *d, const struct placement *own, const struct usage *usage, struct places *out)
{
	struct topology *t = d->topology;
	cleanup_usage struct usage *none = sums_of(t, &(struct crowd){ 0 });
	struct error err;

	if (!none)
		return -ENOMEM;
	out->place[out->n++] = own;
	d->second = &out->second;
	if (decision_try(d, usage, &out->now, NULL, &err) == -ENOMEM)
		return -ENOMEM;
	d->second = NULL;
	topology_idle(t);
	nodeset_clear(&d->limits.last_nodes);
	nodeset_clear(&d->limits.last_mems);
	if (decision_try(d, none, &out->idle, NULL, &err) == 0)
		out->place[out->n++] = &out->idle;
	out->places_idle = out->n;
	if (elsewhere(&out->now, own))
		out->place[out->n++] = &out->now;
	else if (elsewhere(&out->second, own))
		out->place[out->n++] = &out->second;
	return 0;
}

static int predict(struct decision *d, const struct crowd *c, const struct places *p, struct prediction *out)
{
	cleanup_free struct neighbour *neighbour = calloc(c->n + 1U, sizeof(*neighbour));
	const struct work_hint own = d->request->work;
	struct speed_input in = { .topology = d->topology, .work = own.given ? own : c->work, .n = c->n };
	struct speed speed[SPEED_PLACES_MAX];
	int rc;

	if (!neighbour)
		return -ENOMEM;
	for (unsigned int i = 0; i < c->n; i++)
		neighbour[i] = (struct neighbour){ .placement = &c->tenant[i].placement, .work = c->tenant[i].work };
	in.neighbour = neighbour;
	rc = speed_predict(&in, p->place, p->n, p->places_idle, speed);
	if (rc < 0)
		return rc;
	if (speed[0].part <= 0)
		return -ENOENT;
	*out = (struct prediction){ .n = 1, .nodes = { p->place[0]->nodes }, .speed = { speed[0] } };
	if (p->n > p->places_idle) {
		out->nodes[out->n] = p->place[p->n - 1]->nodes;
		out->speed[out->n++] = speed[p->n - 1];
	}
	return 0;
}

int place_predict(struct place_env *env, const struct predict_job *job, struct prediction *out, struct error *err)
{
	cleanup_machine struct machine machine = { 0 };
	__attribute__((cleanup(crowd_free))) struct crowd crowd = { .job = job, .work = env->conf.select.work };
	__attribute__((cleanup(places_free))) struct places places = { 0 };
	cleanup_usage struct usage *usage = NULL;
	const struct request *request = job->request ? job->request : &crowd.request;
	struct decision d;
	int rc = place_open(env, PLACE_READ, err);

	if (rc == 0)
		rc = machine_read(&machine, env, true, true, err);
	if (rc < 0)
		return rc;
	decision_init(&d, env, machine.topology, request);
	rc = gather(env, machine.topology, &crowd, &d, err);
	if (rc < 0)
		return rc;
	/* the request of a placed container is known only now */
	if (!job->request)
		decision_init(&d, env, machine.topology, request);
	decision_again(&d);
	decision_limit_to_root(&d);
	usage = sums_of(machine.topology, &crowd);
	if (!job->request)
		give_back(machine.topology, &crowd.placement.share);
	rc = usage ? find_places(&d, job->request ? job->plan : &crowd.placement, usage, &places) : -ENOMEM;
	if (rc == 0)
		rc = predict(&d, &crowd, &places, out);
	return rc < 0 ? error_errno(err, rc, "prediction") : 0;
}
