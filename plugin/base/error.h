/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One-line error messages.
 *
 * Functions return 0 or a negative errno and take a `struct error *` as their last argument, which may be NULL. The
 * function that detects an error sets it, callers prefix context, and only main programs print it. On failure outputs
 * are unchanged.
 *
 * Three classes determine the exit status: -EINVAL (bad input: 2), -ENOSPC (valid, but cannot be placed: 1) and
 * others (system errors: 1).
 */
#ifndef NUMAPLACE_ERROR_H
#define NUMAPLACE_ERROR_H

#include <stddef.h>

#define ERROR_TEXT_MAX 512

struct error {
	int status;                /* negative errno, 0 = no error */
	char text[ERROR_TEXT_MAX]; /* one line of printable ASCII, no newline */
};

/* Sets @err (status and text) and returns @status, a negative errno. */
int error_set(struct error *err, int status, const char *fmt, ...)
	__attribute__((cold, format(printf, 3, 4)));

/* As error_set(), and appends ": " and strerror(-status). */
int error_errno(struct error *err, int status, const char *fmt, ...)
	__attribute__((cold, format(printf, 3, 4)));

/* Prefixes "<fmt>: " to the text of an error that was set before; returns @status. */
int error_prefix(struct error *err, int status, const char *fmt, ...)
	__attribute__((cold, format(printf, 3, 4)));

/* The exit status for @status: 0, 1 or 2. */
int error_exit_status(int status);

/* Length of the UTF-8 character at @s in bytes; 0 if it is invalid. */
size_t utf8_length(const char *s);

/* Replaces every byte that is not printable ASCII by '?', in place. */
void make_printable(char *text);

/* Copies untrusted text for a message: at most 64 bytes, non-printable ones as \xNN; longer text ends in "...". */
#define QUOTED_MAX 64
struct quoted {
	char text[QUOTED_MAX + 8];
};
struct quoted quote(const char *text);

#endif
