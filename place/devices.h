/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The devices in a container's configuration become a preference of its request (limits.cpu.device = auto).
 */
#ifndef NUMAPLACE_PLACE_DEVICES_H
#define NUMAPLACE_PLACE_DEVICES_H

#include "place/state.h"
#include "plugin/machine/device-ref.h"

/*
 * Looks up @refs below the root of @env, for a request that asks for a placement and leaves its devices to numaplace.
 * Does nothing without devices, for a container that may use every device, and on a host with devices = false.
 */
void place_find_devices(struct place_env *env, const struct device_refs *refs, struct request *r);

#endif
