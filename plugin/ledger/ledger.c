/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Transactions of the ledger. Each marks the sums, changes one file and writes the new sums. If it is interrupted in
 * between, the mark remains, and the next opening recounts the files. The sums in memory always match the files, even
 * when a step fails.
 */
#include "plugin/ledger/ledger-internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "plugin/base/file.h"
#include "plugin/base/util.h"

#define SWEEP_FEW 16 /* containers checked by one sweep */

/*
 * A POSIX record lock belongs to the process: a second opening would share it, and the first close would release it
 * for both.
 */
static struct ledger *open_ledgers;

void ledger_note(struct ledger *l, const char *fmt, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list ap;

	if (l->nmessages == LEDGER_MESSAGES_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	make_printable(text);
	l->messages[l->nmessages] = strdup(text);
	if (l->messages[l->nmessages])
		l->nmessages++;
}

const char *ledger_message(const struct ledger *l, unsigned int i)
{
	return i < l->nmessages ? l->messages[i] : NULL;
}

const struct usage *ledger_usage(const struct ledger *l)
{
	return &l->sums;
}

/* --- opening --- */

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
	bool first = state != USAGE_GOOD && l->world.begin && l->world.begin(l->world.arg);
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
	r = files_open(l, &lost, err);
	if (r < 0)
		return r;
	r = make_good(l, state, lost, err);
	return r < 0 ? r : 0;
}

/* Contents of a folder that others may write to cannot be trusted. */
static int check_folder(struct ledger *l, struct error *err)
{
	struct stat st;

	if (fstat(l->dir, &st) < 0)
		return error_errno(err, -errno, "ledger");
	if (!S_ISDIR(st.st_mode))
		return error_set(err, -ENOTDIR, "ledger: not a folder");
	if (st.st_uid != own_uid())
		return error_set(err, -EPERM, "ledger: the folder belongs to user %u", st.st_uid);
	/* Read-only access by others is tolerated for a look, not for writing. */
	if (st.st_mode & (l->looking ? 022 : 077))
		return error_set(err, -EPERM, "ledger: the folder is open to others (mode %04o, must be 0700)",
				 st.st_mode & 07777);
	for (struct ledger *o = open_ledgers; o; o = o->next)
		if (o->dev == st.st_dev && o->ino == st.st_ino && o->owner == getpid())
			return error_set(err, -EDEADLK, "ledger: already open in this process");
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return 0;
}

void ledger_close(struct ledger *l)
{
	if (!l)
		return;
	for (struct ledger **p = &open_ledgers; *p; p = &(*p)->next) {
		if (*p == l) {
			*p = l->next;
			break;
		}
	}
	if (l->files >= 0)
		close(l->files);
	if (l->usage_fd >= 0)
		close(l->usage_fd);
	if (l->lock >= 0)
		close(l->lock); /* last, as this releases the lock */
	for (unsigned int i = 0; i < l->nmessages; i++)
		free(l->messages[i]);
	for (unsigned int i = 0; i < l->nkept; i++)
		free(l->kept[i].text);
	free(l->kept);
	free(l->image);
	free(l->scratch);
	free(l);
	ledger_leave();
}

/* The kernel's format. With a wrong boot id, the records would be taken for those of another boot and removed. */
static bool is_boot_id(const char *text)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	for (size_t i = 0; i < strlen(form); i++)
		if (form[i] == 'x' ? !isxdigit((unsigned char)text[i]) : text[i] != form[i])
			return false;
	return !text[strlen(form)];
}

int ledger_new(int dir, const struct topology *t, const struct ledger_world *world, bool looking, struct ledger **out,
	       struct error *err)
{
	struct ledger *l;

	if ((world->boot_id || !looking) && (!world->boot_id || !is_boot_id(world->boot_id)))
		return error_set(err, -ENODATA, "ledger: cannot read the boot id (/proc/sys/kernel/random/boot_id): "
				 "without it, records of an earlier boot cannot be recognised; the ledger is not opened");
	l = calloc(1, sizeof(*l));
	if (!l)
		return error_errno(err, -ENOMEM, "ledger");
	ledger_enter();
	l->dir = dir;
	l->lock = l->usage_fd = l->files = -1;
	l->world = *world;
	l->mark = MARK_CLEAN;
	l->looking = looking;
	l->cpu_ids = t->cpu_ids;
	l->node_ids = t->nnodes ? t->nodes[t->nnodes - 1].id + 1U : 0;
	*out = l;
	return check_folder(l, err);
}

int ledger_open(int dir, const struct topology *t, const struct ledger_world *world, unsigned int timeout_ms,
		struct ledger **out, struct error *err)
{
	cleanup_ledger struct ledger *l = NULL;
	int r = ledger_new(dir, t, world, false, &l, err);

	if (r == 0)
		r = ledger_lock(l, timeout_ms, err);
	if (r == 0) {
		l->owner = getpid(); /* a forked child does not share it */
		l->next = open_ledgers;
		open_ledgers = l;
		r = load(l, err);
	}
	if (r == 0)
		*out = steal_ptr(l);
	return r;
}

/* --- transactions --- */

/* Called first in each transaction: completes what an earlier one left unfinished. */
static int start(struct ledger *l, struct error *err)
{
	if (l->looking)
		return error_set(err, -EROFS, "ledger: opened read-only");
	return l->mark == MARK_CLEAN || l->incomplete ? 0 : ledger_recount(l, l->mark == MARK_LOST, err);
}

/* On a damaged file, recounts without it and restores the record from the live container. */
static int load_or_repair(struct ledger *l, const char *name, struct record *r, struct error *err)
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

static bool is_dead(const struct ledger *l, enum life life, const struct record *r)
{
	if (life == LIFE_GONE)
		return true;
	return life == LIFE_PENDING && l->world.now > r->started && l->world.now - r->started > l->world.patience;
}

/* May update the share in @r; the sums still hold the values from before. */
bool ask_dead(const struct ledger *l, struct record *r, bool *changed)
{
	return is_dead(l, l->world.life ? l->world.life(l->world.arg, r, changed) : LIFE_UNKNOWN, r);
}

/*
 * Called before the record of a dead container is dropped: if we are killed in between, a later sweep drops the
 * record.
 */
static int part_from(struct ledger *l, const struct record *r, struct error *err)
{
	home_keep(l, r);
	return l->world.ended ? l->world.ended(l->world.arg, r, err) : 0;
}

static int drop(struct ledger *l, const char *base, unsigned int slot, unsigned int used, const struct share *s,
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

/* Writes the sums, even if a later step of the transaction failed. */
static int finish(struct ledger *l, int result, struct error *err)
{
	int r = usage_commit(l, result < 0 ? NULL : err);

	return result < 0 ? result : r < 0 ? r : result;
}

int ledger_find(struct ledger *l, const char *runtime_class, const char *id, struct record *out, struct error *err)
{
	char name[LEDGER_NAME_MAX];
	int r = file_name(runtime_class, id, name, err);

	return r < 0 ? r : load_or_repair(l, name, out, err);
}

int ledger_find_cgroup(struct ledger *l, const char *runtime_class, const char *id, uint64_t cgroup_inode,
		       struct record *out, struct error *err)
{
	char base[LEDGER_NAME_MAX], name[LEDGER_NAME_MAX];
	int r = file_name(runtime_class, id, base, err);

	for (unsigned int slot = 0; r == 0 && slot < LEDGER_SLOTS; slot++) {
		slot_name(base, slot, name);
		r = load_or_repair(l, name, out, err);
		if (r == 0 && out->cgroup_inode == cgroup_inode)
			return 0;
		if (r == 0)
			record_free(out);
	}
	return r < 0 ? r : -ENOENT;
}

/* Slot for a new record: that of the same cgroup, else the first dead one, else the next free one. */
static int choose_slot(struct ledger *l, const char *base, const struct record *r, unsigned int *slot,
		       struct record *old, struct error *err)
{
	char name[LEDGER_NAME_MAX];
	unsigned int dead = LEDGER_SLOTS, at = 0;
	bool changed;
	int ret;

	for (; at < LEDGER_SLOTS; at++) {
		slot_name(base, at, name);
		ret = load_or_repair(l, name, old, err);
		if (ret == -ENOENT)
			break;
		if (ret < 0)
			return ret;
		if (old->cgroup_inode == r->cgroup_inode) {
			*slot = at;
			return 0;
		}
		if (dead == LEDGER_SLOTS && ask_dead(l, old, &changed))
			dead = at;
		record_free(old);
		memset(old, 0, sizeof(*old));
	}
	if (dead < LEDGER_SLOTS) {
		slot_name(base, dead, name);
		*slot = dead;
		return file_load(l, name, old, err);
	}
	if (at == LEDGER_SLOTS)
		return error_set(err, -EBUSY, "ledger: %d live containers have the id \"%s\"", LEDGER_SLOTS,
				 quote(r->id).text);
	*slot = at;
	return 0;
}

/* Stores @r (with text @text) in place of @old, which is empty if its id is, and updates the sums. */
static int replace(struct ledger *l, const char *name, const struct record *old, const struct record *r,
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

static int replace_record(struct ledger *l, const char *name, const struct record *old, const struct record *r,
			  struct error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int ret = record_format(r, &text, &len, err);

	return ret < 0 ? ret : replace(l, name, old, r, text, len, err);
}

/*
 * The sums could not be written, so the caller gets an error: restores the file. Whether that works or not, the mark
 * remains, and the files are recounted.
 */
static void put_back(struct ledger *l, const char *name, const struct record *old, const struct record *r)
{
	int ret = *old->id ? file_store_record(l, name, old, NULL) : unlinkat(l->files, name, 0);

	if (ret < 0)
		return;
	usage_remove(&l->sums, &r->placement.share);
	if (*old->id)
		usage_add(&l->sums, &old->placement.share);
}

int ledger_add_text(struct ledger *l, const char *runtime_class, const struct record *r, const char *text, size_t len,
		    struct error *err)
{
	cleanup_record struct record old;
	char base[LEDGER_NAME_MAX], name[LEDGER_NAME_MAX];
	unsigned int slot = 0;
	int ret;

	record_none(&old);
	ret = file_name(runtime_class, r->id, base, err);
	if (ret < 0)
		return ret;
	if (strcmp(runtime_class, record_class(r)) != 0)
		return error_set(err, -EINVAL, "ledger: runtime \"%s\" is not of class \"%s\"",
				 quote(r->runtime).text, runtime_class);
	ret = start(l, err);
	if (ret == 0)
		ret = choose_slot(l, base, r, &slot, &old, err);
	if (ret < 0)
		return ret;
	slot_name(base, slot, name);
	ret = replace(l, name, &old, r, text, len, err);
	if (ret < 0)
		return finish(l, ret, err);
	ret = usage_commit(l, err);
	if (ret < 0)
		put_back(l, name, &old, r);
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
		ret = load_or_repair(l, name, &r, err);
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
		if (ret == 0)
			ret = drop(l, base, n, used, &r.placement.share, err);
		if (ret == 0)
			used--;
	}
	if (ret == 0 && !found)
		ret = -ENOENT;
	return finish(l, ret, err);
}

static int remove_id(struct ledger *l, const char *runtime_class, const char *id, const uint64_t *inode,
		     struct error *err)
{
	char base[LEDGER_NAME_MAX];
	int r = file_name(runtime_class, id, base, err);

	if (r == 0)
		r = start(l, err);
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

		ret = load_or_repair(l, list.name[i], &r, err);
		if (ret == 0)
			ret = each(arg, &r);
		else if (ret == -ENOENT)
			ret = 0;
	}
	return ret;
}

/* --- the sweep --- */

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
	return replace_record(l, name, &old, r, err);
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
			ret = drop(s->l, base, slot, used, &before, s->err);
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
	r = finish(s->l, r, s->err);
	return r < 0 ? r : s->gone;
}

int ledger_sweep(struct ledger *l, bool all, struct error *err)
{
	struct sweep s = { .l = l, .err = err };
	unsigned int known;
	int r;

	r = start(l, err);
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

	r = start(l, err);
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
