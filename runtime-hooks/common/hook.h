/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What all hook programs share: a known initial state whatever the process inherited, a time limit, one line per error
 * to stderr and syslog, and bounded input that is read to its end.
 */
#ifndef NUMAPLACE_HOOK_H
#define NUMAPLACE_HOOK_H

#include "place/state.h"
#include "plugin/base/error.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <syslog.h>

#define HOOK_SECONDS	  8 /* time limit of a hook; runtimes have none of their own */
#define HOOK_LOCK_SECONDS 5 /* of which waiting for the ledger's lock */

/*
 * Every main calls this first. Opens closed standard descriptors on /dev/null, blocks SIGPIPE and SIGXFSZ, sets umask
 * 0077 and starts the time limit: after HOOK_SECONDS the process reports the timeout and exits with 1. Returns the
 * current CLOCK_BOOTTIME in nanoseconds.
 */
uint64_t hook_begin(void);

/* Parses the value of --timeout; -EINVAL unless it is 1 to 999 seconds. */
int hook_timeout_parse(const char *text, unsigned int *seconds, struct error *err);

/* The options that every hook has. */
struct hook_options {
	const char *conf, *state; /* unchanged if absent */
	unsigned int seconds;     /* of --timeout; unchanged if absent */
};

/* Parses a command line with these options only. Returns the number of words, as options_parse(). */
int hook_options_parse(struct hook_options *o, int argc, char **argv, struct error *err);

/*
 * Restarts the time limit with @seconds in place of HOOK_SECONDS, and gives @env the same share of it to wait for the
 * ledger's lock; for tests and very slow machines. 0: changes nothing.
 */
void hook_time_limit(unsigned int seconds, struct place_env *env);

/*
 * A flag: if the time limit expires while it is not 0, the time starts again. For a system call that signals do not
 * interrupt (cgroup_writer.busy).
 */
volatile sig_atomic_t *hook_uncounted(void);

/* hook_begin() for a program that places with @env, which gets the default settings. */
static inline void hook_begin_place(struct place_env *env)
{
	env->began = hook_begin();
	env->writer.busy = hook_uncounted();
	conf_init(&env->conf);
}

/* Sets the subject of later messages: "container web1". */
void hook_subject(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Sets the exit status after a timeout; 1 by default. */
void hook_time_up_status(int status);

/* Sets a function for the signal handler to call on a timeout, after the message. If it returns, the process exits. */
void hook_time_up_call(void (*instead)(void));

/*
 * Prints "numaplace: container web1: <text>" on stderr and sends it to syslog (daemon facility). @priority: LOG_ERR or
 * LOG_WARNING.
 */
void hook_say(int priority, const char *text);

/* hook_say() with LOG_WARNING; the type fits place_env.message. */
void hook_warn(const char *text);

/*
 * Reads @fd to its end into malloc'd memory and adds a NUL. Over @max bytes (a whole number of MiB), reads and discards
 * the rest and returns -EINVAL.
 */
int hook_read(int fd, size_t max, char **text, size_t *len, struct error *err);

/* Reads and discards the rest of @fd: crun before 1.17 dies of EPIPE otherwise. */
void hook_drain(int fd);

#endif
