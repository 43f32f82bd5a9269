/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state folder is watched for the folders in it: the first placement makes that of the records. A lost event is no
 * harm, because the caller looks again each minute.
 */
#include "runtime-hooks/kube/ledger-watch.h"

#include "plugin/base/util.h"
#include "runtime-hooks/kube/refusal.h"

#include <errno.h>
#include <sys/inotify.h>

#define FOLDERS (IN_CREATE | IN_MOVED_TO | IN_ONLYDIR)
#define RECORDS (IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR)
#define RECORDS_FOLDER "containers"

/* Adding the same folder again gives the same watch. True: it is another folder than before. */
static bool add(const struct ledger_watch *w, const char *name, uint32_t events, int *watch)
{
	cleanup_free char *path = NULL;
	int before = *watch;

	if (asprintf(&path, "%s/%s", w->state, name) < 0) {
		path = NULL;
		return false;
	}
	*watch = inotify_add_watch(w->fd, path, events);
	return *watch >= 0 && *watch != before;
}

static void add_all(struct ledger_watch *w)
{
	add(w, ".", FOLDERS, &w->folder);
	if (add(w, RECORDS_FOLDER, RECORDS, &w->records))
		w->ledger_changed = true;
	if (add(w, REFUSALS_FOLDER, IN_MOVED_TO | IN_ONLYDIR, &w->refusals))
		w->refused = true;
}

int ledger_watch_begin(struct ledger_watch *w, const char *state, struct error *err)
{
	w->state = state;
	w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->fd < 0)
		return error_errno(err, -errno, "inotify");
	add_all(w);
	return 0;
}

void ledger_watch_read(struct ledger_watch *w)
{
	char bytes[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool folders = w->folder < 0 || w->records < 0 || w->refusals < 0;
	ssize_t n;

	while ((n = read(w->fd, bytes, sizeof(bytes))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const void *)&bytes[at];

			folders |= e->mask & IN_IGNORED || e->wd == w->folder;
			w->ledger_changed |= e->mask & IN_Q_OVERFLOW || e->wd == w->records;
			w->refused |= e->mask & IN_Q_OVERFLOW || (e->wd == w->refusals && e->mask & IN_MOVED_TO);
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	if (folders)
		add_all(w);
}

void ledger_watch_end(struct ledger_watch *w)
{
	cleanup_closep(&w->fd);
	w->fd = -1;
}
