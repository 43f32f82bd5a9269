/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tenant of a container; and a ceiling per tenant that does not count other tenants.
 */
#include "tests/unit/ledger-kit.h"

#include "place/admit.h"
#include "place/tenant.h"

static const char *tenants = "";

static void is_of(const char *runtime, const char *id, const char *cgroup, const char *want)
{
	struct record r = { .cgroup = (char *)(uintptr_t)cgroup };
	char tenant[TENANT_MAX];

	snprintf(r.runtime, sizeof(r.runtime), "%s", runtime);
	snprintf(r.id, sizeof(r.id), "%s", id);
	tenant_of(tenants, &r, tenant);
	is_str(tenant, want, "tenant of %s container %s in %s (tenants: %s)", runtime, id, cgroup, tenants);
}

#define NONE "cgroups outside of tenants"

/* The cgroup paths of each runtime, with and without systemd's slices; users and pods are tenants by default. */
static void test_layouts(void)
{
	is_of("runc", "a", "/system.slice/docker-a.scope", NONE);
	is_of("runc", "a", "/docker/a", NONE);
	is_of("runc", "a", "/default/a", NONE);
	is_of("crun", "a", "/machine.slice/libpod-a.scope/container", NONE);
	is_of("runc", "a", "/machine.slice/machine-libpod_pod_b.slice/libpod-a.scope", NONE);
	is_of("crun", "a", "/libpod_parent/libpod-a", NONE);
	is_of("lxc", "a", "/lxc.payload.a", NONE);
	is_of("lxc", "shop_web1", "/lxc.payload.shop_web1", NONE);
	is_of("runc", "a", "/a", NONE);
	is_of("runc", "a", "", NONE);
	is_of("crun", "a", "/user.slice/user-7.slice/user@7.service/user.slice/libpod-a.scope/container",
	      "cgroup /user.slice/user-7.slice");
	is_of("lxc", "a", "/user.slice/user-7.slice/session-2.scope/lxc.payload.a", "cgroup /user.slice/user-7.slice");
	is_of("runc", "a", "/kubepods.slice/kubepods-pod1_2.slice/cri-containerd-a.scope",
	      "cgroup /kubepods.slice/kubepods-pod1_2.slice");
	is_of("crun", "a",
	      "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/crio-a.scope/container",
	      "cgroup /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice");
	is_of("runc", "a", "/kubepods/besteffort/pod1/a", "cgroup /kubepods/besteffort/pod1");
	is_of("runc", "a", "/kubepods/pod1/a", "cgroup /kubepods/pod1");
	is_of("incus", "web1", "/lxc.payload.web1", "project default");
	is_of("incus", "shop_web1", "/lxc.payload.shop_web1", "project shop");
	is_of("lxd", "my_shop_web1", "/lxc.payload.my_shop_web1", "project my_shop");
}

/* A parent cgroup that the container's creator invented, even if named like a tenant, is not a tenant. */
static void test_invented(void)
{
	is_of("runc", "a", "/own1.slice/docker-a.scope", NONE);
	is_of("runc", "a", "/own.slice/own-2.slice/docker-a.scope", NONE);
	is_of("runc", "a", "/own3/a", NONE);
	is_of("runc", "a", "/system.slice/own4.service/a", NONE);
	is_of("runc", "a", "/machine.slice/own5/own6/a", NONE);
	is_of("runc", "a", "/x/user.slice/user-7.slice/a", NONE);
	is_of("runc", "a", "/user.slice/user-7.slice", NONE);
	is_of("crun", "a", "/kubepods/burstable/own7.scope/container", NONE);
	is_of("runc", "a", "/kubepods/own8/a", NONE);
	tenants = "/t1.slice /t2 /pods/* /teams/a*/x /t1.slice/t1-sub.slice";
	is_of("runc", "a", "/t1.slice/docker-a.scope", "cgroup /t1.slice");
	is_of("crun", "a", "/t1.slice/libpod-a.scope/container", "cgroup /t1.slice");
	is_of("runc", "a", "/t1.slice/t1-own.slice/t1-own-2.slice/docker-a.scope", "cgroup /t1.slice");
	is_of("runc", "a", "/t1.slice/t1-sub.slice/docker-a.scope", "cgroup /t1.slice/t1-sub.slice");
	is_of("runc", "a", "/t1.slicer/a", NONE);
	is_of("runc", "a", "/t1/a", NONE);
	is_of("runc", "a", "/t2/own/a", "cgroup /t2");
	is_of("runc", "a", "/t2", NONE);
	is_of("runc", "a", "/pods/own/deep/a", "cgroup /pods/own");
	is_of("runc", "a", "/pods/a", NONE);
	is_of("crun", "a", "/pods/a.scope/container", NONE);
	is_of("runc", "a", "/teams/abc/x/a", "cgroup /teams/abc/x");
	is_of("runc", "a", "/teams/bc/x/a", NONE);
	is_of("runc", "a", "/teams/abc/y/a", NONE);
	is_of("runc", "a", "/user.slice/user-7.slice/a", NONE);
	is_of("incus", "shop_web1", "/lxc.payload.shop_web1", "project shop");
	tenants = "none";
	is_of("runc", "a", "/user.slice/user-7.slice/a", NONE);
	tenants = "";
}

/* The record of a container that holds these CPUs. */
static void holder(const char *id, uint64_t inode, const char *cgroup, const char *held, struct record *r)
{
	kit_record(id, inode, r);
	free(r->cgroup);
	r->cgroup = strdup(cgroup);
	idset_clear(&r->placement.share.held); /* of a random record; "" is no list */
	idset_parse(held, &r->placement.share.held, NULL);
	r->placement.share.cpus = r->placement.share.held;
	free(r->placement.share.mem);
	r->placement.share.mem = calloc(1, sizeof(*r->placement.share.mem));
	r->placement.share.nmem = 1;
}

static void put(struct ledger *l, const char *id, uint64_t inode, const char *cgroup, const char *held)
{
	cleanup_record struct record r = { 0 };

	holder(id, inode, cgroup, held, &r);
	is_int(ledger_add(l, "oci", &r, NULL), 0, "container %s with CPUs %s is placed in %s", id, held, cgroup);
}

/* Two sizes of hugepages. */
static struct topology topology(void)
{
	return (struct topology){ .nhuge = 2, .huge_size = { 2 << 20, 1 << 30 } };
}

static int check(struct ledger *l, const char *cgroup, const char *held, unsigned int max, struct error *err)
{
	struct conf conf = { .max_exclusive_each = max, .tenants = "/a.slice /b.slice" };
	cleanup_record struct record r = { 0 };
	struct topology t = topology();

	holder("next", 50, cgroup, held, &r);
	return admit_tenant(l, &t, &conf, &r, err);
}

/* Checks a container with this claim beside three that claim 4 CPUs, 3 GiB and 1.5 GiB of hugepages each. */
static int claim(struct ledger *l, const char *cgroup, unsigned int cpus, uint64_t memory, unsigned int pages,
		 const struct conf *conf, struct error *err)
{
	cleanup_record struct record r = { 0 };
	struct topology t = topology();

	holder("next", 50, cgroup, "", &r);
	r.placement.share.count = cpus;
	r.placement.share.mem[0].memory = memory;
	r.placement.share.mem[0].huge[0] = pages;
	return admit_tenant(l, &t, conf, &r, err);
}

static void put_claim(struct ledger *l, const char *id, uint64_t inode, const char *cgroup)
{
	cleanup_record struct record r = { 0 };

	holder(id, inode, cgroup, "", &r);
	r.placement.share.count = 4;
	r.placement.share.mem[0].memory = 3ULL << 30;
	r.placement.share.mem[0].huge[0] = 256;
	r.placement.share.mem[0].huge[1] = 1;
	is_int(ledger_add(l, "oci", &r, NULL), 0, "%s is placed with a claim in %s", id, cgroup);
}

/* An empty ledger with two containers of the tenant /a.slice, of 4 CPUs each. */
static struct ledger *two_of_a(void)
{
	struct ledger *l;

	kit_fresh();
	l = kit_open();
	put_claim(l, "a1", 1, "/a.slice/a1");
	put_claim(l, "a2", 2, "/a.slice/own/a2");
	return l;
}

static void test_claims(void)
{
	struct conf conf = { .max_cpus_each = 10, .tenants = "/a.slice /b.slice" };
	struct error err = { 0 };
	struct ledger *l = two_of_a();

	put_claim(l, "b1", 3, "/b.slice/b1");
	is_int(claim(l, "/a.slice/x", 2, 0, 0, &conf, &err), 0, "max-cpus-each: 8 and 2 CPUs are allowed");
	is_int(claim(l, "/a.slice/x", 3, 0, 0, &conf, &err), -ENOSPC, "max-cpus-each: 8 and 3 CPUs are refused");
	is_str(err.text,
	       "limits.cpu: 3 more on top of 8 held in cgroup /a.slice, this host allows each 10 (max-cpus-each)",
	       "max-cpus-each: message of the refusal");
	is_int(claim(l, "/b.slice/x", 3, 0, 0, &conf, &err), 0, "max-cpus-each: another tenant's CPUs do not count");
	is_int(claim(l, "/own/x", 10, 0, 0, &conf, &err), 0, "max-cpus-each: a tenant without other containers");
	conf = (struct conf){ .max_memory_each = 8ULL << 30, .tenants = "/a.slice /b.slice" };
	is_int(claim(l, "/a.slice/own2/x", 99, 2ULL << 30, 0, &conf, &err), 0,
	       "max-memory-each: 6 and 2 GiB are allowed");
	is_int(claim(l, "/a.slice/own2/x", 99, (2ULL << 30) + 1, 0, &conf, &err), -ENOSPC,
	       "max-memory-each: one byte more is refused");
	is_str(err.text,
	       "limits.memory: 2.0GiB more on top of 6GiB held in cgroup /a.slice, this host allows each 8GiB "
	       "(max-memory-each)",
	       "max-memory-each: message of the refusal");
	is_int(claim(l, "/a.slice/own2/x", 99, UINT64_MAX, 0, &conf, &err), -ENOSPC,
	       "max-memory-each: the sum does not overflow");
	is_int(claim(l, "/a.slice/own2/x", 99, 0, 9999, &conf, &err), 0, "max-memory-each: hugepages do not count");
	conf = (struct conf){ .max_hugepages_each = 4ULL << 30, .tenants = "/a.slice /b.slice" };
	is_int(claim(l, "/a.slice/x", 99, 0, 512, &conf, &err), 0, "max-hugepages-each: 3 and 1 GiB are allowed");
	is_int(claim(l, "/a.slice/x", 99, 0, 513, &conf, &err), -ENOSPC,
	       "max-hugepages-each: one page more is refused");
	is_str(err.text,
	       "limits.memory.hugepages: 1.0GiB more on top of 3GiB held in cgroup /a.slice, this host allows each "
	       "4GiB "
	       "(max-hugepages-each)",
	       "max-hugepages-each: message of the refusal");
	kit_fate(2, LIFE_GONE, 0);
	is_int(claim(l, "/a.slice/x", 99, 0, 513, &conf, &err), 0,
	       "max-hugepages-each: a dead container's claim does not count");
	ledger_close(l);
}

/* Without configured tenants, containers in different parent cgroups share one ceiling. */
static void test_evasion(void)
{
	struct conf conf = { .max_exclusive_each = 4 };
	struct error err = { 0 };
	struct topology t = topology();
	struct ledger *l;

	kit_fresh();
	l = kit_open();
	put(l, "x1", 1, "/own1/x1", "0-1");
	put(l, "x2", 2, "/own2.slice/docker-x2.scope", "2-3");
	put(l, "u1", 3, "/user.slice/user-7.slice/u1", "4-5");
	for (unsigned int i = 0; i < 2; i++) {
		cleanup_record struct record r = { 0 };

		holder("next", 50, i ? "/user.slice/user-7.slice/next" : "/own3/own4/next", "6-7", &r);
		is_int(admit_tenant(l, &t, &conf, &r, &err), i ? 0 : -ENOSPC,
		       i ? "evasion: a user is a tenant" : "evasion: an invented parent is not a tenant");
		if (!i)
			is_str(err.text,
			       "limits.cpu.exclusive: 2 more on top of 4 held in cgroups outside of tenants, this host "
			       "allows "
			       "each 4 (max-exclusive-cpus-each)",
			       "evasion: message of the refusal");
	}
	ledger_close(l);
}

/* Truncates the file of a record, which does not change its folder. A ledger that reads it repairs itself. */
static void spoil(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/containers/%s", kit.path, name);
	if (truncate(path, 1) < 0)
		diag("%s: not truncated", path);
}

static bool is_spoiled(const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/containers/%s", kit.path, name);
	return stat(path, &st) == 0 && st.st_size == 1;
}

/* Repeated refusals of a tenant do not read all records each time. */
static void test_repeated(void)
{
	struct conf conf = { .max_cpus_each = 10, .tenants = "/a.slice /b.slice" };
	struct error err = { 0 };
	struct ledger *l = two_of_a();

	for (uint64_t i = 100; i < 100 + LEDGER_LOOKS; i++) {
		char id[16];

		snprintf(id, sizeof(id), "b%d", (int)i);
		kit_add(l, id, i, &err);
	}
	ledger_close(l);
	usleep(200000);
	for (int i = 0; i < 4; i++) {
		kit.world.now += i == 0; /* all of them in the same second */
		l = kit_open();
		is_int(claim(l, "/a.slice/x", 3, 0, 0, &conf, &err), -ENOSPC, "refusal %d of one tenant", i + 1);
		is_str(err.text,
		       "limits.cpu: 3 more on top of 8 held in cgroup /a.slice, this host allows each 10 (max-cpus-each)",
		       "refusal %d: its message", i + 1);
		if (i == 2)
			is_int(claim(l, "/a.slice/x", 2, 0, 0, &conf, &err), 0, "what the tenant may claim is allowed");
		ledger_close(l);
		if (i == 0)
			spoil("oci:b200");
	}
	ok(is_spoiled("oci:b200"), "repeated refusals read no other records");
	l = kit_open();
	put_claim(l, "b3", 3, "/b.slice/b3");
	is_int(claim(l, "/a.slice/x", 3, 0, 0, &conf, &err), -ENOSPC, "a refusal after a change of the ledger");
	ok(!is_spoiled("oci:b200"), "a refusal after a change of the ledger reads all records, and repairs one");
	is_int(kit_remove(l, "oci", "a1", &err), 0, "the record of a container of the tenant is removed");
	is_int(claim(l, "/a.slice/x", 3, 0, 0, &conf, &err), 0, "the claim of a removed container no longer counts for its tenant");
	ledger_close(l);
	usleep(200000);
	l = kit_open();
	is_int(claim(l, "/a.slice/x", 7, 0, 0, &conf, &err), -ENOSPC, "the other container of the tenant counts");
	ledger_close(l);
	kit_fate(2, LIFE_GONE, 0);
	for (int i = 0, rc = -1; i < 3 && rc < 0; i++) {
		kit.world.now++;
		l = kit_open();
		rc = claim(l, "/a.slice/x", 7, 0, 0, &conf, &err);
		ledger_close(l);
		is_int(rc, i < 2 ? rc : 0, "a dead container that no hook released is found");
	}
}

int main(void)
{
	struct error err = { 0 };
	struct ledger *l;

	test_layouts();
	test_invented();
	kit_fresh();
	l = kit_open();
	put(l, "a1", 1, "/a.slice/a1", "0-1");
	put(l, "a2", 2, "/a.slice/a2", "2-3");
	put(l, "b1", 3, "/b.slice/b1", "4");
	is_int(check(l, "/a.slice/next", "5-6", 6, &err), 0, "max-exclusive-cpus-each: 4 and 2 of 6 are allowed");
	is_int(check(l, "/a.slice/next", "5-6", 5, &err), -ENOSPC, "max-exclusive-cpus-each: 4 and 2 of 5 are refused");
	is_str(err.text,
	       "limits.cpu.exclusive: 2 more on top of 4 held in cgroup /a.slice, this host allows each 5 "
	       "(max-exclusive-cpus-each)",
	       "max-exclusive-cpus-each: message of the refusal");
	is_int(check(l, "/b.slice/next", "5-6", 5, &err), 0,
	       "max-exclusive-cpus-each: another tenant's CPUs do not count");
	is_int(check(l, "/c.slice/next", "5-10", 5, &err), -ENOSPC,
	       "max-exclusive-cpus-each: more than the ceiling for one container is refused");
	is_int(check(l, "/a.slice/next", "", 1, &err), 0,
	       "max-exclusive-cpus-each: a container without exclusive CPUs is allowed");
	is_int(check(l, "/a.slice/next", "5-60", 0, &err), 0, "max-exclusive-cpus-each: no ceiling");
	kit_fate(2, LIFE_GONE, 0);
	is_int(check(l, "/a.slice/next", "5-6", 5, &err), 0,
	       "max-exclusive-cpus-each: a dead container's CPUs do not count");
	ledger_close(l);
	test_claims();
	test_evasion();
	test_repeated();
	kit_end();
	return done();
}
