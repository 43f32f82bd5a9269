/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A read-only copy of the ledger in memory. The records are read under the shared lock; the slow part (checking
 * whether each container lives) runs after the lock is released. What a transaction would repair is left out or
 * recounted here, and reported.
 */
#include "plugin/ledger/look.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "plugin/base/util.h"
#include "plugin/ledger/handle.h"
#include "plugin/ledger/life.h"
#include "plugin/ledger/lock.h"
#include "plugin/ledger/notes.h"
#include "plugin/ledger/store.h"
#include "plugin/ledger/sums.h"

static int keep_text(struct ledger *l, const char *name, struct error *err)
{
	cleanup_record struct record r = { 0 };
	struct error why = { 0 };
	struct kept *k = &l->kept[l->nkept];
	int ret = file_load(l, name, &r, &why);

	if (ret == -EBADMSG)
		ledger_note(l, "ledger: %s: left out: %s", quote(name).text, why.text);
	if (ret == -EBADMSG || ret == -ENOENT)
		return 0;
	if (ret == 0) {
		k->text = malloc(l->scratch_len + 1);
		if (!k->text)
			ret = error_errno(&why, -ENOMEM, "ledger: %s", quote(name).text);
	}
	if (ret < 0)
		return error_set(err, ret, "%s", why.text);
	k->len = l->scratch_len;
	memcpy(k->text, l->scratch, k->len);
	l->nkept++;
	return 0;
}

static int read_texts(struct ledger *l, struct error *err)
{
	cleanup_names struct names list = { 0 };
	int r = files_list(l, &list, err);

	if (r < 0)
		return r;
	l->kept = calloc(list.n + 1UL, sizeof(*l->kept));
	if (!l->kept)
		return error_errno(err, -ENOMEM, "ledger: list containers");
	for (unsigned int i = 0; r == 0 && i < list.n; i++)
		r = keep_text(l, list.name[i], err);
	return r;
}

/* Keeps a record that the life() callback has updated. */
static int format_again(struct kept *k, const struct record *r, struct error *err)
{
	char *text;
	int ret = record_format(r, &text, &k->len, err);

	if (ret < 0)
		return ret;
	free(k->text);
	k->text = text;
	return 0;
}

/* 1: alive, and added to the sums; 0: left out; or a negative errno. */
static int count_living(struct ledger *l, struct kept *k, struct error *err)
{
	cleanup_record struct record r = { 0 };
	bool changed = false;
	int ret = record_parse(k->text, k->len, &r, err);

	if (ret < 0 || ask_dead(l, &r, &changed))
		return ret;
	ret = usage_add_growing(l, &r.placement.share);
	if (ret == -ERANGE) {
		ledger_note(l, "ledger: \"%s\": values out of range: left out", quote(r.id).text);
		return 0;
	}
	if (ret < 0)
		return error_errno(err, ret, "ledger: \"%s\"", quote(r.id).text);
	ret = changed ? format_again(k, &r, err) : 0;
	return ret < 0 ? ret : 1;
}

static int count_all(struct ledger *l, struct error *err)
{
	unsigned int n = 0;
	int r = usage_reset(l, err);

	for (unsigned int i = 0; i < l->nkept && r >= 0; i++) {
		struct kept k = l->kept[i];

		l->kept[i].text = NULL;
		r = count_living(l, &k, err);
		if (r > 0)
			l->kept[n++] = k;
		else
			free(k.text);
	}
	for (unsigned int i = n; i < l->nkept; i++)
		free(l->kept[i].text);
	l->nkept = n;
	return r < 0 ? r : 0;
}

/* Reports what the next transaction repairs. */
static void say_repair(struct ledger *l, enum usage_state state, bool lost)
{
	static const char *const what[] = {
		[USAGE_CHANGING] = "its last change was interrupted",
		[USAGE_LOST] = "records were lost",
		[USAGE_TORN] = "its last change was interrupted",
		[USAGE_DAMAGED] = "\"usage\" is damaged",
		[USAGE_MISSING] = "\"usage\" is missing",
	};
	const char *why = what[state];

	if (state == USAGE_MISSING && !l->nkept)
		return; /* nothing was placed yet */
	if (state == USAGE_GOOD && lost && l->sums.containers)
		why = "containers/ is missing";
	if (why)
		ledger_note(l, "ledger: %s: the next placement or release repairs it", why);
}

/* Reads the folder, under the lock. *@counted: the sums can be used as they are. */
static int read_folder(struct ledger *l, bool sums, bool *counted, struct error *err)
{
	enum usage_state state;
	bool lost;
	int r = usage_load(l, &state, err);

	if (r < 0)
		return r;
	l->files = openat(l->dir, "containers", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (l->files < 0 && errno != ENOENT && errno != ELOOP && errno != ENOTDIR)
		return error_errno(err, -errno, "ledger: open containers");
	lost = l->files < 0;
	*counted = sums && state == USAGE_GOOD && (!lost || !l->sums.containers);
	if (state == USAGE_OTHER_BOOT || *counted)
		return 0;
	r = lost ? 0 : read_texts(l, err);
	if (r == 0)
		say_repair(l, state, lost);
	return r;
}

static void close_all(struct ledger *l)
{
	int *const fds[] = { &l->files, &l->usage_fd, &l->lock };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (*fds[i] >= 0)
			close(steal_fd(fds[i]));
}

int ledger_look(int dir, const struct topology *t, const struct ledger_world *world, unsigned int timeout_ms, bool sums,
		struct ledger **out, struct error *err)
{
	cleanup_ledger struct ledger *l = NULL;
	bool counted = false;
	int r = ledger_new(dir, t, world, true, &l, err);

	if (r == 0)
		r = ledger_lock(l, timeout_ms, err);
	if (r == 0)
		r = read_folder(l, sums, &counted, err);
	if (r < 0)
		return r;
	close_all(l);
	r = counted ? 0 : count_all(l, err);
	if (r == 0)
		*out = steal_ptr(l);
	return r;
}

int kept_each(const struct ledger *l, int (*each)(void *arg, const struct record *r), void *arg, struct error *err)
{
	int ret = 0;

	for (unsigned int i = 0; ret == 0 && i < l->nkept; i++) {
		cleanup_record struct record r = { 0 };

		ret = record_parse(l->kept[i].text, l->kept[i].len, &r, err);
		if (ret == 0)
			ret = each(arg, &r);
	}
	return ret;
}
