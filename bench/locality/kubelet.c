/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kubelet: reads the steps of a scenario (tests/vm/guest/accesses.sh) from stdin and prints the pins of each container
 * by the kubelet's rule on this machine, as bench/select has it: Topology Manager with prefer-closest-numa-nodes,
 * static CPU manager with exclusive CPUs, static memory manager. A line for each start: "NAME CPUS MEMS", or "NAME
 * refused".
 */
#include "bench/select/bench.h"
#include "plugin/base/idset.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MAX_CONTAINERS 64

enum half half = HALF_BOTH; /* the rest of bench/select wants it */

struct container {
	char name[32];
	bool runs;
	struct held held;
};

static void print_pins(const struct state *s, const char *name, const struct choice *c)
{
	struct idset cpus = { 0 }, mems = { 0 };
	char cpus_text[IDSET_TEXT_MAX], mems_text[IDSET_TEXT_MAX];

	for (unsigned int i = 0; i < c->ncpus; i++)
		idset_add(&cpus, s->t->cpus[c->cpu[i]].id);
	for (unsigned int i = 0; i < c->nnodes; i++)
		idset_add(&mems, s->t->nodes[c->node[i]].id);
	idset_format(&cpus, cpus_text, sizeof(cpus_text));
	idset_format(&mems, mems_text, sizeof(mems_text));
	printf("%s %s %s\n", name, cpus_text, mems_text);
}

static int start(struct state *s, const struct ask *a, struct container *c)
{
	struct choice choice;

	if (choice_init(&choice, s))
		return -1;
	if (!rule_closest_mm(s, a, BALANCE_DEFAULT, &choice)) {
		printf("%s refused\n", c->name);
	} else {
		print_pins(s, c->name, &choice);
		if (state_add(s, &choice, &c->held))
			return -1;
		c->runs = true;
	}
	choice_free(&choice);
	return 0;
}

static void stop(struct state *s, struct container *c, unsigned int n, const char *name)
{
	for (unsigned int i = 0; i < n; i++)
		if (c[i].runs && strcmp(c[i].name, name) == 0) {
			state_remove(s, &c[i].held);
			c[i].runs = false;
		}
}

static int play(struct state *s)
{
	static struct container container[MAX_CONTAINERS];
	unsigned int n = 0, cpus, mib;
	char line[256], name[32];

	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "start %31s %u %u", name, &cpus, &mib) == 3 && n < MAX_CONTAINERS) {
			struct ask a = { .cpus = cpus, .memory = (uint64_t)mib << 20 };

			memcpy(container[n].name, name, sizeof(name));
			if (start(s, &a, &container[n++]))
				return 1;
		} else if (sscanf(line, "stop %31s", name) == 1) {
			stop(s, container, n, name);
		}
	}
	return 0;
}

int main(void)
{
	struct machine machine = { .name = "this" };
	struct row row = { .machine = &machine, .exclusive = true, .memory = true };
	struct error err = { 0 };
	struct state s;
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), status = 1;

	if (root < 0 || topology_read(root, &machine.t, &err)) {
		fprintf(stderr, "kubelet: %s\n", err.text);
		return 1;
	}
	if (state_init(&s, &row) == 0) {
		status = play(&s);
		state_free(&s);
	}
	topology_free(machine.t);
	close(root);
	return status;
}
