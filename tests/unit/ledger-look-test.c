/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ledger_look() changes nothing: in every state of the ledger, names, modes, times and content of its folder are the
 * same afterwards. Its result is what the next transaction makes of the ledger.
 */
#include "tests/unit/ledger-kit.h"

/* Everything in the folder except access times. */
static char *fingerprint(void)
{
	char command[400], *all = malloc(1 << 20);
	FILE *f;
	size_t n;

	snprintf(command, sizeof(command),
		 "cd %s && { find . -printf '%%p %%y %%m %%U %%s %%T@ %%C@ %%i %%n %%l\\n' | sort; "
		 "find . -type f | sort | xargs -r -d '\\n' sha256sum; }", kit.path);
	f = popen(command, "r");
	if (!f || !all)
		abort();
	n = fread(all, 1, (1 << 20) - 1, f);
	pclose(f);
	all[n] = '\0';
	return all;
}

static void set_byte(const char *path, off_t at, char with)
{
	cleanup_close int fd = openat(kit.dir, path, O_RDWR | O_CLOEXEC);
	char byte = 0;

	if (pread(fd, &byte, 1, at) != 1)
		abort();
	byte = (char)(byte ^ with);
	if (pwrite(fd, &byte, 1, at) != 1)
		abort();
}

/* The mark after the magic: "CHNG" or "LOST", as a number in this machine's byte order. */
static void set_mark(const char *mark)
{
	cleanup_close int fd = openat(kit.dir, "usage", O_RDWR | O_CLOEXEC);
	uint32_t value = 0;

	for (int i = 3; i >= 0; i--)
		value = value << 8 | (unsigned char)mark[i];
	if (pwrite(fd, &value, 4, 8) != 4)
		abort();
}

static void lose(const char *path)
{
	int fd = openat(kit.dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

	if (fd < 0) {
		unlinkat(kit.dir, path, 0);
		return;
	}
	wipe(fd);
	close(fd);
	unlinkat(kit.dir, path, AT_REMOVEDIR);
}

/* --- the states --- */

static void never_used(void) { kit_fresh(); }
static void dead_in_it(void) { kit_five(); kit_fate(2, LIFE_GONE, 0); kit_fate(5, LIFE_GONE, 0); }
static void pages_moved(void) { kit_five(); for (uint64_t i = 1; i <= 5; i++) kit_fate(i, LIFE_PLACED, 4096 * i); }
static void pending_for_ever(void) { kit_five(); kit_fate(3, LIFE_PENDING, 0); kit.world.now = 1000000; }
static void old_boot(void) { kit_five(); kit.world.boot_id = "6f1c1f4e-0000-0000-0000-000000000002"; }
static void no_boot(void) { kit_five(); kit.world.boot_id = NULL; }
static void dirty(void) { kit_five(); set_mark("CHNG"); }
static void lost(void) { kit_five(); set_mark("LOST"); }
static void torn(void) { kit_five(); set_mark("CHNG"); set_byte("usage", 100, 4); }
static void usage_flipped(void) { kit_five(); set_byte("usage", 100, 4); }
static void usage_cut(void) { kit_five(); kit_write("usage", "numause1", 8); }
static void usage_missing(void) { kit_five(); lose("usage"); }
static void usage_folder(void) { kit_five(); lose("usage"); mkdirat(kit.dir, "usage", 0700); }
static void usage_fifo(void) { kit_five(); lose("usage"); mkfifoat(kit.dir, "usage", 0600); }
static void usage_link(void) { kit_five(); lose("usage"); (void)!symlinkat("lock", kit.dir, "usage"); }
static void lock_missing(void) { kit_five(); lose("lock"); }
static void containers_missing(void) { kit_five(); lose("containers"); }
static void containers_file(void) { kit_five(); lose("containers"); kit_write("containers", "x", 1); }
static void record_flipped(void) { kit_five(); set_byte("containers/oci:c3", 40, 4); set_mark("LOST"); }
static void record_folder(void) { kit_five(); mkdirat(kit.dir, "containers/oci:x", 0700); set_mark("CHNG"); }
static void record_link(void) { kit_five(); (void)!symlinkat("oci:c1", kit.dir, "containers/oci:x"); set_mark("CHNG"); }
static void another_name(void)
{
	kit_five();
	(void)!renameat(kit.dir, "containers/oci:c3", kit.dir, "containers/oci:x");
	set_mark("CHNG");
}
static void cut_off_leftovers(void) { kit_five(); kit_write("containers/.tmp", "x", 1); kit_write("usage.tmp", "x", 1); }
static void larger_machine(void) { kit_five(); kit.topology.cpu_ids = 2 * KIT_CPUS; }
static void others_may_read(void) { kit_five(); fchmod(kit.dir, 0755); }
static void others_things(void) { kit_five(); kit_write("precious", "x", 1); kit_write("containers/notes", "x", 1); }

static const struct {
	const char *name;
	void (*make)(void);
	int seen;       /* containers */
	const char *said; /* part of a message; NULL: no message */
} states[] = {
	{ "that was never used", never_used, 0, NULL },
	{ "without faults", kit_five, 5, NULL },
	{ "with dead containers", dead_in_it, 3, NULL },
	{ "with touched memory to record", pages_moved, 5, NULL },
	{ "with a placement that was never completed", pending_for_ever, 4, NULL },
	{ "of another boot", old_boot, 0, NULL },
	{ "while the boot is unknown", no_boot, 5, NULL },
	{ "of an interrupted transaction", dirty, 5, "was interrupted: the next" },
	{ "with lost records", lost, 5, "records were lost: the next" },
	{ "with a torn usage file", torn, 5, "was interrupted: the next" },
	{ "with a flipped bit in usage", usage_flipped, 5, "\"usage\" is damaged: the next" },
	{ "with usage truncated", usage_cut, 5, "\"usage\" is damaged: the next" },
	{ "without usage", usage_missing, 5, "\"usage\" is missing: the next" },
	{ "with a directory named usage", usage_folder, 5, "\"usage\" is damaged: the next" },
	{ "with a FIFO named usage", usage_fifo, 5, "\"usage\" is damaged: the next" },
	{ "with a symlink named usage", usage_link, 5, "\"usage\" is damaged: the next" },
	{ "without lock", lock_missing, 5, NULL },
	{ "without containers/", containers_missing, 0, "containers/ is missing: the next" },
	{ "with a file named containers", containers_file, 0, "containers/ is missing: the next" },
	{ "with a flipped bit in a record", record_flipped, 4, "oci:c3" },
	{ "with a directory in place of a record", record_folder, 5, "oci:x" },
	{ "with a symlink in place of a record", record_link, 5, "oci:x" },
	{ "with a record under the wrong name", another_name, 4, "oci:x: holds another" },
	{ "with temporary files of killed processes", cut_off_leftovers, 5, NULL },
	{ "of a smaller machine", larger_machine, 5, NULL },
	{ "with mode 0755", others_may_read, 5, NULL },
	{ "with foreign files", others_things, 5, "notes" },
};

static int look(bool sums, struct ledger **l, struct error *err)
{
	return ledger_look(kit.dir, &kit.topology, &kit.world, 1000, sums, l, err);
}

static void test_states(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		cleanup_free char *before = NULL, *after = NULL;
		struct error err = { 0 };
		struct ledger *l = NULL;

		states[i].make();
		before = fingerprint();
		is_int(look(false, &l, &err), 0, "a ledger %s can be read %s", states[i].name, err.text);
		if (!l)
			continue;
		is_int(kit_count(l), states[i].seen, "a ledger %s: live containers and their sums", states[i].name);
		if (states[i].said)
			ok(kit_says(l, states[i].said), "a ledger %s: the fault is reported (%s)", states[i].name,
			   ledger_message(l, 0) ? ledger_message(l, 0) : "nothing");
		else
			ok(!ledger_message(l, 0), "a ledger %s: no fault is reported", states[i].name);
		is_int(kit_add(l, "new", 9, &err), -EROFS, "a ledger %s: adding is refused", states[i].name);
		is_int(ledger_remove(l, "oci", "c1", &err), -EROFS, "a ledger opened for reading: removing is refused");
		is_int(ledger_sweep(l, true, &err), -EROFS, "a ledger opened for reading: sweeping is refused");
		ledger_close(l);
		fchmod(kit.dir, 0700);
		states[i].make();
		kit.asked_live = 0;
		free(before);
		before = fingerprint();
		l = NULL;
		look(true, &l, &err);
		ledger_close(l);
		l = NULL;
		look(false, &l, &err);
		ledger_close(l);
		after = fingerprint();
		is_str(after, before, "a ledger %s: the folder is unchanged", states[i].name);
		is_int(kit.asked_live, 0, "a ledger %s: no cgroup is searched", states[i].name);
		fchmod(kit.dir, 0700);
	}
}

/* The sums alone include dead containers, which the caller must know. */
static void test_sums(void)
{
	struct error err = { 0 };
	struct ledger *l = NULL;

	dead_in_it();
	is_int(look(true, &l, &err), 0, "sums alone: read (%s)", err.text);
	is_int(ledger_usage(l)->containers, 5, "sums alone: of all records");
	ledger_close(l);
	torn();
	kit_fate(2, LIFE_GONE, 0);
	is_int(look(true, &l, &err), 0, "sums alone, damaged: read (%s)", err.text);
	is_int(ledger_usage(l)->containers, 4, "sums alone, damaged: of the live containers");
	ledger_close(l);
}

static void test_refused(void)
{
	static const char *const none[] = { "",
					    "x",
					    "6f1c1f4e-0000-0000-0000-00000000000",
					    "6f1c1f4e-0000-0000-0000-0000000000011",
					    "6f1c1f4e 0000-0000-0000-000000000001",
					    "(null)" };
	cleanup_free char *before = NULL, *after = NULL;
	struct error err = { 0 };
	struct ledger *l = NULL;

	kit_five();
	before = fingerprint();
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		kit.world.boot_id = none[i];
		is_int(look(false, &l, &err), -ENODATA, "boot id \"%s\": not readable", none[i]);
		is_int(ledger_open(kit.dir, &kit.topology, &kit.world, 1000, &l, &err), -ENODATA,
		       "boot id \"%s\": not writable: %s", none[i], err.text);
	}
	kit.world.boot_id = NULL;
	is_int(ledger_open(kit.dir, &kit.topology, &kit.world, 1000, &l, &err), -ENODATA,
	       "without a boot id the ledger is not writable");
	after = fingerprint();
	is_str(after, before, "without a boot id the ledger is unchanged");
	kit_five();
	fchmod(kit.dir, 0770);
	is_int(look(false, &l, &err), -EPERM, "a folder that others may write to is refused");
	fchmod(kit.dir, 0700);
	l = kit_open();
	{
		struct ledger *second = NULL;

		is_int(look(false, &second, &err), -EDEADLK,
		       "a second opening in this process, which would lose the lock, is refused");
	}
	ledger_close(l);
}

/* A process that has the ledger open for writing until @tell is closed. */
static pid_t writer(int *tell)
{
	int ready[2], told[2];
	pid_t pid;
	char c;

	if (pipe(ready) < 0 || pipe(told) < 0 || (pid = fork()) < 0)
		abort();
	if (pid == 0) {
		struct ledger *l = kit_open();

		close(told[1]);
		if (write(ready[1], "x", 1) != 1 || read(told[0], &c, 1) < 0)
			_exit(1);
		kit_add(l, "late", 99, NULL);
		ledger_close(l);
		_exit(0);
	}
	close(ready[1]);
	close(told[0]);
	if (read(ready[0], &c, 1) != 1)
		abort();
	close(ready[0]);
	*tell = told[1];
	return pid;
}

static void test_beside_a_writer(void)
{
	struct error err = { 0 };
	struct ledger *l = NULL, *other = NULL;
	int tell, status;
	pid_t pid;

	kit_five();
	pid = writer(&tell);
	is_int(ledger_look(kit.dir, &kit.topology, &kit.world, 0, false, &l, &err), -ETIMEDOUT,
	       "reader beside a writer: time-out without waiting");
	is_int(ledger_look(kit.dir, &kit.topology, &kit.world, 50, false, &l, &err), -ETIMEDOUT,
	       "reader beside a writer: time-out after a wait: %s", err.text);
	is_int(waitpid(pid, &status, WNOHANG), 0, "reader beside a writer: the writer is not killed");
	close(tell);
	is_int(ledger_look(kit.dir, &kit.topology, &kit.world, 10000, false, &l, &err), 0,
	       "reader beside a writer: reads when the writer has finished (%s)", err.text);
	is_int(kit_count(l), 6, "reader beside a writer: the new record is read");
	is_int(ledger_look(kit.dir, &kit.topology, &kit.world, 0, false, &other, &err), 0,
	       "two readers at the same time (%s)", err.text);
	ledger_close(other);
	other = NULL;
	is_int(ledger_open(kit.dir, &kit.topology, &kit.world, 0, &other, &err), 0,
	       "writer beside readers: does not wait (%s)", err.text);
	kit_add(other, "more", 100, NULL);
	is_int(kit_count(l), 6, "writer beside readers: their copy is unchanged");
	ledger_close(other);
	ledger_close(l);
	waitpid(pid, &status, 0);
	is_int(status, 0, "reader beside a writer: the writer ended normally");
}

int main(void)
{
	test_states();
	test_sums();
	test_refused();
	test_beside_a_writer();
	kit_end();
	return done();
}
