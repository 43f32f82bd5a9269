/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What went wrong, in one line.
 *
 * Functions return 0 or a negative errno and take a `struct error *` as their
 * last argument (it may be NULL).  Who knows the fact sets it, callers put
 * context in front, only a main prints it.  Outputs stay untouched on failure.
 *
 * Three classes matter to the exit status: -EINVAL (bad input: 2), -ENOSPC
 * (well-formed, but cannot be placed: 1) and anything else (the system: 1).
 */
#ifndef NUMAPLACE_ERROR_H
#define NUMAPLACE_ERROR_H

#include <stddef.h>

#define ERROR_TEXT_MAX 512

struct error {
	int status;                /* the negative errno, 0 = none */
	char text[ERROR_TEXT_MAX]; /* one line, no newline, always printable */
};

/* Sets @err (status and text) and returns @status, a negative errno. */
int error_set(struct error *err, int status, const char *fmt, ...)
	__attribute__((cold, format(printf, 3, 4)));

/* As error_set, with ": " and strerror(-status) behind the text. */
int error_errno(struct error *err, int status, const char *fmt, ...)
	__attribute__((cold, format(printf, 3, 4)));

/* Puts "<fmt>: " in front of what is there; returns err->status (-EINVAL without @err). */
int error_prefix(struct error *err, const char *fmt, ...)
	__attribute__((cold, format(printf, 2, 3)));

/* The exit status that stands for @status: 0, 1 or 2. */
int error_exit_status(int status);

/* The length of the well-formed UTF-8 character at @s; 0: it is none. */
size_t utf8_length(const char *s);

/* In place: every byte that is not printable ASCII as '?'. */
void make_printable(char *text);

/* Copies hostile text for a message: at most 64 bytes, those that are not printable ASCII as \xNN. */
#define QUOTED_MAX 64
struct quoted {
	char text[QUOTED_MAX + 8];
};
struct quoted quote(const char *text);

#endif
