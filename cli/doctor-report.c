/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Findings, and the ways in which the doctor examines a host.
 */
#include "cli/doctor-report.h"

#include "plugin/base/file.h"
#include "plugin/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#define VERSION_MS 3000

void doctor_say(struct doctor *d, enum verdict v, const char *subject, const char *fmt, ...)
{
	struct finding *f;
	va_list ap;

	if (d->n == FINDINGS_MAX)
		return;
	f = &d->finding[d->n++];
	f->verdict = v;
	f->subject = subject;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

bool doctor_read(const struct doctor *d, const char *path, char *buf, size_t size)
{
	ssize_t n = file_read(d->cli->root, path, buf, size);

	if (n < 0 && n != -EFBIG)
		return false;
	if (n == -EFBIG)
		buf[size - 1] = '\0';
	return true;
}

bool doctor_has(const struct doctor *d, const char *path)
{
	return faccessat(d->cli->root, path, F_OK, 0) == 0;
}

const char *doctor_program(const struct doctor *d, const char *name, char *buf, size_t size)
{
	static const char *const folders[] = { "usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin",
					       "usr/libexec/incus", "opt/incus/bin", "snap/bin" };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		snprintf(buf, size, "%s/%s", folders[i], name);
		if (doctor_has(d, buf))
			return buf;
	}
	buf[0] = '\0';
	return buf;
}

bool doctor_runs(const struct doctor *d, const char *name)
{
	cleanup_closedir DIR *proc = path_list(d->cli->root, "proc");
	const struct dirent *e;

	while (proc && (e = readdir(proc))) {
		char path[300], comm[32];

		if (e->d_name[strspn(e->d_name, "0123456789")])
			continue;
		snprintf(path, sizeof(path), "proc/%s/comm", e->d_name);
		if (!doctor_read(d, path, comm, sizeof(comm)))
			continue;
		comm[strcspn(comm, "\n")] = '\0';
		if (strcmp(comm, name) == 0)
			return true;
	}
	return false;
}

static pid_t start_program(const char *program, int *out)
{
	char path[300];
	int pipes[2];
	pid_t pid;

	snprintf(path, sizeof(path), "/%s", program);
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, STDIN_FILENO);
		dup2(pipes[1], STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execl(path, path, "--version", (char *)NULL);
		_exit(127);
	}
	close(pipes[1]);
	*out = pipes[0];
	return pid;
}

bool doctor_version(const struct doctor *d, const char *program, char *buf, size_t size)
{
	cleanup_close int fd = -1;
	struct pollfd wait = { .events = POLLIN };
	size_t used = 0;
	pid_t pid;

	if (d->cli->sysroot)
		return false;
	pid = start_program(program, &fd);
	if (pid < 0)
		return false;
	wait.fd = fd;
	while (used < size - 1 && poll(&wait, 1, VERSION_MS) > 0) {
		ssize_t n = read(fd, buf + used, size - 1 - used);

		if (n <= 0 || memchr(buf + used, '\n', (size_t)n)) {
			used += n > 0 ? (size_t)n : 0;
			break;
		}
		used += (size_t)n;
	}
	buf[used] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return *buf != '\0';
}
