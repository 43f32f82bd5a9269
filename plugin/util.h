/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The few helpers that every room shares: memory and descriptors that clean
 * up after themselves, and handing them on.
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

/* The ledger locks bytes of a file by 62-bit numbers, and the inode of a cgroup has 64 bits. */
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

/*
 * For a function with a record or the like on its stack: not part of its caller, whose other ways would touch
 * these pages, too, and in a program that lives for half a millisecond a page costs more than a system call.
 */
#define own_frame __attribute__((noinline))

/* Takes the pointer out of its owner: the owner's clean-up then does nothing. */
#define steal_ptr(p)                                                                               \
	({                                                                                         \
		__typeof__(p) stolen_ = (p);                                                       \
		(p) = NULL;                                                                        \
		stolen_;                                                                           \
	})

/* The user that this program was started as: geteuid() without its system call, as none of ours changes it. */
static inline uid_t own_uid(void)
{
	return (uid_t)getauxval(AT_EUID);
}

static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

/*
 * Sockets by the calls of these names: libc's functions make them by socketcall() on s390x, where a seccomp filter cannot
 * see the family, and by send() on ppc64le.
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
