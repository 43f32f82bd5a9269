/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which containers of a pod request a placement, what they request; and where cgroupsPath says that their cgroups are.
 */
#include "runtime-hooks/nri/nri-request.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "plugin/base/util.h"
#include "cgroup/cgroup.h"
#include "runtime-hooks/oci/cgroups-path.h"
#include "tests/unit/shell.h"
#include "tests/unit/tap.h"

static struct nri_text text(const char *t)
{
	return (struct nri_text){ .text = t, .len = strlen(t) };
}

/* A container of 2 CPUs and 1 GiB, as a kubelet makes one of a Guaranteed pod. */
static struct nri_container container(void)
{
	struct nri_container c = { .id = text("c1"), .pod = text("p1"), .name = text("app"), .cgroups_path = text("") };

	c.resources = (struct nri_resources){ .given = true, .memory_limit = 1 << 30, .shares = 2048, .quota = 200000,
					      .period = 100000, .cpus = text(""), .mems = text("") };
	return c;
}

static struct nri_pod pod(const struct nri_entry *annotations, size_t n)
{
	return (struct nri_pod){ .id = text("p1"), .name = text("web"), .namespace = text("default"), .handler = text("runc"),
				 .nannotations = n, .annotations = annotations };
}

struct asked {
	int rc;
	bool asked;
	struct request r;
	struct error err;
};

static struct asked ask(const struct nri_pod *p, const struct nri_container *c, const struct conf *conf)
{
	struct asked a = { .rc = 0 };

	a.rc = nri_request(p, c, conf, &a.r, &a.asked, &a.err);
	return a;
}

static bool asks(const struct nri_pod *p, const struct nri_container *c, const struct conf *conf)
{
	const struct asked a = ask(p, c, conf);

	return a.rc == 0 && request_asks(&a.r);
}

static void annotations(void)
{
	const struct nri_entry balanced[] = { { text("limits.cpu.nodes"), text("balanced") }, { text("other"), text("x") } };
	const struct nri_entry named[] = { { text("limits.cpu/container.app"), text("3") },
					   { text("limits.cpu/container.other"), text("9") },
					   { text("limits.cpu"), text("1") } };
	const struct nri_entry prefixed[] = { { text("org.numaplace.limits.cpu/container.app"), text("3") } };
	const struct nri_entry bad[] = { { text("limits.cpu"), text("none") } };
	const struct nri_entry bad_other[] = { { text("limits.cpu/container.other"), text("none") } };
	const struct nri_entry nul[] = { { text("limits.cpu"), { "4\0x", 3 } } };
	const struct nri_entry unknown[] = { { text("org.numaplace.limits.cpus"), text("4") } };
	const struct nri_entry own[] = { { text("limits.cpu"), text("4") } };
	struct nri_container c = container();
	struct nri_pod p = pod(balanced, 2);
	struct conf conf;
	struct asked a;

	conf_init(&conf);
	a = ask(&p, &c, &conf);
	is_int(a.rc, 0, "an annotation of the pod is a request");
	ok(a.asked && a.r.nodes_mode == NODES_BALANCED, "with its value");
	is_int(a.r.cpu_count, 2, "the CPUs are those of the quota");
	is_int((int64_t)a.r.memory, 1 << 30, "the memory is the limit");
	p = pod(NULL, 0);
	a = ask(&p, &c, &conf);
	ok(a.rc == 0 && !a.asked && !request_asks(&a.r), "a pod without annotations requests nothing");
	p = pod(named, 3);
	a = ask(&p, &c, &conf);
	is_int(a.r.cpu_count, 3, "an annotation for one container counts more than that of the pod");
	c.name = text("second");
	a = ask(&p, &c, &conf);
	is_int(a.r.cpu_count, 1, "another container has that of the pod");
	c = container();
	p = pod(prefixed, 1);
	a = ask(&p, &c, &conf);
	is_int(a.r.cpu_count, 3, "keys may have the prefix org.numaplace.");
	p = pod(bad, 1);
	a = ask(&p, &c, &conf);
	ok(a.rc == -EINVAL && a.asked && strstr(a.err.text, "limits.cpu"), "an invalid value is refused (%s)", a.err.text);
	p = pod(bad_other, 1);
	is_int(ask(&p, &c, &conf).rc, 0, "an invalid value for another container is not this one's");
	p = pod(nul, 1);
	a = ask(&p, &c, &conf);
	ok(a.rc == -EINVAL && strstr(a.err.text, "NUL"), "a NUL in a value is refused (%s)", a.err.text);
	p = pod(unknown, 1);
	is_int(ask(&p, &c, &conf).rc, -EINVAL, "an unknown key with the prefix is refused");
	p = pod(balanced, 2);
	c.annotations = own;
	c.nannotations = 1;
	a = ask(&p, &c, &conf);
	is_int(a.r.cpu_count, 4, "an annotation of the container counts, too");
}

static void defaults(void)
{
	struct nri_container c = container();
	struct nri_pod p = pod(NULL, 0);
	struct conf conf;
	struct error err;
	struct asked a;

	conf_init(&conf);
	is_int(conf_parse("pods = guaranteed\n", "conf", &conf, &err), 0, "pods = guaranteed is read");
	a = ask(&p, &c, &conf);
	ok(a.rc == 0 && !a.asked && a.r.cpu_count == 2, "a container of a Guaranteed pod is placed");
	c.resources.shares = 512;
	ok(!asks(&p, &c, &conf), "one whose CPU request is below its limit is not");
	c = container();
	c.resources.memory_limit = 0;
	ok(!asks(&p, &c, &conf), "one without a memory limit is not");
	c = container();
	p.namespace = text("kube-system");
	ok(!asks(&p, &c, &conf), "one of kube-system is not");
	p.namespace = text("default");
	conf_init(&conf);
	is_int(conf_parse("pods = balanced\npod-namespaces = jobs, db\n", "conf", &conf, &err), 0, "pod-namespaces is read");
	ok(!asks(&p, &c, &conf), "another namespace is not placed");
	p.namespace = text("db");
	ok(asks(&p, &c, &conf), "a listed one is");
	conf_init(&conf);
	is_int(conf_parse("pods = balanced\npod-classes = numa\n", "conf", &conf, &err), 0, "pod-classes is read");
	ok(!asks(&p, &c, &conf), "another runtime class is not placed");
	p.handler = text("numa");
	ok(asks(&p, &c, &conf), "a listed one is");
	is_int(conf_parse("pods = follow-pins\n", "conf", &conf, &err), -EINVAL, "pods = follow-pins is refused");
	conf_init(&conf);
	conf_parse("default = follow-pins\n", "conf", &conf, &err);
	c.resources.cpus = text("2-3");
	a = ask(&p, &c, &conf);
	ok(request_asks(&a.r) && a.r.cpu_listed && idset_count(&a.r.cpu_list) == 2,
	   "default = follow-pins follows the CPUs of a kubelet's static manager");
	c.resources.mems = text("0");
	ok(!asks(&p, &c, &conf), "but not if it has pinned the memory, too");
}

/* A pod of 6 CPUs and 3 GiB. */
static struct nri_pod large_pod(const struct nri_entry *annotations, size_t n)
{
	struct nri_pod p = pod(annotations, n);

	p.resources = (struct nri_resources){ .given = true, .memory_limit = 3LL << 30, .shares = 6144, .quota = 600000,
					      .period = 100000, .cpus = text(""), .mems = text("") };
	return p;
}

/* Whether the whole pod has a request. */
static bool whole(const struct nri_pod *p, const struct nri_container *c, const struct conf *conf, struct request *r)
{
	struct error err;

	return nri_pod_request(p, c, conf, r, &err) == 0 && request_asks(r);
}

static void whole_pod(void)
{
	const struct nri_entry listed[] = { { text("limits.cpu.nodes"), text("0-1") } };
	const struct nri_entry claim[] = { { text("limits.cpu"), text("1") } };
	const struct nri_entry memory[] = { { text("limits.cpu.nodes"), text("0-1") },
					    { text("limits.memory"), text("1GiB") } };
	const struct nri_entry named[] = { { text("limits.cpu.nodes"), text("0-1") },
					   { text("limits.cpu.nodes/container.a"), text("2") } };
	const struct nri_entry policy[] = { { text("limits.memory.policy"), text("interleave") } };
	struct nri_container c = container();
	struct nri_pod p = large_pod(listed, 1);
	struct request r;
	struct conf conf;
	struct error err;

	conf_init(&conf);
	ok(whole(&p, &c, &conf, &r), "a pod with resources has a request");
	ok(r.cpu_count == 6 && r.memory == 3ULL << 30, "of its CPUs and memory");
	ok(r.nodes_mode == NODES_LIST && nodeset_count(&r.nodes) == 2, "on the nodes that its key names");
	p = pod(listed, 1);
	ok(!whole(&p, &c, &conf, &r), "a pod without resources has none");
	p = large_pod(NULL, 0);
	ok(!whole(&p, &c, &conf, &r), "a pod that is not placed has none");
	p = large_pod(claim, 1);
	ok(!whole(&p, &c, &conf, &r), "nor one whose key says how many CPUs each container gets");
	p = large_pod(memory, 2);
	ok(!whole(&p, &c, &conf, &r), "or how much memory");
	p = large_pod(named, 2);
	ok(!whole(&p, &c, &conf, &r), "nor one with a key for a single container");
	p = large_pod(policy, 1);
	ok(whole(&p, &c, &conf, &r) && r.policy == POLICY_STRICT, "a memory policy is for each container");
	p = large_pod(listed, 1);
	c.annotations = claim;
	c.nannotations = 1;
	ok(!whole(&p, &c, &conf, &r), "a container with keys of its own has no part in it");
	c = container();
	c.resources.cpus = text("2-3");
	ok(!whole(&p, &c, &conf, &r), "nor has one with pinned CPUs");
	c = container();
	conf_parse("pods = guaranteed\n", "conf", &conf, &err);
	p = large_pod(NULL, 0);
	ok(whole(&p, &c, &conf, &r) && r.cpu_count == 6, "with pods = guaranteed, a Guaranteed pod has a request");
	p.resources.shares = 2048;
	ok(!whole(&p, &c, &conf, &r), "a Burstable one has none, as not all of its containers are placed");
	conf_parse("pods = balanced\n", "conf", &conf, &err);
	ok(whole(&p, &c, &conf, &r), "with pods = balanced, it has");
}

static void guaranteed(void)
{
	const struct {
		uint64_t shares;
		int64_t quota;
		uint64_t period;
		bool want;
	} cases[] = { { 2048, 200000, 100000, true }, { 512, 50000, 100000, true },   { 102, 10000, 100000, true },
		      { 2, 100, 100000, true },	      { 2048, 0, 100000, false },     { 2048, 200000, 0, false },
		      { 1024, 200000, 100000, false }, { 2048, INT64_MAX, 1, false }, { 2048, -1, 100000, false } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct nri_resources r = { .memory_limit = 1, .shares = cases[i].shares, .quota = cases[i].quota,
						 .period = cases[i].period };

		is_int(nri_is_guaranteed(&r), cases[i].want, "quota %lld of %llu, shares %llu: %s",
		       (long long)cases[i].quota, (unsigned long long)cases[i].period,
		       (unsigned long long)cases[i].shares, cases[i].want ? "Guaranteed" : "not Guaranteed");
	}
}

static void variables(void)
{
	const struct nri_entry own[] = { { text("limits.cpu"), text("4") } };
	const struct nri_text three[] = { text("NUMAPLACE_LIMITS_CPU=3") }, four[] = { text("NUMAPLACE_LIMITS_CPU=4") };
	const struct nri_text nul[] = { { "NUMAPLACE_LIMITS_CPU=4\0x", 24 } };
	struct nri_container c = container();
	struct nri_pod p = pod(NULL, 0);
	struct conf conf;
	struct asked a;

	conf_init(&conf);
	c.variables = three;
	c.nvariables = 1;
	a = ask(&p, &c, &conf);
	ok(a.rc == 0 && a.asked && a.r.cpu_count == 3, "a variable is a request");
	is_int((int)a.r.memory, 1 << 30, "the memory is the limit");
	conf.environment = ENVIRONMENT_OFF;
	ok(!asks(&p, &c, &conf), "environment-keys = false: it does not count");
	conf_init(&conf);
	p = pod(own, 1);
	a = ask(&p, &c, &conf);
	ok(a.rc == -EINVAL && strstr(a.err.text, "limits.cpu is \"4\" but NUMAPLACE_LIMITS_CPU is \"3\""),
	   "an annotation of the pod with another value is an error: %s", a.err.text);
	c.variables = four;
	ok(asks(&p, &c, &conf), "an annotation with the same value is no error");
	c.variables = nul;
	is_int(ask(&p, &c, &conf).rc, -EINVAL, "a NUL in a variable is an error");
}

static void cdi(void)
{
	const struct nri_text exclusive[] = { text("oci-hook"), text("--default"), text("limits.cpu.nodes=1"), text("--default"),
					      text("limits.cpu.exclusive=true"), text("createRuntime") };
	const struct nri_text other[] = { text("other-hook"), text("--default"), text("limits.cpu=8") };
	const struct nri_text bad[] = { text("oci-hook"), text("--default"), text("limits.cpu=many") };
	const struct nri_words both[] = { { 3, other }, { 6, exclusive } }, wrong[] = { { 3, bad } };
	const struct nri_entry own[] = { { text("limits.cpu"), text("4") }, { text("limits.cpu.nodes"), text("balanced") } };
	const struct nri_entry shared[] = { { text("limits.cpu.exclusive"), text("false") } };
	struct nri_container c = container();
	struct nri_pod p = pod(NULL, 0);
	struct request whole;
	struct conf conf;
	struct error err;
	struct asked a;

	conf_init(&conf);
	c.hooks = both;
	c.nhooks = 2;
	a = ask(&p, &c, &conf);
	ok(a.rc == 0 && a.asked && a.r.exclusive && nodeset_has(&a.r.nodes, 1), "the keys of a device of CDI are a request");
	is_int((int)a.r.cpu_count, 2, "with the limits of the container, and not with the options of other hooks");
	p = pod(own, 2);
	a = ask(&p, &c, &conf);
	ok(a.rc == 0 && a.r.cpu_count == 4 && a.r.exclusive && !nodeset_has(&a.r.nodes, 1),
	   "annotations of the pod count before them, and leave the other keys");
	p = pod(own + 1, 1);
	p.resources = c.resources;
	ok(nri_pod_request(&p, &c, &conf, &whole, &err) == 0 && !request_asks(&whole),
	   "a pod with such a container is not looked at as a whole");
	c.nhooks = 0;
	ok(nri_pod_request(&p, &c, &conf, &whole, &err) == 0 && request_asks(&whole), "without the device, it is");
	c.nhooks = 2;
	p = pod(shared, 1);
	a = ask(&p, &c, &conf);
	ok(a.rc == 0 && !a.r.exclusive, "exclusive = false in an annotation counts before exclusive = true of the device");
	c.hooks = wrong;
	c.nhooks = 1;
	a = ask(&p, &c, &conf);
	ok(a.rc == -EINVAL && a.asked && strstr(a.err.text, "many"), "a bad value is an error: %s", a.err.text);
}

static void devices(void)
{
	static char dir[] = "/tmp/numaplace-nri-XXXXXX";
	const struct nri_device ordinary[] = { { 'c', 1, 3 }, { 0, 0, 0 } }, disk[] = { { 'b', 259, 0 } };
	const struct nri_text paths[] = { text("/dev/sda") }, net[] = { text("ens5") };
	struct place_env env = PLACE_ENV_NONE;
	struct nri_container c = container();
	struct request r;

	if (!mkdtemp(dir))
		abort();
	shell_in(dir, "mkdir -p sys/dev/block/259:0 sys/class/net/ens5/device sys/class/block/sda && "
		      "echo DEVNAME=nvme0n1 > sys/dev/block/259:0/uevent && echo 1 > sys/dev/block/259:0/numa_node && "
		      "echo 2 > sys/class/net/ens5/device/numa_node && echo 3 > sys/class/block/sda/numa_node");
	conf_init(&env.conf);
	env.root = open(dir, O_PATH | O_DIRECTORY);
	request_init(&r);
	c.devices = ordinary;
	c.ndevices = 2;
	nri_find_devices(&env, &c, &r);
	is_int((int)r.nfound, 0, "ordinary devices have no node");
	c.devices = disk;
	c.ndevices = 1;
	c.paths = paths;
	c.interfaces = net;
	c.npaths = c.ninterfaces = 1;
	nri_find_devices(&env, &c, &r);
	is_int((int)r.nfound, 3, "a disk, a mounted disk and an interface are found");
	ok(strcmp(r.found[0].name, "nvme0n1") == 0 && r.found[0].node == 1 && r.found[1].node == 3 && r.found[2].node == 2,
	   "with their nodes");
	request_init(&r);
	c.all_devices = true;
	nri_find_devices(&env, &c, &r);
	is_int((int)r.nfound, 0, "the devices of a privileged container do not count");
	close(env.root);
	shell_in("/tmp", "rm -rf numaplace-nri-??????");
}

static void cgroups(void)
{
	static const struct {
		const char *path, *want;
	} cases[] = {
		{ "/kubepods/burstable/pod1/c1", "/kubepods/burstable/pod1/c1" },
		{ "kubepods-burstable-pod1.slice:cri-containerd:c1",
		  "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-c1.scope" },
		{ "system.slice:crio:c1", "/system.slice/crio-c1.scope" },
		{ ":crio:c1", "/system.slice/crio-c1.scope" },
		{ "-.slice:crio:c1", "/crio-c1.scope" },
		{ "", NULL },
		{ "kubepods/c1", NULL },
		{ "/a/../b", NULL },
		{ "a.slice:crio", NULL },
		{ "a--b.slice:crio:c1", NULL },
		{ "-a.slice:crio:c1", NULL },
		{ "a/b.slice:crio:c1", NULL },
		{ "a:crio:c1", NULL },
		{ "a.slice:crio:../c1", NULL },
	};
	char out[CGROUP_PATH_MAX], large[CGROUP_PATH_MAX + 8];
	struct error err;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int rc = oci_cgroup_path(cases[i].path, out, sizeof(out), &err);

		if (cases[i].want)
			is_str(rc == 0 ? out : err.text, cases[i].want, "\"%s\" is a cgroup", cases[i].path);
		else
			is_int(rc, -EINVAL, "\"%s\" is not one", cases[i].path);
	}
	memset(large, 'a', sizeof(large) - 1);
	large[0] = '/';
	large[sizeof(large) - 1] = '\0';
	is_int(oci_cgroup_path(large, out, sizeof(out), &err), -EINVAL, "a path over the limit is refused");
	/* Each dash makes the path longer. */
	for (size_t i = 0; i < 2000; i += 2)
		memcpy(large + i, "a-", 2);
	strcpy(large + 1999, ".slice:b:c");
	is_int(oci_cgroup_path(large, out, sizeof(out), &err), -EINVAL, "a slice that expands to one over the limit is refused");
}

int main(void)
{
	annotations();
	defaults();
	whole_pod();
	guaranteed();
	variables();
	cdi();
	devices();
	cgroups();
	return done();
}
