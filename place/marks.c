/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a placement leaves outside of the ledger: the attributes of the cgroup, and systemd's copy of the cpuset.
 */
#include "place/marks.h"

#include "place/message.h"
#include "place/unit.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

/* Stores the record on the cgroup; without its reasons, if an attribute cannot be that long. */
static int set_record(const struct cgroup_dir *c, const struct record *r, const char *text, size_t len,
		       struct error *err)
{
	cleanup_free struct record *brief = NULL;
	cleanup_free char *brief_text = NULL;
	int rc = cgroup_set_xattr(c, CGROUP_XATTR_RECORD, text, len, err);

	if (rc != -E2BIG && rc != -ENOSPC && rc != -ERANGE)
		return rc;
	brief = malloc(sizeof(*brief));
	if (!brief)
		return rc;
	*brief = *r; /* a view; @r owns the pointers */
	brief->reasons.n = 0;
	rc = record_format(brief, &brief_text, &len, err);
	return rc < 0 ? rc : cgroup_set_xattr(c, CGROUP_XATTR_RECORD, brief_text, len, err);
}

static void set_list(const struct place_env *env, const struct cgroup_dir *c, const char *name,
		     const struct nodeset *nodes)
{
	char text[NODESET_TEXT_MAX];
	size_t len = nodeset_format_comma(nodes, text, sizeof(text));
	struct error why;

	if (cgroup_set_xattr(c, name, text, len, &why) < 0)
		place_say(env, "%s", why.text);
}

static void set_nodes(const struct place_env *env, const struct cgroup_dir *c, const struct placement *p)
{
	set_list(env, c, CGROUP_XATTR_NODES, &p->nodes);
	set_list(env, c, CGROUP_XATTR_MEMS, &p->mems);
}

int marks_set(const struct place_env *env, const struct cgroup_dir *c, const struct record *r, const char *text,
	      size_t len, struct error *err)
{
	cleanup_free char *own = NULL;
	int rc = text ? 0 : record_format(r, &own, &len, err);

	if (rc < 0)
		return rc;
	set_nodes(env, c, &r->placement);
	return set_record(c, r, text ? text : own, len, err);
}

int marks_remove(const struct cgroup_dir *c, struct error *err)
{
	static const char *const names[] = { CGROUP_XATTR_RECORD, CGROUP_XATTR_NODES, CGROUP_XATTR_MEMS };
	int all = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int rc = cgroup_remove_xattr(c, names[i]);

		if (rc < 0 && rc != -ENODATA && rc != -ENOTSUP && all == 0)
			all = error_errno(err, rc, "cgroup %s: remove %s", quote(c->path).text, names[i]);
	}
	return all;
}

void marks_tell_systemd(const struct place_env *env, const struct cgroup_dir *c, const struct record *r,
			const struct idset *cpus, const struct nodeset *mems)
{
	const bool service = r && strcmp(record_class(r), UNIT_CLASS) == 0;
	const char *unit = unit_of_cgroup(service ? UNIT_CLASS : "", c->path);
	struct place_systemd sd;
	struct error why;

	if (!unit)
		return;
	place_systemd(&sd);
	if (unit_set_cpuset(&sd, unit, c->path, cpus, mems, service ? &r->request.pin_cpus : NULL,
			    service ? &r->request.pin_mems : NULL, &why) < 0)
		place_say(env, "%s: placed, but a daemon-reload may undo it", why.text);
}
