/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose a container is, and that one tenant's exclusive CPUs end at its ceiling while
 * another's do not.
 */
#include "tests/unit/ledger-kit.h"

#include "plugin/tenant.h"

static void is_of(const char *runtime, const char *id, const char *cgroup, const char *want)
{
	struct record r = { .cgroup = (char *)(uintptr_t)cgroup };
	char tenant[TENANT_MAX];

	snprintf(r.runtime, sizeof(r.runtime), "%s", runtime);
	snprintf(r.id, sizeof(r.id), "%s", id);
	tenant_of(&r, tenant);
	is_str(tenant, want, "%s, %s in %s", runtime, id, cgroup);
}

static void test_names(void)
{
	is_of("runc", "a", "/t1.slice/docker-a.scope", "cgroup /t1.slice");
	is_of("crun", "a", "/t1.slice/libpod-a.scope/container", "cgroup /t1.slice");
	is_of("runc", "a", "/kubepods.slice/kubepods-pod1.slice/cri-a.scope", "cgroup /kubepods.slice/kubepods-pod1.slice");
	is_of("lxc", "a", "/lxc.payload.a", "cgroup /");
	is_of("incus", "web1", "/lxc.payload.web1", "project default");
	is_of("incus", "shop_web1", "/lxc.payload.shop_web1", "project shop");
	is_of("lxd", "my_shop_web1", "/lxc.payload.my_shop_web1", "project my_shop");
	is_of("lxc", "shop_web1", "/lxc.payload.shop_web1", "cgroup /");
	is_of("runc", "a", "", "cgroup /");
}

/* A container that holds these CPUs. */
static void holder(const char *id, uint64_t inode, const char *cgroup, const char *held, struct record *r)
{
	kit_record(id, inode, r);
	free(r->cgroup);
	r->cgroup = strdup(cgroup);
	idset_parse(held, &r->placement.share.held, NULL);
	r->placement.share.cpus = r->placement.share.held;
}

static void put(struct ledger *l, const char *id, uint64_t inode, const char *cgroup, const char *held)
{
	cleanup_record struct record r = { 0 };

	holder(id, inode, cgroup, held, &r);
	is_int(ledger_add(l, "oci", &r, NULL), 0, "%s holds %s in %s", id, held, cgroup);
}

static int check(struct ledger *l, const char *cgroup, const char *held, unsigned int max, struct error *err)
{
	cleanup_record struct record r = { 0 };

	holder("next", 50, cgroup, held, &r);
	return tenant_check(l, &r, max, err);
}

int main(void)
{
	struct error err = { 0 };
	struct ledger *l;

	test_names();
	kit_fresh();
	l = kit_open();
	put(l, "a1", 1, "/a.slice/a1", "0-1");
	put(l, "a2", 2, "/a.slice/a2", "2-3");
	put(l, "b1", 3, "/b.slice/b1", "4");
	is_int(check(l, "/a.slice/next", "5-6", 6, &err), 0, "a has four, and may have six");
	is_int(check(l, "/a.slice/next", "5-6", 5, &err), -ENOSPC, "but not six of five");
	is_str(err.text,
	       "limits.cpu.exclusive: 2 more on top of 4 held in cgroup /a.slice, this host allows each 5 "
	       "(max-exclusive-cpus-each)",
	       "which it is told");
	is_int(check(l, "/b.slice/next", "5-6", 5, &err), 0, "b may: what a holds is not its own");
	is_int(check(l, "/c.slice/next", "5-10", 5, &err), -ENOSPC, "nor may one alone");
	is_int(check(l, "/a.slice/next", "", 1, &err), 0, "who wants none is not asked");
	is_int(check(l, "/a.slice/next", "5-60", 0, &err), 0, "without a ceiling, nobody is");
	kit_fate(2, LIFE_GONE, 0);
	is_int(check(l, "/a.slice/next", "5-6", 5, &err), 0, "what a dead one held is free again");
	ledger_close(l);
	kit_end();
	return done();
}
