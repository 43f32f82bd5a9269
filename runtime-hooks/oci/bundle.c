/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See bundle.h.
 */
#include "runtime-hooks/oci/bundle.h"

#include "plugin/base/atomic-file.h"
#include "plugin/base/file.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/hook.h"
#include "runtime-hooks/oci/oci-config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <sys/vfs.h>

#define ASIDE ".%.200s.numaplace-%d"
#define PEEK_MS 100 /* time for a pipe's writer to finish */

/* Opens the config file's folder and sets b->name. */
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

/* Errors that the runtime meets too and reports better. */
static bool is_runtimes(int status)
{
	static const int own[] = { -ENOENT, -ENOTDIR, -ELOOP, -EACCES, -ENAMETOOLONG, -ENXIO, -ENODEV };

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (status == own[i])
			return true;
	return false;
}

/*
 * An anonymous pipe, reached through the name of an open descriptor of this process: a tee() from it takes no data
 * away.
 */
static bool is_open_pipe(const struct bundle *b)
{
	cleanup_close int fd = openat(b->dir, b->name, O_PATH | O_CLOEXEC);
	struct statfs fs;

	return fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == PIPEFS_MAGIC;
}

/* Copies the contents of the pipe @fd, which keeps them. Sets b->partial unless the writer has closed the pipe. */
static int peek(int fd, struct bundle *b)
{
	struct pollfd writer = { .fd = fd };
	cleanup_close int in = -1, out = -1;
	int fds[2], size = fcntl(fd, F_GETPIPE_SZ);
	ssize_t n;

	if (size < 0 || pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	in = fds[0];
	out = fds[1];
	fcntl(out, F_SETPIPE_SZ, size);
	b->partial = poll(&writer, 1, PEEK_MS) <= 0;
	n = tee(fd, out, (size_t)size, SPLICE_F_NONBLOCK);
	b->text = malloc((size_t)size + 1);
	if (!b->text)
		return -ENOMEM;
	n = n > 0 ? file_read_fd(in, b->text, (size_t)n) : 0;
	b->len = n > 0 ? (size_t)n : 0;
	b->text[b->len] = '\0';
	return 0;
}

static int read_pipe(struct bundle *b)
{
	cleanup_close int fd = openat(b->dir, b->name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	b->fixed = "a pipe, which can be read only once";
	return fd < 0 ? -errno : peek(fd, b);
}

static int read_file(struct bundle *b)
{
	/* Non-blocking: a FIFO may have replaced the file since fstatat(). */
	const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	cleanup_close int fd = -1;
	int r;

	if (fstatat(b->dir, b->name, &b->st, 0) < 0)
		return -errno;
	if (S_ISFIFO(b->st.st_mode) && is_open_pipe(b))
		return read_pipe(b);
	if (!S_ISREG(b->st.st_mode) || b->st.st_size > (off_t)OCI_CONFIG_HELD_MAX)
		return -ENOENT;
	fd = openat(b->dir, b->name, flags | O_NOFOLLOW);
	if (fd < 0 && errno == ELOOP) {
		b->fixed = "a symbolic link, which is not followed";
		fd = openat(b->dir, b->name, flags);
	}
	if (fd < 0 || fstat(fd, &b->st) < 0)
		return -errno;
	if (!S_ISREG(b->st.st_mode))
		return -ENOENT;
	r = hook_read(fd, OCI_CONFIG_HELD_MAX, &b->text, &b->len, NULL);
	return r == -EINVAL ? -EFBIG : r; /* the file has grown since fstat() */
}

int bundle_open(const char *path, const char *config, struct bundle *out, struct error *err)
{
	cleanup_bundle struct bundle b = BUNDLE_NONE;
	int r = open_folder(path, config, &b);

	if (is_runtimes(r))
		return -ENOENT;
	if (r < 0)
		return error_errno(err, r, "bundle %s", quote(path).text);
	r = read_file(&b);
	if (is_runtimes(r))
		return -ENOENT;
	if (r == -EFBIG)
		return error_set(err, r, "%s: more than %u MiB", quote(b.name).text, OCI_CONFIG_HELD_MAX >> 20);
	if (r < 0)
		return error_errno(err, r, "%s", quote(b.name).text);
	*out = b;
	b = BUNDLE_NONE;
	return 0;
}

static int write_file(const struct bundle *b, const char *aside, const char *text, size_t len)
{
	cleanup_close int fd = atomic_file_begin(b->dir, aside, O_WRONLY);
	int r;

	if (fd < 0)
		return fd;
	r = file_pwrite_all(fd, text, len, 0);
	/* fchown() first: it clears the set-id bits of the mode. */
	if (r == 0 && (b->st.st_uid != geteuid() || b->st.st_gid != getegid()) &&
	    fchown(fd, b->st.st_uid, b->st.st_gid) < 0)
		r = -errno;
	if (r == 0 && fchmod(fd, b->st.st_mode & 07777) < 0)
		r = -errno;
	return atomic_file_end(b->dir, aside, b->name, r);
}

int bundle_write(const struct bundle *b, const char *text, size_t len, struct error *err)
{
	char aside[300];
	int r;

	if (b->fixed)
		return error_set(err, -ELOOP, "write %s: %s", quote(b->name).text, b->fixed);
	snprintf(aside, sizeof(aside), ASIDE, b->name, (int)getpid());
	r = write_file(b, aside, text, len);
	if (r == -EEXIST && unlinkat(b->dir, aside, 0) == 0) /* left by a killed process with the same pid */
		r = write_file(b, aside, text, len);
	return r < 0 ? error_errno(err, r, "write %s", quote(b->name).text) : 0;
}

void bundle_close(struct bundle *b)
{
	cleanup_closep(&b->dir);
	free(b->text);
	*b = BUNDLE_NONE;
}
