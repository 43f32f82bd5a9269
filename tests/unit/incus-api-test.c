/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client of the Incus API against a child that plays the daemon: what is sent, and how unusual replies are handled.
 */
#include "runtime-hooks/incus/incus-api.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[] = "/tmp/numaplace-api-XXXXXX";
static char socket_path[64], asked_path[64], asked[4096];

/* A child that accepts one request, stores it in a file, and sends @answer in two parts. */
static pid_t serve_bytes(const char *answer, size_t len)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), client;
	size_t half = len / 2;
	ssize_t n, got = 0;
	pid_t pid;

	unlink(socket_path);
	strcpy(at.sun_path, socket_path);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1) < 0)
		exit(1);
	pid = fork();
	if (pid) {
		close(fd);
		return pid;
	}
	alarm(20);
	client = accept(fd, NULL, NULL);
	while ((n = read(client, asked + got, sizeof(asked) - 1 - (size_t)got)) > 0) {
		const char *body = strstr(asked, "\r\n\r\n"), *length = strstr(asked, "Content-Length: ");

		got += n;
		if (body && length && strlen(body + 4) >= (size_t)atoi(length + 16))
			break;
	}
	FILE *f = fopen(asked_path, "w");

	fputs(asked, f);
	fclose(f);
	if (len) {
		if (write(client, answer, half) < 0)
			exit(1);
		usleep(20000);
		if (write(client, answer + half, len - half) < 0)
			exit(1);
	} else {
		pause();
	}
	_exit(0);
}

static pid_t serve(const char *answer)
{
	return serve_bytes(answer, strlen(answer));
}

static const char *was_asked(pid_t pid)
{
	FILE *f;
	size_t n;

	waitpid(pid, NULL, 0);
	f = fopen(asked_path, "r");
	n = f ? fread(asked, 1, sizeof(asked) - 1, f) : 0;
	asked[n] = '\0';
	if (f)
		fclose(f);
	return asked;
}

static void test_get(void)
{
	struct incus_answer a = { 0 };
	struct error err = { 0 };
	pid_t pid = serve(
		"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"
		"{\"type\":\"sync\",\"error\":\"\",\"metadata\":{\"status\":\"Stopped\",\"type\":\"virtual-machine\","
		"\"config\":{\"limits.cpu\":\"2\"},\"expanded_config\":{\"limits.cpu\":\"4\",\"x\":\"y\"},"
		"\"expanded_devices\":{\"data\":{\"type\":\"disk\",\"source\":\"/dev/sda\"},\"root\":{\"type\":\"disk\",\"path\":\"/\"},"
		"\"gpu0\":{\"pci\":\"0000:3b:00.0\",\"type\":\"gpu\"}}}}");
	int r = incus_get(socket_path, "default", "v1", &a, &err);

	is_int(r, 0, "get: an instance: %s", err.text);
	is_str(a.status, "Stopped", "get: status");
	is_str(a.config.type, "virtual-machine", "get: type");
	is_str(a.config.native[KEY_CPU], "4", "get: the expanded configuration");
	is_int(a.config.devices.n, 2, "get: the devices that are hardware of the host");
	ok(strncmp(was_asked(pid), "GET /1.0/instances/v1?project=default HTTP/1.0\r\n", 48) == 0,
	   "get: the request line");
	incus_config_free(&a.config);

	pid = serve(
		"HTTP/1.0 404 Not Found\r\n\r\n"
		"{\"error\":\"Failed to fetch instance \\\"v1\\\" in project \\\"default\\\": Instance not found\"}");
	is_int(incus_get(socket_path, "default", "v1", &a, &err), -ENOENT, "get: no such instance");
	is_str(err.text, "Failed to fetch instance \"v1\" in project \"default\": Instance not found",
	       "get: the daemon's whole message for a missing instance");
	was_asked(pid);
	pid = serve("HTTP/1.0 500 Oh\r\n\r\n{\"error\":\"Database is locked\"}");
	is_int(incus_get(socket_path, "default", "v1", &a, &err), -EPROTO, "get: an error of the daemon");
	is_str(err.text, "Database is locked (HTTP status 500)", "get: the daemon's message and HTTP status");
	was_asked(pid);
}

static void test_set(void)
{
	static const struct {
		const char *answer, *message;
		int status;
	} cases[] = {
		{ "HTTP/1.0 200 OK\r\n\r\n{}", "", 0 },
		{ "HTTP/1.0 400 Bad Request\r\n\r\n{\"error\":\"Instance is busy running a \\\"start\\\" operation\"}",
		  "Instance is busy running a \"start\" operation (HTTP status 400)", -EBUSY },
		{ "HTTP/1.0 500 Oh\r\n\r\n{\"error\":\"Failed to create instance update operation: Instance is busy\"}",
		  "Failed to create instance update operation: Instance is busy (HTTP status 500)", -EBUSY },
		{ "HTTP/1.0 400 Bad Request\r\n\r\n{\"error\":\"Unknown configuration key: volatile.cpu.nodes\"}",
		  "Unknown configuration key: volatile.cpu.nodes (HTTP status 400)", -EINVAL },
		{ "HTTP/1.0 500 Oh\r\n\r\n{\"error\":\"Invalid config: Unknown configuration key: "
		  "volatile.cpu.nodes\"}",
		  "Invalid config: Unknown configuration key: volatile.cpu.nodes (HTTP status 500)", -EINVAL },
		{ "HTTP/1.0 404 Not Found\r\n\r\n{\"error\":\"Instance not found\"}", "Instance not found", -ENOENT },
		{ "HTTP/1.0 500 Oh\r\n\r\nno json", " (HTTP status 500)", -EPROTO },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *const config[] = { "volatile.cpu.nodes", "2,3", NULL };
		struct error err = { 0 };
		pid_t pid = serve(cases[i].answer);

		is_int(incus_set(socket_path, "p", "c1", config, &err), cases[i].status,
		       "set: status of case %zu", i);
		is_str(err.text, cases[i].message, "set: message of a reply");
		ok(strstr(was_asked(pid), "PATCH /1.0/instances/c1?project=p ") == asked &&
			   strstr(asked, "\r\n\r\n{\"config\":{\"volatile.cpu.nodes\":\"2,3\"}}"),
		   "set: the request line and body");
	}
}

static void test_odd(void)
{
	static const char *const answers[] = { "x", "HTTP/1.0 200 OK\r\n", "HTTP/9.9 what\r\n\r\n", "\r\n\r\n" };
	struct incus_answer a;
	struct error err;
	char *text;
	size_t len;
	pid_t pid;

	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		pid = serve(answers[i]);
		is_int(incus_get(socket_path, "default", "c1", &a, &err), -EPROTO, "reply that is not HTTP: %s",
		       err.text);
		was_asked(pid);
	}
	pid = serve("HTTP/1.0 200 OK\r\n\r\n[1");
	is_int(incus_get(socket_path, "default", "c1", &a, &err), -EINVAL, "reply that is not JSON: %s", err.text);
	was_asked(pid);
	/* The part after a NUL was read, but not kept. */
	for (size_t at = 0; at < 3; at++) {
		static const char with_nul[][32] = { "HTTP/1.0 200 OK\r\n\r\n{}\0x", "HTTP/1.0 200 OK\r\n\r\n\0{}",
						     "HTTP/1.0\0 200 OK\r\n\r\n{}" };

		pid = serve_bytes(with_nul[at], sizeof(with_nul[at]));
		text = NULL;
		is_int(incus_request(socket_path, "GET", "/", NULL, 2000, &text, &len, &err), -EPROTO,
		       "reply that contains a NUL: %s", err.text);
		ok(!text, "reply that contains a NUL: no text is returned");
		was_asked(pid);
	}
	pid = serve("");
	is_int(incus_request(socket_path, "GET", "/", NULL, 200, &text, &len, &err), -ETIMEDOUT, "no reply in time: %s",
	       err.text);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	is_int(incus_get(socket_path, "default", "c1", &a, &err), -ECONNREFUSED, "no daemon on the socket: %s",
	       err.text);
	unlink(socket_path);
	is_int(incus_get(socket_path, "default", "c1", &a, &err), -ENOENT, "no socket: %s", err.text);
}

int main(void)
{
	if (!mkdtemp(path))
		return 1;
	snprintf(socket_path, sizeof(socket_path), "%s/s", path);
	snprintf(asked_path, sizeof(asked_path), "%s/asked", path);
	test_get();
	test_set();
	test_odd();
	unlink(asked_path);
	unlink(socket_path);
	rmdir(path);
	return done();
}
