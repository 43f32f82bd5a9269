/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ledger to test: a temporary folder, a mock machine, and containers that live and die as the test determines.
 */
#ifndef NUMAPLACE_LEDGER_KIT_H
#define NUMAPLACE_LEDGER_KIT_H

#include "plugin/ledger/ledger.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/records.h"
#include "tests/unit/tap.h"

#include "plugin/base/file.h"
#include "plugin/base/util.h"

#define KIT_CPUS 256
#define KIT_NODES 8

/* The state of containers, by the inode of their cgroup; those not listed are alive and placed. */
struct fate {
	uint64_t inode;
	enum life life;
	uint64_t seen; /* bytes that life() reports as touched on the first node */
};

static struct {
	char path[64];
	int dir;
	struct topology topology;
	struct topo_node nodes[KIT_NODES];
	struct liveness liveness;
	struct ledger_world world;
	unsigned int nfates;
	struct fate fate[64];
	unsigned int nlive; /* records on live cgroups, as text */
	char *live[64];
	unsigned int asked_live;
	unsigned int at_once; /* how many of them one opening reads; 0: all */
	bool begun; /* a ledger was begun in this boot; after kit_fresh(): assumed */
	unsigned int looks; /* containers whose state was queried */
	bool ended;            /* every container is reported dead */
	uint64_t elsewhere;    /* added to the inodes of the cgroups with records */
	bool elsewhere_path;   /* those cgroups have a different path */
} kit = { .dir = -1 };

static inline enum life kit_life(void *arg, struct record *r, bool *changed)
{
	(void)arg;
	kit.looks++;
	if (kit.ended)
		return LIFE_GONE;
	for (unsigned int i = 0; i < kit.nfates; i++) {
		const struct fate *f = &kit.fate[i];

		if (f->inode != r->cgroup_inode)
			continue;
		if (f->seen && r->placement.share.nmem && r->placement.share.mem[0].seen != f->seen) {
			r->placement.share.mem[0].seen = f->seen;
			*changed = true;
		}
		return f->life;
	}
	return LIFE_PLACED;
}

static inline int kit_each_live(void *arg, uint64_t *cursor, ledger_add_live *add, void *add_arg, struct error *err)
{
	unsigned int from = (unsigned int)*cursor;

	(void)arg;
	(void)err;
	kit.asked_live++;
	for (unsigned int i = from; i < kit.nlive; i++) {
		cleanup_record struct record r = { 0 };
		int ret = record_parse(kit.live[i], strlen(kit.live[i]), &r, NULL);

		if (kit.at_once && i == from + kit.at_once) {
			*cursor = i;
			return 1;
		}
		/* The cgroup that the record was made for, or (kit.elsewhere) a different one. */
		ret = add(add_arg, ret == 0 && !kit.elsewhere_path ? r.cgroup : "/elsewhere",
			  r.cgroup_inode + kit.elsewhere, kit.live[i], strlen(kit.live[i]));
		if (ret < 0)
			return ret;
	}
	return 0;
}

static inline bool kit_begin(void *arg)
{
	bool first = !kit.begun;

	(void)arg;
	kit.begun = true;
	return first;
}

/* Removes a container that has ended, as its runtime's poststop does. */
static inline int kit_remove(struct ledger *l, const char *runtime_class, const char *id, struct error *err)
{
	int r;

	kit.ended = true;
	r = ledger_remove(l, runtime_class, id, err);
	kit.ended = false;
	return r;
}

static inline void kit_fate(uint64_t inode, enum life life, uint64_t seen)
{
	kit.fate[kit.nfates++] = (struct fate){ inode, life, seen };
}

/* Removes everything below @dir. */
static inline void wipe(int dir)
{
	DIR *d = fdopendir(dup(dir));

	rewinddir(d);
	for (struct dirent *e; (e = readdir(d));) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dir, e->d_name, 0) < 0) {
			int sub = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

			wipe(sub);
			close(sub);
			unlinkat(dir, e->d_name, AT_REMOVEDIR);
		}
	}
	closedir(d);
}

/* Removes the records from live cgroups. */
static inline void kit_forget_live(void)
{
	while (kit.nlive)
		free(kit.live[--kit.nlive]);
}

/* An empty folder, no containers, the first boot. */
static inline void kit_fresh(void)
{
	if (kit.dir < 0) {
		snprintf(kit.path, sizeof(kit.path), "%s/numaplace-ledger.XXXXXX",
			 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
		kit.dir = mkdtemp(kit.path) ? open(kit.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
		if (kit.dir < 0)
			abort();
	}
	wipe(kit.dir);
	kit_forget_live();
	kit.begun = true;
	kit.nfates = kit.asked_live = kit.looks = kit.at_once = 0;
	for (unsigned int i = 0; i < KIT_NODES; i++)
		kit.nodes[i].id = (uint16_t)i;
	kit.topology = (struct topology){ .nnodes = KIT_NODES, .nodes = kit.nodes, .cpu_ids = KIT_CPUS };
	kit.liveness = (struct liveness){ .life = kit_life, .each_live = kit_each_live, .begin = kit_begin };
	kit.world = (struct ledger_world){
		.liveness = &kit.liveness,
		.boot_id = "6f1c1f4e-0000-0000-0000-000000000001",
		.now = 1000,
		.patience = 60,
	};
}

static inline void kit_end(void)
{
	kit_fresh();
	close(kit.dir);
	rmdir(kit.path);
}

static inline struct ledger *kit_open(void)
{
	struct error err = { 0 };
	struct ledger *l = NULL;

	if (ledger_open(kit.dir, &kit.topology, &kit.world, 10000, &l, &err) < 0)
		ok(false, "ledger_open: %s", err.text);
	return l;
}

/* The record of container @id in the cgroup @inode; always the same. */
static inline void kit_record(const char *id, uint64_t inode, struct record *r)
{
	uint64_t seed = inode * 7919 + 1;

	random_record(&seed, id, KIT_CPUS, KIT_NODES, r);
	r->cgroup_inode = inode;
	r->started = 990;
}

static inline int kit_add(struct ledger *l, const char *id, uint64_t inode, struct error *err)
{
	cleanup_record struct record r = { 0 };

	kit_record(id, inode, &r);
	return ledger_add(l, "oci", &r, err);
}

/* Puts the record on the cgroup, too, so that it survives the loss of the ledger's file. */
static inline void kit_make_live(const char *id, uint64_t inode)
{
	cleanup_record struct record r = { 0 };
	size_t len;

	kit_record(id, inode, &r);
	if (record_format(&r, &kit.live[kit.nlive++], &len, NULL) < 0)
		abort();
}

/* Adds the live containers c1 to c5, with the inodes 1 to 5. */
__attribute__((unused)) static void kit_add_five(void)
{
	char id[16];
	struct ledger *l;

	l = kit_open();
	for (int i = 1; i <= 5; i++) {
		snprintf(id, sizeof(id), "c%d", i);
		kit_add(l, id, (uint64_t)i, NULL);
		kit_make_live(id, (uint64_t)i);
	}
	ledger_close(l);
}

__attribute__((unused)) static void kit_five(void)
{
	kit_fresh();
	kit_add_five();
}

static inline int kit_sum(void *arg, const struct record *r)
{
	return usage_add(arg, &r->placement.share);
}

/* Checks that the sums are those of the records. Returns the number of records, or -1. */
static inline int kit_count(struct ledger *l)
{
	const struct usage *u = ledger_usage(l);
	cleanup_usage struct usage *sum = usage_new(u->cpu_ids, u->node_ids);

	if (ledger_each(l, kit_sum, sum, NULL) != 0 || sum->containers != u->containers ||
	    memcmp(sum->load, u->load, u->cpu_ids * sizeof(*u->load)) != 0 ||
	    memcmp(sum->exclusive, u->exclusive, u->cpu_ids * sizeof(*u->exclusive)) != 0 ||
	    memcmp(sum->pending, u->pending, u->node_ids * sizeof(*u->pending)) != 0 ||
	    memcmp(sum->asked, u->asked, u->node_ids * sizeof(*u->asked)) != 0 ||
	    memcmp(sum->huge_pending, u->huge_pending, u->node_ids * HUGE_SIZES_MAX * sizeof(uint64_t)) != 0)
		return -1;
	return (int)u->containers;
}

/* Opens the ledger and returns kit_count(); -2: cannot be opened. */
static inline int kit_reopen(void)
{
	cleanup_ledger struct ledger *l = kit_open();

	return l ? kit_count(l) : -2;
}

static inline bool kit_has(const char *id)
{
	cleanup_ledger struct ledger *l = kit_open();
	cleanup_record struct record r = { 0 };

	return ledger_find(l, "oci", id, &r, NULL) == 0;
}

/* The content of `usage`, for comparisons. */
static inline char *kit_bytes(size_t *len)
{
	char *text = NULL;
	ssize_t n = file_read_all(kit.dir, "usage", 1U << 20, &text);

	*len = n < 0 ? 0 : (size_t)n;
	return text;
}

static inline bool kit_says(const struct ledger *l, const char *what)
{
	for (unsigned int i = 0; ledger_message(l, i); i++)
		if (strstr(ledger_message(l, i), what))
			return true;
	return false;
}

static inline void kit_write(const char *path, const void *data, size_t len)
{
	int fd = openat(kit.dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || file_pwrite_all(fd, data, len, 0) < 0)
		abort();
	close(fd);
}

#endif
