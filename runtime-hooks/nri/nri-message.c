/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The only file that uses protobuf-c. Unpacking allocates from the arena, so that its memory is bounded, and freeing a
 * partly unpacked message does nothing.
 */
#include "runtime-hooks/nri/nri-message.h"

#include "plugin/base/util.h"
#include "plugin/select/request.h"
#include "runtime-hooks/nri/nri-frame.h"
#include "runtime-hooks/nri/nri.pb-c.h"

#include <errno.h>
#include <string.h>

/* --- reading --- */

static void *arena_alloc(void *arena, size_t size)
{
	return nri_arena_get(arena, size);
}

static void arena_no_free(void *arena, void *piece)
{
	(void)arena;
	(void)piece;
}

/* NULL: @err has the reason. */
static void *unpack(struct nri_arena *a, const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t n,
		    struct error *err)
{
	ProtobufCAllocator allocator = { .alloc = arena_alloc, .free = arena_no_free, .allocator_data = a };
	void *m = protobuf_c_message_unpack(type, &allocator, n, bytes);

	if (!m)
		error_set(err, -EBADMSG, "NRI: %zu bytes are not a valid message %s", n, type->short_name);
	return m;
}

static int no_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "NRI: a message takes more than %u MiB of memory", NRI_ARENA_MAX >> 20);
}

/* A copy, because bytes on the wire have no NUL behind them. False: out of memory. */
static bool copy(struct nri_arena *a, const ProtobufCBinaryData *from, struct nri_text *out)
{
	char *text = nri_arena_get(a, from->len + 1);

	if (!text)
		return false;
	if (from->len)
		memcpy(text, from->data, from->len);
	text[from->len] = '\0';
	*out = (struct nri_text){ .text = text, .len = from->len };
	return true;
}

static struct nri_text view(const char *text)
{
	const char *t = text ? text : "";

	return (struct nri_text){ .text = t, .len = strlen(t) };
}

static bool copy_entries(struct nri_arena *a, size_t n, Nri__Entry *const *from, const struct nri_entry **out)
{
	struct nri_entry *entries = nri_arena_get(a, n * sizeof(*entries));

	for (size_t i = 0; entries && i < n; i++)
		if (!copy(a, &from[i]->key, &entries[i].key) || !copy(a, &from[i]->value, &entries[i].value))
			return false;
	*out = entries;
	return entries;
}

static bool copy_resources(struct nri_arena *a, const Nri__Resources *from, struct nri_resources *out)
{
	const Nri__Cpu *cpu = from ? from->cpu : NULL;
	struct nri_huge *huge;

	*out = (struct nri_resources){ .cpus = view(NULL), .mems = view(NULL) };
	if (!from)
		return true;
	out->given = true;
	if (from->memory && from->memory->limit)
		out->memory_limit = from->memory->limit->value;
	if (cpu) {
		out->shares = cpu->shares ? cpu->shares->value : 0;
		out->quota = cpu->quota ? cpu->quota->value : 0;
		out->period = cpu->period ? cpu->period->value : 0;
		if (!copy(a, &cpu->cpus, &out->cpus) || !copy(a, &cpu->mems, &out->mems))
			return false;
	}
	huge = nri_arena_get(a, from->n_hugepage_limits * sizeof(*huge));
	if (!huge)
		return false;
	for (size_t i = 0; i < from->n_hugepage_limits; i++) {
		huge[i].limit = from->hugepage_limits[i]->limit;
		if (!copy(a, &from->hugepage_limits[i]->page_size, &huge[i].page_size))
			return false;
	}
	out->huge = huge;
	out->nhuge = from->n_hugepage_limits;
	return true;
}

static bool copy_pod(struct nri_arena *a, const Nri__Pod *from, struct nri_pod *out)
{
	static const Nri__Pod none = NRI__POD__INIT;

	if (!from)
		from = &none;
	out->nannotations = from->n_annotations;
	return copy(a, &from->id, &out->id) && copy(a, &from->name, &out->name) &&
	       copy(a, &from->uid, &out->uid) && copy(a, &from->namespace_, &out->namespace) && copy(a, &from->runtime_handler, &out->handler) &&
	       copy_entries(a, from->n_annotations, from->annotations, &out->annotations) &&
	       copy_resources(a, from->spec ? from->spec->pod_resources : NULL, &out->resources);
}

static bool begins(const ProtobufCBinaryData *b, const char *text)
{
	return b->len >= strlen(text) && memcmp(b->data, text, strlen(text)) == 0;
}

/* Of the environment, which every container has, few or no variables are copied. */
static bool copy_variables(struct nri_arena *a, const Nri__Container *from, struct nri_container *out)
{
	struct nri_text *variables;
	size_t n = 0;

	for (size_t i = 0; i < from->n_env; i++)
		n += begins(&from->env[i], REQUEST_VARIABLE);
	variables = nri_arena_get(a, n * sizeof(*variables));
	out->variables = variables;
	out->nvariables = 0;
	for (size_t i = 0; variables && i < from->n_env; i++)
		if (begins(&from->env[i], REQUEST_VARIABLE) && !copy(a, &from->env[i], &variables[out->nvariables++]))
			return false;
	return variables;
}

static bool copy_paths(struct nri_arena *a, const Nri__Container *from, struct nri_container *out)
{
	struct nri_text *paths;
	size_t n = 0;

	for (size_t i = 0; i < from->n_mounts; i++)
		n += begins(&from->mounts[i]->source, "/dev/");
	paths = nri_arena_get(a, n * sizeof(*paths));
	out->paths = paths;
	out->npaths = 0;
	for (size_t i = 0; paths && i < from->n_mounts; i++)
		if (begins(&from->mounts[i]->source, "/dev/") && !copy(a, &from->mounts[i]->source, &paths[out->npaths++]))
			return false;
	return paths;
}

/* The words are in the arena already, and have no NUL in them. */
static bool copy_hooks(struct nri_arena *a, const Nri__Hooks *from, struct nri_container *out)
{
	size_t n = from ? from->n_create_runtime : 0;
	struct nri_words *hooks = nri_arena_get(a, n * sizeof(*hooks));

	out->hooks = hooks;
	out->nhooks = n;
	for (size_t i = 0; hooks && i < n; i++) {
		const Nri__Hook *h = from->create_runtime[i];
		struct nri_text *word = nri_arena_get(a, h->n_args * sizeof(*word));

		if (!word)
			return false;
		for (size_t k = 0; k < h->n_args; k++)
			word[k] = view(h->args[k]);
		hooks[i] = (struct nri_words){ .n = h->n_args, .word = word };
	}
	return hooks;
}

static char type_of(const ProtobufCBinaryData *type)
{
	char c = type->len == 1 ? (char)*type->data : 0;

	return c == 'a' || c == 'b' || c == 'c' ? c : 0;
}

/* The last rule for all devices counts. */
static bool allows_all(const Nri__Resources *r)
{
	bool all = false;

	for (size_t i = 0; r && i < r->n_devices; i++) {
		const Nri__DeviceRule *rule = r->devices[i];
		bool some = (rule->major && rule->major->value >= 0) || (rule->minor && rule->minor->value >= 0);

		if ((!rule->type.len || type_of(&rule->type) == 'a') && !some)
			all = rule->allow;
	}
	return all;
}

static bool copy_devices(struct nri_arena *a, const Nri__LinuxContainer *from, struct nri_container *out)
{
	struct nri_device *devices = nri_arena_get(a, from->n_devices * sizeof(*devices));
	struct nri_text *names = nri_arena_get(a, from->n_net_devices * sizeof(*names));

	out->devices = devices;
	out->ndevices = from->n_devices;
	out->interfaces = names;
	out->ninterfaces = from->n_net_devices;
	out->all_devices = allows_all(from->resources);
	for (size_t i = 0; devices && i < from->n_devices; i++)
		devices[i] = (struct nri_device){ .type = type_of(&from->devices[i]->type),
						  .major = from->devices[i]->major, .minor = from->devices[i]->minor };
	for (size_t i = 0; names && i < from->n_net_devices; i++)
		if (!copy(a, &from->net_devices[i]->key, &names[i]))
			return false;
	return devices && names;
}

static bool copy_container(struct nri_arena *a, const Nri__Container *from, struct nri_container *out)
{
	static const Nri__Container none = NRI__CONTAINER__INIT;
	static const Nri__LinuxContainer no_spec = NRI__LINUX_CONTAINER__INIT;
	const Nri__LinuxContainer *spec;

	if (!from)
		from = &none;
	spec = from->spec ? from->spec : &no_spec;
	out->pid = from->pid;
	out->nannotations = from->n_annotations;
	return copy(a, &from->id, &out->id) && copy(a, &from->pod_sandbox_id, &out->pod) &&
	       copy(a, &from->name, &out->name) && copy(a, &spec->cgroups_path, &out->cgroups_path) &&
	       copy_entries(a, from->n_annotations, from->annotations, &out->annotations) &&
	       copy_variables(a, from, out) && copy_hooks(a, from->hooks, out) && copy_paths(a, from, out) &&
	       copy_devices(a, spec, out) && copy_resources(a, spec->resources, &out->resources);
}

int nri_decode_call(struct nri_arena *a, const uint8_t *bytes, size_t n, struct nri_call *out, struct error *err)
{
	const Nri__Request *m = unpack(a, &nri__request__descriptor, bytes, n, err);

	if (!m)
		return err->status;
	*out = (struct nri_call){
		.service = view(m->service), .method = view(m->method), .payload = m->payload.data, .len = m->payload.len
	};
	return 0;
}

int nri_decode_answer(struct nri_arena *a, const uint8_t *bytes, size_t n, struct nri_answer *out, struct error *err)
{
	const Nri__Response *m = unpack(a, &nri__response__descriptor, bytes, n, err);

	if (!m)
		return err->status;
	*out = (struct nri_answer){ .code = m->status ? m->status->code : NRI_OK,
				    .message = view(m->status ? m->status->message : NULL),
				    .payload = m->payload.data, .len = m->payload.len };
	return 0;
}

int nri_decode_updated(struct nri_arena *a, const uint8_t *bytes, size_t n, size_t *failed, struct error *err)
{
	const Nri__UpdateContainersReply *m = unpack(a, &nri__update_containers_reply__descriptor, bytes, n, err);

	if (!m)
		return err->status;
	*failed = m->n_failed;
	return 0;
}

int nri_decode_configuration(struct nri_arena *a, const uint8_t *bytes, size_t n, struct nri_configuration *out,
			     struct error *err)
{
	struct nri_configuration c;
	const Nri__Configure *m = unpack(a, &nri__configure__descriptor, bytes, n, err);

	if (!m)
		return err->status;
	c.request_ms = m->request_timeout;
	if (!copy(a, &m->config, &c.config) || !copy(a, &m->runtime_name, &c.runtime) ||
	    !copy(a, &m->runtime_version, &c.runtime_version) || !copy(a, &m->nri_version, &c.nri_version))
		return no_memory(err);
	*out = c;
	return 0;
}

int nri_decode_state(struct nri_arena *a, const uint8_t *bytes, size_t n, struct nri_state *out, struct error *err)
{
	struct nri_container *containers;
	struct nri_pod *pods;
	const Nri__Synchronize *m = unpack(a, &nri__synchronize__descriptor, bytes, n, err);

	if (!m)
		return err->status;
	pods = nri_arena_get(a, m->n_pods * sizeof(*pods));
	containers = nri_arena_get(a, m->n_containers * sizeof(*containers));
	if (!pods || !containers)
		return no_memory(err);
	for (size_t i = 0; i < m->n_pods; i++)
		if (!copy_pod(a, m->pods[i], &pods[i]))
			return no_memory(err);
	for (size_t i = 0; i < m->n_containers; i++)
		if (!copy_container(a, m->containers[i], &containers[i]))
			return no_memory(err);
	*out = (struct nri_state){ .npods = m->n_pods, .ncontainers = m->n_containers, .pods = pods,
				   .containers = containers, .more = m->more };
	return 0;
}

/* The two forms of an event become one. */
struct event_parts {
	const Nri__Pod *pod;
	const Nri__Container *container;
	const Nri__Resources *resources;
};

static int unpack_event(struct nri_arena *a, const uint8_t *bytes, size_t n, int *kind, struct event_parts *out,
			struct error *err)
{
	if (*kind) {
		const Nri__Event *m = unpack(a, &nri__event__descriptor, bytes, n, err);

		if (!m)
			return err->status;
		*out = (struct event_parts){ m->pod, m->container, m->resources };
	} else {
		const Nri__StateChange *m = unpack(a, &nri__state_change__descriptor, bytes, n, err);

		if (!m)
			return err->status;
		*kind = m->event;
		*out = (struct event_parts){ m->pod, m->container, NULL };
	}
	return 0;
}

int nri_decode_event(struct nri_arena *a, const uint8_t *bytes, size_t n, int kind, struct nri_event *out,
		     struct error *err)
{
	struct nri_event e;
	struct event_parts p = { NULL, NULL, NULL };
	int rc = unpack_event(a, bytes, n, &kind, &p, err);

	if (rc < 0)
		return rc;
	e.kind = kind;
	if (!copy_pod(a, p.pod, &e.pod) || !copy_container(a, p.container, &e.container) ||
	    !copy_resources(a, p.resources, &e.resources))
		return no_memory(err);
	*out = e;
	return 0;
}

/* --- writing --- */

static ProtobufCBinaryData data_of(const char *text)
{
	return (ProtobufCBinaryData){ .len = text ? strlen(text) : 0, .data = (uint8_t *)(uintptr_t)text };
}

/* Packs @m into malloc'd memory; NULL: out of memory. */
static uint8_t *pack(const void *m, size_t *n)
{
	uint8_t *bytes;

	*n = protobuf_c_message_get_packed_size(m);
	bytes = malloc(*n + 1);
	if (bytes)
		protobuf_c_message_pack(m, bytes);
	return bytes;
}

static int write_message(struct strbuf *out, enum mux_connection connection, uint32_t stream, enum ttrpc_type type,
			 const void *m, struct error *err)
{
	size_t n;
	cleanup_free uint8_t *bytes = pack(m, &n);

	return bytes ? ttrpc_write(out, connection, stream, type, bytes, n, err) :
		       error_errno(err, -ENOMEM, "NRI: write");
}

static int reply(struct strbuf *out, uint32_t stream, const void *m, struct error *err)
{
	Nri__Response r = NRI__RESPONSE__INIT;
	Nri__Status status = NRI__STATUS__INIT;
	size_t n;
	cleanup_free uint8_t *bytes = pack(m, &n);

	if (!bytes)
		return error_errno(err, -ENOMEM, "NRI: write");
	r.status = &status;
	r.payload = (ProtobufCBinaryData){ .len = n, .data = bytes };
	return write_message(out, MUX_PLUGIN, stream, TTRPC_RESPONSE, &r, err);
}

/* Writes a request to the runtime with the message @m. */
static int ask(struct strbuf *out, uint32_t stream, const char *method, const void *m, struct error *err)
{
	Nri__Request request = NRI__REQUEST__INIT;
	size_t n;
	cleanup_free uint8_t *bytes = pack(m, &n);

	if (!bytes)
		return error_errno(err, -ENOMEM, "NRI: write");
	request.service = (char *)(uintptr_t)NRI_RUNTIME_SERVICE;
	request.method = (char *)(uintptr_t)method;
	request.payload = (ProtobufCBinaryData){ .len = n, .data = bytes };
	return write_message(out, MUX_RUNTIME, stream, TTRPC_REQUEST, &request, err);
}

int nri_write_register(struct strbuf *out, uint32_t stream, const char *name, const char *index, struct error *err)
{
	Nri__RegisterPlugin m = NRI__REGISTER_PLUGIN__INIT;

	m.plugin_name = (char *)(uintptr_t)name;
	m.plugin_idx = (char *)(uintptr_t)index;
	return ask(out, stream, "RegisterPlugin", &m, err);
}

int nri_write_error(struct strbuf *out, uint32_t stream, enum nri_code code, const char *message, struct error *err)
{
	Nri__Response r = NRI__RESPONSE__INIT;
	Nri__Status status = NRI__STATUS__INIT;

	status.code = (int32_t)code;
	status.message = (char *)(uintptr_t)message;
	r.status = &status;
	return write_message(out, MUX_PLUGIN, stream, TTRPC_RESPONSE, &r, err);
}

int nri_write_empty(struct strbuf *out, uint32_t stream, struct error *err)
{
	const Nri__CreateReply m = NRI__CREATE_REPLY__INIT;

	return reply(out, stream, &m, err);
}

int nri_write_configured(struct strbuf *out, uint32_t stream, int events, struct error *err)
{
	Nri__ConfigureReply m = NRI__CONFIGURE_REPLY__INIT;

	m.events = events;
	return reply(out, stream, &m, err);
}

int nri_write_synchronized(struct strbuf *out, uint32_t stream, bool more, struct error *err)
{
	Nri__SynchronizeReply m = NRI__SYNCHRONIZE_REPLY__INIT;

	m.more = more;
	return reply(out, stream, &m, err);
}

#define ENTRIES_MAX 3

struct entries {
	Nri__Entry entry[ENTRIES_MAX], *list[ENTRIES_MAX];
	size_t n;
};

static void add_entry(struct entries *e, const char *key, const char *value)
{
	Nri__Entry *entry = &e->entry[e->n];

	if (!value)
		return;
	*entry = (Nri__Entry)NRI__ENTRY__INIT;
	entry->key = data_of(key);
	entry->value = data_of(value);
	e->list[e->n++] = entry;
}

/* The messages of a hook, which refer to its texts. */
struct hook_parts {
	Nri__Hook hook, *list;
	Nri__Hooks hooks;
	char *args[NRI_HOOK_ARGS_MAX];
};

static Nri__Hooks *hooks_of(struct hook_parts *parts, const struct nri_hook *hook)
{
	if (!hook || !hook->path)
		return NULL;
	parts->hook = (Nri__Hook)NRI__HOOK__INIT;
	parts->hooks = (Nri__Hooks)NRI__HOOKS__INIT;
	for (size_t i = 0; i < hook->nargs; i++)
		parts->args[i] = (char *)(uintptr_t)hook->args[i];
	parts->hook.path = (char *)(uintptr_t)hook->path;
	parts->hook.args = parts->args;
	parts->hook.n_args = hook->nargs;
	parts->list = &parts->hook;
	parts->hooks.create_runtime = &parts->list;
	parts->hooks.n_create_runtime = 1;
	return &parts->hooks;
}

int nri_write_created(struct strbuf *out, uint32_t stream, const struct nri_place *p, struct error *err)
{
	Nri__CreateReply m = NRI__CREATE_REPLY__INIT;
	Nri__Adjustment adjust = NRI__ADJUSTMENT__INIT;
	Nri__LinuxAdjustment spec = NRI__LINUX_ADJUSTMENT__INIT;
	Nri__Resources resources = NRI__RESOURCES__INIT;
	Nri__MemoryPolicy policy = NRI__MEMORY_POLICY__INIT;
	Nri__Cpu cpu = NRI__CPU__INIT;
	struct entries annotations = { .n = 0 }, env = { .n = 0 };
	struct hook_parts hook;

	cpu.cpus = data_of(p->cpus);
	cpu.mems = data_of(p->mems);
	resources.cpu = &cpu;
	spec.resources = &resources;
	policy.mode = p->policy;
	policy.nodes = (char *)(uintptr_t)(p->policy_nodes ? p->policy_nodes : "");
	if (p->policy)
		spec.memory_policy = &policy;
	add_entry(&annotations, "volatile.cpu.nodes", p->cpu_nodes);
	add_entry(&annotations, "volatile.memory.nodes", p->memory_nodes);
	if (p->environment) {
		add_entry(&env, "NUMAPLACE_CPUS", p->cpus);
		add_entry(&env, "NUMAPLACE_NODES", p->cpu_nodes);
		add_entry(&env, "NUMAPLACE_MEMORY_NODES", p->memory_nodes);
	}
	adjust.annotations = annotations.list;
	adjust.n_annotations = annotations.n;
	adjust.env = env.list;
	adjust.n_env = env.n;
	adjust.hooks = hooks_of(&hook, p->hook);
	adjust.spec = &spec;
	m.adjust = &adjust;
	return reply(out, stream, &m, err);
}

/* The messages of an update of CPUs and memory nodes. */
struct update_parts {
	Nri__ContainerUpdate update, *list;
	Nri__LinuxUpdate spec;
	Nri__Resources resources;
	Nri__Cpu cpu;
};

static Nri__ContainerUpdate **update_of(struct update_parts *u, const char *id, const char *cpus, const char *mems)
{
	u->update = (Nri__ContainerUpdate)NRI__CONTAINER_UPDATE__INIT;
	u->spec = (Nri__LinuxUpdate)NRI__LINUX_UPDATE__INIT;
	u->resources = (Nri__Resources)NRI__RESOURCES__INIT;
	u->cpu = (Nri__Cpu)NRI__CPU__INIT;
	u->cpu.cpus = data_of(cpus);
	u->cpu.mems = data_of(mems);
	u->resources.cpu = &u->cpu;
	u->spec.resources = &u->resources;
	u->update.container_id = data_of(id);
	u->update.spec = &u->spec;
	u->list = &u->update;
	return &u->list;
}

int nri_write_updated(struct strbuf *out, uint32_t stream, const char *id, const struct nri_place *p, struct error *err)
{
	Nri__UpdateReply m = NRI__UPDATE_REPLY__INIT;
	struct update_parts parts;

	m.update = update_of(&parts, id, p->cpus, p->mems);
	m.n_update = 1;
	return reply(out, stream, &m, err);
}

int nri_write_update(struct strbuf *out, uint32_t stream, const char *id, const char *cpus, const char *mems,
		     struct error *err)
{
	Nri__UpdateContainers m = NRI__UPDATE_CONTAINERS__INIT;
	struct update_parts parts;

	m.update = update_of(&parts, id, cpus, mems);
	m.n_update = 1;
	return ask(out, stream, "UpdateContainers", &m, err);
}
