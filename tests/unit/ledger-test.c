/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger: added containers are found, dead ones are dropped, the sums always match the records; and damaged,
 * planted or lost files are noticed and repaired.
 */
#include "plugin/base/crc32.h"
#include "plugin/ledger/lock.h"
#include "plugin/ledger/slots.h"
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
	is_int(ledger_usage(l)->containers, 0, "new ledger: empty");
	is_int(ledger_usage(l)->cpu_ids, KIT_CPUS, "new ledger: sized for the machine's CPUs");
	ok(!ledger_message(l, 0), "new ledger: no message");
	is_int(ledger_find(l, "oci", "a", &r, &err), -ENOENT, "new ledger: nothing is found");
	is_int(kit_remove(l, "oci", "a", &err), -ENOENT, "new ledger: nothing can be removed");
	is_int(ledger_open(kit.dir, &kit.topology, &kit.world, 10, &second, &err), -EDEADLK,
	       "a second opening in one process is refused");
	is_int(kit_add(l, "a", 1, &err), 0, "add: a container %s", err.text);
	is_int(kit_count(l), 1, "add: sums of one container");
	ledger_close(l);
	before = kit_bytes(&len);

	l = kit_open();
	ok(!ledger_message(l, 0), "second opening: no message");
	is_int(kit_count(l), 1, "second opening: the container is there");
	kit_record("a", 1, &want);
	is_int(ledger_find(l, "oci", "a", &r, &err), 0, "second opening: the container is found");
	ok(same_record(&want, &r), "second opening: the record is unchanged");
	is_int(ledger_find(l, "lxc", "a", &none, &err), -ENOENT, "find: another runtime class has another container");
	is_int(kit_add(l, "a", 1, &err), 0, "add: the same container again");
	is_int(kit_count(l), 1, "add: the same container counts once");
	is_int(kit_add(l, "b", 2, &err), 0, "add: a second container");
	is_int(kit_count(l), 2, "add: two containers are counted");
	is_int(kit_remove(l, "oci", "b", &err), 0, "remove: the second container");
	ledger_close(l);
	after = kit_bytes(&len2);
	ok(len && len == len2 && memcmp(before, after, len) == 0, "remove after add: the sums have the same bytes");
	ledger_close(NULL);
}

static void test_names(void)
{
	static const char *const ids[] = { "a", "A", ".hidden", "...", "a@1", "a:b", "a+b", "a_-.", "_" };
	static const char *const hostile[] = { "a/b", "..", ".", "", "new\nline", "../../etc/passwd", "%41", "\xff\x01",
					       "a~1", "sp ace", "\xc3\xa9", "$(a)", "-a" };
	char id[256];
	struct error err = { 0 };
	int bad = 0;
	struct ledger *l;

	kit_fresh();
	l = kit_open();
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		bad += kit_add(l, ids[i], i + 1, &err) != 0;
	is_int(bad, 0, "ids: unusual ids are added %s", err.text);
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++)
		bad += kit_add(l, hostile[i], 100 + i, &err) != -EINVAL;
	is_int(bad, 0, "ids: invalid ids are refused");
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		cleanup_record struct record r = { 0 };

		bad += ledger_find(l, "oci", ids[i], &r, &err) != 0 || strcmp(r.id, ids[i]) != 0;
	}
	is_int(bad, 0, "ids: each unusual id is found");
	is_int(kit_count(l), ARRAY_SIZE(ids), "ids: all are counted");
	is_int(faccessat(kit.dir, "containers/oci:%2E..", F_OK, 0), 0,
	       "ids: a leading dot is escaped in the file name");
	is_int(faccessat(kit.dir, "containers/oci:a%401", F_OK, 0), 0,
	       "ids: other characters than letters and digits are escaped in the file name");
	memset(id, 'x', sizeof(id));
	id[NAME_ID_MAX] = '\0';
	is_int(kit_add(l, id, 50, &err), 0, "ids: the longest id");
	id[NAME_ID_MAX] = 'x';
	id[255] = '\0';
	is_int(kit_remove(l, "oci", id, &err), -ENAMETOOLONG, "ids: 255 bytes are too long to remove");
	ok(strstr(err.text, "too long for a file name") != NULL, "ids: message for a too long id: %s", err.text);
	is_int(kit_remove(l, "OCI/..", "a", &err), -EINVAL, "remove: an invalid class");
	is_int(kit_remove(l, "", "a", &err), -EINVAL, "remove: an empty class");
	is_int(kit_remove(l, "oci", "", &err), -EINVAL, "remove: an empty id");
	{
		cleanup_record struct record r = { 0 };

		kit_record("a", 1, &r);
		is_int(ledger_add(l, "lxc", &r, &err), -EINVAL, "add: a runtime of another class is refused");
		strcpy(r.runtime, "lxc");
		is_int(ledger_add(l, "lxc", &r, &err), 0, "add: a runtime of its own class");
		is_int(kit_remove(l, "lxc", "a", &err), 0, "remove: by class");
		idset_add(&r.placement.share.cpus, KIT_CPUS);
		is_int(ledger_add(l, "lxc", &r, &err), -ERANGE, "add: CPUs beyond the machine are refused");
		is_int(kit_count(l), ARRAY_SIZE(ids) + 1, "add: a refused record changes nothing");
	}
	ledger_close(l);
}

/* A release by id alone: the container with this id may be another root's, namespace's or user's. */
static void test_release(void)
{
	struct error err = { 0 };
	struct ledger *l;

	kit_fresh();
	l = kit_open();
	kit_add(l, "web", 1, &err);
	is_int(ledger_remove(l, "oci", "web", &err), 0, "release: an id whose only container is alive");
	is_int(kit_count(l), 1, "release: a live container stays");
	kit_fate(1, LIFE_PENDING, 0);
	is_int(ledger_remove(l, "oci", "web", &err), 0, "release: an id whose container is being placed");
	is_int(kit_count(l), 1, "release: a pending container stays");
	kit.nfates = 0;
	kit_fate(1, LIFE_UNKNOWN, 0);
	is_int(ledger_remove(l, "oci", "web", &err), 0, "release: an id whose container's state is unknown");
	is_int(kit_count(l), 1, "release: a container of unknown state stays");
	kit.nfates = 0;
	kit_fate(1, LIFE_GONE, 0);
	is_int(ledger_remove(l, "lxc", "web", &err), -ENOENT, "release: an id of another class");
	is_int(kit_count(l), 1, "release: the container of the other class stays");
	is_int(ledger_remove(l, "oci", "web", &err), 0, "release: an id whose container is dead");
	is_int(kit_count(l), 0, "release: a dead container is dropped");
	ledger_close(l);
}

static uint64_t told_ended;

static int hear_ended(void *arg, const struct record *r, struct error *err)
{
	(void)arg;
	told_ended = told_ended * 10 + r->cgroup_inode;
	return told_ended == 2 ? error_set(err, -EIO, "its mark stays") : 0;
}

/* The callback is called once for each container that has ended, and for no other. */
static void test_ended(void)
{
	struct error err = { 0 };
	struct ledger *l;

	kit_fresh();
	kit.liveness.ended = hear_ended;
	l = kit_open();
	for (uint64_t inode = 1; inode <= 4; inode++)
		kit_add(l, inode < 3 ? "a" : "b", inode, &err);
	kit_fate(2, LIFE_GONE, 0);
	kit_fate(3, LIFE_GONE, 0);
	is_int(ledger_remove(l, "oci", "a", &err), -EIO, "ended: an error of the callback fails the release");
	is_int(told_ended, 2, "ended: the callback gets the dead container");
	is_int(ledger_remove(l, "oci", "a", &err), 0, "ended: the release is repeated");
	is_int(told_ended, 22, "ended: the callback gets the same container again");
	ledger_remove_cgroup(l, "oci", "a", 1, &err);
	is_int(told_ended, 22, "ended: no callback for a placement that failed");
	ledger_sweep(l, true, &err);
	is_int(told_ended, 223, "ended: the callback gets a container that is swept");
	is_int(kit_count(l), 1, "ended: one container is left");
	ledger_close(l);
}

static uint64_t given_back;

static int hear_given_back(void *arg, const struct record *r, struct error *err)
{
	(void)arg;
	given_back = given_back * 10 + r->cgroup_inode;
	return r->cgroup_inode == 4 ? error_set(err, -EIO, "a list stays") : 0;
}

static void add_partition(struct ledger *l, const char *id, uint64_t inode)
{
	cleanup_record struct record r = { 0 };
	struct error err = { 0 };

	kit_record(id, inode, &r);
	r.partition = inode == 3 ? PARTITION_MEMBER : PARTITION_ROOT;
	r.request.irq = inode == 3 ? IRQ_AWAY : IRQ_NONE;
	r.request.given |= 1U << KEY_CPU_IRQ;
	is_int(ledger_add(l, "oci", &r, &err), 0, "partition %d: is added", (int)inode);
}

static void add_plain(struct ledger *l, const char *id, uint64_t inode)
{
	cleanup_record struct record r = { 0 };
	struct error err = { 0 };

	kit_record(id, inode, &r);
	r.request.irq = IRQ_NONE;
	is_int(ledger_add(l, "oci", &r, &err), 0, "partition: a container without one is added");
}

/* The CPUs of a partition are given back in each way in which a record is dropped. c has moved interrupts only. */
static void test_given_back(void)
{
	struct error err = { 0 };
	struct ledger *l;

	kit_fresh();
	kit.liveness.give_back = hear_given_back;
	l = kit_open();
	for (uint64_t inode = 1; inode <= 4; inode++)
		add_partition(l, (const char *[]){ "a", "b", "c", "d" }[inode - 1], inode);
	add_plain(l, "e", 5);
	add_partition(l, "a", 1);
	is_int(given_back, 0, "partition: nothing is given back while the containers live");
	is_int(ledger_remove_cgroup(l, "oci", "a", 1, &err), 0, "partition: a placement that failed is dropped");
	is_int(given_back, 1, "partition: its CPUs are given back");
	for (uint64_t inode = 2; inode <= 5; inode++)
		kit_fate(inode, LIFE_GONE, 0);
	is_int(ledger_remove(l, "oci", "b", &err), 0, "partition: a container is released");
	is_int(given_back, 12, "partition: its CPUs are given back");
	add_partition(l, "c", 6);
	is_int(given_back, 123, "partition: a successor with the same id takes its place: the CPUs are given back");
	is_int(ledger_sweep(l, true, &err), 2, "partition: two containers are swept, although the CPUs of one cannot be given back");
	is_int(given_back, 1234, "partition: the CPUs are given back, and nothing for a container that is not one");
	is_int(kit_count(l), 1, "partition: one container is left");
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
	is_int(failed, 0, "twins: %d containers with one id are added", LEDGER_SLOTS);
	is_int(kit_count(l), all, "twins: all are counted");
	is_int(kit_add(l, "a", all + 1, &err), -EBUSY, "twins: one more is refused");
	is_int(ledger_find_cgroup(l, "oci", "a", 37, &r, &err), 0, "twins: find by cgroup");
	is_int(r.cgroup_inode, 37, "twins: find by cgroup returns that container");
	record_free(&r);
	is_int(ledger_find_cgroup(l, "oci", "a", all + 1, &r, &err), -ENOENT, "twins: find by an unknown cgroup");
	is_int(ledger_remove(l, "oci", "a", &err), 0, "twins: release by id while all are alive");
	is_int(kit_count(l), all, "twins: release by id drops no live container");
	kit_fate(1, LIFE_GONE, 0);
	kit_fate(4, LIFE_GONE, 12345); /* with a change that the sums do not have */
	kit_fate(all, LIFE_GONE, 0);
	is_int(kit_add(l, "a", all + 1, &err), 0, "twins: a new container replaces a dead one");
	is_int(kit_count(l), all, "twins: the number is unchanged after a replacement");
	is_int(ledger_remove(l, "oci", "a", &err), 0, "twins: release by id drops the dead");
	is_int(kit_count(l), all - 2, "twins: two dead containers were dropped, one was replaced");
	is_int(ledger_remove_cgroup(l, "oci", "a", all + 1, &err), 0, "twins: remove by cgroup");
	is_int(ledger_remove_cgroup(l, "oci", "a", all + 1, &err), -ENOENT, "twins: remove by cgroup a second time");
	is_int(kit_count(l), all - 3, "twins: one less after remove by cgroup");
	is_int(ledger_find(l, "oci", "a", &r, &err), 0, "twins: find by id");
	record_free(&r);
	memset(&r, 0, sizeof(r));
	for (uint64_t inode = 17; inode <= all; inode += 17)
		kit_fate(inode, LIFE_GONE, 0);
	is_int(ledger_sweep(l, true, &err), all / 17, "twins: a sweep drops the dead");
	ledger_close(l);
	is_int(kit_reopen(), all - 3 - all / 17, "twins: count after a sweep and a new opening");
	l = kit_open();
	failed = 0;
	for (uint64_t inode = 2; inode < all; inode++)
		if (inode != 4 && inode % 17)
			failed += ledger_remove_cgroup(l, "oci", "a", inode, &err) != 0;
	is_int(failed, 0, "twins: the others are removed by cgroup");
	is_int(kit_count(l), 0, "twins: the ledger is empty");
	ledger_close(l);
}

static int add_in(struct ledger *l, const char *id, uint64_t inode, const char *cgroup, struct error *err)
{
	cleanup_record struct record r = { 0 };

	kit_record(id, inode, &r);
	free(r.cgroup);
	r.cgroup = strdup(cgroup);
	return ledger_add(l, "oci", &r, err);
}

/* The place of a container that has no cgroup yet: inode 0. */
static void test_reservations(void)
{
	cleanup_record struct record r = { 0 };
	struct error err = { 0 };
	struct ledger *l;

	kit_fresh();
	l = kit_open();
	is_int(add_in(l, "a", 0, "/pod/a", &err), 0, "reservations: a container is reserved");
	is_int(add_in(l, "b", 0, "/pod/b", &err), 0, "reservations: so is another one");
	is_int(kit_count(l), 2, "reservations: both are counted");
	is_int(add_in(l, "a", 0, "/pod/a", &err), 0, "reservations: the first one is reserved again");
	is_int(kit_count(l), 2, "reservations: and counted once");
	is_int(add_in(l, "a", 6, "/pods/a", &err), 0, "reservations: another container has its id, in another cgroup");
	is_int(kit_count(l), 3, "reservations: that one does not use the reservation");
	is_int(ledger_remove_cgroup(l, "oci", "a", 6, &err), 0, "reservations: that one is removed alone");
	is_int(add_in(l, "a", 7, "/pod/a", &err), 0, "reservations: it gets a cgroup");
	is_int(kit_count(l), 2, "reservations: the record replaces the reservation");
	is_int(ledger_find_cgroup(l, "oci", "a", 0, &r, &err), -ENOENT, "reservations: which is gone");
	is_int(ledger_find_cgroup(l, "oci", "b", 0, &r, &err), 0, "reservations: the other one is not");
	ok(record_is_reserved(&r), "reservations: it has no cgroup");
	record_free(&r);
	is_int(add_in(l, "b", 8, "/pod/b", &err), 0, "reservations: it gets one, too");
	is_int(add_in(l, "b", 0, "/pod/b", &err), 0, "reservations: its id is reserved once more, for another container");
	is_int(add_in(l, "b", 8, "/pod/b", &err), 0, "reservations: the first one changes");
	is_int(kit_count(l), 3, "reservations: that does not use the reservation");
	is_int(ledger_remove_cgroup(l, "oci", "b", 0, &err), 0, "reservations: it is removed alone");
	is_int(ledger_remove_cgroup(l, "oci", "b", 8, &err), 0, "reservations: the container is still recorded, once");
	ledger_close(l);
	is_int(kit_reopen(), 1, "reservations: a new opening counts the rest");
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
	is_int(ledger_sweep(l, false, &err), 0, "sweep: live containers are kept");
	kit_fate(1, LIFE_GONE, 0);
	kit_fate(2, LIFE_PENDING, 0);
	kit_fate(3, LIFE_UNKNOWN, 0);
	is_int(ledger_sweep(l, false, &err), 1, "sweep: a dead container is dropped");
	is_int(kit_count(l), 4, "sweep: the sums no longer have its share");
	kit_record("c2", 2, &r);
	kit.world.now = r.started + kit.world.patience;
	ledger_close(l);
	l = kit_open();
	is_int(ledger_sweep(l, false, &err), 0, "sweep: a pending container is kept within its patience");
	kit.world.now++;
	ledger_close(l);
	l = kit_open();
	is_int(ledger_sweep(l, true, &err), 1, "sweep: a pending container is dropped after its patience");
	is_int(kit_count(l), 3, "sweep: three containers are left");
	record_free(&r);
	for (uint64_t i = 3; i <= 5; i++)
		kit_fate(i, LIFE_PLACED, 4096 * i);
	kit.fate[2].seen = 77;
	is_int(ledger_sweep(l, false, &err), 0, "sweep: changes of touched memory drop nothing");
	is_int(kit_count(l), 3, "sweep: the sums follow touched memory");
	ledger_close(l);
	is_int(kit_reopen(), 3, "sweep: changes of touched memory are written");
	{
		/* whether a container has memory is random: check those that have */
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
		ok(any, "sweep: the records follow touched memory");
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

		ok(n >= 0 && n <= 16, "sweep %d drops a few: %d", i, n);
		gone += n;
		ledger_close(l);
		l = kit_open();
	}
	is_int(gone, 50, "sweep: seven sweeps have examined all 100 containers");
	is_int(kit_count(l), 50, "sweep: half of 100 containers are left");
	ledger_close(l);
}

/* @n refusals in the same second, each in an opening of its own. Returns the number of containers examined. */
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
	is_int(refused(1, &gone), 5, "refusal: all of five containers are examined");
	is_int(gone, 1, "refusal: a dead container is dropped");
	is_int(refused(20, &gone), 20 * 4, "refusal: twenty more in the same second examine all");
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
	is_int(refused(50, &gone), LEDGER_LOOKS,
	       "refusals: with 3,000 containers, fifty in a second examine no more than the limit");
	for (; gone >= 0 && gone < 30 && seconds < 100; seconds++) {
		unsigned int looks;

		kit.world.now++;
		looks = refused(5, &gone);
		most = looks > most ? looks : most;
	}
	is_int(gone, 30, "refusals: all dead containers are found in turn");
	ok(seconds <= 3000 / LEDGER_LOOKS + 1, "refusals: all dead containers are found in %d seconds", seconds);
	is_int(most, LEDGER_LOOKS, "refusals: no second exceeds the limit");
	kit.world.now -= 5;
	is_int(refused(2, &gone), LEDGER_LOOKS, "refusals: the limit holds when the clock goes back");
	is_int(kit_reopen(), 2970, "refusals: the sums are right");
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
	is_int(kit_count(l), 2, "machine with more CPUs: all containers are kept");
	is_int(ledger_usage(l)->cpu_ids, KIT_CPUS * 2, "machine with more CPUs: the arrays are larger");
	ok(kit_says(l, "recounted: 2"), "machine with more CPUs: the recount is reported");
	kit_record("c", 3, &r);
	idset_add(&r.placement.share.cpus, KIT_CPUS * 2 - 1);
	is_int(ledger_add(l, "oci", &r, NULL), 0, "machine with more CPUs: the new ones can be used");
	ledger_close(l);
	kit.topology.cpu_ids = KIT_CPUS;
	l = kit_open();
	is_int(kit_count(l), 3, "machine with fewer CPUs: all containers are kept");
	ok(!ledger_message(l, 0), "machine with fewer CPUs: no recount");
	ledger_close(l);
	unlinkat(kit.dir, "usage", 0);
	is_int(kit_reopen(), 3, "machine with fewer CPUs: a recount keeps all containers");
	kit.world.boot_id = "6f1c1f4e-0000-0000-0000-000000000002";
	kit_make_live("a", 1);
	kit.asked_live = 0;
	l = kit_open();
	is_int(kit_count(l), 0, "new boot: the ledger is empty");
	is_int(kit.asked_live, 0, "new boot: live containers are not searched");
	ledger_close(l);
}

static void test_usage_damaged(void)
{
	cleanup_free char *good = NULL, *bad = NULL, *now = NULL;
	int wrong = 0, silent = 0;
	size_t len, len2;

	kit_five();
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
	is_int(wrong, 0, "usage: each of %zu bytes flipped: a recount gives the same bytes", len);
	is_int(silent, 0, "usage: each flipped byte is reported");
	for (size_t i = 0; i < len; i++) {
		kit_write("usage", good, i);
		wrong += kit_reopen() != 5;
	}
	is_int(wrong, 0, "usage: truncated at each byte: repaired");
	memcpy(bad, good, len);
	bad[len] = 'x';
	kit_write("usage", bad, len + 1);
	is_int(kit_reopen(), 5, "usage: one byte too many: repaired");
	kit_forget_live();
	unlinkat(kit.dir, "usage", 0);
	is_int(kit_reopen(), 5, "usage: missing: recounted");
	kit_fate(2, LIFE_GONE, 0);
	unlinkat(kit.dir, "usage", 0);
	is_int(kit_reopen(), 4, "usage: missing with the boot id: dead containers are dropped");
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

	kit_five();
	len = file_read_all(kit.dir, "containers/oci:c3", 65536, &good);
	bad = malloc((size_t)len);
	/* First each byte is flipped, then the record is truncated before it. */
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
	is_int(wrong, 0, "record: each of %zd bytes flipped or truncated: restored from the live container", len);
	is_int(silent, 0, "record: each fault is reported");
	is_int(entries("damaged"), 16, "record: sixteen damaged ones are kept");

	kit_write("containers/oci:c3", "x", 1);
	l = kit_open();
	is_int(ledger_find(l, "oci", "c3", &r, NULL), 0, "record: find meets a damaged one and restores it");
	is_int(r.cgroup_inode, 3, "record: find returns the restored one");
	record_free(&r);
	memset(&r, 0, sizeof(r));
	kit_write("containers/oci:c3", "x", 1);
	is_int(kit_add(l, "c3", 3, NULL), 0, "record: add meets a damaged one");
	kit_write("containers/oci:c3", "x", 1);
	is_int(kit_remove(l, "oci", "c3", NULL), 0, "record: remove meets a damaged one");
	is_int(kit_count(l), 4, "record: the sums are right after the removal of a damaged one");
	ledger_close(l);

	kit_forget_live();
	kit_write("containers/oci:c2", "x", 1);
	l = kit_open();
	is_int(ledger_sweep(l, false, NULL), 0, "record: damaged, and not on a live cgroup: sweep");
	is_int(kit_count(l), 3, "record: damaged, and not on a live cgroup: not in the sums");
	is_int(ledger_find(l, "oci", "c2", &r, NULL), -ENOENT, "record: damaged, and not on a live cgroup: not found");
	ledger_close(l);
}

static void test_lost(void)
{
	int fd, bad;
	struct ledger *l;

	kit_five();
	fd = openat(kit.dir, "containers", O_RDONLY | O_DIRECTORY);
	wipe(fd);
	l = kit_open();
	is_int(ledger_sweep(l, false, NULL), 0, "lost: a sweep after all records were lost");
	is_int(kit_count(l), 5, "lost: all records are restored from live containers");
	ledger_close(l);
	wipe(fd);
	close(fd);
	unlinkat(kit.dir, "containers", AT_REMOVEDIR);
	l = kit_open();
	is_int(kit_count(l), 5, "lost: containers/ is restored at once");
	ledger_close(l);
	wipe(kit.dir);
	l = kit_open();
	is_int(kit_count(l), 5, "lost: the whole folder is restored");
	bad = kit_remove(l, "oci", "c1", NULL);
	is_int(bad, 0, "lost: a container is removed after the restoration");
	ledger_close(l);
	/* A mark is valid only on the cgroup that it was made for: a container may write one to a cgroup of its own. */
	kit.elsewhere = 1;
	wipe(kit.dir);
	l = kit_open();
	is_int(kit_count(l), 0, "lost: marks made for another inode are ignored");
	ok(kit_says(l, "was made for"), "lost: an ignored mark is reported");
	ledger_close(l);
	kit.elsewhere = 0;
	kit.elsewhere_path = true;
	wipe(kit.dir);
	l = kit_open();
	is_int(kit_count(l), 0, "lost: marks made for another path are ignored");
	ledger_close(l);
	kit.elsewhere_path = false;
	wipe(kit.dir);
	is_int(kit_reopen(), 5, "lost: marks on their own cgroups are used");
	l = kit_open();
	kit_remove(l, "oci", "c1", NULL);
	ledger_close(l);
	kit_write("containers/oci:c9", "", 0);
	unlinkat(kit.dir, "containers/oci:c9", 0);
	is_int(renameat(kit.dir, "containers/oci:c2", kit.dir, "containers/oci:c7"), 0,
	       "a record gets another container's name");
	l = kit_open();
	ledger_sweep(l, true, NULL);
	ok(kit_says(l, "holds another container's record"), "misnamed record: reported");
	is_int(kit_count(l), 5, "misnamed record: restored from the live container (c1 is alive as well)");
	ledger_close(l);
}

/* Lost, and rebuilt in openings that read two live containers each. */
static void test_rebuild_in_steps(void)
{
	struct error err = { 0 };
	struct ledger *l;
	int fd, openings = 0;

	kit_five();
	wipe(kit.dir);
	kit.at_once = 2;
	kit.asked_live = 0;
	for (bool ready = false; !ready && openings < 10; openings++) {
		l = kit_open();
		ready = ledger_ready(l, &err) == 0;
		is_int(kit_count(l), ready ? 5 : 2 * (openings + 1),
		       "rebuild in steps: the sums of step %d match the records", openings);
		ledger_close(l);
	}
	is_int(openings, 3, "rebuild in steps: three openings read five containers");
	is_str(err.text,
	       "ledger: its records were lost and are being collected from the live containers, 4 so far: start "
	       "the container again",
	       "rebuild in steps: no choice is made before the end");
	is_int(kit.asked_live, 3, "rebuild in steps: no container is read twice");
	is_int(kit_reopen(), 5, "rebuild in steps: all containers are there");
	is_int(kit.asked_live, 3, "rebuild in steps: no search after the end");

	wipe(kit.dir);
	l = kit_open();
	is_int(ledger_ready(l, &err), -EAGAIN, "second rebuild: not ready after the first step");
	is_int(kit_remove(l, "oci", "c1", &err), 0, "second rebuild: a container that was found is removed (%s)",
	       err.text);
	is_int(kit_add(l, "c9", 9, &err), 0, "second rebuild: a container is added before its mark is read (%s)",
	       err.text);
	is_int(kit_count(l), 2, "second rebuild: the sums follow");
	is_int(ledger_ready(l, &err), -EAGAIN, "second rebuild: still not ready");
	ledger_close(l);
	l = kit_open();
	is_int(ledger_ready(l, &err), -EAGAIN, "second rebuild: not ready after the second step");
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
	is_int(openings, 2, "records lost during a rebuild: the rebuild starts again");
	is_int(kit_count(l), 5, "records lost during a rebuild: all live containers are there");
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
	is_int(kit_count(l), 5, "record damaged during a rebuild: all live containers are there");
	ledger_close(l);
	kit.world.boot_id = "6f1c1f4e-0000-0000-0000-000000000002";
	wipe(kit.dir);
	l = kit_open();
	ledger_close(l);
	kit.world.boot_id = "6f1c1f4e-0000-0000-0000-000000000003";
	l = kit_open();
	is_int(ledger_ready(l, &err), 0, "reboot during a rebuild: ready");
	is_int(kit_count(l), 0, "reboot during a rebuild: the ledger is empty");
	ledger_close(l);
}

/* The first ledger of a boot: no cgroup can carry a record. */
static void test_first_of_a_boot(void)
{
	struct ledger *l;

	kit_five();
	wipe(kit.dir);
	kit.begun = false;
	kit.asked_live = 0;
	is_int(kit_reopen(), 0, "first ledger of a boot: empty");
	is_int(kit.asked_live, 0, "first ledger of a boot: no live container is searched");
	ok(kit.begun, "first ledger of a boot: the boot is marked");
	wipe(kit.dir);
	is_int(kit_reopen(), 5, "second ledger of a boot: rebuilt");
	kit.world.boot_id = "6f1c1f4e-0000-0000-0000-000000000002";
	kit.begun = false;
	is_int(kit_reopen(), 0, "ledger of the previous boot: emptied");
	ok(kit.begun, "ledger of the previous boot: the boot is marked");
	kit.asked_live = 0;
	l = kit_open();
	kit_add(l, "a", 77, NULL);
	ledger_close(l);
	is_int(kit_reopen(), 1, "ledger of the previous boot: used again");
	is_int(kit.asked_live, 0, "ledger of the previous boot: no live container is searched");
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

	kit_five();
	kit_write("victim", "precious", 8);
	plant("usage", "victim");
	is_int(kit_reopen(), 5, "planted: a symlink as usage is replaced");
	plant("usage.tmp", "victim");
	unlinkat(kit.dir, "usage", 0);
	is_int(kit_reopen(), 5, "planted: a symlink as usage.tmp is replaced");
	unlinkat(kit.dir, "usage", 0);
	is_int(linkat(kit.dir, "victim", kit.dir, "usage", 0), 0, "planted: a hard link as usage is made");
	is_int(kit_reopen(), 5, "planted: a hard link as usage is replaced");
	plant("containers/oci:c3", "../victim");
	plant("containers/.tmp", "../victim");
	l = kit_open();
	is_int(ledger_sweep(l, true, NULL), 0, "planted: symlinks as a record and as .tmp: sweep");
	is_int(kit_count(l), 5, "planted: symlinks as a record and as .tmp are replaced");
	unlinkat(kit.dir, "containers/.tmp", 0);
	is_int(mkdirat(kit.dir, "containers/.tmp", 0700), 0, "planted: a directory as .tmp is made");
	is_int(kit_add(l, "c6", 6, &err), 0, "planted: a directory as .tmp is quarantined %s", err.text);
	is_int(mkdirat(kit.dir, "containers/oci:c7", 0700), 0, "planted: a directory as a record is made");
	is_int(kit_add(l, "c7", 7, &err), 0, "planted: a directory as a record is quarantined %s", err.text);
	is_int(mkfifoat(kit.dir, "containers/oci:c8", 0600), 0, "planted: a FIFO as a record is made");
	is_int(kit_add(l, "c8", 8, &err), 0, "planted: a FIFO as a record is quarantined %s", err.text);
	is_int(kit_count(l), 8, "planted: the ledger has eight containers");
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
	is_int(mkdirat(kit.dir, "elsewhere", 0700), 0, "planted: the target of a symlink as containers/ is made");
	plant("containers", "elsewhere");
	is_int(kit_reopen(), 8, "planted: a symlink as containers/ is replaced");
	is_int(entries("elsewhere"), 0, "planted: nothing is written through a symlink as containers/");
	fd = openat(kit.dir, "damaged", O_RDONLY | O_DIRECTORY);
	wipe(fd);
	close(fd);
	unlinkat(kit.dir, "damaged", AT_REMOVEDIR);
	plant("damaged", "elsewhere");
	kit_write("usage", "x", 1);
	is_int(kit_reopen(), 8, "planted: a symlink as damaged/ is replaced");
	is_int(entries("elsewhere"), 0, "planted: nothing is written through a symlink as damaged/");
	unlinkat(kit.dir, "usage", 0);
	is_int(mkfifoat(kit.dir, "usage", 0600), 0, "planted: a FIFO as usage is made");
	is_int(kit_reopen(), 8, "planted: a FIFO as usage does not block");

	fstatat(kit.dir, "victim", &st, 0);
	is_int(st.st_size, 8, "planted: the victim is unchanged");
	plant("lock", "victim");
	is_int(ledger_open(kit.dir, &kit.topology, &kit.world, 100, &l, &err), -ELOOP,
	       "planted: a symlink as lock is refused");
	is_str(err.text, "ledger: open lock: Too many levels of symbolic links",
	       "planted: message for a symlink as lock");
	unlinkat(kit.dir, "lock", 0);
	is_int(linkat(kit.dir, "victim", kit.dir, "lock", 0), 0, "planted: a hard link as lock is made");
	is_int(ledger_open(kit.dir, &kit.topology, &kit.world, 100, &l, &err), -EPERM,
	       "planted: a hard link as lock is refused: %s", err.text);
	unlinkat(kit.dir, "lock", 0);
	is_int(fchmod(kit.dir, 0750), 0, "planted: the folder gets mode 0750");
	is_int(ledger_open(kit.dir, &kit.topology, &kit.world, 100, &l, &err), -EPERM,
	       "planted: a folder with mode 0750 is refused");
	is_str(err.text, "ledger: the folder is open to others (mode 0750, must be 0700)",
	       "planted: message for mode 0750");
	fchmod(kit.dir, 0700);
	is_int(kit_reopen(), 8, "planted: the ledger works again with mode 0700");
}

/* Whether the content of @path in the ledger's folder is @was. */
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

/* Planted files with valid content, which are a ledger's but not this one's own. */
static void test_planted_good(void)
{
	static const char *const how[] = { "a symlink to", "a hard link of" };
	struct error err = { 0 };

	for (int i = 0; i < 2; i++) {
		cleanup_free char *usage = NULL;
		struct ledger *l;
		size_t len;

		kit_five();
		usage = kit_bytes(&len);
		is_int(renameat(kit.dir, "usage", kit.dir, "twin"), 0, "%s a valid usage: usage is renamed", how[i]);
		is_int(i ? linkat(kit.dir, "twin", kit.dir, "usage", 0) : symlinkat("twin", kit.dir, "usage"), 0,
		       "%s a valid usage: planted", how[i]);
		l = kit_open();
		ok(kit_says(l, "damaged/usage.0"), "%s a valid usage: quarantined", how[i]);
		is_int(kit_add(l, "c6", 6, &err), 0, "%s a valid usage: a container is added (%s)", how[i], err.text);
		is_int(kit_count(l), 6, "%s a valid usage: all containers are there", how[i]);
		ledger_close(l);
		ok(is_same("twin", usage, len), "%s a valid usage: its content is unchanged", how[i]);
		ok(is_own_file("usage"), "%s a valid usage: replaced by a file of its own", how[i]);
	}
	kit_five();
	is_int(renameat(kit.dir, "containers/oci:c3", kit.dir, "c3"), 0,
	       "a symlink to a valid record: the record is renamed");
	plant("containers/oci:c3", "../c3");
	ok(kit_has("c3"), "a symlink to a valid record: restored from the live container");
	ok(is_own_file("containers/oci:c3"), "a symlink to a valid record: replaced by a file of its own");
	is_int(kit_reopen(), 5, "a symlink to a valid record: all containers are there");
}

/* The last nodes of @id, as text; "-": not known. */
static const char *home_of(const struct ledger *l, const char *runtime_class, const char *id)
{
	static char text[200];
	struct nodeset nodes;

	if (!ledger_home(l, runtime_class, id, &nodes))
		return "-";
	nodeset_format(&nodes, text, sizeof(text));
	return text;
}

/* Adds @id with the runtime @runtime on @nodes. */
static void live_on(struct ledger *l, const char *runtime, const char *id, uint64_t inode, const char *nodes)
{
	cleanup_record struct record r = { 0 };
	struct error err = { 0 };

	kit_record(id, inode, &r);
	strcpy(r.runtime, runtime);
	nodeset_parse_kernel(nodes, &r.placement.nodes, NULL);
	is_int(ledger_add(l, strcmp(runtime, "lxc") == 0 ? "lxc" : "oci", &r, &err), 0, "home: %s is added %s", id,
	       err.text);
}

static void test_home(void)
{
	struct error err = { 0 };
	struct nodeset many;
	struct ledger *l;

	kit_fresh();
	l = kit_open();
	live_on(l, "runc", "a", 1, "2-3");
	is_str(home_of(l, "oci", "a"), "-", "home: not kept for a live container");
	kit_remove(l, "oci", "a", &err);
	is_str(home_of(l, "oci", "a"), "2-3", "home: kept for a container that has ended");
	is_str(home_of(l, "oci", "b"), "-", "home: not kept for another id");
	is_str(home_of(l, "lxc", "a"), "-", "home: not kept for another class");
	live_on(l, "crun", "a", 2, "5");
	kit_remove(l, "oci", "a", &err);
	is_str(home_of(l, "oci", "a"), "5", "home: of the last container with the id");
	live_on(l, "runc", "a", 3, "1");
	ledger_remove_cgroup(l, "oci", "a", 3, &err);
	is_str(home_of(l, "oci", "a"), "5", "home: not of a placement that failed");
	live_on(l, "runc", "swept-away", 4, "6");
	kit_fate(4, LIFE_GONE, 0);
	is_int(ledger_sweep(l, true, &err), 1, "home: a container is swept");
	is_str(home_of(l, "oci", "swept-away"), "6", "home: kept for a container that was swept");
	live_on(l, "lxc", "c", 5, "4");
	kit_remove(l, "lxc", "c", &err);
	is_str(home_of(l, "lxc", "c"), "-", "home: not kept for LXC, whose configuration has it");
	ledger_close(l);

	l = kit_open();
	is_str(home_of(l, "oci", "a"), "5", "home: kept across openings");
	ledger_close(l);
	kit.world.boot_id = "6f1c1f4e-0000-0000-0000-000000000002";
	l = kit_open();
	is_str(home_of(l, "oci", "a"), "-", "home: not kept across a reboot");
	nodeset_clear(&many);
	for (unsigned int i = 0; i < 512; i++)
		nodeset_add(&many, i * 2);
	{
		cleanup_record struct record r = { 0 };

		kit_record("a", 6, &r);
		r.placement.nodes = many;
		is_int(ledger_add(l, "oci", &r, &err), 0, "home: a container on 512 nodes is added %s", err.text);
		is_int(kit_remove(l, "oci", "a", &err), 0, "home: a container on 512 nodes is removed %s", err.text);
		is_str(home_of(l, "oci", "a"), "-", "home: 512 nodes are too many to keep");
	}
	ledger_close(l);
}

/* The number of homes is bounded, ids with the same slot are not confused, and planted files are ignored. */
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
		nodeset_clear(&r.placement.nodes);
		nodeset_add(&r.placement.nodes, i % 8);
		if (ledger_add(l, "oci", &r, &err) < 0 || kit_remove(l, "oci", id, &err) < 0)
			wrong++;
	}
	for (unsigned int i = 0; i < 3000; i++) {
		struct nodeset nodes;

		snprintf(id, sizeof(id), "c%u", i);
		if (!ledger_home(l, "oci", id, &nodes))
			continue;
		kept++;
		wrong += nodeset_count(&nodes) != 1 || !nodeset_has(&nodes, i % 8);
	}
	is_int(wrong, 0, "homes: no id of 3,000 has another's %s", err.text);
	ok(kept > 800 && kept <= 1024 && kept == entries("homes"), "homes: %u of 3,000 are kept", kept);
	is_str(home_of(l, "oci", "c2999"), "7", "homes: the last one is kept");
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
			is_int(symlinkat(planted[i], kit.dir, name), 0, "planted home: \"%s\" is made", planted[i]);
		else
			kit_write(name, "6f1c1f4e-0000-0000-0000-000000000001 2 a", 41);
		is_str(home_of(l, "oci", "a"), "-", "planted home: \"%s\" is ignored", planted[i]);
	}
	live_on(l, "runc", "a", 2, "3");
	kit_remove(l, "oci", "a", &err);
	is_str(home_of(l, "oci", "a"), "3", "planted home: replaced by the next container");
	unlinkat(kit.dir, name, 0);
	mkdirat(kit.dir, name, 0700);
	live_on(l, "runc", "a", 3, "4");
	is_int(kit_remove(l, "oci", "a", &err), 0,
	       "planted home: a directory in its place does not prevent the removal");
	is_str(home_of(l, "oci", "a"), "-", "planted home: a directory in its place is ignored");
	is_int(unlinkat(kit.dir, name, AT_REMOVEDIR) | unlinkat(kit.dir, "homes", AT_REMOVEDIR), 0,
	       "planted homes: the folder is removed");
	is_int(mkdirat(kit.dir, "elsewhere", 0700) | symlinkat("elsewhere", kit.dir, "homes"), 0,
	       "planted homes: a symlink as homes/ is made");
	live_on(l, "runc", "a", 4, "5");
	is_int(kit_remove(l, "oci", "a", &err), 0, "planted homes: a symlink as homes/ does not prevent the removal");
	is_int(entries("elsewhere"), 0, "planted homes: nothing is written through a symlink");
	ledger_close(l);
}

int main(void)
{
	test_basics();
	test_names();
	test_release();
	test_ended();
	test_given_back();
	test_twins();
	test_reservations();
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
