/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup/namespace: a process in a cgroup namespace of its own, as a container's, enters that of process 1; without the
 * privilege, it is refused.
 */
#include "cgroup/cgroup.h"
#include "plugin/base/util.h"
#include "tests/unit/cgroup2.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void namespace_of(const char *process, char *out, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/ns/cgroup", process);
	n = readlink(path, out, size - 1);
	out[n < 0 ? 0 : n] = '\0';
}

static bool with_host(void)
{
	char own[64], host[64];

	namespace_of("self", own, sizeof(own));
	namespace_of("1", host, sizeof(host));
	return *own && strcmp(own, host) == 0;
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	syscall(SYS_capset, &head, none);
}

enum outcome { ENTERED = 10, STAYED, REFUSED, NOT_POSSIBLE };

/* In a process of its own: enters the cgroup, a new namespace if @contained, and calls the function. */
static int outcome_of(const struct cgroup2 *c, bool contained, bool privileged)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		struct error err = { 0 };
		int r;

		if (contained) {
			int fd = openat(c->folder, "cgroup.procs", O_WRONLY | O_CLOEXEC);

			if (write(fd, "0", 1) != 1 || unshare(CLONE_NEWCGROUP) < 0 || with_host())
				_exit(NOT_POSSIBLE);
		}
		if (!privileged)
			drop_capabilities();
		r = cgroup_enter_host(&err);
		if (r < 0)
			_exit((r == -EPERM || r == -EACCES) && strstr(err.text, "CAP_SYS_PTRACE") ? REFUSED : 1);
		_exit(!privileged || with_host() ? ENTERED : STAYED);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Runs as process 1 of a pid namespace, so that this test need not look at the init of the host. */
static int as_init(const struct cgroup2 *c)
{
	if (mount("none", "/proc", "proc", 0, NULL) < 0 || !with_host()) {
		puts("1..0 # SKIP cannot mount /proc");
		return 0;
	}
	is_int(outcome_of(c, false, true), ENTERED, "a process in the namespace of process 1 stays there");
	is_int(outcome_of(c, false, false), ENTERED, "it needs no privilege for that");
	is_int(outcome_of(c, true, true), ENTERED, "a process in a namespace of its own enters that of process 1");
	is_int(outcome_of(c, true, false), REFUSED, "without capabilities it is refused, and the message names them");
	return done();
}

int main(void)
{
	struct cgroup2 c;
	int status = 0;
	pid_t init;

	if (geteuid() != 0 || !cgroup2_begin(&c) || unshare(CLONE_NEWPID) < 0) {
		puts("1..0 # SKIP needs root, and a cgroup2 to mount");
		return 0;
	}
	init = fork();
	if (init == 0) {
		status = as_init(&c);
		fflush(stdout);
		_exit(status);
	}
	waitpid(init, &status, 0);
	cgroup2_end(&c);
	fflush(stdout);
	/* Not exit(): this process can have no more children, and LeakSanitizer needs one. */
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}
