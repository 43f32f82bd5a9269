/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Formats each warning as one printable line.
 */
#include "place/message.h"

#include <stdarg.h>
#include <stdio.h>

void place_say(const struct place_env *env, const char *fmt, ...)
{
	char line[ERROR_TEXT_MAX];
	va_list ap;

	if (!env->message)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	make_printable(line);
	env->message(line);
}

void place_say_ledger(const struct place_env *env, const struct ledger *l)
{
	const char *line;

	for (unsigned int i = 0; (line = ledger_message(l, i)); i++)
		place_say(env, "%s", line);
}
