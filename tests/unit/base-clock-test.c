/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clocks, waits with a deadline, and the hash.
 */
#include "plugin/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugin/base/hash.h"
#include "plugin/base/wait.h"
#include "tests/unit/tap.h"

static void test_clock(void)
{
	uint64_t ms = clock_ms(), ns = clock_ns(CLOCK_MONOTONIC), boot = clock_ns(CLOCK_BOOTTIME);

	ok(ns / 1000000 >= ms && ns / 1000000 - ms < 10000, "milliseconds and nanoseconds are of one clock");
	ok(clock_ns(CLOCK_MONOTONIC) >= ns, "it does not run backwards");
	ok(boot >= ns, "the time since the boot includes sleep");
	ok(clock_boot_seconds() >= boot / 1000000000, "and is also available in seconds");
}

static void test_wait(void)
{
	static char large[4 << 20];
	uint64_t before = clock_ms();
	char c;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		return;
	is_int(wait_until(fd[0], POLLIN, before + 50), -ETIMEDOUT, "wait: nothing arrives");
	ok(clock_ms() >= before + 50, "wait: not before the deadline");
	is_int(wait_until(fd[0], POLLIN, 0), -ETIMEDOUT, "wait: a deadline that has passed");
	is_int(send_until(fd[1], "x", 1, clock_ms() + 1000), 0, "send: a byte");
	is_int(wait_until(fd[0], POLLIN, clock_ms() + 1000), 0, "wait: it arrives");
	ok(read(fd[0], &c, 1) == 1 && c == 'x', "send: the byte");
	is_int(send_until(fd[1], large, sizeof(large), clock_ms() + 50), -ETIMEDOUT, "send: nothing reads the rest");
	close(fd[0]);
	is_int(send_until(fd[1], "x", 1, clock_ms() + 50), -EPIPE, "send: the other end is closed");
	close(fd[1]);
}

/* The values are those of the reference implementation. */
static void test_hash(void)
{
	ok(hash_bytes(HASH_START, "", 0) == 0xcbf29ce484222325, "hash: of nothing");
	ok(hash_bytes(HASH_START, "a", 1) == 0xaf63dc4c8601ec8c, "hash: of \"a\"");
	ok(hash_bytes(HASH_START, "foobar", 6) == 0x85944171f73967e8, "hash: of \"foobar\"");
	ok(hash_text(hash_text(HASH_START, "ab"), "c") != hash_text(hash_text(HASH_START, "a"), "bc"),
	   "hash: the border between two texts counts");
}

int main(void)
{
	test_clock();
	test_wait();
	test_hash();
	return done();
}
