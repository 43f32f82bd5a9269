/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A bundle's config.json, read to be written anew: aside, then renamed over
 * it, with its mode and its owner.  The folder may be another user's: only a
 * regular file is taken, read through a symbolic link as the runtime reads it, but never
 * written through one.
 *
 * What is no regular file can be read once, by the runtime, and is not opened here: opening a FIFO would let its writer
 * begin. Of a pipe that is an open descriptor (<(...), /dev/stdin) a copy of what is in it is looked at.
 */
#ifndef NUMAPLACE_BUNDLE_H
#define NUMAPLACE_BUNDLE_H

#include "plugin/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct bundle {
	int dir;
	char name[256]; /* of the file in it */
	const char *fixed; /* why it cannot be written; NULL: it can */
	bool partial;	/* more may come, of which nothing is known */
	struct stat st;
	char *text;
	size_t len;
};
#define BUNDLE_NONE ((struct bundle){ .dir = -1 })

/*
 * @config: another file's path (crun's --config); NULL: config.json in @path. -ENOENT: there is none that can be read,
 * which the runtime meets as well, or it is not a file to read twice.
 */
int bundle_open(const char *path, const char *config, struct bundle *out, struct error *err);
int bundle_write(const struct bundle *b, const char *text, size_t len, struct error *err);
void bundle_close(struct bundle *b);
#define cleanup_bundle __attribute__((cleanup(bundle_close)))

#endif
