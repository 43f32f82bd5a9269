/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keys and values of a request, one "key=value" per line. An accepted request is formatted and parsed again, and then
 * placed: a placement must be within the machine and the request, and share no held CPU.
 */
#include "tests/fuzz/fuzz.h"

#include "plugin/ledger/record.h"

static void check_size(const char *text)
{
	char buf[64];
	struct error err = { 0 };
	uint64_t bytes, again;
	int r = size_parse(text, &bytes, &err);

	fuzz_check_error(r, &err);
	if (r < 0)
		return;
	must(bytes <= 1ULL << 60);
	must(size_format(bytes, buf, sizeof(buf)) < sizeof(buf));
	must(size_parse(buf, &again, NULL) == 0 && again == bytes);
	must(size_human(bytes, buf, sizeof(buf)) < sizeof(buf));
}

static void check_format(const struct request *r)
{
	static char buf[IDSET_TEXT_MAX * 2];
	struct request again;

	request_init(&again);
	for (int k = 0; k < KEY_COUNT; k++) {
		if (!request_format(r, (enum request_key)k, buf, sizeof(buf)))
			continue;
		must(request_set(&again, request_keys[k], buf, NULL) == 0);
	}
	must(again.given == r->given && again.cpu_count == r->cpu_count && again.memory == r->memory);
	must(again.nhuge == r->nhuge && again.exclusive == r->exclusive && again.policy == r->policy);
	must(again.work.given == r->work.given && again.work.kind == r->work.kind);
	must(nodeset_equal(&again.nodes, &r->nodes) && idset_equal(&again.cpu_list, &r->cpu_list));
	must(again.irq == r->irq);
	must(again.all_nodes == r->all_nodes && nodeset_equal(&again.mem_nodes, &r->mem_nodes));
	must(again.cpu_class == r->cpu_class && again.one_thread == r->one_thread && again.ndevices == r->ndevices);
	for (unsigned int i = 0; i < r->ndevices; i++)
		must(strcmp(again.device[i], r->device[i]) == 0);
}

/* Half of the machine is already held or loaded, by the length of the input. */
static void check_choice(const struct request *r, size_t seed)
{
	static struct topology *t;
	cleanup_usage struct usage *u = NULL;
	struct share taken = { .count = 1 };
	struct placement p = { 0 };
	struct reasons why = { 0 };
	struct select_policy policy;
	struct error err = { 0 };
	int ret;

	if (!t)
		t = fuzz_machine();
	u = usage_new(t->cpu_ids, t->nnodes);
	idset_add_range(&taken.cpus, 0, (unsigned int)(seed % 8));
	if (seed & 16)
		taken.held = taken.cpus;
	must(u && usage_add(u, &taken) == 0);
	select_policy_init(&policy);
	ret = select_placement(&(struct select_input){ .topology = t, .usage = u, .request = r, .policy = &policy },
			       &p, &why, &err);
	fuzz_check_error(ret, &err);
	if (ret == 0) {
		must(idset_subset(&p.share.cpus, &t->online) && !idset_empty(&p.share.cpus));
		must(nodeset_subset(&p.mems, &t->mem_nodes) && nodeset_subset(&p.nodes, &t->cpu_nodes));
		must(!idset_intersects(&p.share.cpus, &taken.held));
		if (r->nodes_mode == NODES_LIST)
			must(nodeset_subset(&p.nodes, &r->nodes));
		if (r->exclusive)
			must(idset_subset(&p.share.cpus, &p.share.held));
		must(usage_add(u, &p.share) == 0 && usage_remove(u, &p.share) == 0);
	}
	placement_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_text(data, size);
	struct error err = { 0 };
	struct request request;
	char *rest = text;
	int r;

	request_init(&request);
	for (char *line; (line = strsep(&rest, "\n"));) {
		char *value = strchr(line, '=');

		if (!value) {
			check_size(line);
			continue;
		}
		*value++ = '\0';
		r = request_set(&request, line, value, &err);
		fuzz_check_error(r, &err);
	}
	check_format(&request);
	r = request_finish(&request, &err);
	fuzz_check_error(r, &err);
	if (r == 0 && request_asks(&request))
		check_choice(&request, size);
	return 0;
}
