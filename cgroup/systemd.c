/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two D-Bus method calls and their replies: Get of a unit's ControlGroup, and SetUnitProperties if that is the cgroup
 * in question. Messages are in the machine's byte order, as their header says; every length in a reply is checked
 * against what was read.
 *
 * The cgroup's attribute user.invocation_id is not used instead: it does not name the unit, and in a delegated cgroup
 * the container can write it.
 */
#include "cgroup/systemd.h"

#include "plugin/base/clock.h"
#include "plugin/base/util.h"
#include "plugin/base/wait.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define SET_BYTES (IDSET_MAX / 8)
#define MESSAGE_MAX (4096 + 2 * SET_BYTES)
#define UNIT_MAX 256
#define OBJECTS "/org/freedesktop/systemd1/unit/"
#define TYPE_RETURN 2
#define TYPE_ERROR 3

#define SUFFIX ".scope"

/*
 * Runtimes make a scope for each container, which ends with it. A service is a unit of the host: its cgroup may be
 * empty (a oneshot service that remains active), so that a tenant can start a container in it, and properties that are
 * set for it outlast that container and confine the next start of the service.
 */
const char *systemd_unit_of(const char *cgroup)
{
	const char *name = strrchr(cgroup, '/');
	size_t len = name ? strlen(++name) : 0, end = strlen(SUFFIX);

	return len > end && len < UNIT_MAX && strcmp(name + len - end, SUFFIX) == 0 ? name : NULL;
}

/* --- writing; positions are relative to the start of the message, which is aligned --- */

struct message {
	size_t n;
	bool full;
	_Alignas(8) unsigned char byte[MESSAGE_MAX];
};

static void put(struct message *m, const void *data, size_t len)
{
	if (len > sizeof(m->byte) - m->n) {
		m->full = true;
		return;
	}
	memcpy(m->byte + m->n, data, len);
	m->n += len;
}

static void align(struct message *m, size_t to)
{
	static const unsigned char zero[8];

	put(m, zero, (to - m->n % to) % to);
}

static void put_u32(struct message *m, uint32_t v)
{
	align(m, 4);
	put(m, &v, sizeof(v));
}

static void put_string(struct message *m, const char *s)
{
	put_u32(m, (uint32_t)strlen(s));
	put(m, s, strlen(s) + 1);
}

static void put_signature(struct message *m, const char *s)
{
	unsigned char len = (unsigned char)strlen(s);

	put(m, &len, 1);
	put(m, s, len + 1U);
}

static void put_field(struct message *m, unsigned char code, const char *type, const char *value)
{
	align(m, 8);
	put(m, &code, 1);
	put_signature(m, type);
	if (*type == 'g')
		put_signature(m, value);
	else
		put_string(m, value);
}

static void patch_u32(struct message *m, size_t at, size_t v)
{
	uint32_t value = (uint32_t)v;

	memcpy(m->byte + at, &value, sizeof(value));
}

/* Writes a property (sv) whose value is a byte array (ay) with a bit per id. */
static void put_set(struct message *m, const char *name, struct ids s)
{
	unsigned char bits[SET_BYTES] = { 0 };
	uint32_t len = 0;

	if (ids_empty(s))
		return;
	ids_foreach(id, s) {
		bits[id / 8] = (unsigned char)(bits[id / 8] | 1U << (id % 8));
		len = (uint32_t)id / 8 + 1;
	}
	align(m, 8);
	put_string(m, name);
	put_signature(m, "ay");
	put_u32(m, len);
	put(m, bits, len);
}

struct call {
	const char *object, *interface, *member, *signature;
};

/* Writes everything before the body; *@body becomes the body's position. */
static void begin_call(struct message *m, const struct call *c, uint32_t serial, size_t *body)
{
	const uint16_t one = 1;
	unsigned char begin[4] = { *(const unsigned char *)&one ? 'l' : 'B', 1, 0, 1 };
	size_t fields;

	m->n = 0;
	m->full = false;
	put(m, begin, sizeof(begin));
	put_u32(m, 0); /* length of the body */
	put_u32(m, serial);
	put_u32(m, 0); /* length of the fields */
	fields = m->n;
	put_field(m, 1, "o", c->object);
	put_field(m, 2, "s", c->interface);
	put_field(m, 3, "s", c->member);
	put_field(m, 6, "s", "org.freedesktop.systemd1");
	put_field(m, 8, "g", c->signature);
	patch_u32(m, 12, m->n - fields);
	align(m, 8);
	*body = m->n;
}

static int end_call(struct message *m, size_t body)
{
	patch_u32(m, 4, m->n - body);
	return m->full ? -E2BIG : 0;
}

static bool is_alnum(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9' && !first);
}

/*
 * A unit's object path, escaped as systemd does: other characters than letters and digits, and a leading digit, become
 * "_" and two hex digits.
 */
static void object_of(const char *unit, char *out, size_t size)
{
	size_t n = (size_t)snprintf(out, size, OBJECTS);

	for (const char *p = unit; *p && n + 4 < size; p++) {
		if (is_alnum(*p, p == unit))
			out[n++] = *p;
		else
			n += (size_t)snprintf(out + n, size - n, "_%02x", (unsigned char)*p);
	}
	out[n] = '\0';
}

static int make_question(struct message *m, const char *unit)
{
	char object[sizeof(OBJECTS) + 3 * UNIT_MAX + 4];
	const struct call get = { object, "org.freedesktop.DBus.Properties", "Get", "ss" };
	size_t body;

	object_of(unit, object, sizeof(object));
	begin_call(m, &get, 1, &body);
	put_string(m, "org.freedesktop.systemd1.Scope");
	put_string(m, "ControlGroup");
	return end_call(m, body);
}

static int make_call(struct message *m, const char *unit, const struct idset *cpus, const struct nodeset *mems)
{
	static const struct call set = { "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
					 "SetUnitProperties", "sba(sv)" };
	size_t body, array, items;

	begin_call(m, &set, 2, &body);
	put_string(m, unit);
	put_u32(m, 1); /* runtime only: nothing is written below /etc */
	put_u32(m, 0); /* length of the array */
	array = m->n - 4;
	align(m, 8);
	items = m->n;
	put_set(m, "AllowedCPUs", ids_of(cpus));
	put_set(m, "AllowedMemoryNodes", ids_of(mems));
	patch_u32(m, array, m->n - items);
	return end_call(m, body);
}

/* --- the socket --- */

struct line {
	int fd;
	uint64_t deadline; /* of clock_ms() */
};

static int receive(const struct line *l, void *data, size_t len)
{
	char *p = data;

	while (len) {
		ssize_t n = read(l->fd, p, len); /* non-blocking socket; the hooks' seccomp filter has no recv */
		int r = 0;

		if (n == 0)
			return -ECONNRESET;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			r = wait_until(l->fd, POLLIN, l->deadline);
		} else if (errno != EINTR) {
			r = -errno;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* The kernel passes our uid; "30" is the digit of root's uid, in hex. */
static int authenticate(const struct line *l)
{
	static const char hello[] = "\0AUTH EXTERNAL 30\r\n", begin[] = "BEGIN\r\n";
	char reply[128];
	size_t n = 0;
	int r = send_until(l->fd, hello, sizeof(hello) - 1, l->deadline);

	while (r == 0 && (n < 2 || reply[n - 1] != '\n')) {
		if (n == sizeof(reply))
			return -EPROTO;
		r = receive(l, &reply[n++], 1);
	}
	if (r == 0 && strncmp(reply, "OK ", 3) != 0)
		return -EACCES;
	return r < 0 ? r : send_until(l->fd, begin, sizeof(begin) - 1, l->deadline);
}

/* The string at @at in the body, in place; NULL if it is incomplete or not terminated. */
static const char *text_at(const struct message *m, size_t at, size_t end)
{
	uint32_t len;

	if (end < sizeof(len) || at > end - sizeof(len))
		return NULL;
	memcpy(&len, m->byte + at, sizeof(len));
	at += sizeof(len);
	if (len >= end - at || m->byte[at + len] || strlen((const char *)m->byte + at) != len)
		return NULL;
	return (const char *)m->byte + at;
}

/*
 * Reads messages up to the reply and stores it in @m; its body is from *@body to *@end. -EREMOTEIO: @said is systemd's
 * error message.
 */
static int answer(const struct line *l, struct message *m, size_t *body, size_t *end, char *said, size_t size)
{
	const uint16_t one = 1;

	for (;;) {
		struct {
			unsigned char order, type, flags, version;
			uint32_t body, serial, fields;
		} head;
		size_t fields, all;
		const char *text;
		int r = receive(l, &head, sizeof(head));

		if (r < 0)
			return r;
		if (head.order != (*(const unsigned char *)&one ? 'l' : 'B'))
			return -EPROTO;
		fields = ((size_t)head.fields + 7) / 8 * 8;
		all = fields + head.body;
		if (head.fields > sizeof(m->byte) || head.body > sizeof(m->byte) || all > sizeof(m->byte))
			return -EPROTO;
		r = receive(l, m->byte, all);
		if (r < 0)
			return r;
		*body = fields;
		*end = all;
		if (head.type == TYPE_RETURN)
			return 0;
		if (head.type != TYPE_ERROR)
			continue;
		text = text_at(m, fields, all);
		snprintf(said, size, "%s", text ? text : "");
		return -EREMOTEIO;
	}
}

/*
 * Asks whether the unit's cgroup is @cgroup: 1 or 0. The reply is a variant: the signature "s", then an aligned string.
 */
static int has_cgroup(const struct line *l, struct message *m, const char *unit, const char *cgroup)
{
	char said[256];
	size_t body, end;
	const char *text;
	int r = make_question(m, unit);

	if (r == 0)
		r = send_until(l->fd, m->byte, m->n, l->deadline);
	if (r == 0)
		r = answer(l, m, &body, &end, said, sizeof(said));
	if (r < 0) /* systemd has no such unit */
		return r == -EREMOTEIO ? 0 : r;
	if (end - body < 4 || memcmp(m->byte + body, "\1s", 3) != 0)
		return -EPROTO;
	text = text_at(m, body + 4, end);
	return text ? strcmp(text, cgroup) == 0 : -EPROTO;
}

static int connect_to(const char *path, unsigned int timeout_ms, struct line *l)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (l->fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	if (unix_connect(l->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	l->deadline = clock_ms() + timeout_ms;
	return authenticate(l);
}

int systemd_set_cpuset(const char *socket_path, const char *cgroup, const struct idset *cpus,
		       const struct nodeset *mems, unsigned int timeout_ms, struct error *err)
{
	const char *unit = systemd_unit_of(cgroup);
	cleanup_close int fd = -1;
	struct line l = { .fd = -1 };
	struct message m;
	size_t body, end;
	char said[256];
	int r;

	if (!unit || (idset_empty(cpus) && nodeset_empty(mems)))
		return 0;
	l.fd = fd = unix_socket(SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
	r = connect_to(socket_path, timeout_ms, &l);
	/* another init system, or a container without one */
	if (r == -ENOENT || r == -ECONNREFUSED)
		return 0;
	if (r == 0)
		r = has_cgroup(&l, &m, unit, cgroup);
	if (r == 0)
		return 0;
	if (r > 0)
		r = make_call(&m, unit, cpus, mems);
	if (r == 0)
		r = send_until(l.fd, m.byte, m.n, l.deadline);
	if (r == 0)
		r = answer(&l, &m, &body, &end, said, sizeof(said));
	if (r == -EREMOTEIO)
		return error_set(err, r, "AllowedCPUs of %.200s: systemd: %s", unit, quote(said).text);
	return r < 0 ? error_errno(err, r, "AllowedCPUs of %.200s", unit) : 0;
}
