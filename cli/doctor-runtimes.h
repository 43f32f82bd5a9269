/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The doctor's checks of what starts containers on this host.
 */
#ifndef NUMAPLACE_DOCTOR_RUNTIMES_H
#define NUMAPLACE_DOCTOR_RUNTIMES_H

#include "cli/doctor-report.h"

/* Runtimes and hooks. */
void doctor_check_runtimes(struct doctor *d);
/* Other programs and settings that interfere; after doctor_check_runtimes(). */
void doctor_check_traps(struct doctor *d);

#endif
