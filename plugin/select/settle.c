/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the chosen set of nodes to a placement: its CPUs, its memory nodes, its warnings.
 */
#include "plugin/select/select-internal.h"

#include <errno.h>
#include <string.h>

void placement_free(struct placement *p)
{
	share_free(&p->share);
}

static struct spread_input spread_of(const struct choice *c)
{
	return (struct spread_input){
		.in = c->in,
		.search = &c->search,
		.candidate = c->candidate,
		.free_core = c->free_core,
		.kinds = &c->kinds,
		.one_thread = c->req->one_thread,
		.each = c->req->all_nodes,
	};
}

/* The scheduler does not migrate threads between isolated CPUs, so several threads may share one. */
static void warn_isolated(struct choice *c, const struct placement *out)
{
	struct idset isolated = c->t->isolated;

	idset_and(&isolated, &out->share.cpus);
	if (idset_empty(&isolated) || idset_count(&out->share.cpus) == 1)
		return;
	c->warnings |= 1U << WARN_ISOLATED;
	reasons_add(c->why, "warning: CPUs %.80s are isolated: the kernel does not balance load over these",
		    list_text(&isolated).text);
}

int settle(struct choice *c, struct placement *out, struct error *err)
{
	struct spread_input in = spread_of(c);
	bool all = c->req->cpu_listed || c->in->whole;
	unsigned int count = c->search.need.count;
	int r;

	out->policy = c->req->policy;
	out->overcommitted = c->search.need.overcommit && !all;
	if (all) {
		/* count 0: spread_cpus() takes all candidates */
		c->search.need.count = 0;
	}
	r = spread_cpus(&in, out);
	if (r < 0)
		return error_errno(err, r, "selection");
	if (all)
		out->share.count = c->req->cpu_listed ? c->req->cpu_count : count ? count : 1;
	topology_nodes_of(c->t, &out->share.cpus, &out->nodes);
	r = settle_mems(c, out, err);
	if (r < 0)
		return r;
	warn_isolated(c, out);
	out->warnings = c->warnings;
	c->search.need.memory = c->asked.memory;
	memcpy(c->search.need.huge, c->asked.huge, sizeof(c->asked.huge));
	r = spread_memory(&in, out);
	return r < 0 ? error_errno(err, r, "selection") : 0;
}

/* As settle(), with the runner-up as the chosen set. Afterwards @c is as before. */
int settle_second(struct choice *c, struct placement *out, struct error *err)
{
	const struct site_set best = c->search.best;
	const struct need need = c->search.need;
	struct reasons *why = c->why;
	unsigned int warnings = c->warnings;
	struct placement placed = { 0 };
	int r;

	if (c->req->cpu_listed || c->in->whole || !c->search.second.n)
		return 0;
	c->search.best = c->search.second;
	c->why = NULL;
	r = settle(c, &placed, err);
	c->search.best = best;
	c->search.need = need;
	c->why = why;
	c->warnings = warnings;
	if (r < 0)
		placement_free(&placed);
	else
		*out = placed;
	return r == -ENOMEM ? r : 0;
}
