/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cpuset of a unit of systemd, as systemd keeps it. AllowedCPUs and AllowedMemoryNodes of a service outlive its cgroup:
 * systemd applies them to its next start as well. A file beside them tells what numaplace has set from what the
 * administrator has set, which is a pin.
 */
#ifndef NUMAPLACE_PLACE_UNIT_H
#define NUMAPLACE_PLACE_UNIT_H

#include "cgroup/cgroup.h"
#include "place/state.h"
#include "plugin/ledger/record.h"

#define UNIT_CLASS "systemd" /* the runtime, and its class, of services */

/* The unit whose cgroup @cgroup is, for a placement of this runtime class; NULL: none. */
const char *unit_of_cgroup(const char *runtime_class, const char *cgroup);

/*
 * Reads the pins of @unit: @before is the cpuset that systemd has given to its cgroup. What numaplace has set there is
 * replaced by the pin that was there before.
 */
int unit_read_pins(const struct place_systemd *sd, const char *unit, const struct cpuset *before, struct idset *cpus,
		   struct nodeset *mems, struct error *err);

/*
 * Gives systemd the cpuset of a placed service or container, if its cgroup is a unit's; an empty set is left unchanged.
 * @pin_cpus and @pin_mems: of a service, as unit_read_pins(); NULL for others.
 */
int unit_set_cpuset(const struct place_systemd *sd, const char *unit, const char *cgroup, const struct idset *cpus,
		    const struct nodeset *mems, const struct idset *pin_cpus, const struct nodeset *pin_mems,
		    struct error *err);

#endif
