/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One method call of D-Bus, SetUnitProperties, as bytes, and its answer.  Our
 * own byte order is what the message says it is in; every length that comes back is
 * checked against what was read.
 */
#include "cgroup/systemd.h"

#include "plugin/util.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define SET_BYTES (IDSET_MAX / 8)
#define MESSAGE_MAX (4096 + 2 * SET_BYTES)
#define TYPE_RETURN 2
#define TYPE_ERROR 3

const char *systemd_unit_of(const char *cgroup)
{
	static const char *const kinds[] = { ".scope", ".service" };
	const char *name = strrchr(cgroup, '/');
	size_t len = name ? strlen(++name) : 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t n = strlen(kinds[i]);

		if (len > n && len < 256 && strcmp(name + len - n, kinds[i]) == 0)
			return name;
	}
	return NULL;
}

/* --- writing; positions count from the message's beginning, which is aligned --- */

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

/* (sv) with v an ay: a bit for each id. */
static void put_set(struct message *m, const char *name, const struct idset *s)
{
	unsigned char bits[SET_BYTES] = { 0 };
	uint32_t len = 0;

	if (idset_empty(s))
		return;
	idset_foreach(id, s) {
		bits[id / 8] = (unsigned char)(bits[id / 8] | 1U << (id % 8));
		len = (uint32_t)id / 8 + 1;
	}
	align(m, 8);
	put_string(m, name);
	put_signature(m, "ay");
	put_u32(m, len);
	put(m, bits, len);
}

static int make_call(struct message *m, const char *unit, const struct idset *cpus, const struct idset *mems)
{
	const uint16_t one = 1;
	unsigned char begin[4] = { *(const unsigned char *)&one ? 'l' : 'B', 1, 0, 1 };
	size_t fields, body, array;

	m->n = 0;
	m->full = false;
	put(m, begin, sizeof(begin));
	put_u32(m, 0); /* the body's length */
	put_u32(m, 1); /* serial */
	put_u32(m, 0); /* the fields' length */
	fields = m->n;
	put_field(m, 1, "o", "/org/freedesktop/systemd1");
	put_field(m, 2, "s", "org.freedesktop.systemd1.Manager");
	put_field(m, 3, "s", "SetUnitProperties");
	put_field(m, 6, "s", "org.freedesktop.systemd1");
	put_field(m, 8, "g", "sba(sv)");
	patch_u32(m, 12, m->n - fields);
	align(m, 8);
	body = m->n;
	put_string(m, unit);
	put_u32(m, 1); /* at run time only: nothing is written below /etc */
	put_u32(m, 0); /* the array's length */
	array = m->n - 4;
	align(m, 8);
	fields = m->n;
	put_set(m, "AllowedCPUs", cpus);
	put_set(m, "AllowedMemoryNodes", mems);
	patch_u32(m, array, m->n - fields);
	patch_u32(m, 4, m->n - body);
	return m->full ? -E2BIG : 0;
}

/* --- the socket --- */

struct line {
	int fd;
	struct timespec end;
};

/* Milliseconds left; 0: none. */
static int left(const struct line *l)
{
	struct timespec now;
	long ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (l->end.tv_sec - now.tv_sec) * 1000 + (l->end.tv_nsec - now.tv_nsec) / 1000000;
	return ms > 0 ? (int)ms : 0;
}

static int wait_for(const struct line *l, short events)
{
	struct pollfd p = { .fd = l->fd, .events = events };
	int r;

	do
		r = poll(&p, 1, left(l));
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r ? 0 : -ETIMEDOUT;
}

static int send_all(const struct line *l, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = unix_send(l->fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		int r = 0;

		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			r = wait_for(l, POLLOUT);
		} else if (n < 0 && errno != EINTR) {
			r = -errno;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int receive(const struct line *l, void *data, size_t len)
{
	char *p = data;

	while (len) {
		ssize_t n = read(l->fd, p, len); /* the socket does not block, and hooks may do no other call */
		int r = 0;

		if (n == 0)
			return -ECONNRESET;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			r = wait_for(l, POLLIN);
		} else if (errno != EINTR) {
			r = -errno;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* Who we are is known to the kernel; "30" is root's uid in hex of its digits. */
static int authenticate(const struct line *l)
{
	static const char hello[] = "\0AUTH EXTERNAL 30\r\n", begin[] = "BEGIN\r\n";
	char answer[128];
	size_t n = 0;
	int r = send_all(l, hello, sizeof(hello) - 1);

	while (r == 0 && (n < 2 || answer[n - 1] != '\n')) {
		if (n == sizeof(answer))
			return -EPROTO;
		r = receive(l, &answer[n++], 1);
	}
	if (r == 0 && strncmp(answer, "OK ", 3) != 0)
		return -EACCES;
	return r < 0 ? r : send_all(l, begin, sizeof(begin) - 1);
}

/* Reads messages until the answer; what systemd said against it goes into @said. */
static int answer(const struct line *l, char *said, size_t size)
{
	for (;;) {
		struct {
			unsigned char order, type, flags, version;
			uint32_t body, serial, fields;
		} head;
		struct message m;
		size_t fields, all;
		uint32_t len;
		int r = receive(l, &head, sizeof(head));

		if (r < 0)
			return r;
		fields = ((size_t)head.fields + 7) / 8 * 8;
		all = fields + head.body;
		if (head.fields > sizeof(m.byte) || head.body > sizeof(m.byte) || all > sizeof(m.byte))
			return -EPROTO;
		r = receive(l, m.byte, all);
		if (r < 0)
			return r;
		if (head.type == TYPE_RETURN)
			return 0;
		if (head.type != TYPE_ERROR)
			continue;
		said[0] = '\0';
		if (head.body >= sizeof(len)) {
			memcpy(&len, m.byte + fields, sizeof(len));
			if (len < head.body - sizeof(len))
				snprintf(said, size, "%.*s", (int)len, (const char *)m.byte + fields + sizeof(len));
		}
		return -EREMOTEIO;
	}
}

static int call(const char *path, const struct message *m, unsigned int timeout_ms, char *said, size_t size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup_close int fd = unix_socket(SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct line l = { .fd = fd };
	int r;

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	if (unix_connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	clock_gettime(CLOCK_MONOTONIC, &l.end);
	l.end.tv_sec += timeout_ms / 1000;
	l.end.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	r = authenticate(&l);
	if (r == 0)
		r = send_all(&l, m->byte, m->n);
	return r < 0 ? r : answer(&l, said, size);
}

int systemd_set_cpuset(const char *socket_path, const char *cgroup, const struct idset *cpus, const struct idset *mems,
		       unsigned int timeout_ms, struct error *err)
{
	const char *unit = systemd_unit_of(cgroup);
	struct message m;
	char said[256];
	int r;

	if (!unit || (idset_empty(cpus) && idset_empty(mems)))
		return 0;
	r = make_call(&m, unit, cpus, mems);
	if (r == 0)
		r = call(socket_path, &m, timeout_ms, said, sizeof(said));
	/* another init, or a container without one */
	if (r == -ENOENT || r == -ECONNREFUSED || r == 0)
		return 0;
	if (r == -EREMOTEIO)
		return error_set(err, r, "AllowedCPUs of %.200s: systemd: %s", unit, quote(said).text);
	return error_errno(err, r, "AllowedCPUs of %.200s", unit);
}
