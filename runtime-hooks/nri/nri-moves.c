/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A watch that is lost with its folder is made again when the plugin connects. A lost event is no harm: the next
 * connection compares all containers.
 */
#include "runtime-hooks/nri/nri-moves.h"

#include "place/move-journal.h"
#include "plugin/base/util.h"
#include "plugin/base/vec.h"

#include <string.h>
#include <sys/inotify.h>

void nri_moves_watch(struct nri_moves *m, const char *state)
{
	if (m->fd < 0)
		m->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (m->fd >= 0 && m->watch < 0)
		m->watch = inotify_add_watch(m->fd, state, IN_DELETE | IN_ONLYDIR | IN_DONT_FOLLOW);
}

void nri_moves_read(struct nri_moves *m, void (*each)(void *arg, uint64_t inode), void *arg)
{
	char bytes[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	while (m->fd >= 0 && (n = read(m->fd, bytes, sizeof(bytes))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const void *)&bytes[at];
			uint64_t inode;

			if (e->mask & IN_IGNORED)
				m->watch = -1;
			else if (e->len && move_journal_inode(e->name, &inode))
				each(arg, inode);
			at += (ssize_t)(sizeof(*e) + e->len);
		}
}

void nri_moves_add(struct nri_moves *m, const struct record *r)
{
	struct nri_moved *moved = vec_push(m->moved, m->n, m->room);

	if (!moved)
		return;
	snprintf(moved->id, sizeof(moved->id), "%s", r->id);
	moved->cpus = r->placement.share.cpus;
	moved->mems = r->placement.mems;
}

void nri_moves_free(struct nri_moves *m)
{
	cleanup_closep(&m->fd);
	free(m->moved);
	*m = (struct nri_moves){ .fd = -1, .watch = -1 };
}
