/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ground that every hook stands on.
 *
 * syslog is spoken here rather than through libc: a datagram that never waits, which a signal
 * handler may send too, and no time zone file is read for it.
 */
#include "runtime-hooks/hook.h"

#include "plugin/util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static char subject[300];

/* Made ready ahead of time: a signal handler must not format. */
static char time_up_line[2][400];
static const char *volatile time_up = "";
static volatile sig_atomic_t time_up_status = 1;

/* "<27>" in front is the priority; stderr gets the rest and a line end. Async-signal-safe. */
static void send_line(const char *line)
{
	struct sockaddr_un log = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)&log, sizeof(log)) == 0)
		send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void print_line(const char *line, size_t len)
{
	while (len) {
		ssize_t n = write(STDERR_FILENO, line, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		line += n;
		len -= (size_t)n;
	}
}

/* Two lines side by side: the handler sees the old one or the new one. */
static void prepare_time_up(void)
{
	char *line = time_up == time_up_line[0] ? time_up_line[1] : time_up_line[0];

	snprintf(line, sizeof(time_up_line[0]), "<%d>numaplace: %s%sgave up after %d seconds\n", LOG_DAEMON | LOG_ERR,
		 subject, *subject ? ": " : "", HOOK_SECONDS);
	time_up = line;
}

static void on_alarm(int signal_number)
{
	const char *line = time_up;
	const char *text = strchr(line, '>');

	(void)signal_number;
	if (text)
		print_line(text + 1, strlen(text + 1));
	send_line(line);
	_exit(time_up_status);
}

void hook_begin(void)
{
	struct sigaction on_time_up = { .sa_handler = on_alarm };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t alarm_only;
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	umask(0077);
	sigaction(SIGPIPE, &ignore, NULL);
	prepare_time_up();
	sigaction(SIGALRM, &on_time_up, NULL);
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &alarm_only, NULL);
	alarm(HOOK_SECONDS);
}

void hook_subject(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(subject, sizeof(subject), fmt, ap);
	va_end(ap);
	prepare_time_up();
}

void hook_time_up_status(int status)
{
	time_up_status = status;
}

void hook_say(int priority, const char *text)
{
	char line[ERROR_TEXT_MAX + 350];
	int skip = snprintf(line, sizeof(line), "<%d>", LOG_DAEMON | priority);
	size_t len;

	snprintf(line + skip, sizeof(line) - (size_t)skip - 1, "numaplace: %s%s%s", subject, *subject ? ": " : "",
		 text);
	send_line(line);
	len = strlen(line);
	line[len++] = '\n';
	print_line(line + skip, len - (size_t)skip);
}

void hook_warn(const char *text)
{
	hook_say(LOG_WARNING, text);
}

/* read() that takes signals and a non-blocking descriptor as they come. */
static ssize_t read_some(int fd, char *buf, size_t size)
{
	for (;;) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		ssize_t n = read(fd, buf, size);

		if (n >= 0)
			return n;
		if (errno == EAGAIN)
			poll(&wait, 1, -1);
		else if (errno != EINTR)
			return -errno;
	}
}

void hook_drain(int fd)
{
	char scrap[4096];

	while (read_some(fd, scrap, sizeof(scrap)) > 0)
		;
}

int hook_read(int fd, size_t max, char **text, size_t *len, struct error *err)
{
	cleanup_free char *buf = NULL;
	size_t used = 0, size = 16384;

	for (;;) {
		char *bigger = realloc(buf, size);
		ssize_t n;

		if (!bigger)
			return error_set(err, -ENOMEM, "out of memory");
		buf = bigger;
		do {
			n = read_some(fd, buf + used, size - 1 - used);
			if (n < 0)
				return error_errno(err, (int)n, "read");
			used += (size_t)n;
		} while (n && used < size - 1);
		if (used > max) {
			hook_drain(fd);
			return error_set(err, -EINVAL, "more than %zu MiB", max >> 20);
		}
		if (!n)
			break;
		size = size * 2 < max + 2 ? size * 2 : max + 2;
	}
	buf[used] = '\0';
	*text = steal_ptr(buf);
	*len = used;
	return 0;
}
