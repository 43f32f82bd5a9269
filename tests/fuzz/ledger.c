/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ledger folder whose files are the input: `usage`, a record, and the position of the sweep. With any content, the ledger
 * can be read and opened, its sums match its files, and a container can be added and removed.
 *
 * Input: a byte of flags, two bytes of the length of `usage`, `usage`, the record.
 */
#include "tests/fuzz/fuzz.h"

#include "tests/unit/ledger-kit.h"
#include "plugin/base/crc32.h"

enum { RIGHT_USAGE = 1, RIGHT_RECORD = 2, NO_USAGE = 4, NO_RECORD = 8, OTHER_NAME = 16, TURN = 32 };

/* With a matching checksum, the ledger may use wrong sums. */
static void put_right(char *image, size_t len)
{
	uint32_t crc, mark, clean = 0x4e41454c;

	if (len < 64)
		return;
	memcpy(&mark, image + 8, sizeof(mark));
	memcpy(image + 8, &clean, sizeof(clean));
	crc = crc32_of(image, len - sizeof(crc));
	memcpy(image + 8, &mark, sizeof(mark));
	memcpy(image + len - sizeof(crc), &crc, sizeof(crc));
}

static void put_record(const char *text, size_t len, bool right, const char *path)
{
	char crc[16];
	cleanup_free char *whole = malloc(len + sizeof(crc));

	memcpy(whole, text, len);
	if (right)
		len += (size_t)sprintf(whole + len, "crc=%08x\n", crc32_of(text, len));
	kit_write(path, whole, len);
}

static int add_new(struct ledger *l, struct error *err)
{
	struct record r = { .id = "new", .runtime = "runc", .cgroup = "/new", .cgroup_inode = 4711, .started = 990,
			    .applied = "cpuset", .placement.share.count = 1 };

	idset_add(&r.placement.share.cpus, 1);
	return ledger_add(l, "oci", &r, err);
}

static void check_ledger(bool sums_forged)
{
	struct error err = { 0 };
	struct ledger *l = NULL;
	int n, r = ledger_open(kit.dir, &kit.topology, &kit.world, 1000, &l, &err);

	fuzz_check_error(r, &err);
	must(r == 0);
	r = ledger_sweep(l, true, &err);
	must(r >= 0);
	n = kit_count(l);
	must(n >= 0 || sums_forged);
	must(add_new(l, &err) == 0 || sums_forged);
	must(kit_remove(l, "oci", "new", &err) == 0 || sums_forged);
	must(sums_forged || kit_count(l) == n);
	ledger_close(l);
}

/* With any files, ledger_look() returns what it can read of them. */
static void check_look(void)
{
	struct error err = { 0 };

	for (int sums = 0; sums < 2; sums++) {
		struct ledger *l = NULL;
		int r = ledger_look(kit.dir, &kit.topology, &kit.world, 1000, sums, &l, &err);

		fuzz_check_error(r, &err);
		must(r == 0);
		must(sums || kit_count(l) >= 0);
		ledger_close(l);
	}
}

/* Like kit_fresh(), but keeps correct folders, which would take most of the time of a run. */
static void start_over(void)
{
	static const char *const files[] = { "usage", "usage.tmp", "lock", "containers/oci:web1", "containers/.tmp",
					     "containers/lxc:x%2F~3", "containers/lxc:x%2F", "containers/oci:new" };

	if (kit.dir < 0 || faccessat(kit.dir, "damaged", F_OK, 0) == 0)
		kit_fresh();
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		unlinkat(kit.dir, files[i], 0);
	mkdirat(kit.dir, "containers", 0700);
	kit.topology.cpu_ids = 16;
	kit.topology.nnodes = 2;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return atexit(kit_end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len;
	int flags;

	if (size < 3)
		return 0;
	flags = data[0];
	len = data[1] | (size_t)data[2] << 8;
	data += 3;
	size -= 3;
	if (len > size)
		len = size;
	start_over();
	if (!(flags & NO_USAGE)) {
		cleanup_free char *image = fuzz_text(data, len);

		if (flags & RIGHT_USAGE)
			put_right(image, len);
		kit_write("usage", image, len);
	}
	if (!(flags & NO_RECORD))
		put_record((const char *)data + len, size - len, flags & RIGHT_RECORD,
			   flags & OTHER_NAME ? "containers/lxc:x%2F~3" : "containers/oci:web1");
	if (flags & TURN)
		kit_write("lock", data, size < 32 ? size : 32);
	check_look();
	check_ledger(flags & RIGHT_USAGE);
	return 0;
}
