/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record of a placement in a container's own config file: three volatile lines, and every
 * other byte as it was, whoever else rewrites the file at that moment.
 */
#ifndef NUMAPLACE_LXC_RECORD_H
#define NUMAPLACE_LXC_RECORD_H

#include "plugin/idset.h"
#include "runtime-hooks/lxc-keys.h"

struct lxc_volatile {
	const struct idset *nodes, *mems;
	const char *origin;
};

/* Who volatile lines were written for: a hash of name and machine, so that a copy's are known for foreign. */
void lxc_origin(const char *name, const char *machine_id, char out[LXC_ORIGIN_LEN + 1]);

/* "FILE.numaplace", where record = file puts the lines; malloc'd, NULL: out of memory. */
char *lxc_record_beside(const char *file);

/*
 * Takes LXC's own lock of the container @name whose config is @file.  The descriptor, which is closed to
 * give it back; -ETIMEDOUT, or what the system said.
 */
int lxc_lock(const char *file, const char *name, unsigned int timeout_ms, struct error *err);

/* @text with the lines in it: in place where they are, else at the end.  *@out is malloc'd. */
int lxc_record_update(const char *text, size_t len, const struct lxc_volatile *v, char **out, size_t *out_len,
		      struct error *err);

/*
 * The same for a file; the caller holds the lock.  Written aside and swapped in, with mode, owner and
 * attributes; untouched where the lines stand already.  A symlink, a hard link and anything but
 * a regular file are refused.  @make: it may be missing.
 */
int lxc_record_write(const char *file, bool make, const struct lxc_volatile *v, struct error *err);

#endif
