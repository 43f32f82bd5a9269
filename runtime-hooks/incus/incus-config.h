/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of an Incus or LXD instance's expanded configuration that matter for placement, and the decision what to
 * do: nothing, follow the daemon's choice of nodes, or lead (choose nodes).
 *
 * Hooks read these keys from backup.yaml, the command line from the daemon's socket.
 */
#ifndef NUMAPLACE_INCUS_CONFIG_H
#define NUMAPLACE_INCUS_CONFIG_H

#include "place/conf.h"
#include "plugin/machine/device-ref.h"
#include "plugin/select/request.h"

#define INCUS_PREFIX "user.numaplace."
#define INCUS_ENVIRONMENT "environment."
#define INCUS_HOOK "/lxc-hook" /* in the profile's raw.lxc */
#define INCUS_HUGE_SIZES 4
#define INCUS_BACKUP_MAX (16U << 20) /* maximum size of backup.yaml */

/* What matters of a device's properties. */
enum incus_property {
	INCUS_TYPE,
	INCUS_NICTYPE,
	INCUS_PARENT,
	INCUS_PCI,
	INCUS_ADDRESS,
	INCUS_CARD,
	INCUS_SOURCE,
	INCUS_PATH,
	INCUS_PROPERTIES
};

struct incus_device {
	char *value[INCUS_PROPERTIES]; /* NULL: not given */
};

struct incus_config {
	char *native[KEY_COUNT];       /* the daemon's own keys with the same names; NULL: not given */
	char *asked[KEY_COUNT];        /* user.numaplace.KEY */
	char *variable[KEY_COUNT];     /* environment.NUMAPLACE_LIMITS_...; incus_config_settle() moves them to @asked */
	unsigned int by_variable;      /* bits of the keys in @asked that were variables */
	struct device_refs devices;
	struct incus_device device;    /* whose properties are being read */
	char *mode;                    /* user.numaplace.mode */
	bool profile;                  /* raw.lxc calls the hook, as the profile `numaplace` has it */
	char *huge[INCUS_HUGE_SIZES];  /* limits.hugepages.64KB to 1GB */
	char *unknown;                 /* the first such variable that is no key; NULL: none */
	char *name, *type;             /* of the instance; NULL: not found */
};

/* Adds a configuration key. Other programs' keys are skipped; an unknown user.numaplace key is -EINVAL. */
int incus_config_add(struct incus_config *c, const char *key, const char *value, struct error *err);

/*
 * Devices: incus_device_set() for each property of a device, then incus_device_end(), which does nothing if no property
 * was set. (incus-devices.c)
 */
int incus_device_set(struct incus_config *c, const char *property, const char *value, struct error *err);
int incus_device_end(struct incus_config *c, struct error *err);
void incus_device_free(struct incus_device *d);

/*
 * Makes keys of the variables if they count on this host. Call it before a plan. -EINVAL: a key and a variable have
 * different values, or a variable is no key.
 */
int incus_config_settle(struct incus_config *c, const struct conf *conf, struct error *err);

/* Parses the text of a backup.yaml (incus-backup.c). @name is for messages. */
int incus_config_parse(const char *text, size_t len, const char *name, struct incus_config *c, struct error *err);

void incus_config_free(struct incus_config *c);
static inline void cleanup_incus_configp(struct incus_config *c)
{
	incus_config_free(c);
}
#define cleanup_incus_config __attribute__((cleanup(cleanup_incus_configp)))

enum incus_way {
	INCUS_LEAVE,   /* the instance does not request placement */
	INCUS_BEHIND,  /* follow: the daemon chooses nodes, numaplace sets memory nodes */
	INCUS_AHEAD,   /* lead: numaplace chooses */
};

/* The host's memory in bytes; 0: unknown. */
uint64_t incus_host_memory(int root);

/*
 * Makes a finished request from @c and @conf. @host_memory: bytes, for values like "50%"; 0: unknown, and such a limit
 * is ignored. -EINVAL: invalid or contradictory keys.
 */
int incus_plan(const struct incus_config *c, const struct conf *conf, uint64_t host_memory, enum incus_way *way,
	       struct request *out, struct error *err);

/* Reports each of the daemon's own values that cannot be parsed or is too large; incus_plan() ignores those. */
void incus_doubts(const struct incus_config *c, uint64_t host_memory, void (*say)(const char *line));

/* incus_plan() for a choice before the start (numaplace incus place): always leads. */
int incus_plan_ahead(const struct incus_config *c, const struct conf *conf, uint64_t host_memory, struct request *out,
		     struct error *err);

#endif
