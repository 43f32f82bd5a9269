/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The XML of a libvirt domain, the request from it, and the XML that numaplace virt makes of it: that is parsed again,
 * has the pins and nodes that were chosen and the request of the domain, and does not change when it is edited again.
 */
#include "tests/fuzz/fuzz.h"

#include "plugin/base/name.h"
#include "runtime-hooks/libvirt/domain-layout.h"

/* The same request but for keys that numaplace has kept: a text that had some is no longer as the user wrote it. */
static void compare(const struct domain *a, const struct domain *b)
{
	struct request x, y;
	struct error err = { 0 };

	if (domain_request(a, &x, &err) < 0)
		return;
	must(domain_request(b, &y, &err) == 0);
	must(x.cpu_count == y.cpu_count && x.memory == y.memory && x.nhuge == y.nhuge && x.policy == y.policy);
	must(memcmp(x.huge, y.huge, sizeof(x.huge)) == 0);
}

/* Part @i: all CPUs and a node for each; without cells of its own, a domain is on two nodes. */
static void place(const struct domain *d, const struct topology *t, unsigned int i, bool whole, struct placement *p)
{
	p->share.cpus = t->online;
	idset_add_range(&p->share.cpus, 0, t->ncpus - 1);
	p->policy = d->policy;
	p->share.nmem = whole ? 2 : 1;
	p->share.mem = calloc(2, sizeof(*p->share.mem));
	must(p->share.mem);
	for (unsigned int k = 0; k < p->share.nmem; k++) {
		p->share.mem[k].id = (uint16_t)((i + k) % t->nnodes);
		p->share.mem[k].memory = d->memory / p->share.nmem;
		nodeset_add(&p->mems, p->share.mem[k].id);
	}
}

static void edit(const char *text, size_t size, const struct domain *d)
{
	const unsigned int own = domain_own_cells(d), n = own ? own : 1;
	cleanup_topology struct topology *t = fuzz_machine();
	cleanup_free struct domain_layout *l = calloc(1, sizeof(*l));
	cleanup_free struct placement *part = calloc(n, sizeof(*part));
	cleanup_free struct domain *again = calloc(1, sizeof(*again));
	cleanup_free char *out = NULL, *second = NULL;
	struct error err = { 0 };
	size_t len;
	int r;

	must(t && l && part && again);
	for (unsigned int i = 0; i < n; i++)
		place(d, t, i, !own, &part[i]);
	r = domain_lay_out(d, t, part, n, l, &err);
	for (unsigned int i = 0; i < n; i++)
		placement_free(&part[i]);
	fuzz_check_error(r, &err);
	if (r < 0)
		return;
	r = domain_edit(text, size, d, l, &out, &len, &err);
	fuzz_check_error(r, &err);
	if (r < 0)
		return;
	must(domain_parse(out, len, again, &err) == 0);
	must(domain_check(again, l, &err) == 0);
	compare(d, again);
	must(domain_edit(out, len, again, l, &second, &len, &err) == 0);
	must(strcmp(out, second) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free struct domain *d = calloc(1, sizeof(*d));
	cleanup_free char *text = fuzz_text(data, size);
	struct device_refs refs = { 0 };
	struct error err = { 0 };
	struct request request;
	int r = domain_parse(text, size, d, &err);

	fuzz_check_error(r, &err);
	if (r < 0)
		return 0;
	if (name_check_id(domain_id(d), NULL) < 0)
		abort();
	r = domain_request(d, &request, &err);
	fuzz_check_error(r, &err);
	r = domain_start_request(d, &request, &err);
	fuzz_check_error(r, &err);
	r = domain_devices(text, size, &refs, &err);
	fuzz_check_error(r, &err);
	device_refs_free(&refs);
	edit(text, size, d);
	return 0;
}
