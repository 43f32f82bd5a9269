/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One file for each move, named after the cgroup's inode, with the container's id in it. The lock belongs to the open
 * file description and ends with the process. Only the mover takes it; others only test it.
 */
#include "place/move-journal.h"

#include "place/exclusive.h"
#include "place/irq.h"
#include "place/marks.h"
#include "place/message.h"
#include "place/place.h"
#include "cgroup/own.h"
#include "plugin/base/file.h"
#include "plugin/base/number.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#define PREFIX "moving-"

static void name_of(uint64_t inode, char name[32])
{
	snprintf(name, 32, PREFIX "%" PRIu64, inode);
}

bool move_journal_inode(const char *name, uint64_t *inode)
{
	return strncmp(name, PREFIX, strlen(PREFIX)) == 0 && number_parse(name + strlen(PREFIX), UINT64_MAX, inode);
}

int move_journal_begin(int state, const char *id, uint64_t cgroup_inode, struct move_journal *out, struct error *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct move_journal m = MOVE_JOURNAL_NONE;
	cleanup_close int fd = -1;
	int r;

	name_of(cgroup_inode, m.name);
	m.keep = faccessat(state, m.name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	fd = openat(state, m.name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, -errno, "record the move: %s", m.name);
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
		return errno == EAGAIN || errno == EACCES ?
			       error_set(err, -EBUSY, "%s: another process is moving it", quote(id).text) :
			       error_errno(err, -errno, "record the move: lock %s", m.name);
	r = file_pwrite_all(fd, id, strlen(id), 0);
	if (r < 0) {
		if (!m.keep)
			unlinkat(state, m.name, 0);
		return error_errno(err, r, "record the move: write %s", m.name);
	}
	m.fd = steal_fd(&fd);
	*out = m;
	return 0;
}

void move_journal_end(int state, struct move_journal *m, bool done)
{
	if (m->fd < 0)
		return;
	/* Remove before unlocking: an unlocked file would look like an interrupted move. */
	if (done || !m->keep)
		unlinkat(state, m->name, 0);
	close(steal_fd(&m->fd));
}

/* --- interrupted moves --- */

/* Reads the id from the file of an interrupted move; false if the move is in progress. */
static bool is_cut_off(int state, const char *name, char id[RECORD_ID_MAX + 1])
{
	cleanup_close int fd = openat(state, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	ssize_t n;

	if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type != F_UNLCK)
		return false;
	n = file_read_fd(fd, id, RECORD_ID_MAX);
	id[n < 0 ? 0 : n] = '\0';
	return n >= 0;
}

static void each_cut_off(int state, void (*each)(void *arg, const char *name, const char *id), void *arg)
{
	int fd = openat(state, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!dir) {
		cleanup_closep(&fd);
		return;
	}
	while ((e = readdir(dir))) {
		char id[RECORD_ID_MAX + 1];

		if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) == 0 && is_cut_off(state, e->d_name, id))
			each(arg, e->d_name, id);
	}
}

struct teller {
	void (*each)(void *arg, const char *id);
	void *arg;
};

static void tell(void *arg, const char *name, const char *id)
{
	const struct teller *t = arg;

	(void)name;
	/* An empty file: killed before the move began. */
	if (*id)
		t->each(t->arg, id);
}

void move_journal_each(int state, void (*each)(void *arg, const char *id), void *arg)
{
	struct teller t = { each, arg };

	each_cut_off(state, tell, &t);
}

/* --- repair --- */

struct mender {
	struct place_env *env;
	struct ledger *l;
};

static const char *find_record(const struct mender *m, const char *id, uint64_t inode, struct record *out)
{
	for (size_t i = 0; record_classes[i]; i++)
		if (ledger_find_cgroup(m->l, record_classes[i], id, inode, out, NULL) == 0)
			return record_classes[i];
	return NULL;
}

static bool has_memory_of(const struct cpuset *c, const struct record *r)
{
	return nodeset_equal(&c->mems, &r->placement.mems);
}

static bool is_at(const struct cpuset *c, const struct record *r)
{
	return has_memory_of(c, r) &&
	       (strcmp(r->applied, PLACE_MEMS_ONLY) == 0 || idset_equal(&c->cpus, &r->placement.share.cpus));
}

static bool is_noted(int state, uint64_t inode)
{
	char name[32], id[RECORD_ID_MAX + 1];

	name_of(inode, name);
	return is_cut_off(state, name, id);
}

/*
 * Whether to complete the change: the pages are moved, so that the CPUs and the marks alone may be left to write.
 * If the cgroup is still as its mark says, the change has not begun there.
 */
static bool is_forward(const struct cpuset *now, const struct record *r, const struct record *mark)
{
	return has_memory_of(now, r) && !is_at(now, mark);
}

bool move_journal_correct(int state, const struct cgroup_dir *c, struct record *r)
{
	cleanup_own_mark struct record *mark = NULL;
	struct cpuset now;

	if (!is_noted(state, c->inode) || cgroup_read_cpuset(c, &now, NULL) < 0 ||
	    own_read_mark(c, &mark, NULL) <= 0 || strcmp(mark->id, r->id) != 0 || record_equal(r, mark) || is_forward(&now, r, mark))
		return false;
	record_free(r);
	*r = *mark;
	*mark = (struct record){ 0 };
	return true;
}

bool move_journal_left(int state, int mount, const struct record *r)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	cleanup_own_mark struct record *mark = NULL;
	struct cpuset now;

	if (!is_noted(state, r->cgroup_inode) || cgroup_open(mount, r->cgroup, &c, NULL) < 0 ||
	    c.inode != r->cgroup_inode || cgroup_read_cpuset(&c, &now, NULL) < 0)
		return false;
	return !is_at(&now, r) || (own_read_mark(&c, &mark, NULL) > 0 && !record_equal(mark, r));
}

static int complete(const struct mender *m, struct record *r, const struct record *mark, struct cgroup_dir *c,
		    const struct cpuset *now, struct error *err)
{
	const struct nodeset none = { { 0 } };
	int rc = 0;

	if (!is_at(now, r)) {
		exclusive_leave(m->env, mark);
		rc = cgroup_write_cpuset(&m->env->writer, c, NULL, &r->placement.share.cpus, &none, err);
	}
	if (rc == 0)
		rc = exclusive_enter(m->env, m->l, c, r, err);
	return rc < 0 ? rc : marks_set(m->env, c, r, NULL, 0, err);
}

/* Makes the partition of @r again if the change has ended it. The cgroup has the CPUs of @r. */
static int enter_again(const struct mender *m, struct record *r, struct cgroup_dir *c, struct error *err)
{
	enum partition was = r->partition;
	int rc = exclusive_lost(c, r) ? exclusive_enter(m->env, m->l, c, r, err) : irq_follow(m->env, m->l, r, err);

	return rc < 0 || r->partition == was ? rc : marks_set(m->env, c, r, NULL, 0, err);
}

/* The change has not begun, or has the same CPUs: the ledger gets the old record back. */
static int step_back(const struct mender *m, const char *class, const struct record *r, struct record *mark,
		     struct cgroup_dir *c, struct error *err)
{
	int rc;

	exclusive_leave(m->env, r);
	rc = ledger_add(m->l, class, mark, err);
	return rc < 0 ? rc : enter_again(m, mark, c, err);
}

/* True: nothing is left to repair. */
static bool mend_record(const struct mender *m, const char *class, struct record *r, struct cgroup_dir *c)
{
	cleanup_own_mark struct record *mark = NULL;
	struct cpuset now;
	struct error why = { 0 };
	int rc;

	if (cgroup_read_cpuset(c, &now, &why) < 0 || own_while_placed(m->env->mount, r, c, &why) < 0 ||
	    own_read_mark(c, &mark, &why) <= 0)
		return false;
	if (record_equal(r, mark))
		return enter_again(m, r, c, &why) == 0 && is_at(&now, r);
	if (is_forward(&now, r, mark)) {
		rc = complete(m, r, mark, c, &now, &why);
		if (rc == 0)
			place_say(m->env, "%s: completed an interrupted move or resize", r->id);
	} else {
		rc = step_back(m, class, r, mark, c, &why);
		if (rc == 0)
			place_say(m->env, "%s: its move or resize was interrupted: its old placement is recorded", r->id);
		return false;
	}
	if (rc < 0)
		place_say(m->env, "%s: its move or resize was interrupted: %s", r->id, why.text);
	return rc == 0;
}

static void mend(void *arg, const char *name, const char *id)
{
	const struct mender *m = arg;
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	cleanup_record struct record r = { 0 };
	uint64_t inode = strtoumax(name + strlen(PREFIX), NULL, 10);
	const char *class = *id ? find_record(m, id, inode, &r) : NULL;

	/* The container is gone, or was never moved. */
	if (!class || cgroup_open(m->env->mount, r.cgroup, &c, NULL) == -ENOENT ||
	    (c.fd >= 0 && (c.inode != inode || mend_record(m, class, &r, &c))))
		unlinkat(m->env->state, name, 0);
}

void move_journal_mend(struct place_env *env, struct ledger *l)
{
	struct mender m = { env, l };

	if (env->mount >= 0 && env->state >= 0)
		each_cut_off(env->state, mend, &m);
}
