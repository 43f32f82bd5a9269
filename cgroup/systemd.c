/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls of systemd's Manager, and Get of a unit's ControlGroup.
 *
 * The cgroup's attribute user.invocation_id is not used instead: it does not name the unit, and in a delegated cgroup
 * the container can write it.
 */
#include "cgroup/systemd.h"

#include "cgroup/dbus.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

#define MANAGER "/org/freedesktop/systemd1"
#define OBJECTS MANAGER "/unit/"
#define INTERFACES "org.freedesktop.systemd1."

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

	return len > end && len < SYSTEMD_UNIT_MAX && strcmp(name + len - end, SUFFIX) == 0 ? name : NULL;
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

/* The interface that has the cgroup of the unit; NULL: another kind of unit. */
static const char *interface_of(const char *unit)
{
	static const char *const kinds[][2] = {
		{ ".scope", INTERFACES "Scope" }, { ".service", INTERFACES "Service" }, { ".slice", INTERFACES "Slice" },
	};
	const char *end = strrchr(unit, '.');

	for (size_t i = 0; end && i < ARRAY_SIZE(kinds); i++)
		if (strcmp(end, kinds[i][0]) == 0)
			return kinds[i][1];
	return NULL;
}

/*
 * Asks for the cgroup of @unit, or of the manager. The reply is a variant: the signature "s", then an aligned string, which
 * *@out becomes. -EREMOTEIO: systemd has no such unit.
 */
static int ask_cgroup(const struct dbus_line *l, struct dbus_message *m, const char *unit, const char **out,
		      char said[DBUS_SAID_MAX])
{
	char object[sizeof(OBJECTS) + 3 * SYSTEMD_UNIT_MAX + 4] = MANAGER;
	const struct dbus_call get = { object, "org.freedesktop.DBus.Properties", "Get", "ss" };
	const char *interface = unit ? interface_of(unit) : INTERFACES "Manager", *text;
	size_t pos;
	int r;

	if (!interface || (unit && strlen(unit) >= SYSTEMD_UNIT_MAX))
		return -EINVAL;
	if (unit)
		object_of(unit, object, sizeof(object));
	dbus_begin(m, &get, 1);
	dbus_put_string(m, interface);
	dbus_put_string(m, "ControlGroup");
	r = dbus_exchange(l, m, said);
	if (r < 0)
		return r;
	if (m->n - m->body < 4 || memcmp(m->byte + m->body, "\1s", 3) != 0)
		return -EPROTO;
	pos = m->body + 3;
	text = dbus_text(m, &pos);
	if (!text)
		return -EPROTO;
	*out = text;
	return 0;
}

static void begin_set(struct dbus_message *m, const char *unit, const struct idset *cpus, const struct nodeset *mems)
{
	static const struct dbus_call set = { MANAGER, INTERFACES "Manager", "SetUnitProperties", "sba(sv)" };

	dbus_begin(m, &set, 2);
	dbus_put_string(m, unit);
	dbus_put_u32(m, 1); /* runtime only: nothing is written below /etc */
	dbus_open_array(m);
	dbus_put_set(m, "AllowedCPUs", ids_of(cpus));
	dbus_put_set(m, "AllowedMemoryNodes", ids_of(mems));
	dbus_close_array(m);
}

static int say(int status, const char *unit, const char *what, const char *said, struct error *err)
{
	if (status == -EREMOTEIO)
		return error_set(err, status, "%s of %.200s: systemd: %s", what, unit, quote(said).text);
	return status < 0 ? error_errno(err, status, "%s of %.200s", what, unit) : 0;
}

int systemd_set_cpuset(const struct systemd_at *at, const char *unit, const char *cgroup, const struct idset *cpus,
		       const struct nodeset *mems, unsigned int timeout_ms, struct error *err)
{
	struct dbus_line l = { .fd = -1 };
	struct dbus_message m;
	char said[DBUS_SAID_MAX] = "";
	const char *now;
	int r;

	if (!unit || (idset_empty(cpus) && nodeset_empty(mems)))
		return 0;
	r = dbus_connect(&l, at->socket, at->uid, timeout_ms);
	if (r == 0)
		r = ask_cgroup(&l, &m, unit, &now, said);
	/* another init system, a container without one, or a cgroup that is named like a unit */
	if (r == -ENOENT || r == -ECONNREFUSED || r == -EREMOTEIO || (r == 0 && strcmp(now, cgroup) != 0)) {
		cleanup_closep(&l.fd);
		return 0;
	}
	if (r == 0) {
		begin_set(&m, unit, cpus, mems);
		r = dbus_exchange(&l, &m, said);
	}
	cleanup_closep(&l.fd);
	return say(r, unit, "AllowedCPUs", said, err);
}

int systemd_cgroup_of(const struct systemd_at *at, const char *unit, char *out, size_t size, unsigned int timeout_ms,
		      struct error *err)
{
	struct dbus_line l = { .fd = -1 };
	struct dbus_message m;
	char said[DBUS_SAID_MAX] = "";
	const char *now = "";
	int r = dbus_connect(&l, at->socket, at->uid, timeout_ms);

	if (r == 0)
		r = ask_cgroup(&l, &m, unit, &now, said);
	cleanup_closep(&l.fd);
	if (r == 0 && (size_t)snprintf(out, size, "%s", now) >= size)
		r = -ENAMETOOLONG;
	return say(r, unit ? unit : "the manager", "the cgroup", said, err);
}

/*
 * Waits for the end of the job that puts the process into its scope. JobRemoved has a number, the job, the unit, and the
 * result; JobNew has no result.
 */
static int wait_for_job(const struct dbus_line *l, struct dbus_message *m, const char *job, const char *unit,
			struct error *err)
{
	for (;;) {
		const char *of, *result;
		size_t pos;
		int r = dbus_signal(l, m);

		if (r < 0)
			return error_errno(err, r, "scope %.200s: wait for its start", unit);
		pos = m->body + 4;
		of = dbus_text(m, &pos);
		if (!of || strcmp(of, job) != 0 || !dbus_text(m, &pos))
			continue;
		result = dbus_text(m, &pos);
		if (!result)
			continue;
		return strcmp(result, "done") == 0 ? 0 : error_set(err, -EREMOTEIO, "scope %.200s: systemd: %s", unit,
								   quote(result).text);
	}
}

static void begin_start(struct dbus_message *m, const struct systemd_scope *s)
{
	static const struct dbus_call start = { MANAGER, INTERFACES "Manager", "StartTransientUnit", "ssa(sv)a(sa(sv))" };

	dbus_begin(m, &start, 1);
	dbus_put_string(m, s->unit);
	dbus_put_string(m, "fail");
	dbus_open_array(m);
	dbus_put_text(m, "Description", s->description);
	dbus_put_text(m, "Slice", s->slice);
	dbus_put_text(m, "CollectMode", "inactive-or-failed");
	if (s->before)
		dbus_put_texts(m, "Before", s->before);
	dbus_put_number(m, "PIDs", (uint32_t)s->pid);
	dbus_put_set(m, "AllowedCPUs", ids_of(s->cpus));
	dbus_put_set(m, "AllowedMemoryNodes", ids_of(s->mems));
	dbus_close_array(m);
	dbus_open_array(m); /* of other units: none */
	dbus_close_array(m);
}

int systemd_start_scope(const struct systemd_at *at, const struct systemd_scope *scope, unsigned int timeout_ms,
			struct error *err)
{
	struct dbus_line l = { .fd = -1 };
	struct dbus_message m;
	char said[DBUS_SAID_MAX] = "", job[DBUS_SAID_MAX];
	const char *text = NULL;
	size_t pos;
	int r = dbus_connect(&l, at->socket, at->uid, timeout_ms);

	if (r == 0) {
		begin_start(&m, scope);
		r = dbus_exchange(&l, &m, said);
	}
	if (r == 0) {
		pos = m.body;
		text = dbus_text(&m, &pos);
		r = text && strlen(text) < sizeof(job) ? 0 : -EPROTO;
	}
	if (r < 0) {
		cleanup_closep(&l.fd);
		return say(r, scope->unit, "start", said, err);
	}
	strcpy(job, text);
	r = wait_for_job(&l, &m, job, scope->unit, err);
	cleanup_closep(&l.fd);
	return r;
}
