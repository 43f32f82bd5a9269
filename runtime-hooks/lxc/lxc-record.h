/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records a placement in a container's own config file: three volatile lines. All other bytes stay as they are, even if
 * another process rewrites the file at the same time.
 */
#ifndef NUMAPLACE_LXC_RECORD_H
#define NUMAPLACE_LXC_RECORD_H

#include "plugin/base/idset.h"
#include "runtime-hooks/lxc/lxc-keys.h"

struct lxc_volatile {
	const struct nodeset *nodes, *mems;
	const char *origin;
};

/* Hash of container name and machine id, to recognise volatile lines in a copied config. */
void lxc_origin(const char *name, const char *machine_id, char out[LXC_ORIGIN_LEN + 1]);

/* "FILE.numaplace", where record = file writes the lines. malloc'd; NULL: out of memory. */
char *lxc_record_beside(const char *file);

/*
 * Takes LXC's own lock of the container @name with the config @file. Returns a descriptor, whose close() releases the
 * lock; -ETIMEDOUT, or another error.
 */
int lxc_lock(const char *file, const char *name, unsigned int timeout_ms, struct error *err);

/* Makes a copy of @text with the lines: replaced where they are, else appended. *@out is malloc'd. */
int lxc_record_update(const char *text, size_t len, const struct lxc_volatile *v, char **out, size_t *out_len,
		      struct error *err);

/*
 * Updates a file; the caller holds the lock. Writes a temporary file with the same mode, owner and attributes, and
 * exchanges the two. A file that has the lines already is not written. Refuses symbolic links, hard links and anything
 * but a regular file. @make: the file may be missing.
 */
int lxc_record_write(const char *file, bool make, const struct lxc_volatile *v, struct error *err);

#endif
