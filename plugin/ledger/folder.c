/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recognises a ledger's folder. The mark is a dangling symbolic link: symlink() creates it with its text in one step,
 * and it is created first, so that a process killed at any point leaves a folder that is empty or marked. Ledgers of
 * versions before the mark are recognised by the first bytes of `usage` or of a record.
 */
#include "plugin/ledger/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "plugin/base/path.h"
#include "plugin/base/util.h"
#include "plugin/ledger/sums.h"

#define MARK_NAME "format"
#define MARK_TEXT "numaplace-ledger-1"
#define RECORD_MAGIC "numaplace-record "

static bool is_marked(int dir)
{
	char text[sizeof(MARK_TEXT) + 1];
	ssize_t n = readlinkat(dir, MARK_NAME, text, sizeof(text));

	return n == (ssize_t)strlen(MARK_TEXT) && memcmp(text, MARK_TEXT, (size_t)n) == 0;
}

/* Whether @name is a regular file that begins with @magic. */
static bool begins_with(int dir, const char *name, const char *magic)
{
	cleanup_close int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char head[32];
	struct stat st;
	size_t len = strlen(magic);

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && pread(fd, head, len, 0) == (ssize_t)len &&
	       memcmp(head, magic, len) == 0;
}

static DIR *open_list(int dir, const char *name)
{
	return dir_list(openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

static bool has_record(int dir)
{
	cleanup_closedir DIR *list = open_list(dir, "containers");
	const struct dirent *e;

	while (list && (e = readdir(list)))
		if (strchr(e->d_name, ':') && begins_with(dirfd(list), e->d_name, RECORD_MAGIC))
			return true;
	return false;
}

int ledger_folder(int dir)
{
	cleanup_closedir DIR *list = NULL;
	unsigned int n = 0;

	if (is_marked(dir) || begins_with(dir, "usage", USAGE_MAGIC) || has_record(dir))
		return FOLDER_OURS;
	list = open_list(dir, ".");
	if (!list)
		return -errno;
	while (n <= 2 && readdir(list))
		n++;
	return n <= 2 ? FOLDER_EMPTY : FOLDER_FOREIGN; /* "." and ".." */
}

int ledger_folder_mark(int dir, struct error *err)
{
	if (symlinkat(MARK_TEXT, dir, MARK_NAME) < 0 && errno != EEXIST)
		return error_errno(err, -errno, "ledger: mark its folder");
	return 0;
}
