/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LXC truncates and rewrites its files under a lock; editors and scripts rename new files into place without one. The
 * lock protects against LXC. Against the others, the new file is not renamed over the old one but exchanged with it
 * (RENAME_EXCHANGE): if the file that comes out is not the one that was read, another process has changed it, and the
 * lines are added to that newer version, so that no change is lost.
 */
#include "runtime-hooks/lxc/lxc-record.h"

#include "plugin/base/atomic-file.h"
#include "plugin/base/file.h"
#include "plugin/base/hash.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>

#define ROUNDS	     32
#define DURABLE_ROUNDS 2 /* the first rounds fsync() before the exchange, later ones after it */
#define LOCK_STEP_MS   10

void lxc_origin(const char *name, const char *machine_id, char out[LXC_ORIGIN_LEN + 1])
{
	uint64_t h = hash_text(hash_text(HASH_START, machine_id), name);

	snprintf(out, LXC_ORIGIN_LEN + 1, "%016llx", (unsigned long long)h);
}

char *lxc_record_beside(const char *file)
{
	char *path;

	return asprintf(&path, "%s.numaplace", file) < 0 ? NULL : path;
}

/* --- LXC's lock --------------------------------------------------------- */

/* Like LXC's get_rundir(). */
static void find_rundir(char *out, size_t size)
{
	const char *dir = getenv("XDG_RUNTIME_DIR"), *home = getenv("HOME");

	if (geteuid() == 0)
		snprintf(out, size, "/run");
	else if (dir)
		snprintf(out, size, "%s", dir);
	else
		snprintf(out, size, "%s/.cache/lxc/run", home ? home : "");
}

/* Creates the parent folders of @path, readable for other users. */
static void make_folders(char *path)
{
	mode_t mask = umask(022);

	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	umask(mask);
}

/* ${RUNDIR}/lxc/lock/$lxcpath/.$NAME, for the config $lxcpath/$NAME/config. */
static int lock_path(const char *file, const char *name, char *out, size_t size)
{
	char rundir[256], folder[PATH_MAX];
	char *slash;
	int n;

	n = snprintf(folder, sizeof(folder), "%s", file);
	slash = strrchr(folder, '/');
	if (*file != '/' || (size_t)n >= sizeof(folder) || !slash)
		return -EINVAL;
	*slash = '\0';
	slash = strrchr(folder, '/');
	/* LXC does not rewrite a file from elsewhere (lxc-start -f): any lock path that all hooks share will do. */
	if (slash && strcmp(slash + 1, name) == 0)
		*slash = '\0';
	find_rundir(rundir, sizeof(rundir));
	n = snprintf(out, size, "%s/lxc/lock/%s/.%s", rundir, folder, name);
	return (size_t)n < size ? 0 : -ENAMETOOLONG;
}

int lxc_lock(const char *file, const char *name, unsigned int timeout_ms, struct error *err)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	cleanup_close int fd = -1;
	char path[PATH_MAX];
	int r = lock_path(file, name, path, sizeof(path));

	if (r < 0)
		return error_errno(err, r, "%.300s: find its lock", file);
	make_folders(path);
	fd = open(path, O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0)
		return error_errno(err, -errno, "%.300s", path);
	for (unsigned int waited = 0; fcntl(fd, F_OFD_SETLK, &whole) < 0; waited += LOCK_STEP_MS) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return error_errno(err, -errno, "lock %.300s", path);
		if (waited >= timeout_ms)
			return error_set(err, -ETIMEDOUT, "%.300s: another process holds LXC's lock", path);
		nanosleep(&(struct timespec){ .tv_nsec = LOCK_STEP_MS * 1000000L }, NULL);
	}
	return steal_fd(&fd);
}

/* --- the text ------------------------------------------------------------ */

#define LINES 3

struct wanted {
	const char *key;
	char value[NODESET_TEXT_MAX];
	bool done;
};

static void put(char *out, size_t *used, const char *text, size_t len)
{
	memcpy(out + *used, text, len);
	*used += len;
}

static void put_line(char *out, size_t *used, struct wanted *w)
{
	put(out, used, w->key, strlen(w->key));
	put(out, used, " = ", 3);
	put(out, used, w->value, strlen(w->value));
	put(out, used, "\n", 1);
	w->done = true;
}

/* Keeps a line that has the wanted value already, byte for byte; drops a second line with the same key. */
static void put_ours(char *out, size_t *used, const struct lxc_line *l, struct wanted *w)
{
	bool same = l->value_len == strlen(w->value) && memcmp(l->value, w->value, l->value_len) == 0;

	if (w->done)
		return;
	if (!same) {
		put_line(out, used, w);
		return;
	}
	put(out, used, l->start, l->len);
	w->done = true;
}

int lxc_record_update(const char *text, size_t len, const struct lxc_volatile *v, char **out, size_t *out_len,
		      struct error *err)
{
	const char *at = text, *end = text + len;
	cleanup_free struct wanted *wanted = calloc(LINES, sizeof(*wanted));
	cleanup_free char *made = NULL;
	size_t used = 0, size = len + 1;
	struct lxc_line l;

	if (!wanted)
		return error_set(err, -ENOMEM, "out of memory");
	wanted[0].key = request_keys[KEY_VOLATILE_CPU_NODES];
	wanted[1].key = request_keys[KEY_VOLATILE_MEMORY_NODES];
	wanted[2].key = LXC_ORIGIN_KEY;
	nodeset_format_comma(v->nodes, wanted[0].value, sizeof(wanted[0].value));
	nodeset_format_comma(v->mems, wanted[1].value, sizeof(wanted[1].value));
	snprintf(wanted[2].value, sizeof(wanted[2].value), "%s", v->origin);
	for (int i = 0; i < LINES; i++)
		size += strlen(wanted[i].key) + strlen(wanted[i].value) + strlen(" = \n");
	made = malloc(size);
	if (!made)
		return error_set(err, -ENOMEM, "out of memory");
	while (lxc_line_next(&at, end, &l)) {
		int i = 0;

		while (i < LINES && !lxc_line_is(&l, wanted[i].key))
			i++;
		if (i < LINES)
			put_ours(made, &used, &l, &wanted[i]);
		else
			put(made, &used, l.start, l.len);
	}
	if (used && made[used - 1] != '\n' && !(wanted[0].done && wanted[1].done && wanted[2].done))
		put(made, &used, "\n", 1);
	for (int i = 0; i < LINES; i++)
		if (!wanted[i].done)
			put_line(made, &used, &wanted[i]);
	*out = steal_ptr(made);
	*out_len = used;
	return 0;
}

/* --- the file ------------------------------------------------------------ */

/* One version of a file, as it was read. */
struct version {
	int fd;
	struct stat st;
	char *text;
	size_t len;
};
#define VERSION_NONE ((struct version){ .fd = -1 })

static void version_close(struct version *v)
{
	if (v->fd >= 0)
		close(v->fd);
	free(v->text);
	*v = VERSION_NONE;
}
#define cleanup_version __attribute__((cleanup(version_close)))

/* The file's folder and name, and the names of its temporary files. The lock allows only one writer at a time. */
struct spot {
	int dir;
	char name[NAME_MAX + 1], aside[NAME_MAX + 1], draft[NAME_MAX + 1];
};

static int version_read(const struct spot *s, const char *name, struct version *v, struct error *err)
{
	ssize_t n;

	v->fd = openat(s->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (v->fd < 0 && errno == ELOOP)
		return error_set(err, -ELOOP, "a symlink: not followed");
	if (v->fd < 0 || fstat(v->fd, &v->st) < 0)
		return error_errno(err, -errno, "open");
	if (!S_ISREG(v->st.st_mode))
		return error_set(err, -EINVAL, "not a regular file");
	if (v->st.st_nlink > 1)
		return error_set(err, -EMLINK, "has %ju hard links: refusing to replace it",
				 (uintmax_t)v->st.st_nlink);
	v->text = malloc(LXC_CONFIG_MAX + 2);
	if (!v->text)
		return error_set(err, -ENOMEM, "out of memory");
	n = file_read_fd(v->fd, v->text, LXC_CONFIG_MAX + 1);
	if (n < 0)
		return error_errno(err, (int)n, "read");
	if (n > (ssize_t)LXC_CONFIG_MAX)
		return error_set(err, -EFBIG, "more than 1 MiB");
	v->len = (size_t)n;
	return 0;
}

static bool same_version(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Copies labels and access control lists. Ignores errors: the file system may not support them. */
static void copy_attributes(int from, int to)
{
	char names[4096], value[4096];
	ssize_t len = flistxattr(from, names, sizeof(names));

	for (const char *name = names; len > 0 && name < names + len; name += strlen(name) + 1) {
		ssize_t n = fgetxattr(from, name, value, sizeof(value));

		if (n >= 0)
			fsetxattr(to, name, value, (size_t)n, 0);
	}
}

/*
 * Writes the temporary file s->aside, over an existing one. @like: the file whose mode, owner and attributes it gets;
 * with descriptor -1, it gets those of a new file. Without @durable, skips fsync(): another process rewrites the file
 * too often.
 */
static int write_aside(const struct spot *s, const struct version *like, bool durable, const char *text, size_t len,
		       struct stat *st, struct error *err)
{
	cleanup_close int fd = -1;
	struct stat made;
	int r;

	unlinkat(s->dir, s->draft, 0); /* left by a killed process */
	fd = atomic_file_begin(s->dir, s->draft, O_WRONLY);
	if (fd < 0)
		return error_errno(err, fd, "create %.100s beside it", s->draft);
	r = file_pwrite_all(fd, text, len, 0);
	if (r == 0 && like->fd >= 0 && (like->st.st_uid != geteuid() || like->st.st_gid != getegid()) &&
	    fchown(fd, like->st.st_uid, like->st.st_gid) < 0)
		r = -errno;
	if (r == 0 && like->fd >= 0)
		copy_attributes(like->fd, fd);
	if (r == 0 && fchmod(fd, like->fd >= 0 ? like->st.st_mode & 07777 : 0644) < 0)
		r = -errno;
	/* The data must be on the disk before the file replaces the old one. */
	if (r == 0 && ((durable && fsync(fd) < 0) || fstat(fd, &made) < 0))
		r = -errno;
	r = atomic_file_end(s->dir, s->draft, s->aside, r);
	if (r < 0)
		return error_errno(err, r, "write %.100s beside it", s->draft);
	*st = made;
	return 0;
}

/* For file systems without RENAME_EXCHANGE: checks the file's version immediately before the rename. */
static int replace(const struct spot *s, const struct stat *expected, struct error *err)
{
	struct stat now;

	if (fstatat(s->dir, s->name, &now, AT_SYMLINK_NOFOLLOW) < 0 || !same_version(&now, expected))
		return error_set(err, -EAGAIN, "another process is writing to it");
	return renameat(s->dir, s->aside, s->dir, s->name) < 0 ? error_errno(err, -errno, "rename") : 0;
}

/* Undoes an exchange: takes @ours out and removes it, so that the newest version of another process stays. */
static void swap_back(const struct spot *s, const struct stat *ours)
{
	struct stat out;

	renameat2(s->dir, s->aside, s->dir, s->name, RENAME_EXCHANGE);
	if (fstatat(s->dir, s->aside, &out, AT_SYMLINK_NOFOLLOW) == 0 && out.st_ino != ours->st_ino)
		renameat2(s->dir, s->aside, s->dir, s->name, RENAME_EXCHANGE);
	unlinkat(s->dir, s->aside, 0);
}

static void sync_file(const struct spot *s)
{
	cleanup_close int fd = openat(s->dir, s->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0)
		fsync(fd);
}

/*
 * Exchanges the files until the one that comes out is the one that the edit started from. If it is newer, repeats the
 * edit on it.
 */
static int swap_in(const struct spot *s, const struct stat *base, const struct stat *mine, const struct lxc_volatile *v,
		   struct error *err)
{
	struct stat expected = *base, ours = *mine;
	int r = 0;

	for (int round = 0; r == 0 && round < ROUNDS; round++) {
		cleanup_version struct version old = VERSION_NONE;
		cleanup_free char *text = NULL;
		struct stat next = ours;
		size_t len;

		if (renameat2(s->dir, s->aside, s->dir, s->name, RENAME_EXCHANGE) < 0)
			return errno == EINVAL || errno == ENOSYS ? replace(s, &expected, err) :
								    error_errno(err, -errno, "swap");
		r = version_read(s, s->aside, &old, err);
		if (r == 0 && same_version(&old.st, &expected)) {
			unlinkat(s->dir, s->aside, 0);
			if (round > DURABLE_ROUNDS)
				sync_file(s);
			return 0;
		}
		if (r == 0 && round == ROUNDS - 1)
			r = error_set(err, -EAGAIN, "other processes keep rewriting it");
		if (r == 0)
			r = lxc_record_update(old.text, old.len, v, &text, &len, err);
		if (r == 0)
			r = write_aside(s, &old, round < DURABLE_ROUNDS, text, len, &next, err);
		if (r < 0)
			swap_back(s, &ours);
		expected = ours;
		ours = next;
	}
	return r;
}

static int find_spot(const char *file, struct spot *s, struct error *err)
{
	const char *slash = strrchr(file, '/');
	cleanup_free char *folder = slash ? strndup(file, (size_t)(slash - file) + 1) : NULL;

	if (!folder || (size_t)snprintf(s->name, sizeof(s->name), "%s", slash + 1) >= sizeof(s->name) ||
	    (size_t)snprintf(s->aside, sizeof(s->aside), ".%s.new", slash + 1) >= sizeof(s->aside) ||
	    (size_t)snprintf(s->draft, sizeof(s->draft), ".%s.draft", slash + 1) >= sizeof(s->draft))
		return error_set(err, -EINVAL, "not an absolute path, or too long");
	s->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->dir < 0 ? error_errno(err, -errno, "open its folder") : 0;
}

static int write_record(const struct spot *s, bool make, const struct lxc_volatile *v, struct error *err)
{
	cleanup_version struct version old = VERSION_NONE;
	cleanup_free char *text = NULL;
	struct stat mine;
	size_t len;
	int r = version_read(s, s->name, &old, err);

	if (r == -ENOENT && make) {
		r = lxc_record_update("", 0, v, &text, &len, err);
		if (r == 0)
			r = write_aside(s, &old, true, text, len, &mine, err);
		if (r == 0 && renameat(s->dir, s->aside, s->dir, s->name) < 0)
			r = error_errno(err, -errno, "rename");
		return r;
	}
	if (r == 0)
		r = lxc_record_update(old.text, old.len, v, &text, &len, err);
	if (r < 0)
		return r;
	if (len == old.len && memcmp(text, old.text, len) == 0)
		return 0;
	r = write_aside(s, &old, true, text, len, &mine, err);
	return r < 0 ? r : swap_in(s, &old.st, &mine, v, err);
}

int lxc_record_write(const char *file, bool make, const struct lxc_volatile *v, struct error *err)
{
	struct spot s = { .dir = -1 };
	int r = find_spot(file, &s, err);

	if (r == 0)
		r = write_record(&s, make, v, err);
	if (s.dir >= 0)
		close(s.dir);
	return r < 0 ? error_prefix(err, r, "%.300s", file) : 0;
}
