/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kinds of cores. Capacities are measured by firmware, or follow the clock that each core was binned for, so equal
 * cores differ by some percent. A group is split at its widest gap while its ends differ by the factor below, so the
 * result does not depend on the order.
 */
#include "plugin/select/select-internal.h"

#include <string.h>

/* Least ratio, in tenths, of the fastest to the slowest capacity for a split; taken from sched_ext's schedulers. */
#define FACTOR_TENTHS 13U

/* @capacity: @n distinct values, descending. */
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
		out->n = 1; /* kind_of() is not called then */
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
