/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The options that every hook has, and input that is read to its end: with valid and invalid values.
 */
#include "plugin/base/util.h"
#include "runtime-hooks/common/hook.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <sys/mman.h>

#define MIB ((size_t)1 << 20)

static void test_options(void)
{
	struct hook_options o = { .conf = "usual", .state = "folder", .seconds = 7 };
	char *none[] = { "hook", "word", NULL };
	char *all[] = { "hook", "--conf", "c", "--state=s", "one", "--timeout", "12", "two", NULL };
	char *late[] = { "hook", "--timeout", "0", NULL };
	char *other[] = { "hook", "--sysroot", "/", NULL };
	struct error err = { 0 };

	is_int(hook_options_parse(&o, 1, none + 1, &err), 1, "without options: the number of words");
	ok(strcmp(o.conf, "usual") == 0 && strcmp(o.state, "folder") == 0 && o.seconds == 7,
	   "without options: the settings are unchanged");
	is_int(hook_options_parse(&o, 7, all + 1, &err), 2, "with options: the number of words");
	is_str(o.conf, "c", "--conf");
	is_str(o.state, "s", "--state");
	is_int(o.seconds, 12, "--timeout");
	is_int(hook_options_parse(&o, 2, late + 1, &err), -EINVAL, "--timeout 0 is refused: %s", err.text);
	is_int(o.seconds, 12, "--timeout 0: the time limit is unchanged");
	is_int(hook_options_parse(&o, 2, other + 1, &err), -EINVAL, "an unknown option is refused: %s", err.text);
}

static void test_read(size_t size, int status)
{
	cleanup_close int fd = memfd_create("input", MFD_CLOEXEC);
	cleanup_free char *text = NULL;
	struct error err = { 0 };
	size_t len = 0;
	char scrap[1];
	int r;

	if (ftruncate(fd, (off_t)size) < 0 || pwrite(fd, "a", 1, 0) != 1 ||
	    (size > 1 && pwrite(fd, "z", 1, (off_t)size - 1) != 1))
		diag("no input");
	r = hook_read(fd, MIB, &text, &len, &err);
	is_int(r, status, "%zu bytes, at most 1 MiB: the status", size);
	ok(status < 0 ? strcmp(err.text, "more than 1 MiB") == 0 && !text :
			r == 0 && len == size && text[0] == 'a' && (size == 1 || text[size - 1] == 'z') && !text[size],
	   "%zu bytes: %s", size, status < 0 ? "the message" : "all of them, and a NUL");
	is_int(read(fd, scrap, 1), 0, "%zu bytes: the input is read to its end", size);
}

int main(void)
{
	test_options();
	test_read(1, 0);
	test_read(8191, 0);
	test_read(8192, 0);
	test_read(MIB, 0);
	test_read(MIB + 1, -EINVAL);
	test_read(3 * MIB, -EINVAL);
	return done();
}
