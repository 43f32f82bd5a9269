/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup/open: nothing leads out of the directory, with openat2 and without; and
 * what the rest of the room says where there is no cgroup2.
 */
#include "cgroup/cgroup.h"
#include "cgroup/open.h"
#include "plugin/util.h"
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
		int flags, rc; /* 0: opens */
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

		is_int(fd < 0 ? fd : 0, cases[i].rc, "%s: \"%s\"", name, cases[i].path);
		if (fd >= 0)
			ok(fcntl(fd, F_GETFD) & FD_CLOEXEC, "%s: \"%s\" is close-on-exec", name, cases[i].path);
	}
}

static void test_mount_crossing(int (*opener)(int, const char *, int), const char *name)
{
	cleanup_close int root = open("/", O_RDONLY | O_DIRECTORY);

	is_int(opener(root, "proc/self", O_RDONLY), -EXDEV, "%s: another mount", name);
}

static void test_read(int in)
{
	char buf[5001];

	is_int(read_beneath(in, "a/b/f", buf, sizeof(buf)), 7, "read: length");
	is_str(buf, "inside\n", "read: text");
	is_int(read_beneath(in, "a/b/f", buf, 7), -EFBIG, "read: no room for the NUL");
	is_int(read_beneath(in, "a/b/f", buf, 8), 7, "read: just fits");
	is_int(read_beneath(in, "large", buf, 5000), -EFBIG, "read: too large");
	is_int(read_beneath(in, "large", buf, 5001), 5000, "read: large");
	is_int(read_beneath(in, "none", buf, sizeof(buf)), -ENOENT, "read: not there");
	is_int(read_beneath(in, "a", buf, sizeof(buf)), -EISDIR, "read: a directory");
	is_int(write_beneath(in, "a/up", "x"), -ELOOP, "write: not through a symlink");
	is_int(write_beneath(in, "a/b/f", "wri"), 0, "write");
	read_beneath(in, "a/b/f", buf, sizeof(buf));
	is_str(buf, "wriide\n", "write: done");
}

/* On what is not cgroup2, every door is shut. */
static void test_not_cgroup2(int in)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	struct error err;

	is_int(cgroup_open(in, "/a", &c, &err), -ENOTSUP, "cgroup_open: another file system");
	is_str(err.text, "cgroup /a: not on cgroup2", "cgroup_open: message");
	is_int(cgroup_open(in, "/none", &c, &err), -ENOENT, "cgroup_open: not there");
	is_str(err.text, "cgroup /none: No such file or directory", "cgroup_open: its message");
	is_int(cgroup_open(in, "/a/../a", &c, &err), -EINVAL, "cgroup_open: dots");
	is_int(cgroup_open(in, "a", &c, &err), -EINVAL, "cgroup_open: no slash");
	is_int(cgroup_open(in, "/a/link", &c, &err), -ELOOP, "cgroup_open: a symlink");
	is_int(c.fd, -1, "cgroup_open: the output is untouched by failure");
	is_int(cgroup_of_pid(in, 0, &c, &err), -EINVAL, "pid 0");
	is_str(err.text, "pid 0: not a process", "pid 0: message");
	is_int(cgroup_of_pid(in, -5, &c, &err), -EINVAL, "pid -5");
	is_int(cgroup_of_pid(in, 0x3fffffff, &c, &err), -ESRCH, "a pid that is gone");
	is_str(err.text, "pid 1073741823 is gone", "a pid that is gone: message");
}

/* Which of two processes of one number is meant. */
static void test_since(void)
{
	struct timespec now;
	struct error err = { 0 };
	char text[120];

	clock_gettime(CLOCK_BOOTTIME, &now);
	is_int(cgroup_pid_since(getpid(), (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec, &err), 0,
	       "since: was there (%s)", err.text);
	is_int(cgroup_pid_since(getpid(), 1, &err), -ESRCH, "since: began later");
	snprintf(text, sizeof(text), "pid %d was reused: that process started after this hook", (int)getpid());
	is_str(err.text, text, "since: message");
	is_int(cgroup_pid_since(0x3fffffff, 1, &err), -ESRCH, "since: gone");
	is_str(err.text, "pid 1073741823 is gone", "since: its message");
}

/* A statistics file as long as one of a thousand nodes gets: all of it, and not more than is promised. */
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
	   "stat: a file of 0.9 MiB is read to its end (%u nodes)", s->n);
	snprintf(command, sizeof(command), "cd %s && head -c 1048576 /dev/zero | tr '\\0' x > memory.numa_stat", path);
	ok(system(command) == 0 && cgroup_read_numa_stat(&c, s, &err) == -EFBIG, "stat: one of 1 MiB is too much");
	free(s);
}

/* A cpuset that is only files: read, and its absence. */
static void test_cpuset_files(void)
{
	cleanup_cgroup_dir struct cgroup_dir c = { .path = "/mock" };
	char path[256], command[512];
	struct cpuset s;
	struct error err;

	snprintf(path, sizeof(path), "%s/in/a", dir);
	c.fd = open(path, O_RDONLY | O_DIRECTORY);
	is_int(cgroup_read_cpuset(&c, &s, &err), -ENOENT, "cpuset: not turned on");
	is_str(err.text, "cgroup /mock: no cpuset.cpus: cpuset is not enabled here", "cpuset: message");
	snprintf(command, sizeof(command),
		 "cd %s && echo > cpuset.cpus && echo 1 > cpuset.mems && echo 0-3,8 > cpuset.cpus.effective && "
		 "echo 0-1 > cpuset.mems.effective",
		 path);
	ok(system(command) == 0, "cpuset: made");
	is_int(cgroup_read_cpuset(&c, &s, &err), 0, "cpuset: read");
	ok(idset_empty(&s.cpus) && idset_count(&s.mems) == 1 && idset_count(&s.cpus_effective) == 5 &&
		   idset_count(&s.mems_effective) == 2,
	   "cpuset: sets");
	snprintf(command, sizeof(command), "echo 3-1 > %s/cpuset.mems", path);
	ok(system(command) == 0, "cpuset: spoiled");
	ok(cgroup_read_cpuset(&c, &s, &err) == -EINVAL && strncmp(err.text, "cgroup /mock: cpuset.mems: ", 27) == 0,
	   "cpuset: bad list, named (%s)", err.text);
	is_int(idset_count(&s.mems), 1, "cpuset: the output is untouched by failure");
}

int main(void)
{
	cleanup_close int in = make_tree();
	char clean[128];

	ok(in >= 0, "a tree to open things in");
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
	ok(system(clean) == 0, "cleaned up");
	return done();
}
