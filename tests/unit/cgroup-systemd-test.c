/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of cgroup/systemd.h against a mock systemd on a socket: the bytes of systemd_set_cpuset()'s two calls (query the
 * unit's cgroup, set the cpuset) and of systemd_start_scope(), and the results for replies, refusals, silence and malformed
 * replies.
 */
#include "cgroup/systemd.h"
#include "plugin/base/util.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define CGROUP "/machine.slice/libpod-1.scope"

/* A message is in this machine's byte order, and its first byte says which. U32: a number below 256. */
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
static struct systemd_at mock;
static struct error err;

/* --- a mock systemd --- */

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

struct reply {
	const void *data; /* NULL: no reply */
	size_t len;
};

/* Writes two calls to the files @to and @to.2, and sends the replies @reply. */
static pid_t serve(const char *greeting, const struct reply reply[2], const char *to)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char name[80];
	pid_t pid;

	snprintf(name, sizeof(name), "%s.2", to);
	unlink(to);
	unlink(name);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	unlink(path);
	if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 1) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		int c = accept(fd, NULL, NULL);

		/* systemd that reads BEGIN together with a call forgets the call: a client sends it before the greeting. */
		read_to(c, "30\r\nBEGIN\r\n");
		say(c, greeting, strlen(greeting));
		for (int i = 0; i < 2; i++) {
			char buf[8192];
			ssize_t n = read(c, buf, sizeof(buf));
			FILE *f = n > 0 ? fopen(i ? name : to, "w") : NULL;

			if (!f)
				break;
			fwrite(buf, 1, (size_t)n, f);
			fclose(f);
			if (reply[i].data)
				say(c, reply[i].data, reply[i].len);
		}
		if (!reply[0].data || !reply[1].data)
			pause();
		_exit(0);
	}
	close(fd);
	return pid;
}

/* The reply to Get: a variant with @text, in this machine's byte order. */
static struct reply variant(const char *text)
{
	static unsigned char m[512];
	const uint16_t one = 1;
	uint32_t len = (uint32_t)strlen(text), body = 8 + len + 1;

	memset(m, 0, sizeof(m));
	memcpy(m, (const unsigned char[]){ *(const unsigned char *)&one ? 'l' : 'B', 2, 0, 1 }, 4);
	memcpy(m + 4, &body, 4);
	memcpy(m + 16, "\1s", 3);
	memcpy(m + 20, &len, 4);
	memcpy(m + 24, text, len);
	return (struct reply){ m, 16 + body };
}

/* A message without fields, with this body; @says is the length in its header. */
static struct reply plain(unsigned char type, uint32_t says, const void *data, size_t len)
{
	static unsigned char m[2][512];
	static int turn;
	unsigned char *at = m[turn++ % 2];
	const uint16_t one = 1;

	memset(at, 0, 512);
	memcpy(at, (const unsigned char[]){ *(const unsigned char *)&one ? 'l' : 'B', type, 0, 1 }, 4);
	memcpy(at + 4, &says, 4);
	if (len)
		memcpy(at + 16, data, len);
	return (struct reply){ at, 16 + len };
}

static int ask_of(const char *cgroup, const char *greeting, struct reply first, struct reply second, const char *to)
{
	const struct reply reply[2] = { first, second };
	pid_t pid = serve(greeting, reply, to);
	bool silent = !first.data || !second.data;
	struct idset cpus;
	struct nodeset mems;
	int r;

	idset_parse("0-3,9", &cpus, NULL);
	nodeset_parse("1", &mems, NULL);
	/*
	 * Only without a reply does a test wait for the time limit; otherwise it is long, as the machine may be slow or
	 * emulated.
	 */
	r = systemd_set_cpuset(&mock, systemd_unit_of(cgroup), cgroup, &cpus, &mems, silent ? 300 : 30000, &err);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return r;
}

/* systemd confirms the unit's cgroup, then sends @reply. */
static int ask(struct reply reply, const char *to)
{
	return ask_of(CGROUP, "OK 1234\r\n", variant(CGROUP), reply, to);
}

static bool holds(const unsigned char *m, size_t n, const void *part, size_t len)
{
	return memmem(m, n, part, len) != NULL;
}

/* The call that was sent, @which: 1 or 2. Returns its length; 0: none was sent. */
static size_t sent(const char *to, int which, unsigned char *m, size_t size)
{
	char name[80];
	FILE *f;
	size_t n;

	snprintf(name, sizeof(name), which == 2 ? "%s.2" : "%s", to);
	f = fopen(name, "r");
	if (!f)
		return 0;
	n = fread(m, 1, size, f);
	fclose(f);
	return n;
}

static void is_message(const unsigned char *m, size_t n, const char *what)
{
	uint32_t body, fields;

	memcpy(&body, m + 4, 4);
	memcpy(&fields, m + 12, 4);
	is_int((16 + fields + 7) / 8 * 8 + body, n, "%s: the length in the header is the message's", what);
}

/* Whether the message has a 32-bit number, in this machine's byte order, followed by @text. */
static bool holds_counted(const unsigned char *m, size_t n, uint32_t count, const char *text, size_t len)
{
	unsigned char part[64];

	memcpy(part, &count, 4);
	memcpy(part + 4, text, len);
	return holds(m, n, part, 4 + len);
}

static void message(const char *to)
{
	unsigned char m[8192];
	size_t n;

	is_int(ask(plain(2, 0, NULL, 0), to), 0, "a reply to both calls is success");
	n = sent(to, 1, m, sizeof(m));
	is_message(m, n, "query");
	ok(holds(m, n, "/org/freedesktop/systemd1/unit/libpod_2d1_2escope", 50), "query: object path of the unit");
	ok(holds(m, n, "org.freedesktop.systemd1.Scope", 31), "query: interface of a scope");
	ok(holds(m, n, "ControlGroup", 13), "query: property ControlGroup");
	n = sent(to, 2, m, sizeof(m));
	is_message(m, n, "set call");
	ok(holds_counted(m, n, 14, "libpod-1.scope", 15), "set call: the unit's name with its length");
	ok(holds(m, n, "AllowedCPUs\0\2ay", 15), "set call: property AllowedCPUs");
	ok(holds_counted(m, n, 2, "\x0f\x02", 2), "set call: CPUs 0-3,9 as bits");
	ok(holds(m, n, "AllowedMemoryNodes\0\2ay", 22), "set call: property AllowedMemoryNodes");
	ok(n && m[n - 1] == 2, "set call: node 1 as a bit, in the last byte");
}

/* A container whose cgroup is named like a unit of the host must not change that unit. */
static void others(const char *to)
{
	static const struct {
		const char *cgroup, *of_unit, *object;
	} cases[] = {
		{ "/default/victim.scope", "/system.slice/victim.scope", "unit/victim_2escope" },
		{ "/system.slice/ssh.scope/ssh.scope", "/system.slice/ssh.scope", "unit/ssh_2escope" },
		{ "/x/init.scope", "/init.scope", "unit/init_2escope" },
		{ "/x/a@b.scope", "/system.slice/system-a.slice/a@b.scope", "unit/a_40b_2escope" },
		{ "/x/a\\x2db.scope", "/system.slice/a\\x2db.scope", "unit/a_5cx2db_2escope" },
		{ "/x/7.scope", "/machine.slice/7.scope", "unit/_37_2escope" },
		{ "/x/_.scope", "", "unit/_5f_2escope" },
		{ "/x/y.scope", "/x/y.scope/z", "unit/y_2escope" },
		{ "/x/y.scope", "/x/y.scop", "unit/y_2escope" },
	};
	unsigned char m[8192];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t n;

		is_int(ask_of(cases[i].cgroup, "OK 1\r\n", variant(cases[i].of_unit), plain(2, 0, NULL, 0), to), 0,
		       "foreign unit: %s, while systemd has \"%s\"", cases[i].cgroup, cases[i].of_unit);
		n = sent(to, 1, m, sizeof(m));
		ok(holds(m, n, cases[i].object, strlen(cases[i].object) + 1), "foreign unit: the query names %s",
		   cases[i].object);
		is_int(sent(to, 2, m, sizeof(m)), 0, "foreign unit: no set call is sent");
	}
	is_int(ask_of("/x/y.scope", "OK 1\r\n", plain(3, 9, "\4\0\0\0nope", 9), plain(2, 0, NULL, 0), to), 0,
	       "unknown unit: success");
	is_int(sent(to, 2, m, sizeof(m)), 0, "unknown unit: no set call is sent");
	is_int(ask_of("/system.slice/once.service", "OK 1\r\n", variant("/system.slice/once.service"),
		      plain(2, 0, NULL, 0), to), 0, "a service of the host, with an empty cgroup: success");
	is_int(sent(to, 1, m, sizeof(m)), 0, "a service of the host, with an empty cgroup: no query is sent");
	is_int(ask_of("/machine.slice", "OK 1\r\n", variant("/machine.slice"), plain(2, 0, NULL, 0), to), 0,
	       "slice: success");
	is_int(sent(to, 1, m, sizeof(m)), 0, "slice: no query is sent");
}

static void answers(const char *to)
{
	static const uint32_t four = 4, many = UINT32_MAX;
	unsigned char refusal[9], lying[9];
	struct reply two = plain(4, 0, NULL, 0), late;
	unsigned char both[32], foreign[16];

	memcpy(refusal, &four, 4);
	memcpy(refusal + 4, "nope", 5);
	memcpy(lying, &many, 4);
	memcpy(lying + 4, "nope", 5);
	is_int(ask(plain(3, 9, refusal, 9), to), -EREMOTEIO, "systemd's refusal is reported");
	ok(strstr(err.text, "nope") != NULL, "systemd's refusal: the message quotes it: %s", err.text);
	memcpy(both, two.data, 16);
	late = plain(2, 0, NULL, 0);
	memcpy(both + 16, late.data, 16);
	is_int(ask((struct reply){ both, 32 }, to), 0, "a signal before the reply is skipped");
	is_int(ask(plain(2, 0x7fffffff, NULL, 0), to), -EPROTO, "a reply longer than the limit is an error");
	is_int(ask(plain(3, 9, lying, 9), to), -EREMOTEIO, "an error text longer than its message is ignored");
	is_int(ask((struct reply){ NULL, 0 }, to), -ETIMEDOUT, "no reply to the set call: time-out");
	is_int(ask_of(CGROUP, "OK 1\r\n", (struct reply){ NULL, 0 }, plain(2, 0, NULL, 0), to), -ETIMEDOUT,
	       "no reply to the query: time-out");
	is_int(ask_of(CGROUP, "OK 1\r\n", plain(2, 9, lying, 9), plain(2, 0, NULL, 0), to), -EPROTO,
	       "a reply to the query that is not a string is an error");
	is_int(ask_of(CGROUP, "OK 1\r\n", plain(2, 0, NULL, 0), plain(2, 0, NULL, 0), to), -EPROTO,
	       "an empty reply to the query is an error");
	late = plain(2, 0, NULL, 0);
	memcpy(foreign, late.data, 16);
	foreign[0] = foreign[0] == 'l' ? 'B' : 'l';
	is_int(ask((struct reply){ foreign, 16 }, to), -EPROTO, "a reply in the other byte order is an error");
	is_int(ask_of(CGROUP, "REJECTED\r\n", variant(CGROUP), plain(2, 0, NULL, 0), to), -EACCES,
	       "rejected authentication is an error");
	unlink(path);
	is_int(systemd_set_cpuset(&mock, systemd_unit_of(CGROUP), CGROUP, &(struct idset){ { 1 } }, &(struct nodeset){ { 1 } }, 300, &err), 0,
	       "success without systemd");
}

/* --- a scope --- */

/* Appends a message of @type with a number, if @number is not 0, and up to three strings. Returns the new length. */
static size_t add_message(unsigned char *to, size_t n, unsigned char type, uint32_t number, const char *const *text)
{
	const uint16_t one = 1;
	unsigned char *head = to + n;
	size_t body = n + 16, at = body;
	uint32_t len;

	memset(head, 0, 16);
	memcpy(head, (const unsigned char[]){ *(const unsigned char *)&one ? 'l' : 'B', type, 0, 1 }, 4);
	if (number) {
		memcpy(to + at, &number, 4);
		at += 4;
	}
	for (; *text; text++) {
		while ((at - body) % 4)
			to[at++] = 0;
		len = (uint32_t)strlen(*text);
		memcpy(to + at, &len, 4);
		memcpy(to + at + 4, *text, len + 1);
		at += 4 + len + 1;
	}
	len = (uint32_t)(at - body);
	memcpy(head + 4, &len, 4);
	return at;
}

#define JOB "/org/freedesktop/systemd1/job/7"
#define SCOPE "numaplace-web.scope"

/* Starts a scope; systemd replies with the job, then sends signals: of another job, that ours is queued, and its @result. */
static int start(const char *result, const char *to)
{
	static unsigned char m[1024];
	struct idset cpus;
	struct nodeset mems;
	static const char *const before[] = { "a.service", "b.service", NULL };
	const struct systemd_scope scope = { .unit = SCOPE, .slice = "system.slice", .description = "web", .pid = 77,
					     .before = before, .cpus = &cpus, .mems = &mems };
	size_t n = add_message(m, 0, 2, 0, (const char *const[]){ JOB, NULL });
	pid_t pid;
	int r;

	n = add_message(m, n, 4, 6, (const char *const[]){ JOB "1", SCOPE, "failed", NULL });
	n = add_message(m, n, 4, 7, (const char *const[]){ JOB, SCOPE, NULL });
	if (result)
		n = add_message(m, n, 4, 7, (const char *const[]){ JOB, SCOPE, result, NULL });
	idset_parse("0-3,9", &cpus, NULL);
	nodeset_parse("1", &mems, NULL);
	pid = serve("OK 1\r\n", (const struct reply[]){ { m, n }, { NULL, 0 } }, to);
	r = systemd_start_scope(&mock, &scope, result ? 30000 : 300, &err);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return r;
}

static void scopes(const char *to)
{
	unsigned char m[8192];
	size_t n;

	is_int(start("done", to), 0, "scope: success after its own job is done");
	n = sent(to, 1, m, sizeof(m));
	is_message(m, n, "scope");
	ok(holds_counted(m, n, sizeof(SCOPE) - 1, SCOPE, sizeof(SCOPE)), "scope: the unit's name with its length");
	ok(holds(m, n, "Before\0\2as", 11), "scope: property Before");
	ok(holds(m, n, (const uint32_t[]){ 30, 9 }, 8), "scope: the length of its strings, which are aligned to 4");
	ok(holds_counted(m, n, 9, "a.service", 10) && holds_counted(m, n, 9, "b.service", 10), "scope: both units");
	ok(holds(m, n, "PIDs\0\2au", 9), "scope: property PIDs");
	ok(holds(m, n, (const uint32_t[]){ 4, 77 }, 8), "scope: one process");
	ok(holds_counted(m, n, 2, "\x0f\x02", 2), "scope: CPUs 0-3,9 as bits");
	is_int(start("failed", to), -EREMOTEIO, "scope: a job that fails is an error");
	ok(strstr(err.text, "failed") != NULL, "scope: the message has the result: %s", err.text);
	is_int(start(NULL, to), -ETIMEDOUT, "scope: no result of its job: time-out");
}

static void cgroup_of(const char *to)
{
	const struct reply reply[2] = { variant("/system.slice/web.service"), { NULL, 0 } };
	char text[64] = "";
	unsigned char m[8192];
	pid_t pid = serve("OK 1\r\n", reply, to);
	size_t n;

	is_int(systemd_cgroup_of(&mock, "web.service", text, sizeof(text), 30000, &err), 0, "the cgroup of a service");
	is_str(text, "/system.slice/web.service", "the cgroup of a service: the path");
	n = sent(to, 1, m, sizeof(m));
	ok(holds(m, n, "org.freedesktop.systemd1.Service", 33), "the cgroup of a service: interface of a service");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	is_int(systemd_cgroup_of(&mock, "web.socket", text, sizeof(text), 300, &err), -ECONNREFUSED,
	       "the cgroup of a unit without systemd is an error");
}

static void units(void)
{
	is_str(systemd_unit_of("/machine.slice/libpod-1.scope"), "libpod-1.scope", "systemd_unit_of: a scope");
	is_str(systemd_unit_of("/system.slice/x.service"), NULL, "systemd_unit_of: a service");
	is_str(systemd_unit_of("/machine.slice/libpod-1.scope/container"), NULL,
	       "systemd_unit_of: a cgroup below a scope");
	is_str(systemd_unit_of("/libpod_parent/libpod-1"), NULL, "systemd_unit_of: no unit");
	is_str(systemd_unit_of("/.scope"), NULL, "systemd_unit_of: a suffix without a name");
}

int main(void)
{
	char dir[] = "/tmp/numaplace-systemd.XXXXXX", to[64];

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/socket", dir);
	snprintf(mock.socket, sizeof(mock.socket), "%s", path);
	snprintf(to, sizeof(to), "%s/call", dir);
	units();
	message(to);
	others(to);
	scopes(to);
	cgroup_of(to);
	answers(to);
	unlink(to);
	snprintf(to, sizeof(to), "%s/call.2", dir);
	unlink(to);
	unlink(path);
	rmdir(dir);
	return done();
}
