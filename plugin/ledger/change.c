/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One change of one record file. The sums are marked before it and written after it. If the process is killed in
 * between, the mark remains, and the next opening recounts the files. The sums in memory always match the files, even
 * when a step fails.
 */
#include "plugin/ledger/change.h"

#include <errno.h>
#include <unistd.h>

#include "plugin/base/util.h"
#include "plugin/ledger/handle.h"
#include "plugin/ledger/repair.h"
#include "plugin/ledger/store.h"
#include "plugin/ledger/sums.h"

int change_start(struct ledger *l, struct error *err)
{
	if (l->looking)
		return error_set(err, -EROFS, "ledger: opened read-only");
	return l->mark == MARK_CLEAN || l->incomplete ? 0 : ledger_recount(l, l->mark == MARK_LOST, err);
}

int change_load(struct ledger *l, const char *name, struct record *r, struct error *err)
{
	int ret;

	if (l->looking)
		return error_set(err, -EROFS, "ledger: opened read-only");
	ret = file_load(l, name, r, err);
	if (ret != -EBADMSG)
		return ret;
	ret = ledger_recount(l, true, err);
	return ret < 0 ? ret : file_load(l, name, r, err);
}

/* Subtracts @s from the sums; recounts once if they do not contain it. */
static int take_out(struct ledger *l, const struct share *s, struct error *err)
{
	int r = usage_remove(&l->sums, s);

	if (r == 0)
		return 0;
	r = ledger_recount(l, true, err);
	if (r == 0)
		r = usage_remove(&l->sums, s);
	return r == -ERANGE ? error_set(err, -EUCLEAN, "ledger: the sums are inconsistent with the records") : r;
}

int change_drop(struct ledger *l, const char *base, unsigned int slot, unsigned int used, const struct share *s,
		struct error *err)
{
	int r = take_out(l, s, err);

	if (r < 0)
		return r;
	r = usage_mark(l, MARK_CHANGING, err);
	if (r == 0)
		r = file_drop(l, base, slot, used, err);
	if (r < 0)
		usage_add(&l->sums, s);
	return r;
}

int change_replace(struct ledger *l, const char *name, const struct record *old, const struct record *r,
		   const char *text, size_t len, struct error *err)
{
	const struct share *out = *old->id ? &old->placement.share : NULL;
	int ret = 0;

	if (out)
		ret = take_out(l, out, err);
	if (ret < 0)
		return ret;
	ret = usage_add(&l->sums, &r->placement.share);
	if (ret < 0) {
		error_set(err, ret, "ledger: \"%s\": ids or numbers too large for the sums", quote(r->id).text);
	} else {
		ret = usage_mark(l, MARK_CHANGING, err);
		if (ret == 0)
			ret = file_store(l, name, text, len, err);
		if (ret < 0)
			usage_remove(&l->sums, &r->placement.share);
	}
	if (ret < 0 && out)
		usage_add(&l->sums, out);
	return ret;
}

int change_replace_record(struct ledger *l, const char *name, const struct record *old, const struct record *r,
			  struct error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int ret = record_format(r, &text, &len, err);

	return ret < 0 ? ret : change_replace(l, name, old, r, text, len, err);
}

void change_undo(struct ledger *l, const char *name, const struct record *old, const struct record *r)
{
	int ret = *old->id ? file_store_record(l, name, old, NULL) : unlinkat(l->files, name, 0);

	if (ret < 0)
		return;
	usage_remove(&l->sums, &r->placement.share);
	if (*old->id)
		usage_add(&l->sums, &old->placement.share);
}

int change_finish(struct ledger *l, int result, struct error *err)
{
	int r = usage_commit(l, result < 0 ? NULL : err);

	return result < 0 ? result : r < 0 ? r : result;
}
