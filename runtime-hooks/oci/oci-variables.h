/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keys in the environment of a container's process: NUMAPLACE_LIMITS_CPU=4, for engines that cannot set annotations.
 */
#ifndef NUMAPLACE_OCI_VARIABLES_H
#define NUMAPLACE_OCI_VARIABLES_H

#include "place/conf.h"
#include "runtime-hooks/oci/oci-state.h"

struct oci_variables {
	char *value[KEY_COUNT]; /* by enum request_key, as written; NULL: not given */
	char *unknown;          /* the first name that is no key; NULL: none */
};

/* Adds "NAME=VALUE" if it is a key; of two with the same name, the last one counts, as for the process. */
int oci_variables_add(struct oci_variables *v, const char *variable, size_t len, struct error *err);
void oci_variables_free(struct oci_variables *v);

/* Whether at least one key is given, on a host where they count. */
bool oci_variables_ask(const struct oci_variables *v, const struct conf *conf);

/*
 * Adds the keys to the unfinished request @r. @said: the annotations from which @r was made. -EINVAL: an annotation has
 * another value, an unknown key, or an invalid value.
 */
int oci_variables_request(const struct oci_variables *v, const struct oci_annotations *said, const struct conf *conf,
			  struct request *r, struct error *err);

#endif
