/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Help texts of the verbs.
 */
#ifndef NUMAPLACE_HELP_H
#define NUMAPLACE_HELP_H

#include <stdbool.h>
#include <stdio.h>

/* Prints the help text of a verb; false: unknown verb. */
bool help_print(FILE *f, const char *verb);

#endif
