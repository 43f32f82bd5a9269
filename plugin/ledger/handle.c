/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A struct ledger in memory: made after a check of its folder, and freed. A process opens a folder once.
 */
#include "plugin/ledger/handle.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "plugin/base/util.h"
#include "plugin/ledger/sums.h"

/*
 * Of the process, not of a context, as its POSIX record locks are: a second opening of the same folder would share the
 * lock, and the first close would release it for both. (A lock of the open file would not name its holder, which
 * ledger_lock() must be able to kill.) Ledgers of other folders are independent.
 */
static struct ledger *open_ledgers;

const struct usage *ledger_usage(const struct ledger *l)
{
	return &l->sums;
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

void ledger_register(struct ledger *l)
{
	l->owner = getpid(); /* a forked child does not share it */
	l->next = open_ledgers;
	open_ledgers = l;
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
