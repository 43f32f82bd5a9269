/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Damaged files: they are moved to damaged/, so that an operator can look at them, and are never read again.
 */
#include "plugin/ledger/quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "plugin/base/path.h"
#include "plugin/base/util.h"
#include "plugin/ledger/handle.h"
#include "plugin/ledger/notes.h"
#include "plugin/ledger/slots.h"

#define LEDGER_DAMAGED_MAX 16 /* files kept in damaged/ */

static bool exists(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int open_damaged(int dir)
{
	for (int tries = 0; tries < 2; tries++) {
		int fd = openat(dir, "damaged", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd >= 0)
			return fd;
		if (errno == ELOOP || errno == ENOTDIR)
			unlinkat(dir, "damaged", 0);
		else if (errno != ENOENT)
			return -errno;
		if (mkdirat(dir, "damaged", 0700) < 0)
			return -errno;
	}
	return -ELOOP;
}

static bool full(int fd)
{
	cleanup_closedir DIR *dir = dir_list(fcntl(fd, F_DUPFD_CLOEXEC, 0));
	unsigned int n = 0;

	while (dir && readdir(dir))
		n++;
	return n >= LEDGER_DAMAGED_MAX + 2; /* "." and ".." */
}

static int keep(struct ledger *l, int dir, const char *name)
{
	cleanup_close int fd = open_damaged(l->dir);
	char kept[LEDGER_NAME_MAX + 8];

	if (fd < 0 || full(fd))
		return -ENOSPC;
	for (unsigned int n = 0; n < LEDGER_DAMAGED_MAX; n++) {
		snprintf(kept, sizeof(kept), "%.240s.%u", name, n);
		if (exists(fd, kept))
			continue;
		if (renameat(dir, name, fd, kept) < 0)
			return -errno;
		ledger_note(l, "ledger: damaged: moved to damaged/%s", kept);
		return 0;
	}
	return -ENOSPC;
}

int set_aside(struct ledger *l, int dir, const char *name, struct error *err)
{
	if (keep(l, dir, name) == 0)
		return 0;
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT && unlinkat(dir, name, AT_REMOVEDIR) < 0)
		return error_errno(err, -errno, "ledger: remove damaged %s", quote(name).text);
	ledger_note(l, "ledger: damaged: removed %s", quote(name).text);
	return 0;
}
