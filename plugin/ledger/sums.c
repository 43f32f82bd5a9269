/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file `usage`: a header, the arrays of struct usage in their memory layout, and a checksum over both. It is read
 * with one call, used in that buffer, and written back with one call.
 */
#include "plugin/ledger/sums.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "plugin/base/atomic-file.h"
#include "plugin/base/crc32.h"
#include "plugin/base/file.h"
#include "plugin/base/util.h"
#include "plugin/ledger/handle.h"
#include "plugin/ledger/quarantine.h"

#define TMP_NAME "usage.tmp"
#define ATOMIC_WRITE 4096 /* a page: SIGKILL may cut a longer write */

struct usage_head {
	char magic[8];
	uint32_t mark; /* the checksum counts it as MARK_CLEAN */
	uint32_t cpu_ids, node_ids, containers;
	char boot_id[40];
};
_Static_assert(sizeof(struct usage_head) == 64, "no holes, and the arrays behind it aligned");

static size_t image_size(unsigned int cpu_ids, unsigned int node_ids)
{
	return sizeof(struct usage_head) + node_ids * (2 + HUGE_SIZES_MAX) * sizeof(uint64_t) +
	       cpu_ids * (sizeof(uint32_t) + sizeof(uint16_t)) + sizeof(uint32_t);
}

/* Points @u's arrays into @image. */
static void lay_out(struct usage *u, char *image, unsigned int cpu_ids, unsigned int node_ids)
{
	u->cpu_ids = cpu_ids;
	u->node_ids = node_ids;
	u->pending = (uint64_t *)(void *)(image + sizeof(struct usage_head));
	u->huge_pending = u->pending + node_ids;
	u->asked = u->huge_pending + node_ids * HUGE_SIZES_MAX;
	u->load = (uint32_t *)(void *)(u->asked + node_ids);
	u->exclusive = (uint16_t *)(void *)(u->load + cpu_ids);
}

static void fill_boot_id(const struct ledger *l, char out[40])
{
	memset(out, 0, 40);
	if (l->world.boot_id)
		memcpy(out, l->world.boot_id, strnlen(l->world.boot_id, 39));
}

/* Whether the checksum matches; it does not cover the mark. */
static bool sum_matches(char *image, size_t len)
{
	struct usage_head *head = (struct usage_head *)(void *)image;
	uint32_t mark = head->mark, crc;

	head->mark = MARK_CLEAN;
	memcpy(&crc, image + len - sizeof(crc), sizeof(crc));
	crc ^= crc32_of(image, len - sizeof(crc));
	head->mark = mark;
	return crc == 0;
}

static enum usage_state judge(struct ledger *l)
{
	const struct usage_head *head = (const struct usage_head *)(void *)l->image;
	char boot_id[40];

	if (memcmp(head->magic, USAGE_MAGIC, sizeof(head->magic)) != 0 || head->cpu_ids > IDSET_MAX ||
	    head->node_ids > NODE_ID_MAX || l->image_len != image_size(head->cpu_ids, head->node_ids))
		return USAGE_DAMAGED;
	if (head->mark != MARK_CLEAN && head->mark != MARK_CHANGING && head->mark != MARK_LOST)
		return USAGE_DAMAGED;
	l->mark = head->mark;
	if (!sum_matches(l->image, l->image_len))
		return l->mark == MARK_CLEAN ? USAGE_DAMAGED : l->mark == MARK_LOST ? USAGE_LOST : USAGE_TORN;
	fill_boot_id(l, boot_id);
	if (l->world.boot_id && memcmp(boot_id, head->boot_id, sizeof(boot_id)) != 0)
		return USAGE_OTHER_BOOT;
	l->boot_known = true;
	if (l->mark != MARK_CLEAN)
		return l->mark == MARK_LOST ? USAGE_LOST : USAGE_CHANGING;
	lay_out(&l->sums, l->image, head->cpu_ids, head->node_ids);
	l->sums.containers = head->containers;
	return head->cpu_ids < l->cpu_ids || head->node_ids < l->node_ids ? USAGE_SMALL : USAGE_GOOD;
}

/* Anything here that is not our regular file counts as damage, which is repaired, not as an error. */
static bool not_ours(int error)
{
	return error == ELOOP || error == EISDIR || error == ENXIO || error == ENODEV || error == EMLINK;
}

int usage_load(struct ledger *l, enum usage_state *state, struct error *err)
{
	cleanup_close int fd = openat(l->dir, "usage", (l->looking ? O_RDONLY : O_RDWR) | O_NOFOLLOW | O_NONBLOCK |
				      O_NOCTTY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 && (errno == ENOENT || not_ours(errno))) {
		*state = errno == ENOENT ? USAGE_MISSING : USAGE_DAMAGED;
		return 0;
	}
	if (fd < 0)
		return error_errno(err, -errno, "ledger: open usage");
	if (fstat(fd, &st) < 0)
		return error_errno(err, -errno, "ledger: usage");
	*state = USAGE_DAMAGED;
	/* writing through a hard link would change another program's file */
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_size < (off_t)image_size(0, 0) ||
	    st.st_size > (off_t)image_size(IDSET_MAX, NODE_ID_MAX))
		return 0;
	l->image_len = (size_t)st.st_size;
	l->image = malloc(l->image_len);
	if (!l->image)
		return error_errno(err, -ENOMEM, "ledger: usage");
	do
		n = pread(fd, l->image, l->image_len, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_errno(err, -errno, "ledger: read usage");
	if ((size_t)n != l->image_len)
		return 0;
	*state = judge(l);
	l->usage_fd = steal_fd(&fd);
	return 0;
}

static int new_image(struct usage *u, char **image, unsigned int cpu_ids, unsigned int node_ids)
{
	*image = calloc(1, image_size(cpu_ids, node_ids));
	if (!*image)
		return -ENOMEM;
	lay_out(u, *image, cpu_ids, node_ids);
	return 0;
}

int usage_reset(struct ledger *l, struct error *err)
{
	struct usage u = { 0 };
	char *image;

	if (new_image(&u, &image, l->cpu_ids, l->node_ids) < 0)
		return error_errno(err, -ENOMEM, "ledger: usage");
	free(l->image);
	l->image = image;
	l->image_len = image_size(l->cpu_ids, l->node_ids);
	l->sums = u;
	return 0;
}

/* Highest id + 1; 0 if empty. */
static unsigned int id_end(const struct idset *s)
{
	for (unsigned int i = ARRAY_SIZE(s->word); i-- > 0;)
		if (s->word[i])
			return i * 64 + 64 - (unsigned int)__builtin_clzll(s->word[i]);
	return 0;
}

static unsigned int larger(unsigned int a, unsigned int b)
{
	return a > b ? a : b;
}

static int grow(struct ledger *l, unsigned int cpu_ids, unsigned int node_ids)
{
	struct usage old = l->sums, u = { .containers = l->sums.containers };
	char *image;

	if (new_image(&u, &image, cpu_ids, node_ids) < 0)
		return -ENOMEM;
	memcpy(u.pending, old.pending, old.node_ids * sizeof(*u.pending));
	memcpy(u.huge_pending, old.huge_pending, old.node_ids * HUGE_SIZES_MAX * sizeof(*u.huge_pending));
	memcpy(u.asked, old.asked, old.node_ids * sizeof(*u.asked));
	memcpy(u.load, old.load, old.cpu_ids * sizeof(*u.load));
	memcpy(u.exclusive, old.exclusive, old.cpu_ids * sizeof(*u.exclusive));
	free(l->image);
	l->image = image;
	l->image_len = image_size(cpu_ids, node_ids);
	l->sums = u;
	return 0;
}

int usage_add_growing(struct ledger *l, const struct share *s)
{
	unsigned int cpu_ids = larger(id_end(&s->cpus), id_end(&s->held)), node_ids = 0;
	int r;

	for (unsigned int i = 0; i < s->nmem; i++)
		node_ids = larger(node_ids, s->mem[i].id + 1U);
	if (cpu_ids > l->sums.cpu_ids || node_ids > l->sums.node_ids) {
		r = grow(l, larger(cpu_ids, l->sums.cpu_ids), larger(node_ids, l->sums.node_ids));
		if (r < 0)
			return r;
	}
	return usage_add(&l->sums, s);
}

/* Fills in the header and the checksum. */
static void seal(struct ledger *l, uint32_t mark)
{
	struct usage_head *head = (struct usage_head *)(void *)l->image;
	size_t body = l->image_len - sizeof(uint32_t);
	uint32_t crc;

	memcpy(head->magic, USAGE_MAGIC, sizeof(head->magic));
	head->mark = MARK_CLEAN;
	head->cpu_ids = l->sums.cpu_ids;
	head->node_ids = l->sums.node_ids;
	head->containers = l->sums.containers;
	fill_boot_id(l, head->boot_id);
	crc = crc32_of(l->image, body);
	memcpy(l->image + body, &crc, sizeof(crc));
	head->mark = mark;
}

int usage_create(struct ledger *l, struct error *err)
{
	cleanup_close int fd = -1;
	uint32_t mark = l->incomplete ? MARK_LOST : MARK_CLEAN;
	int r = 0;

	seal(l, mark);
	if (unlinkat(l->dir, TMP_NAME, 0) < 0 && errno != ENOENT) {
		r = set_aside(l, l->dir, TMP_NAME, err);
		if (r < 0)
			return r;
	}
	fd = atomic_file_begin(l->dir, TMP_NAME, O_RDWR);
	if (fd < 0)
		return error_errno(err, fd, "ledger: create usage");
	r = atomic_file_end(l->dir, TMP_NAME, "usage", file_pwrite_all(fd, l->image, l->image_len, 0));
	if (r < 0)
		return error_errno(err, r, "ledger: write usage");
	if (l->usage_fd >= 0)
		close(l->usage_fd);
	l->usage_fd = steal_fd(&fd);
	l->mark = mark;
	return 0;
}

static int write_mark(struct ledger *l, uint32_t mark)
{
	return file_pwrite_all(l->usage_fd, &mark, sizeof(mark), offsetof(struct usage_head, mark));
}

int usage_mark(struct ledger *l, enum usage_mark mark, struct error *err)
{
	int r;

	if (l->usage_fd < 0 || l->mark == mark || l->mark == MARK_LOST)
		return 0; /* a missing file forces a recount; MARK_LOST stays until the containers are queried */
	r = write_mark(l, mark);
	if (r < 0)
		return error_errno(err, r, "ledger: write usage");
	l->mark = mark;
	return 0;
}

int usage_commit(struct ledger *l, struct error *err)
{
	bool at_once = l->image_len <= ATOMIC_WRITE && !l->incomplete;
	int r;

	if (l->mark == MARK_CLEAN)
		return 0;
	seal(l, at_once ? MARK_CLEAN : l->mark);
	r = file_pwrite_all(l->usage_fd, l->image, l->image_len, 0);
	if (r == 0 && !at_once && !l->incomplete)
		r = write_mark(l, MARK_CLEAN);
	if (r < 0)
		return error_errno(err, r, "ledger: write usage");
	if (!l->incomplete)
		l->mark = MARK_CLEAN;
	return 0;
}
