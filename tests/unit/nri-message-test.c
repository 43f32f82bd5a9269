/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages of NRI: what the plugin writes is compared with bytes of a second implementation, what it reads is packed
 * here with protobuf-c. And messages that make a reader allocate much more than their length.
 */
#include "runtime-hooks/nri/nri-message.h"

#include <errno.h>
#include <stdlib.h>

#include "plugin/base/util.h"
#include "runtime-hooks/nri/nri-frame.h"
#include "runtime-hooks/nri/nri.pb-c.h"
#include "tests/unit/nri-golden.h"
#include "tests/unit/tap.h"

static void is_golden(const struct strbuf *out, const char *hex, const char *what)
{
	uint8_t want[256];
	size_t n = golden_bytes(hex, want);

	ok(out->len == n && memcmp(out->text, want, n) == 0, "%s is the bytes of the second implementation", what);
}

static void golden(void)
{
	cleanup_strbuf struct strbuf a = { 0 }, b = { 0 }, c = { 0 };
	const struct nri_place place = { .cpus = "0-3", .mems = "0", .cpu_nodes = "0" };
	struct error err;

	is_int(nri_write_register(&a, 1, "numaplace", "40", &err), 0, "RegisterPlugin is written");
	is_golden(&a, GOLDEN_REGISTER, "RegisterPlugin");
	is_int(nri_write_error(&b, 7, NRI_UNKNOWN, "limits.memory: 8GiB asked", &err), 0, "an error is written");
	is_golden(&b, GOLDEN_ERROR, "an error");
	is_int(nri_write_created(&c, 7, &place, &err), 0, "a placement is written");
	is_golden(&c, GOLDEN_CREATED, "a placement");
}

/* The payload of the only frame in @out. */
static Nri__Response *response(const struct strbuf *out)
{
	return nri__response__unpack(NULL, out->len - MUX_HEADER - TTRPC_HEADER,
				     (const uint8_t *)out->text + MUX_HEADER + TTRPC_HEADER);
}

static void is_bytes(ProtobufCBinaryData got, const char *want, const char *what)
{
	ok(got.len == strlen(want) && memcmp(got.data, want, got.len) == 0, "%s is %s", what, want);
}

static void replies(void)
{
	cleanup_strbuf struct strbuf created = { 0 }, updated = { 0 }, state = { 0 };
	const struct nri_hook hook = { .path = "/usr/libexec/numaplace/oci-hook", .nargs = 3,
				       .args = { "oci-hook", "--reserved", "createRuntime" } };
	const struct nri_place place = { .cpus = "0-3", .mems = "0-1", .cpu_nodes = "0,1", .memory_nodes = "0,1",
					 .environment = true, .policy = 3, .policy_nodes = "0-1", .hook = &hook };
	const Nri__Hook *h;
	Nri__SynchronizeReply *s;
	Nri__CreateReply *c;
	Nri__UpdateReply *u;
	Nri__Response *r;
	struct error err;

	nri_write_created(&created, 9, &place, &err);
	r = response(&created);
	ok(r && r->status && r->status->code == 0, "the answer to CreateContainer has status 0");
	c = nri__create_reply__unpack(NULL, r->payload.len, r->payload.data);
	is_bytes(c->adjust->spec->resources->cpu->cpus, "0-3", "cpus");
	is_bytes(c->adjust->spec->resources->cpu->mems, "0-1", "mems");
	is_int((int)c->adjust->n_annotations, 2, "it has two annotations");
	is_bytes(c->adjust->annotations[1]->key, "volatile.memory.nodes", "the second annotation");
	is_int((int)c->adjust->n_env, 3, "it has three variables of the environment");
	is_bytes(c->adjust->env[0]->key, "NUMAPLACE_CPUS", "the first variable");
	is_bytes(c->adjust->env[0]->value, "0-3", "its value");
	is_int(c->adjust->spec->memory_policy->mode, 3, "the memory policy is interleave");
	is_str(c->adjust->spec->memory_policy->nodes, "0-1", "on the memory nodes");
	is_int(c->adjust->hooks ? (int)c->adjust->hooks->n_create_runtime : 0, 1, "it has a hook for createRuntime");
	h = c->adjust->hooks->create_runtime[0];
	is_str(h->path, "/usr/libexec/numaplace/oci-hook", "with its path");
	is_int((int)h->n_args, 3, "and three arguments");
	is_str(h->args[2], "createRuntime", "the last of which is the stage");
	nri__create_reply__free_unpacked(c, NULL);
	nri__response__free_unpacked(r, NULL);
	nri_write_updated(&updated, 9, "web", &place, &err);
	r = response(&updated);
	u = nri__update_reply__unpack(NULL, r->payload.len, r->payload.data);
	is_bytes(u->update[0]->container_id, "web", "the updated container");
	is_bytes(u->update[0]->spec->resources->cpu->mems, "0-1", "its new mems");
	nri__update_reply__free_unpacked(u, NULL);
	nri__response__free_unpacked(r, NULL);
	nri_write_synchronized(&state, 9, true, &err);
	r = response(&state);
	s = nri__synchronize_reply__unpack(NULL, r->payload.len, r->payload.data);
	ok(s->more, "a part of a state is answered with more = true");
	nri__synchronize_reply__free_unpacked(s, NULL);
	nri__response__free_unpacked(r, NULL);
}

static ProtobufCBinaryData bytes(const char *text)
{
	return (ProtobufCBinaryData){ .len = strlen(text), .data = (uint8_t *)(uintptr_t)text };
}

/* A container with everything that is read of one. */
static size_t pack_event(uint8_t *out, bool change)
{
	Nri__Event e = NRI__EVENT__INIT;
	Nri__StateChange s = NRI__STATE_CHANGE__INIT;
	Nri__Pod pod = NRI__POD__INIT;
	Nri__Container c = NRI__CONTAINER__INIT;
	Nri__LinuxContainer spec = NRI__LINUX_CONTAINER__INIT;
	Nri__Resources r = NRI__RESOURCES__INIT, more = NRI__RESOURCES__INIT;
	Nri__Memory memory = NRI__MEMORY__INIT;
	Nri__Cpu cpu = NRI__CPU__INIT;
	Nri__Int64 limit = NRI__INT64__INIT, quota = NRI__INT64__INIT;
	Nri__UInt64 period = NRI__UINT64__INIT, shares = NRI__UINT64__INIT;
	Nri__HugepageLimit huge = NRI__HUGEPAGE_LIMIT__INIT, *huges = &huge;
	Nri__Entry entry = NRI__ENTRY__INIT, *entries = &entry, net = NRI__ENTRY__INIT, *nets = &net;
	Nri__Device device = NRI__DEVICE__INIT, fifo = NRI__DEVICE__INIT, *devices[] = { &device, &fifo };
	Nri__DeviceRule rule = NRI__DEVICE_RULE__INIT, *rules = &rule;
	Nri__Mount mount = NRI__MOUNT__INIT, other = NRI__MOUNT__INIT, *mounts[] = { &other, &mount };
	char *args[] = { (char *)(uintptr_t) "oci-hook", (char *)(uintptr_t) "createRuntime" };
	Nri__Hook hook = NRI__HOOK__INIT, *hook_list = &hook;
	Nri__Hooks hooks = NRI__HOOKS__INIT;
	ProtobufCBinaryData env[] = { bytes("PATH=/bin"), bytes("NUMAPLACE_LIMITS_CPU=2"), bytes("NUMAPLACE_CPUS=0") };

	device.type = bytes("b");
	device.major = 259;
	device.minor = 1;
	fifo.type = bytes("p");
	spec.devices = devices;
	spec.n_devices = 2;
	rule.allow = true;
	r.devices = &rules;
	r.n_devices = 1;
	net.key = bytes("ens5");
	spec.net_devices = &nets;
	spec.n_net_devices = 1;
	mount.source = bytes("/dev/sda");
	other.source = bytes("/var/lib");
	c.mounts = mounts;
	c.n_mounts = 2;
	c.env = env;
	c.n_env = 3;
	hook.args = args;
	hook.n_args = 2;
	hooks.create_runtime = &hook_list;
	hooks.n_create_runtime = 1;
	c.hooks = &hooks;
	pod.id = bytes("pod1");
	pod.namespace_ = bytes("default");
	pod.runtime_handler = bytes("runc");
	entry.key = bytes("limits.cpu");
	entry.value = (ProtobufCBinaryData){ .len = 3, .data = (uint8_t *)(uintptr_t) "4\0x" };
	pod.annotations = &entries;
	pod.n_annotations = 1;
	limit.value = 1 << 30;
	memory.limit = &limit;
	quota.value = 200000;
	period.value = 100000;
	shares.value = 2048;
	cpu.quota = &quota;
	cpu.period = &period;
	cpu.shares = &shares;
	cpu.cpus = bytes("0-1");
	huge.page_size = bytes("2MB");
	huge.limit = 4 << 20;
	r.memory = &memory;
	r.cpu = &cpu;
	r.hugepage_limits = &huges;
	r.n_hugepage_limits = 1;
	more.cpu = &cpu;
	spec.resources = &r;
	spec.cgroups_path = bytes("a.slice:cri-containerd:web");
	c.id = bytes("web");
	c.pod_sandbox_id = bytes("pod1");
	c.name = bytes("app");
	c.pid = 42;
	c.spec = &spec;
	if (change) {
		s.event = NRI_START;
		s.pod = &pod;
		s.container = &c;
		return nri__state_change__pack(&s, out);
	}
	e.pod = &pod;
	e.container = &c;
	e.resources = &more;
	return nri__event__pack(&e, out);
}

static void events(void)
{
	cleanup_nri_arena struct nri_arena a = { 0 };
	struct nri_event e;
	struct error err;
	uint8_t packed[1024];
	size_t n = pack_event(packed, false);

	is_int(nri_decode_event(&a, packed, n, NRI_UPDATE, &e, &err), 0, "an event is read");
	is_int(e.kind, NRI_UPDATE, "its kind is that of the method");
	is_str(e.pod.id.text, "pod1", "pod id");
	is_str(e.pod.namespace.text, "default", "namespace");
	is_str(e.pod.handler.text, "runc", "runtime handler");
	is_str(e.pod.name.text, "", "an absent text is empty");
	is_int((int)e.pod.nannotations, 1, "one annotation");
	ok(e.pod.annotations[0].value.len == 3 && strlen(e.pod.annotations[0].value.text) == 1,
	   "a NUL in a value does not hide the rest of it");
	is_str(e.container.cgroups_path.text, "a.slice:cri-containerd:web", "cgroups path");
	is_int(e.container.pid, 42, "pid");
	is_int(e.container.resources.memory_limit, 1 << 30, "memory limit");
	is_int(e.container.resources.quota, 200000, "quota");
	is_int((int)e.container.resources.period, 100000, "period");
	is_int((int)e.container.nvariables, 1, "of the environment, only what may be a key is kept");
	is_str(e.container.variables[0].text, "NUMAPLACE_LIMITS_CPU=2", "the variable");
	ok(e.container.nhooks == 1 && e.container.hooks[0].n == 2 &&
	   strcmp(e.container.hooks[0].word[1].text, "createRuntime") == 0, "a hook with its arguments");
	is_int((int)e.container.ndevices, 2, "two devices");
	ok(e.container.devices[0].type == 'b' && e.container.devices[0].major == 259 && e.container.devices[0].minor == 1,
	   "a block device");
	is_int(e.container.devices[1].type, 0, "a FIFO is no device with numbers");
	ok(e.container.npaths == 1 && strcmp(e.container.paths[0].text, "/dev/sda") == 0,
	   "of the mounts, only those of /dev are kept");
	ok(e.container.ninterfaces == 1 && strcmp(e.container.interfaces[0].text, "ens5") == 0, "a network interface");
	ok(e.container.all_devices, "a rule without numbers allows every device");
	is_str(e.container.resources.cpus.text, "0-1", "cpus");
	is_str(e.container.resources.huge[0].page_size.text, "2MB", "size of hugepages");
	is_int((int)e.container.resources.huge[0].limit, 4 << 20, "limit of hugepages");
	ok(e.resources.given && !e.pod.resources.given, "the resources of an update are given, those of the pod are not");
	n = pack_event(packed, true);
	is_int(nri_decode_event(&a, packed, n, 0, &e, &err), 0, "a StateChange is read");
	is_int(e.kind, NRI_START, "its kind is in the message");
	is_str(e.container.name.text, "app", "with its container");
	is_int(nri_decode_event(&a, packed, 0, NRI_STOP, &e, &err), 0, "an empty event is read");
	is_str(e.container.id.text, "", "its container has no id");
	for (size_t i = 1; i < n; i++) {
		cleanup_nri_arena struct nri_arena part = { 0 };

		if (nri_decode_event(&part, packed, i, 0, &e, &err) == 0 && e.container.id.len > 3)
			break;
		if (i == n - 1)
			ok(true, "a truncated message is an error, or lacks its last fields");
	}
}

/* Two bytes for each empty pod: much memory for few bytes. */
static void bounded(void)
{
	cleanup_nri_arena struct nri_arena a = { 0 };
	const size_t n = TTRPC_DATA_MAX;
	uint8_t *packed = malloc(n);
	struct nri_state s;
	struct error err;

	for (size_t i = 0; i < n; i += 2) {
		packed[i] = 0x0a;
		packed[i + 1] = 0;
	}
	ok(nri_decode_state(&a, packed, n, &s, &err) < 0, "a message of two million empty pods is refused");
	ok(a.total <= NRI_ARENA_MAX, "it has taken %zu bytes, at most %u", a.total, NRI_ARENA_MAX);
	nri_arena_free(&a);
	for (int i = 0; i < 100 && nri_arena_get(&a, 1 << 20); i++)
		;
	ok(a.total > NRI_ARENA_MAX / 2 && a.total <= NRI_ARENA_MAX, "many pieces get %zu bytes, at most %u", a.total,
	   NRI_ARENA_MAX);
	ok(!nri_arena_get(&a, SIZE_MAX), "a piece of any size is refused without an overflow");
	nri_arena_free(&a);
	is_int(nri_decode_state(&a, packed, 2000, &s, &err), 0, "one of 1000 empty pods is read");
	is_int((int)s.npods, 1000, "all of them");
	free(packed);
}

int main(void)
{
	golden();
	replies();
	events();
	bounded();
	return done();
}
