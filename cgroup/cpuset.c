/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cpuset.cpus and cpuset.mems: read, enable along the path, write, read back, and restore if the result differs. The
 * kernel accepts any well-formed list, and uses the parent's set if it does not intersect the list; therefore only
 * *.effective shows what it uses.
 */
#include "cgroup/cgroup.h"
#include "cgroup/open.h"
#include "cgroup/text.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>

#define CONTROLLERS_MAX 4096

int cgroup_read_set(const struct cgroup_dir *c, const char *file, struct ids_out out, struct error *err)
{
	char text[4096];
	cleanup_free char *large = NULL;
	ssize_t n = read_beneath(c->fd, file, text, sizeof(text));

	if (n == -EFBIG) {
		large = malloc(IDSET_TEXT_MAX);
		if (!large)
			return error_errno(err, -ENOMEM, "cgroup %.200s: read %s", c->path, file);
		n = read_beneath(c->fd, file, large, IDSET_TEXT_MAX);
	}
	if (n == -ENOENT)
		return error_set(err, -ENOENT, "cgroup %.200s: no %s: cpuset is not enabled here", c->path, file);
	if (n < 0)
		return error_errno(err, (int)n, "cgroup %.200s: read %s", c->path, file);
	if (ids_parse_kernel(large ? large : text, out, err) < 0)
		return error_prefix(err, -EINVAL, "cgroup %.150s: %s", c->path, file);
	return 0;
}

int cgroup_read_effective(const struct cgroup_dir *c, struct idset *cpus, struct nodeset *mems, struct error *err)
{
	struct idset found;
	int rc = cgroup_read_set(c, "cpuset.cpus.effective", ids_into(&found), err);

	if (rc < 0)
		return rc;
	rc = cgroup_read_set(c, "cpuset.mems.effective", ids_into(mems), err);
	if (rc < 0)
		return rc;
	*cpus = found;
	return 0;
}

int cgroup_read_cpuset(const struct cgroup_dir *c, struct cpuset *out, struct error *err)
{
	struct cpuset found;
	int rc = cgroup_read_set(c, "cpuset.cpus", ids_into(&found.cpus), err);

	if (rc == 0)
		rc = cgroup_read_set(c, "cpuset.mems", ids_into(&found.mems), err);
	if (rc == 0)
		rc = cgroup_read_effective(c, &found.cpus_effective, &found.mems_effective, err);
	if (rc < 0)
		return rc;
	*out = found;
	return 0;
}

/* Explains why cpuset could not be enabled for the children of @path (an ancestor of @below), with a remedy. */
static int enable_error(int status, const char *path, const char *below, struct error *err)
{
	const char *remedy;

	switch (status) {
	case -EBUSY:
		remedy = "processes sit in that cgroup itself; move them into a child cgroup, or start the container "
			 "elsewhere";
		break;
	case -EACCES:
	case -EPERM:
		remedy = strstr(below, "/user@")
				 ? "rootless: it is not delegated; Delegate=cpu cpuset io memory pids for "
				   "user@.service"
				 : "root is needed";
		break;
	case -EROFS:
		remedy = "cgroup2 is mounted read-only here";
		break;
	case -ENOENT:
		remedy = "the cgroup above does not delegate it; add Delegate=cpuset to its unit";
		break;
	default:
		remedy = "write +cpuset there";
		break;
	}
	return error_set(err, status, "cannot enable cpuset in %.150s/cgroup.subtree_control: %s (%s)",
			 strcmp(path, "/") == 0 ? "" : path, strerror(-status), remedy);
}

/* Enables cpuset for the children of @path, an ancestor of @below. */
static int enable_in(int mount, const char *path, const char *below, struct error *err)
{
	cleanup_close int fd = open_beneath(mount, path, O_RDONLY | O_DIRECTORY);
	char words[CONTROLLERS_MAX];
	ssize_t n = fd < 0 ? fd : read_beneath(fd, "cgroup.subtree_control", words, sizeof(words));
	int rc;

	if (n < 0)
		return error_errno(err, (int)n, "read %.150s/cgroup.subtree_control", path);
	if (words_have(words, "cpuset"))
		return 0;
	rc = write_beneath(fd, "cgroup.subtree_control", "+cpuset");
	return rc < 0 ? enable_error(rc, path, below, err) : 0;
}

int cgroup_enable_cpuset(int mount, const struct cgroup_dir *c, struct error *err)
{
	char path[CGROUP_PATH_MAX];
	int rc;

	if (faccessat(c->fd, "cpuset.cpus", F_OK, 0) == 0)
		return 0;
	rc = enable_in(mount, "/", c->path, err);
	for (size_t i = 1; rc == 0 && c->path[i]; i++) {
		if (c->path[i] != '/')
			continue;
		memcpy(path, c->path, i);
		path[i] = '\0';
		rc = enable_in(mount, path, c->path, err);
	}
	if (rc == 0 && faccessat(c->fd, "cpuset.cpus", F_OK, 0) < 0)
		return error_errno(err, -errno, "cpuset is enabled above %.200s, but cpuset.cpus is missing there",
				   c->path);
	return rc;
}

static int write_file(const struct cgroup_dir *c, const char *file, const char *list, struct error *err)
{
	int rc = *list ? write_beneath(c->fd, file, list) : 0;

	return rc < 0 ? error_errno(err, rc, "%s", file) : 0;
}

/* Memory first: pages touched between the two writes are on the right nodes already. */
static int write_files(const struct cgroup_dir *c, const char *cpus, const char *mems, struct error *err)
{
	int rc = write_file(c, "cpuset.mems", mems, err);

	return rc < 0 ? rc : write_file(c, "cpuset.cpus", cpus, err);
}

/*
 * libcgroup loses the errno of a failed open, and relies on its own table of mounts. Opening the same file here shows
 * which of the two was the cause.
 */
static int explain_write(const struct cgroup_dir *c, const char *file, int status, struct error *err)
{
	cleanup_close int fd = open_beneath(c->fd, file, O_WRONLY);

	if (fd < 0) {
		error_errno(err, fd, "cgroup %.200s: open %s for writing", c->path, file);
		return fd;
	}
	return error_prefix(err, status, "cgroup %.200s (libcgroup failed; opening %s directly works)", c->path, file);
}

/* Checks that the path still leads to the directory that is open. */
static int check_path(int mount, const struct cgroup_dir *c, struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir now = CGROUP_DIR_NONE;
	int rc = cgroup_open(mount, c->path, &now, err);

	if (rc == 0 && now.inode != c->inode)
		return error_set(err, -ENOENT, "cgroup %.200s was removed, and another cgroup has its path", c->path);
	return rc;
}

/* libcgroup takes a path, not a descriptor; so check the path before and after. The read-back uses the descriptor. */
static int write_by_path(const struct cgroup_writer *w, const struct cgroup_dir *c, const char *cpus, const char *mems,
			 struct error *err)
{
	int rc = check_path(w->mount, c, err);

	if (rc == 0)
		rc = w->by_path(w->mount, c->path, cpus, mems, err);
	return rc < 0 ? rc : check_path(w->mount, c, err);
}

/* Every write of a cpuset is made here. An empty list: unchanged. */
static int write_lists(const struct cgroup_writer *w, const struct cgroup_dir *c, const char *cpus, const char *mems,
		       struct error *err)
{
	int rc;

	if (w && w->busy)
		*w->busy = 1;
	rc = w && w->by_path ? write_by_path(w, c, cpus, mems, err) : write_files(c, cpus, mems, err);
	if (w && w->busy)
		*w->busy = 0;
	return rc;
}

/* Writes the sets that are not empty. */
static int write_sets(const struct cgroup_writer *w, const struct cgroup_dir *c, const struct idset *cpus,
		      const struct nodeset *mems, struct error *err)
{
	size_t cpus_size = idset_format(cpus, NULL, 0) + 1, mems_size = nodeset_format(mems, NULL, 0) + 1;
	cleanup_free char *cpus_text = malloc(cpus_size), *mems_text = malloc(mems_size);
	int rc;

	if (!c->owned)
		return error_set(err, -EPERM, "cgroup %.200s: not verified to be a container's own", c->path);
	if (!cpus_text || !mems_text)
		return error_errno(err, -ENOMEM, "cgroup %.200s: write the cpuset", c->path);
	idset_format(cpus, cpus_text, cpus_size);
	nodeset_format(mems, mems_text, mems_size);
	if (!*cpus_text && !*mems_text)
		return 0;
	rc = write_lists(w, c, cpus_text, mems_text, err);
	if (rc == -ENOLINK && w && w->by_path) /* libcgroup has no errno */
		return explain_write(c, *mems_text ? "cpuset.mems" : "cpuset.cpus", rc, err);
	if (rc < 0)
		error_prefix(err, rc, "cgroup %.120s: cpus \"%.40s\" mems \"%.40s\"", c->path, cpus_text, mems_text);
	return rc;
}

static int check_set(const struct cgroup_dir *c, const char *file, struct ids asked, struct ids got, struct error *err)
{
	char want[120], have[120];

	if (ids_empty(asked) || ids_equal(asked, got))
		return 0;
	ids_format(asked, want, sizeof(want));
	ids_format(got, have, sizeof(have));
	return error_set(err, -EXDEV,
			 "cgroup %.150s: %s is \"%s\" after \"%s\" was written: the cgroups above do not "
			 "allow all of it",
			 c->path, file, have, want);
}

/* The effective sets must equal the requested ones: the parent may have shrunk, or its own set is used instead. */
static int check_effective(const struct cgroup_dir *c, const struct idset *cpus, const struct nodeset *mems,
			   struct error *err)
{
	struct idset cpus_now;
	struct nodeset mems_now;
	int rc = cgroup_read_effective(c, &cpus_now, &mems_now, err);

	if (rc == 0)
		rc = check_set(c, "cpuset.mems.effective", ids_of(mems), ids_of(&mems_now), err);
	if (rc == 0)
		rc = check_set(c, "cpuset.cpus.effective", ids_of(cpus), ids_of(&cpus_now), err);
	return rc;
}

int cgroup_restore_cpuset(const struct cgroup_writer *w, const struct cgroup_dir *c, const struct cpuset *before,
			  struct error *err)
{
	struct cpuset now;
	struct idset cpus;
	struct nodeset mems;
	int rc = cgroup_read_cpuset(c, &now, err);

	if (rc < 0)
		return rc;
	cpus = idset_empty(&before->cpus) ? before->cpus_effective : before->cpus;
	mems = nodeset_empty(&before->mems) ? before->mems_effective : before->mems;
	/* Leave unchanged what we did not write, including "". */
	if (idset_equal(&now.cpus, &before->cpus))
		idset_clear(&cpus);
	if (nodeset_equal(&now.mems, &before->mems))
		nodeset_clear(&mems);
	return write_sets(w, c, &cpus, &mems, err);
}

int cgroup_write_cpuset(const struct cgroup_writer *w, const struct cgroup_dir *c, const struct cpuset *before,
			const struct idset *cpus, const struct nodeset *mems, struct error *err)
{
	struct idset new_cpus = *cpus;
	struct nodeset new_mems = *mems;
	struct cpuset found;
	struct error undo;
	int rc;

	if (strcmp(c->path, "/") == 0)
		return error_set(err, -EPERM, "the root cgroup is not written to");
	rc = before ? 0 : cgroup_read_cpuset(c, &found, err);
	if (rc < 0)
		return rc;
	if (!before)
		before = &found;
	if (idset_equal(cpus, &before->cpus))
		idset_clear(&new_cpus);
	if (nodeset_equal(mems, &before->mems))
		nodeset_clear(&new_mems);
	rc = write_sets(w, c, &new_cpus, &new_mems, err);
	if (rc == 0)
		rc = check_effective(c, cpus, mems, err);
	if (rc == 0)
		return 0;
	/* If the cgroup is gone, there is nothing to restore. */
	if (rc != -ENODEV && rc != -ENOENT && cgroup_restore_cpuset(w, c, before, &undo) < 0)
		error_prefix(err, rc, "not restored (%.150s)", undo.text);
	return rc;
}

int cgroup_write_cpus(const struct cgroup_writer *w, const struct cgroup_dir *c, const struct idset *cpus,
		      struct error *err)
{
	cleanup_free char *text = malloc(IDSET_TEXT_MAX);
	struct idset now;
	int rc;

	if (!c->owned)
		return error_set(err, -EPERM, "cgroup %.200s: not verified to be a container's own", c->path);
	if (!text)
		return error_errno(err, -ENOMEM, "cgroup %.200s: write cpuset.cpus", c->path);
	idset_format(cpus, text, IDSET_TEXT_MAX);
	rc = write_lists(w, c, text, "", err);
	if (rc < 0)
		return error_prefix(err, rc, "cgroup %.200s", c->path);
	rc = cgroup_read_set(c, "cpuset.cpus", ids_into(&now), err);
	return rc < 0 ? rc : check_set(c, "cpuset.cpus", ids_of(cpus), ids_of(&now), err);
}

int cgroup_widen_affinity(pid_t pid)
{
	unsigned char all[IDSET_MAX / 8];

	/* The kernel ignores bits beyond its own CPU masks and limits the rest to the cpuset. */
	memset(all, 0xff, sizeof(all));
	return sched_setaffinity(pid, sizeof(all), (const cpu_set_t *)(const void *)all) < 0 ? -errno : 0;
}
