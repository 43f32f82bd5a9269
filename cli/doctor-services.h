/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The doctor's check of services that call service-hook.
 */
#ifndef NUMAPLACE_CLI_DOCTOR_SERVICES_H
#define NUMAPLACE_CLI_DOCTOR_SERVICES_H

#include "cli/doctor-report.h"

/* Reads the units and drop-ins of the administrator, and reports a line that calls service-hook and cannot work. */
void doctor_check_services(struct doctor *d);

#endif
