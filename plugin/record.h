/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One container in the ledger: who it is, where it was put and why, as text
 * with a checksum.  The same text is the extended attribute on its cgroup, from which the
 * ledger can be rebuilt.
 */
#ifndef NUMAPLACE_RECORD_H
#define NUMAPLACE_RECORD_H

#include "plugin/name.h"
#include "plugin/select.h"

#define RECORD_ID_MAX NAME_ID_MAX
#define RECORD_CGROUP_MAX 4096
#define RECORD_TEXT_MAX 65536   /* bytes of the text form */

struct record {
	char id[RECORD_ID_MAX + 1];
	char runtime[16];          /* "runc", "crun", "oci", "lxc", "incus", "lxd" */
	char *cgroup;              /* path below the cgroup2 mount, begins with / */
	uint64_t cgroup_inode;     /* of its directory: a new cgroup of the same name is another */
	uint64_t started;          /* CLOCK_BOOTTIME seconds when it was decided */
	char applied[32];          /* how the memory policy was applied: "cpuset", "memoryPolicy", "inherited" */
	struct request request;
	struct placement placement;
	struct reasons reasons;
};

void record_free(struct record *r);
static inline void cleanup_recordp(struct record *r)
{
	record_free(r);
}
#define cleanup_record __attribute__((cleanup(cleanup_recordp)))

/*
 * No record: it has no id and owns nothing.  The rest of it is not to be read; it is thirteen KiB, which a hook does not
 * touch for a record that it does not find.
 */
static inline void record_none(struct record *r)
{
	r->id[0] = '\0';
	r->cgroup = NULL;
	r->placement.share.mem = NULL;
	r->placement.share.nmem = 0;
}

/* "lxc", "incus" or "lxd" for the runtime of that name, "oci" for all others. */
const char *record_class(const struct record *r);

/* *@text is malloc'd, *@len without the NUL. */
int record_format(const struct record *r, char **text, size_t *len, struct error *err);

/* -EBADMSG: cut, flipped or from another version.  @r is zeroed first. */
int record_parse(const char *text, size_t len, struct record *r, struct error *err);

uint32_t crc32_of(const void *data, size_t len);

#endif
