/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A machine whose files have the input as content. The folders are real and always the same three trees. The files do not
 * exist: file_read() of this program returns the pieces of the input (split at bytes 1) in the order of the reads. A piece
 * "!" is a missing file.
 */
#include "tests/fuzz/fuzz.h"

#include "plugin/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static struct {
	const char *p, *end;
} input;

/* --- replaces plugin/base/file.c --- */

ssize_t file_read(int dir, const char *path, char *buf, size_t size)
{
	const char *stop = memchr(input.p, 1, (size_t)(input.end - input.p));
	size_t len = (size_t)((stop ? stop : input.end) - input.p);
	struct idset set;

	if (dir < 0)
		return -EBADF;
	if (input.p == input.end || (len == 1 && *input.p == '!')) {
		input.p += stop ? len + 1 : len;
		return -ENOENT;
	}
	if (len >= size)
		return -EFBIG;
	memcpy(buf, input.p, len);
	buf[len] = '\0';
	input.p += stop ? len + 1 : len;
	/* Thousands of CPUs would take time and find no other errors. */
	if (!strstr(path, "siblings") && !strstr(path, "shared") &&
	    (idset_parse_kernel(buf, &set, NULL) == 0 || idset_parse_map(buf, &set, NULL) == 0) && idset_count(&set) > 40)
		return -ENOENT;
	return (ssize_t)len;
}

ssize_t file_read_fd(int fd, char *buf, size_t size)
{
	(void)fd;
	return file_read(0, "", buf, size);
}

/* --- the trees --- */

static const char *const folders[3][12] = {
	{ "sys/devices/system/cpu/cpu0", "proc" },
	{ "sys/devices/system/node/node0/hugepages", "sys/devices/system/node/node1", "sys/devices/system/node/node3",
	  "sys/devices/system/cpu/cpu0", "sys/devices/system/cpu/cpu1", "sys/devices/system/cpu/cpu2",
	  "sys/devices/system/cpu/cpu9", "sys/kernel/mm/hugepages/hugepages-2048kB",
	  "sys/kernel/mm/hugepages/hugepages-1048576kB", "sys/kernel/mm/mempolicy/weighted_interleave" },
	{ "sys/devices/system/node/node1023", "sys/devices/system/node/node7", "sys/devices/system/node/node07",
	  "sys/devices/system/node/nodeX", "sys/devices/system/node/node7/hugepages/hugepages-64kB",
	  "sys/devices/system/cpu/cpu4", "sys/devices/system/cpu/cpu8191" },
};
static int root[3];
static char top[] = "/dev/shm/numaplace-fuzz.XXXXXX";

static void make_folder(const char *base, const char *path)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", base, path);
	for (char *p = full + strlen(top) + 1; (p = strchr(p + 1, '/'));) {
		*p = '\0';
		mkdir(full, 0700);
		*p = '/';
	}
	must(mkdir(full, 0700) == 0 || errno == EEXIST);
}

static void remove_trees(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", top);
	if (system(command))
		fprintf(stderr, "%s is left\n", top);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	must(mkdtemp(top));
	atexit(remove_trees);
	for (size_t i = 0; i < ARRAY_SIZE(root); i++) {
		char base[64];

		snprintf(base, sizeof(base), "%s/%zu", top, i);
		mkdir(base, 0700);
		for (size_t k = 0; folders[i][k]; k++)
			make_folder(base, folders[i][k]);
		root[i] = open(base, O_PATH | O_DIRECTORY);
		must(root[i] >= 0);
	}
	return 0;
}

static void check(const struct topology *t)
{
	unsigned int n = 0;

	must(t->nnodes && t->ncpus && t->ncpus == idset_count(&t->online));
	for (unsigned int i = 0; i < t->nnodes; i++) {
		const struct topo_node *node = &t->nodes[i];

		must(node->first_cpu == n);
		n += node->ncpus;
		must(topology_find_node(t, node->id) == (int)i);
		for (unsigned int k = 0; k < t->nnodes; k++)
			must(topology_distance(t, i, k));
	}
	must(n == t->ncpus);
	for (unsigned int i = 0; i < t->ncpus; i++)
		must(t->cpus[i].node < t->nnodes && topology_find_cpu(t, t->cpus[i].id) == (int)i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_topology struct topology *t = NULL;
	cleanup_free char *text = NULL;
	struct error err = { 0 };
	int r, which;

	if (!size)
		return 0;
	which = root[data[0] % 3];
	text = fuzz_text(data + 1, size - 1);
	input.p = text;
	input.end = text + size - 1;
	r = topology_read(which, &t, &err);
	fuzz_check_error(r, &err);
	if (r < 0)
		return 0;
	check(t);
	input.p = text;
	fuzz_check_error(topology_refresh(which, t, true, &err), &err);
	check(t);
	return 0;
}
