/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a function in a child and stops it at each of its system calls: counts them, kills the child at the n-th, or
 * makes the n-th fail.
 */
#ifndef NUMAPLACE_TRACED_H
#define NUMAPLACE_TRACED_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __x86_64__
#define CAN_INJECT 1
#else
#define CAN_INJECT 0
#endif

struct traced {
	int kill_at; /* before the n-th call, from 0; -1: never */
	int fail_at; /* this call is skipped and returns -fail_with; -1: none */
	int fail_with;
	bool not_memory; /* brk and mmap do not fail: a sanitizer would abort */
	void (*watch)(unsigned long long nr); /* called before each call; may be NULL */
	/* out */
	int calls;  /* number of calls */
	int memory; /* of these, calls that allocate or free memory, whose number depends on malloc */
	int status; /* from waitpid */
};

/* Makes the pending call fail with -@error: at its start (replaces it by a call that does not exist) and at its end. */
static inline void inject(pid_t pid, unsigned long long nr, int error, bool at_end)
{
#if CAN_INJECT
	struct user_regs_struct regs;

	ptrace(PTRACE_GETREGS, pid, NULL, &regs);
	if (at_end)
		regs.rax = nr == SYS_brk ? 0 : (unsigned long long)-error; /* brk reports failure in its own way */
	else
		regs.orig_rax = (unsigned long long)-1;
	ptrace(PTRACE_SETREGS, pid, NULL, &regs);
#else
	(void)pid;
	(void)nr;
	(void)error;
	(void)at_end;
#endif
}

static inline bool is_memory_call(unsigned long long nr)
{
	return nr == SYS_brk || nr == SYS_mmap || nr == SYS_munmap || nr == SYS_mremap || nr == SYS_mprotect ||
	       nr == SYS_madvise;
}

/* Only the calls between the two getppid() count. */
static inline void traced_child(int (*fn)(void *), void *arg)
{
	int r;

	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	syscall(SYS_getppid);
	r = fn(arg);
	syscall(SYS_getppid);
	_exit(r);
}

/* At the start of a call; true: kill the child. */
static inline bool traced_entry(struct traced *t, pid_t pid, unsigned long long nr, int *marks, bool *failing)
{
	if (nr == SYS_getppid) {
		++*marks;
		return false;
	}
	if (*marks != 1)
		return false;
	if (t->watch)
		t->watch(nr);
	if (t->calls == t->kill_at)
		return true;
	if (t->calls == t->fail_at && !(t->not_memory && is_memory_call(nr))) {
		inject(pid, nr, t->fail_with, false);
		*failing = true;
	}
	t->calls++;
	t->memory += is_memory_call(nr);
	return false;
}

static inline void run_traced(struct traced *t, int (*fn)(void *), void *arg)
{
	pid_t pid = fork();
	unsigned long long nr = 0;
	bool failing = false;
	int marks = 0, sig = 0;

	t->calls = t->memory = 0;
	if (pid == 0)
		traced_child(fn, arg);
	waitpid(pid, &t->status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
	for (;;) {
		struct __ptrace_syscall_info info;

		ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)sig);
		sig = 0;
		if (waitpid(pid, &t->status, 0) < 0 || !WIFSTOPPED(t->status))
			return;
		if (WSTOPSIG(t->status) != (SIGTRAP | 0x80)) {
			sig = WSTOPSIG(t->status);
			continue;
		}
		ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info);
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
			nr = info.entry.nr;
		if (info.op == PTRACE_SYSCALL_INFO_EXIT && failing) {
			inject(pid, nr, t->fail_with, true);
			failing = false;
		} else if (info.op == PTRACE_SYSCALL_INFO_ENTRY &&
			   traced_entry(t, pid, nr, &marks, &failing)) {
			kill(pid, SIGKILL);
			waitpid(pid, &t->status, 0);
			return;
		}
	}
}

#endif
