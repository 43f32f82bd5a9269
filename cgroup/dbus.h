/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Method calls of D-Bus on systemd's own socket: messages, authentication, replies. No library, a time limit, and every
 * length in a message is checked against what was read. Messages are in the machine's byte order, as their header says.
 */
#ifndef NUMAPLACE_CGROUP_DBUS_H
#define NUMAPLACE_CGROUP_DBUS_H

#include "plugin/base/idset.h"

#include <stdbool.h>
#include <stdint.h>

#define DBUS_SET_BYTES (IDSET_MAX / 8)
#define DBUS_MESSAGE_MAX (8192 + 2 * DBUS_SET_BYTES)
#define DBUS_SAID_MAX 256

/* A message to send, or the fields and body of one received. Positions are relative to its aligned start. */
struct dbus_message {
	size_t n;     /* the length; of a received message the end of its body */
	size_t body;  /* where the body begins */
	size_t array; /* of an open array: where its items begin, and where its length is */
	size_t length;
	bool full;
	_Alignas(8) unsigned char byte[DBUS_MESSAGE_MAX];
};

struct dbus_call {
	const char *object, *interface, *member, *signature;
};

/* --- writing --- */

/* Writes everything before the body. */
void dbus_begin(struct dbus_message *m, const struct dbus_call *c, uint32_t serial);
void dbus_put_u32(struct dbus_message *m, uint32_t v);
void dbus_put_string(struct dbus_message *m, const char *s);
/* An array whose items are aligned to 8, such as a(sv). One array is open at a time. */
void dbus_open_array(struct dbus_message *m);
void dbus_close_array(struct dbus_message *m);
/*
 * Members of a(sv): a string, strings up to a NULL (as), one number as an array (au), and a bit per id as bytes (ay); no
 * member for an empty set.
 */
void dbus_put_text(struct dbus_message *m, const char *name, const char *value);
void dbus_put_texts(struct dbus_message *m, const char *name, const char *const *values);
void dbus_put_number(struct dbus_message *m, const char *name, uint32_t v);
void dbus_put_set(struct dbus_message *m, const char *name, struct ids s);

/* --- the connection --- */

struct dbus_line {
	int fd;
	uint64_t deadline; /* of clock_ms() */
};

/*
 * Connects, and authenticates as the user @uid, whom the kernel names to the other side. Returns 0; -ENOENT or
 * -ECONNREFUSED: nothing listens there; -EACCES: refused. The caller closes @l->fd, also after a failure.
 */
int dbus_connect(struct dbus_line *l, const char *path, unsigned int uid, unsigned int timeout_ms);

/*
 * Sends @m and reads up to its reply, which replaces it. -EREMOTEIO: the other side refused, and @said has its message;
 * -ETIMEDOUT; -E2BIG: @m did not fit.
 */
int dbus_exchange(const struct dbus_line *l, struct dbus_message *m, char said[DBUS_SAID_MAX]);

/* Reads the next signal that is not too long for @m. */
int dbus_signal(const struct dbus_line *l, struct dbus_message *m);

/*
 * The string at *@at in the body, in place; *@at becomes the position of the next value. NULL: it is incomplete or not
 * terminated.
 */
const char *dbus_text(const struct dbus_message *m, size_t *at);

#endif
