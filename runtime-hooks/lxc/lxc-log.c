/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The log is found among the monitor's open descriptors, because its path may come from lxc-start -o. It is the
 * monitor's only regular file that is open for appending with O_CLOEXEC.
 */
#include "runtime-hooks/lxc/lxc-log.h"

#include "plugin/base/error.h"
#include "plugin/base/file.h"
#include "plugin/base/path.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>

#define LOG_FLAGS (O_WRONLY | O_APPEND | O_CLOEXEC)

static bool is_log(int fdinfo, const char *fd)
{
	char text[512], *flags;

	if (file_read(fdinfo, fd, text, sizeof(text)) <= 0)
		return false;
	flags = strstr(text, "flags:");
	return flags && (strtoul(flags + strlen("flags:"), NULL, 8) & (O_ACCMODE | O_APPEND | O_CLOEXEC)) == LOG_FLAGS;
}

/* Reopens the monitor's log; -1: the monitor has none. */
static int open_log(int root)
{
	cleanup_close int fdinfo = -1;
	cleanup_closedir DIR *fds = NULL;
	struct dirent *e;
	int fd;

	fdinfo = path_open(root, O_RDONLY | O_DIRECTORY, "proc/%d/fdinfo", (int)getppid());
	fd = path_open(root, O_RDONLY | O_DIRECTORY, "proc/%d/fd", (int)getppid());
	fds = dir_list(fd);
	while (fdinfo >= 0 && fds && (e = readdir(fds))) {
		cleanup_close int log = -1;
		struct stat st;

		if (*e->d_name == '.' || !is_log(fdinfo, e->d_name) || fstatat(fd, e->d_name, &st, 0) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		log = openat(fd, e->d_name, LOG_FLAGS | O_NOCTTY);
		if (log >= 0)
			return steal_fd(&log);
	}
	return -1;
}

/* Whether a line of this priority belongs in a log of that level and LXC does not write it there itself. */
static bool is_wanted(const char *level, int priority)
{
	static const char *const by_stderr[] = { "TRACE", "DEBUG" };
	static const char *const above[] = { "ERROR", "CRIT", "ALERT", "FATAL" };

	for (size_t i = 0; level && i < ARRAY_SIZE(by_stderr); i++)
		if (strcmp(level, by_stderr[i]) == 0)
			return false;
	for (size_t i = 0; level && i < ARRAY_SIZE(above); i++)
		if (strcmp(level, above[i]) == 0)
			return i == 0 && priority <= LOG_ERR;
	return true;
}

void lxc_log(int root, const char *name, const char *level, int priority, const char *text)
{
	cleanup_close int fd = is_wanted(level, priority) ? open_log(root) : -1;
	struct timespec now;
	struct tm tm;
	char line[1024], date[32];
	int len; /* fits: at most 100 bytes of the name and 700 of the text */

	if (fd < 0)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y%m%d%H%M%S", &tm);
	len = snprintf(line, sizeof(line), "numaplace %.100s %s.%03ld %-8s hook - %.700s", name, date,
		       now.tv_nsec / 1000000, priority <= LOG_ERR ? "ERROR" : "WARN", text);
	make_printable(line);
	line[len++] = '\n';
	/* A single write() keeps the line in one piece among LXC's lines. */
	if (write(fd, line, (size_t)len) < 0)
		return;
}
