/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hook's privileges, given up: capabilities, new ones by exec, core dumps,
 * and every system call but those of the work that is left.
 */
#ifndef NUMAPLACE_CONFINE_H
#define NUMAPLACE_CONFINE_H

#include <linux/audit.h>
#include <linux/filter.h>
#include <stdbool.h>

/* The architectures whose system calls the filter knows; on others there is none, which `numaplace doctor` reports. */
#if defined(__x86_64__) && !defined(__ILP32__)
#define CONFINE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && defined(__AARCH64EL__)
#define CONFINE_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define CONFINE_ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define CONFINE_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define CONFINE_ARCH AUDIT_ARCH_S390X
#endif

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

#define CONFINE_FILTER_MAX 254

/*
 * For its tests: the filter, and its length; whether a call of this number is let through, or ends the process; and
 * whether there is a filter on this machine at all.
 */
unsigned int confine_filter(unsigned int keep, struct sock_filter *f);
bool confine_allows(unsigned int keep, int call);
bool confine_ends(int call);
bool confine_has_filter(void);

#endif
