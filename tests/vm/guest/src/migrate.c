/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * migrate PID FROM TO: one migrate_pages() of all that the process has on a node; prints its milliseconds. What a move
 * is held against.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct timespec a, b;
	unsigned long from, to;
	long left;

	if (argc != 4)
		return 2;
	from = 1UL << atoi(argv[2]);
	to = 1UL << atoi(argv[3]);
	clock_gettime(CLOCK_MONOTONIC, &a);
	left = syscall(SYS_migrate_pages, atoi(argv[1]), 64UL, &from, &to);
	clock_gettime(CLOCK_MONOTONIC, &b);
	if (left < 0) {
		perror("migrate_pages");
		return 1;
	}
	printf("%lld\n", (b.tv_sec - a.tv_sec) * 1000LL + (b.tv_nsec - a.tv_nsec) / 1000000);
	return 0;
}
