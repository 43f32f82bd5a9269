/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of a bundle's config.json that speak where annotations are silent:
 * linux.resources, and the annotations for a runtime that left them out of the state.
 */
#ifndef NUMAPLACE_OCI_CONFIG_H
#define NUMAPLACE_OCI_CONFIG_H

#include "plugin/conf.h"
#include "runtime-hooks/oci-state.h"

#define OCI_CONFIG_MAX (16U << 20)
#define OCI_CONFIG_HELD_MAX (256U << 20) /* of one that is passed on as it came: no runtime takes a larger one */
#define OCI_HUGE_MAX   16 /* page sizes in hugepageLimits; no architecture has more */

struct oci_huge {
	uint64_t page_size; /* bytes */
	uint64_t limit;	    /* bytes; 0: none asked for */
};

struct oci_config {
	int64_t cpu_quota;    /* microseconds per period; <= 0: none */
	int64_t cpu_period;   /* <= 0: not said, the kernel's default */
	char *cpus, *mems;    /* as written, "0-3:1/2" among others; NULL or "": no pin */
	int64_t memory_limit; /* bytes; <= 0: none */
	unsigned int nhuge;
	struct oci_huge huge[OCI_HUGE_MAX];
	char *cgroups_path;   /* as written; NULL: none */
	char *policy_mode, *policy_nodes; /* linux.memoryPolicy, as written; NULL: none */
	struct oci_annotations annotations;
	bool too_large;	      /* why it was not read */
};

/* @out is zeroed first; free it also after a failure. -EINVAL and too_large: over OCI_CONFIG_MAX bytes. */
int oci_config_parse(const char *text, size_t len, struct oci_config *out, struct error *err);

/* Whether a config that cannot be read looks as if it had keys of ours. Who writes one does not escape plain letters. */
bool oci_config_looks_asking(const char *text, size_t len);

/*
 * The same as oci_config_parse from @bundle's config.json. A bundle that is not known (NULL, "/": crun says so),
 * and one without the file, are as an empty one, and 0. A symlink or anything else but a
 * regular file there is an error.
 */
int oci_config_read(const char *bundle, struct oci_config *out, struct error *err);

void oci_config_free(struct oci_config *c);
static inline void cleanup_oci_configp(struct oci_config *c)
{
	oci_config_free(c);
}
#define cleanup_oci_config __attribute__((cleanup(cleanup_oci_configp)))

/*
 * The container's id, which a config does not hold but in the cgroup that podman names for it: "SLICE:libpod:ID" or
 * "/.../libpod-ID". NULL: not such a one.
 */
const char *oci_config_id(const struct oci_config *c);

/* Fills in what the keys in @r left out; before request_finish. */
int oci_config_fallback(const struct oci_config *c, struct request *r, struct error *err);

/*
 * For default = follow-pins: a container whose CPUs are pinned and whose memory is not asks for exactly
 * these CPUs, so that its memory comes to be on their nodes. Any other asks for nothing.
 */
int oci_config_follow_pins(const struct oci_config *c, struct request *r, struct error *err);

/* What numaplace.conf says for a container that says nothing itself. */
int oci_config_default(const struct oci_config *c, enum conf_default what, struct request *r, struct error *err);

/*
 * The whole request of a container that only its config speaks for (there is no state yet): keys, limits, the
 * conf's default. One that asks for nothing comes out so (request_asks), a sandbox too; any other is finished.
 */
int oci_config_request(const struct oci_config *c, const struct conf *conf, struct request *out, struct error *err);

/* A memory policy's mode as linux.memoryPolicy spells it. strict has none: NULL. */
const char *oci_policy_mode(enum memory_policy policy, const struct idset *nodes);

#endif
