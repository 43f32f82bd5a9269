/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counters: many processes at once lose nothing, and a file that is cut or
 * not ours is left alone.
 */
#include "plugin/counters.h"
#include "plugin/util.h"
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
	is_int(counters_read(dir, &c, NULL), 0, "they can be read");
	for (int i = 0; i < COUNTERS; i++)
		is_int(c.count[i], PROCESSES * EACH / COUNTERS, "all of kind %d are counted", i);
	for (int i = 0; i < COUNTERS_BUCKETS; i++)
		sum += c.bucket[i];
	is_int(c.all, PROCESSES * EACH * 3 / 4, "releases have no time");
	is_int(sum, c.all, "each of the others has its bucket");
	is_int(c.bucket[0], 2 * PROCESSES, "bounds are part of what they bound: 0 and 1 ms");
}

static void odd_files(int dir)
{
	struct counters c;
	int fd;

	unlinkat(dir, "counters", 0);
	is_int(counters_read(dir, &c, NULL), -ENOENT, "none: -ENOENT");
	fd = openat(dir, "counters", O_WRONLY | O_CREAT, 0600);
	if (write(fd, "short", 5) != 5)
		ok(false, "written");
	close(fd);
	counters_add(dir, COUNT_PLACED, 1);
	is_int(counters_read(dir, &c, NULL), -EBADMSG, "one that was cut is no bus error, and is told");
	unlinkat(dir, "counters", 0);
	is_int(symlinkat("elsewhere", dir, "counters"), 0, "a symlink in its place");
	counters_add(dir, COUNT_PLACED, 1);
	ok(faccessat(dir, "elsewhere", F_OK, 0) < 0, "a symlink is not followed");
	unlinkat(dir, "counters", 0);
	is_int(mkfifoat(dir, "counters", 0600), 0, "a FIFO in its place");
	counters_add(dir, COUNT_PLACED, 1);
	ok(true, "is not waited for");
	unlinkat(dir, "counters", 0);
	counters_add(dir, COUNT_PLACED, 1);
	is_int(linkat(dir, "counters", dir, "elsewhere", 0), 0, "a second name");
	counters_add(dir, COUNT_PLACED, 1);
	is_int(counters_read(dir, &c, NULL), 0, "it can be read");
	is_int(c.count[COUNT_PLACED], 1, "a file with two names is not written to");
	unlinkat(dir, "elsewhere", 0);
	counters_add(dir, COUNT_PLACED, 1);
	counters_read(dir, &c, NULL);
	is_int(c.count[COUNT_PLACED], 2, "one with its own name is");
	unlinkat(dir, "counters", 0);
	counters_add(-1, COUNT_PLACED, 1);
	ok(true, "no folder is no crash");
}

int main(void)
{
	char path[] = "/tmp/numaplace-counters.XXXXXX";
	int dir = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY) : -1;

	many(dir);
	odd_files(dir);
	is_int(counters_of(0), COUNT_PLACED, "0 is placed");
	is_int(counters_of(-ENOSPC), COUNT_REFUSED, "-ENOSPC is a refusal");
	is_int(counters_of(-EIO), COUNT_FAILED, "-EIO is a failure");
	close(dir);
	rmdir(path);
	return done();
}
