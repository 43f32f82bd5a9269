/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger's lock. It is a POSIX record lock: the kernel releases it when its process ends, grants it roughly in
 * the order of requests, and reports the holder. So no stale lock can remain, and a holder that is stopped or hung
 * can be identified and killed.
 */
#include "plugin/ledger/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "plugin/base/clock.h"
#include "plugin/base/util.h"
#include "plugin/ledger/handle.h"
#include "plugin/ledger/notes.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/*
 * One acquisition of the lock: the process and the locked length. Each acquisition locks a different length, so that
 * a process that released the lock and took it again can be distinguished from one that still holds it.
 */
struct holding {
	pid_t pid;
	off_t length;
};

/* A shared lock works on a read-only descriptor. */
static int take(int fd, int how, bool shared)
{
	struct flock fl = {
		.l_type = shared ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
		.l_len = (off_t)(clock_ns(CLOCK_MONOTONIC) & (UINT64_MAX >> 2)) + 1,
	};

	return fcntl(fd, how, &fl) < 0 ? -errno : 0;
}

/* Finds the process that holds a conflicting lock; false if none does. */
static bool look(int fd, struct holding *h, bool shared)
{
	struct flock fl = { .l_type = shared ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };

	if (fcntl(fd, F_GETLK, &fl) < 0 || fl.l_type == F_UNLCK)
		return false;
	*h = (struct holding){ fl.l_pid, fl.l_len };
	return true;
}

static bool same(const struct holding *a, const struct holding *b)
{
	return a->pid == b->pid && a->length == b->length;
}

/*
 * The process may end, and its pid be reused, until a pidfd pins it. If the same holding is seen after that, the
 * pidfd is the holder's. Returns 1 if it was killed, 0 if it has released the lock, or a negative errno.
 */
static int kill_holder(int fd, const struct holding *h)
{
	cleanup_close int pidfd = -1;
	struct holding now;

	if (h->pid <= 0)
		return -ESRCH; /* in another pid namespace */
	pidfd = (int)syscall(SYS_pidfd_open, h->pid, 0);
	if (pidfd < 0 && errno != ESRCH)
		return -errno;
	if (pidfd < 0 || !look(fd, &now, false) || !same(&now, h))
		return 0;
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0)
		return errno == ESRCH ? 0 : -errno;
	return 1;
}

/* A periodic signal with an empty handler, which makes a blocking call return. */
struct ticker {
	timer_t timer;
	struct sigaction old_action;
	sigset_t old_mask;
	bool on;
};

static void on_tick(int sig)
{
	(void)sig;
}

static int tick_signal(void)
{
	return SIGRTMAX - 2; /* valgrind uses the last ones */
}

static int ticker_start(struct ticker *t, unsigned int every_ms)
{
	struct itimerspec every = { 0 };
	struct sigaction act = { .sa_handler = on_tick };
	struct sigevent ev = { 0 };
	sigset_t set;

	ev.sigev_notify = SIGEV_THREAD_ID;
	ev.sigev_signo = tick_signal();
	ev.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &ev, &t->timer) < 0)
		return -errno;
	t->on = true;
	sigemptyset(&act.sa_mask);
	sigemptyset(&set);
	sigaddset(&set, tick_signal());
	sigaction(tick_signal(), &act, &t->old_action);
	sigprocmask(SIG_UNBLOCK, &set, &t->old_mask);
	every.it_interval.tv_sec = every_ms / 1000;
	every.it_interval.tv_nsec = (long)(every_ms % 1000) * 1000000;
	every.it_value = every.it_interval;
	return timer_settime(t->timer, 0, &every, NULL) < 0 ? -errno : 0;
}

/* Pending signals are delivered before the old handler is restored. */
static void ticker_stop(struct ticker *t)
{
	if (!t->on)
		return;
	timer_delete(t->timer);
	sigprocmask(SIG_SETMASK, &t->old_mask, NULL);
	sigaction(tick_signal(), &t->old_action, NULL);
}

static int wait_for(struct ledger *l, int fd, unsigned int timeout_ms, struct error *err)
{
	__attribute__((cleanup(ticker_stop))) struct ticker ticker = { 0 };
	unsigned int tick = timeout_ms / 8;
	struct holding watched = { 0 }, h;
	uint64_t since = clock_ns(CLOCK_MONOTONIC);
	bool killed = false;
	int r;

	r = ticker_start(&ticker, tick < 5 ? 5 : tick > 250 ? 250 : tick);
	if (r < 0)
		return error_errno(err, r, "ledger: lock: timer");
	for (;;) {
		r = take(fd, F_SETLKW, l->looking);
		if (r != -EINTR)
			return r < 0 ? error_errno(err, r, "ledger: lock") : 0;
		if (!look(fd, &h, l->looking))
			continue;
		if (!same(&h, &watched)) {
			watched = h;
			since = clock_ns(CLOCK_MONOTONIC);
			killed = false;
		}
		if ((clock_ns(CLOCK_MONOTONIC) - since) / 1000000 < timeout_ms)
			continue;
		if (l->looking)
			return error_set(err, -ETIMEDOUT, "ledger: lock: process %d has held it for %u ms; the next "
					 "placement kills that process", (int)h.pid, timeout_ms);
		if (killed)
			return error_set(err, -ETIMEDOUT, "ledger: lock: process %d holds it and did not end after SIGKILL",
					 (int)h.pid);
		r = kill_holder(fd, &h);
		if (r < 0)
			return error_errno(err, -ETIMEDOUT,
					   "ledger: lock: process %d has held it for %u ms and cannot be killed (%s)",
					   (int)h.pid, timeout_ms, strerror(-r));
		since = clock_ns(CLOCK_MONOTONIC);
		if (r == 0)
			continue;
		ledger_note(l, "killed process %d: it held the ledger's lock for %u ms", (int)h.pid, timeout_ms);
		killed = true;
	}
}

/* -ENOENT, for a look: no lock file, so no process has written here. */
static int open_lock(const struct ledger *l, struct error *err)
{
	int fd = openat(l->dir, "lock", (l->looking ? O_RDONLY : O_RDWR | O_CREAT) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
			O_CLOEXEC, 0600);

	if (fd < 0)
		return error_errno(err, -errno, "ledger: open lock");
	return fd;
}

int ledger_lock(struct ledger *l, unsigned int timeout_ms, struct error *err)
{
	/* Retry if the file was unlinked while we waited. */
	for (int tries = 0; tries < 16; tries++) {
		cleanup_close int fd = open_lock(l, err);
		struct stat st;
		int r;

		if (fd == -ENOENT && l->looking)
			return 0;
		if (fd < 0)
			return fd;
		r = take(fd, F_SETLK, l->looking);
		if ((r == -EAGAIN || r == -EACCES) && !timeout_ms)
			return error_set(err, -ETIMEDOUT, "ledger: lock: held by another process");
		if (r == -EAGAIN || r == -EACCES) {
			r = wait_for(l, fd, timeout_ms, err);
			if (r < 0)
				return r;
		} else if (r < 0) {
			return error_errno(err, r, "ledger: lock");
		}
		if (fstat(fd, &st) < 0)
			return error_errno(err, -errno, "ledger: lock");
		if (!S_ISREG(st.st_mode) || st.st_nlink > 1)
			return error_set(err, -EPERM, "ledger: lock: not a regular file with one link: remove it");
		if (st.st_nlink == 0)
			continue;
		l->lock = steal_fd(&fd);
		return 0;
	}
	return error_set(err, -EAGAIN, "ledger: lock: the lock file keeps being replaced");
}
