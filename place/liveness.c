/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger's callbacks, called under its lock. Each container costs one open, one stat, one read and one attribute,
 * and one statistics file if it requests memory.
 */
#include "place/liveness.h"

#include "cgroup/cgroup.h"
#include "cgroup/partition.h"
#include "place/irq.h"
#include "place/marks.h"
#include "place/move-journal.h"
#include "place/note.h"
#include "plugin/base/clock.h"
#include "plugin/base/file.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define PATIENCE 600              /* seconds; more than a hook's alarm, as moving pages can take the kernel a minute */
#define SEEN_STEP (16ULL << 20)   /* bytes; a smaller change is not worth a write to the ledger, */
#define SEARCH_MS 2000            /* of a hook's few seconds, to search for lost records */
#define NODES_SEEN 256            /* nodes, over all containers, in a sweep of a few */
#define SEEN_PART 64              /* nor is a change of less than this part of the share */

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* Bytes that @stat has on node @id, anonymous and file. */
static uint64_t held_on(const struct numa_stat *stat, unsigned int id)
{
	for (unsigned int i = 0; i < stat->n; i++)
		if (stat->node[i].id == id)
			return stat->node[i].anon + stat->node[i].file;
	return 0;
}

static bool asks_memory(const struct share *s)
{
	for (unsigned int i = 0; i < s->nmem; i++)
		if (s->mem[i].memory)
			return true;
	return false;
}

static bool asks_huge(const struct share *s, unsigned int size)
{
	for (unsigned int i = 0; i < s->nmem; i++)
		if (s->mem[i].huge[size])
			return true;
	return false;
}

static void see_memory(struct share *s, const struct numa_stat *stat, bool *changed)
{
	for (unsigned int i = 0; i < s->nmem; i++) {
		struct share_node *n = &s->mem[i];
		uint64_t now = held_on(stat, n->id);
		uint64_t step = n->memory / SEEN_PART > SEEN_STEP ? n->memory / SEEN_PART : SEEN_STEP;

		if (now > n->memory)
			now = n->memory;
		/* A change to all that was requested counts, however small. */
		if (distance(now, n->seen) > step || (now == n->memory && now != n->seen)) {
			n->seen = now;
			*changed = true;
		}
	}
}

static void see_huge(struct share *s, unsigned int size, uint64_t bytes, const struct numa_stat *stat, bool *changed)
{
	for (unsigned int i = 0; i < s->nmem; i++) {
		struct share_node *n = &s->mem[i];
		uint64_t now = held_on(stat, n->id) / bytes;

		if (now > n->huge[size])
			now = n->huge[size];
		if (now != n->huge_seen[size]) {
			n->huge_seen[size] = now;
			*changed = true;
		}
	}
}

/* Best effort: without the controllers, nothing is recorded as touched. */
static void see(struct liveness_ctx *w, const struct cgroup_dir *c, struct share *s, bool *changed)
{
	cleanup_free struct numa_stat *stat = w->looks ? malloc(sizeof(*stat)) : NULL;

	if (!stat || !s->nmem)
		return;
	w->looks--;
	if (asks_memory(s) && cgroup_read_numa_pages(c, stat, NULL) == 0)
		see_memory(s, stat, changed);
	for (unsigned int i = 0; i < w->t->nhuge; i++)
		if (w->t->huge_size[i] && asks_huge(s, i) &&
		    cgroup_read_hugetlb_stat(c, w->t->huge_size[i], stat, NULL) == 0)
			see_huge(s, i, w->t->huge_size[i], stat, changed);
}

static enum life live_life(void *ctx, struct record *r, bool *changed)
{
	struct liveness_ctx *w = ctx;
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	ssize_t n;
	int rc;

	if (record_is_reserved(r))
		return note_offer_ended(r, w->now) ? LIFE_GONE : LIFE_PENDING;
	if (w->mount < 0)
		return LIFE_UNKNOWN;
	rc = cgroup_open(w->mount, r->cgroup, &c, NULL);
	if (rc == -ENOENT || rc == -ENODEV)
		return LIFE_GONE;
	if (rc < 0)
		return LIFE_UNKNOWN;
	if (c.inode != r->cgroup_inode)
		return LIFE_GONE;
	/* A stopped container may keep its cgroup until the runtime deletes it, but uses nothing any more. */
	if (!cgroup_populated(&c))
		return LIFE_GONE;
	n = cgroup_get_xattr(&c, CGROUP_XATTR_RECORD, NULL, 0);
	if (n == -ENODATA)
		return LIFE_PENDING;
	if (n < 0)
		return LIFE_UNKNOWN;
	if (w->state >= 0)
		*changed |= move_journal_correct(w->state, &c, r);
	see(w, &c, &r->placement.share, changed);
	return LIFE_PLACED;
}

/* Removes the mark from a cgroup that outlives its container: the next container in it is a different one. */
static int live_ended(void *ctx, const struct record *r, struct error *err)
{
	const struct liveness_ctx *w = ctx;
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	int rc = w->mount < 0 || record_is_reserved(r) ? -ENOENT : cgroup_open(w->mount, r->cgroup, &c, err);

	if (rc == -ENOENT || rc == -ENODEV)
		return 0;
	return rc < 0 || c.inode != r->cgroup_inode ? rc : marks_remove(&c, err);
}

static int live_give_back(void *ctx, const struct record *r, struct error *err)
{
	struct liveness_ctx *w = ctx;
	struct error why;
	int rc = 0, all = 0;

	if (w->mount < 0 || record_is_reserved(r))
		return 0;
	if (r->partition != PARTITION_MEMBER) {
		w->gave_back = true;
		all = partition_leave(w->mount, r->cgroup, r->cgroup_inode, &r->placement.share.cpus, err);
	}
	if (r->request.irq != IRQ_NONE)
		rc = irq_release(w->root, w->folder, w->boot_id, r->cgroup_inode, &why);
	return rc < 0 && all == 0 ? error_set(err, rc, "%s", why.text) : all;
}

struct collector {
	ledger_add_live *add;
	void *add_arg;
	char *text; /* RECORD_TEXT_MAX bytes */
};

static int collect(void *arg, const struct cgroup_dir *c)
{
	const struct collector *to = arg;
	ssize_t n = cgroup_get_xattr(c, CGROUP_XATTR_RECORD, to->text, RECORD_TEXT_MAX);

	return n > 0 && cgroup_mark_may_be_ours(c) ? to->add(to->add_arg, c->path, c->inode, to->text, (size_t)n) : 0;
}

static int live_each(void *ctx, uint64_t *cursor, ledger_add_live *add, void *add_arg, struct error *err)
{
	struct liveness_ctx *w = ctx;
	cleanup_free char *text = malloc(RECORD_TEXT_MAX);
	struct collector to = { .add = add, .add_arg = add_arg, .text = text };

	if (!text)
		return error_errno(err, -ENOMEM, "look for records on the cgroups");
	/* One deadline for all searches of this process, which has other work to do. */
	if (!w->search_until)
		w->search_until = cgroup_scan_clock() + SEARCH_MS;
	return cgroup_scan(w->mount, cursor, w->search_until, collect, &to, err);
}

/* An attribute of the root cgroup lasts until reboot, as the marks do, and cannot be lost with the ledger's files. */
static bool live_begin(void *ctx)
{
	const struct liveness_ctx *w = ctx;
	cleanup_cgroup_dir struct cgroup_dir root = CGROUP_DIR_NONE;

	return w->mount >= 0 && cgroup_open(w->mount, "/", &root, NULL) == 0 &&
	       cgroup_get_xattr(&root, CGROUP_XATTR_BEGUN, NULL, 0) == -ENODATA &&
	       cgroup_set_xattr(&root, CGROUP_XATTR_BEGUN, "1", 1, NULL) == 0;
}

void liveness_init(struct liveness_ctx *w, int root, int mount, int folder, const struct topology *t, const char *boot_id)
{
	memset(w, 0, sizeof(*w));
	w->root = root;
	w->folder = folder;
	w->mount = mount;
	w->state = -1;
	w->t = t;
	w->looks = UINT_MAX;
	if (boot_id)
		snprintf(w->boot_id, sizeof(w->boot_id), "%s", boot_id);
	else if (file_read(root, "proc/sys/kernel/random/boot_id", w->boot_id, sizeof(w->boot_id)) < 0)
		w->boot_id[0] = '\0';
	w->boot_id[strcspn(w->boot_id, "\n")] = '\0';
	w->now = clock_boot_seconds();
}

struct ledger_world liveness_world(struct liveness_ctx *w)
{
	static const struct liveness with_mount = {
		.life = live_life, .each_live = live_each, .begin = live_begin, .ended = live_ended, .give_back = live_give_back
	};
	static const struct liveness without = { .life = live_life, .begin = live_begin, .ended = live_ended };

	return (struct ledger_world){
		.liveness = w->mount < 0 ? &without : &with_mount,
		.ctx = w,
		.boot_id = w->any_boot ? NULL : w->boot_id,
		.now = w->now,
		.patience = PATIENCE,
	};
}

void liveness_look_at_few(struct liveness_ctx *w)
{
	w->looks = w->t->nnodes < NODES_SEEN ? NODES_SEEN / w->t->nnodes : 1;
}
