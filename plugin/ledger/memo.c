/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sums over all records, kept in the lock file. A record changes only by an operation on a directory entry of
 * containers/, so the modification time of that folder tells whether the sums are still right.
 */
#include "plugin/ledger/lock.h"

#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "plugin/base/clock.h"
#include "plugin/base/file.h"
#include "plugin/base/util.h"
#include "plugin/ledger/handle.h"

#define SETTLED_NS 100000000 /* far more than the kernel's clock tick: a later change has another time */

static off_t place_of(uint64_t key)
{
	return (off_t)(offsetof(struct lock_file, memo) + key % LEDGER_MEMOS * sizeof(struct ledger_memo));
}

static int64_t changed_at(const struct ledger *l)
{
	struct stat st;

	return fstat(l->files, &st) < 0 ? 0 : (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

bool ledger_recall(const struct ledger *l, uint64_t key, uint64_t value[LEDGER_MEMO_VALUES])
{
	struct ledger_memo m;

	if (pread(l->lock, &m, sizeof(m), place_of(key)) != sizeof(m) || m.key != key || !m.changed ||
	    m.changed != changed_at(l))
		return false;
	memcpy(value, m.value, sizeof(m.value));
	return true;
}

void ledger_remember(const struct ledger *l, uint64_t key, const uint64_t value[LEDGER_MEMO_VALUES])
{
	struct ledger_memo m = { .key = key, .changed = changed_at(l) };

	if ((int64_t)clock_ns(CLOCK_REALTIME) - m.changed < SETTLED_NS)
		return;
	memcpy(m.value, value, sizeof(m.value));
	file_pwrite_all(l->lock, &m, sizeof(m), place_of(key));
}
