/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gives systemd the cpuset of a container whose cgroup is a unit's, so that a daemon-reload writes the same values
 * again (since Linux 7.0 it would otherwise reset them). Speaks D-Bus on systemd's socket, without a library and with a
 * time limit.
 */
#ifndef NUMAPLACE_SYSTEMD_H
#define NUMAPLACE_SYSTEMD_H

#include "plugin/base/error.h"
#include "plugin/base/idset.h"

#define SYSTEMD_SOCKET "/run/systemd/private"

/*
 * The name of the scope that @cgroup (a path below the mount) ends in, as "libpod-1.scope"; NULL: none. A tenant may
 * choose such a name, so systemd must confirm it. A cgroup below a scope, as crun's "container", is not a unit, and
 * systemd does not touch it. A service is never a container's own.
 */
const char *systemd_unit_of(const char *cgroup);

/*
 * Sets the unit's AllowedCPUs and AllowedMemoryNodes, until it ends; an empty set is left unchanged. Asks systemd first
 * whether the unit's cgroup is @cgroup. 0 also if no unit has this cgroup, or if systemd does not run here. -ETIMEDOUT:
 * no answer within @timeout_ms; -EREMOTEIO: systemd refused, with its message.
 */
int systemd_set_cpuset(const char *socket_path, const char *cgroup, const struct idset *cpus,
		       const struct nodeset *mems, unsigned int timeout_ms, struct error *err);

#endif
