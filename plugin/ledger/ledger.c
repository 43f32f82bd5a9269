/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The transactions of the ledger: find, add and remove a record.
 */
#include "plugin/ledger/ledger.h"

#include <errno.h>
#include <string.h>

#include "plugin/base/util.h"
#include "plugin/ledger/change.h"
#include "plugin/ledger/handle.h"
#include "plugin/ledger/life.h"
#include "plugin/ledger/look.h"
#include "plugin/ledger/store.h"
#include "plugin/ledger/sums.h"

int ledger_find(struct ledger *l, const char *runtime_class, const char *id, struct record *out, struct error *err)
{
	char name[LEDGER_NAME_MAX];
	int r = file_name(runtime_class, id, name, err);

	return r < 0 ? r : change_load(l, name, out, err);
}

int ledger_find_cgroup(struct ledger *l, const char *runtime_class, const char *id, uint64_t cgroup_inode,
		       struct record *out, struct error *err)
{
	char base[LEDGER_NAME_MAX], name[LEDGER_NAME_MAX];
	int r = file_name(runtime_class, id, base, err);

	for (unsigned int slot = 0; r == 0 && slot < LEDGER_SLOTS; slot++) {
		slot_name(base, slot, name);
		r = change_load(l, name, out, err);
		if (r == 0 && out->cgroup_inode == cgroup_inode)
			return 0;
		if (r == 0)
			record_free(out);
	}
	return r < 0 ? r : -ENOENT;
}

/* Slot for a new record: that of the same cgroup, else that of its reservation, else the first dead one, else a free one. */
static int choose_slot(struct ledger *l, const char *base, const struct record *r, unsigned int *slot,
		       struct record *old, struct error *err)
{
	char name[LEDGER_NAME_MAX];
	unsigned int dead = LEDGER_SLOTS, reserved = LEDGER_SLOTS, at = 0;
	bool changed;
	int ret;

	for (; at < LEDGER_SLOTS; at++) {
		slot_name(base, at, name);
		ret = change_load(l, name, old, err);
		if (ret == -ENOENT)
			break;
		if (ret < 0)
			return ret;
		if (old->cgroup_inode == r->cgroup_inode) {
			*slot = at;
			return 0;
		}
		if (record_is_expected_in(old, r->cgroup))
			reserved = at;
		else if (dead == LEDGER_SLOTS && ask_dead(l, old, &changed))
			dead = at;
		record_free(old);
		memset(old, 0, sizeof(*old));
	}
	if (reserved < LEDGER_SLOTS)
		dead = reserved;
	if (dead < LEDGER_SLOTS) {
		slot_name(base, dead, name);
		*slot = dead;
		ret = file_load(l, name, old, err);
		if (ret == 0)
			give_back(l, old);
		return ret;
	}
	if (at == LEDGER_SLOTS)
		return error_set(err, -EBUSY, "ledger: %d live containers have the id \"%s\"", LEDGER_SLOTS,
				 quote(r->id).text);
	*slot = at;
	return 0;
}

int ledger_add_text(struct ledger *l, const char *runtime_class, const struct record *r, const char *text, size_t len,
		    struct error *err)
{
	cleanup_record struct record old = { 0 };
	char base[LEDGER_NAME_MAX], name[LEDGER_NAME_MAX];
	unsigned int slot = 0;
	int ret = file_name(runtime_class, r->id, base, err);

	if (ret < 0)
		return ret;
	if (strcmp(runtime_class, record_class(r)) != 0)
		return error_set(err, -EINVAL, "ledger: runtime \"%s\" is not of class \"%s\"",
				 quote(r->runtime).text, runtime_class);
	ret = change_start(l, err);
	if (ret == 0)
		ret = choose_slot(l, base, r, &slot, &old, err);
	if (ret < 0)
		return ret;
	slot_name(base, slot, name);
	ret = change_replace(l, name, &old, r, text, len, err);
	if (ret < 0)
		return change_finish(l, ret, err);
	ret = usage_commit(l, err);
	if (ret < 0)
		change_undo(l, name, &old, r);
	return ret;
}

int ledger_add(struct ledger *l, const char *runtime_class, const struct record *r, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int ret = record_format(r, &text, &len, err);

	return ret < 0 ? ret : ledger_add_text(l, runtime_class, r, text, len, err);
}

/*
 * Drops slots of one id: those of *@inode, or, if @inode is NULL, those of dead containers. An id alone never drops a
 * live container's record, as another root, namespace or user may use the same id.
 */
static int remove_slots(struct ledger *l, const char *base, const uint64_t *inode, struct error *err)
{
	unsigned int used = 0, n;
	bool found = false;
	int ret = slots_used(l, base, &used, err);

	n = used;
	/* Backwards, so that a slot renamed into a gap has been checked already. */
	while (ret == 0 && n-- > 0) {
		cleanup_record struct record r = { 0 };
		char name[LEDGER_NAME_MAX];
		bool changed = false;

		slot_name(base, n, name);
		ret = change_load(l, name, &r, err);
		if (ret == -ENOENT) {
			ret = 0;
			continue;
		}
		if (ret < 0)
			break;
		found |= !inode || r.cgroup_inode == *inode;
		if (inode ? r.cgroup_inode != *inode : !ask_dead(l, &r, &changed))
			continue;
		if (changed) {
			record_free(&r);
			ret = file_load(l, name, &r, err);
		}
		/* A removal by cgroup is of a container that failed to start or was replaced: it has not ended. */
		if (ret == 0 && !inode)
			ret = part_from(l, &r, err);
		else if (ret == 0)
			give_back(l, &r);
		if (ret == 0)
			ret = change_drop(l, base, n, used, &r.placement.share, err);
		if (ret == 0)
			used--;
	}
	if (ret == 0 && !found)
		ret = -ENOENT;
	return change_finish(l, ret, err);
}

static int remove_id(struct ledger *l, const char *runtime_class, const char *id, const uint64_t *inode,
		     struct error *err)
{
	char base[LEDGER_NAME_MAX];
	int r = file_name(runtime_class, id, base, err);

	if (r == 0)
		r = change_start(l, err);
	return r < 0 ? r : remove_slots(l, base, inode, err);
}

int ledger_remove(struct ledger *l, const char *runtime_class, const char *id, struct error *err)
{
	return remove_id(l, runtime_class, id, NULL, err);
}

int ledger_remove_cgroup(struct ledger *l, const char *runtime_class, const char *id, uint64_t cgroup_inode,
			 struct error *err)
{
	return remove_id(l, runtime_class, id, &cgroup_inode, err);
}

int ledger_each(struct ledger *l, int (*each)(void *arg, const struct record *r), void *arg, struct error *err)
{
	cleanup_names struct names list = { 0 };
	int ret;

	if (l->looking)
		return kept_each(l, each, arg, err);
	ret = files_list(l, &list, err);
	for (unsigned int i = 0; ret == 0 && i < list.n; i++) {
		cleanup_record struct record r = { 0 };

		ret = change_load(l, list.name[i], &r, err);
		if (ret == 0)
			ret = each(arg, &r);
		else if (ret == -ENOENT)
			ret = 0;
	}
	return ret;
}
