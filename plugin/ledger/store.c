/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Record files, in containers/, named after class and id. Files are replaced by rename, so that readers see a
 * complete file. Anything that is not a file of ours is moved away and never followed.
 */
#include "plugin/ledger/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "plugin/base/atomic-file.h"
#include "plugin/base/file.h"
#include "plugin/base/util.h"
#include "plugin/base/vec.h"
#include "plugin/ledger/handle.h"
#include "plugin/ledger/quarantine.h"

#define TMP_NAME ".tmp"

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
		int fd = atomic_file_begin(l->files, TMP_NAME, O_WRONLY);

		if (fd >= 0)
			return fd;
		if (fd != -EEXIST || tries)
			return error_errno(err, fd, "ledger: create a record");
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
	ret = atomic_file_end(l->files, TMP_NAME, name, file_pwrite_all(fd, text, len, 0));
	return ret < 0 ? error_errno(err, ret, "ledger: write the record \"%s\"", quote(name).text) : 0;
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
	char(*last)[LEDGER_NAME_MAX] = vec_push(list->name, list->n, list->room);

	if (!last)
		return -ENOMEM;
	snprintf(*last, LEDGER_NAME_MAX, "%s", name);
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
