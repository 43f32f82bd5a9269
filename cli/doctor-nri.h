/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The doctor's check of NRI: two plugins cannot both set the CPUs of a container.
 */
#ifndef NUMAPLACE_CLI_DOCTOR_NRI_H
#define NUMAPLACE_CLI_DOCTOR_NRI_H

#include "cli/doctor-report.h"

/*
 * Sets @d->nri. On a host that uses numaplace-nri, reports other plugins that set CPUs: those that the runtime launches, and processes, by
 * their names. No runtime lists its plugins, so a plugin with another name that connects to the runtime is not found.
 */
void doctor_check_nri(struct doctor *d);

#endif
