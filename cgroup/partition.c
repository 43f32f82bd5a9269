/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lists first, from the top, then the partition; at its end the reverse. What the kernel does with each write was found
 * out in guests with 6.12 and 7.2; tests/vm/guest/54-partition.t repeats it.
 */
#include "cgroup/partition.h"

#include "cgroup/open.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define LIST "cpuset.cpus.exclusive"
#define STATE "cpuset.cpus.partition"
#define CGROUPS_SEARCHED 1000
#define SAFE_SINCE 7 /* the major version of the kernel, see check_neighbours() */

/* --- one cgroup --- */

void partition_read(const struct cgroup_dir *c, char state[PARTITION_STATE_MAX])
{
	if (read_beneath(c->fd, STATE, state, PARTITION_STATE_MAX) < 0)
		state[0] = '\0';
	state[strcspn(state, "\n")] = '\0';
}

bool partition_is(const struct cgroup_dir *c, enum partition kind)
{
	char state[PARTITION_STATE_MAX];

	partition_read(c, state);
	return strcmp(state, partition_name(kind)) == 0;
}

static int write_state(const struct cgroup_dir *c, enum partition kind, struct error *err)
{
	int rc = write_beneath(c->fd, STATE, partition_name(kind));

	return rc < 0 ? error_errno(err, rc, "cgroup %.150s: write %s to " STATE, c->path, partition_name(kind)) : 0;
}

/* The CPUs that numaplace has added to the list of @c. */
static int read_added(const struct cgroup_dir *c, struct idset *out, struct error *err)
{
	cleanup_free char *text = malloc(IDSET_TEXT_MAX);
	ssize_t n = text ? cgroup_get_xattr(c, CGROUP_XATTR_EXCLUSIVE, text, IDSET_TEXT_MAX - 1) : -ENOMEM;

	*out = (struct idset){ { 0 } };
	if (n == -ENODATA)
		return 0;
	if (n < 0)
		return error_errno(err, (int)n, "cgroup %.150s: read " CGROUP_XATTR_EXCLUSIVE, c->path);
	text[n] = '\0';
	/* Only numaplace writes it; if it has other text, nothing is known to be added. */
	if (idset_parse_kernel(text, out, NULL) < 0)
		*out = (struct idset){ { 0 } };
	return 0;
}

static int write_added(const struct cgroup_dir *c, const struct idset *added, struct error *err)
{
	cleanup_free char *text = malloc(IDSET_TEXT_MAX);
	int rc;

	if (!text)
		return error_errno(err, -ENOMEM, "cgroup %.150s: mark its exclusive CPUs", c->path);
	if (!idset_empty(added))
		return cgroup_set_xattr(c, CGROUP_XATTR_EXCLUSIVE, text, idset_format(added, text, IDSET_TEXT_MAX), err);
	rc = cgroup_remove_xattr(c, CGROUP_XATTR_EXCLUSIVE);
	return rc < 0 && rc != -ENODATA ? error_errno(err, rc, "cgroup %.150s: remove its mark", c->path) : 0;
}

static int write_list(const struct cgroup_dir *c, const struct idset *cpus, struct error *err)
{
	cleanup_free char *text = malloc(IDSET_TEXT_MAX);
	int rc;

	if (!text)
		return error_errno(err, -ENOMEM, "cgroup %.150s: write " LIST, c->path);
	idset_format(cpus, text, IDSET_TEXT_MAX);
	rc = write_beneath(c->fd, LIST, *text ? text : "\n");
	if (rc == -EINVAL)
		return error_set(err, rc, "cgroup %.150s: " LIST " \"%.60s\" is refused: another cgroup has some of these CPUs",
				 c->path, text);
	return rc < 0 ? error_errno(err, rc, "cgroup %.150s: write \"%.60s\" to " LIST, c->path, text) : 0;
}

/* Takes those of @cpus out of the list that numaplace has added. */
static int take(const struct cgroup_dir *c, const struct idset *cpus, struct error *err)
{
	struct idset added, drop, list, rest;
	int rc = read_added(c, &added, err);

	drop = added;
	idset_and(&drop, cpus);
	if (rc < 0 || idset_empty(&drop))
		return rc;
	rc = cgroup_read_set(c, LIST, ids_into(&list), err);
	if (rc < 0)
		return rc;
	rest = list;
	idset_andnot(&rest, &drop);
	idset_andnot(&added, &drop);
	if (!idset_equal(&rest, &list))
		rc = write_list(c, &rest, err);
	return rc < 0 ? rc : write_added(c, &added, err);
}

/* Adds @cpus to the list, and takes out what was added and is not @held any more. */
static int give(const struct cgroup_dir *c, const struct idset *cpus, const struct idset *held, struct error *err)
{
	struct idset added, list, stale, lacks = *cpus, all;
	struct error lost;
	int rc = read_added(c, &added, err);

	stale = added;
	idset_andnot(&stale, held);
	idset_andnot(&stale, cpus);
	if (rc == 0 && !idset_empty(&stale)) {
		rc = take(c, &stale, err);
		idset_andnot(&added, &stale);
	}
	if (rc == 0)
		rc = cgroup_read_set(c, LIST, ids_into(&list), err);
	if (rc < 0)
		return rc;
	idset_andnot(&lacks, &list);
	if (idset_empty(&lacks))
		return 0;
	all = added;
	idset_or(&all, &lacks);
	rc = write_added(c, &all, err);
	if (rc < 0)
		return rc;
	idset_or(&list, cpus);
	rc = write_list(c, &list, err);
	if (rc < 0)
		write_added(c, &added, &lost);
	return rc;
}

/* --- the way up the tree --- */

/* Makes @path the next cgroup on the way to @whole, from the top; "" at first. False: @path is @whole already. */
static bool step_down(const char *whole, char path[CGROUP_PATH_MAX])
{
	size_t at = strlen(path), len;

	if (!whole[at])
		return false;
	len = at + 1 + strcspn(whole + at + 1, "/");
	memcpy(path, whole, len);
	path[len] = '\0';
	return true;
}

/*
 * A cgroup that is a partition itself has its own CPUs, which the administrator has given it. A list that is written
 * there would change them.
 */
static int give_above(int mount, const char *path, const struct idset *cpus, const struct idset *held, struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir above = CGROUP_DIR_NONE;
	int rc = cgroup_open(mount, path, &above, err);

	return rc < 0 || !partition_is(&above, PARTITION_MEMBER) ? rc : give(&above, cpus, held, err);
}

static int give_all(int mount, const struct cgroup_dir *c, const struct idset *cpus, const struct idset *held,
		    struct error *err)
{
	char path[CGROUP_PATH_MAX] = "";
	int rc = 0;

	while (rc == 0 && step_down(c->path, path) && strcmp(path, c->path) != 0)
		rc = give_above(mount, path, cpus, held, err);
	return rc < 0 ? rc : give(c, cpus, held, err);
}

static int take_above(int mount, const char *path, const struct idset *cpus, struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir above = CGROUP_DIR_NONE;
	int rc = cgroup_open(mount, path, &above, err);

	if (rc == 0)
		rc = take(&above, cpus, err);
	return rc == -ENOENT || rc == -ENODEV ? 0 : rc;
}

int partition_leave(int mount, const char *path, uint64_t inode, const struct idset *cpus, struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	char above[CGROUP_PATH_MAX];
	struct idset added;
	struct error first;
	int all = 0, rc = cgroup_open(mount, path, &c, NULL);

	/* Only a list that numaplace has written shows that the partition is its own. */
	if (rc == 0 && c.inode == inode && read_added(&c, &added, NULL) == 0 && !idset_empty(&added)) {
		/* also an invalid one: its CPUs may still be withheld */
		if (!partition_is(&c, PARTITION_MEMBER))
			all = write_state(&c, PARTITION_MEMBER, err);
		if (all == 0)
			all = take(&c, &added, err);
	}
	snprintf(above, sizeof(above), "%s", path);
	for (char *slash; (slash = strrchr(above, '/')) && slash != above;) {
		*slash = '\0';
		rc = take_above(mount, above, cpus, &first);
		if (rc < 0 && all == 0)
			all = error_set(err, rc, "%s", first.text);
	}
	return all;
}

/* --- before and after --- */

/*
 * A list of a cgroup that is not on the way to @c has CPUs that are now the container's: left from an interrupted move.
 * The search is bounded, as a tenant can make many cgroups; a cgroup comes before those below it.
 */
struct rest {
	const struct cgroup_dir *c;
	const struct idset *cpus;
	unsigned int left;
};

static int take_rest(void *arg, const struct cgroup_dir *found)
{
	struct rest *rest = arg;
	size_t len = strlen(found->path);
	bool on_way = strncmp(rest->c->path, found->path, len) == 0 && (!rest->c->path[len] || rest->c->path[len] == '/');

	if (!on_way)
		take(found, rest->cpus, NULL);
	return !rest->left--;
}

/*
 * Before Linux 7.0, a cpuset.cpus of another cgroup beside a partition that has some of its CPUs makes the partition
 * invalid. If the parent is not a partition itself, the CPUs then stay withheld from the machine, and if the cgroup is
 * removed in that state, until a reboot. So the cgroup must be below the root cgroup or another partition, or alone in
 * the scope that the engine has made for the container.
 */
static int check_neighbours(int mount, const struct cgroup_dir *c, struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir parent = CGROUP_DIR_NONE;
	struct utsname kernel;
	int rc = cgroup_parent(mount, c, &parent, err);
	size_t len;

	if (rc < 0 || strcmp(parent.path, "/") == 0)
		return rc;
	len = strlen(parent.path);
	if (parent.links == 3 && len > 6 && strcmp(parent.path + len - 6, ".scope") == 0)
		return 0;
	if (partition_is(&parent, PARTITION_ROOT) || partition_is(&parent, PARTITION_ISOLATED))
		return 0;
	if (uname(&kernel) == 0 && strtoul(kernel.release, NULL, 10) >= SAFE_SINCE)
		return 0;
	return error_set(err, -EOPNOTSUPP, "a partition beside other cgroups, in %.150s, needs Linux 7.0: earlier ones may lose its CPUs",
			 parent.path);
}

static int check_entered(const struct cgroup_dir *c, const struct idset *cpus, enum partition kind, struct error *err)
{
	char state[PARTITION_STATE_MAX], text[120];
	struct idset now;
	int rc;

	partition_read(c, state);
	if (strcmp(state, partition_name(kind)) != 0)
		return error_set(err, -EXDEV, "cgroup %.150s: " STATE " is \"%.120s\"", c->path, state);
	rc = cgroup_read_set(c, "cpuset.cpus.effective", ids_into(&now), err);
	if (rc < 0 || idset_equal(&now, cpus))
		return rc;
	idset_format(&now, text, sizeof(text));
	return error_set(err, -EXDEV, "cgroup %.150s: as a partition, it has the CPUs %s", c->path, text);
}

int partition_enter(int mount, const struct cgroup_dir *c, const struct idset *cpus, enum partition kind,
		    const struct idset *held, struct error *err)
{
	struct rest rest = { c, cpus, CGROUPS_SEARCHED };
	struct error lost;
	int rc;

	if (!c->owned)
		return error_set(err, -EPERM, "cgroup %.200s: not verified to be a container's own", c->path);
	if (faccessat(c->fd, LIST, F_OK, 0) < 0)
		return error_set(err, -EOPNOTSUPP, "the kernel has no " LIST ", as Linux has since 6.7");
	rc = check_neighbours(mount, c, err);
	if (rc < 0)
		return rc;
	rc = give_all(mount, c, cpus, held, err);
	if (rc == -EINVAL && cgroup_walk(mount, take_rest, &rest, &lost) >= 0)
		rc = give_all(mount, c, cpus, held, err);
	/* A partition that was made invalid is made again only from a member. */
	if (rc == 0 && !partition_is(c, PARTITION_MEMBER) && !partition_is(c, kind))
		rc = write_state(c, PARTITION_MEMBER, err);
	if (rc == 0)
		rc = write_state(c, kind, err);
	if (rc == 0)
		rc = check_entered(c, cpus, kind, err);
	if (rc < 0 && partition_leave(mount, c->path, c->inode, cpus, &lost) < 0)
		error_prefix(err, rc, "not undone (%.150s)", lost.text);
	return rc;
}
