/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copies records and sums while the ledger is open, so that verbs can use them after it is closed.
 */
#include "cli/snapshot.h"

#include <errno.h>
#include <string.h>

static struct record *copy_of(const struct record *r)
{
	struct record *copy = malloc(sizeof(*copy));
	size_t size = r->placement.share.nmem * sizeof(*r->placement.share.mem);

	if (!copy)
		return NULL;
	*copy = *r;
	copy->cgroup = strdup(r->cgroup ? r->cgroup : "");
	copy->placement.share.mem = malloc(size ? size : 1);
	if (!copy->cgroup || !copy->placement.share.mem) {
		record_free(copy);
		free(copy);
		return NULL;
	}
	if (size)
		memcpy(copy->placement.share.mem, r->placement.share.mem, size);
	return copy;
}

static int add_record(void *arg, const struct record *r)
{
	struct snapshot *s = arg;

	if (s->n == s->room) {
		unsigned int room = s->room ? s->room * 2 : 16;
		struct record **bigger = reallocarray(s->record, room, sizeof(struct record *));

		if (!bigger)
			return -ENOMEM;
		s->record = bigger;
		s->room = room;
	}
	s->record[s->n] = copy_of(r);
	if (!s->record[s->n])
		return -ENOMEM;
	s->n++;
	return 0;
}

static int copy_ledger(void *arg, struct ledger *ledger, struct error *err)
{
	struct snapshot *s = arg;
	const struct topology *t = s->topology;
	int ret = 0;

	if (ledger) {
		s->usage = usage_copy(ledger_usage(ledger));
		ret = ledger_each(ledger, add_record, s, err);
	} else {
		s->usage = usage_new(t->cpu_ids, t->nnodes ? t->nodes[t->nnodes - 1].id + 1U : 1U);
	}
	if (!s->usage || ret == -ENOMEM)
		return error_set(err, -ENOMEM, "out of memory");
	return ret;
}

int snapshot_take(const struct cli *cli, struct snapshot *out, struct error *err)
{
	const struct topology *t;
	int ret = cli_topology(cli, &out->topology, err);

	if (ret == 0)
		ret = cli_with_ledger(cli, out->topology, copy_ledger, out, err);
	if (ret < 0)
		return ret;
	t = out->topology;
	out->load = calloc(t->nnodes + 1, sizeof(*out->load));
	if (!out->load)
		return error_set(err, -ENOMEM, "out of memory");
	for (unsigned int i = 0; i < t->ncpus; i++)
		if (t->cpus[i].id < out->usage->cpu_ids)
			out->load[t->cpus[i].node] += out->usage->load[t->cpus[i].id];
	out->root = cli->root;
	left_out_read(cli, t, out->usage, &out->left_out);
	return 0;
}

void snapshot_free(struct snapshot *s)
{
	for (unsigned int i = 0; i < s->n; i++) {
		record_free(s->record[i]);
		free(s->record[i]);
	}
	free(s->record);
	free(s->load);
	usage_free(s->usage);
	topology_free(s->topology);
	*s = (struct snapshot){ 0 };
}

int snapshot_find(const struct snapshot *s, const char *verb, const char *id, const struct record **out,
		  struct error *err)
{
	const struct record *found = NULL;
	size_t len = strlen(id);
	unsigned int many = 0;

	for (unsigned int i = 0; i < s->n; i++) {
		if (strcmp(s->record[i]->id, id) == 0) {
			*out = s->record[i];
			return 0;
		}
		if (len >= SNAPSHOT_PREFIX && strncmp(s->record[i]->id, id, len) == 0) {
			found = s->record[i];
			many++;
		}
	}
	if (many > 1)
		return error_set(err, -EINVAL, "%s: %s: ambiguous, %u containers match", verb, quote(id).text, many);
	if (!found)
		return error_set(err, -EINVAL, "%s: %s: no such container is placed: see numaplace status", verb,
				 quote(id).text);
	*out = found;
	return 0;
}

unsigned int snapshot_containers_on(const struct snapshot *s, unsigned int node)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->n; i++)
		n += idset_has(&s->record[i]->placement.nodes, s->topology->nodes[node].id);
	return n;
}

void snapshot_cpus_of(const struct topology *t, unsigned int node, struct idset *cpus)
{
	const struct topo_node *n = &t->nodes[node];

	idset_clear(cpus);
	for (unsigned int i = 0; i < n->ncpus; i++)
		idset_add(cpus, t->cpus[n->first_cpu + i].id);
}
