/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Affinities below /proc/irq and /sys/devices/virtual/workqueue. Some are lists, and some maps.
 */
#include "cgroup/irq.h"

#include "plugin/base/file.h"
#include "plugin/base/number.h"
#include "plugin/base/path.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT "proc/irq/default_smp_affinity"
#define WORKQUEUE "sys/devices/virtual/workqueue/"
#define MAP_TEXT (IDSET_MAX / 32 * 9 + 2)

static int read_map(int root, const char *path, struct idset *out)
{
	char text[MAP_TEXT];
	ssize_t n = file_read(root, path, text, sizeof(text));

	return n < 0 ? (int)n : idset_parse_map(text, out, NULL);
}

int irq_read(int root, int what, struct idset *out)
{
	int rc;

	if (what == IRQ_DEFAULT)
		return read_map(root, DEFAULT, out);
	if (what != IRQ_WORKQUEUE)
		return path_read_list(root, ids_into(out), "proc/irq/%d/smp_affinity_list", what);
	rc = read_map(root, WORKQUEUE "cpumask_requested", out);
	return rc == -ENOENT ? read_map(root, WORKQUEUE "cpumask", out) : rc;
}

int irq_read_effective(int root, int irq, struct idset *out)
{
	return path_read_list(root, ids_into(out), "proc/irq/%d/effective_affinity_list", irq);
}

/* Words of 32 bits, the highest first; the kernel refuses more words than it has CPUs for, also if they are 0. */
static size_t format_map(const struct idset *cpus, char text[MAP_TEXT])
{
	size_t used = 0;

	for (unsigned int i = IDSET_MAX / 32; i-- > 0;) {
		unsigned int word = (unsigned int)(cpus->word[i / 2] >> (i % 2 * 32));

		if (used || word || !i)
			used += (size_t)snprintf(text + used, MAP_TEXT - used, used ? ",%08x" : "%x", word);
	}
	return used;
}

/* In one write(): the kernel parses each one as a whole affinity. */
static int write_text(int fd, const char *text, size_t len)
{
	ssize_t n;

	do
		n = write(fd, text, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

static int open_affinity(int root, int what)
{
	if (what == IRQ_DEFAULT)
		return path_open(root, O_WRONLY | O_TRUNC, DEFAULT);
	if (what == IRQ_WORKQUEUE)
		return path_open(root, O_WRONLY | O_TRUNC, WORKQUEUE "cpumask");
	return path_open(root, O_WRONLY | O_TRUNC, "proc/irq/%d/smp_affinity_list", what);
}

int irq_write(int root, int what, const struct idset *cpus)
{
	cleanup_free char *text = malloc(IDSET_TEXT_MAX);
	cleanup_close int fd = open_affinity(root, what);
	size_t len;

	_Static_assert(MAP_TEXT <= IDSET_TEXT_MAX, "a map fits where a list does");
	if (!text)
		return -ENOMEM;
	if (fd < 0)
		return fd;
	len = what < 0 ? format_map(cpus, text) : idset_format(cpus, text, IDSET_TEXT_MAX);
	return write_text(fd, text, len);
}

int irq_each(int root, int (*each)(void *arg, int irq), void *arg)
{
	cleanup_closedir DIR *dir = path_list(root, "proc/irq");
	struct dirent *e;
	int rc = 0;

	if (!dir)
		return -errno;
	while (rc == 0 && (e = readdir(dir))) {
		uint64_t irq;

		if (number_parse(e->d_name, INT_MAX, &irq))
			rc = each(arg, (int)irq);
	}
	return rc;
}

int irq_may_write(int root)
{
	return faccessat(root, DEFAULT, W_OK, AT_EACCESS) < 0 ? -errno : 0;
}
