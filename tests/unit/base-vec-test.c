/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Growable arrays: elements stay, are zero at first, and keep their type.
 */
#include "plugin/base/vec.h"

#include "tests/unit/tap.h"

struct pair {
	unsigned int a;
	char text[20];
};

static struct {
	struct pair *pair;
	unsigned int n, room;
} pairs;

static struct {
	char (*name)[16];
	size_t n, room;
} names;

int main(void)
{
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < 1000; i++) {
		struct pair *p = vec_push(pairs.pair, pairs.n, pairs.room);
		char(*name)[16] = vec_push(names.name, names.n, names.room);

		if (!p || !name)
			return 1;
		wrong += p->a != 0 || p->text[19] != 0 || p != &pairs.pair[i];
		memset(p, 0xff, sizeof(*p));
		p->a = i;
		snprintf(*name, sizeof(*name), "n%u", i);
	}
	is_int(wrong, 0, "each new element is the last one and zero");
	is_int(pairs.n, 1000, "the number of elements");
	ok(pairs.room >= 1000 && pairs.room <= 2000, "there is room for at most twice as many");
	for (unsigned int i = 0; i < 1000; i++)
		wrong += pairs.pair[i].a != i;
	is_int(wrong, 0, "elements stay when the array grows");
	is_str(names.name[999], "n999", "an element may be an array");
	free(pairs.pair);
	free(names.name);
	return done();
}
