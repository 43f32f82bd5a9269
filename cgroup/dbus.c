/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of the wire format that a few calls of systemd need.
 */
#include "cgroup/dbus.h"

#include "plugin/base/clock.h"
#include "plugin/base/util.h"
#include "plugin/base/wait.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define TYPE_RETURN 2
#define TYPE_ERROR 3
#define TYPE_SIGNAL 4
#define DESTINATION "org.freedesktop.systemd1"

/* --- writing --- */

static void put(struct dbus_message *m, const void *data, size_t len)
{
	if (len > sizeof(m->byte) - m->n) {
		m->full = true;
		return;
	}
	memcpy(m->byte + m->n, data, len);
	m->n += len;
}

static void align(struct dbus_message *m, size_t to)
{
	static const unsigned char zero[8];

	put(m, zero, (to - m->n % to) % to);
}

void dbus_put_u32(struct dbus_message *m, uint32_t v)
{
	align(m, 4);
	put(m, &v, sizeof(v));
}

void dbus_put_string(struct dbus_message *m, const char *s)
{
	dbus_put_u32(m, (uint32_t)strlen(s));
	put(m, s, strlen(s) + 1);
}

static void put_signature(struct dbus_message *m, const char *s)
{
	unsigned char len = (unsigned char)strlen(s);

	put(m, &len, 1);
	put(m, s, len + 1U);
}

static void put_field(struct dbus_message *m, unsigned char code, const char *type, const char *value)
{
	align(m, 8);
	put(m, &code, 1);
	put_signature(m, type);
	if (*type == 'g')
		put_signature(m, value);
	else
		dbus_put_string(m, value);
}

static void patch_u32(struct dbus_message *m, size_t at, size_t v)
{
	uint32_t value = (uint32_t)v;

	memcpy(m->byte + at, &value, sizeof(value));
}

static unsigned char byte_order(void)
{
	const uint16_t one = 1;

	return *(const unsigned char *)&one ? 'l' : 'B';
}

void dbus_begin(struct dbus_message *m, const struct dbus_call *c, uint32_t serial)
{
	unsigned char begin[4] = { byte_order(), 1, 0, 1 };
	size_t fields;

	m->n = 0;
	m->full = false;
	put(m, begin, sizeof(begin));
	dbus_put_u32(m, 0); /* length of the body */
	dbus_put_u32(m, serial);
	dbus_put_u32(m, 0); /* length of the fields */
	fields = m->n;
	put_field(m, 1, "o", c->object);
	put_field(m, 2, "s", c->interface);
	put_field(m, 3, "s", c->member);
	put_field(m, 6, "s", DESTINATION);
	put_field(m, 8, "g", c->signature);
	patch_u32(m, 12, m->n - fields);
	align(m, 8);
	m->body = m->n;
}

void dbus_open_array(struct dbus_message *m)
{
	dbus_put_u32(m, 0);
	m->length = m->n - 4;
	align(m, 8);
	m->array = m->n;
}

void dbus_close_array(struct dbus_message *m)
{
	patch_u32(m, m->length, m->n - m->array);
}

/* The name of a member, and the type of its value. */
static void put_member(struct dbus_message *m, const char *name, const char *type)
{
	align(m, 8);
	dbus_put_string(m, name);
	put_signature(m, type);
}

void dbus_put_text(struct dbus_message *m, const char *name, const char *value)
{
	put_member(m, name, "s");
	dbus_put_string(m, value);
}

void dbus_put_texts(struct dbus_message *m, const char *name, const char *const *values)
{
	size_t length;

	put_member(m, name, "as");
	dbus_put_u32(m, 0);
	length = m->n;
	for (; *values; values++)
		dbus_put_string(m, *values);
	patch_u32(m, length - 4, m->n - length);
}

void dbus_put_number(struct dbus_message *m, const char *name, uint32_t v)
{
	put_member(m, name, "au");
	dbus_put_u32(m, sizeof(v));
	dbus_put_u32(m, v);
}

void dbus_put_set(struct dbus_message *m, const char *name, struct ids s)
{
	unsigned char bits[DBUS_SET_BYTES] = { 0 };
	uint32_t len = 0;

	if (ids_empty(s))
		return;
	ids_foreach(id, s) {
		bits[id / 8] = (unsigned char)(bits[id / 8] | 1U << (id % 8));
		len = (uint32_t)id / 8 + 1;
	}
	put_member(m, name, "ay");
	dbus_put_u32(m, len);
	put(m, bits, len);
}

/* --- the connection --- */

static int receive(const struct dbus_line *l, void *data, size_t len)
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

/*
 * D-Bus writes an id as the hexadecimal codes of its decimal digits. BEGIN is sent before the reply: if systemd read it
 * together with the first call, it would answer that call only after another one.
 */
static int authenticate(const struct dbus_line *l, unsigned int uid)
{
	char hello[64] = "", digits[16], reply[128];
	size_t n = 0, len;
	int r;

	snprintf(digits, sizeof(digits), "%u", uid);
	len = 1 + (size_t)snprintf(hello + 1, sizeof(hello) - 1, "AUTH EXTERNAL ");
	for (const char *p = digits; *p; p++)
		len += (size_t)snprintf(hello + len, sizeof(hello) - len, "%02x", (unsigned char)*p);
	len += (size_t)snprintf(hello + len, sizeof(hello) - len, "\r\nBEGIN\r\n");
	r = send_until(l->fd, hello, len, l->deadline);
	while (r == 0 && (n < 2 || reply[n - 1] != '\n')) {
		if (n == sizeof(reply))
			return -EPROTO;
		r = receive(l, &reply[n++], 1);
	}
	return r == 0 && strncmp(reply, "OK ", 3) != 0 ? -EACCES : r;
}

int dbus_connect(struct dbus_line *l, const char *path, unsigned int uid, unsigned int timeout_ms)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	l->fd = unix_socket(SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (l->fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	if (unix_connect(l->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	l->deadline = clock_ms() + timeout_ms;
	return authenticate(l, uid);
}

/* systemd sends the signals of all units on this connection: those that are longer than a message here are discarded. */
static int discard(const struct dbus_line *l, struct dbus_message *m, size_t len)
{
	int r = 0;

	while (r == 0 && len) {
		size_t part = len < sizeof(m->byte) ? len : sizeof(m->byte);

		r = receive(l, m->byte, part);
		len -= part;
	}
	return r;
}

/* Reads the next message: its fields and its body. Returns its type, 0 for one that was discarded, or a negative errno. */
static int next(const struct dbus_line *l, struct dbus_message *m)
{
	struct {
		unsigned char order, type, flags, version;
		uint32_t body, serial, fields;
	} head;
	size_t fields, all;
	int r = receive(l, &head, sizeof(head));

	if (r < 0)
		return r;
	if (head.order != byte_order())
		return -EPROTO;
	fields = ((size_t)head.fields + 7) / 8 * 8;
	all = fields + head.body;
	if (all > sizeof(m->byte) && head.type == TYPE_SIGNAL)
		return discard(l, m, all);
	if (all > sizeof(m->byte))
		return -EPROTO;
	r = receive(l, m->byte, all);
	m->body = fields;
	m->n = all;
	return r < 0 ? r : head.type;
}

const char *dbus_text(const struct dbus_message *m, size_t *at)
{
	size_t from = (*at + 3) / 4 * 4;
	const char *text;
	uint32_t len;

	if (m->n < sizeof(len) || from > m->n - sizeof(len))
		return NULL;
	memcpy(&len, m->byte + from, sizeof(len));
	from += sizeof(len);
	if (len >= m->n - from || m->byte[from + len] || strlen((const char *)m->byte + from) != len)
		return NULL;
	text = (const char *)m->byte + from;
	*at = from + len + 1;
	return text;
}

int dbus_exchange(const struct dbus_line *l, struct dbus_message *m, char said[DBUS_SAID_MAX])
{
	int type, r;

	if (m->full)
		return -E2BIG;
	patch_u32(m, 4, m->n - m->body);
	r = send_until(l->fd, m->byte, m->n, l->deadline);
	if (r < 0)
		return r;
	do
		type = next(l, m);
	while (type >= 0 && type != TYPE_RETURN && type != TYPE_ERROR);
	if (type == TYPE_ERROR) {
		size_t at = m->body;
		const char *text = dbus_text(m, &at);

		snprintf(said, DBUS_SAID_MAX, "%s", text ? text : "");
		return -EREMOTEIO;
	}
	return type < 0 ? type : 0;
}

int dbus_signal(const struct dbus_line *l, struct dbus_message *m)
{
	int type;

	do
		type = next(l, m);
	while (type >= 0 && type != TYPE_SIGNAL);
	return type < 0 ? type : 0;
}
