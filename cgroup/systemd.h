/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What numaplace asks of systemd: to set the cpuset of a unit, so that a daemon-reload writes the same values again (since
 * Linux 7.0 it would otherwise reset them); the cgroup of a unit; and a scope for a process. Speaks D-Bus on the socket of
 * the system's systemd or of a user's, without a library and with a time limit.
 */
#ifndef NUMAPLACE_SYSTEMD_H
#define NUMAPLACE_SYSTEMD_H

#include "plugin/base/error.h"
#include "plugin/base/idset.h"

#include <sys/types.h>

#define SYSTEMD_SOCKET "/run/systemd/private"
#define SYSTEMD_UNIT_MAX 256

/* Where a systemd listens, and this user's id there: in a user namespace it is another one than geteuid(). */
struct systemd_at {
	char socket[256];
	unsigned int uid;
};

/*
 * The name of the scope that @cgroup (a path below the mount) ends in, as "libpod-1.scope"; NULL: none. A tenant may
 * choose such a name, so systemd must confirm it. A cgroup below a scope, as crun's "container", is not a unit, and
 * systemd does not touch it. A service is never a container's own.
 */
const char *systemd_unit_of(const char *cgroup);

/*
 * Sets AllowedCPUs and AllowedMemoryNodes of @unit (a scope or a service; NULL: nothing is done), until it ends or, for a
 * service, until reboot; an empty set is left unchanged. Asks systemd first whether the unit's cgroup is @cgroup. 0 also
 * if it is not, or if systemd does not run here. -ETIMEDOUT: no answer within @timeout_ms; -EREMOTEIO: systemd refused,
 * with its message.
 */
int systemd_set_cpuset(const struct systemd_at *at, const char *unit, const char *cgroup, const struct idset *cpus,
		       const struct nodeset *mems, unsigned int timeout_ms, struct error *err);

/*
 * Reads the cgroup of @unit, or the one that all units are below if @unit is NULL. "": it has none. -ENOENT or
 * -ECONNREFUSED: systemd does not run here; -EREMOTEIO: there is no such unit.
 */
int systemd_cgroup_of(const struct systemd_at *at, const char *unit, char *out, size_t size, unsigned int timeout_ms,
		      struct error *err);

/*
 * Starts a scope with the process @pid and waits until the process is in it. An empty set is not set. Errors as
 * systemd_cgroup_of(); -EREMOTEIO also if a unit of this name exists. @before: units that systemd stops before it stops
 * the scope, up to a NULL; NULL: none.
 */
struct systemd_scope {
	const char *unit, *slice, *description;
	const char *const *before;
	pid_t pid;
	const struct idset *cpus;
	const struct nodeset *mems;
};
int systemd_start_scope(const struct systemd_at *at, const struct systemd_scope *scope, unsigned int timeout_ms,
			struct error *err);

#endif
