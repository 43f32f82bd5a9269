/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container's record in the ledger: its identity, placement and reasons, as text with a checksum. The same text is
 * an extended attribute of the container's cgroup, from which the ledger can be rebuilt.
 */
#ifndef NUMAPLACE_RECORD_H
#define NUMAPLACE_RECORD_H

#include "plugin/base/name.h"
#include "plugin/select/select.h"

#define RECORD_ID_MAX NAME_ID_MAX
#define RECORD_CGROUP_MAX 4096
#define RECORD_TEXT_MAX 65536   /* bytes of the text */

struct record {
	char id[RECORD_ID_MAX + 1];
	char runtime[16];          /* "runc", "crun", "oci", "lxc", "incus", "lxd"; "run": a command; "systemd": a service; "libvirt" */
	char *cgroup;              /* path below the cgroup2 mount, begins with / */
	uint64_t cgroup_inode;     /* of its directory: a new cgroup of the same name has another; 0: reserved */
	uint64_t started;          /* CLOCK_BOOTTIME seconds at the decision */
	char applied[32];          /* what applies the memory policy: "cpuset", "memoryPolicy", "inherited", "libvirt" */
	enum partition partition;  /* what keeps its exclusive CPUs from processes that are not placed */
	struct request request;
	struct placement placement;
	struct reasons reasons;
};

/*
 * Whether it is a reservation: the place of a container that its engine has announced and whose cgroup does not exist
 * yet. @r->cgroup is then where it is expected.
 */
static inline bool record_is_reserved(const struct record *r)
{
	return !r->cgroup_inode;
}

/*
 * Whether both have the same identity, request and place. A mark has the same as its record, but perhaps no reasons, and not
 * what the container has touched since.
 */
bool record_equal(const struct record *a, const struct record *b);

/*
 * Whether @r is a reservation for the container in @cgroup. A runtime in a cgroup namespace expects a path below that
 * namespace's root, and crun makes one more cgroup below the expected one: @cgroup has the expected path in it.
 */
bool record_is_expected_in(const struct record *r, const char *cgroup);

/* Gives the zeroed record @r the identity of @old, for another placement of the same container. 0 or -ENOMEM. */
int record_begin(struct record *r, const struct record *old, struct error *err);

/* Frees what @r owns, not @r itself. */
void record_free(struct record *r);
static inline void cleanup_recordp(struct record *r)
{
	record_free(r);
}
#define cleanup_record __attribute__((cleanup(cleanup_recordp)))

/*
 * The runtime classes, up to a NULL. Two containers of different classes may have the same id. A runtime with the name of a
 * class is of that class, and all others are "oci".
 */
#define RECORD_CLASS_MAX 8
#define RECORD_NAMELESS "run-" /* begins the id of a command without a name */
extern const char *const record_classes[];
const char *record_class_of(const char *runtime);
const char *record_class(const struct record *r);

/*
 * Formats @r into a new buffer *@text of *@len bytes and a NUL; the caller frees it. -EINVAL: a field is out of
 * range; -E2BIG: more than RECORD_TEXT_MAX bytes; -ENOMEM.
 */
int record_format(const struct record *r, char **text, size_t *len, struct error *err);

/*
 * Parses the text of record_format(); the caller frees @r with record_free(). -EBADMSG: truncated, corrupted or of
 * another version; -ENOMEM. After a failure @r is zeroed.
 */
int record_parse(const char *text, size_t len, struct record *r, struct error *err);

#endif
