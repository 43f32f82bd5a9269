/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The context of all transactions: the settings of the caller, and what place_open() opens from them: the root, the
 * mount of cgroup2, and the state folder. Contexts are independent of each other.
 */
#ifndef NUMAPLACE_PLACE_STATE_H
#define NUMAPLACE_PLACE_STATE_H

#include "cgroup/cgroup.h"
#include "place/conf.h"
#include "place/liveness.h"
#include "place/paths.h"

enum place_access {
	PLACE_CLOSED,
	PLACE_READ,   /* nothing in the state folder is created or changed */
	PLACE_WRITE,  /* the mode of the folder is corrected; a missing folder stays missing */
	PLACE_CREATE, /* a missing folder is created */
};

struct place_env {
	/* Settings, made before place_open(). */
	int root;             /* descriptor of the sysroot, which holds sys/ and proc/; -1: place_open() opens / */
	bool real;            /* the sysroot is /, so cgroups are the machine's own */
	const char *state_path; /* PLACE_STATE; NULL (a recorded machine): no ledger, nothing is placed */
	bool state_named;     /* with --state: the folder must be empty or a ledger's, and its mode is never changed */
	struct conf conf;
	unsigned int timeout_ms; /* for the ledger's lock */
	uint64_t began;       /* in a hook: its start (CLOCK_BOOTTIME, ns); the container's is older. Else 0 */
	void (*message)(const char *line); /* prints a warning; may be NULL */
	struct cgroup_writer writer; /* .by_path and .busy; place_open() sets .mount */

	/* Opened by place_open(). */
	enum place_access access;
	bool own_root;
	int state;            /* descriptor of the state folder; -1: see place_need_state() */
	int mount;            /* descriptor of the cgroup2 mount; -1: see place_need_mount() */
	struct error no_state, no_mount; /* the reasons */
	struct liveness_ctx live; /* for the one ledger that a context has open at a time */
};
#define PLACE_ENV_NONE ((struct place_env){ .root = -1, .state = -1, .mount = -1 })

/*
 * Opens the root, the cgroup2 mount (on a real machine) and the state folder, each once. A missing mount or folder is
 * no error here: some steps need neither. place_need_mount() and place_need_state() report it. A root or a state
 * folder that the caller has opened (.root, .state) is used as it is. A second call with more access opens the folder
 * again; with less or the same, it does nothing. Returns 0, or a negative errno if the root cannot be opened.
 *
 * The owner, mode and content of the folder are checked. The default folder is made private again if others could read
 * it; one that was given with --state must have mode 0700 and be empty or a ledger's.
 */
int place_open(struct place_env *env, enum place_access access, struct error *err);

/* Closes what is open; NULL is not allowed. The settings stay, and place_open() may be called again. */
void place_close(struct place_env *env);

/*
 * 0 if it is open, else the reason why not. For the state folder: -ENOENT: it does not exist; -EPERM, -EACCES: wrong
 * owner or mode, or foreign content in the default folder; -EINVAL: foreign content in one given with --state, or a
 * sysroot other than / (there, no ledger is written).
 */
int place_need_mount(const struct place_env *env, struct error *err);
int place_need_state(const struct place_env *env, struct error *err);

/* Sets the path of the state folder: @given with --state (may be NULL), else @usual. */
void place_name_state(struct place_env *env, const char *given, const char *usual);

#endif
