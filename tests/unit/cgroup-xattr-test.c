/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Attributes of root and of root in a user namespace. Real root uses trusted.* attributes; root in a user namespace may
 * not, and uses user.* attributes of the same names. Neither may read the other's. On a real cgroup2.
 */
#include "cgroup/cgroup.h"
#include "plugin/base/util.h"
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

/*
 * What cgroup_get_xattr() returns, after setting @set (NULL: nothing). In a child, because a process determines only once
 * whether it is in a user namespace.
 */
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
		printf("1..0 # SKIP no cgroup2 for tests here\n");
		return 0;
	}
	is_int(cgroup_open(own.mount, own.top, &dir, &err), 0, "the test's cgroup is opened");
	is_str(seen_by(true, "0,1"), "0,1", "root in a user namespace reads the mark that it has set");
	is_str(attribute("user.volatile.cpu.nodes"), "0,1", "root in a user namespace sets a user.* attribute");
	is_str(attribute(CGROUP_XATTR_NODES), "none", "root in a user namespace sets no trusted.* attribute");
	is_str(seen_by(false, NULL), "none", "real root does not read a user.* attribute");
	is_str(seen_by(false, "2"), "2", "real root reads the mark that it has set");
	is_str(attribute(CGROUP_XATTR_NODES), "2", "real root sets a trusted.* attribute");
	is_str(attribute("user.volatile.cpu.nodes"), "0,1", "real root leaves the user.* attribute unchanged");
	is_str(seen_by(true, NULL), "0,1", "root in a user namespace still reads its own mark");
	cgroup_dir_close(&dir);
	ok(cgroup2_end(&own), "the test's cgroup is removed");
	return done();
}
