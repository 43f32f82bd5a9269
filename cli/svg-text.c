/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Escapes and truncates text. The viewer's font is unknown, so a wide one is assumed.
 */
#include "cli/svg-text.h"

#include <stdbool.h>
#include <string.h>

double svg_width(const char *text, size_t n, int font)
{
	double em = 0;

	for (size_t i = 0; i < n; i++)
		em += strchr("ijlI.,:;'|! ", text[i])      ? 0.34 :
		      strchr("frtJ()[]-/", text[i])        ? 0.42 :
		      strchr("MWm%@", text[i])             ? 1.0 :
		      strchr("wOQGNDHU&+<>=~#", text[i])   ? 0.84 :
		      text[i] >= 'A' && text[i] <= 'Z'      ? 0.7 :
							      0.64;
	return em * font;
}

void svg_escaped(FILE *f, const char *text, size_t n)
{
	for (const char *p = text; p < text + n; p++) {
		if (*p == '<')
			fputs("&lt;", f);
		else if (*p == '>')
			fputs("&gt;", f);
		else if (*p == '&')
			fputs("&amp;", f);
		else if (*p == '"')
			fputs("&quot;", f);
		else if (*p == '\'')
			fputs("&apos;", f);
		else
			putc(*p < 0x20 || *p > 0x7e ? '?' : *p, f);
	}
}

void svg_fitted(FILE *f, const char *text, int font, double pixels)
{
	size_t n = strlen(text);
	bool cut = false;

	while (n && svg_width(text, n, font) + (cut ? svg_width("..", 2, font) : 0) > pixels) {
		cut = true;
		n--;
	}
	svg_escaped(f, text, n);
	if (cut)
		fputs("..", f);
}
