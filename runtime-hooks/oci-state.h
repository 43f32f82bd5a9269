/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The container's state as an OCI runtime gives it to a hook on stdin, and the
 * annotations of interest in it, which become a request.
 */
#ifndef NUMAPLACE_OCI_STATE_H
#define NUMAPLACE_OCI_STATE_H

#include "plugin/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define OCI_STATE_MAX (1U << 20)
#define OCI_VALUE_MAX IDSET_TEXT_MAX /* bytes of an annotation's value */
#define OCI_PREFIX    "org.numaplace."

/* The keys as they were written; what they mean is said by oci_annotations_request. */
struct oci_annotations {
	bool any;		   /* the container has annotations, ours or not */
	bool sandbox;		   /* a pod's pause container: never placed */
	char *bare[KEY_COUNT];	   /* by enum request_key; NULL: not given */
	char *prefixed[KEY_COUNT]; /* the same, spelled with OCI_PREFIX */
	char *unknown;		   /* a name with OCI_PREFIX that is no key; NULL: none */
};

struct oci_state {
	char *id;	 /* as the runtime has it, which may be no name by our rule (name_check_id) */
	pid_t pid;	 /* 0: not said, as at poststop */
	char status[16]; /* "creating" (runc), "created" (crun), "stopped"; "" */
	char *bundle;	 /* NULL: not said */
	struct oci_annotations annotations;
};

/* -EINVAL: "pid: -1 is no process id". @out is zeroed first; free it also after a failure. */
int oci_state_parse(const char *text, size_t len, struct oci_state *out, struct error *err);
void oci_state_free(struct oci_state *s);
static inline void cleanup_oci_statep(struct oci_state *s)
{
	oci_state_free(s);
}
#define cleanup_oci_state __attribute__((cleanup(cleanup_oci_statep)))

/* True when something of ours is there (volatile keys, which only hint, aside). */
bool oci_annotations_ask(const struct oci_annotations *a);

/*
 * The annotations as a request, not finished yet. @allowed: bits of the keys that a container may set
 * (hints are not asked about). -EINVAL: two spellings that differ, an unknown key, a value that makes no sense.
 */
int oci_annotations_request(const struct oci_annotations *a, unsigned int allowed, struct request *out,
			    struct error *err);
void oci_annotations_free(struct oci_annotations *a);

/* --- For rules of json_parse: which members of "annotations" matter, and taking one in. --- */
struct json_value;
bool oci_annotation_wanted(const char *key);
int oci_annotation_add(struct oci_annotations *a, const struct json_value *v, struct error *err);

#endif
