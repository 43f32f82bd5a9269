/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup/open: nothing leaves the directory, with openat2 or without it; and the errors of the cgroup functions where
 * there is no cgroup2.
 */
#include "cgroup/cgroup.h"
#include "cgroup/open.h"
#include "plugin/base/util.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

static char dir[] = "/tmp/numaplace-open-XXXXXX";

static int make_tree(void)
{
	char command[1024];

	if (!mkdtemp(dir))
		return -1;
	snprintf(command, sizeof(command),
		 "cd %s && mkdir -p in/a/b && echo inside > in/a/b/f && echo outside > out && ln -s ../../out in/a/up "
		 "&& "
		 "ln -s b in/a/link && ln -s /etc in/abs && mkfifo in/fifo && printf x > in/large && "
		 "head -c 5000 /dev/zero > in/large",
		 dir);
	if (system(command) != 0)
		return -1;
	snprintf(command, sizeof(command), "%s/in", dir);
	return open(command, O_RDONLY | O_DIRECTORY);
}

static void test_opener(int in, int (*opener)(int, const char *, int), const char *name)
{
	static const struct {
		const char *path;
		int flags, rc; /* 0: can be opened */
	} cases[] = {
		{ "/a/b/f", O_RDONLY, 0 },
		{ "a/b/f", O_RDONLY, 0 },
		{ "/", O_RDONLY | O_DIRECTORY, 0 },
		{ "", O_RDONLY | O_DIRECTORY, 0 },
		{ "a/b", O_RDONLY | O_DIRECTORY, 0 },
		{ "a/b/f", O_RDONLY | O_DIRECTORY, -ENOTDIR },
		{ "a/none", O_RDONLY, -ENOENT },
		{ "none/a", O_RDONLY, -ENOENT },
		{ "a/link/f", O_RDONLY, -ELOOP },
		{ "a/link", O_RDONLY | O_DIRECTORY, -ELOOP },
		{ "a/up", O_RDONLY, -ELOOP },
		{ "abs/passwd", O_RDONLY, -ELOOP },
		{ "../out", O_RDONLY, -EXDEV },
		{ "..", O_RDONLY | O_DIRECTORY, -EXDEV },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_close int fd = opener(in, cases[i].path, cases[i].flags);

		is_int(fd < 0 ? fd : 0, cases[i].rc, "open with %s: \"%s\"", name, cases[i].path);
		if (fd >= 0)
			ok(fcntl(fd, F_GETFD) & FD_CLOEXEC, "open with %s: \"%s\" is close-on-exec", name,
			   cases[i].path);
	}
}

static void test_mount_crossing(int (*opener)(int, const char *, int), const char *name)
{
	cleanup_close int root = open("/", O_RDONLY | O_DIRECTORY);

	is_int(opener(root, "proc/self", O_RDONLY), -EXDEV, "open with %s: a path to another mount is refused", name);
}

static void test_read(int in)
{
	char buf[5001];

	is_int(read_beneath(in, "a/b/f", buf, sizeof(buf)), 7, "read_beneath: length of the file");
	is_str(buf, "inside\n", "read_beneath: text of the file");
	is_int(read_beneath(in, "a/b/f", buf, 7), -EFBIG, "read_beneath: a buffer without room for the NUL");
	is_int(read_beneath(in, "a/b/f", buf, 8), 7, "read_beneath: a buffer that just fits");
	is_int(read_beneath(in, "large", buf, 5000), -EFBIG, "read_beneath: 5000 bytes do not fit into 5000");
	is_int(read_beneath(in, "large", buf, 5001), 5000, "read_beneath: 5000 bytes fit into 5001");
	is_int(read_beneath(in, "none", buf, sizeof(buf)), -ENOENT, "read_beneath: no such file");
	is_int(read_beneath(in, "a", buf, sizeof(buf)), -EISDIR, "read_beneath: a directory");
	is_int(write_beneath(in, "a/up", "x"), -ELOOP, "write_beneath: a symlink is not followed");
	is_int(write_beneath(in, "a/b/f", "wri"), 0, "write_beneath: a file");
	read_beneath(in, "a/b/f", buf, sizeof(buf));
	is_str(buf, "wriide\n", "write_beneath: the file has the new text");
}

/* Every function refuses a directory that is not on cgroup2. */
static void test_not_cgroup2(int in)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	struct error err;

	is_int(cgroup_open(in, "/a", &c, &err), -ENOTSUP, "cgroup_open: not on cgroup2");
	is_str(err.text, "cgroup /a: not on cgroup2", "cgroup_open: message for a different file system");
	is_int(cgroup_open(in, "/none", &c, &err), -ENOENT, "cgroup_open: no such directory");
	is_str(err.text, "cgroup /none: No such file or directory", "cgroup_open: message for a missing directory");
	is_int(cgroup_open(in, "/a/../a", &c, &err), -EINVAL, "cgroup_open: a path with dots");
	is_int(cgroup_open(in, "a", &c, &err), -EINVAL, "cgroup_open: a path without a leading slash");
	is_int(cgroup_open(in, "/a/link", &c, &err), -ELOOP, "cgroup_open: a symlink");
	is_int(c.fd, -1, "cgroup_open: the output is unchanged after a failure");
	is_int(cgroup_of_pid(in, 0, &c, &err), -EINVAL, "cgroup_of_pid: pid 0");
	is_str(err.text, "pid 0: not a process", "cgroup_of_pid: message for pid 0");
	is_int(cgroup_of_pid(in, -5, &c, &err), -EINVAL, "cgroup_of_pid: pid -5");
	is_int(cgroup_of_pid(in, 0x3fffffff, &c, &err), -ESRCH, "cgroup_of_pid: a pid that does not exist");
	is_str(err.text, "pid 1073741823 is gone", "cgroup_of_pid: message for a pid that does not exist");
}

/* Distinguishes a process from an earlier one with the same pid. */
static void test_since(void)
{
	struct timespec now;
	struct error err = { 0 };
	char text[120];

	clock_gettime(CLOCK_BOOTTIME, &now);
	is_int(cgroup_pid_since(getpid(), (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec, &err), 0,
	       "cgroup_pid_since: started before the moment (%s)", err.text);
	is_int(cgroup_pid_since(getpid(), 1, &err), -ESRCH, "cgroup_pid_since: started after the moment");
	snprintf(text, sizeof(text), "pid %d was reused: that process started after this hook", (int)getpid());
	is_str(err.text, text, "cgroup_pid_since: message for a process that started later");
	is_int(cgroup_pid_since(0x3fffffff, 1, &err), -ESRCH, "cgroup_pid_since: a pid that does not exist");
	is_str(err.text, "pid 1073741823 is gone", "cgroup_pid_since: message for a pid that does not exist");
}

/* A statistics file as long as with a thousand nodes is read completely, but not beyond the limit. */
static void test_large_stat(void)
{
	cleanup_cgroup_dir struct cgroup_dir c = { .path = "/mock" };
	struct numa_stat *s = malloc(sizeof(*s));
	char path[256], command[512];
	struct error err;

	snprintf(path, sizeof(path), "%s/in/a", dir);
	c.fd = open(path, O_RDONLY | O_DIRECTORY);
	snprintf(command, sizeof(command),
		 "cd %s && awk 'BEGIN { for (k = 0; k < 40; k++) { printf k < 39 ? \"kind\" : \"anon\"; "
		 "for (n = 0; n < 1024; n++) printf \" N%%d=12345678901234567\", n; print \"\" } }' > memory.numa_stat",
		 path);
	ok(system(command) == 0 && cgroup_read_numa_stat(&c, s, &err) == 0 && s->n == 1024 &&
		   s->node[1023].anon == 12345678901234567,
	   "numa_stat: a file of 0.9 MiB is read to its end (%u nodes)", s->n);
	snprintf(command, sizeof(command), "cd %s && head -c 1048576 /dev/zero | tr '\\0' x > memory.numa_stat", path);
	ok(system(command) == 0 && cgroup_read_numa_stat(&c, s, &err) == -EFBIG,
	   "numa_stat: a file of 1 MiB is too large");
	free(s);
}

/* A cpuset made of plain files: absent, present, malformed. */
static void test_cpuset_files(void)
{
	cleanup_cgroup_dir struct cgroup_dir c = { .path = "/mock" };
	char path[256], command[512];
	struct cpuset s;
	struct error err;

	snprintf(path, sizeof(path), "%s/in/a", dir);
	c.fd = open(path, O_RDONLY | O_DIRECTORY);
	is_int(cgroup_read_cpuset(&c, &s, &err), -ENOENT, "cgroup_read_cpuset: the controller is not enabled");
	is_str(err.text, "cgroup /mock: no cpuset.cpus: cpuset is not enabled here",
	       "cgroup_read_cpuset: message without the controller");
	snprintf(command, sizeof(command),
		 "cd %s && echo > cpuset.cpus && echo 1 > cpuset.mems && echo 0-3,8 > cpuset.cpus.effective && "
		 "echo 0-1 > cpuset.mems.effective",
		 path);
	ok(system(command) == 0, "cpuset files are created");
	is_int(cgroup_read_cpuset(&c, &s, &err), 0, "cgroup_read_cpuset: configured and effective sets");
	ok(idset_empty(&s.cpus) && nodeset_count(&s.mems) == 1 && idset_count(&s.cpus_effective) == 5 &&
		   nodeset_count(&s.mems_effective) == 2,
	   "cgroup_read_cpuset: the sets of each file");
	snprintf(command, sizeof(command), "echo 3-1 > %s/cpuset.mems", path);
	ok(system(command) == 0, "cpuset.mems is overwritten with a malformed list");
	ok(cgroup_read_cpuset(&c, &s, &err) == -EINVAL && strncmp(err.text, "cgroup /mock: cpuset.mems: ", 27) == 0,
	   "cgroup_read_cpuset: a malformed list is refused, with its file (%s)", err.text);
	is_int(nodeset_count(&s.mems), 1, "cgroup_read_cpuset: the output is unchanged after a failure");
}

int main(void)
{
	cleanup_close int in = make_tree();
	char clean[128];

	ok(in >= 0, "a directory tree is created");
	test_opener(in, open_beneath, "openat2");
	test_opener(in, open_beneath_by_steps, "by steps");
	test_mount_crossing(open_beneath, "openat2");
	test_mount_crossing(open_beneath_by_steps, "by steps");
	test_read(in);
	test_not_cgroup2(in);
	test_since();
	test_large_stat();
	test_cpuset_files();
	snprintf(clean, sizeof(clean), "rm -rf %s", dir);
	ok(system(clean) == 0, "the test's folder is removed");
	return done();
}
