/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counters: many processes at once lose no count; a truncated or foreign file is not changed.
 */
#include "plugin/ledger/counters.h"
#include "plugin/base/util.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PROCESSES 8
#define EACH 500

static void many(int dir)
{
	struct counters c;
	uint64_t sum = 0;

	for (int p = 0; p < PROCESSES; p++)
		if (fork() == 0) {
			for (unsigned int i = 0; i < EACH; i++)
				counters_add(dir, i % COUNTERS, i * 1000);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	is_int(counters_read(dir, &c, NULL), 0, "concurrent counting: the counters can be read");
	for (int i = 0; i < COUNTERS; i++)
		is_int(c.count[i], PROCESSES * EACH / COUNTERS, "concurrent counting: no count of kind %d is lost", i);
	for (int i = 0; i < COUNTERS_BUCKETS; i++)
		sum += c.bucket[i];
	is_int(c.all, PROCESSES * EACH * 3 / 4, "concurrent counting: releases have no time");
	is_int(sum, c.all, "concurrent counting: each time is in one bucket");
	is_int(c.bucket[0], 2 * PROCESSES, "concurrent counting: upper bounds of buckets are inclusive (0 and 1 ms)");
}

static void odd_files(int dir)
{
	struct counters c;
	int fd;

	unlinkat(dir, "counters", 0);
	is_int(counters_read(dir, &c, NULL), -ENOENT, "counters_read: no file");
	fd = openat(dir, "counters", O_WRONLY | O_CREAT, 0600);
	if (write(fd, "short", 5) != 5)
		ok(false, "a short file is written");
	close(fd);
	counters_add(dir, COUNT_PLACED, 1);
	is_int(counters_read(dir, &c, NULL), -EBADMSG, "counters_read: a truncated file is reported, without SIGBUS");
	unlinkat(dir, "counters", 0);
	is_int(symlinkat("elsewhere", dir, "counters"), 0, "a symlink in place of the file");
	counters_add(dir, COUNT_PLACED, 1);
	ok(faccessat(dir, "elsewhere", F_OK, 0) < 0, "counters_add: a symlink is not followed");
	unlinkat(dir, "counters", 0);
	is_int(mkfifoat(dir, "counters", 0600), 0, "a FIFO in place of the file");
	counters_add(dir, COUNT_PLACED, 1);
	ok(true, "counters_add: does not block on a FIFO");
	unlinkat(dir, "counters", 0);
	counters_add(dir, COUNT_PLACED, 1);
	is_int(linkat(dir, "counters", dir, "elsewhere", 0), 0, "a hard link to the file is made");
	counters_add(dir, COUNT_PLACED, 1);
	is_int(counters_read(dir, &c, NULL), 0, "counters_read: a file with two hard links");
	is_int(c.count[COUNT_PLACED], 1, "counters_add: a file with two hard links is not changed");
	unlinkat(dir, "elsewhere", 0);
	counters_add(dir, COUNT_PLACED, 1);
	counters_read(dir, &c, NULL);
	is_int(c.count[COUNT_PLACED], 2, "counters_add: counts again when the second link is gone");
	unlinkat(dir, "counters", 0);
	counters_add(-1, COUNT_PLACED, 1);
	ok(true, "counters_add: ignores a missing folder");
}

int main(void)
{
	char path[] = "/tmp/numaplace-counters.XXXXXX";
	int dir = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY) : -1;

	many(dir);
	odd_files(dir);
	is_int(counters_of(0), COUNT_PLACED, "counters_of: 0 is placed");
	is_int(counters_of(-ENOSPC), COUNT_REFUSED, "counters_of: -ENOSPC is refused");
	is_int(counters_of(-EIO), COUNT_FAILED, "counters_of: -EIO is failed");
	close(dir);
	rmdir(path);
	return done();
}
