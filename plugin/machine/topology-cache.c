/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file: a header with the key and a checksum, struct topology, then its arrays. A large file is mapped, not read,
 * as the distances of a thousand nodes take megabytes; only the nodes are copied, as their memory is filled in later.
 * A few pages are read faster than they are mapped and unmapped.
 */
#include "plugin/machine/topology-cache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "plugin/base/atomic-file.h"
#include "plugin/base/file.h"
#include "plugin/base/util.h"

#define FILE_NAME "topology"
#define TMP_NAME "topology.tmp"
#define READ_MAX 65536 /* bytes; larger files are mapped */
#define MAGIC "numatop5" /* change it whenever the structs change meaning */

struct head {
	char magic[8];
	uint32_t struct_size, node_size, cpu_size, key_size; /* of the writing program */
	uint64_t sum;                                        /* of everything from key on */
	struct topology_key key;
};

/* Offset of each array; multiples of 8. */
struct layout {
	size_t nodes, cpus, distance, near, twin, cpu_index, node_index, end;
};

static size_t place(size_t *at, size_t n, size_t size)
{
	size_t here = *at;

	*at += (n * size + 7) & ~(size_t)7;
	return here;
}

static struct layout lay_out(const struct topology *t)
{
	size_t at = sizeof(struct head), n = t->nnodes;
	struct layout l;

	place(&at, 1, sizeof(*t));
	l.nodes = place(&at, n, sizeof(*t->nodes));
	l.cpus = place(&at, t->ncpus, sizeof(*t->cpus));
	l.distance = place(&at, n * n, sizeof(*t->distance));
	l.near = place(&at, n * n, sizeof(*t->near));
	l.twin = place(&at, n, sizeof(*t->twin));
	l.cpu_index = place(&at, t->cpu_ids, sizeof(*t->cpu_index));
	l.node_index = place(&at, NODE_ID_MAX, sizeof(*t->node_index));
	l.end = at;
	return l;
}

static uint64_t mix(uint64_t lane, uint64_t word)
{
	lane ^= word;
	return (lane << 29 | lane >> 35) * 0x9e3779b97f4a7c15U;
}

/*
 * A fast checksum against damage, not against attacks. Four independent sums for speed, because every hook may read
 * megabytes. @len in 8-byte
 * words.
 */
static uint64_t sum_of(const uint64_t *word, size_t len)
{
	uint64_t a = 1, b = 2, c = 3, d = 4;
	size_t i = 0;

	for (; i + 4 <= len; i += 4) {
		a = mix(a, word[i]);
		b = mix(b, word[i + 1]);
		c = mix(c, word[i + 2]);
		d = mix(d, word[i + 3]);
	}
	for (; i < len; i++)
		a = mix(a, word[i]);
	return mix(mix(mix(mix(len, a), b), c), d);
}

static uint64_t sum_of_image(const char *image, size_t len)
{
	const size_t from = offsetof(struct head, key);

	_Static_assert(sizeof(struct head) % 8 == 0 && offsetof(struct head, key) % 8 == 0, "words");
	return sum_of((const uint64_t *)(const void *)(image + from), (len - from) / 8);
}

static struct head head_of(const struct topology_key *key)
{
	struct head h = {
		.magic = MAGIC,
		.struct_size = sizeof(struct topology),
		.node_size = sizeof(struct topo_node),
		.cpu_size = sizeof(struct topo_cpu),
		.key_size = sizeof(struct topology_key),
		.key = *key,
	};

	return h;
}

bool topology_key_read(int root, struct topology_key *out)
{
	char text[4096]; /* machines with longer lists are not cached */
	struct stat st;

	memset(out, 0, sizeof(*out));
	if (fstatat(root, "sys/devices/system/node", &st, 0) < 0)
		return false;
	out->device = st.st_dev;
	out->inode = st.st_ino;
	if (file_read(root, "proc/sys/kernel/random/boot_id", out->boot_id, sizeof(out->boot_id)) <= 0)
		return false;
	out->boot_id[strcspn(out->boot_id, "\n")] = '\0';
	return file_read(root, "sys/devices/system/node/online", text, sizeof(text)) > 0 &&
	       nodeset_parse_kernel(text, &out->nodes, NULL) == 0 &&
	       file_read(root, "sys/devices/system/cpu/online", text, sizeof(text)) > 0 &&
	       idset_parse_kernel(text, &out->cpus, NULL) == 0;
}

/* --- loading --- */

static int read_image(int fd, struct topology *t, size_t len)
{
	ssize_t n;

	t->image = malloc(len);
	if (!t->image)
		return -ENOMEM;
	n = file_read_fd(fd, t->image, len);
	return n < 0 ? (int)n : (size_t)n == len ? 0 : -EBADMSG;
}

static int map_image(int fd, struct topology *t, size_t len)
{
	void *p = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	t->image = p;
	t->image_mapped = true;
	return 0;
}

static int open_image(int dir, struct topology *t)
{
	cleanup_close int fd = openat(dir, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_size % 8 ||
	    st.st_size < (off_t)(sizeof(struct head) + sizeof(struct topology)) || st.st_size > 1 << 24)
		return -EBADMSG;
	t->image_len = (size_t)st.st_size;
	return t->image_len > READ_MAX ? map_image(fd, t, t->image_len) : read_image(fd, t, t->image_len);
}

/* Whether every index stays within its array, which the checksum does not prove. */
static bool makes_sense(const struct topology *t)
{
	if (t->nhuge > HUGE_SIZES_MAX || t->nwarnings > ARRAY_SIZE(t->warnings))
		return false;
	for (unsigned int i = 0; i < t->nnodes; i++) {
		const struct topo_node *n = &t->nodes[i];

		if (n->id >= NODE_ID_MAX || n->first_cpu > t->ncpus || n->ncpus > t->ncpus - n->first_cpu ||
		    t->twin[i] >= t->nnodes || n->memory_kind > MEMORY_UNKNOWN)
			return false;
	}
	for (unsigned int i = 0; i < t->ncpus; i++) {
		const struct topo_cpu *c = &t->cpus[i];

		if (c->id >= t->cpu_ids || c->node >= t->nnodes || c->core >= t->ncores || c->llc >= t->nllcs)
			return false;
	}
	for (unsigned int i = 0; i < t->cpu_ids; i++)
		if (t->cpu_index[i] != NO_NODE && t->cpu_index[i] >= t->ncpus)
			return false;
	for (unsigned int i = 0; i < NODE_ID_MAX; i++)
		if (t->node_index[i] != NO_NODE && t->node_index[i] >= t->nnodes)
			return false;
	return true;
}

/* Fills @t from its image; -EBADMSG: another format, incomplete, or of another machine. */
static int take_over(struct topology *t, const struct topology_key *key)
{
	const struct head want = head_of(key), *have = (const struct head *)t->image;
	char *image = t->image;
	size_t len = t->image_len;
	bool mapped = t->image_mapped;
	struct layout l;

	if (memcmp(have, &want, offsetof(struct head, sum)) != 0 || memcmp(&have->key, key, sizeof(*key)) != 0 ||
	    have->sum != sum_of_image(image, len))
		return -EBADMSG;
	memcpy(t, image + sizeof(*have), sizeof(*t));
	t->image = image;
	t->image_len = len;
	t->image_mapped = mapped;
	t->nodes = NULL;
	if (t->nnodes - 1 >= NODE_ID_MAX || t->ncpus - 1 >= IDSET_MAX || t->cpu_ids - 1 >= IDSET_MAX ||
	    t->ncores > IDSET_MAX || t->nllcs > IDSET_MAX)
		return -EBADMSG;
	l = lay_out(t);
	if (l.end != len)
		return -EBADMSG;
	t->nodes = malloc(t->nnodes * sizeof(*t->nodes));
	if (!t->nodes)
		return -ENOMEM;
	memcpy(t->nodes, image + l.nodes, t->nnodes * sizeof(*t->nodes));
	t->cpus = (struct topo_cpu *)(void *)(image + l.cpus);
	t->distance = (uint16_t *)(void *)(image + l.distance);
	t->near = (uint16_t *)(void *)(image + l.near);
	t->twin = (uint16_t *)(void *)(image + l.twin);
	t->cpu_index = (uint16_t *)(void *)(image + l.cpu_index);
	t->node_index = (uint16_t *)(void *)(image + l.node_index);
	return makes_sense(t) ? 0 : -EBADMSG;
}

int topology_load(int dir, const struct topology_key *key, struct topology **out)
{
	cleanup_topology struct topology *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	r = open_image(dir, t);
	if (r == 0)
		r = take_over(t, key);
	if (r < 0)
		return r == -ENOMEM ? r : -ENOENT;
	*out = steal_ptr(t);
	return 0;
}

/* --- saving --- */

static void copy_nodes(const struct topology *t, struct topo_node *to)
{
	memcpy(to, t->nodes, t->nnodes * sizeof(*to));
	for (unsigned int i = 0; i < t->nnodes; i++) {
		to[i].mem_total = to[i].mem_free = to[i].arc_bytes = 0;
		memset(to[i].huge_total, 0, sizeof(to[i].huge_total));
		memset(to[i].huge_free, 0, sizeof(to[i].huge_free));
	}
}

static void copy_all(const struct topology *t, const struct topology_key *key, const struct layout *l, char *image)
{
	struct head *head = (struct head *)(void *)image;
	struct topology *shell = (struct topology *)(void *)(image + sizeof(*head));
	size_t n = t->nnodes;

	*head = head_of(key);
	*shell = *t;
	shell->nodes = NULL;
	shell->cpus = NULL;
	shell->distance = shell->near = shell->twin = shell->cpu_index = shell->node_index = NULL;
	memset(shell->huge_reserved, 0, sizeof(shell->huge_reserved));
	shell->image = NULL;
	shell->image_len = 0;
	shell->image_mapped = false;
	copy_nodes(t, (struct topo_node *)(void *)(image + l->nodes));
	memcpy(image + l->cpus, t->cpus, t->ncpus * sizeof(*t->cpus));
	memcpy(image + l->distance, t->distance, n * n * sizeof(*t->distance));
	memcpy(image + l->near, t->near, n * n * sizeof(*t->near));
	memcpy(image + l->twin, t->twin, n * sizeof(*t->twin));
	memcpy(image + l->cpu_index, t->cpu_index, t->cpu_ids * sizeof(*t->cpu_index));
	memcpy(image + l->node_index, t->node_index, NODE_ID_MAX * sizeof(*t->node_index));
	head->sum = sum_of_image(image, l->end);
}

/* Whether @t has exactly the online nodes and CPUs of @key: none was added or removed while the machine was read. */
static bool is_of(const struct topology *t, const struct topology_key *key)
{
	struct nodeset nodes = t->merged;

	for (unsigned int i = 0; i < t->nnodes; i++)
		nodeset_add(&nodes, t->nodes[i].id);
	return idset_equal(&t->online, &key->cpus) && nodeset_equal(&nodes, &key->nodes);
}

void topology_keep(int dir, const struct topology_key *key, const struct topology *t)
{
	struct layout l = lay_out(t);
	cleanup_free char *image = NULL;

	if (!is_of(t, key))
		return;
	image = calloc(1, l.end);
	if (!image)
		return;
	copy_all(t, key, &l, image);
	unlinkat(dir, TMP_NAME, 0); /* left by an interrupted writer */
	atomic_file_write(dir, TMP_NAME, FILE_NAME, image, l.end);
}
