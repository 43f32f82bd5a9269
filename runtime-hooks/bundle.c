/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opens, reads and replaces one file of a folder that is held open meanwhile.
 */
#include "runtime-hooks/bundle.h"

#include "plugin/file.h"
#include "plugin/util.h"
#include "runtime-hooks/hook.h"
#include "runtime-hooks/oci-config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define ASIDE ".%.200s.numaplace-%d"

/* The folder that the file is in, and its name there. */
static int open_folder(const char *path, const char *config, struct bundle *b)
{
	const char *slash = config ? strrchr(config, '/') : NULL;
	const char *name = slash ? slash + 1 : config ? config : "config.json";
	cleanup_free char *folder = NULL;

	if (slash)
		folder = strndup(config, (size_t)(slash - config) + 1);
	else
		folder = strdup(config ? "." : path);
	if (!folder)
		return -ENOMEM;
	if ((size_t)snprintf(b->name, sizeof(b->name), "%s", name) >= sizeof(b->name))
		return -ENAMETOOLONG;
	b->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return b->dir < 0 ? -errno : 0;
}

static int read_file(struct bundle *b, struct error *err)
{
	/* Non-blocking: a FIFO of that name must not hold us. */
	const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	cleanup_close int fd = openat(b->dir, b->name, flags | O_NOFOLLOW);
	int r;

	b->link = fd < 0 && errno == ELOOP;
	if (b->link)
		fd = openat(b->dir, b->name, flags);
	if (fd < 0 || fstat(fd, &b->st) < 0)
		return error_errno(err, -errno, "%s", quote(b->name).text);
	if (!S_ISREG(b->st.st_mode))
		return error_set(err, -EINVAL, "%s: not a regular file", quote(b->name).text);
	r = hook_read(fd, OCI_CONFIG_HELD_MAX, &b->text, &b->len, err);
	return r < 0 ? (error_prefix(err, "%s", quote(b->name).text), r) : 0;
}

int bundle_open(const char *path, const char *config, struct bundle *out, struct error *err)
{
	cleanup_bundle struct bundle b = BUNDLE_NONE;
	int r = open_folder(path, config, &b);

	if (r < 0)
		return error_errno(err, r, "bundle %s", quote(path).text);
	r = read_file(&b, err);
	if (r < 0)
		return r;
	*out = b;
	b = BUNDLE_NONE;
	return 0;
}

static int write_file(const struct bundle *b, const char *aside, const char *text, size_t len)
{
	cleanup_close int fd = openat(b->dir, aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = file_pwrite_all(fd, text, len, 0);
	/* The owner first: a change of it takes bits off the mode. */
	if (r == 0 && (b->st.st_uid != geteuid() || b->st.st_gid != getegid()) &&
	    fchown(fd, b->st.st_uid, b->st.st_gid) < 0)
		r = -errno;
	if (r == 0 && fchmod(fd, b->st.st_mode & 07777) < 0)
		r = -errno;
	if (r == 0 && renameat(b->dir, aside, b->dir, b->name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(b->dir, aside, 0);
	return r;
}

int bundle_write(const struct bundle *b, const char *text, size_t len, struct error *err)
{
	char aside[300];
	int r;

	if (b->link)
		return error_set(err, -ELOOP, "write %s: a symbolic link, which is not followed", quote(b->name).text);
	snprintf(aside, sizeof(aside), ASIDE, b->name, (int)getpid());
	r = write_file(b, aside, text, len);
	if (r == -EEXIST && unlinkat(b->dir, aside, 0) == 0) /* of a process that is gone */
		r = write_file(b, aside, text, len);
	return r < 0 ? error_errno(err, r, "write %s", quote(b->name).text) : 0;
}

void bundle_close(struct bundle *b)
{
	cleanup_closep(&b->dir);
	free(b->text);
	*b = BUNDLE_NONE;
}
