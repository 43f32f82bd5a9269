/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A node of a pod's home is preferred, not reserved: a pod whose home is lost is placed as one without.
 */
#include "runtime-hooks/nri/nri-home.h"

#include "plugin/base/hash.h"
#include "plugin/base/util.h"
#include "plugin/base/vec.h"

#include <string.h>

static struct nri_home *find(struct nri_homes *h, const char *pod)
{
	for (size_t i = 0; i < h->n; i++)
		if (strcmp(h->home[i].pod, pod) == 0)
			return &h->home[i];
	return NULL;
}

void nri_home_forget(struct nri_homes *h, const char *pod)
{
	struct nri_home *home = find(h, pod);

	if (home)
		*home = h->home[--h->n];
}

const struct nri_home *nri_home_for(struct nri_homes *h, const char *pod, const char *name)
{
	const struct nri_home *home = find(h, pod);

	if (!home || home->nmembers || home->whole || home->first == hash_text(HASH_START, name))
		return home;
	nri_home_forget(h, pod);
	return NULL;
}

static void add_member(struct nri_home *home, uint64_t id)
{
	for (size_t i = 0; i < home->nmembers && i < NRI_MEMBERS_MAX; i++)
		if (home->member[i] == id)
			return;
	if (home->nmembers < NRI_MEMBERS_MAX)
		home->member[home->nmembers] = id;
	if (home->nmembers <= NRI_MEMBERS_MAX)
		home->nmembers++;
}

void nri_home_join(struct nri_homes *h, const char *pod, const char *name, const char *id, const struct nri_home *made)
{
	struct nri_home *home = find(h, pod);

	if (!*pod || strlen(pod) > NAME_ID_MAX)
		return;
	if (!home) {
		home = nri_homes_have_room(h) ? vec_push(h->home, h->n, h->room) : NULL;
		if (!home)
			return;
		*home = *made;
		snprintf(home->pod, sizeof(home->pod), "%s", pod);
		home->first = hash_text(HASH_START, name);
		home->nmembers = 0;
	}
	add_member(home, hash_text(HASH_START, id));
}

void nri_home_leave(struct nri_homes *h, const char *pod, const char *id)
{
	struct nri_home *home = find(h, pod);
	uint64_t member = hash_text(HASH_START, id);

	if (!home || home->nmembers > NRI_MEMBERS_MAX)
		return;
	for (size_t i = 0; i < home->nmembers; i++)
		if (home->member[i] == member) {
			home->member[i] = home->member[--home->nmembers];
			return;
		}
}

void nri_homes_free(struct nri_homes *h)
{
	free(h->home);
	*h = (struct nri_homes){ 0 };
}
