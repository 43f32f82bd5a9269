/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger's callbacks, called under its lock. Each container costs one open, one stat, one read and one attribute,
 * and one statistics file if it requests memory.
 */
#include "place/world.h"

#include "cgroup/cgroup.h"
#include "place/moving.h"
#include "plugin/base/file.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

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
static void see(struct world *w, const struct cgroup_dir *c, struct share *s, bool *changed)
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

static enum life world_life(void *arg, struct record *r, bool *changed)
{
	struct world *w = arg;
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	ssize_t n;
	int rc;

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
		*changed |= moving_look(w->state, &c, r);
	see(w, &c, &r->placement.share, changed);
	return LIFE_PLACED;
}

/* Removes the mark from a cgroup that outlives its container: the next container in it is a different one. */
static int world_ended(void *arg, const struct record *r, struct error *err)
{
	static const char *const names[] = { CGROUP_XATTR_RECORD, CGROUP_XATTR_NODES, CGROUP_XATTR_MEMS };
	const struct world *w = arg;
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	int rc = w->mount < 0 ? -ENOENT : cgroup_open(w->mount, r->cgroup, &c, err), all = 0;

	if (rc == -ENOENT || rc == -ENODEV)
		return 0;
	if (rc < 0 || c.inode != r->cgroup_inode)
		return rc;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		rc = cgroup_remove_xattr(&c, names[i]);
		if (rc < 0 && rc != -ENODATA && rc != -ENOTSUP && all == 0)
			all = error_errno(err, rc, "cgroup %s: remove %s", quote(c.path).text, names[i]);
	}
	return all;
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

static int world_each_live(void *arg, uint64_t *cursor, ledger_add_live *add, void *add_arg, struct error *err)
{
	struct world *w = arg;
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
static bool world_begin(void *arg)
{
	const struct world *w = arg;
	cleanup_cgroup_dir struct cgroup_dir root = CGROUP_DIR_NONE;

	return w->mount >= 0 && cgroup_open(w->mount, "/", &root, NULL) == 0 &&
	       cgroup_get_xattr(&root, CGROUP_XATTR_BEGUN, NULL, 0) == -ENODATA &&
	       cgroup_set_xattr(&root, CGROUP_XATTR_BEGUN, "1", 1, NULL) == 0;
}

void world_init(struct world *w, int root, int mount, const struct topology *t, const char *boot_id)
{
	struct timespec now = { 0 };

	memset(w, 0, sizeof(*w));
	w->mount = mount;
	w->state = -1;
	w->t = t;
	w->looks = UINT_MAX;
	if (boot_id)
		snprintf(w->boot_id, sizeof(w->boot_id), "%s", boot_id);
	else if (file_read(root, "proc/sys/kernel/random/boot_id", w->boot_id, sizeof(w->boot_id)) < 0)
		w->boot_id[0] = '\0';
	w->boot_id[strcspn(w->boot_id, "\n")] = '\0';
	clock_gettime(CLOCK_BOOTTIME, &now);
	w->ledger = (struct ledger_world){
		.life = world_life,
		.each_live = mount < 0 ? NULL : world_each_live,
		.begin = world_begin,
		.ended = world_ended,
		.arg = w,
		.boot_id = w->boot_id,
		.now = (uint64_t)now.tv_sec,
		.patience = PATIENCE,
	};
}

void world_look(struct world *w, const struct place_env *env)
{
	w->state = env->state;
	if (!env->real)
		w->ledger.boot_id = NULL;
}

void world_look_at_few(struct world *w)
{
	w->looks = w->t->nnodes < NODES_SEEN ? NODES_SEEN / w->t->nnodes : 1;
}
