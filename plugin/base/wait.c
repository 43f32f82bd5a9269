/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waits for a socket, and sends, up to a deadline.
 */
#include "plugin/base/wait.h"

#include "plugin/base/clock.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

int wait_until(int fd, short events, uint64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };
	int r;

	do {
		uint64_t now = clock_ms(), left = deadline > now ? deadline - now : 0;

		r = poll(&p, 1, left < INT_MAX ? (int)left : INT_MAX);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r ? 0 : -ETIMEDOUT;
}

int send_until(int fd, const void *data, size_t len, uint64_t deadline)
{
	const char *p = data;

	while (len) {
		ssize_t n = unix_send(fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		int r = 0;

		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			r = wait_until(fd, POLLOUT, deadline);
		} else if (n < 0 && errno != EINTR) {
			r = -errno;
		}
		if (r < 0)
			return r;
	}
	return 0;
}
