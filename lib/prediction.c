/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Predicted speed in the public API.
 */
#include "lib/context.h"

#include "lib/placement.h"
#include "place/predict.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <stdlib.h>

struct numaplace_prediction {
	unsigned int n;
	struct numaplace_speed speed[2];
	char *nodes[2];
	char reason[2][120];
};

/* Problems of the ledger are not logged again: the plan or the snapshot has done so. */
static int run_predict(struct numaplace *np, const struct predict_job *job, struct prediction *out, struct error *err)
{
	cleanup_env struct place_env env = lib_env(np);

	env.message = NULL;
	return place_predict(&env, job, out, err);
}

static struct numaplace_prediction *copy(const struct prediction *p)
{
	struct numaplace_prediction *out = calloc(1, sizeof(*out));

	for (unsigned int i = 0; out && i < p->n; i++) {
		out->nodes[i] = lib_list_text(ids_of(&p->nodes[i]));
		if (!out->nodes[i]) {
			numaplace_prediction_free(out);
			return NULL;
		}
		speed_reason(&p->speed[i], out->reason[i], sizeof(out->reason[i]));
		out->speed[i] = (struct numaplace_speed){
			.nodes = out->nodes[i],
			.percent = speed_percent(&p->speed[i]),
			.reason = out->reason[i],
		};
		out->n++;
	}
	return out;
}

int numaplace_predict(struct numaplace *np, const struct numaplace_placement *p, struct numaplace_prediction **out)
{
	struct prediction prediction = { 0 };
	struct predict_job job = { 0 };
	struct numaplace_prediction *copied;
	struct error err = { 0 };
	int rc;

	if (!np)
		return -EINVAL;
	if (!p || !out)
		return lib_missing(np, p ? "prediction" : "placement");
	job.id = p->id;
	job.cgroup_inode = p->inode;
	if (p->plan) {
		job.request = &p->plan->request;
		job.plan = &p->plan->placement;
		job.oci_id = p->id[0] ? p->id : NULL;
	}
	rc = run_predict(np, &job, &prediction, &err);
	if (rc < 0)
		return lib_keep(np, rc, &err);
	copied = copy(&prediction);
	if (!copied)
		return lib_keep(np, error_set(&err, -ENOMEM, "out of memory"), &err);
	*out = copied;
	return 0;
}

const struct numaplace_speed *numaplace_prediction_speed(const struct numaplace_prediction *p, unsigned int i)
{
	return i < p->n ? &p->speed[i] : NULL;
}

void numaplace_prediction_free(struct numaplace_prediction *p)
{
	if (!p)
		return;
	for (unsigned int i = 0; i < p->n; i++)
		free(p->nodes[i]);
	free(p);
}
