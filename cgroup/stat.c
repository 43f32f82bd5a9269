/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a cgroup holds on each node, from memory.numa_stat and hugetlb.SIZE.numa_stat; its use of CPUs, and for how long
 * its threads or those of the machine have waited.
 */
#include "cgroup/open.h"
#include "cgroup/text.h"
#include "plugin/base/file.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STAT_TEXT_MAX (1U << 20) /* about 40 kinds on 1024 nodes */

/* Cuts @text after its first @lines lines; false: there are fewer. */
static bool cut_lines(char *text, unsigned int lines)
{
	while (text && lines--) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	if (text)
		*text = '\0';
	return text;
}

/*
 * Reads the first @lines lines (0: all) of @file. The text is generated per open, so reads continue on one descriptor.
 */
static int read_stat(const struct cgroup_dir *c, const char *file, unsigned int lines, char **text, struct error *err)
{
	cleanup_close int fd = open_beneath(c->fd, file, O_RDONLY);
	const struct file_growth how = { .first = 8192, .max = STAT_TEXT_MAX - 2, .read = file_read_value,
					 .enough = lines ? cut_lines : NULL, .lines = lines };
	ssize_t n = fd < 0 ? fd : file_read_growing(fd, &how, text);

	return n < 0 ? error_errno(err, (int)n, "cgroup %.200s: %s", c->path, file) : 0;
}

int cgroup_read_numa_stat(const struct cgroup_dir *c, struct numa_stat *out, struct error *err)
{
	cleanup_free char *text = NULL;
	int rc = read_stat(c, "memory.numa_stat", 0, &text, err);

	return rc < 0 ? rc : numa_stat_parse(text, out, err);
}

int cgroup_read_numa_pages(const struct cgroup_dir *c, struct numa_stat *out, struct error *err)
{
	cleanup_free char *text = NULL;
	int rc = read_stat(c, "memory.numa_stat", 2, &text, err); /* anon and file come first since Linux 5.9 */

	return rc < 0 ? rc : numa_stat_parse(text, out, err);
}

int cgroup_read_hugetlb_stat(const struct cgroup_dir *c, uint64_t size, struct numa_stat *out, struct error *err)
{
	cleanup_free char *text = NULL;
	char file[64];
	int rc;

	hugetlb_file(size, "numa_stat", file, sizeof(file));
	rc = read_stat(c, file, 0, &text, err);
	return rc < 0 ? rc : hugetlb_stat_parse(text, out, err);
}

int cgroup_read_cpu_pressure(const struct cgroup_dir *c, struct pressure *out, struct error *err)
{
	char text[512];
	ssize_t n = read_beneath(c->fd, "cpu.pressure", text, sizeof(text));

	return n < 0 ? error_errno(err, (int)n, "cgroup %.200s: cpu.pressure", c->path) : pressure_parse(text, out, err);
}

int pressure_read(int root, const char *resource, struct pressure *out, struct error *err)
{
	char path[64], text[512];
	ssize_t n;

	snprintf(path, sizeof(path), "proc/pressure/%.32s", resource);
	n = file_read(root, path, text, sizeof(text));
	return n < 0 ? error_errno(err, (int)n, "%s", path) : pressure_parse(text, out, err);
}

int pressure_trigger(int root, const char *resource, double part)
{
	cleanup_close int fd = -1;
	char path[64], text[64];
	int n;

	snprintf(path, sizeof(path), "proc/pressure/%.32s", resource);
	n = snprintf(text, sizeof(text), "some %u 1000000", (unsigned int)(part * 1e6));
	fd = openat(root, path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || write(fd, text, (size_t)n + 1) < 0)
		return -errno;
	return steal_fd(&fd);
}

int cgroup_read_cpu_usage(const struct cgroup_dir *c, uint64_t *usec, struct error *err)
{
	cleanup_free char *text = NULL;
	int rc = read_stat(c, "cpu.stat", 1, &text, err);

	return rc < 0 ? rc : cpu_usage_parse(text, usec, err);
}
