/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is known of the terminal: its width, whether it takes colour, and bars
 * and repeated looks on it.  Without one there is no colour and a line has 80 columns.
 */
#ifndef NUMAPLACE_TERM_H
#define NUMAPLACE_TERM_H

#include "plugin/error.h"

#include <stdbool.h>
#include <stdio.h>

/* A terminal, and no NO_COLOR. */
bool term_colour(FILE *f);

/* Columns; COLUMNS counts where there is no terminal. */
unsigned int term_width(FILE *f);

/* "####....", @width wide, @part (0 to 1) of it full; with colour green, yellow from 3/4, red when full. */
void term_bar(FILE *f, double part, unsigned int width, bool colour);

/* "--watch" or "--watch=SECONDS": 1 and *@seconds; 0: another argument; -EINVAL. */
int term_watch_option(const char *verb, const char *argument, unsigned int *seconds, struct error *err);

/* Between two looks: waits.  false: stdout is gone.  Before a look: clears a terminal. */
bool term_wait(unsigned int seconds);
void term_clear(FILE *f);

#endif
