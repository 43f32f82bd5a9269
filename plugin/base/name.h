/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Checks of names that come from outside. Tenants choose ids, cgroup paths, device and runtime names. Accepted names
 * are plain text for a shell, a terminal, a log, systemd, Prometheus, JSON and SVG, so that no output needs escaping.
 */
#ifndef NUMAPLACE_NAME_H
#define NUMAPLACE_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "plugin/base/error.h"

/*
 * With class, colon and slot, an id must fit in the name of the ledger's file (plugin/ledger/slots.c).
 */
#define NAME_ID_MAX 246

/*
 * Checks the id (or name) of a container: 1 to 246 of A-Z a-z 0-9 . _ + : @ -, no leading dash, not "." or "..".
 * "+", ":", "@" and a leading "." count as 3, because they are escaped in the name of a file.
 * Returns 0 or -EINVAL with a message such as
 * "\"a/b\": \"/\" in it: letters, digits and . _ + : @ - are allowed".
 */
int name_check_id(const char *id, struct error *err);

/*
 * Checks a device name as in /sys: an id of less than @size bytes that may contain '!' and has no leading dot.
 * Returns 0 or -EINVAL.
 */
int name_check_device(const char *name, size_t size, struct error *err);

/*
 * Checks a cgroup path from the root of its mount: less than @size bytes, no "..", the characters of an id plus
 * slashes and systemd's backslashes. Returns 0 or -EINVAL.
 */
int name_check_cgroup(const char *path, size_t size, struct error *err);

#endif
