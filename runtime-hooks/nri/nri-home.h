/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The homes of pods: the nodes where the containers of a pod belong together. A home is the place that was found for the
 * whole pod, or the place of its first container. The latter ends with that container if it was the only one: an init
 * container then has no influence on the others.
 */
#ifndef NUMAPLACE_NRI_HOME_H
#define NUMAPLACE_NRI_HOME_H

#include "plugin/base/idset.h"
#include "plugin/base/name.h"
#include "runtime-hooks/nri/nri-message.h"

#define NRI_PODS_MAX 4096 /* whose homes are remembered */
#define NRI_MEMBERS_MAX 32

struct nri_home {
	char pod[NAME_ID_MAX + 1];
	struct nodeset nodes, mems;
	bool whole;          /* there is room for the whole pod */
	uint64_t first;      /* hash of the name of the container that made it */
	size_t nmembers;     /* placed containers of the pod; over NRI_MEMBERS_MAX: the home lasts as long as the pod */
	uint64_t member[NRI_MEMBERS_MAX]; /* hashes of their ids */
};

struct nri_homes {
	size_t n, room;
	struct nri_home *home;
};

/* Whether one more pod can be remembered. */
static inline bool nri_homes_have_room(const struct nri_homes *h)
{
	return h->n < NRI_PODS_MAX;
}

/*
 * The home for a new container @name of @pod; NULL: it makes one. Forgets a home whose containers have all ended, unless
 * it is of the whole pod, or @name made it and starts again.
 */
const struct nri_home *nri_home_for(struct nri_homes *h, const char *pod, const char *name);

/* Adds the container to the pod's home. The first one makes it, of these nodes. Without memory, the pod has none. */
void nri_home_join(struct nri_homes *h, const char *pod, const char *name, const char *id, const struct nri_home *made);

/* The container has ended. */
void nri_home_leave(struct nri_homes *h, const char *pod, const char *id);

/* The pod has ended. */
void nri_home_forget(struct nri_homes *h, const char *pod);

void nri_homes_free(struct nri_homes *h);

#endif
