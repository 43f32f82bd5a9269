/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hundred thousand transactions of the ledger, each in one opening, as in a hook: the size of the folder, memory and
 * descriptors stay constant.
 */
#include "tests/unit/ledger-kit.h"

#include <sys/resource.h>
#include <time.h>

#ifdef __SANITIZE_ADDRESS__
#define TRANSACTIONS 10000
#define MEMORY_KIB (256 << 10) /* a sanitizer keeps freed memory for a while */
#else
#define TRANSACTIONS 100000
#define MEMORY_KIB 1024
#endif
#define LIVE_MAX 50

static unsigned int entries(const char *path)
{
	int fd = openat(kit.dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	unsigned int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n > 2 ? n - 2 : 0;
}

static unsigned int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static long memory_kib(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return r.ru_maxrss;
}

static off_t size_of(const char *path)
{
	struct stat st;

	return fstatat(kit.dir, path, &st, 0) < 0 ? -1 : st.st_size;
}

/* One start or stop of a container, as in a hook; the number of live containers is bounded. */
static int transact(uint64_t *seed, int *messages)
{
	cleanup_ledger struct ledger *l = NULL;
	uint64_t inode = 1 + random_below(seed, LIVE_MAX);
	char id[16];
	int r;

	if (ledger_open(kit.dir, &kit.topology, &kit.world, 5000, &l, NULL) < 0)
		return -1;
	snprintf(id, sizeof(id), "c%u", (unsigned int)inode);
	if (random_below(seed, 2))
		r = kit_add(l, id, inode, NULL);
	else
		r = kit_remove(l, "oci", id, NULL);
	if (r == 0 && random_below(seed, 8) == 0)
		r = ledger_sweep(l, false, NULL) < 0 ? -1 : 0;
	*messages += ledger_message(l, 0) != NULL;
	return r == -ENOENT ? 0 : r;
}

int main(void)
{
	int failed = 0, messages = 0;
	unsigned int fds, files = 0;
	struct timespec start, end;
	uint64_t seed = 4711;
	long memory = 0;
	off_t size;

	kit_fresh();
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < TRANSACTIONS / 10; i++)
		failed += transact(&seed, &messages) != 0;
	fds = descriptors();
	memory = memory_kib();
	size = size_of("usage");
	for (int i = TRANSACTIONS / 10; i < TRANSACTIONS; i++) {
		failed += transact(&seed, &messages) != 0;
		if (i % 1000 == 0 && entries("containers") > files)
			files = entries("containers");
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	is_int(failed, 0, "soak: %d transactions without failure, %.0f us each", TRANSACTIONS,
	       ((double)(end.tv_sec - start.tv_sec) * 1e6 + (double)(end.tv_nsec - start.tv_nsec) / 1e3) /
		       TRANSACTIONS);
	is_int(messages, 0, "soak: nothing was damaged or recounted");
	is_int(descriptors(), fds, "soak: number of descriptors as after the first tenth");
	ok(memory_kib() - memory <= MEMORY_KIB, "soak: memory as after the first tenth: %ld KiB, %ld now", memory,
	   memory_kib());
	is_int(size_of("usage"), size, "soak: size of the sums as after the first tenth");
	ok(files <= LIVE_MAX, "soak: no more files than live containers: %u", files);
	ok(entries("homes") && entries("homes") <= LIVE_MAX, "soak: no more homes than ids: %u", entries("homes"));
	is_int(entries("."), 5, "soak: the folder has format, lock, usage, containers and homes only");
	ok(kit_reopen() >= 0, "soak: the sums match the files");
	kit_end();
	return done();
}
