/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose marks are whose: the machine's root leaves trusted.* ones; root in a user namespace, to whom the kernel gives
 * none of these, user.* ones of the same names, and neither takes the other's for its own.  On a real cgroup2.
 */
#include "cgroup/cgroup.h"
#include "plugin/util.h"
#include "tests/unit/cgroup2.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/xattr.h>

static struct cgroup_dir dir = CGROUP_DIR_NONE;

static const char *attribute(const char *name)
{
	static char value[20];
	ssize_t n = fgetxattr(dir.fd, name, value, sizeof(value) - 1);

	if (n < 0)
		return errno == ENODATA ? "none" : strerror(errno);
	value[n] = '\0';
	return value;
}

/* In a child, as which of the two it is gets asked once: what cgroup_get_xattr gives, after @set has been set. */
static const char *seen_by(bool in_namespace, const char *set)
{
	static char value[20];
	int answer[2];
	ssize_t n;
	pid_t pid;

	if (pipe(answer) < 0)
		return "no pipe";
	pid = fork();
	if (pid == 0) {
		struct error err = { 0 };

		n = in_namespace && unshare(CLONE_NEWUSER) < 0 ? -errno : 0;
		if (n == 0 && set)
			n = cgroup_set_xattr(&dir, CGROUP_XATTR_NODES, set, strlen(set), &err);
		if (n == 0)
			n = cgroup_get_xattr(&dir, CGROUP_XATTR_NODES, value, sizeof(value) - 1);
		if (n < 0)
			n = snprintf(value, sizeof(value), "%s", n == -ENODATA ? "none" : strerror((int)-n));
		_exit(write(answer[1], value, (size_t)n) != n);
	}
	close(answer[1]);
	n = read(answer[0], value, sizeof(value) - 1);
	close(answer[0]);
	waitpid(pid, NULL, 0);
	value[n < 0 ? 0 : n] = '\0';
	return value;
}

int main(void)
{
	struct cgroup2 own;
	struct error err = { 0 };

	if (!cgroup2_begin(&own)) {
		printf("1..0 # SKIP no cgroup2 of our own here\n");
		return 0;
	}
	is_int(cgroup_open(own.mount, own.top, &dir, &err), 0, "a cgroup of our own");
	is_str(seen_by(true, "0,1"), "0,1", "root in a namespace sees what it has marked");
	is_str(attribute("user.volatile.cpu.nodes"), "0,1", "it is a user's mark");
	is_str(attribute(CGROUP_XATTR_NODES), "none", "and no trusted one");
	is_str(seen_by(false, NULL), "none", "the machine's root does not believe it");
	is_str(seen_by(false, "2"), "2", "it sees what it has marked itself");
	is_str(attribute(CGROUP_XATTR_NODES), "2", "that is a trusted mark");
	is_str(attribute("user.volatile.cpu.nodes"), "0,1", "beside the user's");
	is_str(seen_by(true, NULL), "0,1", "which is the one that root in a namespace sees");
	cgroup_dir_close(&dir);
	ok(cgroup2_end(&own), "the cgroup is taken away");
	return done();
}
