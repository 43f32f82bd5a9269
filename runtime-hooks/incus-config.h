/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An Incus or LXD instance's expanded configuration, as far as placement looks at it, and what
 * is to be done with it: nothing, follow the daemon's choice of nodes, or lead.
 *
 * The same keys come from backup.yaml (the hook) and from the daemon's socket (the command line).
 */
#ifndef NUMAPLACE_INCUS_CONFIG_H
#define NUMAPLACE_INCUS_CONFIG_H

#include "plugin/conf.h"
#include "plugin/request.h"

#define INCUS_PREFIX "user.numaplace."
#define INCUS_HUGE_SIZES 4
#define INCUS_BACKUP_MAX (16U << 20) /* bytes of a backup.yaml */

struct incus_config {
	char *native[KEY_COUNT];       /* the daemon's own keys that are named as ours; NULL: not given */
	char *asked[KEY_COUNT];        /* user.numaplace.KEY */
	char *mode;                    /* user.numaplace.mode */
	char *huge[INCUS_HUGE_SIZES];  /* limits.hugepages.64KB to 1GB */
	char *name, *type;             /* of the instance, where they were found */
};

/* Takes a key of the configuration; one that is nothing to us is passed over, an unknown user.numaplace one is -EINVAL. */
int incus_config_add(struct incus_config *c, const char *key, const char *value, struct error *err);

/* From the text of a backup.yaml (incus-backup.c); @name is for messages. */
int incus_config_parse(const char *text, size_t len, const char *name, struct incus_config *c, struct error *err);

void incus_config_free(struct incus_config *c);
static inline void cleanup_incus_configp(struct incus_config *c)
{
	incus_config_free(c);
}
#define cleanup_incus_config __attribute__((cleanup(cleanup_incus_configp)))

enum incus_way {
	INCUS_LEAVE,   /* nothing is asked for */
	INCUS_BEHIND,  /* follow: the nodes are chosen, memory is to be on them */
	INCUS_AHEAD,   /* lead: choose */
};

/*
 * What @c asks for under @conf, as a finished request.  @host_memory: bytes, for "50%"; 0: not known, such a limit is
 * passed over.  -EINVAL: keys that make no sense, or not together.
 */
int incus_plan(const struct incus_config *c, const struct conf *conf, uint64_t host_memory, enum incus_way *way,
	       struct request *out, struct error *err);

/*
 * Says a line for each of the daemon's own values that is not understood, or is too large, and that incus_plan goes on
 * without.
 */
void incus_doubts(const struct incus_config *c, uint64_t host_memory, void (*say)(const char *line));

/* The same for choosing before a start (numaplace incus place): always ahead. */
int incus_plan_ahead(const struct incus_config *c, const struct conf *conf, uint64_t host_memory, struct request *out,
		     struct error *err);

#endif
