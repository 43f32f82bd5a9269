/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For the bench only: linked around the objects of oci-hook with ld's --wrap. The hook then accepts a folder of regular
 * files as cgroup2, and an empty cpuset has the effective CPUs and nodes of NUMAPLACE_BENCH_CPUS and NUMAPLACE_BENCH_MEMS.
 * Nothing else of the hook changes, and no system call is added.
 */
#include "bench/hook/wrap.h"

#include "cgroup/open.h"

#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

int __real_fstatfs(int fd, struct statfs *fs);
int __wrap_fstatfs(int fd, struct statfs *fs);
ssize_t __real_read_beneath(int dir, const char *path, char *buf, size_t size);
ssize_t __wrap_read_beneath(int dir, const char *path, char *buf, size_t size);

int __wrap_fstatfs(int fd, struct statfs *fs)
{
	int r = __real_fstatfs(fd, fs);

	if (r == 0)
		fs->f_type = CGROUP2_SUPER_MAGIC;
	return r;
}

ssize_t __wrap_read_beneath(int dir, const char *path, char *buf, size_t size)
{
	const char *around = NULL;
	ssize_t n;

	if (bench_reads)
		bench_reads(path, true);
	n = __real_read_beneath(dir, path, buf, size);
	if (bench_reads)
		bench_reads(path, false);
	if (n == 0 && strcmp(path, "cpuset.cpus.effective") == 0)
		around = getenv("NUMAPLACE_BENCH_CPUS");
	else if (n == 0 && strcmp(path, "cpuset.mems.effective") == 0)
		around = getenv("NUMAPLACE_BENCH_MEMS");
	return around ? snprintf(buf, size, "%s", around) : n;
}
