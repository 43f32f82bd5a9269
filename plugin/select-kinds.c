/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kinds of cores.  Capacities are measured by firmware or follow the clock that
 * each core was binned for, so equal cores differ by some per cent.  A group is cut at its widest gap
 * as long as its ends are a factor apart: where cuts are does not depend on where counting begins.
 */
#include "plugin/select-internal.h"

#include <string.h>

/* The fastest of a kind is less than this faster than its slowest, as sched_ext's schedulers have it. */
#define FACTOR_TENTHS 13U

/* @capacity: @n different ones, the largest first. */
static void cut(struct kinds *k, const uint16_t *capacity, unsigned int n)
{
	unsigned int widest = 1;

	if (n == 1 || capacity[0] * 10U < capacity[n - 1] * FACTOR_TENTHS || k->n == KINDS_MAX) {
		if (k->n < KINDS_MAX)
			k->top[k->n++] = capacity[0];
		for (unsigned int i = 0; i < n; i++)
			k->of[capacity[i]] = (uint8_t)(k->n - 1);
		return;
	}
	for (unsigned int i = 2; i < n; i++)
		if ((uint32_t)capacity[i - 1] * capacity[widest] > (uint32_t)capacity[widest - 1] * capacity[i])
			widest = i;
	cut(k, capacity, widest);
	cut(k, capacity + widest, n - widest);
}

void kinds_find(const struct topology *t, struct kinds *out)
{
	uint16_t capacity[CAPACITY_MAX + 1];
	bool seen[CAPACITY_MAX + 1] = { false };
	unsigned int n = 0;

	if (!t->mixed) {
		out->n = 1; /* and what kind a capacity is of is not looked up */
		out->top[0] = CAPACITY_MAX;
		return;
	}
	memset(out, 0, sizeof(*out));
	for (unsigned int i = 0; i < t->ncpus; i++)
		seen[t->cpus[i].capacity < CAPACITY_MAX ? t->cpus[i].capacity : CAPACITY_MAX] = true;
	for (unsigned int c = CAPACITY_MAX + 1; c-- > 0;)
		if (seen[c])
			capacity[n++] = (uint16_t)c;
	cut(out, capacity, n);
}
