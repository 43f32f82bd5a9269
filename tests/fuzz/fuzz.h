/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared by the fuzz harnesses. Each harness is one file with LLVMFuzzerTestOneInput(), which parses the input as a text of
 * exactly its length and compares the result with the promises in the header of the parser. A violation ends the program,
 * like an error that a sanitizer finds.
 */
#ifndef NUMAPLACE_FUZZ_H
#define NUMAPLACE_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/base/error.h"
#include "plugin/machine/topology.h"
#include "plugin/base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define must(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition);                \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

/* A copy that ends with a NUL, directly before the red zone of the sanitizer. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* The status and the message are consistent, and the message is one printable line. */
static inline void fuzz_check_error(int status, const struct error *err)
{
	must(status <= 0);
	if (status == 0)
		return;
	must(err->status == status);
	must(memchr(err->text, '\0', sizeof(err->text)));
	must(*err->text);
	for (const char *p = err->text; *p; p++)
		must((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f);
}

/* Four nodes of two CPUs, without files, on which a parsed request can be placed. */
static inline struct topology *fuzz_machine(void)
{
	enum { NODES = 4, CPUS = 8 };
	struct topology *t = calloc(1, sizeof(*t));

	t->nnodes = NODES;
	t->ncpus = t->cpu_ids = CPUS;
	t->ncores = t->nllcs = NODES;
	t->nodes = calloc(NODES, sizeof(*t->nodes));
	t->cpus = calloc(CPUS, sizeof(*t->cpus));
	t->distance = calloc((size_t)NODES * NODES, sizeof(*t->distance));
	t->cpu_index = calloc(CPUS, sizeof(*t->cpu_index));
	t->node_index = calloc(NODE_ID_MAX, sizeof(*t->node_index));
	memset(t->node_index, 0xff, NODE_ID_MAX * sizeof(*t->node_index));
	t->nhuge = 1;
	t->huge_size[0] = t->huge_default = 2U << 20;
	for (unsigned int n = 0; n < NODES; n++) {
		struct topo_node *node = &t->nodes[n];

		node->id = (uint16_t)n;
		node->has_memory = node->mem_known = true;
		node->first_cpu = n * 2;
		node->ncpus = 2;
		node->mem_total = node->mem_free = 1ULL << 30;
		node->huge_total[0] = node->huge_free[0] = 16;
		t->node_index[n] = (uint16_t)n;
		nodeset_add(&t->cpu_nodes, n);
		nodeset_add(&t->mem_nodes, n);
		for (unsigned int m = 0; m < NODES; m++)
			t->distance[n * NODES + m] = n == m ? 10 : n / 2 == m / 2 ? 12 : 21;
	}
	for (unsigned int c = 0; c < CPUS; c++) {
		t->cpus[c] = (struct topo_cpu){ .id = (uint16_t)c, .node = (uint16_t)(c / 2),
						.core = (uint16_t)(c / 2), .llc = (uint16_t)(c / 2), .capacity = 1024 };
		t->cpu_index[c] = (uint16_t)c;
		idset_add(&t->online, c);
	}
	must(topology_finish(t) == 0);
	return t;
}

#endif
