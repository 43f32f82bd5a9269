/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Help for one verb.
 */
#ifndef NUMAPLACE_HELP_H
#define NUMAPLACE_HELP_H

#include <stdbool.h>
#include <stdio.h>

/* false: there is none for this verb. */
bool help_print(FILE *f, const char *verb);

#endif
