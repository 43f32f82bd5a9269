/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record in a config file: every other byte stays, what is not a plain file is
 * refused, and with writers that lock and truncate (LXC) and that rename without a
 * lock (editors) at work, nothing is torn and nobody's change is lost.
 */
#include "runtime-hooks/lxc-record.h"
#include "plugin/file.h"
#include "plugin/util.h"
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
static struct idset nodes, mems;
static const struct lxc_volatile v = { .nodes = &nodes, .mems = &mems, .origin = ORIGIN };
#define LINES "volatile.cpu.nodes = 0,1\nvolatile.memory.nodes = 1\nvolatile.numaplace.origin = " ORIGIN "\n"

static const struct {
	const char *what, *before, *after;
} texts[] = {
	{ "an empty file", "", LINES },
	{ "lines at the end", "a = b\n", "a = b\n" LINES },
	{ "a last line without its end", "a = b", "a = b\n" LINES },
	{ "odd bytes stay", "\t a=\xff\r\n#\n\n  x", "\t a=\xff\r\n#\n\n  x\n" LINES },
	{ "in place where they are",
	  "volatile.memory.nodes = 0\nlxc.a = 1\n volatile.cpu.nodes=7 \nvolatile.numaplace.origin = x\n",
	  "volatile.memory.nodes = 1\nlxc.a = 1\nvolatile.cpu.nodes = 0,1\nvolatile.numaplace.origin = " ORIGIN "\n" },
	{ "a second one goes", LINES "volatile.cpu.nodes = 4\nz\n", LINES "z\n" },
	{ "what says the same stays as spelled", "  volatile.cpu.nodes=0,1\nq\n",
	  "  volatile.cpu.nodes=0,1\nq\nvolatile.memory.nodes = 1\nvolatile.numaplace.origin = " ORIGIN "\n" },
	{ "other volatile lines and comments are not ours", "volatile.eth0 = 1\n#volatile.cpu.nodes = 3\n",
	  "volatile.eth0 = 1\n#volatile.cpu.nodes = 3\n" LINES },
};

static void update(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		cleanup_free char *out = NULL, *again = NULL;
		size_t len, len2;

		is_int(lxc_record_update(texts[i].before, strlen(texts[i].before), &v, &out, &len, NULL), 0, "%s",
		       texts[i].what);
		ok(len == strlen(texts[i].after) && memcmp(out, texts[i].after, len) == 0, "%s: the text",
		   texts[i].what);
		lxc_record_update(out, len, &v, &again, &len2, NULL);
		ok(len2 == len && memcmp(out, again, len) == 0, "%s: and stays like that", texts[i].what);
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
	       "another's, where we may give it away");
	chmod(config, 0604);
	stat(config, &before);
	is_int(lxc_record_write(config, false, &v, &err), 0, "a file (%s)", err.text);
	stat(config, &after);
	is_int(after.st_mode, before.st_mode, "its mode is kept");
	ok(after.st_uid == before.st_uid && after.st_gid == before.st_gid, "its owner is kept");
	file_read(AT_FDCWD, config, text, sizeof(text));
	is_str(text, "a\n" LINES, "its text");
	stat(config, &before);
	is_int(lxc_record_write(config, false, &v, &err), 0, "once more");
	stat(config, &after);
	is_int(after.st_ino, before.st_ino, "what is right is not written again");
	snprintf(other, sizeof(other), "%s/other", folder);
	is_int(link(config, other), 0, "a second name");
	idset_add(&nodes, 5);
	is_int(lxc_record_write(config, false, &v, &err), -EMLINK, "is refused");
	unlink(config);
	is_int(symlink("other", config), 0, "a symlink");
	is_int(lxc_record_write(config, false, &v, &err), -ELOOP, "is refused");
	unlink(config);
	is_int(mkfifo(config, 0600), 0, "a FIFO");
	is_int(lxc_record_write(config, false, &v, &err), -EINVAL, "is refused");
	unlink(config);
	is_int(lxc_record_write(config, false, &v, &err), -ENOENT, "a file that is gone is not made");
	ok(strncmp(err.text, config, strlen(config)) == 0, "the message begins with its name: %s", err.text);
	is_int(lxc_record_write(config, true, &v, &err), 0, "unless it may be");
	unlink(config);
	unlink(other);
	idset_del(&nodes, 5);
}

/* --- what is planted in the folder ---------------------------------------- */

static char victim[80];

enum plant { SYMLINK, HARD_LINK, FIFO, FOLDER, LOOSE_SYMLINK, PLANTS };
static const char *const plants[] = { "a symlink", "a hard link", "a FIFO", "a folder", "a symlink to nothing" };

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
	is_int(r, 0, "%s is planted as %s", plants[what], strrchr(path, '/') + 1);
}

/* Its bytes, its mode and its time: and nothing was made where a symlink pointed. */
static void victim_is_unharmed(const char *what)
{
	char text[100] = "", path[80];
	struct stat st;

	file_read(AT_FDCWD, victim, text, sizeof(text));
	is_str(text, "not yours\n", "%s: the victim is as it was", what);
	ok(stat(victim, &st) == 0 && st.st_mode == (S_IFREG | 0604) && st.st_mtim.tv_sec == 1000,
	   "%s: its mode and time, too", what);
	snprintf(path, sizeof(path), "%s/elsewhere", folder);
	ok(access(path, F_OK) < 0, "%s: nothing was made elsewhere", what);
}

/* Names that are made beside the config for a moment: whatever is there goes, or it is told. */
static void planted_aside(const char *name, int as_a_folder)
{
	char path[100], text[1000] = "";
	struct error err = { 0 };
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	for (enum plant p = SYMLINK; p < PLANTS; p++) {
		put_file("a\n");
		plant(p, path);
		is_int(lxc_record_write(config, false, &v, &err), p == FOLDER ? as_a_folder : 0, "%s as %s", plants[p],
		       name);
		file_read(AT_FDCWD, config, text, sizeof(text));
		is_str(text, p == FOLDER ? "a\n" : "a\n" LINES, "%s as %s: the config", plants[p], name);
		ok(lstat(config, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1, "%s as %s: is a file of its own",
		   plants[p], name);
		victim_is_unharmed(name);
		if (p == FOLDER)
			ok(strstr(err.text, ".config.draft beside it: "), "it is said why: %s", err.text);
		is_int(lstat(path, &st), p == FOLDER ? 0 : -1, "%s as %s: is gone", plants[p], name);
		rmdir(path);
		unlink(config);
	}
}

/* The record in a file of its own: what is no file of its own is refused. */
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
		is_int(lxc_record_write(beside, true, &v, &err), refused[p].r, "the record is %s", plants[p]);
		snprintf(text, sizeof(text), "%s: %s", beside, refused[p].why);
		is_str(err.text, text, "the record is %s: message", plants[p]);
		victim_is_unharmed(plants[p]);
		is_int(remove(beside), 0, "the record is %s: and stays", plants[p]);
	}
}

/* Who may put a symlink in the place of LXC's folder is its administrator, and has moved it. */
static void moved_folder(void)
{
	char linked[80], path[100], text[1000] = "";
	struct error err = { 0 };

	put_file("a\n");
	snprintf(linked, sizeof(linked), "%s-moved", folder);
	snprintf(path, sizeof(path), "%s/config", linked);
	is_int(symlink(folder, linked), 0, "a folder that was moved");
	is_int(lxc_record_write(path, false, &v, &err), 0, "a folder that was moved: is written to (%s)", err.text);
	file_read(AT_FDCWD, config, text, sizeof(text));
	is_str(text, "a\n" LINES, "a folder that was moved: its config");
	unlink(linked);
	unlink(config);
}

static void planted_lock(void)
{
	char path[200], text[300];
	struct error err;

	snprintf(path, sizeof(path), "%s/lxc/lock/%s/.t", geteuid() == 0 ? "/run" : folder, folder);
	close(lxc_lock(config, "t", 100, NULL));
	is_int(unlink(path), 0, "the lock is where LXC has it");
	is_int(symlink(victim, path), 0, "a symlink is planted as the lock");
	is_int(lxc_lock(config, "t", 100, &err), -ELOOP, "it is refused");
	snprintf(text, sizeof(text), "%s: Too many levels of symbolic links", path);
	is_str(err.text, text, "its message");
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
	ok(strlen(a) == LXC_ORIGIN_LEN && strcmp(a, b) != 0, "names differ: %s %s", a, b);
	lxc_origin("web1", "n", b);
	ok(strcmp(a, b) != 0, "machines differ");
	lxc_origin("web1", "m", b);
	is_str(a, b, "and the same are the same");
}

/* --- writers at once ------------------------------------------------------ */

#define ROUNDS 150
#define END_MARK "# the end\n"

/* A counter line of @who, one up, by truncating and writing under LXC's lock, slowly. */
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
 * The text once it has @count at @what again; NULL: it has not within a second, so it was undone.  While ours is
 * swapped in, the version before may be seen.
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

/* The same by renaming, without LXC's lock; it and LXC keep off each other by @others, for they know no better. */
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

/* Writes ever other nodes while @writer is at work; every version must be whole. */
static void race(void (*writer)(void), const char *name, const char *count)
{
	unsigned int written = 0, torn = 0, failed = 0, back = 0, last = 0;
	char text[1000] = "";
	int status = -1;
	struct error err;
	pid_t pid;

	put_file("lxc.count = 00000\neditor.count = 00000\n" END_MARK);
	/* ours is in whatever the writer may read: else what it read before our first could come back, and look torn */
	if (lxc_record_write(config, false, &v, &err) < 0)
		diag("%s", err.text);
	pid = fork();
	if (pid == 0)
		writer();
	while (waitpid(pid, &status, WNOHANG) == 0) {
		cleanup_close int lock = lxc_lock(config, "t", 60000, NULL);
		unsigned int now;

		idset_clear(&nodes);
		idset_add(&nodes, written % 8);
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
	is_int(status, 0, "%s: has done its %d writings", name, ROUNDS);
	file_read(AT_FDCWD, config, text, sizeof(text));
	diag("beside %u of ours", written);
	is_int(counted(text, count), ROUNDS, "%s: the last of them is there", name);
	is_int(back, 0, "%s: none was ever undone", name);
	is_int(torn, 0, "%s: every version was whole", name);
	is_int(failed, 0, "%s: all of ours went well", name);
	unlink(config);
}

static void lock(void)
{
	int held = lxc_lock(config, "t", 100, NULL);
	struct error err;

	ok(held >= 0, "the lock is taken");
	is_int(lxc_lock(config, "t", 100, &err), -ETIMEDOUT, "and not twice: %s", err.text);
	is_int(flock(held, LOCK_EX | LOCK_NB), 0, "an flock is no part of it");
	close(held);
	held = lxc_lock(config, "t", 100, NULL);
	ok(held >= 0, "given back, it can be had");
	close(held);
}

/* --- afterwards ----------------------------------------------------------- */

/* Where lxc_lock makes folders, and from which length on none of them was there before. */
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

/* What is not empty belongs to somebody else by now. */
static void clean_up(void)
{
	is_int(nftw(locks, take_away, 8, FTW_DEPTH | FTW_PHYS), 0, "the locks are taken away");
	for (char *slash = strrchr(locks, '/'); slash; slash = strrchr(locks, '/')) {
		*slash = '\0';
		if (strlen(locks) < locks_were || rmdir(locks) < 0)
			break;
	}
	if (access(folder, F_OK) == 0)
		is_int(nftw(folder, take_away, 8, FTW_DEPTH | FTW_PHYS), 0, "and the folder");
}

int main(void)
{
	if (!mkdtemp(folder))
		return 1;
	look_at_locks();
	snprintf(config, sizeof(config), "%s/config", folder);
	setenv("XDG_RUNTIME_DIR", folder, 1);
	idset_add_range(&nodes, 0, 1);
	idset_add(&mems, 1);
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
