/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shell commands for tests that make a folder of files.
 */
#ifndef TEST_SHELL_H
#define TEST_SHELL_H

#include "tests/unit/tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static inline void shell_in(const char *dir, const char *command)
{
	char line[2560];

	snprintf(line, sizeof(line), "cd %s && %s", dir, command);
	if (system(line) != 0)
		diag("failed: %s", command);
}

static inline void shell_in_format(const char *dir, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void shell_in_format(const char *dir, const char *fmt, ...)
{
	char command[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	shell_in(dir, command);
}

#endif
