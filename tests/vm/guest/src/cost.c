/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cost FILE COMMAND...: runs COMMAND and writes "WALL CPU" to FILE: the time from fork to end, and the user and system
 * time, in microseconds. Exits with the status of COMMAND.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long microseconds(struct timeval t)
{
	return t.tv_sec * 1000000LL + t.tv_usec;
}

int main(int argc, char **argv)
{
	struct timespec a, b;
	struct rusage r;
	int status;
	pid_t pid;
	FILE *f;

	if (argc < 3)
		return 2;
	clock_gettime(CLOCK_MONOTONIC, &a);
	pid = fork();
	if (pid == 0) {
		execvp(argv[2], &argv[2]);
		perror(argv[2]);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &r) != pid) {
		perror("cost");
		return 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	f = fopen(argv[1], "w");
	if (!f) {
		perror(argv[1]);
		return 1;
	}
	fprintf(f, "%lld %lld\n", (b.tv_sec - a.tv_sec) * 1000000LL + (b.tv_nsec - a.tv_nsec) / 1000,
		microseconds(r.ru_utime) + microseconds(r.ru_stime));
	fclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
