/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Record files, in containers/, named after class and id. Files are replaced by rename, so that readers see a
 * complete file. Anything that is not a file of ours is moved away and never followed.
 */
#include "plugin/ledger/ledger-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "plugin/base/file.h"
#include "plugin/base/name.h"
#include "plugin/base/util.h"

#define TMP_NAME ".tmp"

/* --- names --- */

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
	       c == '.';
}

_Static_assert(sizeof("incus:~7f") + NAME_ID_MAX <= LEDGER_NAME_MAX, "each id that is accepted has a file name");

/* "class:id~7f" must fit in a directory entry. */
int file_name(const char *runtime_class, const char *id, char name[LEDGER_NAME_MAX], struct error *err)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t used = strspn(runtime_class, "abcdefghijklmnopqrstuvwxyz");

	if (!used || used > 15 || runtime_class[used])
		return error_set(err, -EINVAL, "ledger: \"%s\": not a runtime class", quote(runtime_class).text);
	if (!*id)
		return error_set(err, -EINVAL, "ledger: the container id is empty");
	memcpy(name, runtime_class, used);
	name[used++] = ':';
	for (const char *p = id; *p; p++) {
		bool plain = is_plain(*p) && !(*p == '.' && p == id);

		if (used + (plain ? 1 : 3) + strlen("~7f") >= LEDGER_NAME_MAX)
			return error_set(err, -ENAMETOOLONG, "ledger: container id \"%s\": too long for a file name",
					 quote(id).text);
		if (plain) {
			name[used++] = *p;
			continue;
		}
		name[used++] = '%';
		name[used++] = hex[(unsigned char)*p >> 4];
		name[used++] = hex[*p & 15];
	}
	name[used] = '\0';
	return 0;
}

/* Fixed width and ascending, so that the slots of an id sort in order. */
static const char slot_digits[] = "0123456789abcdef";

void slot_name(const char *base, unsigned int slot, char name[LEDGER_NAME_MAX])
{
	size_t len = strnlen(base, LEDGER_NAME_MAX - 4);

	memcpy(name, base, len);
	if (slot) {
		name[len++] = '~';
		name[len++] = slot_digits[slot >> 4 & 15];
		name[len++] = slot_digits[slot & 15];
	}
	name[len] = '\0';
}

unsigned int slot_of(const char *name, char base[LEDGER_NAME_MAX])
{
	size_t len = strnlen(name, LEDGER_NAME_MAX - 1);
	const char *high = len > 3 && name[len - 3] == '~' ? strchr(slot_digits, name[len - 2]) : NULL;
	const char *low = high ? strchr(slot_digits, name[len - 1]) : NULL;
	unsigned int slot = low ? (unsigned int)((high - slot_digits) << 4 | (low - slot_digits)) : 0;

	if (slot)
		len -= 3;
	memcpy(base, name, len);
	base[len] = '\0';
	return slot;
}

static bool exists(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int slots_used(const struct ledger *l, const char *base, unsigned int *used, struct error *err)
{
	char name[LEDGER_NAME_MAX];
	struct stat st;
	unsigned int n = 0;

	for (; n < LEDGER_SLOTS; n++) {
		slot_name(base, n, name);
		if (fstatat(l->files, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		if (errno == ENOENT)
			break;
		return error_errno(err, -errno, "ledger: look for %s", quote(name).text);
	}
	*used = n;
	return 0;
}

/* --- one record --- */

static int load_text(struct ledger *l, int fd, const char *name, struct record *r, struct error *err)
{
	ssize_t n, more;
	int ret;

	if (!l->scratch)
		l->scratch = malloc(RECORD_TEXT_MAX + 1);
	if (!l->scratch)
		return error_errno(err, -ENOMEM, "ledger: %s", name);
	do
		n = read(fd, l->scratch, RECORD_TEXT_MAX + 1);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EISDIR)
		return error_set(err, -EBADMSG, "ledger: %s: a directory", name);
	if (n < 0)
		return error_errno(err, -errno, "ledger: read %s", name);
	l->scratch_len = (size_t)n;
	ret = record_parse(l->scratch, (size_t)n, r, err);
	if (ret != -EBADMSG || n > RECORD_TEXT_MAX)
		return ret;
	/* one read() nearly always gets it all; make sure before reporting damage */
	more = file_read_fd(fd, l->scratch + n, (size_t)(RECORD_TEXT_MAX + 1 - n));
	if (more < 0)
		return error_errno(err, (int)more, "ledger: read %s", name);
	l->scratch_len = (size_t)(n + more);
	return more ? record_parse(l->scratch, (size_t)(n + more), r, err) : ret;
}

int file_load(struct ledger *l, const char *name, struct record *r, struct error *err)
{
	cleanup_close int fd = openat(l->files, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char base[LEDGER_NAME_MAX], want[LEDGER_NAME_MAX];
	int ret;

	if (fd < 0 && (errno == ELOOP || errno == ENXIO || errno == ENODEV))
		return error_set(err, -EBADMSG, "ledger: %s: not a regular file", quote(name).text);
	if (fd < 0)
		return errno == ENOENT ? -ENOENT : error_errno(err, -errno, "ledger: open %s", quote(name).text);
	ret = load_text(l, fd, quote(name).text, r, err);
	if (ret < 0)
		return ret;
	/* a copy or a link under another name would be counted twice */
	slot_of(name, base);
	if (file_name(record_class(r), r->id, want, NULL) < 0 || strcmp(base, want) != 0) {
		record_free(r);
		memset(r, 0, sizeof(*r));
		return error_set(err, -EBADMSG, "ledger: %s: holds another container's record", quote(name).text);
	}
	return 0;
}

static int open_tmp(struct ledger *l, struct error *err)
{
	for (int tries = 0;; tries++) {
		int fd = openat(l->files, TMP_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd >= 0)
			return fd;
		if (errno != EEXIST || tries)
			return error_errno(err, -errno, "ledger: create a record");
		/* left by an interrupted writer */
		if (unlinkat(l->files, TMP_NAME, 0) < 0 && errno != ENOENT) {
			int r = set_aside(l, l->files, TMP_NAME, err);

			if (r < 0)
				return r;
		}
	}
}

int file_store(struct ledger *l, const char *name, const char *text, size_t len, struct error *err)
{
	cleanup_close int fd = open_tmp(l, err);
	int ret;

	if (fd < 0)
		return fd;
	ret = file_pwrite_all(fd, text, len, 0);
	if (ret == 0 && renameat(l->files, TMP_NAME, l->files, name) < 0)
		ret = -errno;
	if (ret < 0) {
		unlinkat(l->files, TMP_NAME, 0);
		return error_errno(err, ret, "ledger: write the record \"%s\"", quote(name).text);
	}
	return 0;
}

int file_store_record(struct ledger *l, const char *name, const struct record *r, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int ret = record_format(r, &text, &len, err);

	return ret < 0 ? ret : file_store(l, name, text, len, err);
}

/* One rename() removes the slot and moves the last slot into the gap. */
int file_drop(struct ledger *l, const char *base, unsigned int slot, unsigned int used, struct error *err)
{
	char name[LEDGER_NAME_MAX], last[LEDGER_NAME_MAX];
	int r;

	slot_name(base, slot, name);
	if (slot + 1 < used) {
		slot_name(base, used - 1, last);
		r = renameat(l->files, last, l->files, name);
	} else {
		r = unlinkat(l->files, name, 0);
	}
	return r < 0 ? error_errno(err, -errno, "ledger: remove %s", quote(name).text) : 0;
}

/* --- what is damaged --- */

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
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	cleanup_closedir DIR *dir = own < 0 ? NULL : fdopendir(own);
	unsigned int n = 0;

	if (!dir && own >= 0)
		close(own);
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

/* --- the folder --- */

int files_open(struct ledger *l, bool *lost, struct error *err)
{
	for (int tries = 0; tries < 3; tries++) {
		int r = 0;

		l->files = openat(l->dir, "containers", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (l->files >= 0)
			return 0;
		if (errno != ENOENT && errno != ELOOP && errno != ENOTDIR)
			break;
		*lost = true;
		if (errno != ENOENT) {
			r = set_aside(l, l->dir, "containers", err);
			if (r < 0)
				return r;
		}
		/* otherwise the next opening would accept the old sums for the new empty folder */
		if (l->sums.containers || l->mark != MARK_CLEAN)
			r = usage_mark(l, MARK_LOST, err);
		if (r == 0)
			r = rebuild_restart(l, err);
		if (r < 0)
			return r;
		if (mkdirat(l->dir, "containers", 0700) < 0 && errno != EEXIST)
			break;
	}
	return error_errno(err, -errno, "ledger: open containers");
}

int files_some(const struct ledger *l, int64_t *cursor, unsigned int max,
	       int (*each)(void *arg, const char *name), void *arg, struct error *err)
{
	_Alignas(struct dirent64) char buf[4096];
	unsigned int n = 0;
	ssize_t got;
	int r;

	if (lseek(l->files, *cursor, SEEK_SET) < 0)
		return error_errno(err, -errno, "ledger: read containers");
	while ((got = getdents64(l->files, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < got;) {
			const struct dirent64 *d = (const struct dirent64 *)(void *)(buf + at);

			at += d->d_reclen;
			*cursor = d->d_off;
			if (d->d_name[0] == '.') /* never a record */
				continue;
			r = each(arg, d->d_name);
			if (r)
				return r;
			if (++n == max)
				return 0;
		}
	}
	if (got < 0)
		return error_errno(err, -errno, "ledger: read containers");
	*cursor = 0;
	return 0;
}

void names_free(struct names *list)
{
	free(list->name);
	*list = (struct names){ 0 };
}

static int add_name(void *arg, const char *name)
{
	struct names *list = arg;

	if (list->n == list->room) {
		unsigned int room = list->room ? list->room * 2 : 64;
		char(*more)[LEDGER_NAME_MAX] = reallocarray(list->name, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		list->name = more;
		list->room = room;
	}
	snprintf(list->name[list->n++], LEDGER_NAME_MAX, "%s", name);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

int files_list(const struct ledger *l, struct names *out, struct error *err)
{
	cleanup_names struct names list = { 0 };
	int64_t cursor = 0;
	int r;

	r = files_some(l, &cursor, 0, add_name, &list, err);
	if (r == -ENOMEM)
		return error_errno(err, r, "ledger: list containers");
	if (r < 0)
		return r;
	if (list.n)
		qsort(list.name, list.n, sizeof(*list.name), by_name);
	*out = list;
	list = (struct names){ 0 };
	return 0;
}

int files_remove_all(struct ledger *l, struct error *err)
{
	cleanup_names struct names list = { 0 };
	int r;

	r = files_list(l, &list, err);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < list.n; i++) {
		if (unlinkat(l->files, list.name[i], 0) == 0 || errno == ENOENT)
			continue;
		r = set_aside(l, l->files, list.name[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}
