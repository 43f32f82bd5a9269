/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * syslog messages do not go through libc's syslog(). This code sends a datagram without blocking, works in a signal
 * handler, and reads no time zone file.
 */
#include "runtime-hooks/common/hook.h"

#include "plugin/base/clock.h"
#include "plugin/base/file.h"
#include "plugin/base/number.h"
#include "plugin/base/options.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

static char subject[300];

/* The messages for signal handlers, formatted in advance: a handler must not format. */
struct last_words {
	char time_up[400], fault[400];
};
static struct last_words last_words[2];
static const struct last_words *volatile last = &last_words[0];
static volatile sig_atomic_t time_up_status = 1;
static void (*volatile time_up_call)(void);
static unsigned int time_limit = HOOK_SECONDS;
static volatile sig_atomic_t uncounted; /* set by the write of a cpuset, read by on_alarm() */

/* @line begins with the syslog priority, "<27>". Async-signal-safe. */
static void send_line(const char *line)
{
	struct sockaddr_un log = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	int fd = unix_socket(SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (unix_connect(fd, (const struct sockaddr *)&log, sizeof(log)) == 0)
		unix_send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
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

/*
 * Writes the unused one of two copies and then switches: a signal handler sees complete old or complete new messages.
 */
static void prepare_last_words(void)
{
	struct last_words *w = last == &last_words[0] ? &last_words[1] : &last_words[0];
	const char *colon = *subject ? ": " : "";

	snprintf(w->time_up, sizeof(w->time_up), "<%d>numaplace: %s%sgave up after %u seconds\n",
		 LOG_DAEMON | LOG_ERR, subject, colon, time_limit);
	snprintf(w->fault, sizeof(w->fault), "<%d>numaplace: %s%sended by SIGSEGV: no memory for its stack, or a bug\n",
		 LOG_DAEMON | LOG_ERR, subject, colon);
	last = w;
}

/* Does not block: a full pipe on stderr must not delay the exit. */
static void end_with(const char *line)
{
	struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };
	const char *text = strchr(line, '>');

	if (text && poll(&room, 1, 0) > 0 && room.revents & POLLOUT)
		print_line(text + 1, strlen(text + 1));
	send_line(line);
	if (time_up_call)
		time_up_call();
	_exit(time_up_status);
}

static void on_alarm(int signal_number)
{
	(void)signal_number;
	/* The signal was pending during the exempt system call, which has just returned: restart the time limit. */
	if (uncounted)
		alarm(time_limit);
	else
		end_with(last->time_up);
}

/* Reports the signal, because runtimes like crun do not report the signal of a hook. */
static void on_fault(int signal_number)
{
	(void)signal_number;
	end_with(last->fault);
}

/*
 * Uses an alternate stack, as the fault may come from lack of memory for the normal one. Sanitizers install their own
 * handler.
 */
static void catch_faults(void)
{
#ifndef __SANITIZE_ADDRESS__
	static char stack[16384];
	const stack_t own = { .ss_sp = stack, .ss_size = sizeof(stack) };
	const struct sigaction on = { .sa_handler = on_fault, .sa_flags = SA_ONSTACK | (int)SA_RESETHAND };

	if (sigaltstack(&own, NULL) == 0)
		sigaction(SIGSEGV, &on, NULL);
#else
	(void)on_fault;
#endif
}

/* Opens /dev/null on closed standard descriptors: otherwise the next open file would get their number. */
static void fill_standard(void)
{
	struct pollfd standard[] = { { .fd = STDIN_FILENO }, { .fd = STDOUT_FILENO }, { .fd = STDERR_FILENO } };
	bool closed = poll(standard, ARRAY_SIZE(standard), 0) < 0;
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(standard); i++)
		closed |= standard[i].revents & POLLNVAL;
	if (!closed)
		return;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

uint64_t hook_begin(void)
{
	struct sigaction on_time_up = { .sa_handler = on_alarm };
	uint64_t began = clock_ns(CLOCK_BOOTTIME);
	sigset_t held;

	fill_standard();
	umask(0077);
	prepare_last_words();
	catch_faults();
	sigaction(SIGALRM, &on_time_up, NULL);
	/*
	 * A closed pipe or a file size limit is then an ordinary error with a message. This also resets the inherited
	 * signal mask.
	 */
	sigemptyset(&held);
	sigaddset(&held, SIGPIPE);
	sigaddset(&held, SIGXFSZ);
	sigprocmask(SIG_SETMASK, &held, NULL);
	alarm(HOOK_SECONDS);
	return began;
}

int hook_timeout_parse(const char *text, unsigned int *seconds, struct error *err)
{
	uint64_t v;

	if (!number_parse(text, 999, &v) || v < 1)
		return error_set(err, -EINVAL, "--timeout: \"%s\": 1 to 999 seconds are expected", quote(text).text);
	*seconds = (unsigned int)v;
	return 0;
}

int hook_options_parse(struct hook_options *o, int argc, char **argv, struct error *err)
{
	const char *timeout = NULL;
	const struct option_rule rules[] = {
		{ .name = "conf", .value = &o->conf },
		{ .name = "state", .value = &o->state },
		{ .name = "timeout", .value = &timeout },
	};
	const struct option_table table = { .rule = rules, .n = ARRAY_SIZE(rules) };
	int words = options_parse(&table, argc, argv, err);

	if (words < 0)
		return words;
	return timeout && hook_timeout_parse(timeout, &o->seconds, err) < 0 ? err->status : words;
}

void hook_time_limit(unsigned int seconds, struct place_env *env)
{
	if (!seconds)
		return;
	env->timeout_ms = seconds * 1000 / HOOK_SECONDS * HOOK_LOCK_SECONDS;
	time_limit = seconds;
	prepare_last_words();
	alarm(time_limit);
}

volatile sig_atomic_t *hook_uncounted(void)
{
	return &uncounted;
}

void hook_subject(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(subject, sizeof(subject), fmt, ap);
	va_end(ap);
	make_printable(subject);
	prepare_last_words();
}

void hook_time_up_status(int status)
{
	time_up_status = status;
}

void hook_time_up_call(void (*instead)(void))
{
	time_up_call = instead;
}

void hook_say(int priority, const char *text)
{
	char line[ERROR_TEXT_MAX + 350];
	int skip = snprintf(line, sizeof(line), "<%d>", LOG_DAEMON | priority);
	size_t len;

	snprintf(line + skip, sizeof(line) - (size_t)skip - 1, "numaplace: %s%s%s", subject, *subject ? ": " : "",
		 text);
	make_printable(line);
	send_line(line);
	len = strlen(line);
	line[len++] = '\n';
	print_line(line + skip, len - (size_t)skip);
}

void hook_warn(const char *text)
{
	hook_say(LOG_WARNING, text);
}

/* read() that retries after signals and waits on a non-blocking descriptor. */
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

/* Up to @size bytes; fewer only at the end. */
static ssize_t read_full(int fd, char *buf, size_t size)
{
	size_t used = 0;
	ssize_t n = 1;

	while (n && used < size) {
		n = read_some(fd, buf + used, size - used);
		if (n < 0)
			return n;
		used += (size_t)n;
	}
	return (ssize_t)used;
}

void hook_drain(int fd)
{
	char scrap[4096];

	while (read_some(fd, scrap, sizeof(scrap)) > 0)
		;
}

int hook_read(int fd, size_t max, char **text, size_t *len, struct error *err)
{
	const struct file_growth how = { .first = 8192, .max = max, .read = read_full };
	ssize_t n = file_read_growing(fd, &how, text);

	if (n == -ENOMEM)
		return error_set(err, -ENOMEM, "out of memory");
	if (n == -EFBIG) {
		hook_drain(fd);
		return error_set(err, -EINVAL, "more than %zu MiB", max >> 20);
	}
	if (n < 0)
		return error_errno(err, (int)n, "read");
	*len = (size_t)n;
	return 0;
}
