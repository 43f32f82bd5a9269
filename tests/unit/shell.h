/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shell commands for tests that make a folder of files.
 */
#ifndef TEST_SHELL_H
#define TEST_SHELL_H

#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>

static inline void shell_in(const char *dir, const char *command)
{
	char line[2048];

	snprintf(line, sizeof(line), "cd %s && %s", dir, command);
	if (system(line) != 0)
		diag("failed: %s", command);
}

#endif
