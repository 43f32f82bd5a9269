/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets that do not block, with a deadline: a time of clock_ms().
 */
#ifndef NUMAPLACE_WAIT_H
#define NUMAPLACE_WAIT_H

#include <stddef.h>
#include <stdint.h>

/* Waits for @events of poll(). Returns 0, -ETIMEDOUT, or another negative errno. */
int wait_until(int fd, short events, uint64_t deadline);

/* Sends all of @data. Returns 0, -ETIMEDOUT, or another negative errno. */
int send_until(int fd, const void *data, size_t len, uint64_t deadline);

#endif
