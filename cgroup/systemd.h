/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tells systemd of the cpuset of a unit that is a container's own cgroup, so that
 * a daemon-reload writes the same again (from Linux 7.0 on it would take it away). Spoken
 * to directly over its socket: one message, no library, time-limited.
 */
#ifndef NUMAPLACE_SYSTEMD_H
#define NUMAPLACE_SYSTEMD_H

#include "plugin/error.h"
#include "plugin/idset.h"

#define SYSTEMD_SOCKET "/run/systemd/private"

/*
 * The unit that @cgroup (a path below the mount) has the name of: "libpod-1.scope"; NULL: none.  That proves nothing: a
 * tenant may choose the name.  A cgroup below a unit, as crun's "container", is no unit, and systemd leaves it alone.
 */
const char *systemd_unit_of(const char *cgroup);

/*
 * AllowedCPUs and AllowedMemoryNodes of the unit, until it ends; an empty set is left alone. 0 also where no unit of
 * systemd has this very cgroup (which systemd is asked first), or systemd does not run here. -ETIMEDOUT, or what systemd
 * said (-EREMOTEIO).
 */
int systemd_set_cpuset(const char *socket_path, const char *cgroup, const struct idset *cpus, const struct idset *mems,
		       unsigned int timeout_ms, struct error *err);

#endif
