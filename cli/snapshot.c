/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copies records and sums while the ledger is open, so that verbs can use them after it is closed.
 */
#include "cli/snapshot.h"

#include "cli/table.h"

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
	int ret = out->topology ? 0 : cli_topology(cli, &out->topology, err);

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

/* How well @id names a record. A better match hides worse ones. */
enum match { MATCH_NONE, MATCH_PREFIX, MATCH_WHOLE };

/*
 * The digits that tables show of a long id name that container as well as an id does. Otherwise a tenant could give
 * these digits to a container as its whole id, and a user who copies them from a table would name that one.
 */
static enum match match(const struct record *r, const char *id)
{
	char shown[TABLE_ID_SHORT + 1];

	if (*id == '/')
		return strcmp(r->cgroup, id) == 0 ? MATCH_WHOLE : MATCH_NONE;
	if (strcmp(r->id, id) == 0)
		return MATCH_WHOLE;
	snprintf(shown, sizeof(shown), "%.*s", table_id_length(r->id) == TABLE_ID_SHORT ? TABLE_ID_SHORT : 0, r->id);
	if (strcmp(shown, id) == 0)
		return MATCH_WHOLE;
	return strlen(id) >= SNAPSHOT_PREFIX && strncmp(r->id, id, strlen(id)) == 0 ? MATCH_PREFIX : MATCH_NONE;
}

/* Several containers match: lists their cgroups, as many as fit. */
static int refuse_many(const struct snapshot *s, const char *verb, const char *id, enum match best, unsigned int many,
		       struct error *err)
{
	char cgroups[400] = "";
	size_t used = 0;

	for (unsigned int i = 0; i < s->n; i++) {
		const char *path = s->record[i]->cgroup;

		if (match(s->record[i], id) != best)
			continue;
		if (used + strlen(path) + 2 >= sizeof(cgroups))
			break;
		used += (size_t)snprintf(cgroups + used, sizeof(cgroups) - used, " %s", path);
	}
	return error_set(err, -EINVAL, "%s: %s: ambiguous, %u containers match: give the cgroup instead:%s", verb,
			 quote(id).text, many, *cgroups ? cgroups : " see status --json");
}

int snapshot_find(const struct snapshot *s, const char *verb, const char *id, const struct record **out,
		  struct error *err)
{
	const struct record *found = NULL;
	enum match best = MATCH_PREFIX;
	unsigned int many = 0;

	for (unsigned int i = 0; i < s->n; i++) {
		enum match now = match(s->record[i], id);

		if (now < best)
			continue;
		many = now > best ? 1 : many + 1;
		best = now;
		found = s->record[i];
	}
	if (many > 1)
		return refuse_many(s, verb, id, best, many, err);
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
		n += nodeset_has(&s->record[i]->placement.nodes, s->topology->nodes[node].id);
	return n;
}
