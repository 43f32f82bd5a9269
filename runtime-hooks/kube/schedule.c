/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pause counts from the answer, not from the request: then the server, too, sees a second between two requests, even
 * if the first one was on its way for long.
 */
#include "runtime-hooks/kube/schedule.h"

static uint64_t due_at(const struct schedule *s)
{
	uint64_t at = s->wanted ? 0 : s->repeats ? s->again : UINT64_MAX;

	return at < s->not_before ? s->not_before : at;
}

bool schedule_due(const struct schedule *s, uint64_t now)
{
	return due_at(s) <= now;
}

uint64_t schedule_wait(const struct schedule *s, uint64_t now)
{
	uint64_t at = due_at(s);

	return at == UINT64_MAX ? UINT64_MAX : at <= now ? 0 : at - now;
}

void schedule_done(struct schedule *s, uint64_t now, bool sent)
{
	s->wanted = false;
	s->failures = 0;
	/* One more, because the clock's milliseconds are rounded down. */
	s->not_before = now + SCHEDULE_LEAST_MS + 1;
	if (sent)
		s->again = now + SCHEDULE_AGAIN_MS;
}

void schedule_failed(struct schedule *s, uint64_t now)
{
	uint64_t pause = s->failures < 6 ? (uint64_t)SCHEDULE_LEAST_MS << s->failures : SCHEDULE_LATEST_MS;

	s->wanted = true;
	s->failures++;
	s->not_before = now + pause + 1;
}
