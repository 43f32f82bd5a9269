/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared by the sources of the ledger only: the lock (ledger-lock.c), the record files (ledger-files.c), their sums
 * (ledger-usage.c), recounts and rebuilds (ledger-recount.c), last nodes of ended containers (ledger-home.c), sums
 * for refusals (ledger-memo.c), the folder's own mark (ledger-folder.c), transactions (ledger.c), and the read-only copy (ledger-look.c).
 */
#ifndef NUMAPLACE_LEDGER_INTERNAL_H
#define NUMAPLACE_LEDGER_INTERNAL_H

#include "plugin/ledger/ledger.h"

#include <sys/types.h>

#define LEDGER_MESSAGES_MAX 16
#define LEDGER_NAME_MAX 256   /* of a record's file name, with its NUL */
#define LEDGER_SLOTS 256      /* containers with the same id: of different roots, namespaces or users */
#define LEDGER_DAMAGED_MAX 16 /* files kept in damaged/ */
#define USAGE_MAGIC "numause1"
#define RECORD_MAGIC "numaplace-record "

/* Written into `usage` before a file changes; cleared when the new sums are written. */
enum usage_mark {
	MARK_CLEAN = 0x4e41454c,   /* the sums match the files */
	MARK_CHANGING = 0x474e4843, /* recount the files */
	MARK_LOST = 0x54534f4c,    /* files were lost: query the live containers, too */
};

struct ledger {
	int dir;          /* the folder; owned by the caller */
	int lock, usage_fd, files;
	dev_t dev;        /* of the folder, to detect a second open */
	ino_t ino;
	pid_t owner;
	struct ledger *next;
	struct ledger_world world;
	unsigned int cpu_ids, node_ids; /* of this machine: the smallest size of the arrays */
	struct usage sums; /* its arrays point into image */
	char *image;      /* `usage` as on disk */
	size_t image_len;
	uint32_t mark;    /* as on disk */
	bool boot_known;  /* the sums on disk were intact and of this boot */
	bool resume;      /* continue the rebuild that was begun */
	bool incomplete;  /* the rebuild is unfinished: the mark stays MARK_LOST */
	char *scratch;    /* for reading records; allocated at first use */
	size_t scratch_len; /* length of the last one read */
	bool looking;     /* opened by ledger_look(): nothing is opened for writing */
	unsigned int nkept; /* records as text, for ledger_look() */
	struct kept {
		char *text;
		size_t len;
	} *kept;
	unsigned int nmessages;
	char *messages[LEDGER_MESSAGES_MAX];
};

/* Adds a message for ledger_message(); dropped if there are LEDGER_MESSAGES_MAX. */
void ledger_note(struct ledger *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- ledger-lock.c --- */

/*
 * In the library, one thread at a time has ledgers open: called before a ledger is made, and after it is freed.
 * Programs have one thread.
 */
#ifdef NUMAPLACE_LIBRARY
void ledger_enter(void);
void ledger_leave(void);
#else
static inline void ledger_enter(void)
{
}

static inline void ledger_leave(void)
{
}
#endif

#define LEDGER_MEMOS 8

/* Values for ledger_recall(). */
struct ledger_memo {
	uint64_t key;
	int64_t changed; /* modification time of containers/, in ns; 0: empty */
	uint64_t value[LEDGER_MEMO_VALUES];
};

/* Contents of the lock file. */
struct lock_file {
	int64_t sweep;    /* directory offset where the next sweep begins */
	uint64_t second;  /* the second to which looks belongs */
	uint64_t looks;   /* containers checked before refusals in that second */
	uint64_t rebuild; /* where an unfinished rebuild continues */
	struct ledger_memo memo[LEDGER_MEMOS];
};

/*
 * Sets l->lock. For a look the lock is shared, a missing lock file is not created (l->lock stays unset), and no
 * holder is killed.
 */
int ledger_lock(struct ledger *l, unsigned int timeout_ms, struct error *err);

/* --- ledger.c --- */

/*
 * Allocates a ledger for @dir after checking the folder; does not lock or load it. Call ledger_close() also after a
 * failure.
 */
int ledger_new(int dir, const struct topology *t, const struct ledger_world *world, bool looking, struct ledger **out,
	       struct error *err);
/* Whether the container of @r is dead. May update its share, as ledger_world's life(). */
bool ask_dead(const struct ledger *l, struct record *r, bool *changed);

/* --- ledger-look.c --- */

/* ledger_each() for a ledger of ledger_look(). */
int kept_each(const struct ledger *l, int (*each)(void *arg, const struct record *r), void *arg, struct error *err);

/* --- ledger-usage.c --- */

enum usage_state {
	USAGE_GOOD,
	USAGE_CHANGING,   /* a transaction was interrupted; of this boot */
	USAGE_SMALL,      /* the machine has grown */
	USAGE_OTHER_BOOT,
	USAGE_LOST,       /* files were lost, and the live containers not all queried */
	USAGE_TORN,       /* interrupted while the sums were written: boot unknown */
	USAGE_DAMAGED,
	USAGE_MISSING,
};

/* Loads `usage` and classifies it; l->sums are valid only with USAGE_GOOD. */
int usage_load(struct ledger *l, enum usage_state *state, struct error *err);

/* Empties the sums, in memory only, with arrays for this machine's ids. */
int usage_reset(struct ledger *l, struct error *err);

/* As usage_add(), but grows the arrays as needed. */
int usage_add_growing(struct ledger *l, const struct share *s);

/* Writes the sums to a temporary file and renames it to `usage`. */
int usage_create(struct ledger *l, struct error *err);

/* Marks `usage` on disk before files change, or when files were lost. */
int usage_mark(struct ledger *l, enum usage_mark mark, struct error *err);

/* Writes the sums in place and clears the mark. */
int usage_commit(struct ledger *l, struct error *err);

/* --- ledger-files.c --- */

/* Name of the first slot of this id; slot_name() gives the others. */
int file_name(const char *runtime_class, const char *id, char name[LEDGER_NAME_MAX], struct error *err);
void slot_name(const char *base, unsigned int slot, char name[LEDGER_NAME_MAX]);
/* The slot number in @name; @base is the name without it. */
unsigned int slot_of(const char *name, char base[LEDGER_NAME_MAX]);

/* How many slots of @base are used; there are no gaps. */
int slots_used(const struct ledger *l, const char *base, unsigned int *used, struct error *err);

/* -ENOENT, -EBADMSG (damaged, or not a record file of ours), or another negative errno. */
int file_load(struct ledger *l, const char *name, struct record *r, struct error *err);
int file_store(struct ledger *l, const char *name, const char *text, size_t len, struct error *err);
int file_store_record(struct ledger *l, const char *name, const struct record *r, struct error *err);
/* Removes slot @slot of @used, and renames the last slot into the gap. */
int file_drop(struct ledger *l, const char *base, unsigned int slot, unsigned int used, struct error *err);

/* Moves @name below @dir to damaged/, or deletes it if damaged/ is full. */
int set_aside(struct ledger *l, int dir, const char *name, struct error *err);

/* Opens containers/; sets *@lost if it was missing and had to be created. */
int files_open(struct ledger *l, bool *lost, struct error *err);
int files_remove_all(struct ledger *l, struct error *err);

struct names {
	unsigned int n, room;
	char (*name)[LEDGER_NAME_MAX];
};
void names_free(struct names *list);
#define cleanup_names __attribute__((cleanup(names_free)))
/* Names of all records, ascending. */
int files_list(const struct ledger *l, struct names *out, struct error *err);

/*
 * Calls @each with names from *@cursor on until it returns non-zero or @max names are done (0: no limit). *@cursor is
 * then where to continue; 0 at the end of the folder.
 */
int files_some(const struct ledger *l, int64_t *cursor, unsigned int max,
	       int (*each)(void *arg, const char *name), void *arg, struct error *err);

/* --- ledger-home.c --- */

/* Saves where the ended container of @r lived. Best effort. */
void home_keep(struct ledger *l, const struct record *r);

/* --- ledger-recount.c --- */

/* Makes the next rebuild start at the beginning. Call it before the record to be rebuilt is removed. */
int rebuild_restart(struct ledger *l, struct error *err);

/*
 * Recomputes the sums from the files. If files were @lost, or are found damaged, also restores records from the live
 * containers.
 */
int ledger_recount(struct ledger *l, bool lost, struct error *err);

#endif
