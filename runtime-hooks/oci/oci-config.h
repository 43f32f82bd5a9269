/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of a bundle's config.json that numaplace reads: linux.resources, for limits that no key sets; the
 * annotations, for runtimes that leave them out of the state; keys in the environment; devices.
 */
#ifndef NUMAPLACE_OCI_CONFIG_H
#define NUMAPLACE_OCI_CONFIG_H

#include "place/conf.h"
#include "runtime-hooks/oci/oci-devices.h"
#include "runtime-hooks/oci/oci-state.h"
#include "runtime-hooks/oci/oci-variables.h"

#define OCI_CONFIG_MAX (16U << 20)
#define OCI_CONFIG_HELD_MAX (256U << 20) /* of a config that is passed on unchanged: no runtime accepts a larger one */
#define OCI_DEFAULTS_MAX 4 /* keys of a device of CDI */
#define OCI_HUGE_MAX   16 /* page sizes in hugepageLimits; no architecture has more */

struct oci_huge {
	uint64_t page_size; /* bytes */
	uint64_t limit;	    /* bytes; 0: not requested */
};

struct oci_config {
	int64_t cpu_quota;    /* microseconds per period; <= 0: none */
	int64_t cpu_period;   /* <= 0: not set, the kernel's default */
	char *cpus, *mems;    /* as written, for example "0-3:1/2"; NULL or "": not pinned */
	int64_t memory_limit; /* bytes; <= 0: none */
	unsigned int nhuge;
	struct oci_huge huge[OCI_HUGE_MAX];
	char *cgroups_path;   /* as written; NULL: none */
	char *policy_mode, *policy_nodes; /* linux.memoryPolicy, as written; NULL: none */
	struct oci_annotations annotations;
	struct oci_variables variables;
	struct oci_devices devices;
	/* "KEY=VALUE" of the option --default of hooks in the spec: a device of CDI has put them there. */
	char *defaults[OCI_DEFAULTS_MAX];
	unsigned int ndefaults;
	bool in_hook, default_next; /* while the arguments of a hook are read */
	bool too_large;	      /* the config exceeds OCI_CONFIG_MAX and was not parsed */
};

/* Zeroes @out first; free it after a failure, too. Over OCI_CONFIG_MAX bytes: -EINVAL and too_large. */
int oci_config_parse(const char *text, size_t len, struct oci_config *out, struct error *err);

/* Searches an unparsable config for numaplace's keys as text. JSON writers do not escape ASCII letters. */
bool oci_config_looks_asking(const char *text, size_t len);

/*
 * oci_config_parse() of @bundle's config.json. An unknown bundle (NULL, or "/" from crun) and a missing file count as
 * an empty config and return 0. A symbolic link, or anything but a regular file, is an error.
 */
int oci_config_read(const char *bundle, struct oci_config *out, struct error *err);

void oci_config_free(struct oci_config *c);
static inline void cleanup_oci_configp(struct oci_config *c)
{
	oci_config_free(c);
}
#define cleanup_oci_config __attribute__((cleanup(cleanup_oci_configp)))

/*
 * The container's id, taken from podman's name for the cgroup: "SLICE:libpod:ID" or "/.../libpod-ID". NULL: not such a
 * name.
 */
const char *oci_config_id(const struct oci_config *c);

/* Takes the next argument of a hook of the stage createRuntime, the @index-th from 0: those of --default become defaults. */
int oci_config_add_hook_arg(struct oci_config *c, size_t index, const char *text, struct error *err);

/* Adds "KEY=VALUE" to the struct request @defaults: for the option --default. */
int oci_default_parse(void *defaults, const char *value, struct error *err);

/* Replaces what @r leaves out by the defaults of the config and, if not NULL, by @more. */
int oci_config_add_defaults(const struct oci_config *c, const struct request *more, struct request *r, struct error *err);

/* Whether it has keys that are a request: in its annotations, its environment, or a device of CDI. */
bool oci_config_asks(const struct oci_config *c, const struct conf *conf);

/* Fills in what the keys in @r leave out. Call before request_finish(). */
int oci_config_fallback(const struct oci_config *c, struct request *r, struct error *err);

/* Applies numaplace.conf's default to a container without keys. */
int oci_config_default(const struct oci_config *c, enum conf_default what, struct request *r, struct error *err);

/*
 * Makes the whole request from the config alone, before there is a state: keys, limits, and the conf's default. The
 * request is finished unless it is empty (see request_asks()), as it is for a sandbox.
 */
int oci_config_request(const struct oci_config *c, const struct conf *conf, struct request *out, struct error *err);

/* The name of a memory policy in linux.memoryPolicy; NULL for strict, which needs none. */
const char *oci_policy_mode(enum memory_policy policy, const struct nodeset *nodes);

#endif
