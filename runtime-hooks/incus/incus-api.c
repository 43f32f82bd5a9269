/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small HTTP client for Unix sockets. With HTTP/1.0 the answer is not chunked and ends with the connection.
 */
#include "runtime-hooks/incus/incus-api.h"

#include "plugin/base/clock.h"
#include "plugin/base/strbuf.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/json-write.h"
#include "runtime-hooks/common/json.h"
#include "plugin/base/wait.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define ANSWER_MAX (8U << 20)
#define PATIENCE_MS 10000

const char *incus_socket(const char *runtime)
{
	static const struct {
		const char *runtime, *path;
	} known[] = {
		{ "incus", "/var/lib/incus/unix.socket" },
		{ "lxd", "/var/lib/lxd/unix.socket" },
		{ "lxd", "/var/snap/lxd/common/lxd/unix.socket" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if ((!runtime || strcmp(runtime, known[i].runtime) == 0) && access(known[i].path, F_OK) == 0)
			return known[i].path;
	return NULL;
}

void incus_split(const char *id, char *project, char *instance, size_t size)
{
	const char *last = strrchr(id, '_');

	if (last)
		snprintf(project, size, "%.*s", (int)(last - id), id);
	else
		snprintf(project, size, "default");
	snprintf(instance, size, "%s", last ? last + 1 : id);
}

static size_t escape(const char *text, char *out, size_t size)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
	size_t used = 0;

	for (; *text && used + 4 < size; text++) {
		if (strchr(plain, *text))
			out[used++] = *text;
		else
			used += (size_t)snprintf(out + used, size - used, "%%%02X", (unsigned char)*text);
	}
	out[used] = '\0';
	return used;
}

void incus_path(const char *project, const char *instance, char *out, size_t size)
{
	char p[800], i[800];

	escape(project, p, sizeof(p));
	escape(instance, i, sizeof(i));
	snprintf(out, size, "/1.0/instances/%s?project=%s", i, p);
}

/* Reads until the peer closes the connection. */
static int receive_all(int fd, uint64_t until, char **text, size_t *len)
{
	cleanup_strbuf struct strbuf all = { 0 };
	char part[16384];

	strbuf_puts(&all, "");
	for (;;) {
		ssize_t n = recv(fd, part, sizeof(part), MSG_DONTWAIT);
		int r;

		if (!n)
			break;
		if (n > 0) {
			if (all.len + (size_t)n >= ANSWER_MAX)
				return -EFBIG;
			strbuf_add(&all, part, (size_t)n);
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = wait_until(fd, POLLIN, until);
		if (r < 0)
			return r;
	}
	if (all.failed)
		return -ENOMEM;
	*len = all.len;
	*text = steal_ptr(all.text);
	return 0;
}

static int open_socket(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	cleanup_close int fd = -1;

	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	memcpy(to.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* Parses "HTTP/1.0 200 OK": returns the status and finds the body. */
static int parse_status(const char *answer, const char **body)
{
	const char *end = strstr(answer, "\r\n\r\n");
	int status;

	if (!end || sscanf(answer, "HTTP/%*1u.%*1u %3d", &status) != 1 || status < 100)
		return -EPROTO;
	*body = end + 4;
	return status;
}

int incus_request(const char *socket, const char *method, const char *path, const char *body, unsigned int timeout_ms,
		  char **text, size_t *len, struct error *err)
{
	uint64_t until = clock_ms() + timeout_ms;
	cleanup_free char *question = NULL, *answer = NULL;
	cleanup_close int fd = open_socket(socket);
	const char *at = NULL;
	size_t got = 0;
	int r, n;

	if (fd < 0)
		return error_errno(err, fd, "connect %s", socket);
	n = asprintf(&question,
		     "%s %s HTTP/1.0\r\nHost: numaplace\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		     method, path, body ? strlen(body) : 0, body ? body : "");
	if (n < 0) {
		question = NULL;
		return error_set(err, -ENOMEM, "out of memory");
	}
	r = send_until(fd, question, (size_t)n, until);
	if (r == 0)
		r = receive_all(fd, until, &answer, &got);
	if (r == 0)
		r = parse_status(answer, &at);
	if (r < 0)
		return error_errno(err, r, "%s %s%s", socket, method, path);
	/* Callers treat the body as a string. */
	if (memchr(answer, '\0', got))
		return error_set(err, -EPROTO, "%s %s%s: the answer contains a NUL", socket, method, path);
	*len = got - (size_t)(at - answer);
	*text = strdup(at);
	return *text ? r : error_set(err, -ENOMEM, "out of memory");
}

static int take_config(void *arg, const struct json_value *v, struct error *err)
{
	struct incus_answer *a = arg;

	return incus_config_add(&a->config, v->key, v->text, err);
}

/* A device begins where the one before ends. */
static int begin_device(void *arg, const struct json_value *v, struct error *err)
{
	struct incus_answer *a = arg;

	(void)v;
	return incus_device_end(&a->config, err);
}

static int take_property(void *arg, const struct json_value *v, struct error *err)
{
	struct incus_answer *a = arg;

	return incus_device_set(&a->config, v->key, v->text, err);
}

static int take_status(void *arg, const struct json_value *v, struct error *err)
{
	struct incus_answer *a = arg;

	(void)err;
	snprintf(a->status, sizeof(a->status), "%s", v->text);
	return 0;
}

static int take_type(void *arg, const struct json_value *v, struct error *err)
{
	struct incus_answer *a = arg;

	free(a->config.type);
	a->config.type = strdup(v->text);
	return a->config.type ? 0 : error_set(err, -ENOMEM, "out of memory");
}

static int take_error(void *arg, const struct json_value *v, struct error *err)
{
	struct incus_answer *a = arg;

	(void)err;
	snprintf(a->error, sizeof(a->error), "%s", v->text);
	return 0;
}

static int parse_answer(const char *text, size_t len, struct incus_answer *out, struct error *err)
{
	static const struct json_rule rules[] = {
		{ "error", JSON_STRING, NULL, take_error },
		{ "metadata/status", JSON_STRING, NULL, take_status },
		{ "metadata/type", JSON_STRING, NULL, take_type },
		{ "metadata/expanded_config/*", JSON_STRING, NULL, take_config },
		{ "metadata/expanded_devices/*", JSON_OBJECT, NULL, begin_device },
		{ "metadata/expanded_devices/*/*", JSON_STRING, NULL, take_property },
	};
	int r = json_parse(text, len, ANSWER_MAX, rules, ARRAY_SIZE(rules), out, err);

	return r < 0 ? r : incus_device_end(&out->config, err);
}

/* Extracts the daemon's error message from its answer. */
static const char *daemon_error(const char *text, size_t len, struct incus_answer *a)
{
	static const struct json_rule rules[] = { { "error", JSON_STRING, NULL, take_error } };

	json_parse(text, len, ANSWER_MAX, rules, ARRAY_SIZE(rules), a, NULL);
	return a->error;
}

int incus_get(const char *socket, const char *project, const char *instance, struct incus_answer *out,
	      struct error *err)
{
	struct incus_answer a = { 0 };
	cleanup_free char *text = NULL;
	char path[2048];
	size_t len = 0;
	int r;

	incus_path(project, instance, path, sizeof(path));
	r = incus_request(socket, "GET", path, NULL, PATIENCE_MS, &text, &len, err);
	if (r < 0)
		return r;
	if (r == 404)
		return error_set(err, -ENOENT, "%.200s", daemon_error(text, len, &a));
	if (r != 200)
		return error_set(err, -EPROTO, "%.200s (HTTP status %d)", daemon_error(text, len, &a), r);
	r = parse_answer(text, len, &a, err);
	if (r < 0)
		incus_config_free(&a.config);
	else
		*out = a;
	return r;
}

/* {"config":{...}}: a PATCH keeps all other keys. */
static void write_config(struct json_writer *body, const char *const *config)
{
	json_begin_object(body, NULL);
	json_begin_object(body, "config");
	for (; *config; config += 2)
		json_put_string(body, config[0], config[1]);
	json_end(body);
	json_end(body);
}

int incus_set(const char *socket, const char *project, const char *instance, const char *const *config,
	      struct error *err)
{
	cleanup_json struct json_writer body = JSON_IN_MEMORY;
	cleanup_free char *text = NULL;
	struct incus_answer a = { 0 };
	char path[2048];
	size_t len = 0;
	const char *said;
	int r, status;

	write_config(&body, config);
	if (body.out.failed)
		return error_set(err, -ENOMEM, "out of memory");
	incus_path(project, instance, path, sizeof(path));
	r = incus_request(socket, "PATCH", path, body.out.text, PATIENCE_MS, &text, &len, err);
	if (r < 0 || r == 200)
		return r < 0 ? r : 0;
	said = daemon_error(text, len, &a);
	if (r == 404)
		return error_set(err, -ENOENT, "%.200s", said);
	/* LXD 5.0 and Incus 6.0 report an unknown key as status 500. */
	status = strstr(said, "busy") ? -EBUSY :
		 r == 400 || strstr(said, "nknown configuration key") ? -EINVAL : -EPROTO;
	return error_set(err, status, "%.200s (HTTP status %d)", said, r);
}
