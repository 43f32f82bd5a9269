/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the mains of hooks share: a process that stands on its own feet
 * whatever it inherited, one line for what went wrong, input that is
 * bounded and read to its end.
 */
#ifndef NUMAPLACE_HOOK_H
#define NUMAPLACE_HOOK_H

#include "plugin/error.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <syslog.h>

#define HOOK_SECONDS	  8 /* the whole hook; runtimes set no limit of their own */
#define HOOK_LOCK_SECONDS 5 /* of these, for the ledger's lock */
/* The same part of another time, in milliseconds. */
#define HOOK_LOCK_MS(seconds) ((seconds) * 1000 / HOOK_SECONDS * HOOK_LOCK_SECONDS)
#define HOOK_CONF	  "/etc/numaplace/numaplace.conf"
#define HOOK_STATE	  "/run/numaplace"

/*
 * First thing in a main: standard descriptors that were closed are /dev/null, SIGPIPE
 * and SIGXFSZ are held back, files are private, and after HOOK_SECONDS a line is said and the process ends with 1.
 * Returns the moment: CLOCK_BOOTTIME, nanoseconds.
 */
uint64_t hook_begin(void);

/*
 * Before a placement: the pages of stack and heap that it will use, in a call for each. Met one by one, each would be a
 * page fault of its own.
 */
void hook_populate(void);

/* The value of --timeout: -EINVAL unless it is 1 to 999 seconds. */
int hook_timeout_parse(const char *text, unsigned int *seconds, struct error *err);

/* As if HOOK_SECONDS were @seconds, from now on; for tests, and for machines that are very slow. */
void hook_time_limit(unsigned int seconds);

/*
 * Time up while *@while_set is not 0 is no end: the whole time begins anew. For a system call that no signal cuts short,
 * however long it takes (cgroup_writing).
 */
void hook_uncounted(const volatile sig_atomic_t *while_set);

/*
 * Where the ledger is: @given, or the machine's.  Where /run is not ours, to a user and to root in a user namespace (rootless
 * podman), it is numaplace in XDG_RUNTIME_DIR, or without that in /run/user/UID.  Root without XDG_RUNTIME_DIR is taken for the
 * machine's, and a system call saved, unless @bare: there may be no environment at all (podman's precreate and poststop).
 */
const char *hook_state(const char *given, bool bare);

/* What lines are about from now on: "container web1". */
void hook_subject(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The exit status when time is up: 1 unless told. */
void hook_time_up_status(int status);

/* What to do then instead, in a signal handler; if it comes back, the process ends. */
void hook_time_up_call(void (*instead)(void));

/* "numaplace: container web1: <text>" to stderr and to syslog's daemon facility. @priority: LOG_ERR, LOG_WARNING. */
void hook_say(int priority, const char *text);

/* The same as a warning; fits place_env.message. */
void hook_warn(const char *text);

/*
 * Reads @fd to its end into malloc'd memory, a NUL behind it. Over @max bytes (a whole
 * number of MiB): the rest is read and thrown away, -EINVAL.
 */
int hook_read(int fd, size_t max, char **text, size_t *len, struct error *err);

/* Reads @fd to its end for the writer's sake (crun before 1.17 dies of EPIPE). */
void hook_drain(int fd);

#endif
