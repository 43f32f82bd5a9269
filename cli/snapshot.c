/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copies records and sums while the ledger is open, so that they can be used after it is closed.
 */
#include "cli/snapshot.h"

#include "plugin/base/vec.h"

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
	struct record *copy = copy_of(r);
	struct record **slot = copy ? vec_push(s->record, s->n, s->room) : NULL;

	if (!slot) {
		if (copy)
			record_free(copy);
		free(copy);
		return -ENOMEM;
	}
	*slot = copy;
	return 0;
}

int snapshot_take(const struct cli *cli, struct snapshot *out, struct error *err)
{
	cleanup_env struct place_env env = CLI_ENV_NONE;
	cleanup_ledger struct ledger *ledger = NULL; /* cleaned up before env, which holds its folder */
	const struct topology *t;
	int ret = cli_topology(cli, &out->topology, err);

	if (ret == 0)
		ret = cli_env(cli, &env, err);
	if (ret == 0 && env.state_path)
		ret = place_look(&env, out->topology, &ledger, err);
	if (ret < 0)
		return ret;
	t = out->topology;
	out->usage = ledger ? usage_copy(ledger_usage(ledger)) :
			      usage_new(t->cpu_ids, t->nnodes ? t->nodes[t->nnodes - 1].id + 1U : 1U);
	if (ledger)
		ret = ledger_each(ledger, add_record, out, err);
	return !out->usage || ret == -ENOMEM ? error_set(err, -ENOMEM, "out of memory") : ret;
}

void snapshot_free(struct snapshot *s)
{
	for (unsigned int i = 0; i < s->n; i++) {
		record_free(s->record[i]);
		free(s->record[i]);
	}
	free(s->record);
	usage_free(s->usage);
	topology_free(s->topology);
	*s = (struct snapshot){ 0 };
}
