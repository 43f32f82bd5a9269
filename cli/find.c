/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compares all placements of a snapshot with a name.
 */
#include "cli/find.h"

#include "cli/table.h"
#include "plugin/base/strbuf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CGROUPS_MAX 400 /* bytes of a message for the cgroups that match */

/* How well @id names a container. A better match hides worse ones. */
enum match { MATCH_NONE, MATCH_PREFIX, MATCH_WHOLE };

/*
 * The digits that tables show of a long id name that container as well as an id does. Otherwise a tenant could give
 * these digits to a container as its whole id, and a user who copies them from a table would name that one.
 */
static enum match match(const struct numaplace_placement *p, const char *id)
{
	const char *have = numaplace_placement_id(p);
	size_t len = strlen(id);

	if (*id == '/')
		return strcmp(numaplace_placement_cgroup(p), id) == 0 ? MATCH_WHOLE : MATCH_NONE;
	if (strcmp(have, id) == 0)
		return MATCH_WHOLE;
	if (len == TABLE_ID_SHORT && table_id_length(have) == TABLE_ID_SHORT && strncmp(have, id, len) == 0)
		return MATCH_WHOLE;
	return len >= FIND_PREFIX && strncmp(have, id, len) == 0 ? MATCH_PREFIX : MATCH_NONE;
}

/* Several containers match: lists their cgroups, as many as fit. */
static int refuse_many(const struct numaplace_snapshot *s, const char *verb, const char *id, enum match best,
		       unsigned int many, struct error *err)
{
	cleanup_strbuf struct strbuf cgroups = { 0 };
	const struct numaplace_placement *p;

	for (unsigned int i = 0; (p = numaplace_snapshot_placement(s, i)); i++) {
		const char *path = numaplace_placement_cgroup(p);

		if (match(p, id) != best)
			continue;
		if (cgroups.len + strlen(path) + 2 >= CGROUPS_MAX)
			break;
		strbuf_printf(&cgroups, " %s", path);
	}
	return error_set(err, -EINVAL, "%s: %s: ambiguous, %u containers match: give the cgroup instead:%s", verb,
			 quote(id).text, many, cgroups.len && !cgroups.failed ? cgroups.text : " see status --json");
}

int find_container(const struct numaplace_snapshot *s, const char *verb, const char *id,
		   const struct numaplace_placement **out, struct error *err)
{
	const struct numaplace_placement *found = NULL, *p;
	enum match best = MATCH_PREFIX;
	unsigned int many = 0;

	for (unsigned int i = 0; (p = numaplace_snapshot_placement(s, i)); i++) {
		enum match now = match(p, id);

		if (now < best)
			continue;
		many = now > best ? 1 : many + 1;
		best = now;
		found = p;
	}
	if (many > 1)
		return refuse_many(s, verb, id, best, many, err);
	if (!found)
		return error_set(err, -EINVAL, "%s: %s: no such container is placed: see numaplace status", verb,
				 quote(id).text);
	*out = found;
	return 0;
}
