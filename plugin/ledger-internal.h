/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of the ledger that see each other: the lock (ledger-lock.c), the
 * files of records (ledger-files.c), their sums (ledger-usage.c), how these are made good
 * (ledger-recount.c), where the dead lived (ledger-home.c), the folder itself (ledger-folder.c), the transactions over
 * all of them (ledger.c), and a look that changes nothing (ledger-look.c).  For these alone.
 */
#ifndef NUMAPLACE_LEDGER_INTERNAL_H
#define NUMAPLACE_LEDGER_INTERNAL_H

#include "plugin/ledger.h"

#include <sys/types.h>

#define LEDGER_MESSAGES_MAX 16
#define LEDGER_NAME_MAX 256   /* of a record's file, with its NUL */
#define LEDGER_SLOTS 256      /* containers of one id that may live at once: under as many roots, namespaces, users */
#define LEDGER_DAMAGED_MAX 16 /* things kept in damaged/ */
#define USAGE_MAGIC "numause1"
#define RECORD_MAGIC "numaplace-record "

/* What is written over `usage` before a file changes, and taken back with the new sums. */
enum usage_mark {
	MARK_CLEAN = 0x4e41454c,   /* the sums are those of the files */
	MARK_CHANGING = 0x474e4843, /* count the files again */
	MARK_LOST = 0x54534f4c,    /* files were lost: ask the live containers, too */
};

struct ledger {
	int dir;          /* the folder; the caller's */
	int lock, usage_fd, files;
	dev_t dev;        /* of the folder, to know it again */
	ino_t ino;
	pid_t owner;
	struct ledger *next;
	struct ledger_world world;
	unsigned int cpu_ids, node_ids; /* of this machine: the least that the arrays hold */
	struct usage sums; /* arrays point into image */
	char *image;      /* `usage` as it is on disk */
	size_t image_len;
	uint32_t mark;    /* as on disk */
	bool boot_known;  /* the sums on disk were whole, and of this boot */
	bool resume;      /* a rebuild that has begun goes on */
	bool incomplete;  /* and is not at its end: the mark stays MARK_LOST */
	char *scratch;    /* for reading a record; made at the first */
	size_t scratch_len; /* of the last one read */
	bool looking;     /* ledger_look's: no file is opened for writing */
	unsigned int nkept; /* its records, as text */
	struct kept {
		char *text;
		size_t len;
	} *kept;
	unsigned int nmessages;
	char *messages[LEDGER_MESSAGES_MAX];
};

void ledger_note(struct ledger *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- ledger-lock.c --- */

/* What the lock's file holds. */
struct lock_file {
	int64_t sweep;    /* where the next sweep of a few begins */
	uint64_t second;  /* in which */
	uint64_t looks;   /* so many were looked at for refusals */
	uint64_t rebuild; /* where a rebuild that is not at its end goes on */
};

/* Sets l->lock.  For a look it is shared with others that look, no file is made for it, and no holder is killed. */
int ledger_lock(struct ledger *l, unsigned int timeout_ms, struct error *err);

/* --- ledger.c --- */

/* A ledger in @dir, not locked and not loaded: its folder is looked at.  ledger_close, also after a failure. */
int ledger_new(int dir, const struct topology *t, const struct ledger_world *world, bool looking, struct ledger **out,
	       struct error *err);
bool ask_dead(const struct ledger *l, struct record *r, bool *changed);

/* --- ledger-look.c --- */

int kept_each(const struct ledger *l, int (*each)(void *arg, const struct record *r), void *arg, struct error *err);

/* --- ledger-usage.c --- */

enum usage_state {
	USAGE_GOOD,
	USAGE_CHANGING,   /* a transaction was cut off; the boot is ours */
	USAGE_SMALL,      /* the machine has grown */
	USAGE_OTHER_BOOT,
	USAGE_LOST,       /* files were lost and not yet asked for */
	USAGE_TORN,       /* cut off while the sums were written: the boot is not known */
	USAGE_DAMAGED,
	USAGE_MISSING,
};

/* Loads `usage` and says what it is worth; l->sums are valid with USAGE_GOOD alone. */
int usage_load(struct ledger *l, enum usage_state *state, struct error *err);

/* New sums of nothing, for this machine's ids; in memory alone. */
int usage_reset(struct ledger *l, struct error *err);

/* As usage_add, but the arrays grow with what the share needs. */
int usage_add_growing(struct ledger *l, const struct share *s);

/* Writes the sums as a new file that takes the place of the old one. */
int usage_create(struct ledger *l, struct error *err);

/* Says on disk that files are about to change, or that they were lost. */
int usage_mark(struct ledger *l, enum usage_mark mark, struct error *err);

/* Writes the sums over the old ones, and takes the mark back. */
int usage_commit(struct ledger *l, struct error *err);

/* --- ledger-files.c --- */

/* The name of the first slot of this id; slots_name gives those behind it. */
int file_name(const char *runtime_class, const char *id, char name[LEDGER_NAME_MAX], struct error *err);
void slot_name(const char *base, unsigned int slot, char name[LEDGER_NAME_MAX]);
/* Takes a name apart again. */
unsigned int slot_of(const char *name, char base[LEDGER_NAME_MAX]);

/* How many slots of @base are taken: they have no gaps. */
int slots_used(const struct ledger *l, const char *base, unsigned int *used, struct error *err);

/* -ENOENT, -EBADMSG (damaged, or not a file that we wrote), or what the system said. */
int file_load(struct ledger *l, const char *name, struct record *r, struct error *err);
int file_store(struct ledger *l, const char *name, const char *text, size_t len, struct error *err);
int file_store_record(struct ledger *l, const char *name, const struct record *r, struct error *err);
/* Takes slot @slot of @used away and closes the gap. */
int file_drop(struct ledger *l, const char *base, unsigned int slot, unsigned int used, struct error *err);

/* Moves @name below @dir to damaged/, or away when that is full. */
int set_aside(struct ledger *l, int dir, const char *name, struct error *err);

/* Opens containers/; *@lost: it was not there, and was made. */
int files_open(struct ledger *l, bool *lost, struct error *err);
int files_remove_all(struct ledger *l, struct error *err);

struct names {
	unsigned int n, room;
	char (*name)[LEDGER_NAME_MAX];
};
void names_free(struct names *list);
#define cleanup_names __attribute__((cleanup(names_free)))
/* Every record's name, ascending. */
int files_list(const struct ledger *l, struct names *out, struct error *err);

/*
 * Calls @each with names from *@cursor on until it returns non-zero or @max are through; *@cursor is then where to go
 * on, 0 at the end.
 */
int files_some(const struct ledger *l, int64_t *cursor, unsigned int max,
	       int (*each)(void *arg, const char *name), void *arg, struct error *err);

/* --- ledger-home.c --- */

/* Notes where @r lived, whose container is gone. As far as can be. */
void home_keep(struct ledger *l, const struct record *r);

/* --- ledger-recount.c --- */

/* The next rebuild is to begin at the beginning. Before what it is for is taken away. */
int rebuild_restart(struct ledger *l, struct error *err);

/* The sums afresh from the files; and from the live containers, too, when files were @lost. */
int ledger_recount(struct ledger *l, bool lost, struct error *err);

#endif
