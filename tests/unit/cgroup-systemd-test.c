/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is said to systemd, before a made-up systemd on a socket of ours: the
 * bytes of the one message, and how answers, refusals, silence and nonsense come out.
 */
#include "cgroup/systemd.h"
#include "plugin/util.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define CGROUP "/machine.slice/libpod-1.scope"

/* A message is in the byte order of this machine, and begins with a letter for it. U32: a number below 256. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define ORDER		'B'
#define BYTES(a, b, c, d) d, c, b, a
#define U32_TEXT(low)	"\0\0\0" low
#else
#define ORDER		'l'
#define BYTES(a, b, c, d) a, b, c, d
#define U32_TEXT(low)	low "\0\0\0"
#endif
#define U32(v) BYTES(v, 0, 0, 0)

static char path[64];
static struct error err;

/* --- a made-up systemd --- */

static void read_to(int fd, const char *end)
{
	char c;
	size_t n = 0;

	while (end[n] && read(fd, &c, 1) == 1)
		n = c == end[n] ? n + 1 : c == end[0];
}

static void say(int fd, const void *data, size_t len)
{
	if (write(fd, data, len) < 0)
		_exit(3);
}

/* Takes one call into the file @to, answers with @reply. */
static pid_t serve(const char *greeting, const void *reply, size_t len, const char *to)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	pid_t pid;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	unlink(path);
	if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 1) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		char buf[8192];
		int c = accept(fd, NULL, NULL);
		FILE *f = fopen(to, "w");
		ssize_t n;

		read_to(c, "30\r\n");
		say(c, greeting, strlen(greeting));
		read_to(c, "BEGIN\r\n");
		n = read(c, buf, sizeof(buf));
		fwrite(buf, 1, n > 0 ? (size_t)n : 0, f);
		fclose(f);
		if (reply)
			say(c, reply, len);
		else
			pause();
		_exit(0);
	}
	close(fd);
	return pid;
}

static int ask(const char *greeting, const void *reply, size_t len, const char *to)
{
	pid_t pid = serve(greeting, reply, len, to);
	struct idset cpus, mems;
	int r;

	idset_parse("0-3,9", &cpus, NULL);
	idset_parse("1", &mems, NULL);
	/* Only where there will be no answer is the end of the time waited for: the machine may be slow, or emulated. */
	r = systemd_set_cpuset(path, CGROUP, &cpus, &mems, reply || strncmp(greeting, "OK", 2) ? 30000 : 300, &err);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return r;
}

static bool holds(const unsigned char *m, size_t n, const void *part, size_t len)
{
	return memmem(m, n, part, len) != NULL;
}

static void message(const char *to)
{
	static const unsigned char done_reply[16] = { ORDER, 2, 0, 1, U32(0), U32(9), U32(0) };
	static const unsigned char cpus[] = "AllowedCPUs\0\2ay\0\0\0\0" U32_TEXT("\2") "\x0f\x02";
	static const unsigned char mems[] = "AllowedMemoryNodes\0\2ay\0\0\0" U32_TEXT("\1") "\x02";
	unsigned char m[8192];
	FILE *f;
	size_t n;
	uint32_t body, fields;

	is_int(ask("OK 1234\r\n", done_reply, sizeof(done_reply), to), 0, "an answer is success");
	f = fopen(to, "r");
	n = fread(m, 1, sizeof(m), f);
	fclose(f);
	memcpy(&body, m + 4, 4);
	memcpy(&fields, m + 12, 4);
	is_int((16 + fields + 7) / 8 * 8 + body, n, "its lengths are its length");
	ok(holds(m, n, U32_TEXT("\x0e") "libpod-1.scope", 18), "names the unit, with its length");
	ok(holds(m, n, "libpod-1.scope\0", 15), "ends its name");
	ok(holds(m, n, cpus, 12), "sets AllowedCPUs");
	ok(holds(m, n, U32_TEXT("\2") "\x0f\x02", 6), "to 0-3,9 as bits");
	ok(holds(m, n, mems, 19), "sets AllowedMemoryNodes");
	ok(n && m[n - 1] == 2, "to 1 as a bit, which is the last byte");
}

static void answers(const char *to)
{
	static const unsigned char refusal[] = { ORDER, 3, 0, 1, U32(9), U32(9), U32(0), U32(4), 'n', 'o', 'p', 'e', 0 };
	static const unsigned char signal_first[] = { ORDER, 4, 0, 1, U32(0), U32(9), U32(0),
						      ORDER, 2, 0, 1, U32(0), U32(9), U32(0) };
	static const unsigned char huge[] = { ORDER, 2, 0, 1, BYTES(255, 255, 255, 127), U32(9),
					      BYTES(255, 255, 255, 127) };
	static const unsigned char lying[] = { ORDER, 3, 0, 1, U32(9), U32(9), U32(0),
					       255, 255, 255, 255, 'n', 'o', 'p', 'e', 0 };

	is_int(ask("OK 1234\r\n", refusal, sizeof(refusal), to), -EREMOTEIO, "a refusal is told");
	ok(strstr(err.text, "nope") != NULL, "with its words: %s", err.text);
	is_int(ask("OK 1234\r\n", signal_first, sizeof(signal_first), to), 0, "a signal before the answer is passed over");
	is_int(ask("OK 1234\r\n", huge, sizeof(huge), to), -EPROTO, "an answer too long is none");
	is_int(ask("OK 1234\r\n", lying, sizeof(lying), to), -EREMOTEIO, "nor is a text longer than its message");
	is_int(ask("OK 1234\r\n", NULL, 0, to), -ETIMEDOUT, "silence ends with the time");
	is_int(ask("REJECTED\r\n", NULL, 0, to), -EACCES, "we may not be let in");
	unlink(path);
	is_int(systemd_set_cpuset(path, CGROUP, &(struct idset){ { 1 } }, &(struct idset){ { 1 } }, 300, &err), 0,
	       "no systemd is no failure");
}

static void units(void)
{
	is_str(systemd_unit_of("/machine.slice/libpod-1.scope"), "libpod-1.scope", "a scope");
	is_str(systemd_unit_of("/system.slice/x.service"), "x.service", "a service");
	is_str(systemd_unit_of("/machine.slice/libpod-1.scope/container"), NULL, "below a scope");
	is_str(systemd_unit_of("/libpod_parent/libpod-1"), NULL, "none");
	is_str(systemd_unit_of("/.scope"), NULL, "only an ending");
}

int main(void)
{
	char dir[] = "/tmp/numaplace-systemd.XXXXXX", to[64];

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/socket", dir);
	snprintf(to, sizeof(to), "%s/call", dir);
	units();
	message(to);
	answers(to);
	unlink(to);
	unlink(path);
	rmdir(dir);
	return done();
}
