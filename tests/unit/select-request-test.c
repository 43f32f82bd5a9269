/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests: every key with accepted and refused values and the messages; sizes in both directions.
 */
#include "plugin/select/request.h"
#include "tests/unit/made.h"
#include "tests/unit/tap.h"

#include <errno.h>

static void takes(const char *key, const char *value, const char *as)
{
	struct request r;
	struct error err = { 0 };
	char back[512] = "";

	request_init(&r);
	if (request_set(&r, key, value, &err) == 0)
		request_format(&r, (enum request_key)request_find_key(key), back, sizeof(back));
	is_str(err.status ? err.text : back, as, "request %s=%s", key, value);
}

static void refuses(const char *key, const char *value, const char *why)
{
	struct request r, before;
	struct error err = { 0 };

	request_init(&r);
	before = r;
	if (!ok(request_set(&r, key, value, &err) == -EINVAL && !memcmp(&r, &before, sizeof(r)) &&
			strstr(err.text, key) && strstr(err.text, why),
		"request %s=\"%s\" is refused: %s", key, quote(value).text, why))
		printf("# %s\n", err.text);
}

static void test_cpu(void)
{
	takes("limits.cpu", "48", "48");
	takes("limits.cpu", "0-3,8", "0-3,8");
	takes("limits.cpu", "2-2", "2-2");
	takes("limits.cpu", "1000000", "1000000");
	refuses("limits.cpu", "0", "no CPU at all");
	refuses("limits.cpu", "-1", "a number is missing");
	refuses("limits.cpu", "4294967297", "more than 1000000 CPUs");
	refuses("limits.cpu", "99999999999999999999999999", "more than 1000000 CPUs");
	refuses("limits.cpu", "1-", "a number is missing");
	refuses("limits.cpu", "3-1", "runs backwards");
	refuses("limits.cpu", "abc", "a number is missing");
	refuses("limits.cpu", "", "empty");
	refuses("limits.cpu", " 4", "a number is missing");
	refuses("limits.cpu", "4\n", "not part of a list");
	refuses("limits.cpu", "0,^0", "leaves no CPU");
	takes("limits.cpu.nodes", "balanced", "balanced");
	takes("limits.cpu.nodes", "0-4,^3", "0-2,4");
	refuses("limits.cpu.nodes", "Balanced", "a number is missing");
	refuses("limits.cpu.nodes", "1,^1", "leaves no node");
	takes("limits.cpu.exclusive", "true", "true");
	takes("limits.cpu.exclusive", "True", "true");
	takes("limits.cpu.exclusive", "1", "true");
	takes("limits.cpu.exclusive", "YES", "true");
	takes("limits.cpu.exclusive", "on", "true");
	takes("limits.cpu.exclusive", "FALSE", "false");
	takes("limits.cpu.exclusive", "0", "false");
	takes("limits.cpu.exclusive", "no", "false");
	takes("limits.cpu.exclusive", "Off", "false");
	takes("limits.cpu.exclusive", "isolated", "isolated");
	takes("limits.cpu.exclusive", "Isolated", "isolated");
	refuses("limits.cpu.exclusive", "y", "not true, false or isolated");
	refuses("limits.cpu.exclusive", "2", "not true, false or isolated");
	refuses("limits.cpu.exclusive", "", "not true, false or isolated");
	takes("limits.cpu.device", "0000:3b:00.0", "0000:3b:00.0");
	refuses("limits.cpu.device", "../eth0", "not a device name");
	refuses("limits.cpu.device", "a/b", "not a device name");
	refuses("limits.cpu.device", "", "1 to 127 characters");
}

static void test_places(void)
{
	takes("limits.cpu.nodes", "all:0-4,^3", "all:0-2,4");
	takes("limits.cpu.nodes", "all:7", "all:7");
	refuses("limits.cpu.nodes", "all", "all of which nodes?");
	refuses("limits.cpu.nodes", "all:", "all of which nodes?");
	refuses("limits.cpu.nodes", "all:balanced", "all of which nodes?");
	refuses("limits.cpu.nodes", "all:all:1", "a number is missing");
	refuses("limits.cpu.nodes", "all:1,^1", "leaves no node");
	takes("limits.cpu.class", "any", "any");
	takes("limits.cpu.class", "performance", "performance");
	takes("limits.cpu.class", "efficient", "efficient");
	takes("limits.cpu.class", "isolated", "isolated");
	refuses("limits.cpu.class", "fast", "not any, performance, efficient or isolated");
	refuses("limits.cpu.class", "", "not any, performance");
	takes("limits.cpu.threads", "all", "all");
	takes("limits.cpu.threads", "one", "one");
	refuses("limits.cpu.threads", "2", "not all or one");
	takes("limits.cpu.work", "compute", "compute");
	takes("limits.cpu.work", "latency", "latency");
	takes("limits.cpu.work", "bandwidth", "bandwidth");
	takes("limits.cpu.irq", "none", "none");
	takes("limits.cpu.irq", "away", "away");
	takes("limits.cpu.irq", "near", "near");
	refuses("limits.cpu.irq", "true", "not none, away or near");
	refuses("limits.cpu.irq", "", "not none, away or near");
	refuses("limits.cpu.work", "any", "not compute, latency or bandwidth");
	refuses("limits.cpu.work", "Compute", "not compute, latency or bandwidth");
	refuses("limits.cpu.work", "", "not compute, latency or bandwidth");
	takes("limits.memory.nodes", "8", "8");
	takes("limits.memory.nodes", "0-4,^3", "0-2,4");
	refuses("limits.memory.nodes", "", "empty");
	refuses("limits.memory.nodes", "balanced", "a number is missing");
	refuses("limits.memory.nodes", "1,^1", "leaves no node");
	takes("limits.cpu.device", "eth0,nvme0n1,0000:3b:00.0", "eth0,nvme0n1,0000:3b:00.0");
	takes("limits.cpu.device", "a,b,c,d,e,f,g,h", "a,b,c,d,e,f,g,h");
	refuses("limits.cpu.device", "a,b,c,d,e,f,g,h,i", "more than 8 devices");
	refuses("limits.cpu.device", "eth0,sda,eth0", "named twice");
	refuses("limits.cpu.device", "eth0,", "1 to 127 characters");
	refuses("limits.cpu.device", ",eth0", "1 to 127 characters");
	refuses("limits.cpu.device", "eth0,../sda", "not a device name");
	refuses("limits.cpu.device", "eth0, sda", "not a device name");
	refuses("limits.cpu.device", "e\xc2\x9b", "not a device name");
	takes("limits.cpu.device", "auto", "auto");
	takes("limits.cpu.device", "none", "none");
	takes("limits.cpu.device", "require:auto", "require:auto");
	takes("limits.cpu.device", "require:eth0,3b:00.0", "require:eth0,0000:3b:00.0");
	refuses("limits.cpu.device", "require:none", "expected after require:");
	refuses("limits.cpu.device", "require:", "1 to 127 characters");
	refuses("limits.cpu.device", "require:require:eth0", "not a PCI address");
}

static void test_pci(void)
{
	takes("limits.cpu.device", "3b:00.0", "0000:3b:00.0");
	takes("limits.cpu.device", "3B:1F.7", "0000:3b:1f.7");
	takes("limits.cpu.device", "3:0.0", "0000:03:00.0");
	takes("limits.cpu.device", "0:3b:00.0", "0000:3b:00.0");
	takes("limits.cpu.device", "0000:3B:00.0", "0000:3b:00.0");
	takes("limits.cpu.device", "00000000:3B:00.0", "0000:3b:00.0");
	takes("limits.cpu.device", "00010000:3b:00.0", "10000:3b:00.0");
	takes("limits.cpu.device", "10000:e1:00.0", "10000:e1:00.0");
	takes("limits.cpu.device", "pci-0000:3b:00.0", "0000:3b:00.0");
	takes("limits.cpu.device", "pci@0000:3b:00.0", "0000:3b:00.0");
	takes("limits.cpu.device", "pci:0000:3b:00.0", "0000:3b:00.0");
	takes("limits.cpu.device", "pci_0000_3b_00_0", "0000:3b:00.0");
	takes("limits.cpu.device", "/dev/nvme0n1,eth0", "nvme0n1,eth0");
	takes("limits.cpu.device", "pci-bridge0", "pci-bridge0");
	refuses("limits.cpu.device", "3b:00", "not a PCI address");
	refuses("limits.cpu.device", "3b:00.8", "not a PCI address");
	refuses("limits.cpu.device", "3b:20.0", "not a PCI address");
	refuses("limits.cpu.device", "13b:00.0", "0000:3b:00.0 or 3b:00.0");
	refuses("limits.cpu.device", "000000000:3b:00.0", "not a PCI address");
	refuses("limits.cpu.device", "0000:3b:00.0:1", "not a PCI address");
	refuses("limits.cpu.device", "PCI:59:0:0", "not a PCI address");
	refuses("limits.cpu.device", "eth0:1", "not a PCI address");
	refuses("limits.cpu.device", "3b:00.0,0000:3B:00.0", "named twice");
	refuses("limits.cpu.device", "/dev/mapper/root", "not a device name");
	refuses("limits.cpu.device", "/dev/", "1 to 127 characters");
	refuses("limits.cpu.device", "/dev/../eth0", "not a device name");
}

static void test_memory(void)
{
	takes("limits.memory", "30GiB", "30GiB");
	takes("limits.memory", "512MB", "500000KiB");
	takes("limits.memory", "1048576", "1MiB");
	takes("limits.memory", "1000", "1000");
	refuses("limits.memory", "0", "no memory at all");
	refuses("limits.memory", "-5", "a size like");
	refuses("limits.memory", "GiB", "a size like");
	takes("limits.memory", "1.5GiB", "1536MiB");
	takes("limits.memory", "0.5Gi", "512MiB");
	takes("limits.memory", "1.5GB", "1500000000");
	takes("limits.memory", "1.1GiB", "1181116007");
	takes("limits.memory", "8G", "8GiB");
	takes("limits.memory", "8g", "8GiB");
	takes("limits.memory", "8Gi", "8GiB");
	takes("limits.memory", "8gib", "8GiB");
	takes("limits.memory", "8GB", "7812500KiB");
	takes("limits.memory", "512m", "512MiB");
	takes("limits.memory", "512M", "512MiB");
	takes("limits.memory", "512Mi", "512MiB");
	takes("limits.memory", "64k", "64KiB");
	takes("limits.memory", "64Ki", "64KiB");
	takes("limits.memory", "64kB", "64000");
	takes("limits.memory", "2T", "2TiB");
	takes("limits.memory", "1EiB", "1EiB");
	takes("limits.memory", "1e9", "1000000000");
	takes("limits.memory", "1.5e9", "1500000000");
	takes("limits.memory", "129E6", "129000000");
	takes("limits.memory", "2e+3", "2000");
	takes("limits.memory", "4096 bytes", "4KiB");
	takes("limits.memory", "4096bytes", "4KiB");
	takes("limits.memory", "4096B", "4KiB");
	refuses("limits.memory", "128974848000m", "a thousandth of a byte in Kubernetes");
	refuses("limits.memory", "8gb", "known are B, kB, MB, GB");
	refuses("limits.memory", "8Gib/s", "unknown unit \"Gib/s\"");
	refuses("limits.memory", "8 gigabytes", "unknown unit \" gigabytes\"");
	refuses("limits.memory", "1.GiB", "a size like");
	refuses("limits.memory", ".5GiB", "a size like");
	refuses("limits.memory", "1.5", "a unit is missing");
	refuses("limits.memory", "1,5GiB", "unknown unit");
	refuses("limits.memory", "1.1234567890GiB", "a size like");
	refuses("limits.memory", "1e19", "unknown unit");
	refuses("limits.memory", "1e18e", "unknown unit");
	refuses("limits.memory", "2e18", "more than 1EiB");
	refuses("limits.memory", "1.000000001EiB", "more than 1EiB");
	refuses("limits.memory", "0.0GiB", "no memory at all");
	refuses("limits.memory", "1e-3", "unknown unit");
	refuses("limits.memory", "8u", "unknown unit");
	refuses("limits.memory", "3 GiB", "unknown unit");
	refuses("limits.memory", "2EiB", "more than 1EiB");
	refuses("limits.memory", "18446744073709551617", "more than 1EiB");
	refuses("limits.memory", "50%", "only valid under Incus");
	takes("limits.memory.hugepages", "true", "true");
	takes("limits.memory.hugepages", "2MiB=64,1GiB=4", "2MiB=64,1GiB=4");
	takes("limits.memory.hugepages", "2MB=64,1GB=4,64KB=1", "2MiB=64,1GiB=4,64KiB=1");
	takes("limits.memory.hugepages", "2M=64,1g=4", "2MiB=64,1GiB=4");
	takes("limits.memory.hugepages", "2048kB=64,1048576kB=4", "2MiB=64,1GiB=4");
	takes("limits.memory.hugepages", "2Mi=64,1Gi=4", "2MiB=64,1GiB=4");
	takes("limits.memory.hugepages", "2097152=64,16mb=1", "2MiB=64,16MiB=1");
	takes("limits.memory.hugepages", "Yes", "true");
	refuses("limits.memory.hugepages", "2MB=1,2MiB=1", "twice");
	refuses("limits.memory.hugepages", "2QB=1", "known are KB, MB, GB");
	refuses("limits.memory.hugepages", "0=1", "power of two");
	refuses("limits.memory.hugepages", "2EiB=1", "power of two, up to 1EiB");
	refuses("limits.memory.hugepages", "=1", "a page size like");
	refuses("limits.memory.hugepages", "1.5MB=1", "unknown unit");
	refuses("limits.memory.hugepages", "2MiB", "not true, false");
	refuses("limits.memory.hugepages", "3MiB=1", "power of two");
	refuses("limits.memory.hugepages", "2MiB=1,2MiB=1", "twice");
	refuses("limits.memory.hugepages", "2MiB=-1", "not a number of pages");
	refuses("limits.memory.hugepages", "2MiB=1,", "not true, false");
	refuses("limits.memory.hugepages", "1GiB=1099511627776", "more than 1EiB");
	takes("limits.memory.policy", "weighted-interleave", "weighted-interleave");
	refuses("limits.memory.policy", "bind", "not strict, preferred");
	takes("volatile.cpu.nodes", "0,1", "0,1");
}

static void test_twice(void)
{
	struct request r;
	struct error err = { 0 };

	request_init(&r);
	request_set(&r, "limits.cpu", "4", NULL);
	ok(request_set(&r, "limits.cpu", "4", &err) == 0, "the same value given twice is accepted");
	ok(request_set(&r, "limits.cpu", "5", &err) == -EINVAL && strstr(err.text, "given twice with different values"),
	   "two different values are refused: %s", err.text);
	is_int(r.cpu_count, 4, "two different values: the first is kept");
	request_set(&r, "limits.memory.nodes", "1-3", NULL);
	ok(request_set(&r, "limits.memory.nodes", "1,2,3", &err) == 0,
	   "the same nodes in another spelling are accepted");
	is_int(request_set(&r, "limits.memory.nodes", "1", &err), -EINVAL, "different memory nodes are refused");
	request_set(&r, "limits.cpu.nodes", "0-3", NULL);
	is_int(request_set(&r, "limits.cpu.nodes", "all:0-3", &err), -EINVAL, "all:NODES beside NODES is refused");
	request_set(&r, "limits.cpu.device", "eth0,sda", NULL);
	is_int(request_set(&r, "limits.cpu.device", "eth0", &err), -EINVAL, "a shorter list of devices is refused");
	is_int(request_set(&r, "limits.cpu.device", "auto", &err), -EINVAL, "auto beside a list of devices is refused");
	is_int(request_set(&r, "limits.cpu.device", "require:eth0,sda", &err), -EINVAL,
	       "a list of devices that is required beside one that is not is refused");
	ok(request_set(&r, "limits.cpu.node", "1", &err) == -ENOENT, "an unknown key is reported as -ENOENT");
}

static void test_variables(void)
{
	static const struct {
		const char *name;
		int key;
	} cases[] = {
		{ "NUMAPLACE_LIMITS_CPU", KEY_CPU },
		{ "NUMAPLACE_LIMITS_CPU_NODES", KEY_CPU_NODES },
		{ "NUMAPLACE_LIMITS_CPU_", -ENOENT },
		{ "NUMAPLACE_LIMITS_CPU.NODES", -ENOENT },
		{ "NUMAPLACE_LIMITS_cpu", -ENOENT },
		{ "NUMAPLACE_LIMITS_", -ENOENT },
		{ "NUMAPLACE_LIMITS", -1 },
		{ "NUMAPLACE_CPUS", -1 },
		{ "NUMAPLACE_VOLATILE_CPU_NODES", -1 },
		{ "", -1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		is_int(request_find_variable(cases[i].name, strlen(cases[i].name)), cases[i].key, "variable \"%s\"",
		       cases[i].name);
	is_int(request_find_variable("NUMAPLACE_LIMITS_CPU_NODES=1", 20), KEY_CPU, "a variable ends where its length says");
	for (int k = 0; k < KEY_COUNT; k++) {
		struct variable_name name = request_variable((enum request_key)k);

		if (!request_key_is_hint(k))
			is_int(request_find_variable(name.text, strlen(name.text)), k, "variable %s", name.text);
	}
}

static void test_change_devices(void)
{
	struct request r, changes;
	char text[200];

	request_init(&r);
	request_init(&changes);
	request_set(&r, "limits.cpu.device", "eth0,sda", NULL);
	r.nfound = 1;
	request_set(&changes, "limits.cpu.device", "require:auto", NULL);
	request_change(&r, &changes);
	request_format(&r, KEY_CPU_DEVICE, text, sizeof(text));
	is_str(text, "require:auto", "a change of limits.cpu.device replaces names by require:auto");
	is_int(r.nfound, 1, "a change of limits.cpu.device keeps the devices that were found");
}

static void test_together(void)
{
	struct request r;
	struct error err = { 0 };

	request_init(&r);
	ok(!request_asks(&r), "an empty request is not a request");
	request_set(&r, "volatile.cpu.nodes", "1", NULL);
	ok(!request_asks(&r), "a volatile key alone is not a request");
	request_set(&r, "limits.cpu.exclusive", "true", NULL);
	ok(request_asks(&r) && request_finish(&r, &err) == -EINVAL && strstr(err.text, "needs limits.cpu"),
	   "exclusive without a number of CPUs is refused: %s", err.text);
	request_fallback_cpus(&r, 150000, 100000);
	ok(r.cpu_count == 2 && request_finish(&r, &err) == 0, "the runtime's quota is rounded up to CPUs");
	request_fallback_cpus(&r, 900000, 100000);
	is_int(r.cpu_count, 2, "the runtime's quota does not override a number of CPUs");
	request_init(&r);
	request_set(&r, "limits.cpu", "0-3", NULL);
	request_set(&r, "limits.cpu.threads", "one", NULL);
	ok(request_finish(&r, &err) == -EINVAL && strstr(err.text, "to be a number of cores"),
	   "threads=one with a list of CPUs is refused: %s", err.text);
	request_init(&r);
	request_set(&r, "limits.cpu", "2", NULL);
	request_set(&r, "limits.cpu.irq", "away", NULL);
	ok(request_finish(&r, &err) == -EINVAL && strstr(err.text, "limits.cpu.irq: \"away\": needs limits.cpu.exclusive"),
	   "irq=away without exclusive CPUs is refused: %s", err.text);
	request_set(&r, "limits.cpu.exclusive", "isolated", NULL);
	is_int(request_finish(&r, &err), 0, "irq=away with exclusive CPUs is accepted");
	request_init(&r);
	request_set(&r, "limits.cpu.irq", "near", NULL);
	is_int(request_finish(&r, &err), 0, "irq=near needs no exclusive CPUs");
	request_set(&r, "limits.cpu.device", "none", NULL);
	ok(request_finish(&r, &err) == -EINVAL && strstr(err.text, "not allowed beside limits.cpu.device = none"),
	   "irq=near without devices is refused: %s", err.text);
	request_init(&r);
	request_set(&r, "limits.cpu", "0-3", NULL);
	request_set(&r, "limits.cpu.class", "efficient", NULL);
	ok(request_finish(&r, &err) == -EINVAL && strstr(err.text, "not allowed beside a list in limits.cpu"),
	   "class with a list of CPUs is refused: %s", err.text);
	request_init(&r);
	request_fallback_cpus(&r, 150000, UINT64_MAX - 1000);
	is_int(r.cpu_count, 1, "a quota with a very long period is one CPU");
	request_init(&r);
	request_set(&r, "limits.memory.hugepages", "true", NULL);
	ok(request_finish(&r, &err) == -EINVAL && strstr(err.text, "needs limits.memory"),
	   "hugepages=true without memory is refused: %s", err.text);
	request_fallback_memory(&r, 1 << 30);
	ok(request_finish(&r, &err) == 0 && r.memory == 1 << 30, "hugepages=true uses the runtime's memory limit");
	request_init(&r);
	request_fallback_cpus(&r, -1, 100000);
	request_fallback_cpus(&r, 100000, 0);
	request_fallback_memory(&r, -1);
	ok(!r.cpu_count && !r.memory, "no quota, no period and no limit give no request");
	ok(request_fallback_hugepages(&r, 2 << 20, 64 << 20, &err) == 0 && r.nhuge == 1 && r.huge[0].count == 32,
	   "the runtime's hugepage limit is a number of pages");
}

static void test_sizes(void)
{
	struct rnd rnd = { 3 };
	unsigned int same = 0;

	for (int i = 0; i < 5000; i++) {
		uint64_t v = ((uint64_t)rnd_below(&rnd, 1U << 30) + 1) << rnd_below(&rnd, 30), back = 0;
		char text[32];

		size_format(v, text, sizeof(text));
		same += size_parse(text, &back, NULL) == 0 && back == v;
	}
	is_int(same, 5000, "5000 sizes: format and parse give the same bytes");
}

/* Each key of a change replaces the same key of a request, and no other. */
static void test_change(void)
{
	static const char *const was[KEY_COUNT] = { "4", "balanced", "true", "eth0", "performance", "one", "compute", "away",
						    "1GiB", "8", "2MiB=64", "preferred", "0", "1" };
	static const char *const becomes[KEY_COUNT] = { "0-3", "0-1", "false", "sda", "efficient", "all", "latency", "near",
							"2GiB", "9", "1GiB=1", "interleave", "2", "3" };
	struct request r, change;
	unsigned int wrong = 0;

	for (unsigned int k = 0; k < KEY_COUNT; k++) {
		request_init(&r);
		request_init(&change);
		for (unsigned int i = 0; i < KEY_COUNT; i++)
			request_set(&r, request_keys[i], was[i], NULL);
		request_set(&change, request_keys[k], becomes[k], NULL);
		request_change(&r, &change);
		for (unsigned int i = 0; i < KEY_COUNT; i++) {
			char text[128] = "";

			request_format(&r, (enum request_key)i, text, sizeof(text));
			wrong += strcmp(text, i == k ? becomes[i] : was[i]) != 0;
		}
	}
	is_int(wrong, 0, "a change replaces its key alone, for each of %d keys", KEY_COUNT);
}

int main(void)
{
	test_cpu();
	test_places();
	test_pci();
	test_memory();
	test_twice();
	test_variables();
	test_change_devices();
	test_together();
	test_change();
	test_sizes();
	return done();
}
