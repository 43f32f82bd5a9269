/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads a bundle's config.json (or another config file) and replaces it atomically: a temporary file in the same
 * folder, with the original's owner and mode, renamed over it. The folder stays open from the read to the write.
 *
 * Another user may own the folder. A symbolic link is read through, as the runtime does, but never written through. A
 * FIFO or a device is not opened, since its contents can be read only once, by the runtime. An anonymous pipe that is
 * an open descriptor (<(...), /dev/stdin) is copied with tee() and keeps its contents.
 */
#ifndef NUMAPLACE_BUNDLE_H
#define NUMAPLACE_BUNDLE_H

#include "plugin/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct bundle {
	int dir;
	char name[256]; /* of the file, in @dir */
	const char *fixed; /* why the file cannot be replaced; NULL: it can */
	bool partial;	/* @text may be incomplete: the pipe's writer is still there */
	struct stat st;
	char *text;
	size_t len;
};
#define BUNDLE_NONE ((struct bundle){ .dir = -1 })

/*
 * @config: path of another config file (crun's --config); NULL: config.json in @path. -ENOENT: the file cannot be
 * opened for a reason that the runtime reports too, or it must not be read a second time.
 */
int bundle_open(const char *path, const char *config, struct bundle *out, struct error *err);
int bundle_write(const struct bundle *b, const char *text, size_t len, struct error *err);
void bundle_close(struct bundle *b);
#define cleanup_bundle __attribute__((cleanup(bundle_close)))

#endif
