/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opens a ledger for transactions: locks it, reads its sums, and repairs what an interrupted process has left.
 */
#include "plugin/ledger/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "plugin/base/util.h"
#include "plugin/ledger/handle.h"
#include "plugin/ledger/lock.h"
#include "plugin/ledger/quarantine.h"
#include "plugin/ledger/repair.h"
#include "plugin/ledger/store.h"
#include "plugin/ledger/sums.h"

/* Opens containers/; sets *@lost if it was missing and had to be created. */
static int open_containers(struct ledger *l, bool *lost, struct error *err)
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

static int start_empty(struct ledger *l, struct error *err)
{
	int r = files_remove_all(l, err);

	if (r == 0)
		r = usage_reset(l, err);
	return r < 0 ? r : usage_create(l, err);
}

/*
 * If this is the first ledger of the boot, no live container can carry a record that it lacks, so none is queried:
 * otherwise the first placement after a boot would wait for all of them.
 */
static int make_good(struct ledger *l, enum usage_state state, bool lost, struct error *err)
{
	bool first = state != USAGE_GOOD && l->world.liveness->begin && l->world.liveness->begin(l->world.ctx);
	int r;

	switch (state) {
	case USAGE_GOOD:
		return lost && l->sums.containers ? ledger_recount(l, true, err) : 0;
	case USAGE_OTHER_BOOT:
		return start_empty(l, err);
	case USAGE_CHANGING:
	case USAGE_SMALL:
		return ledger_recount(l, lost, err);
	case USAGE_TORN:
		r = ledger_recount(l, lost, err);
		break;
	case USAGE_MISSING:
		r = ledger_recount(l, !first, err);
		break;
	default:
		l->resume = state == USAGE_LOST && !lost;
		r = ledger_recount(l, true, err);
	}
	if (r < 0 || l->boot_known)
		return r;
	/* We do not know which boot the files come from, but the sweep can still check which containers are alive. */
	return ledger_sweep(l, true, err);
}

static int load(struct ledger *l, struct error *err)
{
	enum usage_state state;
	bool lost = false;
	int r;

	r = usage_load(l, &state, err);
	if (r < 0)
		return r;
	if (state == USAGE_MISSING)
		r = ledger_folder_mark(l->dir, err);
	if (r < 0)
		return r;
	if (state == USAGE_DAMAGED) {
		if (l->usage_fd >= 0)
			close(steal_fd(&l->usage_fd));
		r = set_aside(l, l->dir, "usage", err);
		if (r < 0)
			return r;
	}
	r = open_containers(l, &lost, err);
	if (r < 0)
		return r;
	r = make_good(l, state, lost, err);
	return r < 0 ? r : 0;
}

int ledger_open(int dir, const struct topology *t, const struct ledger_world *world, unsigned int timeout_ms,
		struct ledger **out, struct error *err)
{
	cleanup_ledger struct ledger *l = NULL;
	int r = ledger_new(dir, t, world, false, &l, err);

	if (r == 0)
		r = ledger_lock(l, timeout_ms, err);
	if (r == 0) {
		ledger_register(l);
		r = load(l, err);
	}
	if (r == 0)
		*out = steal_ptr(l);
	return r;
}
