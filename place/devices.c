/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Found devices are a preference, so nothing here fails: a device that cannot be found does not count.
 */
#include "place/devices.h"

#include "place/message.h"

void place_find_devices(struct place_env *env, const struct device_refs *refs, struct request *r)
{
	if (!refs->n || refs->all || r->devices_mode != DEVICES_AUTO || !env->conf.devices_allowed)
		return;
	if (refs->more)
		place_say(env, "more than %d devices in its configuration: the others do not count for the placement",
			  DEVICE_REFS_MAX);
	r->nfound = device_refs_find(env->root, refs, r->found);
}
