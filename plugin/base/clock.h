/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's clocks as one number.
 */
#ifndef NUMAPLACE_CLOCK_H
#define NUMAPLACE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of @clock: CLOCK_MONOTONIC, CLOCK_BOOTTIME (since the boot, with sleep) or CLOCK_REALTIME. */
static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec t = { 0 };

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Milliseconds, for deadlines within this process. */
static inline uint64_t clock_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

/* Whole seconds since the boot; the ledger's time. */
static inline uint64_t clock_boot_seconds(void)
{
	return clock_ns(CLOCK_BOOTTIME) / 1000000000;
}

#endif
