/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * backup.yaml and lxc.conf as Incus 6.0 and LXD 5.0 write them, and the requests made of their keys.
 */
#include "runtime-hooks/incus/incus-api.h"
#include "runtime-hooks/incus/incus-config.h"
#include "runtime-hooks/incus/incus-hook.h"
#include "tests/unit/shell.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* As written by Incus 6.0.4; a container's top-level key is "container". */
static const char backup[] =
	"container:\n"
	"  config:\n"
	"    limits.cpu: \"2\"\n"
	"  expanded_config:\n"
	"    limits.cpu: \"4\"\n"
	"    limits.cpu.nodes: balanced\n"
	"    limits.memory: 300MiB\n"
	"    raw.lxc: |\n"
	"      lxc.hook.start-host = sh -c 'x: y'\n"
	"    user.numaplace.limits.memory.policy: strict\n"
	"    volatile.cpu.nodes: 2,3\n"
	"    volatile.idmap.current: '[{\"Isuid\":true}]'\n"
	"  expanded_devices:\n"
	"    root: { path: /, pool: default }\n"
	"  profiles:\n"
	"  - default\n"
	"  name: c1\n"
	"  type: container\n"
	"pool:\n"
	"  name: default\n"
	"profiles:\n"
	"- config: {}\n"
	"  name: default\n";

static void test_backup(void)
{
	struct incus_config c = { 0 };
	struct error err = { 0 };
	int r = incus_config_parse(backup, strlen(backup), "backup.yaml", &c, &err);

	is_int(r, 0, "backup.yaml of Incus 6.0: %s", err.text);
	is_str(c.name, "c1", "backup.yaml: the instance's name, not the pool's");
	is_str(c.type, "container", "backup.yaml: type");
	ok(!c.profile, "backup.yaml: a raw.lxc without the hook is not the profile");
	is_str(c.native[KEY_CPU], "4", "backup.yaml: limits.cpu of the expanded configuration");
	is_str(c.native[KEY_CPU_NODES], "balanced", "backup.yaml: limits.cpu.nodes");
	is_str(c.native[KEY_VOLATILE_CPU_NODES], "2,3", "backup.yaml: volatile.cpu.nodes");
	is_str(c.asked[KEY_MEMORY_POLICY], "strict", "backup.yaml: user.numaplace.limits.memory.policy");
	incus_config_free(&c);
}

/* One line for each device of the instance that is looked up below a root that has them. */
static void test_devices(void)
{
	static const char text[] =
		"instance:\n"
		"  expanded_devices:\n"
		"    root: { path: /, pool: default, type: disk }\n"
		"    data: { path: /data, source: /dev/sda, type: disk }\n"
		"    share: { path: /s, source: /srv, type: disk }\n"
		"    eth0: { name: eth0, network: incusbr0, type: nic }\n"
		"    eth1: { nictype: physical, parent: ens1, type: nic }\n"
		"    eth2: { nictype: macvlan, parent: ens2, type: nic }\n"
		"    ib0: { type: infiniband, parent: ib1, nictype: sriov }\n"
		"    gpu0: { type: gpu, pci: \"0000:3b:00.0\" }\n"
		"    gpu1: { type: gpu, id: \"1\" }\n"
		"    gpus: { type: gpu }\n"
		"    vf: { type: pci, address: \"0000:5e:00.1\" }\n"
		"    kvm: { type: unix-char, path: /dev/kvm }\n"
		"    ssd: { type: unix-block, source: /dev/sdb, path: /dev/x }\n"
		"  name: c1\n";
	static const char *const found[] = { "sda", "ens1", "ib1", "0000:3b:00.0", "card1", "0000:5e:00.1", "sdb" };
	static char dir[] = "/tmp/numaplace-incus-XXXXXX";
	struct device_found out[DEVICES_FOUND_MAX];
	struct incus_config c = { 0 };
	struct error err = { 0 };
	unsigned int n;
	int root;

	if (!mkdtemp(dir))
		abort();
	shell_in(dir, "mkdir -p sys/class/net sys/class/drm sys/class/block sys/bus/pci/devices && "
		      "for d in net/ens1 net/ens2 net/ib1 net/incusbr0 drm/card1 block/sda block/sdb; do mkdir sys/class/$d; "
		      "echo 1 > sys/class/$d/numa_node; done; for d in 0000:3b:00.0 0000:5e:00.1; do mkdir "
		      "sys/bus/pci/devices/$d; echo 1 > sys/bus/pci/devices/$d/numa_node; done");
	root = open(dir, O_PATH | O_DIRECTORY);
	is_int(incus_config_parse(text, strlen(text), "backup.yaml", &c, &err), 0, "devices of an instance: %s", err.text);
	n = device_refs_find(root, &c.devices, out);
	is_int(n, sizeof(found) / sizeof(*found), "the devices that are hardware of the host");
	for (unsigned int i = 0; i < n && i < sizeof(found) / sizeof(*found); i++)
		is_str(out[i].name, found[i], "device %u of an instance", i);
	incus_config_free(&c);
	close(root);
	shell_in("/tmp", "rm -rf numaplace-incus-??????");
}

static void refused(const char *text, size_t len, const char *message)
{
	struct incus_config c = { 0 };
	struct error err = { 0 };

	is_int(incus_config_parse(text, len, "b", &c, &err), -EINVAL, "malformed backup.yaml is refused");
	is_str(err.text, message, "malformed backup.yaml: message");
	incus_config_free(&c);
}

static void test_hostile(void)
{
	static char deep[200000];
	cleanup_incus_config struct incus_config c = { 0 };
	struct error err;

	refused("", 0, "b: empty");
	refused("x: [", 4, "b: did not find expected node content (line 2)");
	refused("{}", 2, "b: contains no instance");
	refused("- a\n", 4, "b: a mapping is expected (line 1)");
	refused("text", 4, "b: a mapping is expected (line 1)");
	refused("instance: 5\n", 12, "b: instance: a mapping is expected (line 1)");
	refused("instance:\n- a\n", 14, "b: instance: a mapping is expected (line 2)");
	refused("instance: {expanded_devices: {a: b}}", 36, "b: a: a mapping is expected (line 1)");
	refused("instance: {expanded_devices: {a: {type: [b]}}}", 46, "b: type: a text is expected (line 1)");
	refused("instance: {name: [a]}", 21, "b: name: a text is expected (line 1)");
	refused("instance: {name: a, name: b}", 28, "b: name: given twice (line 1)");
	refused("instance: {name: a}\ninstance: {name: b}", 39, "b: instance: given twice (line 2)");
	refused("instance: &x {name: a}", 22, "b: anchors and aliases are not supported (line 1)");
	refused("a: &x b\nc: *x", 13, "b: anchors and aliases are not supported (line 1)");
	refused("instance: {name: a}\n---\nb: c\n", 29, "b: more than one document (line 2)");
	refused("instance: {name: \"a\\0b\"}", 24, "b: name: contains a NUL (line 1)");
	refused("? [a]\n: b\n", 10, "b: a key that is not text (line 1)");
	refused("instance: {expanded_config: {user.numaplace.limits.cpus: 4}}", 60,
		"b: user.numaplace.limits.cpus: \"4\": no such key");
	memset(deep, '[', sizeof(deep));
	memcpy(deep, "x: ", 3);
	refused(deep, sizeof(deep), "b: nested deeper than 32 (line 1)");
	for (size_t i = 3; i + 1 < sizeof(deep); i += 2)
		memcpy(deep + i, "- ", 2);
	is_int(incus_config_parse(deep, sizeof(deep), "b", &c, &err), -EINVAL,
	       "a hundred thousand nested sequences are refused: %s", err.text);
	is_int(incus_config_parse(deep, INCUS_BACKUP_MAX + 1, "b", &c, &err), -EINVAL,
	       "a backup.yaml above the size limit is refused: %s", err.text);
}

/* Plans for "KEY=VALUE ...". Returns "behind limits.cpu.nodes=2-3 cpus=4 memory=...", or the error. */
static const char *plan(const char *keys, const struct conf *conf)
{
	static const char *const ways[] = { "leave", "behind", "ahead" };
	static char out[800];
	struct incus_config c = { 0 };
	enum incus_way way = INCUS_LEAVE;
	struct request r;
	struct error err = { 0 };
	char *copy = strdup(keys), *rest = copy;
	int status = 0;

	for (char *word; status == 0 && (word = strsep(&rest, " "));) {
		char *equals = strchr(word, '=');

		if (!equals)
			continue;
		*equals = '\0';
		status = incus_config_add(&c, word, equals + 1, &err);
	}
	free(copy);
	if (status == 0)
		status = incus_config_settle(&c, conf, &err);
	if (status == 0)
		status = incus_plan(&c, conf, 1ULL << 30, &way, &r, &err);
	incus_config_free(&c);
	if (status < 0)
		return strcpy(out, err.text);
	strcpy(out, ways[way]);
	if (way == INCUS_LEAVE)
		return out;
	for (int k = 0; k < KEY_COUNT; k++) {
		char value[200];

		if (request_format(&r, (enum request_key)k, value, sizeof(value)))
			sprintf(out + strlen(out), " %s=%s", request_keys[k], value);
	}
	if (r.memory && !(r.given & 1U << KEY_MEMORY))
		sprintf(out + strlen(out), " own-memory=%llu", (unsigned long long)r.memory);
	if (r.nhuge && !(r.given & 1U << KEY_MEMORY_HUGEPAGES))
		sprintf(out + strlen(out), " own-huge=%llux%llu", (unsigned long long)r.huge[0].count,
			(unsigned long long)r.huge[0].size);
	return out;
}

static void test_follow(void)
{
	struct conf conf;

	conf_init(&conf);
	is_str(plan("", &conf), "leave", "follow: no keys: not placed");
	is_str(plan("limits.cpu=4 limits.memory=1GiB", &conf), "leave",
	       "follow: without nodes, Incus's own choice is left alone");
	is_str(plan("limits.cpu=4 limits.cpu.nodes=balanced volatile.cpu.nodes=0,1", &conf),
	       "behind limits.cpu=4 limits.cpu.nodes=0-1", "follow: balanced uses the nodes that Incus chose");
	is_str(plan("limits.cpu.nodes=1,3 volatile.cpu.nodes=0", &conf), "behind limits.cpu.nodes=1,3",
	       "follow: a list is used instead of old volatile nodes");
	is_str(plan("limits.cpu.nodes=1 limits.cpu=2-5", &conf), "behind limits.cpu.nodes=1",
	       "follow: CPUs pinned beside nodes");
	is_str(plan("limits.cpu.nodes=1 limits.memory=50%", &conf), "behind limits.cpu.nodes=1 own-memory=536870900",
	       "follow: half of a GiB");
	is_str(plan("limits.cpu.nodes=1 limits.memory=150%", &conf), "behind limits.cpu.nodes=1 own-memory=1610612700",
	       "follow: a ceiling above the memory of the host");
	is_str(plan("limits.cpu.nodes=1 limits.memory=1GiB user.numaplace.limits.memory=64MiB", &conf),
	       "behind limits.cpu.nodes=1 limits.memory=64MiB",
	       "follow: requested memory is used instead of the ceiling");
	is_str(plan("limits.cpu.nodes=1 limits.hugepages.2MB=64MiB", &conf),
	       "behind limits.cpu.nodes=1 own-huge=32x2097152", "follow: hugepages up to the limit must be available");
	is_str(plan("limits.cpu.nodes=balanced", &conf),
	       "limits.cpu.nodes: \"balanced\": volatile.cpu.nodes is missing",
	       "follow: balanced without volatile.cpu.nodes is refused");
	is_str(plan("limits.cpu=2 user.numaplace.limits.cpu.exclusive=true", &conf),
	       "user.numaplace.limits.cpu.exclusive: \"true\": needs user.numaplace.mode = lead: with follow the "
	       "daemon chooses the CPUs",
	       "follow: exclusive CPUs are refused");
	is_str(plan("limits.cpu.nodes=2,3 user.numaplace.limits.cpu.nodes=balanced", &conf),
	       "behind limits.cpu.nodes=2-3",
	       "follow: nodes from an earlier placement are used, beside the requested ones");
	is_str(plan("limits.cpu=2-3", &conf), "leave", "follow: pinned CPUs without a request are left alone");
	is_str(plan("limits.cpu=2-3 user.numaplace.mode=follow", &conf), "behind limits.cpu=2-3",
	       "mode=follow: nodes of the pinned CPUs");
	is_str(plan("limits.cpu=2 user.numaplace.mode=follow", &conf), "leave",
	       "mode=follow: a number of CPUs is not a pin");
	conf.without_keys = DEFAULT_FOLLOW_PINS;
	is_str(plan("limits.cpu=2-3", &conf), "behind limits.cpu=2-3", "follow-pins: nodes of the pinned CPUs");
	is_str(plan("limits.cpu=2", &conf), "leave", "follow-pins: a number of CPUs is not a pin");
}

static void test_lead(void)
{
	struct conf conf;

	conf_init(&conf);
	is_str(plan("user.numaplace.mode=lead limits.cpu=4 limits.cpu.nodes=balanced volatile.cpu.nodes=0,1", &conf),
	       "ahead limits.cpu=4 limits.cpu.nodes=balanced", "lead: the nodes that Incus chose are not a pin");
	is_str(plan("user.numaplace.mode=lead limits.cpu=4", &conf), "ahead limits.cpu=4 limits.cpu.nodes=balanced",
	       "lead: the mode alone is a request");
	is_str(plan("user.numaplace.mode=lead user.numaplace.limits.cpu.nodes=1-3 limits.cpu.nodes=2", &conf),
	       "ahead limits.cpu.nodes=1-3", "lead: the requested nodes are used, not Incus's");
	is_str(plan("user.numaplace.mode=lead limits.cpu=2 user.numaplace.limits.cpu=4", &conf),
	       "limits.cpu: \"2\": given twice with different values", "lead: two different numbers of CPUs are refused");
	is_str(plan("user.numaplace.mode=leads", &conf), "user.numaplace.mode: \"leads\": not follow or lead",
	       "an unknown mode is refused");
	is_str(plan("user.numaplace.mode=lead user.numaplace.limits.memory=lots", &conf),
	       "user.numaplace.limits.memory: \"lots\": a size like 30GiB, 1.5GiB, 512MB or a number of bytes is "
	       "expected",
	       "a bad value: the message has the full key");
	is_str(plan("user.numaplace.mode=lead environment.PATH=/bin environment.NUMAPLACE_LIMITS_CPU=3", &conf),
	       "ahead limits.cpu=3 limits.cpu.nodes=balanced", "lead: a variable is a key");
	is_str(plan("user.numaplace.mode=lead environment.NUMAPLACE_LIMITS_CPU=3 environment.NUMAPLACE_LIMITS_MEMORY=", &conf),
	       "ahead limits.cpu=3 limits.cpu.nodes=balanced", "lead: an empty variable does not count");
	is_str(plan("user.numaplace.mode=lead user.numaplace.limits.memory=1GiB environment.NUMAPLACE_LIMITS_MEMORY=1024MiB",
		    &conf),
	       "ahead limits.cpu.nodes=balanced limits.memory=1GiB", "lead: a key and a variable with equal values");
	is_str(plan("user.numaplace.mode=lead user.numaplace.limits.cpu=2 environment.NUMAPLACE_LIMITS_CPU=3", &conf),
	       "user.numaplace.limits.cpu is \"2\" but NUMAPLACE_LIMITS_CPU is \"3\"",
	       "a key and a variable with different values are refused");
	is_str(plan("user.numaplace.mode=lead environment.NUMAPLACE_LIMITS_CPU=0", &conf),
	       "NUMAPLACE_LIMITS_CPU: limits.cpu: \"0\": no CPU at all; leave the key out, or ask for 1 or more",
	       "a bad value of a variable: the message has its name");
	is_str(plan("environment.NUMAPLACE_LIMITS_CPUS=0", &conf), "environment.NUMAPLACE_LIMITS_CPUS: no such key",
	       "a variable that is no key is refused");
	is_str(plan("environment.NUMAPLACE_LIMITS_CPU=2", &conf),
	       "NUMAPLACE_LIMITS_CPU: \"2\": needs user.numaplace.mode = lead: with follow the daemon chooses the CPUs",
	       "follow: a variable for the CPUs is refused");
	conf.environment = ENVIRONMENT_OFF;
	is_str(plan("environment.NUMAPLACE_LIMITS_CPU=2", &conf), "leave", "environment-keys = false: variables do not count");
	conf.environment = ENVIRONMENT_USUAL;
	conf.incus_mode = INCUS_LEAD;
	is_str(plan("limits.cpu=4", &conf), "leave", "incus-mode = lead: an instance without keys is not placed");
	is_str(plan("limits.cpu=4 limits.cpu.nodes=balanced", &conf), "ahead limits.cpu=4 limits.cpu.nodes=balanced",
	       "incus-mode = lead: an instance with keys is placed");
	is_str(plan("limits.cpu.nodes=1 user.numaplace.mode=follow", &conf), "behind limits.cpu.nodes=1",
	       "incus-mode = lead: an instance with mode=follow");
	conf.container_keys = 1U << KEY_CPU;
	is_str(plan("user.numaplace.limits.cpu.exclusive=true limits.cpu=2", &conf),
	       "user.numaplace.limits.cpu.exclusive: \"true\": containers may not set this key (container-keys)",
	       "a key that container-keys does not allow is refused");
}

static char said[800];

static void note(const char *line)
{
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s\n", line);
}

/* The warnings about one of Incus's own keys, on a host with @host_memory bytes (0: unknown). */
static void doubted(const char *key, const char *value, uint64_t host_memory, const char *wanted)
{
	cleanup_incus_config struct incus_config c = { 0 };

	incus_config_add(&c, key, value, NULL);
	*said = '\0';
	incus_doubts(&c, host_memory, note);
	is_str(said, wanted, "warnings about %s=%s", key, value);
}

static void test_words(void)
{
	static const char *const yes[] = { "true", "True", "1", "yes", "on", "YES", "On" };
	static const char *const no[] = { "false", "0", "no", "off", "truest" };
	struct conf conf;

	conf_init(&conf);
	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
		char keys[200];

		sprintf(keys, "user.numaplace.mode=lead limits.memory=1GiB limits.memory.hugepages=%s", yes[i]);
		is_str(plan(keys, &conf),
		       "ahead limits.cpu.nodes=balanced limits.memory.hugepages=true own-memory=1073741824",
		       "%s is true, as in Incus", yes[i]);
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++) {
		char keys[200];

		sprintf(keys, "user.numaplace.mode=lead limits.memory=1GiB limits.memory.hugepages=%s", no[i]);
		is_str(plan(keys, &conf), "ahead limits.cpu.nodes=balanced own-memory=1073741824",
		       "%s is false, as in Incus", no[i]);
	}
	is_str(plan("user.numaplace.mode=lead user.numaplace.limits.cpu.exclusive=yes limits.cpu=2", &conf),
	       "ahead limits.cpu=2 limits.cpu.nodes=balanced limits.cpu.exclusive=true",
	       "a numaplace key has the same words for true");
	is_str(plan("user.numaplace.mode=lead user.numaplace.limits.memory=25%", &conf),
	       "ahead limits.cpu.nodes=balanced limits.memory=268435450",
	       "user.numaplace.limits.memory: a quarter of a GiB");
	is_str(plan("user.numaplace.mode=lead user.numaplace.limits.memory=0%", &conf),
	       "user.numaplace.limits.memory: \"0\": no memory at all",
	       "user.numaplace.limits.memory: 0 percent is refused");
	is_str(plan("user.numaplace.limits.cpu.work=compute", &conf),
	       "user.numaplace.limits.cpu.work: \"compute\": needs user.numaplace.mode = lead: with follow the "
	       "daemon chooses the CPUs",
	       "follow: the kind of work chooses no CPUs");
	is_str(plan("user.numaplace.limits.cpu.irq=near", &conf),
	       "user.numaplace.limits.cpu.irq: \"near\": needs user.numaplace.mode = lead: with follow the "
	       "daemon chooses the CPUs",
	       "follow: interrupts are not moved to CPUs that the daemon changes");
	is_str(plan("user.numaplace.limits.cpu.class=efficient", &conf),
	       "user.numaplace.limits.cpu.class: \"efficient\": needs user.numaplace.mode = lead: with follow the "
	       "daemon chooses the CPUs",
	       "follow: a CPU class is refused");
	is_str(plan("limits.cpu.nodes=1 user.numaplace.limits.memory.nodes=2", &conf),
	       "behind limits.cpu.nodes=1 limits.memory.nodes=2", "follow: memory nodes are allowed");
	doubted("limits.memory", "999999999999999 bytes", 1 << 30, "");
	doubted("limits.memory", "5TB", 1 << 30, "");
	doubted("limits.memory", "50%", 1 << 30, "");
	doubted("limits.memory", "1000%", 1 << 30, "");
	doubted("limits.memory.hugepages", "Yes", 1 << 30, "");
	doubted("limits.hugepages.2MB", "64 bytes", 1 << 30, "");
	doubted("limits.memory", "2EiB", 1 << 30,
		"limits.memory: \"2EiB\": more than 1EiB; ignored\n");
	doubted("limits.memory", "99999999999%", 1 << 30,
		"limits.memory: \"99999999999%\": more than 1EiB; ignored\n");
	doubted("limits.memory", "50%", 0,
		"limits.memory: \"50%\": the memory size of the host is not known; ignored\n");
	doubted("limits.memory.hugepages", "maybe", 1 << 30,
		"limits.memory.hugepages: \"maybe\": not true or false; ignored\n");
	doubted("limits.hugepages.1GB", "9999999999999999999", 1 << 30,
		"limits.hugepages.1GB: \"9999999999999999999\": more than 1EiB; ignored\n");
}

static void detected(const char *conf, const char *id, const char *wanted)
{
	struct incus_instance i;
	char got[PATH_MAX + 32] = "none";

	if (incus_detect(conf, id, &i))
		snprintf(got, sizeof(got), "%s %s", i.runtime, i.folder);
	is_str(got, wanted, "detected instance: %s", wanted);
}

static void test_detect(void)
{
	detected("lxc.log.level = warn\n"
		 "lxc.hook.pre-start = /proc/475/exe callhook /var/lib/incus \"default\" \"c1\" start\n"
		 "lxc.mount.entry = /var/lib/incus/guestapi dev/incus none bind,create=dir 0 0\n",
		 "c1", "incus /var/lib/incus/containers/c1");
	detected("lxc.hook.post-stop = /usr/libexec/incus/incusd callhook /srv/inc_us \"p1\" \"c1\" stop\n", "p1_c1",
		 "incus /srv/inc_us/containers/p1_c1");
	detected("lxc.hook.pre-start = /proc/1/exe callhook \"/srv/x\" \"p\" \"c\" start\n"
		 "lxc.mount.entry = /srv/x/devlxd dev/lxd none bind,create=dir 0 0\n",
		 "p_c", "lxd /srv/x/containers/p_c");
	detected("lxc.hook.pre-start = /snap/lxd/current/bin/lxd callhook /var/snap/lxd/common/lxd \"default\" \"c\" "
		 "start\n",
		 "c", "lxd /var/snap/lxd/common/lxd/containers/c");
	detected("lxc.uts.name = callhook /var/lib/incus\n", "c", "none");
	detected("lxc.hook.pre-start = /bin/x callhook relative\n", "c", "none");
	detected("lxc.hook.start-host = /usr/libexec/numaplace/lxc-hook\n", "c", "none");
	detected("", "c", "none");
}

static void test_names(void)
{
	char project[64], instance[64], path[200];

	incus_split("c1", project, instance, sizeof(project));
	is_str(project, "default", "split: no underscore: the default project");
	is_str(instance, "c1", "split: no underscore: the whole name is the instance");
	incus_split("my_pro_c1", project, instance, sizeof(project));
	is_str(project, "my_pro", "split: a project with an underscore");
	is_str(instance, "c1", "split: the instance is after the last underscore");
	incus_path("a b&c", "c1", path, sizeof(path));
	is_str(path, "/1.0/instances/c1?project=a%20b%26c", "path: the project is escaped");
}

int main(void)
{
	test_backup();
	test_devices();
	test_hostile();
	test_follow();
	test_lead();
	test_words();
	test_detect();
	test_names();
	return done();
}
