/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files below a directory descriptor, and files that are replaced as a whole.
 */
#include "plugin/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/base/atomic-file.h"
#include "plugin/base/util.h"
#include "tests/unit/tap.h"

static void put(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		ok(false, "write %s", name);
	close(fd);
}

static void test_read(int dir)
{
	char text[8], name[400];
	struct idset set;
	uint64_t v = 7;
	int fd;

	mkdirat(dir, "node3", 0700);
	put(dir, "node3/number", "42\n");
	put(dir, "node3/list", "0-2,9\n");
	put(dir, "node3/words", "a few words\n");
	is_int(path_read_u64(dir, &v, "node%u/%s", 3, "number"), 0, "read a number");
	is_int((int)v, 42, "the number");
	is_int(path_read_u64(dir, &v, "node%u/words", 3), -EINVAL, "words are no number");
	is_int(path_read_u64(dir, &v, "node%u/number", 4), -ENOENT, "no such file");
	is_int((int)v, 42, "the output is unchanged on failure");
	is_int(path_read_list(dir, ids_into(&set), "node%u/list", 3), 0, "read a list");
	is_int((int)idset_count(&set), 4, "the list");
	is_int(path_read_list(dir, ids_into(&set), "node3/words"), -EINVAL, "words are no list");
	is_int((int)path_read(dir, text, sizeof(text), "node%d/number", 3), 3, "read a text");
	is_str(text, "42\n", "the text");
	is_int((int)path_read(dir, text, sizeof(text), "node3/words"), -EFBIG, "a text that is too long");
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	is_int(path_read_u64(dir, &v, "%s", name), -ENAMETOOLONG, "a pattern that does not fit");
	fd = path_open(dir, O_RDONLY, "node%u/list", 3);
	ok(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC, "open: the descriptor is closed on exec");
	close(fd);
	is_int(path_open(dir, O_RDONLY, "node%u", 5), -ENOENT, "open: no such file");
}

static void test_list(int dir)
{
	DIR *list = path_list(dir, "node3");
	unsigned int n = 0;
	int fd;

	while (list && readdir(list))
		n++;
	is_int((int)n, 5, "list: three files, \".\" and \"..\"");
	closedir(list);
	fd = openat(dir, "node3/list", O_RDONLY);
	ok(!dir_list(fd) && errno == ENOTDIR, "list: a file has no entries");
	ok(fcntl(fd, F_GETFD) < 0, "list: its descriptor is closed then");
	ok(!path_list(dir, "none") && errno == ENOENT, "list: no such folder");
}

static void test_atomic(int dir)
{
	struct stat st;
	char text[16];
	int fd;

	put(dir, "file", "old");
	is_int(atomic_file_write(dir, "file.tmp", "file", "new", 3), 0, "atomic: a file is replaced");
	ok(path_read(dir, text, sizeof(text), "file") == 3 && strcmp(text, "new") == 0, "atomic: it has the new text");
	ok(fstatat(dir, "file", &st, 0) == 0 && (st.st_mode & 07777) == 0600, "atomic: mode 0600");
	put(dir, "file.tmp", "left");
	is_int(atomic_file_write(dir, "file.tmp", "file", "newer", 5), -EEXIST, "atomic: a temporary file that was left");
	ok(faccessat(dir, "file.tmp", F_OK, 0) == 0, "atomic: that file is the caller's to remove");
	unlinkat(dir, "file.tmp", 0);
	fd = atomic_file_begin(dir, "file.tmp", O_WRONLY);
	is_int(atomic_file_end(dir, "file.tmp", "file", -EIO), -EIO, "atomic: a write that failed");
	close(fd);
	ok(faccessat(dir, "file.tmp", F_OK, 0) < 0, "atomic: the temporary file is removed");
	is_int(atomic_file_write(dir, "file.tmp", "node3", "x", 1), -EISDIR, "atomic: a folder is not replaced");
	ok(faccessat(dir, "file.tmp", F_OK, 0) < 0, "atomic: nor does the temporary file stay");
	ok(symlinkat("elsewhere", dir, "file.tmp") == 0, "atomic: a symbolic link is there");
	is_int(atomic_file_write(dir, "file.tmp", "file", "x", 1), -EEXIST, "atomic: a symbolic link is not followed");
}

int main(void)
{
	char folder[] = "/tmp/numaplace-path-XXXXXX", command[64];
	int dir;

	if (!mkdtemp(folder))
		return 1;
	dir = open(folder, O_RDONLY | O_DIRECTORY);
	test_read(dir);
	test_list(dir);
	test_atomic(dir);
	close(dir);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command) == 0 ? done() : 1;
}
