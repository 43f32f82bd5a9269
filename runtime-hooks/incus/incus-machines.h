/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The virtual machines of Incus and LXD on this host, which the agent finds by the files in which QEMU writes its pid, and
 * the child processes that place them (incus-vm.c). Events of inotify tell that a machine has started or ended, or that
 * the daemon has written its configuration.
 */
#ifndef NUMAPLACE_INCUS_MACHINES_H
#define NUMAPLACE_INCUS_MACHINES_H

#include "place/place.h"

#include <signal.h>
#include <sys/inotify.h>

struct machines {
	/* Set by the caller. */
	const struct place_env *env; /* its settings are used */
	const char *socket;          /* NULL: the default ones */
	int notify;                  /* inotify */
	const sigset_t *mask;        /* signal mask of the children */

	struct vm *vm;
	int folder_watch[2];         /* of the daemons' folders; -1: none */
	int parent_watch;            /* of /run, while a folder in it does not exist; -1: none */
	bool look;                   /* something has changed */
};

/* Begins with no machines. The first machines_look() finds those that run. */
void machines_begin(struct machines *m);

/* Takes the event if it is one of these watches. */
bool machines_event(struct machines *m, const struct inotify_event *e);

/* If something has changed, finds the machines; starts the children that are due. */
void machines_look(struct machines *m);

/*
 * Takes the end of the child @pid, with its status of waitpid(), if it is one of these. A child that has failed is started
 * twice more.
 */
bool machines_ended(struct machines *m, pid_t pid, int status);

/* Ends the children, and removes the watches. */
void machines_free(struct machines *m);

#endif
