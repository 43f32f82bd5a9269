/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The only file that knows libnuma.  It reads this machine's /sys, whatever the
 * sysroot, and its masks are the caller's own: good for a second opinion, not for the first.
 */
#include "cgroup/pages.h"

#include <numa.h>

int libnuma_distance(int a, int b)
{
	if (numa_available() < 0)
		return -1;
	if (a < 0 || b < 0)
		return 0;
	return numa_distance(a, b);
}
