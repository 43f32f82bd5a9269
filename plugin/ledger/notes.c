/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages that a ledger collects for its caller: damage, repairs, a killed holder of the lock.
 */
#include "plugin/ledger/notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "plugin/ledger/handle.h"

void ledger_note(struct ledger *l, const char *fmt, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list ap;

	if (l->nmessages == LEDGER_MESSAGES_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	make_printable(text);
	l->messages[l->nmessages] = strdup(text);
	if (l->messages[l->nmessages])
		l->nmessages++;
}

const char *ledger_message(const struct ledger *l, unsigned int i)
{
	return i < l->nmessages ? l->messages[i] : NULL;
}
