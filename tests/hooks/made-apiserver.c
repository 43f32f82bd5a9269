/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * made-apiserver NUMAPLACE-KUBE NUMAPLACE DIR: runs numaplace-kube, and is its API server: a mock that checks each request
 * and answers as a test says, also wrongly, late or not at all. `make test-kube` has the real server.
 *
 * DIR has machine/, a recorded machine; state/, a ledger; and more/, records that the tests move into the ledger. Prints
 * TAP. The test waits for requests and not for times; the pauses between requests are compared with their least length.
 */
#include "tests/hooks/made-certificates.h"

#include "runtime-hooks/kube/refusal.h"
#include "runtime-hooks/kube/schedule.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plugin/base/clock.h"
#include "tests/unit/tap.h"

#define PATIENCE_MS 60000
#define LIMIT "2" /* seconds that numaplace-kube waits for an answer */
#define TOPOLOGY "/apis/topology.node.k8s.io/v1alpha2/noderesourcetopologies/worker-1?fieldManager=numaplace&force=true"

static const char *kube, *numaplace, *folder;
static char machine[256], state[256], account[256], said_path[256];
static struct made authority, other_authority;
static SSL_CTX *right, *wrong_name, *wrong_authority, *now_using;
static int listener;
static char port[8];
static pid_t child;
static SSL *conn;

static struct {
	char head[8192], body[65536];
	char method[16], path[1024];
	uint64_t began, answered; /* milliseconds; @answered: the request before */
} request;

/* --- files --- */

static void put(const char *name, const char *text)
{
	char path[512], tmp[520];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", account, name);
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	file = fopen(tmp, "w");
	if (!file || fputs(text, file) < 0 || fclose(file) || rename(tmp, path) < 0)
		abort();
}

/* All that numaplace-kube has said since the last call. */
static const char *said(void)
{
	static char text[65536];
	static long at;
	FILE *file = fopen(said_path, "r");
	size_t n;

	if (!file)
		abort();
	fseek(file, at, SEEK_SET);
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	at += (long)n;
	fclose(file);
	return text;
}

/* Moves the next record into the ledger. */
static void change(void)
{
	static unsigned int next;
	char from[512], to[512];

	snprintf(from, sizeof(from), "%s/more/%u", folder, next);
	snprintf(to, sizeof(to), "%s/containers/oci:more%u", state, next);
	next++;
	if (rename(from, to) < 0)
		abort();
}

/* --- connections --- */

static void hang_up(void)
{
	if (!conn)
		return;
	close(SSL_get_fd(conn));
	SSL_free(conn);
	conn = NULL;
}

static bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

/* Waits for a connection; false: the client did not want to talk. */
static bool accepted(void)
{
	const struct timeval limit = { .tv_sec = PATIENCE_MS / 1000 };
	int fd;

	if (!readable(listener, PATIENCE_MS))
		return false;
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	conn = SSL_new(now_using);
	SSL_set_fd(conn, fd);
	if (SSL_accept(conn) == 1)
		return true;
	hang_up();
	return false;
}

static bool read_head(void)
{
	size_t n = 0;

	while (n < sizeof(request.head) - 1 && SSL_read(conn, request.head + n, 1) == 1) {
		request.head[++n] = '\0';
		if (n > 3 && strcmp(request.head + n - 4, "\r\n\r\n") == 0)
			return sscanf(request.head, "%15s %1023s HTTP/1.1\r\n", request.method, request.path) == 2;
	}
	return false;
}

/* Waits for a whole request, on the open connection or on a new one. */
static bool next(void)
{
	const char *length;
	size_t n = 0, want;

	if (!conn && !accepted())
		return false;
	if (!read_head()) { /* an idle connection was closed */
		hang_up();
		if (!accepted() || !read_head())
			return false;
	}
	request.began = clock_ms();
	length = strcasestr(request.head, "\r\ncontent-length: ");
	want = length ? strtoul(length + 18, NULL, 10) : 0;
	if (want >= sizeof(request.body))
		return false;
	while (n < want) {
		int got = SSL_read(conn, request.body + n, (int)(want - n));

		if (got <= 0)
			return false;
		n += (size_t)got;
	}
	request.body[n] = '\0';
	return true;
}

static void answer(const char *status, const char *body)
{
	char text[32768];
	int n = snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", status,
			 strlen(body), body);

	request.answered = clock_ms();
	if (conn)
		SSL_write(conn, text, n);
}

/* Whether the client writes or closes within @ms. */
static bool stirs(int ms)
{
	return conn && readable(SSL_get_fd(conn), ms);
}

static bool has_header(const char *line)
{
	char text[1024];

	snprintf(text, sizeof(text), "\r\n%s\r\n", line);
	return strcasestr(request.head, text);
}

static bool is_topology(void)
{
	return next() && strcmp(request.method, "PATCH") == 0 && strcmp(request.path, TOPOLOGY) == 0;
}

/* --- numaplace-kube --- */

static void start(void)
{
	child = fork();
	if (child == 0) {
		int fd = open(said_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd, 2);
		setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1", 1);
		setenv("KUBERNETES_SERVICE_PORT", port, 1);
		setenv("NODE_NAME", "worker-1", 1);
		setenv("HTTPS_PROXY", "http://127.0.0.1:1", 1);
		execl(kube, kube, "--sysroot", machine, "--state", state, "--account", account, "--timeout", LIMIT, NULL);
		_exit(127);
	}
}

/* What `numaplace topology --nrt` prints, without the newline. */
static const char *printed(void)
{
	static char text[65536];
	char command[2048];
	FILE *pipe;
	size_t n;

	snprintf(command, sizeof(command), "'%s' --sysroot '%s' --state '%s' topology --nrt --node-name worker-1", numaplace, machine,
		 state);
	pipe = popen(command, "r");
	n = pipe ? fread(text, 1, sizeof(text) - 1, pipe) : 0;
	text[n] = '\0';
	if (!pipe || pclose(pipe) != 0)
		abort();
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* --- the tests --- */

static void first_push(void)
{
	start();
	ok(is_topology(), "the topology is sent at the start: PATCH of the object of this node, as field manager numaplace");
	ok(has_header("Content-Type: application/apply-patch+yaml"), "it is server-side apply");
	ok(has_header("Authorization: Bearer first-token"), "with the token of the account");
	ok(strcasestr(request.head, "\r\nHost: 127.0.0.1:"), "the variables of a proxy are ignored");
	is_str(request.body, printed(), "the body is what `numaplace topology --nrt` prints");
	answer("201 Created", request.body);
}

static void after_change(void)
{
	char before[sizeof(request.body)];

	strcpy(before, request.body);
	change();
	ok(is_topology(), "a new record in the ledger: the topology is sent again");
	ok(strcmp(before, request.body) != 0, "with other amounts");
	is_str(request.body, printed(), "which are those of the ledger now");
	answer("200 OK", "{}");
}

/* An event without a change of the amounts, and then time for a request that must not come. */
static void no_change(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/containers/oci:more0", state);
	close(open(path, O_WRONLY | O_APPEND | O_CLOEXEC));
	ok(!stirs(2 * SCHEDULE_LEAST_MS), "an event of the ledger that changes no amount: nothing is sent");
}

/* Changes come all the time; the server sees a request a second, and in the end the last state. */
static void many_changes(void)
{
	uint64_t shortest = UINT64_MAX;
	int requests = 0, changes = 0;

	while (requests < 3 || changes < 30) {
		if (changes < 30) {
			change();
			changes++;
		}
		if (!stirs(changes < 30 ? 100 : PATIENCE_MS))
			continue;
		if (!is_topology())
			break;
		if (request.began - request.answered < shortest)
			shortest = request.began - request.answered;
		requests++;
		answer("200 OK", "{}");
	}
	ok(changes == 30 && requests >= 3, "thirty changes, one after the other: several requests");
	ok(shortest >= SCHEDULE_LEAST_MS, "at least a second between an answer and the next request (%d ms)", (int)shortest);
	while (strcmp(request.body, printed()) != 0 && is_topology())
		answer("200 OK", "{}");
	is_str(request.body, printed(), "the last request has the last state");
}

/* After a failure, the same is sent again, also if it has not changed. */
static void recovers(const char *what)
{
	ok(is_topology(), "%s: the topology is sent again", what);
	is_str(request.body, printed(), "%s: as a whole", what);
	answer("200 OK", "{}");
}

static void begin_failure(const char *what)
{
	said();
	change();
	ok(is_topology(), "%s: there is a request", what);
}

/* The program says what is wrong before it sends the next request. */
static void says(const char *what, const char *text)
{
	const char *line = said();

	ok(strstr(line, text), "%s: the message has: %s", what, text);
	if (!strstr(line, text))
		diag("%s", line);
}

static void token(void)
{
	begin_failure("401");
	answer("401 Unauthorized", "{\"kind\":\"Status\",\"message\":\"Unauthorized\"}");
	put("token", "second-token\n");
	recovers("401");
	ok(has_header("Authorization: Bearer second-token"), "the new token is used without a restart");
	says("401", "HTTP status 401: Unauthorized");
	put("token", "two\r\nX-Other: lines\n");
	change();
	ok(!stirs(2 * SCHEDULE_LEAST_MS), "a token of two lines is not sent");
	says("a token of two lines", "/token: not a token: byte 3 of it is not a printable character");
	put("token", "third-token");
	recovers("a token of two lines");
}

static void failures(void)
{
	static const char *const status[][3] = {
		{ "409 Conflict", "{\"kind\":\"Status\",\"message\":\"Apply failed with 1 conflict\"}",
		  "HTTP status 409: Apply failed with 1 conflict" },
		{ "500 Internal Server Error", "", "HTTP status 500" },
		{ "503 Service Unavailable", "\x01\xff{{{ garbage", "HTTP status 503" },
		{ "404 Not Found", "{\"kind\":\"Status\",\"message\":\"could not \\u001b[31m find\\n it\"}",
		  "HTTP status 404: could not ?[31m find? it" },
		{ "403 Forbidden", "{\"kind\":\"Status\",\"message\":\"you sent Bearer third-token, and th\\u0069rd-token\"}",
		  "HTTP status 403" },
	};

	for (size_t i = 0; i < sizeof(status) / sizeof(status[0]); i++) {
		begin_failure(status[i][0]);
		answer(status[i][0], status[i][1]);
		recovers(status[i][0]);
		says(status[i][0], status[i][2]);
	}
	begin_failure("302");
	answer("302 Found\r\nLocation: /stolen", "");
	recovers("302: the redirect is not followed");
}

static void broken_connections(void)
{
	begin_failure("the server closes the connection");
	hang_up();
	recovers("the server closes the connection");
	begin_failure("half of an answer");
	SSL_write(conn, "HTTP/1.1 200 OK\r\nContent-Le", 27);
	hang_up();
	recovers("half of an answer");
	begin_failure("no HTTP");
	SSL_write(conn, "SSH-2.0-OpenSSH_9.2p1\r\n\r\n", 25);
	hang_up();
	recovers("no HTTP");
	begin_failure("no answer");
	ok(stirs(PATIENCE_MS), "no answer: the client gives up by itself");
	hang_up();
	recovers("no answer");
	says("no answer", "timed out");
}

/* The client does not send a request to a server that it cannot verify. */
static void certificate(const char *what, SSL_CTX *ctx, const char *message)
{
	said();
	now_using = ctx;
	hang_up();
	change();
	ok(!accepted() || SSL_read(conn, request.head, 1) != 1, "%s: the client sends no request", what);
	hang_up();
	now_using = right;
	recovers(what);
	says(what, message);
}

static void new_authority(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/ca.crt", account);
	write_certificate(&other_authority, path);
	now_using = wrong_authority;
	hang_up();
	change();
	ok(is_topology(), "a new authority in the account's file: its server is accepted, without a restart");
	answer("200 OK", "{}");
	write_certificate(&authority, path);
	now_using = right;
	hang_up();
}

static void leave(const char *pod, const char *message)
{
	struct refusal r = { .namespace = "shop", .uid = "0b5c2bb4-9f3a-4f43-a7f4-6a6a6a6a6a6a", .container = "app", .time = 1700000000 };
	struct error err = { 0 };

	snprintf(r.pod, sizeof(r.pod), "%s", pod);
	snprintf(r.message, sizeof(r.message), "%s", message);
	if (refusal_leave(state, &r, &err) < 0)
		diag("%s", err.text);
}

static bool is_event(const char *pod)
{
	char path[256];

	snprintf(path, sizeof(path), "/api/v1/namespaces/shop/events/%s.", pod);
	return next() && strcmp(request.method, "PATCH") == 0 && strncmp(request.path, path, strlen(path)) == 0 &&
	       strstr(request.path, "?fieldManager=numaplace&force=true");
}

static void events(void)
{
	static const char *const parts[] = {
		"\"apiVersion\":\"v1\",\"kind\":\"Event\"", "\"metadata\":{\"name\":\"web-0.", "\"namespace\":\"shop\"}",
		"\"involvedObject\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"namespace\":\"shop\",\"name\":\"web-0\","
		"\"uid\":\"0b5c2bb4-9f3a-4f43-a7f4-6a6a6a6a6a6a\"}",
		"\"type\":\"Warning\",\"reason\":\"NumaPlacementRefused\"",
		"\"message\":\"container app: limits.memory: 8GiB requested, 2.0GiB available\"", "\"count\":1",
		"\"firstTimestamp\":\"2023-11-14T22:13:20Z\",\"lastTimestamp\":\"2023-11-14T22:13:20Z\"",
		"\"source\":{\"component\":\"numaplace\",\"host\":\"worker-1\"}",
	};

	said();
	leave("web-0", "container app: limits.memory: 8GiB requested, 2.0GiB available");
	ok(is_event("web-0"), "a refused container: an event in the namespace of its pod");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		ok(strstr(request.body, parts[i]), "the event has %s", parts[i]);
	answer("404 Not Found", "{\"kind\":\"Status\",\"message\":\"namespaces \\\"shop\\\" not found\"}");
	leave("web-1", "container app: limits.cpu: 64 requested");
	ok(is_event("web-1"), "an event that the server does not accept is not sent again; the next one is sent");
	says("404", "HTTP status 404: namespaces \"shop\" not found");
	answer("503 Service Unavailable", "");
	ok(is_event("web-1"), "an event is sent again after 503");
	answer("201 Created", "{}");
}

/* What another program could leave in the folder. */
static void bad_refusals(void)
{
	char path[512];
	FILE *file;
	DIR *dir;
	unsigned int left = 0;

	said();
	snprintf(path, sizeof(path), "%s/refusals/07", state);
	file = fopen(path, "w");
	fputs("{\"namespace\":\"../..\",\"pod\":\"a\",\"uid\":\"b\",\"container\":\"c\",\"message\":\"d\",\"time\":1}", file);
	fclose(file);
	snprintf(path, sizeof(path), "%s/refusals/08", state);
	if (mkfifo(path, 0600) < 0)
		diag("cannot make a FIFO");
	snprintf(path, sizeof(path), "%s/refusals/09", state);
	if (symlink("/dev/zero", path) < 0)
		diag("cannot make a link");
	leave("web-2", "container app: limits.cpu: 65 requested");
	ok(is_event("web-2"), "invalid files of refusals do not stop a valid one");
	answer("201 Created", "{}");
	says("an invalid refusal", "refusals/07: namespace \"../..\": not a name of Kubernetes");
	snprintf(path, sizeof(path), "%s/refusals", state);
	dir = opendir(path);
	for (const struct dirent *e; (e = readdir(dir));)
		left += e->d_name[0] != '.';
	closedir(dir);
	is_int(left, 0, "no file is left");
}

static void the_end(void)
{
	char command[512];
	int status = -1;

	begin_failure("SIGTERM");
	kill(child, SIGTERM);
	ok(waitpid(child, &status, 0) == child && status == 0, "SIGTERM while the server does not answer: ends with 0");
	snprintf(command, sizeof(command), "! grep -E '(first|second|third)-token|X-Other' '%s'", said_path);
	is_int(system(command), 0, "no token is in any message");
}

static void listen_here(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&at, size) < 0 || listen(listener, 4) < 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &size) < 0)
		abort();
	snprintf(port, sizeof(port), "%u", ntohs(at.sin_port));
}

int main(int argc, char **argv)
{
	char path[512];
	struct made m;

	if (argc != 4)
		return 2;
	kube = argv[1];
	numaplace = argv[2];
	folder = argv[3];
	signal(SIGPIPE, SIG_IGN);
	snprintf(machine, sizeof(machine), "%s/machine", folder);
	snprintf(state, sizeof(state), "%s/state", folder);
	snprintf(account, sizeof(account), "%s/account", folder);
	snprintf(said_path, sizeof(said_path), "%s/said", folder);
	mkdir(account, 0700);
	authority = make_certificate(NULL, "made authority", NULL);
	other_authority = make_certificate(NULL, "other authority", NULL);
	m = make_certificate(&authority, "made", "IP:127.0.0.1");
	right = now_using = server_with(&m);
	m = make_certificate(&authority, "made", "IP:127.0.0.2,DNS:localhost");
	wrong_name = server_with(&m);
	m = make_certificate(&other_authority, "made", "IP:127.0.0.1");
	wrong_authority = server_with(&m);
	snprintf(path, sizeof(path), "%s/ca.crt", account);
	write_certificate(&authority, path);
	put("token", "first-token\n");
	listen_here();

	first_push();
	after_change();
	no_change();
	many_changes();
	token();
	failures();
	broken_connections();
	certificate("a certificate of another authority", wrong_authority, "certificate");
	certificate("a certificate of another address", wrong_name, "127.0.0.1");
	new_authority();
	events();
	bad_refusals();
	the_end();
	return done();
}
