/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When numaplace-kube sends.
 */
#include "runtime-hooks/kube/schedule.h"

#include "tests/unit/tap.h"

static void changes(void)
{
	struct schedule s = { .wanted = true, .repeats = true };

	ok(schedule_due(&s, 5), "the first request is due at once");
	schedule_done(&s, 5000, true);
	ok(!schedule_due(&s, 5000), "after it, nothing is due");
	s.wanted = true;
	ok(!schedule_due(&s, 6000), "a change within a second waits");
	is_int(schedule_wait(&s, 5500), 501, "until a second has passed since the answer");
	ok(schedule_due(&s, 6001), "then it is due");
	schedule_done(&s, 6100, true);
	s.wanted = true;
	ok(schedule_due(&s, 9000), "a later change is due at once");
}

static void repeats(void)
{
	struct schedule s = { .wanted = true, .repeats = true }, once = { .wanted = true };

	schedule_done(&s, 1000, true);
	is_int(schedule_wait(&s, 1000), 60000, "without a change, it is sent again a minute after the answer");
	ok(!schedule_due(&s, 60999) && schedule_due(&s, 61000), "not earlier and not later");
	schedule_done(&s, 30000, false);
	is_int(schedule_wait(&s, 30000), 31000, "a look without a request does not put that off");
	schedule_done(&once, 1000, true);
	ok(schedule_wait(&once, 1000) == UINT64_MAX && !schedule_due(&once, UINT64_MAX - 1), "what does not repeat waits for a change");
}

static void failures(void)
{
	struct schedule s = { .wanted = true, .repeats = true };
	static const unsigned int pauses[] = { 1, 2, 4, 8, 16, 32, 60, 60, 60 };
	uint64_t now = 7;

	for (unsigned int i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		schedule_failed(&s, now);
		is_int(schedule_wait(&s, now), pauses[i] * 1000 + 1, "failure %u: the pause is %u s", i + 1, pauses[i]);
		s.wanted = true;
		ok(!schedule_due(&s, now + 1000), "a change does not shorten it");
		now += pauses[i] * 1000 + 1;
		ok(schedule_due(&s, now), "then it is due");
	}
	schedule_done(&s, now, true);
	schedule_failed(&s, now);
	is_int(schedule_wait(&s, now), 1001, "after a success, the pauses begin again");
}

int main(void)
{
	changes();
	repeats();
	failures();
	return done();
}
