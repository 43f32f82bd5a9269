/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Warnings of a transaction, given to the caller line by line.
 */
#ifndef NUMAPLACE_PLACE_MESSAGE_H
#define NUMAPLACE_PLACE_MESSAGE_H

#include "place/state.h"
#include "plugin/ledger/ledger.h"

/* Passes a warning to @env->message, with unprintable bytes replaced by '?'. */
void place_say(const struct place_env *env, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Passes the ledger's messages on in the same way. */
void place_say_ledger(const struct place_env *env, const struct ledger *l);

#endif
