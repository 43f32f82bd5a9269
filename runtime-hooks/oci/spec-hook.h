/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds a hook in a bundle's config.json: the arguments with which a runtime would call it at the start of the container.
 */
#ifndef NUMAPLACE_SPEC_HOOK_H
#define NUMAPLACE_SPEC_HOOK_H

#include "plugin/base/error.h"

#include <stddef.h>

#define SPEC_HOOK_ARGS_MAX 64

struct spec_hook {
	char *arg[SPEC_HOOK_ARGS_MAX + 1]; /* NULL after the last; the first is the program's name */
	unsigned int n;
};

/*
 * Finds the first hook with this path in createRuntime, or without one in prestart. Returns 1 and the arguments, or 0 if
 * the text has no such hook. -EINVAL: the text is malformed, or has too many arguments. Zeroes @out first; free it after
 * a failure, too.
 */
int spec_hook_find(const char *text, size_t len, const char *path, struct spec_hook *out, struct error *err);

/* The value of an option, "--name VALUE", among the arguments; NULL: not given. */
const char *spec_hook_option(const struct spec_hook *h, const char *name);
void spec_hook_free(struct spec_hook *h);
#define cleanup_spec_hook __attribute__((cleanup(spec_hook_free)))

#endif
