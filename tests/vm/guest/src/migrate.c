/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * migrate PID FROM TO: one migrate_pages() of all pages of the process on node FROM. Prints the cost of the call, as
 * cost.c does: "WALL CPU", in microseconds. bench/move compares moves with this.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long long cpu(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000LL + r.ru_utime.tv_usec + r.ru_stime.tv_usec;
}

int main(int argc, char **argv)
{
	struct timespec a, b;
	unsigned long from, to;
	long long used;
	long left;

	if (argc != 4)
		return 2;
	from = 1UL << atoi(argv[2]);
	to = 1UL << atoi(argv[3]);
	used = cpu();
	clock_gettime(CLOCK_MONOTONIC, &a);
	left = syscall(SYS_migrate_pages, atoi(argv[1]), 64UL, &from, &to);
	clock_gettime(CLOCK_MONOTONIC, &b);
	used = cpu() - used;
	if (left < 0) {
		perror("migrate_pages");
		return 1;
	}
	printf("%lld %lld\n", (b.tv_sec - a.tv_sec) * 1000000LL + (b.tv_nsec - a.tv_nsec) / 1000, used);
	return 0;
}
