/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Adds messages to a ledger; ledger_message() of ledger.h reads them.
 */
#ifndef NUMAPLACE_LEDGER_NOTES_H
#define NUMAPLACE_LEDGER_NOTES_H

#include "plugin/ledger/ledger.h"

/* Adds a message for ledger_message(); dropped if there are LEDGER_MESSAGES_MAX. */
void ledger_note(struct ledger *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
