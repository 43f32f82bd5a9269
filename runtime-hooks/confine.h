/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hook's privileges, given up: capabilities, new ones by exec, core dumps,
 * and every system call but those of the work that is left.
 */
#ifndef NUMAPLACE_CONFINE_H
#define NUMAPLACE_CONFINE_H

#include <stdbool.h>

/* What is kept beyond the least. */
enum confine {
	CONFINE_LOOK = 1,   /* into other processes: their memory map, folder and program */
	CONFINE_OWNERS = 2, /* to give a file to its owner again */
	CONFINE_LIBLXC = 4, /* the calls by which liblxc reads a config, and by which such a file is written */
};

/*
 * Leaves the capabilities to write to any cgroup, to carry trusted.* attributes and to set affinity; no core
 * dump, no privileges by exec. What the kernel does not know of this is done without.
 */
void confine_privileges(unsigned int keep);

/*
 * From here on system calls are those of reading, deciding and writing: no process is made, no program
 * run, no network spoken to. An unknown one is ENOSYS, an attempt at those is the end of the process.
 */
void confine_calls(unsigned int keep);

/* For its test: whether a call of this number is let through, and whether there is a filter on this machine at all. */
bool confine_allows(unsigned int keep, int call);
bool confine_has_filter(void);

#endif
