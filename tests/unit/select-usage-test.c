/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sums of shares: adding a share, removing it again, and shares that do not fit and change nothing.
 */
#include "plugin/select/usage.h"

#include <errno.h>

#include "tests/unit/made.h"
#include "tests/unit/records.h"
#include "tests/unit/tap.h"

static bool same_usage(const struct usage *a, const struct usage *b)
{
	return a->cpu_ids == b->cpu_ids && a->node_ids == b->node_ids && a->containers == b->containers &&
	       memcmp(a->load, b->load, a->cpu_ids * sizeof(*a->load)) == 0 &&
	       memcmp(a->exclusive, b->exclusive, a->cpu_ids * sizeof(*a->exclusive)) == 0 &&
	       memcmp(a->pending, b->pending, a->node_ids * sizeof(*a->pending)) == 0 &&
	       memcmp(a->asked, b->asked, a->node_ids * sizeof(*a->asked)) == 0 &&
	       memcmp(a->huge_pending, b->huge_pending, a->node_ids * HUGE_SIZES_MAX * sizeof(uint64_t)) == 0;
}

static void test_words(void)
{
	cleanup_usage struct usage *u = usage_new(8, 2);
	struct share_node mem[2] = {
		{ .id = 0, .memory = 100, .seen = 30, .huge = { 4, 2 }, .huge_seen = { 1, 5 } },
		{ .id = 1, .memory = 50, .seen = 80 },
	};
	struct share s = { .count = 2, .nmem = 2, .mem = mem };

	idset_add_range(&s.cpus, 1, 3);
	idset_add(&s.held, 5);
	is_int(usage_add(u, &s), 0, "add: a share");
	is_int(u->containers, 1, "add: one container");
	is_int(u->load[1], 2 * LOAD_ONE / 3, "add: load of 2 CPUs over 3, rounded down");
	is_int(u->load[3], 2 * LOAD_ONE / 3, "add: the same load on each CPU");
	is_int(u->load[0] + u->load[4], 0, "add: no load on other CPUs");
	is_int(u->exclusive[5], 1, "add: held CPUs are exclusive");
	is_int(u->exclusive[1], 0, "add: other CPUs are not exclusive");
	is_int(u->pending[0], 70, "add: pending memory is requested less touched");
	is_int(u->pending[1], 0, "add: pending memory is not negative");
	is_int(u->asked[0], 100, "add: requested memory of node 0");
	is_int(u->asked[1], 50, "add: requested memory of node 1");
	is_int(u->huge_pending[0], 3, "add: pending hugepages");
	is_int(u->huge_pending[1], 0, "add: pending hugepages are not negative");
	is_int(usage_remove(u, &s), 0, "remove: the share");
	is_int(u->load[1] + u->exclusive[5] + u->pending[0] + u->asked[0] + u->huge_pending[0] + u->containers, 0,
	       "remove: nothing is left");
}

static void test_refused(void)
{
	cleanup_usage struct usage *u = usage_new(8, 2), *empty = usage_new(8, 2);
	struct share_node mem[2] = { { .id = 0, .memory = 1 }, { .id = 2, .memory = 1 } };
	struct share s = { .count = 1, .nmem = 2, .mem = mem };

	idset_add(&s.cpus, 1);
	is_int(usage_add(u, &s), -ERANGE, "add: a node id beyond the arrays is refused");
	ok(same_usage(u, empty), "add: a refused node id changes nothing");
	mem[1].id = 0;
	is_int(usage_add(u, &s), -ERANGE, "add: a node given twice is refused");
	ok(same_usage(u, empty), "add: a node given twice changes nothing");
	s.nmem = 0;
	idset_add(&s.cpus, 8);
	is_int(usage_add(u, &s), -ERANGE, "add: a CPU id beyond the arrays is refused");
	idset_del(&s.cpus, 8);
	idset_add(&s.held, IDSET_MAX - 1);
	is_int(usage_add(u, &s), -ERANGE, "add: a held CPU id beyond the arrays is refused");
	idset_clear(&s.held);
	is_int(usage_remove(u, &s), -ERANGE, "remove: a share that was not added is refused");
	ok(same_usage(u, empty), "remove: a refused share changes nothing");
	s.count = CPU_COUNT_MAX;
	is_int(usage_add(u, &s), -ERANGE, "add: a load that would overflow is refused");
	s.count = 65535;
	is_int(usage_add(u, &s), 0, "add: the largest load that does not overflow");
	is_int(usage_add(u, &s), -ERANGE, "add: a second load that would overflow is refused");
	is_int(u->containers, 1, "add: one container after an overflow");
	ok(!usage_new(IDSET_MAX + 1, 1) && !usage_new(1, NODE_ID_MAX + 1), "usage_new: too large arrays are refused");
}

static void test_any_order(void)
{
	cleanup_usage struct usage *u = usage_new(64, 8), *empty = usage_new(64, 8);
	struct share s[100] = { 0 };
	uint64_t seed = 42;
	int bad = 0;

	for (int i = 0; i < 100; i++) {
		random_share(&seed, 64, 8, &s[i]);
		bad += usage_add(u, &s[i]) != 0;
	}
	is_int(u->containers, 100, "any order: 100 random shares are added");
	ok(!same_usage(u, empty), "any order: their sum is not empty");
	for (int i = 0; i < 100; i++) /* a different order: 37 and 100 have no common factor */
		bad += usage_remove(u, &s[i * 37 % 100]) != 0;
	is_int(bad, 0, "any order: no step fails");
	ok(same_usage(u, empty), "any order: removed in another order, nothing is left");
	for (int i = 0; i < 100; i++)
		share_free(&s[i]);
}

/* Two nodes with 8 free pages each. */
static void test_huge_left(void)
{
	const struct made_node nodes[] = { { 0, 2, 1 << 20 }, { 3, 2, 1 << 20 } };
	cleanup_topology struct topology *t = made(nodes, 2, 1, 0, NULL);
	cleanup_usage struct usage *u = usage_new(4, 4);
	struct share_node mem = { .id = 3, .huge = { 6 } };
	struct share s = { .count = 1, .nmem = 1, .mem = &mem };

	t->nodes[0].huge_free[0] = t->nodes[1].huge_free[0] = 8;
	is_int((int64_t)usage_huge_left(u, t, 0), 16, "hugepages left: no reservations");
	t->huge_reserved[0] = 5;
	is_int((int64_t)usage_huge_left(u, t, 0), 11, "hugepages left: 5 reserved by processes");
	usage_add(u, &s);
	is_int((int64_t)usage_huge_left(u, t, 0), 10, "hugepages left: pending pages may be the reserved ones");
	t->huge_reserved[0] = 9;
	is_int((int64_t)usage_huge_left(u, t, 0), 7, "hugepages left: 9 reserved, including 6 pending ones");
	t->huge_reserved[0] = 40;
	is_int((int64_t)usage_huge_left(u, t, 0), 0, "hugepages left: more reserved than there are");
	is_int((int64_t)usage_huge_left(u, t, 1), 0, "hugepages left: none of another size");
}

int main(void)
{
	test_words();
	test_refused();
	test_any_order();
	test_huge_left();
	return done();
}
