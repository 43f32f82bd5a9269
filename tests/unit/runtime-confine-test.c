/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A confined process: its remaining privileges, and which of all system calls it may make. Each call is made with
 * invalid arguments, in a child of its own.
 */
#include "runtime-hooks/common/confine.h"

#include "plugin/base/util.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define CALLS 470

enum { SAME = 100, UNKNOWN, OTHER };

/* Calls that do not return, whatever their arguments, or that end the test. */
static bool is_special(int nr)
{
	static const int special[] = {
		SYS_exit, SYS_exit_group, SYS_rt_sigreturn, SYS_restart_syscall,
#ifdef __x86_64__
		335, 336, /* uretprobe and uprobe: the kernel exempts these from every filter */
#endif
	};

	for (size_t i = 0; i < ARRAY_SIZE(special); i++)
		if (special[i] == nr)
			return true;
	return false;
}

/* How the call ends in a confined child: its exit status, or -signal. */
static int try_call(int nr, bool confined, unsigned int keep)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		long r;

		alarm(5);
		if (confined) {
			confine_privileges(keep);
			confine_calls(keep);
		}
		errno = 0;
		r = syscall(nr, -1L, -1L, -1L, -1L, -1L, -1L);
		_exit(r < 0 && errno == ENOSYS ? UNKNOWN : OTHER);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 0;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void test_calls(unsigned int keep)
{
	static const int never[] = { SYS_execve, SYS_execveat, SYS_clone, SYS_ptrace, SYS_mount, SYS_setns, SYS_bpf };
	int through = 0, refused = 0, wrong = 0, ended = 0;

	for (int nr = 0; nr < CALLS; nr++) {
		int how;

		if (is_special(nr))
			continue;
		how = try_call(nr, true, keep);
		through += how == OTHER;
		refused += how == UNKNOWN;
		ended += how == -SIGSYS;
		/* This kernel may not have an allowed call. */
		if (confine_allows(keep, nr) ? how == -SIGSYS || (how == UNKNOWN && try_call(nr, false, 0) == OTHER) :
				     how == OTHER && nr != SYS_socket) {
			diag("call %d: %d", nr, how);
			wrong++;
		}
	}
	is_int(wrong, 0, "of %d calls %d are allowed, %d return ENOSYS, %d end the process", CALLS, through, refused,
	       ended);
	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		is_int(try_call(never[i], true, keep), -SIGSYS, "call %d ends the process", never[i]);
#ifdef __x86_64__
	is_int(try_call(SYS_getpid | 0x40000000, true, keep), -SIGSYS, "a call with an x32 number ends the process");
#endif
	is_int(try_call(-1, true, keep), UNKNOWN, "a call that a debugger has removed returns ENOSYS");
}

static bool status_has(const char *line)
{
	char text[8192];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return strstr(text, line);
}

static int in_child(bool (*check)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		confine_privileges(0);
		confine_calls(0);
		_exit(!check());
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool no_privileges(void)
{
	return status_has("\nNoNewPrivs:\t1\n") && status_has("\nSeccomp:\t2\n");
}

/* DAC_OVERRIDE 1, SYS_ADMIN 21, SYS_NICE 23, if the process had them. */
static bool few_capabilities(void)
{
	return status_has("\nCapEff:\t0000000000a00002\n") || status_has("\nCapEff:\t0000000000000002\n") ||
	       status_has("\nCapEff:\t0000000000000000\n") || status_has("\nCapEff:\t0000000000800002\n");
}

static bool permitted_alike(void)
{
	return !status_has("\nCapPrm:\t000001ffffffffff\n") && status_has("\nCapInh:\t0000000000000000\n");
}

/* The same if one of the three was missing before, as in a user's LXC, or below a runtime that has dropped some. */
static bool few_of_fewer(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
		struct __user_cap_data_struct caps[2];

		if (syscall(SYS_capget, &head, caps) < 0)
			_exit(1);
		caps[0].permitted &= ~(1U << CAP_SYS_NICE);
		caps[0].effective = caps[0].permitted;
		if (syscall(SYS_capset, &head, caps) < 0)
			_exit(2);
		confine_privileges(0);
		if (syscall(SYS_capget, &head, caps) < 0)
			_exit(3);
		_exit((caps[0].permitted | caps[0].effective) & ~(1U << CAP_DAC_OVERRIDE | 1U << CAP_SYS_ADMIN) ||
		      caps[1].permitted || caps[1].effective);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* prctl itself is not allowed by the filter, so that is left out here. */
static bool no_core(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		confine_privileges(0);
		_exit(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool log_socket(void)
{
	return unix_socket(SOCK_DGRAM) >= 0;
}

static bool no_other_socket(void)
{
	return syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0) < 0 && errno == EAFNOSUPPORT &&
	       syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0) < 0 && errno == EAFNOSUPPORT;
}

int main(void)
{
	if (!confine_has_filter()) {
		ok(true, "confinement (not used with a sanitizer, or on an architecture without a list of calls)");
		return done();
	}
	is_int(in_child(no_privileges), 0, "no_new_privs is set and a filter is installed");
	is_int(in_child(few_capabilities), 0, "at most three capabilities are effective");
	is_int(in_child(permitted_alike), 0, "no dropped capability is permitted or inheritable");
	ok(few_of_fewer(), "no capability is added if one of the three was missing");
	ok(no_core(), "no core dump is possible");
	is_int(in_child(log_socket), 0, "a socket for syslog can be made");
	is_int(in_child(no_other_socket), 0, "no network socket can be made");
	test_calls(0);
	test_calls(CONFINE_LIBLXC);
	is_int(try_call(SYS_memfd_create, true, 0), UNKNOWN, "a call for liblxc alone returns ENOSYS in other hooks");
	return done();
}
