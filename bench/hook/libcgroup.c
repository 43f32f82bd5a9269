/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cost of libcgroup for a hook: writes through libcgroup the two files that the hook writes itself.
 * libcgroup PATH: microseconds and page faults of cgroup_init(), microseconds of the write.
 */
#include <libcgroup.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static long faults(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_minflt;
}

int main(int argc, char **argv)
{
	struct cgroup *group;
	struct cgroup_controller *cpuset;
	double began, ready, end;
	long before, after;

	if (argc != 2)
		return 2;
	before = faults();
	began = now_us();
	if (cgroup_init())
		return 1;
	ready = now_us();
	after = faults();
	group = cgroup_new_cgroup(argv[1]);
	cpuset = group ? cgroup_add_controller(group, "cpuset") : NULL;
	if (!cpuset || cgroup_add_value_string(cpuset, "cpuset.mems", "0") ||
	    cgroup_add_value_string(cpuset, "cpuset.cpus", "0-1") || cgroup_modify_cgroup(group))
		return 1;
	end = now_us();
	printf("%.0f %ld %.0f\n", ready - began, after - before, end - ready);
	return 0;
}
