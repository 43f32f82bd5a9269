/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A cgroup for this process, on a host without systemd or in a cgroup that is delegated to a user: BASE/numaplace-run/NAME.
 */
#ifndef NUMAPLACE_CGROUP_MAKE_H
#define NUMAPLACE_CGROUP_MAKE_H

#include "cgroup/cgroup.h"

/*
 * Finds the cgroup BASE, the nearest one, from that of this process upwards, in which this process may make cgroups that
 * have a cpuset, and writes BASE/numaplace-run/NAME to @out. -EACCES: no cgroup is delegated.
 */
int cgroup_own_path(int mount, const char *name, char *out, size_t size, struct error *err);

/* -EACCES: the cgroup @path, in which a user's systemd makes cgroups, has no cpuset controller. */
int cgroup_check_delegated(int mount, const char *path, struct error *err);

/*
 * Makes the cgroup @path of cgroup_own_path(), and moves this process into it. Removes the empty ones beside it: those of
 * processes that have ended. @back becomes the cgroup in which the process was. -EEXIST: it has processes.
 */
int cgroup_enter_own(int mount, const char *path, char back[CGROUP_PATH_MAX], struct error *err);

/* Undoes cgroup_enter_own(), best effort. */
void cgroup_leave_own(int mount, const char *path, const char *back);

#endif
