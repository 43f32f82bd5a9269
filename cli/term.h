/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The terminal: its width, colour, bars, and repeated output. Without a terminal there is no colour and a line has 80
 * columns.
 */
#ifndef NUMAPLACE_TERM_H
#define NUMAPLACE_TERM_H

#include "plugin/base/error.h"

#include <stdbool.h>
#include <stdio.h>

/* Whether @f is a terminal and NO_COLOR is not set. */
bool term_colour(FILE *f);

/* Columns of the terminal; without one, the variable COLUMNS counts. */
unsigned int term_width(FILE *f);

/* "####....": @width characters, @part (0 to 1) of them full; in colour green, yellow from 3/4, red when full. */
void term_bar(FILE *f, double part, unsigned int width, bool colour);

/* --watch[=SECONDS], for a verb's options. */
int term_set_watch(void *seconds, const char *value, struct error *err);
#define TERM_WATCH_RULE(seconds) { .name = "watch", .set = term_set_watch, .arg = (seconds), .value_optional = true }

/* term_wait() waits before the next output; false: writing to stdout failed. term_clear() clears a terminal. */
bool term_wait(unsigned int seconds);
void term_clear(FILE *f);

#endif
