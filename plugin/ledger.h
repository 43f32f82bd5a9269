/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is placed where now.
 *
 * A folder of mode 0700: `lock`, `usage` (the sums), `containers/` with a file for
 * each placed container, `homes/` with where those lived that have ended, `damaged/` with what was set aside.  The files are the
 * truth, `usage` is their sum, marked while the two may differ, and counted again
 * from the files whenever it is marked or damaged; after a reboot all is emptied.
 * So a transaction touches one file however many there are, and may be cut off at
 * any system call.  Where files are lost, the live containers' own marks bring them back, some in each opening.
 */
#ifndef NUMAPLACE_LEDGER_H
#define NUMAPLACE_LEDGER_H

#include "plugin/record.h"

/* What the world says of a recorded container; asked for entries in turn. */
enum life {
	LIFE_GONE,    /* its cgroup is gone, empty, or another one of the same name: drop it */
	LIFE_PLACED,  /* alive, and carries our record */
	LIFE_PENDING, /* alive, not yet marked: being placed, or its placer died */
	LIFE_UNKNOWN, /* cannot be told: keep it */
};
typedef int ledger_add_live(void *add_arg, const char *cgroup, uint64_t inode, const char *text, size_t len);
struct ledger_world {
	/* May fill in share.mem[].seen (bytes already faulted in); *@changed then. */
	enum life (*life)(void *arg, struct record *r, bool *changed);
	/*
	 * Gives back every record that a cgroup carries, with that cgroup's path and inode, for a rebuild; may be NULL.
	 * A record counts only on the cgroup that it was made for.  The search begins at *@cursor, 0 at first; 1: there
	 * are more, and *@cursor is where the next search begins.
	 */
	int (*each_live)(void *arg, uint64_t *cursor, ledger_add_live *add, void *add_arg, struct error *err);
	/* True, once in each boot: no ledger was begun in it before, so no cgroup carries a record. NULL: not known. */
	bool (*begin)(void *arg);
	/* Told of a container that has ended, before its record is dropped: its mark goes. May be NULL. */
	int (*ended)(void *arg, const struct record *r, struct error *err);
	void *arg;
	const char *boot_id;   /* a UUID; anything else: it could not be read, and the ledger is not opened */
	uint64_t now;          /* CLOCK_BOOTTIME seconds */
	unsigned int patience; /* seconds after which a pending one is taken for dead */
};

struct ledger;

/*
 * Opens the ledger in the folder @dir (a descriptor; kept by the caller) and takes its
 * lock.  One holder may keep us waiting for @timeout_ms; one that outlives that is killed (it is
 * stopped or hung: its own alarm is shorter).  With 0 there is no waiting and no
 * killing.  -ETIMEDOUT, -EDEADLK (this process has it open), -ENODATA (this boot is not known), or what the system said.
 * @t gives the array sizes.
 */
int ledger_open(int dir, const struct topology *t, const struct ledger_world *world, unsigned int timeout_ms,
		struct ledger **out, struct error *err);

/*
 * The ledger for looking: nothing in its folder is made, changed or removed, whatever is wrong with it; what is wrong is
 * a message.  It is a copy, made under a lock that is shared with others that look: the lock is given back at once.  Dead
 * containers, and records that are damaged, are left out of it.  With @sums, ledger_usage alone is wanted: where the sums
 * are good they are taken as they are, the dead in them, and no record is read.  Of this ledger there are ledger_usage,
 * ledger_each, ledger_home and ledger_message; what writes is -EROFS.  @world's boot_id may be NULL: of which boot the
 * ledger is does not matter then.
 */
int ledger_look(int dir, const struct topology *t, const struct ledger_world *world, unsigned int timeout_ms, bool sums,
		struct ledger **out, struct error *err);

/* What a folder is: by a file of ours, never by names alone. */
enum ledger_folder {
	FOLDER_OURS,
	FOLDER_EMPTY,
	FOLDER_FOREIGN, /* it holds other things: to be left as it is */
};
/* One of them, or -errno. */
int ledger_folder(int dir);
/* Makes an empty folder the ledger's.  Before anything else is put into it. */
int ledger_folder_mark(int dir, struct error *err);

/* Gives the lock back. */
void ledger_close(struct ledger *l);
static inline void cleanup_ledgerp(struct ledger **l)
{
	ledger_close(*l);
}
#define cleanup_ledger __attribute__((cleanup(cleanup_ledgerp)))

const struct usage *ledger_usage(const struct ledger *l);

/*
 * Records were lost, and not all live containers were asked for theirs: -EAGAIN until an opening has asked the last of them.
 * Where a choice is made, CPUs would be given twice.
 */
int ledger_ready(const struct ledger *l, struct error *err);

/*
 * Drops dead containers: all of them with @all, else a few in turn, so that
 * the cost does not grow with their number.  Returns how many went, or -errno.
 */
int ledger_sweep(struct ledger *l, bool all, struct error *err);

/*
 * For a refusal, which is believed once the dead are out: looks at all containers, or where they are too many at the next
 * ones in turn, LEDGER_LOOKS of them in a second whatever the number of processes that are refused in it.  So starts that
 * are refused again and again take a small part of the lock's time.  Returns as ledger_sweep.
 */
#define LEDGER_LOOKS 256
int ledger_sweep_more(struct ledger *l, struct error *err);

/*
 * The record of this id; -ENOENT: none.  @runtime_class is "oci", "lxc", "incus" or "lxd";
 * a record's runtime is of the class of its name, and "oci" otherwise.  Two roots may
 * hold containers of one id: then it is the first, or with ledger_find_cgroup the one of that cgroup.
 */
int ledger_find(struct ledger *l, const char *runtime_class, const char *id, struct record *out, struct error *err);
int ledger_find_cgroup(struct ledger *l, const char *runtime_class, const char *id, uint64_t cgroup_inode,
		       struct record *out, struct error *err);

/* Takes the place of a record of the same id and cgroup, or of one whose container is gone. */
int ledger_add(struct ledger *l, const char *runtime_class, const struct record *r, struct error *err);

/* The same for whoever has made its text, record_format's, for the mark already. */
int ledger_add_text(struct ledger *l, const char *runtime_class, const struct record *r, const char *text, size_t len,
		    struct error *err);

/*
 * Drops those records of this id whose containers are gone, and no other; or exactly the one of that
 * cgroup.  -ENOENT: there is no record of it.
 */
int ledger_remove(struct ledger *l, const char *runtime_class, const char *id, struct error *err);
int ledger_remove_cgroup(struct ledger *l, const char *runtime_class, const char *id, uint64_t cgroup_inode,
			 struct error *err);

/*
 * Where the container of this id lived when it ended, in this boot; that is kept of the last ones, 1,024 at most.  Only for
 * "oci": the others' configurations say it.  *@nodes stays as it was when that is not known.
 */
bool ledger_home(const struct ledger *l, const char *runtime_class, const char *id, struct idset *nodes);

/* Every record, in the order of their names.  Stops when @each returns non-zero, and returns that. */
int ledger_each(struct ledger *l, int (*each)(void *arg, const struct record *r), void *arg, struct error *err);

/* Things set aside or counted again since ledger_open, one line each, for a main to print; NULL at the end. */
const char *ledger_message(const struct ledger *l, unsigned int i);

#endif
