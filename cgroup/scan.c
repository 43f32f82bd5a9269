/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds every cgroup that has processes in or below it, by listing the processes: a tenant can create cgroups by the
 * hundred thousand, but its processes count against its limit. The position of a scan is an offset in /proc.
 */
#include "cgroup/cgroup.h"
#include "cgroup/text.h"
#include "plugin/base/clock.h"
#include "plugin/base/crc32.h"
#include "plugin/base/file.h"
#include "plugin/ledger/record.h"
#include "plugin/base/path.h"
#include "plugin/base/util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define MEMBERSHIP_MAX 65536 /* /proc/PID/cgroup has one line more for each v1 hierarchy */
#define AT_LEAST 64 /* processes and cgroups per call, even after the deadline: a tenant may nest hundreds of cgroups */

/* Hash set of visited paths, with linear probing; room is a power of two. */
struct visited {
	char **path;
	size_t n, room;
};

static void visited_free(struct visited *v)
{
	for (size_t i = 0; i < v->room; i++)
		free(v->path[i]);
	free(v->path);
}

struct scan {
	int mount;
	struct visited visited;
	int (*each)(void *arg, const struct cgroup_dir *c);
	void *arg;
	struct error *err;
	unsigned int done;
	char *text; /* MEMBERSHIP_MAX bytes */
};

static void scan_free(struct scan *s)
{
	visited_free(&s->visited);
	free(s->text);
}
#define cleanup_scan __attribute__((cleanup(scan_free)))

static size_t slot_of(const struct visited *v, const char *path)
{
	size_t at = crc32_of(path, strlen(path)) & (v->room - 1);

	while (v->path[at] && strcmp(v->path[at], path) != 0)
		at = (at + 1) & (v->room - 1);
	return at;
}

static int grow(struct visited *v)
{
	struct visited more = { .room = v->room ? v->room * 2 : 256, .n = v->n };

	more.path = calloc(more.room, sizeof(*more.path));
	if (!more.path)
		return -ENOMEM;
	for (size_t i = 0; i < v->room; i++)
		if (v->path[i])
			more.path[slot_of(&more, v->path[i])] = v->path[i];
	free(v->path);
	*v = more;
	return 0;
}

/* 1: @path is new; 0: it was visited before. */
static int visit_once(struct visited *v, const char *path)
{
	size_t at;

	if (v->n * 2 >= v->room && grow(v) < 0)
		return -ENOMEM;
	at = slot_of(v, path);
	if (v->path[at])
		return 0;
	v->path[at] = strdup(path);
	if (!v->path[at])
		return -ENOMEM;
	v->n++;
	return 1;
}

static int visit(struct scan *s, const char *path)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	struct error why;
	int rc = cgroup_open(s->mount, path, &c, &why);

	if (rc == -ENOENT || rc == -ENODEV || rc == -ENOTSUP || rc == -EXDEV)
		return 0;
	return rc < 0 ? error_set(s->err, rc, "%s", why.text) : s->each(s->arg, &c);
}

/* Visits the process's cgroup and its ancestors, up to the first one visited before: its ancestors have been, too. */
static int visit_process(struct scan *s, const char *pid)
{
	char path[CGROUP_PATH_MAX];
	int rc;

	if (path_read(AT_FDCWD, s->text, MEMBERSHIP_MAX, "/proc/%.20s/cgroup", pid) < 0 ||
	    membership_parse(s->text, path, sizeof(path)) < 0)
		return 0; /* the process has ended, or its cgroup is deleted */
	while (*path && path[1]) {
		rc = visit_once(&s->visited, path);
		if (rc < 0)
			return error_errno(s->err, rc, "look for records on the cgroups");
		if (rc == 0)
			return 0;
		s->done++;
		rc = visit(s, path);
		if (rc < 0)
			return rc;
		*strrchr(path, '/') = '\0';
	}
	return 0;
}

uint64_t cgroup_scan_clock(void)
{
	return clock_ms();
}

/* 1: the deadline has passed. */
static int scan_names(struct scan *s, int proc, int64_t *at, uint64_t deadline, struct error *err)
{
	_Alignas(struct dirent64) char buf[16384];
	ssize_t got;

	if (lseek(proc, *at, SEEK_SET) < 0)
		return error_errno(err, -errno, "list /proc");
	while ((got = getdents64(proc, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < got;) {
			const struct dirent64 *d = (const struct dirent64 *)(void *)(buf + i);
			int rc = 0;

			i += d->d_reclen;
			if (d->d_name[strspn(d->d_name, "0123456789")])
				continue;
			rc = visit_process(s, d->d_name);
			if (rc < 0)
				return rc;
			*at = d->d_off;
			if (++s->done >= AT_LEAST && cgroup_scan_clock() >= deadline)
				return 1;
		}
	}
	return got < 0 ? error_errno(err, -errno, "list /proc") : 0;
}

int cgroup_scan(int mount, uint64_t *cursor, uint64_t deadline, int (*each)(void *arg, const struct cgroup_dir *c),
		void *arg, struct error *err)
{
	cleanup_close int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_scan struct scan s = { .mount = mount, .each = each, .arg = arg, .err = err };
	int64_t at = *cursor > INT64_MAX ? 0 : (int64_t)*cursor;
	int rc;

	if (proc < 0)
		return error_errno(err, -errno, "open /proc");
	s.text = malloc(MEMBERSHIP_MAX);
	if (!s.text)
		return error_errno(err, -ENOMEM, "look for records on the cgroups");
	/* With hidepid, other users' processes are not listed. */
	if (faccessat(proc, "1/cgroup", F_OK, 0) < 0)
		return cgroup_walk(mount, each, arg, err);
	rc = scan_names(&s, proc, &at, deadline, err);
	*cursor = rc == 1 ? (uint64_t)at : 0;
	return rc;
}
