/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the pid of a container to its own cgroup, and to what that cgroup allows.
 */
#include "place/inspect.h"

#include "cgroup/open.h"
#include "cgroup/own.h"
#include "place/claim.h"
#include "place/place.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

void inspection_close(struct inspection *in)
{
	cgroup_dir_close(&in->cgroup);
	own_mark_free(in->mark);
	in->mark = NULL;
}

/* Reads the cgroup's cpuset, and enables the controller first if necessary. */
static int read_own(const struct place_env *env, struct inspection *in, struct error *err)
{
	cleanup_close int mount = -1;
	int rc = cgroup_read_cpuset(&in->cgroup, &in->before, err);

	if (rc != -ENOENT)
		return rc;
	rc = cgroup_mount(&mount, NULL, 0, err); /* reports the reason if the host has no cpuset */
	if (rc == 0)
		rc = cgroup_enable_cpuset(env->mount, &in->cgroup, err);
	return rc < 0 ? rc : cgroup_read_cpuset(&in->cgroup, &in->before, err);
}

/*
 * What the parent allows. A cgroup without sets of its own, as nearly all are, has the parent's as its effective ones.
 */
static int read_allowed(const struct place_env *env, const struct inspection *in, struct constraints *limits,
			struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir parent = CGROUP_DIR_NONE;
	int rc;

	if (idset_empty(&in->before.cpus) && nodeset_empty(&in->before.mems)) {
		limits->allowed_cpus = in->before.cpus_effective;
		limits->allowed_mems = in->before.mems_effective;
		return 0;
	}
	rc = cgroup_parent(env->mount, &in->cgroup, &parent, err);
	return rc < 0 ? rc : cgroup_read_effective(&parent, &limits->allowed_cpus, &limits->allowed_mems, err);
}

int inspect_cgroup(struct inspection *in, const struct place_env *env, const struct place_job *job,
		   const struct topology *t, struct constraints *limits, struct error *err)
{
	int rc = place_need_mount(env, err);

	if (rc == 0)
		rc = cgroup_of_pid(env->mount, job->pid, &in->cgroup, err);
	if (rc == 0 && env->began)
		rc = cgroup_pid_since(job->pid, env->began, err);
	if (rc == 0)
		rc = own_at_start(env->mount,
				  &(struct own_start){ job->pid, job->runtime_class, job->id, job->inner, job->control },
				  &in->cgroup, &in->mark, err);
	if (rc == 0)
		rc = read_own(env, in, err);
	if (rc == 0)
		rc = read_allowed(env, in, limits, err);
	if (rc == 0)
		rc = claim_cut(limits, &job->request, t, env->mount, &in->cgroup, err);
	if (rc < 0)
		return rc;
	limits->limited = true;
	/*
	 * If a pin and the cgroup's own set are disjoint, the cgroup's set wins: the kernel enforces it. If Incus
	 * writes the CPUs and the nodes are given, the present CPUs are not a pin.
	 */
	if (!job->mems_only || job->request.nodes_mode != NODES_LIST)
		idset_narrow(&limits->pin_cpus, &in->before.cpus);
	nodeset_narrow(&limits->pin_mems, &in->before.mems);
	return 0;
}

/* Opens the nearest ancestor of @path that exists, and reads what it allows. The root cgroup always does. */
static int open_ancestor(int mount, const char *path, struct cgroup_dir *out, struct constraints *limits,
			 struct error *err)
{
	char above[CGROUP_PATH_MAX];
	int rc = -ENOENT;

	snprintf(above, sizeof(above), "%s", path);
	while (rc == -ENOENT && strcmp(above, "/") != 0) {
		char *slash = strrchr(above, '/');

		slash[slash == above] = '\0';
		cgroup_dir_close(out);
		rc = cgroup_open(mount, above, out, err);
		if (rc == 0)
			rc = cgroup_read_effective(out, &limits->allowed_cpus, &limits->allowed_mems, err);
	}
	return rc;
}

int inspect_allowed(const struct place_env *env, const char *path, struct constraints *limits, struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir ancestor = CGROUP_DIR_NONE;

	return open_ancestor(env->mount, path, &ancestor, limits, err);
}

int inspect_ahead(struct inspection *in, const struct place_env *env, const struct place_job *job,
		  const char *path, const struct topology *t, struct constraints *limits, struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir ancestor = CGROUP_DIR_NONE;
	int rc = place_need_mount(env, err);

	if (rc < 0)
		return rc;
	if (!path_is_plain(path) || strcmp(path, "/") == 0)
		return error_set(err, -EINVAL, "cgroup \"%s\": not a plain path", quote(path).text);
	in->cgroup.inode = 0;
	snprintf(in->cgroup.path, sizeof(in->cgroup.path), "%s", path);
	rc = open_ancestor(env->mount, path, &ancestor, limits, err);
	if (rc == 0)
		rc = claim_cut(limits, &job->request, t, env->mount, &ancestor, err);
	if (rc == 0)
		limits->limited = true;
	return rc;
}
