/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rule for names: every byte at every position, all forms of UTF-8, and the ids of real runtimes.
 */
#include "plugin/base/name.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/tap.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+:@-";

static int is_plain_line(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			return 0;
	return 1;
}

/* Every byte from 1 to 255: alone, first, in the middle and last. */
static void test_bytes(void)
{
	static const char *const around[][2] = { { "", "" }, { "", "b" }, { "a", "b" }, { "a", "" } };
	int wrong = 0;

	for (int c = 1; c < 256; c++) {
		for (unsigned int i = 0; i < 4; i++) {
			struct error err = { 0 };
			char name[8];
			int want = strchr(letters, c) ? 0 : -EINVAL;

			if ((i == 0 && c == '.') || (i < 2 && c == '-'))
				want = -EINVAL;
			snprintf(name, sizeof(name), "%s%c%s", around[i][0], c, around[i][1]);
			if (name_check_id(name, &err) == want && is_plain_line(err.text) &&
			    (want == 0 || strstr(err.text, quote(name).text)))
				continue;
			wrong++;
			diag("byte 0x%02x, %s: %s", (unsigned int)c, quote(name).text, err.text);
		}
	}
	is_int(wrong, 0,
	       "every byte at every position: 67 are allowed, and a refusal is one printable line that quotes the id");
}

static void is_refused(const char *id, const char *why)
{
	struct error err = { 0 };

	is_int(name_check_id(id, &err), -EINVAL, "refused id: %s", quote(id).text);
	is_str(err.text, why, "message: %s", why);
}

static void test_ids(void)
{
	static const char *const good[] = {
		"web", "web-1_2.3+4", "...", ".hidden", "a.b", "0", "_", "+x", "db@2", "a:b", "Web.Service",
		"191951139c74173a7ffbee956ac89a1c900c930b2ba95ccb6f83bcbcba0b5c31", /* podman, Docker, CRI-O */
		"k8s_POD_web-0_default_9f1c-4a", "my-project_web1", "web1-clone",
	};
	char id[NAME_ID_MAX + 2];

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		is_int(name_check_id(good[i], NULL), 0, "accepted: %s", good[i]);
	memset(id, 'a', sizeof(id));
	id[NAME_ID_MAX] = '\0';
	is_int(name_check_id(id, NULL), 0, "accepted: the longest id");
	id[NAME_ID_MAX] = 'a';
	id[NAME_ID_MAX + 1] = '\0';
	is_int(name_check_id(id, NULL), -EINVAL, "refused: one byte more");
	memset(id, ':', sizeof(id));
	id[NAME_ID_MAX / 3] = '\0';
	is_int(name_check_id(id, NULL), 0, "accepted: the longest id that is escaped in a file name");
	id[NAME_ID_MAX / 3] = ':';
	id[NAME_ID_MAX / 3 + 1] = '\0';
	is_int(name_check_id(id, NULL), -EINVAL, "refused: one colon more");
	is_refused("", "\"\": empty");
	is_refused(".", "\".\": not a name");
	is_refused("..", "\"..\": not a name");
	is_refused("-x", "\"-x\": begins with a dash");
	is_refused("a/b", "\"a/b\": contains \"/\"; allowed are letters, digits and . _ + : @ -");
	is_refused("$(touch x)", "\"$(touch x)\": contains \"$\"; allowed are letters, digits and . _ + : @ -");
	is_refused("a\nb", "\"a\\x0ab\": contains \"\\x0a\"; allowed are letters, digits and . _ + : @ -");
	is_refused("a\xe2\x80\xae",
		   "\"a\\xe2\\x80\\xae\": contains \"\\xe2\"; allowed are letters, digits and . _ + : @ -");
}

/* One character of each kind, and every malformed form: none is allowed in an id. */
static void test_utf8(void)
{
	static const char *const forms[] = {
		"\xc2\x85",
		"\xc2\x9b",
		"\xc2\xa0",
		"\xc3\xa9",
		"\xe2\x80\x8b",
		"\xe2\x80\xa8",
		"\xe2\x80\xa9",
		"\xe2\x80\xae",
		"\xe2\x81\xa6",
		"\xe3\x85\xa4",
		"\xef\xbb\xbf",
		"\xf0\x9f\x98\x80",
		"\xf3\xa0\x81\x81",
		"\xcc\x81",
		"\xc0\xaf",
		"\xc1\xbf",
		"\xe0\x80\xaf",
		"\xe0\x9f\xbf",
		"\xf0\x80\x80\xaf",
		"\xf0\x8f\xbf\xbf", /* overlong */
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xed\xa0\xbd\xed\xb8\x80", /* surrogates */
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80\x80", /* over U+10FFFF */
		"\xc3",
		"\xe2\x80",
		"\xf0\x9f\x98",
		"\x80",
		"\xbf",
		"\xfe",
		"\xff", /* incomplete, or not a first byte */
	};
	int wrong = 0;

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		char name[16];

		snprintf(name, sizeof(name), "a%sb", forms[i]);
		wrong += name_check_id(forms[i], NULL) == 0 || name_check_id(name, NULL) == 0 ||
			 name_check_device(name, 64, NULL) == 0;
		snprintf(name, sizeof(name), "/a%sb", forms[i]);
		wrong += name_check_cgroup(name, 64, NULL) == 0;
	}
	is_int(wrong, 0, "no character beyond ASCII, well-formed or not, is allowed in a name");
}

static void test_devices(void)
{
	static const char *const good[] = { "eth0", "nvme0n1", "0000:3b:00.0", "eth0.100", "cciss!c0d0", "mlx5_0" };
	static const char *const bad[] = { "",
					   ".",
					   "..",
					   ".x",
					   "a/b",
					   "a b",
					   ("e\xc2\x9b"
					    "31m"),
					   "\xff",
					   "a\n",
					   "$(x)",
					   "-" };

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		is_int(name_check_device(good[i], 64, NULL), 0, "valid device: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		is_int(name_check_device(bad[i], 64, NULL), -EINVAL, "invalid device: \"%s\"", quote(bad[i]).text);
	is_int(name_check_device("12345678", 8, NULL), -EINVAL, "invalid device: longer than its field");
	is_int(name_check_device("1234567", 8, NULL), 0, "valid device: just fits its field");
}

static void test_cgroups(void)
{
	static const char *const good[] = {
		"/",
		"/docker/191951139c74",
		"/machine.slice/libpod-19.scope/container",
		"/lxc.payload.web1-1/.inner",
		"/system.slice/system-getty.slice/getty@tty1.service",
		"/user.slice/user-1000.slice/user@1000.service/a\\x2db.scope",
		"/system.slice/dbus-:1.2-org.freedesktop.problems@0.service",
		"/kubepods.slice/..a/a..",
	};
	static const char *const bad[] = { "",    "a",     "/..",    "/a/../b", "/a/..",        "/a b", "/a\nb", "/a;b",
					   "/$x", "/a`b`", "/a\"b", "/a'b",     "/\xe2\x80\xae", "/<b>", "/a*" };

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		is_int(name_check_cgroup(good[i], 4096, NULL), 0, "valid cgroup: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		is_int(name_check_cgroup(bad[i], 4096, NULL), -EINVAL, "invalid cgroup: \"%s\"", quote(bad[i]).text);
	is_int(name_check_cgroup("/345678", 7, NULL), -EINVAL, "invalid cgroup: longer than its field");
}

int main(void)
{
	test_bytes();
	test_ids();
	test_utf8();
	test_devices();
	test_cgroups();
	return done();
}
