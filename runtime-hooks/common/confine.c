/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Five system calls drop all privileges.
 *
 * The filter is built by hand: libseccomp would add 24 system calls and a fifth of an empty program's run time to every
 * container start, for a list that never changes. tests/unit/runtime-confine-test.c tests the filter in the kernel.
 */
#include "runtime-hooks/common/confine.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* Sanitizers make system calls of their own, and the leak checker forks and traces its parent. */
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define X32_BIT 0x40000000 /* set in the x32 ABI's numbers of the same system calls */

/* --- capabilities --- */

static void drop_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct have[2], left[2] = { { 0 } };

	for (int i = 0; i < 2; i++)
		left[i].permitted = left[i].effective = (uint32_t)(keep >> 32 * i);
	if (syscall(SYS_capset, &head, left) == 0)
		return;
	/* EPERM: the process has fewer capabilities, as with unprivileged LXC or after the runtime dropped some. */
	if (syscall(SYS_capget, &head, have) < 0)
		return;
	for (int i = 0; i < 2; i++) {
		left[i].permitted = have[i].permitted & (uint32_t)(keep >> 32 * i);
		left[i].effective = left[i].permitted;
	}
	syscall(SYS_capset, &head, left);
}

static uint64_t bit(int capability)
{
	return UINT64_C(1) << capability;
}

void confine_privileges(unsigned int keep)
{
	/*
	 * DAC_OVERRIDE: read any bundle, write to any cgroup. SYS_ADMIN: trusted.* attributes. SYS_NICE: affinity of
	 * other processes.
	 */
	uint64_t capabilities = bit(CAP_DAC_OVERRIDE) | bit(CAP_SYS_ADMIN) | bit(CAP_SYS_NICE);

	if (SANITIZED)
		return;
	if (keep & CONFINE_LOOK)
		capabilities |= bit(CAP_SYS_PTRACE);
	if (keep & CONFINE_OWNERS)
		capabilities |= bit(CAP_CHOWN) | bit(CAP_FOWNER);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	drop_capabilities(capabilities);
}

/* --- system calls --- */

#if defined(CONFINE_ARCH) && !SANITIZED

static const int allowed[] = {
	/* files */
	SYS_openat, SYS_read, SYS_close, SYS_newfstatat, SYS_openat2, SYS_fcntl, SYS_write, SYS_pread64, SYS_pwrite64,
	SYS_getdents64, SYS_lseek, SYS_fstat, SYS_fstatfs, SYS_statfs, SYS_statx, SYS_faccessat, SYS_faccessat2,
	SYS_readlinkat, SYS_unlinkat, SYS_renameat2, SYS_mkdirat, SYS_symlinkat, SYS_fchmod, SYS_fchown, SYS_umask,
	SYS_fgetxattr, SYS_fsetxattr, SYS_fremovexattr, SYS_ppoll, SYS_dup, SYS_ioctl, SYS_writev,
#ifdef SYS_renameat
	SYS_renameat,
#endif
#ifdef SYS__llseek
	SYS__llseek, /* what libc's lseek() calls on ppc64le */
#endif
#ifdef SYS_riscv_hwprobe
	SYS_riscv_hwprobe, /* by which libc for riscv64 chooses among its functions, when one is used first */
#endif
#ifdef SYS_fstatfs64
	SYS_fstatfs64, SYS_statfs64, /* what libc's fstatfs() calls on s390x */
#endif
#ifdef SYS_access
	SYS_access, SYS_readlink, SYS_mkdir, SYS_poll,
#endif
	/* memory */
	SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_futex,
	/* time and signals */
	SYS_clock_gettime, SYS_clock_nanosleep, SYS_setitimer, SYS_timer_create, SYS_timer_settime, SYS_timer_delete,
	SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_restart_syscall,
#ifdef SYS_alarm
	SYS_alarm,
#endif
#ifdef SYS_sigreturn
	SYS_sigreturn, /* how a handler without SA_SIGINFO ends on s390x */
#endif
	/* identity, the version of the kernel, exit, the container's affinity, the holder of the lock */
	SYS_uname, SYS_getpid, SYS_gettid, SYS_getppid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getrandom,
	SYS_prlimit64, SYS_sched_setaffinity, SYS_sched_getaffinity, SYS_tgkill, SYS_exit, SYS_exit_group,
	SYS_pidfd_open, SYS_pidfd_send_signal,
	/* syslog's socket; the filter checks socket()'s family */
	SYS_connect, SYS_sendto,
};

static const int for_liblxc[] = {
	SYS_memfd_create, SYS_sendfile, SYS_flock, SYS_flistxattr, SYS_fsync,
};

/* The hooks never make these system calls: an attempt means that an attacker controls the process. */
static const int never[] = {
	SYS_execve, SYS_execveat, SYS_clone, SYS_clone3, SYS_ptrace, SYS_process_vm_writev, SYS_mount, SYS_setns,
	SYS_unshare, SYS_bpf, SYS_init_module, SYS_finit_module, SYS_open_by_handle_at,
#ifdef SYS_fork
	SYS_fork, SYS_vfork,
#endif
};

#define OFFSET(field) ((uint32_t)offsetof(struct seccomp_data, field))
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, OFFSET(field))
/* Loads the 32 bits of a 64-bit argument that hold an int. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LOAD_INT(arg) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, OFFSET(arg) + 4)
#else
#define LOAD_INT(arg) LOAD(arg)
#endif
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define IF_EQUAL(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (yes), (no))

#define CALL_WORDS 16 /* of 32 system calls each */
#define FILTER_MAX (3 * CALL_WORDS + ARRAY_SIZE(never) + 25)
_Static_assert(FILTER_MAX <= CONFINE_FILTER_MAX, "a jump reaches no further");

static void add_calls(uint32_t words[CALL_WORDS], const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (calls[i] < 32 * CALL_WORDS)
			words[calls[i] / 32] |= UINT32_C(1) << calls[i] % 32;
}

/* The jump offset from instruction @from to @to. */
static uint8_t steps(unsigned int from, size_t to)
{
	return (uint8_t)(to - from - 1);
}

unsigned int confine_filter(unsigned int keep, struct sock_filter *f)
{
	const size_t nnever = ARRAY_SIZE(never);
	uint32_t words[CALL_WORDS] = { 0 };
	unsigned int n = 0, nwords = 0;
	size_t test, end;

	add_calls(words, allowed, ARRAY_SIZE(allowed));
	if (keep & CONFINE_LIBLXC)
		add_calls(words, for_liblxc, ARRAY_SIZE(for_liblxc));
	for (unsigned int i = 0; i < CALL_WORDS; i++)
		nwords += words[i] != 0;
	/*
	 * This load's result is unused. For a filter that reads more than the number, the kernel skips building its
	 * cache of allowed system calls. Building it takes 0.25 ms, more than the cache saves in a hook.
	 */
	f[n++] = (struct sock_filter)LOAD(args[0]);
	f[n++] = (struct sock_filter)LOAD(arch);
	f[n++] = (struct sock_filter)IF_EQUAL(CONFINE_ARCH, 1, 0);
	f[n++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS);
	f[n++] = (struct sock_filter)LOAD(nr);
	f[n++] = (struct sock_filter)IF_EQUAL(UINT32_MAX, 0, 1); /* a tracer has cancelled the system call */
	f[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
#ifdef __x86_64__
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
	f[n++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS);
#endif
	f[n++] = (struct sock_filter)IF_EQUAL(SYS_socket, 0, 4);
	f[n++] = (struct sock_filter)LOAD_INT(args[0]);
	f[n++] = (struct sock_filter)IF_EQUAL(AF_UNIX, 0, 1);
	f[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	f[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | EAFNOSUPPORT);
	/* A bit map: the kernel translates fewer instructions than with one comparison for each system call. */
	f[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 31);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_MISC | BPF_TAX, 0);
	f[n++] = (struct sock_filter)LOAD(nr);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 5);
	test = n + 3 * nwords + 1; /* index after the words and the out-of-range case */
	for (unsigned int i = 0; i < CALL_WORDS; i++) {
		if (!words[i])
			continue;
		f[n++] = (struct sock_filter)IF_EQUAL(i, 0, 2);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, words[i]);
		f[n] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, steps(n, test));
		n++;
	}
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 0);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_RSH | BPF_X, 0);
	end = n + 2 + nnever; /* index of the first return: unknown (ENOSYS), allowed, kill */
	f[n] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, steps(n, end + 1), 0);
	n++;
	f[n++] = (struct sock_filter)LOAD(nr);
	for (size_t i = 0; i < nnever; i++, n++)
		f[n] = (struct sock_filter)IF_EQUAL((uint32_t)never[i], steps(n, end + 2), 0);
	f[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | ENOSYS);
	f[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	f[n++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS);
	return n;
}

void confine_calls(unsigned int keep)
{
	struct sock_filter filter[FILTER_MAX];
	struct sock_fprog program = { .len = (unsigned short)confine_filter(keep, filter), .filter = filter };

	/*
	 * Without this flag, kernels before 5.16 disable speculation in the process, which costs more than the whole
	 * filter.
	 */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) < 0 &&
	    errno == EINVAL)
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static bool is_among(const int *calls, size_t n, int call)
{
	for (size_t i = 0; i < n; i++)
		if (calls[i] == call)
			return true;
	return false;
}

bool confine_allows(unsigned int keep, int call)
{
	return is_among(allowed, ARRAY_SIZE(allowed), call) ||
	       (keep & CONFINE_LIBLXC && is_among(for_liblxc, ARRAY_SIZE(for_liblxc), call));
}

bool confine_ends(int call)
{
	return is_among(never, ARRAY_SIZE(never), call);
}

bool confine_has_filter(void)
{
	return true;
}

#else

unsigned int confine_filter(unsigned int keep, struct sock_filter *f)
{
	(void)keep;
	(void)f;
	return 0;
}

void confine_calls(unsigned int keep)
{
	(void)keep;
}

bool confine_allows(unsigned int keep, int call)
{
	(void)keep;
	(void)call;
	return true;
}

bool confine_ends(int call)
{
	(void)call;
	return false;
}

bool confine_has_filter(void)
{
	return false;
}

#endif
