/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Attributes of root and of root in a user namespace. Real root uses trusted.* attributes; root in a user namespace may
 * not, and uses user.* attributes of the same names. Neither may read the other's, and a user takes the marks of its own
 * cgroups only. On a real cgroup2.
 */
#include "cgroup/cgroup.h"
#include "plugin/base/util.h"
#include "tests/unit/cgroup2.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
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

/* Users of the tests below. */
#define USER  4242
#define OTHER 4243

static bool write_file(const char *file, const char *text)
{
	cleanup_close int fd = open(file, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* Becomes USER, or root in a user namespace in which USER is root and no other user exists. */
static bool become(bool in_namespace)
{
	char map[32];

	snprintf(map, sizeof(map), "0 %d 1", USER);
	if (setresuid(USER, USER, USER) < 0)
		return false;
	return !in_namespace || (prctl(PR_SET_DUMPABLE, 1) == 0 && unshare(CLONE_NEWUSER) == 0 &&
				 write_file("/proc/self/uid_map", map));
}

/* Runs this program again, as own_uid() is the uid at the time of the exec. It ends with 0 or 1. */
static void ask_again(int program)
{
	char fd[16], *again[] = { (char *)"cgroup-xattr-test", fd, NULL }, *none[] = { NULL };

	snprintf(fd, sizeof(fd), "%d", dup(dir.fd));
	fexecve(program, again, none);
}

/* What cgroup_mark_may_be_ours() returns to USER, if the cgroup belongs to @owner. */
static const char *ours_to_user(bool in_namespace, uid_t owner)
{
	cleanup_close int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int status = -1;
	pid_t pid;

	if (fchownat(dir.fd, "", owner, (gid_t)-1, AT_EMPTY_PATH) < 0)
		return "the owner of the cgroup cannot be set";
	pid = fork();
	if (pid == 0) {
		if (become(in_namespace))
			ask_again(program);
		_exit(2);
	}
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		return "the child process cannot become the user";
	return WEXITSTATUS(status) ? "ours" : "another's";
}

static void test_owner_of_the_mark(void)
{
	is_str(ours_to_user(false, USER), "ours", "a user takes the mark of its own cgroup");
	is_str(ours_to_user(false, OTHER), "another's", "a user takes no mark of another user's cgroup");
	is_str(ours_to_user(false, 0), "another's", "a user takes no mark of root's cgroup");
	is_str(ours_to_user(true, USER), "ours", "root in a user namespace takes the mark of its own cgroup");
	is_str(ours_to_user(true, OTHER), "another's", "root in a user namespace takes no mark of another user's cgroup");
	is_str(ours_to_user(true, 0), "another's", "root in a user namespace takes no mark of real root's cgroup");
	ok(fchownat(dir.fd, "", OTHER, (gid_t)-1, AT_EMPTY_PATH) == 0 && cgroup_mark_may_be_ours(&dir),
	   "real root takes the mark of each cgroup");
}

int main(int argc, char **argv)
{
	struct cgroup2 own;
	struct error err = { 0 };

	if (argc > 1) { /* by ask_again() */
		dir.fd = (int)strtol(argv[1], NULL, 10);
		return cgroup_mark_may_be_ours(&dir);
	}
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
	test_owner_of_the_mark();
	cgroup_dir_close(&dir);
	ok(cgroup2_end(&own), "the test's cgroup is removed");
	return done();
}
