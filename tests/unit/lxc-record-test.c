/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record in a config file. All other bytes are kept, and anything but a plain file is refused. While other programs
 * write the file, with LXC's lock and truncation (LXC) or by rename without a lock (editors), no version is torn and no
 * change is lost.
 */
#include "runtime-hooks/lxc/lxc-record.h"
#include "plugin/base/file.h"
#include "plugin/base/util.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ORIGIN "0123456789abcdef"

static char folder[] = "/tmp/lxc-record-XXXXXX";
static char config[64];
static struct nodeset nodes, mems;
static const struct lxc_volatile v = { .nodes = &nodes, .mems = &mems, .origin = ORIGIN };
#define LINES "volatile.cpu.nodes = 0,1\nvolatile.memory.nodes = 1\nvolatile.numaplace.origin = " ORIGIN "\n"

static const struct {
	const char *what, *before, *after;
} texts[] = {
	{ "an empty file", "", LINES },
	{ "a file without our lines", "a = b\n", "a = b\n" LINES },
	{ "a last line without a newline", "a = b", "a = b\n" LINES },
	{ "unusual bytes", "\t a=\xff\r\n#\n\n  x", "\t a=\xff\r\n#\n\n  x\n" LINES },
	{ "our lines in other places",
	  "volatile.memory.nodes = 0\nlxc.a = 1\n volatile.cpu.nodes=7 \nvolatile.numaplace.origin = x\n",
	  "volatile.memory.nodes = 1\nlxc.a = 1\nvolatile.cpu.nodes = 0,1\nvolatile.numaplace.origin = " ORIGIN "\n" },
	{ "a repeated line", LINES "volatile.cpu.nodes = 4\nz\n", LINES "z\n" },
	{ "a line with the right value in another spelling", "  volatile.cpu.nodes=0,1\nq\n",
	  "  volatile.cpu.nodes=0,1\nq\nvolatile.memory.nodes = 1\nvolatile.numaplace.origin = " ORIGIN "\n" },
	{ "other volatile lines and comments", "volatile.eth0 = 1\n#volatile.cpu.nodes = 3\n",
	  "volatile.eth0 = 1\n#volatile.cpu.nodes = 3\n" LINES },
};

static void update(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		cleanup_free char *out = NULL, *again = NULL;
		size_t len, len2;

		is_int(lxc_record_update(texts[i].before, strlen(texts[i].before), &v, &out, &len, NULL), 0,
		       "lxc_record_update: %s", texts[i].what);
		ok(len == strlen(texts[i].after) && memcmp(out, texts[i].after, len) == 0,
		   "lxc_record_update: %s: the new text", texts[i].what);
		lxc_record_update(out, len, &v, &again, &len2, NULL);
		ok(len2 == len && memcmp(out, again, len) == 0,
		   "lxc_record_update: %s: a second update changes nothing", texts[i].what);
	}
}

static void put_file(const char *text)
{
	FILE *f = fopen(config, "w");

	fputs(text, f);
	fclose(f);
}

static void files(void)
{
	char other[80], text[1000];
	struct stat before, after;
	struct error err = { 0 };

	put_file("a\n");
	is_int(chown(config, geteuid() ? geteuid() : 1, geteuid() ? getegid() : 44), 0,
	       "the config gets a different owner, if possible");
	chmod(config, 0604);
	stat(config, &before);
	is_int(lxc_record_write(config, false, &v, &err), 0, "lxc_record_write: a config (%s)", err.text);
	stat(config, &after);
	is_int(after.st_mode, before.st_mode, "lxc_record_write: the mode is kept");
	ok(after.st_uid == before.st_uid && after.st_gid == before.st_gid, "lxc_record_write: the owner is kept");
	file_read(AT_FDCWD, config, text, sizeof(text));
	is_str(text, "a\n" LINES, "lxc_record_write: the new text");
	stat(config, &before);
	is_int(lxc_record_write(config, false, &v, &err), 0, "lxc_record_write: a second time");
	stat(config, &after);
	is_int(after.st_ino, before.st_ino, "lxc_record_write: a file without changes is not replaced");
	snprintf(other, sizeof(other), "%s/other", folder);
	is_int(link(config, other), 0, "a hard link to the config is made");
	nodeset_add(&nodes, 5);
	is_int(lxc_record_write(config, false, &v, &err), -EMLINK,
	       "lxc_record_write: a config with two hard links is refused");
	unlink(config);
	is_int(symlink("other", config), 0, "the config becomes a symlink");
	is_int(lxc_record_write(config, false, &v, &err), -ELOOP, "lxc_record_write: a symlink is refused");
	unlink(config);
	is_int(mkfifo(config, 0600), 0, "the config becomes a FIFO");
	is_int(lxc_record_write(config, false, &v, &err), -EINVAL, "lxc_record_write: a FIFO is refused");
	unlink(config);
	is_int(lxc_record_write(config, false, &v, &err), -ENOENT, "lxc_record_write: a missing config is not created");
	ok(strncmp(err.text, config, strlen(config)) == 0, "lxc_record_write: the message begins with the path: %s",
	   err.text);
	is_int(lxc_record_write(config, true, &v, &err), 0, "lxc_record_write: a missing config is created if allowed");
	unlink(config);
	unlink(other);
	nodeset_del(&nodes, 5);
}

/* --- objects planted in the folder --- */

static char victim[80];

enum plant { SYMLINK, HARD_LINK, FIFO, FOLDER, LOOSE_SYMLINK, PLANTS };
static const char *const plants[] = { "a symlink", "a hard link", "a FIFO", "a directory", "a symlink to nothing" };

static void plant(enum plant what, const char *path)
{
	int r = -1;

	if (what == SYMLINK)
		r = symlink("victim", path);
	else if (what == HARD_LINK)
		r = link(victim, path);
	else if (what == FIFO)
		r = mkfifo(path, 0600);
	else if (what == FOLDER)
		r = mkdir(path, 0700);
	else if (what == LOOSE_SYMLINK)
		r = symlink("elsewhere", path);
	is_int(r, 0, "planted: %s is created as %s", plants[what], strrchr(path, '/') + 1);
}

/* Content, mode and time are unchanged, and nothing was created at the target of a symlink. */
static void victim_is_unharmed(const char *what)
{
	char text[100] = "", path[80];
	struct stat st;

	file_read(AT_FDCWD, victim, text, sizeof(text));
	is_str(text, "not yours\n", "%s: the victim's content is unchanged", what);
	ok(stat(victim, &st) == 0 && st.st_mode == (S_IFREG | 0604) && st.st_mtim.tv_sec == 1000,
	   "%s: the victim's mode and time are unchanged", what);
	snprintf(path, sizeof(path), "%s/elsewhere", folder);
	ok(access(path, F_OK) < 0, "%s: the target of the dangling symlink was not created", what);
}

/* Names of temporary files beside the config: a planted object is removed, or reported. */
static void planted_aside(const char *name, int as_a_folder)
{
	char path[100], text[1000] = "";
	struct error err = { 0 };
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	for (enum plant p = SYMLINK; p < PLANTS; p++) {
		put_file("a\n");
		plant(p, path);
		is_int(lxc_record_write(config, false, &v, &err), p == FOLDER ? as_a_folder : 0,
		       "planted %s as %s: result", plants[p], name);
		file_read(AT_FDCWD, config, text, sizeof(text));
		is_str(text, p == FOLDER ? "a\n" : "a\n" LINES, "planted %s as %s: text of the config", plants[p],
		       name);
		ok(lstat(config, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1,
		   "planted %s as %s: the config is a plain file of its own", plants[p], name);
		victim_is_unharmed(name);
		if (p == FOLDER)
			ok(strstr(err.text, ".config.draft beside it: "),
			   "planted directory: the message names the temporary file: %s", err.text);
		is_int(lstat(path, &st), p == FOLDER ? 0 : -1, "planted %s as %s: removed, unless a directory",
		       plants[p], name);
		rmdir(path);
		unlink(config);
	}
}

/* The record in a separate file: anything but a plain file is refused. */
static void planted_beside(void)
{
	static const struct {
		int r;
		const char *why;
	} refused[PLANTS] = {
		[SYMLINK] = { -ELOOP, "a symlink: not followed" },
		[HARD_LINK] = { -EMLINK, "has 2 hard links: refusing to replace it" },
		[FIFO] = { -EINVAL, "not a regular file" },
		[FOLDER] = { -EINVAL, "not a regular file" },
		[LOOSE_SYMLINK] = { -ELOOP, "a symlink: not followed" },
	};
	cleanup_free char *beside = lxc_record_beside(config);
	char text[200];
	struct error err;

	for (enum plant p = SYMLINK; p < PLANTS; p++) {
		plant(p, beside);
		is_int(lxc_record_write(beside, true, &v, &err), refused[p].r, "separate record file is %s: refused",
		       plants[p]);
		snprintf(text, sizeof(text), "%s: %s", beside, refused[p].why);
		is_str(err.text, text, "separate record file is %s: message", plants[p]);
		victim_is_unharmed(plants[p]);
		is_int(remove(beside), 0, "separate record file is %s: not removed", plants[p]);
	}
}

/* Only LXC's administrator can replace its folder by a symlink, to move it. */
static void moved_folder(void)
{
	char linked[80], path[100], text[1000] = "";
	struct error err = { 0 };

	put_file("a\n");
	snprintf(linked, sizeof(linked), "%s-moved", folder);
	snprintf(path, sizeof(path), "%s/config", linked);
	is_int(symlink(folder, linked), 0, "moved folder: a symlink to it is made");
	is_int(lxc_record_write(path, false, &v, &err), 0, "moved folder: the record is written (%s)", err.text);
	file_read(AT_FDCWD, config, text, sizeof(text));
	is_str(text, "a\n" LINES, "moved folder: text of the config");
	unlink(linked);
	unlink(config);
}

static void planted_lock(void)
{
	char path[200], text[300];
	struct error err;

	snprintf(path, sizeof(path), "%s/lxc/lock/%s/.t", geteuid() == 0 ? "/run" : folder, folder);
	close(lxc_lock(config, "t", 100, NULL));
	is_int(unlink(path), 0, "LXC's lock has the expected path");
	is_int(symlink(victim, path), 0, "a symlink is planted as LXC's lock");
	is_int(lxc_lock(config, "t", 100, &err), -ELOOP, "a symlink as LXC's lock is refused");
	snprintf(text, sizeof(text), "%s: Too many levels of symbolic links", path);
	is_str(err.text, text, "a symlink as LXC's lock: message");
	unlink(path);
	victim_is_unharmed("the lock");
}

static void planted(void)
{
	const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	FILE *f;

	snprintf(victim, sizeof(victim), "%s/victim", folder);
	f = fopen(victim, "w");
	fputs("not yours\n", f);
	fclose(f);
	chmod(victim, 0604);
	utimensat(AT_FDCWD, victim, times, 0);
	planted_aside(".config.draft", -EEXIST);
	planted_aside(".config.new", -EISDIR);
	planted_beside();
	moved_folder();
	planted_lock();
	unlink(victim);
}

static void origins(void)
{
	char a[LXC_ORIGIN_LEN + 1], b[LXC_ORIGIN_LEN + 1];

	lxc_origin("web1", "m", a);
	lxc_origin("web2", "m", b);
	ok(strlen(a) == LXC_ORIGIN_LEN && strcmp(a, b) != 0, "lxc_origin: different for another name: %s %s", a, b);
	lxc_origin("web1", "n", b);
	ok(strcmp(a, b) != 0, "lxc_origin: different for another machine");
	lxc_origin("web1", "m", b);
	is_str(a, b, "lxc_origin: equal for the same name and machine");
}

/* --- concurrent writers --- */

#define ROUNDS 150
#define END_MARK "# the end\n"

/* Increments a counter line slowly, by truncating and writing under LXC's lock. */
static void write_like_lxc(void)
{
	for (int i = 1; i <= ROUNDS; i++) {
		cleanup_close int lock = lxc_lock(config, "t", 60000, NULL);
		cleanup_free char *text = NULL;
		ssize_t len = file_read_all(AT_FDCWD, config, 100000, &text);
		char *at = len > 0 ? strstr(text, "lxc.count = ") : NULL;
		cleanup_close int fd = -1;

		if (lock < 0 || !at)
			_exit(1);
		snprintf(at + strlen("lxc.count = "), 6, "%05u", (unsigned int)i % 100000U);
		at[strlen("lxc.count = 00000")] = '\n';
		fd = open(config, O_WRONLY | O_TRUNC | O_CLOEXEC);
		for (ssize_t n = 0; n < len; n += 50)
			if (write(fd, text + n, (size_t)(len - n < 50 ? len - n : 50)) < 0)
				_exit(2);
	}
	_exit(0);
}

static unsigned int counted(const char *text, const char *what)
{
	const char *at = strstr(text, what);

	return at ? (unsigned int)strtoul(at + strlen(what), NULL, 10) : 0;
}

/*
 * The text as soon as the counter @what is @count again; NULL: not within a second, so the change was undone. While our
 * version is exchanged with the other, the previous one may be visible.
 */
static char *read_back(const char *what, unsigned int count)
{
	for (int i = 0; i < 500; i++) {
		cleanup_free char *text = NULL;

		if (file_read_all(AT_FDCWD, config, 100000, &text) > 0 && counted(text, what) == count)
			return steal_ptr(text);
		usleep(2000);
	}
	return NULL;
}

/* The same by rename, without LXC's lock. */
static void write_like_an_editor(void)
{
	char aside[80];

	snprintf(aside, sizeof(aside), "%s/editor", folder);
	for (int i = 1; i <= ROUNDS; i++) {
		cleanup_free char *text = read_back("editor.count = ", (unsigned int)i - 1);
		char *at = text ? strstr(text, "editor.count = ") : NULL;
		FILE *f;

		if (!at)
			_exit(1);
		snprintf(at + strlen("editor.count = "), 6, "%05u", (unsigned int)i % 100000U);
		at[strlen("editor.count = 00000")] = '\n';
		f = fopen(aside, "w");
		fputs(text, f);
		fclose(f);
		if (rename(aside, config) < 0)
			_exit(2);
		usleep(5000);
	}
	_exit(0);
}

/* Writes changing nodes while @writer runs; every version must be complete. */
static void race(void (*writer)(void), const char *name, const char *count)
{
	unsigned int written = 0, torn = 0, failed = 0, back = 0, last = 0;
	char text[1000] = "";
	int status = -1;
	struct error err;
	pid_t pid;

	put_file("lxc.count = 00000\neditor.count = 00000\n" END_MARK);
	/* write our lines first: a version read before that would look torn later */
	if (lxc_record_write(config, false, &v, &err) < 0)
		diag("%s", err.text);
	pid = fork();
	if (pid == 0)
		writer();
	while (waitpid(pid, &status, WNOHANG) == 0) {
		cleanup_close int lock = lxc_lock(config, "t", 60000, NULL);
		unsigned int now;

		nodeset_clear(&nodes);
		nodeset_add(&nodes, written % 8);
		if (lock < 0 || lxc_record_write(config, false, &v, &err) < 0) {
			failed++;
			diag("%s", err.text);
		}
		written++;
		file_read(AT_FDCWD, config, text, sizeof(text));
		now = counted(text, count);
		torn += !strstr(text, END_MARK) || !strstr(text, "volatile.cpu.nodes = ");
		back += now < last;
		last = now;
	}
	is_int(status, 0, "race with %s: it has made its %d changes", name, ROUNDS);
	file_read(AT_FDCWD, config, text, sizeof(text));
	diag("beside %u of ours", written);
	is_int(counted(text, count), ROUNDS, "race with %s: its last change is in the file", name);
	is_int(back, 0, "race with %s: no change was undone", name);
	is_int(torn, 0, "race with %s: every version was complete", name);
	is_int(failed, 0, "race with %s: none of our writes failed", name);
	unlink(config);
}

static void lock(void)
{
	int held = lxc_lock(config, "t", 100, NULL);
	struct error err;

	ok(held >= 0, "lxc_lock: free");
	is_int(lxc_lock(config, "t", 100, &err), -ETIMEDOUT, "lxc_lock: times out while it is held: %s", err.text);
	is_int(flock(held, LOCK_EX | LOCK_NB), 0, "lxc_lock: independent of flock");
	close(held);
	held = lxc_lock(config, "t", 100, NULL);
	ok(held >= 0, "lxc_lock: free again after close");
	close(held);
}

/* --- cleaning up --- */

/* The folders that lxc_lock creates; from length @locks_were on they did not exist before. */
static char locks[100];
static size_t locks_were;

static void look_at_locks(void)
{
	snprintf(locks, sizeof(locks), "%s/lxc/lock%s", geteuid() == 0 ? "/run" : folder, folder);
	for (char *slash = strchr(locks + 1, '/'); slash && !locks_were; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (access(locks, F_OK) < 0)
			locks_were = strlen(locks);
		*slash = '/';
	}
	if (!locks_were)
		locks_were = strlen(locks);
}

static int take_away(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

/* A folder that is not empty is in use by another process. */
static void clean_up(void)
{
	is_int(nftw(locks, take_away, 8, FTW_DEPTH | FTW_PHYS), 0, "the locks are removed");
	for (char *slash = strrchr(locks, '/'); slash; slash = strrchr(locks, '/')) {
		*slash = '\0';
		if (strlen(locks) < locks_were || rmdir(locks) < 0)
			break;
	}
	if (access(folder, F_OK) == 0)
		is_int(nftw(folder, take_away, 8, FTW_DEPTH | FTW_PHYS), 0, "the test's folder is removed");
}

int main(void)
{
	if (!mkdtemp(folder))
		return 1;
	look_at_locks();
	snprintf(config, sizeof(config), "%s/config", folder);
	setenv("XDG_RUNTIME_DIR", folder, 1);
	nodeset_add_range(&nodes, 0, 1);
	nodeset_add(&mems, 1);
	update();
	files();
	origins();
	lock();
	planted();
	race(write_like_lxc, "LXC", "lxc.count = ");
	race(write_like_an_editor, "an editor", "editor.count = ");
	clean_up();
	return done();
}
