/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the cgroup of a container will be, from linux.cgroupsPath of its spec.
 */
#ifndef NUMAPLACE_CGROUPS_PATH_H
#define NUMAPLACE_CGROUPS_PATH_H

#include "plugin/base/error.h"

#include <stddef.h>

/*
 * Writes the path of the container's cgroup below the mount of cgroup2, from cgroupsPath: "/a/b", or "SLICE:PREFIX:NAME"
 * for systemd. -EINVAL.
 */
int oci_cgroup_path(const char *cgroups_path, char *out, size_t size, struct error *err);

#endif
