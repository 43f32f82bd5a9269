/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Id sets: operations compared with a plain array of flags, and both text forms in both directions for thousands of
 * random sets.
 */
#include "plugin/base/idset.h"
#include "tests/unit/made.h"
#include "tests/unit/tap.h"

#include <errno.h>

static char text[IDSET_TEXT_MAX];

static void random_below(struct rnd *r, unsigned int most, struct idset *s)
{
	unsigned int pieces = rnd_below(r, 12), top = rnd_below(r, 3) ? 64 : most - 20;

	idset_clear(s);
	for (unsigned int i = 0; i < pieces; i++) {
		unsigned int first = rnd_below(r, top);

		idset_add_range(s, first, first + rnd_below(r, 20));
	}
}

static void random_set(struct rnd *r, struct idset *s)
{
	random_below(r, IDSET_MAX + 20, s);
}

/* The kernel's map format: 32-bit words in hex, most significant first. */
static void format_map(const struct idset *s, char *buf)
{
	char *p = buf;

	for (int w = IDSET_MAX / 32 - 1; w >= 0; w--)
		p += sprintf(p, "%08x%s", (unsigned int)(s->word[w / 2] >> (w % 2 * 32)), w ? "," : "\n");
}

static void test_round_trips(void)
{
	struct rnd r = { 1 };
	unsigned int list = 0, map = 0, comma = 0, counted = 0;

	for (int i = 0; i < 3000; i++) {
		struct idset s, back;
		unsigned int n = 0;

		random_set(&r, &s);
		idset_format(&s, text, sizeof(text));
		list += idset_parse_kernel(text, &back, NULL) == 0 && idset_equal(&s, &back);
		idset_format_comma(&s, text, sizeof(text));
		comma += idset_parse_kernel(text, &back, NULL) == 0 && idset_equal(&s, &back);
		format_map(&s, text);
		map += idset_parse_map(text, &back, NULL) == 0 && idset_equal(&s, &back);
		idset_foreach(id, &s)
			n += idset_has(&s, (unsigned int)id);
		counted += n == idset_count(&s);
	}
	is_int(list, 3000, "format and parse of a list give the same set");
	is_int(comma, 3000, "format and parse of a comma list give the same set");
	is_int(map, 3000, "parse of a map gives the same set");
	is_int(counted, 3000, "idset_foreach finds as many ids as idset_count");
}

static void test_operations(void)
{
	struct rnd r = { 7 };
	unsigned int good = 0;

	for (int i = 0; i < 500; i++) {
		struct idset a, b, both, any, less;
		bool sub = true, meet = false, right = true;

		random_set(&r, &a);
		random_set(&r, &b);
		both = any = less = a;
		idset_and(&both, &b);
		idset_or(&any, &b);
		idset_andnot(&less, &b);
		for (unsigned int id = 0; id < IDSET_MAX; id++) {
			bool x = idset_has(&a, id), y = idset_has(&b, id);

			right &= idset_has(&both, id) == (x && y) && idset_has(&any, id) == (x || y) &&
				 idset_has(&less, id) == (x && !y);
			sub &= !x || y;
			meet |= x && y;
		}
		good += right && sub == idset_subset(&a, &b) && meet == idset_intersects(&a, &b);
	}
	is_int(good, 500, "and, or, andnot, subset and intersects agree with a plain array");
}

static void refused(const char *list, const char *why)
{
	struct idset s = { { 42 } };
	struct error err = { 0 };
	int ret = idset_parse(list, &s, &err);

	if (!ok(ret == -EINVAL && s.word[0] == 42 && strstr(err.text, why), "id list \"%s\" is refused: %s",
		quote(list).text, why))
		printf("# %d %s\n", ret, err.text);
}

static void test_refusals(void)
{
	struct idset s;
	struct error err;

	refused("", "empty");
	refused("1-", "a number is missing");
	refused("-1", "a number is missing");
	refused("3-1", "runs backwards");
	refused("abc", "a number is missing");
	refused("0,,1", "a number is missing");
	refused("0,", "a number is missing");
	refused("1 2", "is not part of a list");
	refused("0-3\n", "is not part of a list");
	refused("8192", "ids end at 8191");
	refused("4294967296", "ids end at 8191");
	refused("18446744073709551616", "ids end at 8191");
	refused("0-99999999999999999999999", "ids end at 8191");
	refused("0x3", "is not part of a list");
	refused("^", "a number is missing");
	refused("0-4,^^3", "a number is missing");
	ok(idset_parse_kernel("^3", &s, NULL) == -EINVAL, "kernel list: an exclusion is refused");
	ok(idset_parse_kernel("\n", &s, NULL) == 0 && idset_empty(&s), "kernel list: an empty file is the empty set");
	ok(idset_parse_map("0000000g", &s, NULL) == -EINVAL, "map: a digit that is not hex is refused");
	ok(idset_parse_map("", &s, &err) == -EINVAL, "map: an empty text is refused");
	ok(idset_parse_map("000000000", &s, &err) == -EINVAL, "map: a word of nine digits is refused");
	ok(idset_parse("0-4,^3", &s, NULL) == 0 && idset_count(&s) == 4 && !idset_has(&s, 3),
	   "list with an exclusion: 0-4,^3");
	ok(idset_parse("^3,0-4", &s, NULL) == 0 && idset_count(&s) == 4 && !idset_has(&s, 3),
	   "list with an exclusion first: ^3,0-4");
	ok(idset_parse("0-3,^0-3", &s, NULL) == 0 && idset_empty(&s), "list with everything excluded is empty");
}

static void test_small_buffers(void)
{
	struct idset s;
	char small[8];

	idset_parse("0-3,8,100-200", &s, NULL);
	is_int((int64_t)idset_format(&s, small, sizeof(small)), 13,
	       "format: a short buffer returns the length that is needed");
	is_str(small, "0-3,8,1", "format: a short buffer has what fits, and a NUL");
	idset_format(&s, small, 1);
	is_str(small, "", "format: a buffer of one byte has a NUL");
}

/* The same random text and operations on both types. */
static void test_nodesets(void)
{
	struct rnd r = { 5 };
	struct nodeset s = { { 42 } };
	struct error err = { 0 };
	unsigned int good = 0;

	for (int i = 0; i < 1000; i++) {
		struct idset a, b, cpus;
		struct nodeset c, d, nodes, back;
		char other[NODESET_TEXT_MAX];
		size_t len;

		random_below(&r, NODESET_MAX, &a);
		random_below(&r, NODESET_MAX, &b);
		len = idset_format(&a, text, sizeof(text));
		good += nodeset_parse_kernel(text, &c, NULL) == 0 && nodeset_format(&c, other, sizeof(other)) == len &&
			strcmp(text, other) == 0;
		idset_format_comma(&b, text, sizeof(text));
		nodeset_parse_kernel(text, &d, NULL);
		nodes = c;
		cpus = a;
		nodeset_narrow(&nodes, &d);
		idset_narrow(&cpus, &b);
		idset_format(&cpus, text, sizeof(text));
		good += nodeset_parse_kernel(text, &back, NULL) == 0 && nodeset_equal(&nodes, &back) &&
			nodeset_subset(&d, &c) == idset_subset(&b, &a) && nodeset_count(&d) == idset_count(&b) &&
			nodeset_intersects(&c, &d) == idset_intersects(&a, &b);
	}
	is_int(good, 2000, "sets of nodes and of CPUs with the same ids have the same text and relations");
	ok(nodeset_parse("0-1024", &s, &err) == -EINVAL && s.word[0] == 42 && strstr(err.text, "ids end at 1023"),
	   "id list \"0-1024\" is refused as a set of nodes (%s)", err.text);
	is_int(nodeset_parse("0-1023", &s, NULL), 0, "id list \"0-1023\" is accepted as a set of nodes");
	is_int(nodeset_count(&s), NODESET_MAX, "a set of nodes has 1,024 ids");
	nodeset_del(&s, 1023);
	ok(nodeset_next(&s, 1023) == -1 && !nodeset_has(&s, 1024), "a set of nodes has no id above 1023");
	nodeset_clear(&s);
	nodeset_add_range(&s, 1000, 2000);
	is_int(nodeset_count(&s), 24, "a range that is added to a set of nodes ends at 1023");
}

static void narrowed(const char *list, const char *other, const char *want)
{
	struct idset s, o;

	idset_parse_kernel(list, &s, NULL);
	idset_parse_kernel(other, &o, NULL);
	idset_narrow(&s, &o);
	idset_format(&s, text, sizeof(text));
	is_str(text, want, "\"%s\" narrowed by \"%s\" is \"%s\"", list, other, want);
}

static void test_narrow(void)
{
	narrowed("0-3", "2-5", "2-3");
	narrowed("0-3", "", "0-3");
	narrowed("", "2-5", "2-5");
	narrowed("0-3", "4-5", "4-5");
}

int main(void)
{
	test_nodesets();
	test_narrow();
	test_round_trips();
	test_operations();
	test_refusals();
	test_small_buffers();
	return done();
}
