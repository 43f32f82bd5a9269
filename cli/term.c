/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The terminal is queried each time: its size may change during --watch.
 */
#include "cli/term.h"

#include "plugin/base/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WATCH_SECONDS 2
#define WIDTH 80

bool term_colour(FILE *f)
{
	const char *no_colour = getenv("NO_COLOR");

	return isatty(fileno(f)) && !(no_colour && *no_colour);
}

unsigned int term_width(FILE *f)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size = { 0 };
	uint64_t n = 0;

	if (ioctl(fileno(f), TIOCGWINSZ, &size) == 0 && size.ws_col)
		return size.ws_col;
	if (columns)
		number_prefix(&columns, 10000, &n);
	return n >= 20 && n <= 10000 ? (unsigned int)n : WIDTH;
}

void term_bar(FILE *f, double part, unsigned int width, bool colour)
{
	unsigned int full = 0;

	if (part > 0)
		full = (unsigned int)((part < 1 ? part : 1) * width + 0.5);
	if (!full && part > 0)
		full = 1; /* show a small load, too */
	if (colour)
		fputs(part >= 1 ? "\033[31m" : part >= 0.75 ? "\033[33m" : "\033[32m", f);
	for (unsigned int i = 0; i < width; i++)
		putc(i < full ? '#' : '.', f);
	if (colour)
		fputs("\033[0m", f);
}

int term_set_watch(void *seconds, const char *value, struct error *err)
{
	uint64_t n = WATCH_SECONDS;

	if (value && (!number_parse(value, 86400, &n) || !n))
		return error_set(err, -EINVAL, "--watch=%s: 1 to 86400 seconds are expected", quote(value).text);
	*(unsigned int *)seconds = (unsigned int)n;
	return 0;
}

bool term_wait(unsigned int seconds)
{
	if (fflush(stdout) || ferror(stdout))
		return false;
	sleep(seconds);
	return true;
}

void term_clear(FILE *f)
{
	if (isatty(fileno(f)))
		fputs("\033[H\033[2J", f);
}
