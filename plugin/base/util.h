/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Helpers for all rooms: automatic clean-up of memory and descriptors, and transfer of ownership.
 */
#ifndef NUMAPLACE_UTIL_H
#define NUMAPLACE_UTIL_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The ledger locks byte ranges of 62 bits, and cgroup inodes have 64 bits. */
#ifndef __LP64__
#error "numaplace needs a 64-bit machine: amd64, arm64, ppc64el, riscv64 or s390x"
#endif

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_closep(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static inline void cleanup_fclosep(FILE **file)
{
	if (*file)
		fclose(*file);
}

#define cleanup_free __attribute__((cleanup(cleanup_freep)))
#define cleanup_close __attribute__((cleanup(cleanup_closep)))
#define cleanup_closedir __attribute__((cleanup(cleanup_closedirp)))
#define cleanup_fclose __attribute__((cleanup(cleanup_fclosep)))

/* Moves the pointer out of its owner, whose clean-up then does nothing. */
#define steal_ptr(p)                                                                               \
	({                                                                                         \
		__typeof__(p) stolen_ = (p);                                                       \
		(p) = NULL;                                                                        \
		stolen_;                                                                           \
	})

/* geteuid(), in programs without its system call: none of them changes its user. */
static inline uid_t own_uid(void)
{
#ifdef NUMAPLACE_LIBRARY
	return geteuid();
#else
	return (uid_t)getauxval(AT_EUID);
#endif
}

static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

/*
 * Makes these system calls directly. On s390x, libc uses socketcall(), which hides the family from a seccomp filter;
 * on ppc64le, libc uses send().
 */
static inline int unix_socket(int type)
{
	return (int)syscall(SYS_socket, AF_UNIX, type, 0);
}

static inline int unix_connect(int fd, const struct sockaddr *to, socklen_t size)
{
	return (int)syscall(SYS_connect, fd, to, size);
}

static inline ssize_t unix_send(int fd, const void *data, size_t len, int flags)
{
	return syscall(SYS_sendto, fd, data, len, flags, NULL, 0);
}

#endif
