/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recounts the sums from the files. If files were lost or damaged, also rebuilds them from the live containers, each
 * of which carries a copy of its record. Damaged files are moved to damaged/ and never used.
 */
#include "plugin/ledger/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "plugin/base/file.h"
#include "plugin/base/util.h"
#include "plugin/ledger/handle.h"
#include "plugin/ledger/lock.h"
#include "plugin/ledger/notes.h"
#include "plugin/ledger/quarantine.h"
#include "plugin/ledger/store.h"
#include "plugin/ledger/sums.h"

static int count_file(struct ledger *l, const char *name, bool *lost, struct error *err)
{
	cleanup_record struct record r = { 0 };
	struct error why = { 0 };
	int ret;

	ret = file_load(l, name, &r, &why);
	if (ret == 0) {
		ret = usage_add_growing(l, &r.placement.share);
		if (ret == -ERANGE)
			ret = error_set(&why, -EBADMSG, "ledger: %s: values out of range", quote(name).text);
	}
	if (ret == -ENOENT)
		return 0;
	if (ret != -EBADMSG) {
		if (ret < 0 && err)
			*err = why;
		return ret;
	}
	ledger_note(l, "%s", why.text);
	*lost = true;
	l->resume = false;
	ret = usage_mark(l, MARK_LOST, err);
	if (ret == 0)
		ret = rebuild_restart(l, err);
	return ret < 0 ? ret : set_aside(l, l->files, name, err);
}

/* Renames @name to the first free slot, if removing a damaged file left a gap before it. */
static int close_gap(struct ledger *l, char *name, struct error *err)
{
	char base[LEDGER_NAME_MAX], free_slot[LEDGER_NAME_MAX];
	unsigned int slot = slot_of(name, base);
	unsigned int used = 0;
	int ret = slot ? slots_used(l, base, &used, err) : 0;

	if (ret < 0 || used >= slot)
		return ret;
	slot_name(base, used, free_slot);
	if (renameat(l->files, name, l->files, free_slot) < 0)
		return error_errno(err, -errno, "ledger: rename %s", quote(name).text);
	strcpy(name, free_slot); /* the same length or shorter */
	return 0;
}

struct rebuild {
	struct ledger *l;
	struct error *err;
};

/* Stores the record that a live container's cgroup carries, unless its file exists. */
static int rebuild_one(void *arg, const char *cgroup, uint64_t inode, const char *text, size_t len)
{
	struct rebuild *b = arg;
	cleanup_record struct record r = { 0 };
	char base[LEDGER_NAME_MAX], name[LEDGER_NAME_MAX];
	struct error why = { 0 };
	unsigned int used;
	int ret;

	ret = record_parse(text, len, &r, &why);
	if (ret == 0)
		ret = file_name(record_class(&r), r.id, base, &why);
	if (ret == -ENOMEM)
		return error_errno(b->err, ret, "ledger: rebuild");
	/* A record copied to another cgroup is not that container's. */
	if (ret == 0 && (r.cgroup_inode != inode || strcmp(r.cgroup, cgroup) != 0))
		ret = error_set(&why, -EBADMSG, "\"%s\" on %.150s: was made for %.150s", quote(r.id).text, cgroup, r.cgroup);
	if (ret < 0) {
		ledger_note(b->l, "ledger: rebuild: a live container's mark: %s", why.text);
		return 0;
	}
	ret = slots_used(b->l, base, &used, b->err);
	if (ret < 0)
		return ret;
	for (unsigned int slot = 0; slot < used; slot++) {
		cleanup_record struct record have = { 0 };

		slot_name(base, slot, name);
		ret = file_load(b->l, name, &have, b->err);
		if (ret < 0)
			return ret;
		if (have.cgroup_inode == r.cgroup_inode)
			return 0;
	}
	if (used == LEDGER_SLOTS)
		return 0;
	slot_name(base, used, name);
	ret = usage_add_growing(b->l, &r.placement.share);
	if (ret == -ERANGE) {
		ledger_note(b->l, "ledger: rebuild: %s: values out of range", quote(name).text);
		return 0;
	}
	if (ret < 0)
		return error_errno(b->err, ret, "ledger: rebuild");
	return file_store_record(b->l, name, &r, b->err);
}

static int write_cursor(struct ledger *l, uint64_t cursor, struct error *err)
{
	int r = file_pwrite_all(l->lock, &cursor, sizeof(cursor), offsetof(struct lock_file, rebuild));

	return r < 0 ? error_errno(err, r, "ledger: write lock") : 0;
}

int rebuild_restart(struct ledger *l, struct error *err)
{
	uint64_t cursor;

	/* Nearly always zero already. */
	if (pread(l->lock, &cursor, sizeof(cursor), offsetof(struct lock_file, rebuild)) != sizeof(cursor) || !cursor)
		return 0;
	return write_cursor(l, 0, err);
}

/* The record files are written before the cursor moves past them. */
static int rebuild(struct ledger *l, struct error *err)
{
	struct rebuild b = { l, err };
	uint64_t cursor = 0;
	int r;

	if (l->resume && pread(l->lock, &cursor, sizeof(cursor), offsetof(struct lock_file, rebuild)) != sizeof(cursor))
		cursor = 0;
	l->resume = false;
	r = l->world.liveness->each_live(l->world.ctx, &cursor, rebuild_one, &b, err);
	if (r < 0)
		return r;
	l->incomplete = r > 0;
	return l->incomplete ? write_cursor(l, cursor, err) : rebuild_restart(l, err);
}

int ledger_ready(const struct ledger *l, struct error *err)
{
	if (!l->incomplete)
		return 0;
	return error_set(err, -EAGAIN, "ledger: its records were lost and are being collected from the live containers, "
			 "%u so far: start the container again", l->sums.containers);
}

int ledger_recount(struct ledger *l, bool lost, struct error *err)
{
	cleanup_names struct names list = { 0 };
	bool first = l->usage_fd < 0;
	int r;

	l->incomplete = false;
	r = usage_mark(l, lost ? MARK_LOST : MARK_CHANGING, err);
	if (r == 0)
		r = usage_reset(l, err);
	if (r == 0)
		r = files_list(l, &list, err);
	for (unsigned int i = 0; r == 0 && i < list.n; i++) {
		r = close_gap(l, list.name[i], err);
		if (r == 0)
			r = count_file(l, list.name[i], &lost, err);
	}
	if (r == 0 && lost && l->world.liveness->each_live)
		r = rebuild(l, err);
	if (r == 0)
		r = usage_create(l, err);
	if (r == 0 && (!first || l->sums.containers))
		ledger_note(l, "ledger: recounted: %u containers", l->sums.containers);
	return r;
}
