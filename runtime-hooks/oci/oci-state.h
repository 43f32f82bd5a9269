/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The container's state, which an OCI runtime writes to a hook's stdin, and the annotations in it that become a
 * request.
 */
#ifndef NUMAPLACE_OCI_STATE_H
#define NUMAPLACE_OCI_STATE_H

#include "plugin/select/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define OCI_STATE_MAX (1U << 20)
#define OCI_VALUE_MAX IDSET_TEXT_MAX /* bytes of an annotation's value */
#define OCI_PREFIX    "org.numaplace."

/* The keys as written; oci_annotations_request() validates them. */
struct oci_annotations {
	bool any;		   /* the container has annotations, of any program */
	bool sandbox;		   /* a pod's pause container: never placed */
	char *bare[KEY_COUNT];	   /* by enum request_key; NULL: not given */
	char *prefixed[KEY_COUNT]; /* the same, spelled with OCI_PREFIX */
	char *unknown;		   /* the first name with OCI_PREFIX that is not a key; NULL: none */
};

struct oci_state {
	char *id;	 /* as the runtime gives it; may be invalid for name_check_id() */
	pid_t pid;	 /* 0: not given, as at poststop */
	char status[16]; /* "creating" (runc), "created" (crun), "stopped"; "" */
	char *bundle;	 /* NULL: not given */
	struct oci_annotations annotations;
};

/* -EINVAL: "pid: -1 is no process id". Zeroes @out first; free it after a failure, too. */
int oci_state_parse(const char *text, size_t len, struct oci_state *out, struct error *err);
void oci_state_free(struct oci_state *s);
static inline void cleanup_oci_statep(struct oci_state *s)
{
	oci_state_free(s);
}
#define cleanup_oci_state __attribute__((cleanup(cleanup_oci_statep)))

/* Whether at least one key is given that is a request, not only a hint (volatile keys). */
bool oci_annotations_ask(const struct oci_annotations *a);

/*
 * Makes a request, not finished yet. @allowed: bits of the keys that a container may set; hints are always allowed.
 * -EINVAL: the two spellings of a key differ, an unknown key, or an invalid value.
 */
int oci_annotations_request(const struct oci_annotations *a, unsigned int allowed, struct request *out,
			    struct error *err);
void oci_annotations_free(struct oci_annotations *a);

/* --- for rules of json_parse(): which members of "annotations" matter, and adding one --- */
struct json_value;
bool oci_annotation_wanted(const char *key);
int oci_annotation_add(struct oci_annotations *a, const struct json_value *v, struct error *err);

#endif
