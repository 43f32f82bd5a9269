/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger: what is added is found, what is gone is dropped, the sums are
 * always those of the records, and whatever is damaged, planted or lost is
 * noticed and made good.
 */
#include "plugin/ledger-internal.h"
#include "tests/unit/ledger-kit.h"

static void test_basics(void)
{
	cleanup_record struct record want = { 0 }, r = { 0 }, none = { 0 };
	cleanup_free char *before = NULL, *after = NULL;
	struct error err = { 0 };
	size_t len, len2;
	struct ledger *l, *second = NULL;

	kit_fresh();
	l = kit_open();
	is_int(ledger_usage(l)->containers, 0, "a new ledger is empty");
	is_int(ledger_usage(l)->cpu_ids, KIT_CPUS, "and has the machine's CPUs");
	ok(!ledger_message(l, 0), "and nothing to tell");
	is_int(ledger_find(l, "oci", "a", &r, &err), -ENOENT, "nothing is found");
	is_int(kit_remove(l, "oci", "a", &err), -ENOENT, "or removed");
	is_int(ledger_open(kit.dir, &kit.topology, &kit.world, 10, &second, &err), -EDEADLK, "one opening at a time");
	is_int(kit_add(l, "a", 1, &err), 0, "added %s", err.text);
	is_int(kit_count(l), 1, "the sums are its");
	ledger_close(l);
	before = kit_bytes(&len);

	l = kit_open();
	ok(!ledger_message(l, 0), "opened again: nothing to tell");
	is_int(kit_count(l), 1, "it is there");
	kit_record("a", 1, &want);
	is_int(ledger_find(l, "oci", "a", &r, &err), 0, "and found");
	ok(same_record(&want, &r), "as it was");
	is_int(ledger_find(l, "lxc", "a", &none, &err), -ENOENT, "another class is another container");
	is_int(kit_add(l, "a", 1, &err), 0, "added again");
	is_int(kit_count(l), 1, "it is still one");
	is_int(kit_add(l, "b", 2, &err), 0, "another");
	is_int(kit_count(l), 2, "makes two");
	is_int(kit_remove(l, "oci", "b", &err), 0, "removed");
	ledger_close(l);
	after = kit_bytes(&len2);
	ok(len && len == len2 && memcmp(before, after, len) == 0, "start then stop: the same bytes");
	ledger_close(NULL);
}

static void test_names(void)
{
	static const char *const ids[] = { "a", "A", ".hidden", "...", "a@1", "a:b", "a+b", "a_-.", "_" };
	static const char *const hostile[] = { "a/b", "..", ".", "", "new\nline", "../../etc/passwd", "%41", "\xff\x01",
					       "a~1", "sp ace", "\xc3\xa9", "$(a)", "-a" };
	char id[RECORD_ID_MAX + 1];
	struct error err = { 0 };
	int bad = 0;
	struct ledger *l;

	kit_fresh();
	l = kit_open();
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		bad += kit_add(l, ids[i], i + 1, &err) != 0;
	is_int(bad, 0, "odd ids are added %s", err.text);
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++)
		bad += kit_add(l, hostile[i], 100 + i, &err) != -EINVAL;
	is_int(bad, 0, "those that are none by the rule for names are not");
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		cleanup_record struct record r = { 0 };

		bad += ledger_find(l, "oci", ids[i], &r, &err) != 0 || strcmp(r.id, ids[i]) != 0;
	}
	is_int(bad, 0, "and found, each itself");
	is_int(kit_count(l), ARRAY_SIZE(ids), "all are counted");
	is_int(faccessat(kit.dir, "containers/oci:%2E..", F_OK, 0), 0, "a dot that leads is escaped");
	is_int(faccessat(kit.dir, "containers/oci:a%401", F_OK, 0), 0, "so is what is no letter");
	memset(id, 'x', sizeof(id));
	id[248] = '\0';
	is_int(kit_add(l, id, 50, &err), 0, "an id of 248 bytes");
	id[248] = 'x';
	id[255] = '\0';
	is_int(kit_add(l, id, 51, &err), -ENAMETOOLONG, "one of 255 is too long");
	ok(strstr(err.text, "too long for a file name") != NULL, "and is told so: %s", err.text);
	is_int(kit_remove(l, "oci", id, &err), -ENAMETOOLONG, "everywhere");
	is_int(kit_remove(l, "OCI/..", "a", &err), -EINVAL, "a class that is none");
	is_int(kit_remove(l, "", "a", &err), -EINVAL, "and the empty one");
	is_int(kit_remove(l, "oci", "", &err), -EINVAL, "and the empty id");
	{
		cleanup_record struct record r = { 0 };

		kit_record("a", 1, &r);
		is_int(ledger_add(l, "lxc", &r, &err), -EINVAL, "a runtime of another class");
		strcpy(r.runtime, "lxc");
		is_int(ledger_add(l, "lxc", &r, &err), 0, "and of its own");
		is_int(kit_remove(l, "lxc", "a", &err), 0, "removed by class");
		idset_add(&r.placement.share.cpus, KIT_CPUS);
		is_int(ledger_add(l, "lxc", &r, &err), -ERANGE, "CPUs beyond the machine");
		is_int(kit_count(l), ARRAY_SIZE(ids) + 1, "change nothing");
	}
	ledger_close(l);
}

/* A release by the id alone: another root, namespace or user may have a container of this id. */
static void test_release(void)
{
	struct error err = { 0 };
	struct ledger *l;

	kit_fresh();
	l = kit_open();
	kit_add(l, "web", 1, &err);
	is_int(ledger_remove(l, "oci", "web", &err), 0, "release: of an id whose only container lives");
	is_int(kit_count(l), 1, "release: it stays");
	kit_fate(1, LIFE_PENDING, 0);
	is_int(ledger_remove(l, "oci", "web", &err), 0, "release: while it is being placed");
	is_int(kit_count(l), 1, "release: it stays");
	kit.nfates = 0;
	kit_fate(1, LIFE_UNKNOWN, 0);
	is_int(ledger_remove(l, "oci", "web", &err), 0, "release: where it cannot be told whether it lives");
	is_int(kit_count(l), 1, "release: it stays");
	kit.nfates = 0;
	kit_fate(1, LIFE_GONE, 0);
	is_int(ledger_remove(l, "lxc", "web", &err), -ENOENT, "release: of another class");
	is_int(kit_count(l), 1, "release: it stays");
	is_int(ledger_remove(l, "oci", "web", &err), 0, "release: of one that has ended");
	is_int(kit_count(l), 0, "release: it goes");
	ledger_close(l);
}

static uint64_t told_ended;

static int hear_ended(void *arg, const struct record *r, struct error *err)
{
	(void)arg;
	told_ended = told_ended * 10 + r->cgroup_inode;
	return told_ended == 2 ? error_set(err, -EIO, "its mark stays") : 0;
}

/* The world hears of those that have ended, once each, and of no other. */
static void test_ended(void)
{
	struct error err = { 0 };
	struct ledger *l;

	kit_fresh();
	kit.world.ended = hear_ended;
	l = kit_open();
	for (uint64_t inode = 1; inode <= 4; inode++)
		kit_add(l, inode < 3 ? "a" : "b", inode, &err);
	kit_fate(2, LIFE_GONE, 0);
	kit_fate(3, LIFE_GONE, 0);
	is_int(ledger_remove(l, "oci", "a", &err), -EIO, "ended: told at a release, its fault is the release's");
	is_int(told_ended, 2, "ended: of the one that has ended");
	is_int(ledger_remove(l, "oci", "a", &err), 0, "ended: told again");
	is_int(told_ended, 22, "ended: of the same");
	ledger_remove_cgroup(l, "oci", "a", 1, &err);
	is_int(told_ended, 22, "ended: not of one that could not be placed");
	ledger_sweep(l, true, &err);
	is_int(told_ended, 223, "ended: told at a sweep");
	is_int(kit_count(l), 1, "ended: one is left");
	ledger_close(l);
}

static void test_twins(void)
{
	cleanup_record struct record r = { 0 };
	const uint64_t all = LEDGER_SLOTS;
	struct error err = { 0 };
	unsigned int failed = 0;
	struct ledger *l;

	kit_fresh();
	l = kit_open();
	for (uint64_t inode = 1; inode <= all; inode++)
		failed += kit_add(l, "a", inode, &err) != 0;
	is_int(failed, 0, "%d containers of one id are added", LEDGER_SLOTS);
	is_int(kit_count(l), all, "all live");
	is_int(kit_add(l, "a", all + 1, &err), -EBUSY, "and no more");
	is_int(ledger_find_cgroup(l, "oci", "a", 37, &r, &err), 0, "each is found by its cgroup");
	is_int(r.cgroup_inode, 37, "itself");
	record_free(&r);
	is_int(ledger_find_cgroup(l, "oci", "a", all + 1, &r, &err), -ENOENT, "and one that is not there is not");
	is_int(ledger_remove(l, "oci", "a", &err), 0, "all live: none is removed by the id alone");
	is_int(kit_count(l), all, "all are there");
	kit_fate(1, LIFE_GONE, 0);
	kit_fate(4, LIFE_GONE, 12345); /* with news that the sums do not hold */
	kit_fate(all, LIFE_GONE, 0);
	is_int(kit_add(l, "a", all + 1, &err), 0, "a new one takes the place of a dead one");
	is_int(kit_count(l), all, "still as many");
	is_int(ledger_remove(l, "oci", "a", &err), 0, "the dead are removed");
	is_int(kit_count(l), all - 2, "the first has been replaced, two are gone");
	is_int(ledger_remove_cgroup(l, "oci", "a", all + 1, &err), 0, "one is removed by its cgroup");
	is_int(ledger_remove_cgroup(l, "oci", "a", all + 1, &err), -ENOENT, "once");
	is_int(kit_count(l), all - 3, "one less");
	is_int(ledger_find(l, "oci", "a", &r, &err), 0, "the first place is never empty");
	record_free(&r);
	memset(&r, 0, sizeof(r));
	for (uint64_t inode = 17; inode <= all; inode += 17)
		kit_fate(inode, LIFE_GONE, 0);
	is_int(ledger_sweep(l, true, &err), all / 17, "a sweep drops those that have ended");
	ledger_close(l);
	is_int(kit_reopen(), all - 3 - all / 17, "and counts what is left, without gaps");
	l = kit_open();
	failed = 0;
	for (uint64_t inode = 2; inode < all; inode++)
		if (inode != 4 && inode % 17)
			failed += ledger_remove_cgroup(l, "oci", "a", inode, &err) != 0;
	is_int(failed, 0, "the others are removed");
	is_int(kit_count(l), 0, "none");
	ledger_close(l);
}

static void test_sweep(void)
{
	cleanup_record struct record r = { 0 };
	struct error err = { 0 };
	char id[16];
	struct ledger *l;
	int gone = 0;

	kit_fresh();
	l = kit_open();
	for (uint64_t i = 1; i <= 5; i++) {
		snprintf(id, sizeof(id), "c%d", (int)i);
		kit_add(l, id, i, &err);
	}
	is_int(ledger_sweep(l, false, &err), 0, "all live: none goes");
	kit_fate(1, LIFE_GONE, 0);
	kit_fate(2, LIFE_PENDING, 0);
	kit_fate(3, LIFE_UNKNOWN, 0);
	is_int(ledger_sweep(l, false, &err), 1, "the dead one goes");
	is_int(kit_count(l), 4, "its share as well");
	kit_record("c2", 2, &r);
	kit.world.now = r.started + kit.world.patience;
	ledger_close(l);
	l = kit_open();
	is_int(ledger_sweep(l, false, &err), 0, "a pending one is waited for");
	kit.world.now++;
	ledger_close(l);
	l = kit_open();
	is_int(ledger_sweep(l, true, &err), 1, "but not for ever");
	is_int(kit_count(l), 3, "three left");
	record_free(&r);
	for (uint64_t i = 3; i <= 5; i++)
		kit_fate(i, LIFE_PLACED, 4096 * i);
	kit.fate[2].seen = 77;
	is_int(ledger_sweep(l, false, &err), 0, "news of pages: none goes");
	is_int(kit_count(l), 3, "the sums follow");
	ledger_close(l);
	is_int(kit_reopen(), 3, "and are written");
	{
		/* which of them has memory depends on chance: take one that has */
		bool any = false;

		l = kit_open();
		for (int i = 3; i <= 5; i++) {
			snprintf(id, sizeof(id), "c%d", i);
			memset(&r, 0, sizeof(r));
			ledger_find(l, "oci", id, &r, &err);
			if (r.placement.share.nmem)
				any |= r.placement.share.mem[0].seen == (i == 3 ? 77U : 4096U * (unsigned int)i);
			record_free(&r);
		}
		memset(&r, 0, sizeof(r));
		ok(any, "so is the record");
		ledger_close(l);
	}

	kit_fresh();
	l = kit_open();
	for (uint64_t i = 1; i <= 100; i++) {
		snprintf(id, sizeof(id), "c%d", (int)i);
		kit_add(l, id, i, &err);
		if (i % 2)
			continue;
		if (kit.nfates < 50)
			kit_fate(i, LIFE_GONE, 0);
	}
	for (int i = 0; i < 7; i++) {
		int n = ledger_sweep(l, false, &err);

		ok(n >= 0 && n <= 16, "sweep %d takes a few: %d", i, n);
		gone += n;
		ledger_close(l);
		l = kit_open();
	}
	is_int(gone, 50, "seven sweeps in turn have looked at all hundred");
	is_int(kit_count(l), 50, "and half of them are left");
	ledger_close(l);
}

/* Refused again and again, each by a process of its own: @n times in this second; how many containers were looked at. */
static unsigned int refused(int n, int *gone)
{
	kit.looks = 0;
	while (n--) {
		struct ledger *l = kit_open();
		int r = ledger_sweep_more(l, NULL);

		*gone = r < 0 ? -1 : *gone + r;
		ledger_close(l);
	}
	return kit.looks;
}

static void test_refusals(void)
{
	struct error err = { 0 };
	int gone = 0, seconds = 0;
	unsigned int most = 0;
	char id[16];
	struct ledger *l;

	kit_fresh();
	l = kit_open();
	for (uint64_t i = 1; i <= 5; i++) {
		snprintf(id, sizeof(id), "c%d", (int)i);
		kit_add(l, id, i, &err);
	}
	kit_fate(4, LIFE_GONE, 0);
	ledger_close(l);
	is_int(refused(1, &gone), 5, "a refusal looks at all of a few");
	is_int(gone, 1, "and drops the dead");
	is_int(refused(20, &gone), 20 * 4, "so do twenty more in the same second");
	kit_fresh();
	l = kit_open();
	for (uint64_t i = 1; i <= 3000; i++) {
		snprintf(id, sizeof(id), "c%d", (int)i);
		kit_add(l, id, i, &err);
	}
	for (uint64_t i = 100; i <= 3000; i += 100)
		kit_fate(i, LIFE_GONE, 0);
	ledger_close(l);
	gone = 0;
	is_int(refused(50, &gone), LEDGER_LOOKS, "of 3,000, fifty refusals in a second look at no more than one may");
	for (; gone >= 0 && gone < 30 && seconds < 100; seconds++) {
		unsigned int looks;

		kit.world.now++;
		looks = refused(5, &gone);
		most = looks > most ? looks : most;
	}
	is_int(gone, 30, "in turn, they find all that are dead");
	ok(seconds <= 3000 / LEDGER_LOOKS + 1, "in %d seconds", seconds);
	is_int(most, LEDGER_LOOKS, "never more in one of them");
	kit.world.now -= 5;
	is_int(refused(2, &gone), LEDGER_LOOKS, "nor when the clock is another");
	is_int(kit_reopen(), 2970, "and the sums are right");
}

static void test_boot_and_growth(void)
{
	cleanup_record struct record r = { 0 };
	struct ledger *l;

	kit_fresh();
	l = kit_open();
	kit_add(l, "a", 1, NULL);
	kit_add(l, "b", 2, NULL);
	ledger_close(l);
	kit.topology.cpu_ids = KIT_CPUS * 2;
	l = kit_open();
	is_int(kit_count(l), 2, "a machine that has grown: all are there");
	is_int(ledger_usage(l)->cpu_ids, KIT_CPUS * 2, "and the arrays are larger");
	ok(kit_says(l, "recounted: 2"), "which is told");
	kit_record("c", 3, &r);
	idset_add(&r.placement.share.cpus, KIT_CPUS * 2 - 1);
	is_int(ledger_add(l, "oci", &r, NULL), 0, "the new CPUs can be used");
	ledger_close(l);
	kit.topology.cpu_ids = KIT_CPUS;
	l = kit_open();
	is_int(kit_count(l), 3, "a machine that has shrunk: all are there");
	ok(!ledger_message(l, 0), "without counting");
	ledger_close(l);
	unlinkat(kit.dir, "usage", 0);
	is_int(kit_reopen(), 3, "also when counted again on the shrunk one");
	kit.world.boot_id = "6f1c1f4e-0000-0000-0000-000000000002";
	kit_make_live("a", 1);
	kit.asked_live = 0;
	l = kit_open();
	is_int(kit_count(l), 0, "another boot: empty");
	is_int(kit.asked_live, 0, "and no live container was asked again");
	ledger_close(l);
}

static void fill_five(void)
{
	char id[16];
	struct ledger *l;

	kit_fresh();
	l = kit_open();
	for (int i = 1; i <= 5; i++) {
		snprintf(id, sizeof(id), "c%d", i);
		kit_add(l, id, (uint64_t)i, NULL);
		kit_make_live(id, (uint64_t)i);
	}
	ledger_close(l);
}

static void test_usage_damaged(void)
{
	cleanup_free char *good = NULL, *bad = NULL, *now = NULL;
	int wrong = 0, silent = 0;
	size_t len, len2;

	fill_five();
	good = kit_bytes(&len);
	bad = malloc(len + 1);
	for (size_t i = 0; i < len; i++) {
		struct ledger *l;

		memcpy(bad, good, len);
		bad[i] = (char)(bad[i] ^ (1 << i % 8));
		kit_write("usage", bad, len);
		l = kit_open();
		wrong += !l || kit_count(l) != 5;
		silent += !ledger_message(l, 0);
		ledger_close(l);
		free(now);
		now = kit_bytes(&len2);
		wrong += len2 != len || memcmp(now, good, len) != 0;
	}
	is_int(wrong, 0, "each of the %zu bytes of usage flipped: counted again to the same bytes", len);
	is_int(silent, 0, "and told");
	for (size_t i = 0; i < len; i++) {
		kit_write("usage", good, i);
		wrong += kit_reopen() != 5;
	}
	is_int(wrong, 0, "cut at each byte: the same");
	memcpy(bad, good, len);
	bad[len] = 'x';
	kit_write("usage", bad, len + 1);
	is_int(kit_reopen(), 5, "a byte too many: the same");
	kit_forget_live();
	unlinkat(kit.dir, "usage", 0);
	is_int(kit_reopen(), 5, "usage lost: counted again");
	kit_fate(2, LIFE_GONE, 0);
	unlinkat(kit.dir, "usage", 0);
	is_int(kit_reopen(), 4, "where the boot is not known, those that do not live are not believed");
}

static unsigned int entries(const char *path)
{
	int fd = openat(kit.dir, path, O_RDONLY | O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	unsigned int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n < 2 ? 0 : n - 2;
}

static void test_record_damaged(void)
{
	cleanup_free char *good = NULL, *bad = NULL;
	cleanup_record struct record r = { 0 };
	int wrong = 0, silent = 0;
	struct ledger *l;
	ssize_t len;

	fill_five();
	len = file_read_all(kit.dir, "containers/oci:c3", 65536, &good);
	bad = malloc((size_t)len);
	/* Each byte is flipped, and then the record is cut before it. */
	for (ssize_t i = 0; i < 2 * len; i++) {
		memcpy(bad, good, (size_t)len);
		if (i < len)
			bad[i] ^= 4;
		kit_write("containers/oci:c3", bad, (size_t)(i < len ? len : i - len));
		l = kit_open();
		wrong += ledger_sweep(l, i % 4, NULL) < 0;
		wrong += kit_count(l) != 5;
		silent += !kit_says(l, "oci:c3");
		ledger_close(l);
		wrong += kit_reopen() != 5;
	}
	is_int(wrong, 0, "a record flipped or cut at each of its %zd bytes: rebuilt from the live container", len);
	is_int(silent, 0, "and told");
	is_int(entries("damaged"), 16, "sixteen of them are kept");

	kit_write("containers/oci:c3", "x", 1);
	l = kit_open();
	is_int(ledger_find(l, "oci", "c3", &r, NULL), 0, "a search that meets a damaged one finds the rebuilt one");
	is_int(r.cgroup_inode, 3, "itself");
	record_free(&r);
	memset(&r, 0, sizeof(r));
	kit_write("containers/oci:c3", "x", 1);
	is_int(kit_add(l, "c3", 3, NULL), 0, "so does an addition");
	kit_write("containers/oci:c3", "x", 1);
	is_int(kit_remove(l, "oci", "c3", NULL), 0, "and a removal");
	is_int(kit_count(l), 4, "that stays right");
	ledger_close(l);

	kit_forget_live();
	kit_write("containers/oci:c2", "x", 1);
	l = kit_open();
	is_int(ledger_sweep(l, false, NULL), 0, "damaged, and no live container has it:");
	is_int(kit_count(l), 3, "its share is not counted any more");
	is_int(ledger_find(l, "oci", "c2", &r, NULL), -ENOENT, "and it is not found");
	ledger_close(l);
}

static void test_lost(void)
{
	int fd, bad;
	struct ledger *l;

	fill_five();
	fd = openat(kit.dir, "containers", O_RDONLY | O_DIRECTORY);
	wipe(fd);
	l = kit_open();
	is_int(ledger_sweep(l, false, NULL), 0, "all files lost: the sweep notices");
	is_int(kit_count(l), 5, "and all are back from the live containers");
	ledger_close(l);
	wipe(fd);
	close(fd);
	unlinkat(kit.dir, "containers", AT_REMOVEDIR);
	l = kit_open();
	is_int(kit_count(l), 5, "the folder lost: the same at once");
	ledger_close(l);
	wipe(kit.dir);
	l = kit_open();
	is_int(kit_count(l), 5, "everything lost: the same");
	bad = kit_remove(l, "oci", "c1", NULL);
	is_int(bad, 0, "and it goes on");
	ledger_close(l);
	/* A mark counts on the cgroup alone that it was made for: a container may write one on a cgroup of its own. */
	kit.elsewhere = 1;
	wipe(kit.dir);
	l = kit_open();
	is_int(kit_count(l), 0, "everything lost, marks made for another inode: not believed");
	ok(kit_says(l, "was made for"), "and it is said");
	ledger_close(l);
	kit.elsewhere = 0;
	kit.elsewhere_path = true;
	wipe(kit.dir);
	l = kit_open();
	is_int(kit_count(l), 0, "everything lost, marks made for another path: not believed");
	ledger_close(l);
	kit.elsewhere_path = false;
	wipe(kit.dir);
	is_int(kit_reopen(), 5, "everything lost, each on its own cgroup: believed");
	l = kit_open();
	kit_remove(l, "oci", "c1", NULL);
	ledger_close(l);
	kit_write("containers/oci:c9", "", 0);
	unlinkat(kit.dir, "containers/oci:c9", 0);
	is_int(renameat(kit.dir, "containers/oci:c2", kit.dir, "containers/oci:c7"), 0, "a record under another name");
	l = kit_open();
	ledger_sweep(l, true, NULL);
	ok(kit_says(l, "holds another container's record"), "is no record");
	is_int(kit_count(l), 5, "and the live container brings back its own (c1 lives as well)");
	ledger_close(l);
}

/* Lost, and collected again in openings that ask two live containers each. */
static void test_rebuild_in_steps(void)
{
	struct error err = { 0 };
	struct ledger *l;
	int fd, openings = 0;

	fill_five();
	wipe(kit.dir);
	kit.at_once = 2;
	kit.asked_live = 0;
	for (bool ready = false; !ready && openings < 10; openings++) {
		l = kit_open();
		ready = ledger_ready(l, &err) == 0;
		is_int(kit_count(l), ready ? 5 : 2 * (openings + 1), "step %d: the sums are those of the records", openings);
		ledger_close(l);
	}
	is_int(openings, 3, "lost: three openings collect five, two in each");
	is_str(err.text, "ledger: its records were lost and are being collected from the live containers, 4 so far: start the container again",
	       "until then nothing is to be chosen");
	is_int(kit.asked_live, 3, "none asks twice");
	is_int(kit_reopen(), 5, "all are there");
	is_int(kit.asked_live, 3, "and that is the end of it");

	wipe(kit.dir);
	l = kit_open();
	is_int(ledger_ready(l, &err), -EAGAIN, "lost again");
	is_int(kit_remove(l, "oci", "c1", &err), 0, "one that is found may end meanwhile (%s)", err.text);
	is_int(kit_add(l, "c9", 9, &err), 0, "one that carries its record may come back (%s)", err.text);
	is_int(kit_count(l), 2, "and the sums follow");
	is_int(ledger_ready(l, &err), -EAGAIN, "it is no nearer to its end for that");
	ledger_close(l);
	l = kit_open();
	is_int(ledger_ready(l, &err), -EAGAIN, "the next opening goes on");
	ledger_close(l);
	fd = openat(kit.dir, "containers", O_RDONLY | O_DIRECTORY);
	wipe(fd);
	close(fd);
	unlinkat(kit.dir, "containers", AT_REMOVEDIR);
	for (openings = 0; openings < 10; openings++) {
		l = kit_open();
		if (ledger_ready(l, &err) == 0)
			break;
		ledger_close(l);
	}
	is_int(openings, 2, "what is lost meanwhile is collected from the beginning on");
	is_int(kit_count(l), 5, "all that live are there");
	ledger_close(l);
	wipe(kit.dir);
	l = kit_open();
	ledger_close(l);
	kit_write("containers/oci:c2", "x", 1);
	for (openings = 0; openings < 10; openings++) {
		l = kit_open();
		if (ledger_ready(l, &err) == 0)
			break;
		ledger_close(l);
	}
	is_int(kit_count(l), 5, "so is one that was collected and is damaged since");
	ledger_close(l);
	kit.world.boot_id = "6f1c1f4e-0000-0000-0000-000000000002";
	wipe(kit.dir);
	l = kit_open();
	ledger_close(l);
	kit.world.boot_id = "6f1c1f4e-0000-0000-0000-000000000003";
	l = kit_open();
	is_int(ledger_ready(l, &err), 0, "a reboot ends it");
	is_int(kit_count(l), 0, "with an empty ledger");
	ledger_close(l);
}

/* The first ledger of a boot: no cgroup can carry a record. */
static void test_first_of_a_boot(void)
{
	struct ledger *l;

	fill_five();
	wipe(kit.dir);
	kit.begun = false;
	kit.asked_live = 0;
	is_int(kit_reopen(), 0, "the first of a boot is empty");
	is_int(kit.asked_live, 0, "and no live container is asked");
	ok(kit.begun, "which is noted");
	wipe(kit.dir);
	is_int(kit_reopen(), 5, "lost in the same boot, it is collected");
	kit.world.boot_id = "6f1c1f4e-0000-0000-0000-000000000002";
	kit.begun = false;
	is_int(kit_reopen(), 0, "a folder that outlives the boot is emptied");
	ok(kit.begun, "and it is noted that this boot has a ledger");
	kit.asked_live = 0;
	l = kit_open();
	kit_add(l, "a", 77, NULL);
	ledger_close(l);
	is_int(kit_reopen(), 1, "then it is used");
	is_int(kit.asked_live, 0, "without any being asked");
}

static void plant(const char *name, const char *what)
{
	unlinkat(kit.dir, name, 0);
	if (symlinkat(what, kit.dir, name) < 0)
		ok(false, "plant %s: %s", name, strerror(errno));
}

static void test_planted(void)
{
	struct error err = { 0 };
	struct ledger *l = NULL;
	struct stat st;
	int fd;

	fill_five();
	kit_write("victim", "precious", 8);
	plant("usage", "victim");
	is_int(kit_reopen(), 5, "a symlink for usage");
	plant("usage.tmp", "victim");
	unlinkat(kit.dir, "usage", 0);
	is_int(kit_reopen(), 5, "a symlink for usage.tmp");
	unlinkat(kit.dir, "usage", 0);
	is_int(linkat(kit.dir, "victim", kit.dir, "usage", 0), 0, "a hard link for usage");
	is_int(kit_reopen(), 5, "is not written through");
	plant("containers/oci:c3", "../victim");
	plant("containers/.tmp", "../victim");
	l = kit_open();
	is_int(ledger_sweep(l, true, NULL), 0, "symlinks for a record and for .tmp");
	is_int(kit_count(l), 5, "are replaced");
	unlinkat(kit.dir, "containers/.tmp", 0);
	is_int(mkdirat(kit.dir, "containers/.tmp", 0700), 0, "a folder for .tmp");
	is_int(kit_add(l, "c6", 6, &err), 0, "is put aside %s", err.text);
	is_int(mkdirat(kit.dir, "containers/oci:c7", 0700), 0, "a folder for a record");
	is_int(kit_add(l, "c7", 7, &err), 0, "is put aside %s", err.text);
	is_int(mkfifoat(kit.dir, "containers/oci:c8", 0600), 0, "a fifo for a record");
	is_int(kit_add(l, "c8", 8, &err), 0, "is put aside %s", err.text);
	is_int(kit_count(l), 8, "eight now");
	ledger_close(l);
	for (int i = 0; i < 3; i++) {
		char c[16];

		snprintf(c, sizeof(c), "c%d", 6 + i);
		kit_make_live(c, (uint64_t)(6 + i));
	}
	fd = openat(kit.dir, "containers", O_RDONLY | O_DIRECTORY);
	wipe(fd);
	close(fd);
	unlinkat(kit.dir, "containers", AT_REMOVEDIR);
	is_int(mkdirat(kit.dir, "elsewhere", 0700), 0, "a symlink for containers/");
	plant("containers", "elsewhere");
	is_int(kit_reopen(), 8, "is not followed");
	is_int(entries("elsewhere"), 0, "nothing is written there");
	fd = openat(kit.dir, "damaged", O_RDONLY | O_DIRECTORY);
	wipe(fd);
	close(fd);
	unlinkat(kit.dir, "damaged", AT_REMOVEDIR);
	plant("damaged", "elsewhere");
	kit_write("usage", "x", 1);
	is_int(kit_reopen(), 8, "a symlink for damaged/");
	is_int(entries("elsewhere"), 0, "nothing is written there");
	unlinkat(kit.dir, "usage", 0);
	is_int(mkfifoat(kit.dir, "usage", 0600), 0, "a fifo for usage");
	is_int(kit_reopen(), 8, "is not waited for");

	fstatat(kit.dir, "victim", &st, 0);
	is_int(st.st_size, 8, "the victim is untouched");
	plant("lock", "victim");
	is_int(ledger_open(kit.dir, &kit.topology, &kit.world, 100, &l, &err), -ELOOP,
	       "a symlink for the lock is refused");
	is_str(err.text, "ledger: open lock: Too many levels of symbolic links", "and named");
	unlinkat(kit.dir, "lock", 0);
	is_int(linkat(kit.dir, "victim", kit.dir, "lock", 0), 0, "so is a hard link");
	is_int(ledger_open(kit.dir, &kit.topology, &kit.world, 100, &l, &err), -EPERM, "%s", err.text);
	unlinkat(kit.dir, "lock", 0);
	is_int(fchmod(kit.dir, 0750), 0, "a folder that others may look into");
	is_int(ledger_open(kit.dir, &kit.topology, &kit.world, 100, &l, &err), -EPERM, "is refused");
	is_str(err.text, "ledger: the folder is open to others (mode 0750, must be 0700)", "and told");
	fchmod(kit.dir, 0700);
	is_int(kit_reopen(), 8, "and well again");
}

/* Whether the file @path in the ledger's folder is what it was. */
static bool is_same(const char *path, const char *was, size_t len)
{
	cleanup_free char *text = NULL;
	ssize_t n = file_read_all(kit.dir, path, 1U << 20, &text);

	return n == (ssize_t)len && memcmp(text, was, len) == 0;
}

static bool is_own_file(const char *path)
{
	struct stat st;

	return fstatat(kit.dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1;
}

/* What is planted could be believed: files of a ledger, but not this one's own. */
static void test_planted_good(void)
{
	static const char *const how[] = { "a symlink to", "a hard link of" };
	struct error err = { 0 };

	for (int i = 0; i < 2; i++) {
		cleanup_free char *usage = NULL;
		struct ledger *l;
		size_t len;

		fill_five();
		usage = kit_bytes(&len);
		is_int(renameat(kit.dir, "usage", kit.dir, "twin"), 0, "%s a good usage", how[i]);
		is_int(i ? linkat(kit.dir, "twin", kit.dir, "usage", 0) : symlinkat("twin", kit.dir, "usage"), 0,
		       "%s a good usage is planted", how[i]);
		l = kit_open();
		ok(kit_says(l, "damaged/usage.0"), "%s a good usage: is set aside", how[i]);
		is_int(kit_add(l, "c6", 6, &err), 0, "%s a good usage: the ledger goes on (%s)", how[i], err.text);
		is_int(kit_count(l), 6, "%s a good usage: with all that are there", how[i]);
		ledger_close(l);
		ok(is_same("twin", usage, len), "%s a good usage: which is not written to", how[i]);
		ok(is_own_file("usage"), "%s a good usage: there is one of its own", how[i]);
	}
	fill_five();
	is_int(renameat(kit.dir, "containers/oci:c3", kit.dir, "c3"), 0, "a symlink to a good record");
	plant("containers/oci:c3", "../c3");
	ok(kit_has("c3"), "a symlink to a good record: the live container brings its own");
	ok(is_own_file("containers/oci:c3"), "a symlink to a good record: in a file of its own");
	is_int(kit_reopen(), 5, "a symlink to a good record: all are there");
}

/* Where @id lived, as text; "-": not known. */
static const char *home_of(const struct ledger *l, const char *runtime_class, const char *id)
{
	static char text[200];
	struct idset nodes;

	if (!ledger_home(l, runtime_class, id, &nodes))
		return "-";
	idset_format(&nodes, text, sizeof(text));
	return text;
}

/* Adds @id to class "oci" or another, on @nodes. */
static void live_on(struct ledger *l, const char *runtime, const char *id, uint64_t inode, const char *nodes)
{
	cleanup_record struct record r = { 0 };
	struct error err = { 0 };

	kit_record(id, inode, &r);
	strcpy(r.runtime, runtime);
	idset_parse_kernel(nodes, &r.placement.nodes, NULL);
	is_int(ledger_add(l, strcmp(runtime, "lxc") == 0 ? "lxc" : "oci", &r, &err), 0, "home: %s is added %s", id, err.text);
}

static void test_home(void)
{
	struct error err = { 0 };
	struct idset many;
	struct ledger *l;

	kit_fresh();
	l = kit_open();
	live_on(l, "runc", "a", 1, "2-3");
	is_str(home_of(l, "oci", "a"), "-", "home: who lives has none");
	kit_remove(l, "oci", "a", &err);
	is_str(home_of(l, "oci", "a"), "2-3", "home: who has ended has");
	is_str(home_of(l, "oci", "b"), "-", "home: others have none");
	is_str(home_of(l, "lxc", "a"), "-", "home: nor has another class");
	live_on(l, "crun", "a", 2, "5");
	kit_remove(l, "oci", "a", &err);
	is_str(home_of(l, "oci", "a"), "5", "home: the last one counts");
	live_on(l, "runc", "a", 3, "1");
	ledger_remove_cgroup(l, "oci", "a", 3, &err);
	is_str(home_of(l, "oci", "a"), "5", "home: where it could not start is none");
	live_on(l, "runc", "swept-away", 4, "6");
	kit_fate(4, LIFE_GONE, 0);
	is_int(ledger_sweep(l, true, &err), 1, "home: one is swept away");
	is_str(home_of(l, "oci", "swept-away"), "6", "home: it has one, too");
	live_on(l, "lxc", "c", 5, "4");
	kit_remove(l, "lxc", "c", &err);
	is_str(home_of(l, "lxc", "c"), "-", "home: LXC's own configuration has it");
	ledger_close(l);

	l = kit_open();
	is_str(home_of(l, "oci", "a"), "5", "home: opened again, it is there");
	ledger_close(l);
	kit.world.boot_id = "6f1c1f4e-0000-0000-0000-000000000002";
	l = kit_open();
	is_str(home_of(l, "oci", "a"), "-", "home: after a reboot it is not");
	idset_clear(&many);
	for (unsigned int i = 0; i < 512; i++)
		idset_add(&many, i * 2);
	{
		cleanup_record struct record r = { 0 };

		kit_record("a", 6, &r);
		r.placement.nodes = many;
		is_int(ledger_add(l, "oci", &r, &err), 0, "home: on very many nodes %s", err.text);
		is_int(kit_remove(l, "oci", "a", &err), 0, "home: they are too many to keep %s", err.text);
		is_str(home_of(l, "oci", "a"), "-", "home: so there is none");
	}
	ledger_close(l);
}

/* Their number is bounded, whoever comes is not mistaken for another, and what is planted is no home. */
static void test_homes_of_many(void)
{
	static const char *const planted[] = { "", "x", "6f1c1f4e-0000-0000-0000-000000000001 2",
					       "6f1c1f4e-0000-0000-0000-000000000001 2 b",
					       "6f1c1f4e-0000-0000-0000-000000000001 9999999 a",
					       "/etc/passwd" };
	struct error err = { 0 };
	unsigned int kept = 0, wrong = 0;
	char id[20], name[24] = "";
	struct ledger *l;

	kit_fresh();
	l = kit_open();
	for (unsigned int i = 0; i < 3000; i++) {
		cleanup_record struct record r = { 0 };

		snprintf(id, sizeof(id), "c%u", i);
		kit_record(id, i + 1, &r);
		idset_clear(&r.placement.nodes);
		idset_add(&r.placement.nodes, i % 8);
		if (ledger_add(l, "oci", &r, &err) < 0 || kit_remove(l, "oci", id, &err) < 0)
			wrong++;
	}
	for (unsigned int i = 0; i < 3000; i++) {
		struct idset nodes;

		snprintf(id, sizeof(id), "c%u", i);
		if (!ledger_home(l, "oci", id, &nodes))
			continue;
		kept++;
		wrong += idset_count(&nodes) != 1 || !idset_has(&nodes, i % 8);
	}
	is_int(wrong, 0, "homes: of 3,000, each is its own %s", err.text);
	ok(kept > 800 && kept <= 1024 && kept == entries("homes"), "homes: of the last %u of 3,000", kept);
	is_str(home_of(l, "oci", "c2999"), "7", "homes: the last is among them");
	ledger_close(l);

	kit_fresh();
	l = kit_open();
	live_on(l, "runc", "a", 1, "2");
	kit_remove(l, "oci", "a", &err);
	snprintf(name, sizeof(name), "homes/%03x", (unsigned int)(crc32_of("a", 1) % 1024));
	is_str(home_of(l, "oci", "a"), "2", "home: kept as %s", name);
	for (size_t i = 0; i < ARRAY_SIZE(planted); i++) {
		unlinkat(kit.dir, name, 0);
		if (*planted[i])
			is_int(symlinkat(planted[i], kit.dir, name), 0, "planted home: \"%s\"", planted[i]);
		else
			kit_write(name, "6f1c1f4e-0000-0000-0000-000000000001 2 a", 41);
		is_str(home_of(l, "oci", "a"), "-", "planted home: \"%s\" is none", planted[i]);
	}
	live_on(l, "runc", "a", 2, "3");
	kit_remove(l, "oci", "a", &err);
	is_str(home_of(l, "oci", "a"), "3", "planted home: the next takes its place");
	unlinkat(kit.dir, name, 0);
	mkdirat(kit.dir, name, 0700);
	live_on(l, "runc", "a", 3, "4");
	is_int(kit_remove(l, "oci", "a", &err), 0, "planted home: with a folder there, it is removed all the same");
	is_str(home_of(l, "oci", "a"), "-", "planted home: and has none");
	is_int(unlinkat(kit.dir, name, AT_REMOVEDIR) | unlinkat(kit.dir, "homes", AT_REMOVEDIR), 0, "planted homes: away");
	is_int(mkdirat(kit.dir, "elsewhere", 0700) | symlinkat("elsewhere", kit.dir, "homes"), 0, "planted homes: a link");
	live_on(l, "runc", "a", 4, "5");
	is_int(kit_remove(l, "oci", "a", &err), 0, "planted homes: it is removed all the same");
	is_int(entries("elsewhere"), 0, "planted homes: and nothing is written there");
	ledger_close(l);
}

int main(void)
{
	test_basics();
	test_names();
	test_release();
	test_ended();
	test_twins();
	test_sweep();
	test_refusals();
	test_boot_and_growth();
	test_usage_damaged();
	test_record_damaged();
	test_lost();
	test_rebuild_in_steps();
	test_first_of_a_boot();
	test_planted();
	test_planted_good();
	test_home();
	test_homes_of_many();
	kit_end();
	return done();
}
