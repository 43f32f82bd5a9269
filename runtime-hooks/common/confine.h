/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reduces a hook's privileges to what the rest of its work needs: drops capabilities, disables core dumps and
 * privileges gained by exec, and installs a seccomp filter of allowed system calls.
 */
#ifndef NUMAPLACE_CONFINE_H
#define NUMAPLACE_CONFINE_H

#include <linux/audit.h>
#include <linux/filter.h>
#include <stdbool.h>

/* The architectures that the filter supports. Others run without a filter, which `numaplace doctor` reports. */
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

/* What a hook keeps beyond the minimum. */
enum confine {
	CONFINE_LOOK = 1,   /* read other processes' memory map, working folder and program */
	CONFINE_OWNERS = 2, /* restore a file's owner */
	CONFINE_LIBLXC = 4, /* the system calls with which liblxc reads a config and the hook rewrites it */
};

/*
 * Keeps the capabilities to write to any cgroup, to set trusted.* attributes and to set CPU affinity. Disables core
 * dumps and privileges gained by exec. Steps that the kernel does not support are skipped.
 */
void confine_privileges(unsigned int keep);

/*
 * Installs the filter. Allowed are the system calls for reading files, deciding, writing files and syslog. Creating a
 * process, running a program and similar calls kill the process; any other system call fails with ENOSYS.
 */
void confine_calls(unsigned int keep);

#define CONFINE_FILTER_MAX 254

/*
 * For tests: writes the filter to @f and returns its length; whether the filter allows a system call, or kills the
 * process for it; and whether this machine has a filter.
 */
unsigned int confine_filter(unsigned int keep, struct sock_filter *f);
bool confine_allows(unsigned int keep, int call);
bool confine_ends(int call);
bool confine_has_filter(void);

#endif
