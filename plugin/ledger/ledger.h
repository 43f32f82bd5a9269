/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger: the record of every placed container, in one folder of mode 0700.
 *
 * It holds `lock`, `usage` (the sums), `containers/` (one file per record), `homes/` (the last nodes of ended
 * containers) and `damaged/` (files that could not be read). The record files are authoritative. `usage` is their
 * sum; it is marked before a file changes, and recounted from the files if it is found marked or damaged. The first
 * opening after a reboot empties the ledger. So a transaction changes one record file, however many there are, and
 * may be killed at any system call. Lost records are restored from the marks on the live containers' cgroups, a part
 * of them at each opening.
 */
#ifndef NUMAPLACE_LEDGER_H
#define NUMAPLACE_LEDGER_H

#include "plugin/ledger/record.h"

/* State of a recorded container. */
enum life {
	LIFE_GONE,    /* its cgroup is gone, empty, or replaced by another of the same name: drop the record */
	LIFE_PLACED,  /* alive, and its cgroup carries our record */
	LIFE_PENDING, /* reserved, or alive and not yet marked: being placed, or its placer was killed */
	LIFE_UNKNOWN, /* unknown: keep the record */
};
typedef int ledger_add_live(void *add_arg, const char *cgroup, uint64_t inode, const char *text, size_t len);
/* The questions of the ledger about containers; @ctx is ledger_world.ctx. */
struct liveness {
	/*
	 * State of the container of @r. May update share.mem[].seen (bytes already faulted in) and then sets
	 * *@changed.
	 */
	enum life (*life)(void *ctx, struct record *r, bool *changed);
	/*
	 * Passes each record found on a cgroup to @add, with that cgroup's path and inode, to rebuild lost records.
	 * May be NULL. A record counts only on the cgroup that it was made for. The search starts at *@cursor (0 at
	 * first). Returns 0 at the end, 1 if more cgroups remain (*@cursor is where to continue), or a negative
	 * errno.
	 */
	int (*each_live)(void *ctx, uint64_t *cursor, ledger_add_live *add, void *add_arg, struct error *err);
	/* True on the first call in a boot: no cgroup can carry a record yet. NULL: unknown. */
	bool (*begin)(void *ctx);
	/* Called when a container has ended, before its record is dropped: removes its mark. May be NULL. */
	int (*ended)(void *ctx, const struct record *r, struct error *err);
	/*
	 * Called before the record of a partition, or of a container with limits.cpu.irq, is dropped, for whatever reason: gives
	 * its CPUs back to the machine, and its interrupts back to their CPUs.
	 * May be NULL.
	 */
	int (*give_back)(void *ctx, const struct record *r, struct error *err);
};

/* What the caller of ledger_open() knows about this boot. The ledger keeps a copy, and uses @ctx and @boot_id until it is closed. */
struct ledger_world {
	const struct liveness *liveness;
	void *ctx;
	const char *boot_id;   /* a UUID; anything else means that it could not be read, and the ledger is not opened */
	uint64_t now;          /* CLOCK_BOOTTIME seconds */
	unsigned int patience; /* seconds after which a pending container counts as dead */
};

struct ledger;

/*
 * Opens the ledger in the folder @dir (a descriptor that stays the caller's) and locks it. @t sets the array sizes.
 * The caller frees *@out with ledger_close().
 * Waits at most @timeout_ms for one lock holder, then kills it: it is stopped or hung, as its own alarm is shorter.
 * With 0, neither waits nor kills.
 * -ETIMEDOUT: the lock is held; -EDEADLK: this process has the ledger open already; -ENODATA: the boot id is unknown;
 * -EPERM: the folder is not ours alone; or another negative errno.
 */
int ledger_open(int dir, const struct topology *t, const struct ledger_world *world, unsigned int timeout_ms,
		struct ledger **out, struct error *err);

/*
 * Copies the ledger for reading; nothing in its folder is created, changed or removed. Damage becomes a message. The
 * lock is shared with other readers, and released before the call returns. Dead containers and damaged records are
 * left out. With @sums, only ledger_usage() is needed: if the sums are valid they are used as they are, including
 * those of dead containers, and no record is read.
 * On this ledger only ledger_usage(), ledger_each(), ledger_home() and ledger_message() work; functions that write
 * return -EROFS. @world's boot_id may be NULL: the boot of the ledger is then not checked. The caller frees *@out
 * with ledger_close(). Returns 0 or a negative errno, as ledger_open().
 */
int ledger_look(int dir, const struct topology *t, const struct ledger_world *world, unsigned int timeout_ms, bool sums,
		struct ledger **out, struct error *err);

/* What a folder is, judged by the contents of our files, never by names alone. */
enum ledger_folder {
	FOLDER_OURS,
	FOLDER_EMPTY,
	FOLDER_FOREIGN, /* holds other things: leave it alone */
};
/* The enum ledger_folder of @dir, or a negative errno. */
int ledger_folder(int dir);
/* Marks an empty folder as a ledger; call it before creating anything else there. Returns 0 or a negative errno. */
int ledger_folder_mark(int dir, struct error *err);

/* Releases the lock and frees @l; NULL is allowed. */
void ledger_close(struct ledger *l);
static inline void cleanup_ledgerp(struct ledger **l)
{
	ledger_close(*l);
}
#define cleanup_ledger __attribute__((cleanup(cleanup_ledgerp)))

/* The sums of all records; owned by @l, and changed by its next transaction. */
const struct usage *ledger_usage(const struct ledger *l);

/*
 * 0, or -EAGAIN while a rebuild of lost records has not yet asked all live containers. Do not choose a placement
 * then: CPUs could be given out twice.
 */
int ledger_ready(const struct ledger *l, struct error *err);

/*
 * Drops the records of dead containers: checks all with @all, else the next few in turn, so that the cost does not
 * grow with their number. Returns the number dropped, or a negative errno.
 */
int ledger_sweep(struct ledger *l, bool all, struct error *err);

/*
 * Sweeps before a refusal is final: all containers, or the next ones in turn if there are too many. All processes
 * together check at most LEDGER_LOOKS containers per second, so that repeated refusals take only a small part of the
 * lock's time. Returns the number dropped, or a negative errno.
 */
#define LEDGER_LOOKS 256
int ledger_sweep_more(struct ledger *l, struct error *err);

/*
 * Reads the record of this id; -ENOENT if it does not exist. The caller frees @out with record_free(). @runtime_class
 * is one of record_classes, as record_class() says. Containers of different runtime roots may have the same id:
 * ledger_find() returns the first of them, ledger_find_cgroup() the one of that cgroup.
 */
int ledger_find(struct ledger *l, const char *runtime_class, const char *id, struct record *out, struct error *err);
int ledger_find_cgroup(struct ledger *l, const char *runtime_class, const char *id, uint64_t cgroup_inode,
		       struct record *out, struct error *err);

/*
 * Adds @r. It replaces the record of the same id and cgroup, the reservation of this container, or a record of this id
 * whose container is dead. Returns 0, -EBUSY (LEDGER_SLOTS live containers have this id), or another negative errno.
 */
int ledger_add(struct ledger *l, const char *runtime_class, const struct record *r, struct error *err);

/* As ledger_add(), for callers that have the text of record_format() already. */
int ledger_add_text(struct ledger *l, const char *runtime_class, const struct record *r, const char *text, size_t len,
		    struct error *err);

/*
 * ledger_remove() drops the records of this id whose containers are dead, and no others. ledger_remove_cgroup() drops
 * the record of that cgroup. -ENOENT: no such record.
 */
int ledger_remove(struct ledger *l, const char *runtime_class, const char *id, struct error *err);
int ledger_remove_cgroup(struct ledger *l, const char *runtime_class, const char *id, uint64_t cgroup_inode,
			 struct error *err);

/*
 * Last nodes of an ended container (same boot, the latest 1,024). For "oci" only; LXC and Incus keep them in their
 * configuration. False, with *@nodes unchanged, if they are unknown.
 */
bool ledger_home(const struct ledger *l, const char *runtime_class, const char *id, struct nodeset *nodes);

/* Calls @each for every record, in order of file names. Stops when @each returns non-zero, and returns that value. */
int ledger_each(struct ledger *l, int (*each)(void *arg, const struct record *r), void *arg, struct error *err);

/*
 * Values that the caller has computed from all records, so that repeated refusals do not read them all again.
 * ledger_recall() is false if none are stored under @key, or a record has changed since. ledger_remember() stores them
 * if the last change was some time ago. For a ledger from ledger_open().
 */
#define LEDGER_MEMO_VALUES 4
bool ledger_recall(const struct ledger *l, uint64_t key, uint64_t value[LEDGER_MEMO_VALUES]);
void ledger_remember(const struct ledger *l, uint64_t key, const uint64_t value[LEDGER_MEMO_VALUES]);

/* Message @i about repairs and killed lock holders since ledger_open(), one line; NULL past the last. */
const char *ledger_message(const struct ledger *l, unsigned int i);

#endif
