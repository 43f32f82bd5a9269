/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sweep: checks recorded containers, and drops the records of those that have ended. A sweep of a few continues
 * where the last one ended, by a position in the lock file.
 */
#include "plugin/ledger/ledger.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "plugin/base/file.h"
#include "plugin/base/util.h"
#include "plugin/ledger/change.h"
#include "plugin/ledger/handle.h"
#include "plugin/ledger/life.h"
#include "plugin/ledger/lock.h"
#include "plugin/ledger/repair.h"
#include "plugin/ledger/store.h"

#define SWEEP_FEW 16 /* containers checked by one sweep */

struct sweep {
	struct ledger *l;
	struct error *err;
	unsigned int visited, left;
	int gone;
};

#define SWEEP_STOP 1 /* recounted: the rest waits for the next sweep */

/* Stores the new memory figures of a live container. */
static int update(struct ledger *l, const char *name, struct record *r, const struct share *before,
		  struct error *err)
{
	struct record old = { .placement.share = *before };

	memcpy(old.id, r->id, sizeof(old.id));
	return change_replace_record(l, name, &old, r, err);
}

static int visit(void *arg, const char *name)
{
	struct sweep *s = arg;
	cleanup_record struct record r = { 0 };
	cleanup_free struct share_node *mem = NULL;
	char base[LEDGER_NAME_MAX];
	struct share before;
	bool changed = false;
	unsigned int slot, used;
	int ret;

	s->visited++;
	ret = file_load(s->l, name, &r, s->err);
	if (ret == -EBADMSG) {
		ret = ledger_recount(s->l, true, s->err);
		return ret < 0 ? ret : SWEEP_STOP;
	}
	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	before = r.placement.share;
	mem = calloc(before.nmem + 1, sizeof(*mem));
	if (!mem)
		return error_errno(s->err, -ENOMEM, "ledger: sweep");
	if (before.nmem)
		memcpy(mem, before.mem, before.nmem * sizeof(*mem));
	before.mem = mem;
	if (ask_dead(s->l, &r, &changed)) {
		slot = slot_of(name, base);
		ret = slots_used(s->l, base, &used, s->err);
		part_from(s->l, &r, NULL);
		if (ret == 0)
			ret = change_drop(s->l, base, slot, used, &before, s->err);
		s->gone += ret == 0;
		return ret;
	}
	s->left++;
	return changed ? update(s->l, name, &r, &before, s->err) : 0;
}

static int sweep_all(struct sweep *s)
{
	int r = SWEEP_STOP;

	/* again after a recount, which has removed every damaged file */
	for (int tries = 0; r == SWEEP_STOP && tries < 3; tries++) {
		cleanup_names struct names list = { 0 };

		s->left = 0;
		r = files_list(s->l, &list, s->err);
		/* backwards, so that a slot renamed into a gap has been visited already */
		for (unsigned int i = list.n; r == 0 && i-- > 0;)
			r = visit(s, list.name[i]);
	}
	return r;
}

/* Visits the next few, from the position that the last sweep left in the lock file. */
static int sweep_few(struct sweep *s)
{
	struct ledger *l = s->l;
	bool in_turn = l->sums.containers > SWEEP_FEW;
	int64_t cursor = 0, from;
	int r;

	if (in_turn && (pread(l->lock, &cursor, sizeof(cursor), 0) != sizeof(cursor) || cursor < 0))
		cursor = 0;
	from = cursor;
	r = files_some(l, &cursor, SWEEP_FEW, visit, s, s->err);
	if (r == -EINVAL || (r == 0 && !s->visited && from)) {
		cursor = 0;
		r = files_some(l, &cursor, SWEEP_FEW, visit, s, s->err);
	}
	if (r == 0 && in_turn)
		r = file_pwrite_all(l->lock, &cursor, sizeof(cursor), 0);
	return r;
}

/* second and looks of struct lock_file. */
struct looks {
	uint64_t second;
	uint64_t n;
};

static unsigned int looks_left(const struct ledger *l, struct looks *used)
{
	if (pread(l->lock, used, sizeof(*used), offsetof(struct lock_file, second)) != sizeof(*used) || used->second != l->world.now ||
	    used->n > LEDGER_LOOKS)
		*used = (struct looks){ .second = l->world.now };
	return LEDGER_LOOKS - (unsigned int)used->n;
}

/* Visits up to @max, continuing from the beginning at the end of the folder. */
static int sweep_in_turn(struct sweep *s, unsigned int max)
{
	struct ledger *l = s->l;
	int64_t cursor = 0;
	int r = 0;

	if (pread(l->lock, &cursor, sizeof(cursor), 0) != sizeof(cursor) || cursor < 0)
		cursor = 0;
	for (int round = 0; round < 2 && r == 0 && s->visited < max; round++) {
		r = files_some(l, &cursor, max - s->visited, visit, s, s->err);
		if (r == -EINVAL) {
			cursor = 0;
			r = 0;
		}
	}
	return r < 0 ? r : file_pwrite_all(l->lock, &cursor, sizeof(cursor), 0);
}

/* Commits the sweep; if it visited @whole the folder, compares the number of files with the sums. */
static int end_sweep(struct sweep *s, int r, bool whole)
{
	/* another program has added or removed a file */
	if (r == 0 && whole && s->left != s->l->sums.containers)
		r = ledger_recount(s->l, true, s->err);
	r = change_finish(s->l, r, s->err);
	return r < 0 ? r : s->gone;
}

int ledger_sweep(struct ledger *l, bool all, struct error *err)
{
	struct sweep s = { .l = l, .err = err };
	unsigned int known;
	int r;

	r = change_start(l, err);
	known = l->sums.containers;
	if (r < 0 || (!known && !all))
		return r;
	r = all ? sweep_all(&s) : sweep_few(&s);
	return end_sweep(&s, r, all || known <= SWEEP_FEW);
}

int ledger_sweep_more(struct ledger *l, struct error *err)
{
	struct sweep s = { .l = l, .err = err };
	struct looks used;
	unsigned int left;
	bool whole;
	int r;

	r = change_start(l, err);
	if (r < 0)
		return r;
	left = looks_left(l, &used);
	if (!left)
		return 0;
	whole = l->sums.containers < left;
	used.n += whole ? l->sums.containers + 1 : left;
	/* before the sweep, so that it counts even if we are killed during it */
	r = file_pwrite_all(l->lock, &used, sizeof(used), offsetof(struct lock_file, second));
	if (r < 0)
		return error_errno(err, r, "ledger: write lock");
	r = whole ? sweep_all(&s) : sweep_in_turn(&s, left);
	return end_sweep(&s, r, whole);
}
