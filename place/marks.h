/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The marks on a placed container's cgroup, and its cpuset as systemd keeps it.
 */
#ifndef NUMAPLACE_PLACE_MARKS_H
#define NUMAPLACE_PLACE_MARKS_H

#include "place/state.h"
#include "plugin/ledger/record.h"

/*
 * Sets the attributes of @c: the nodes, then the record. The record comes last, as its presence means that the
 * placement is complete. @text: the record as text, of @len bytes; NULL: it is formatted here.
 */
int marks_set(const struct place_env *env, const struct cgroup_dir *c, const struct record *r, const char *text,
	      size_t len, struct error *err);

/* Removes all of them; the first error that is not about a missing one. */
int marks_remove(const struct cgroup_dir *c, struct error *err);

/*
 * Gives systemd the cpuset that was written, if the cgroup is a unit's. A failure is only a warning: the cpuset stays
 * in effect until systemd reloads. @r: its record; NULL: it is not a service.
 */
void marks_tell_systemd(const struct place_env *env, const struct cgroup_dir *c, const struct record *r,
			const struct idset *cpus, const struct nodeset *mems);

#endif
