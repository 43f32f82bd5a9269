/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When numaplace-kube sends: after a change, but at most once a second; again each minute; after a failure later and
 * later. Times are milliseconds of a clock that the caller reads.
 */
#ifndef NUMAPLACE_KUBE_SCHEDULE_H
#define NUMAPLACE_KUBE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#define SCHEDULE_LEAST_MS 1000  /* from an answer to the next request */
#define SCHEDULE_AGAIN_MS 60000 /* from an answer to a request without a change */
#define SCHEDULE_LATEST_MS 60000 /* the longest pause after failures */

struct schedule {
	bool wanted;     /* there is something to send */
	bool repeats;    /* it is also sent without a change */
	uint64_t not_before;
	uint64_t again;  /* when it is due without a change */
	unsigned int failures; /* since the last success */
};

/* Whether to send at @now. */
bool schedule_due(const struct schedule *s, uint64_t now);

/* How long to wait for that from @now on, without a further change; UINT64_MAX: for a change. */
uint64_t schedule_wait(const struct schedule *s, uint64_t now);

/* At @now, the server has taken what was sent; @sent false: nothing had to be sent. */
void schedule_done(struct schedule *s, uint64_t now, bool sent);

/* At @now, an attempt has failed. */
void schedule_failed(struct schedule *s, uint64_t now);

#endif
