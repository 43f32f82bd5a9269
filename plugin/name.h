/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a name from outside may be.  Ids, cgroup paths, devices and runtimes are named by tenants; what is accepted here
 * is plain text to a shell, a terminal, a log, systemd, Prometheus, JSON and SVG alike, so that no reader needs an
 * escape for it.
 */
#ifndef NUMAPLACE_NAME_H
#define NUMAPLACE_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "plugin/error.h"

#define NAME_ID_MAX 255 /* bytes */

/*
 * The id (or name) of a container: 1 to 255 of A-Z a-z 0-9 . _ + : @ -, no dash first, not "." or "..".
 * -EINVAL: "\"a/b\": \"/\" in it: letters, digits and . _ + : @ - are allowed".
 */
int name_check_id(const char *id, struct error *err);

/* A device, as the kernel names it in /sys: an id of less than @size bytes, also with '!' in it, and no dot first. */
int name_check_device(const char *name, size_t size, struct error *err);

/* The path of a cgroup from the root of its mount, less than @size bytes: names with slashes, and the backslashes of systemd. */
int name_check_cgroup(const char *path, size_t size, struct error *err);

#endif
