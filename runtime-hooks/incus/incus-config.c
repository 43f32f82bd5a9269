/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Turns configuration keys into a request. The daemon has validated its own keys and enforces its own limits:
 * limits.memory is used for the request only if user.numaplace.limits.memory is not set. In follow mode, an instance
 * without limits.cpu.nodes is normally left alone.
 */
#include "runtime-hooks/incus/incus-config.h"

#include "plugin/base/file.h"
#include "plugin/base/number.h"
#include "plugin/base/strbuf.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *key;
	uint64_t size;
} huge_keys[INCUS_HUGE_SIZES] = {
	{ "limits.hugepages.64KB", 64ULL << 10 },
	{ "limits.hugepages.1MB", 1ULL << 20 },
	{ "limits.hugepages.2MB", 2ULL << 20 },
	{ "limits.hugepages.1GB", 1ULL << 30 },
};

static int add_variable(struct incus_config *c, const char *name, const char *value, struct error *err)
{
	int k = request_find_variable(name, strlen(name));

	if (k == -1)
		return 0;
	if (k >= 0)
		return string_keep(&c->variable[k], value, err);
	return c->unknown ? 0 : string_keep(&c->unknown, name, err);
}

int incus_config_add(struct incus_config *c, const char *key, const char *value, struct error *err)
{
	size_t prefix = strlen(INCUS_PREFIX);
	bool ours = strncmp(key, INCUS_PREFIX, prefix) == 0;
	int k = request_find_key(ours ? key + prefix : key);

	/* Incus treats an empty value as unset. */
	if (!*value)
		return 0;
	if (strncmp(key, INCUS_ENVIRONMENT, strlen(INCUS_ENVIRONMENT)) == 0)
		return add_variable(c, key + strlen(INCUS_ENVIRONMENT), value, err);
	if (k >= 0)
		return string_keep(ours ? &c->asked[k] : &c->native[k], value, err);
	if (strcmp(key, "raw.lxc") == 0)
		c->profile = strstr(value, INCUS_HOOK) != NULL;
	if (ours && strcmp(key + prefix, "mode") == 0)
		return string_keep(&c->mode, value, err);
	if (ours)
		return error_set(err, -EINVAL, "%s: \"%s\": no such key", quote(key).text, quote(value).text);
	for (size_t i = 0; i < INCUS_HUGE_SIZES; i++)
		if (strcmp(key, huge_keys[i].key) == 0)
			return string_keep(&c->huge[i], value, err);
	return 0;
}

/* Where the key was given, for messages. */
static struct variable_name name_of(const struct incus_config *c, int key)
{
	struct variable_name name = { "" };

	if (c->by_variable >> key & 1)
		return request_variable((enum request_key)key);
	snprintf(name.text, sizeof(name.text), INCUS_PREFIX "%s", request_keys[key]);
	return name;
}

/* Whether two values of a key mean the same. */
static bool is_same(int key, const char *a, const char *b)
{
	struct request r;

	request_init(&r);
	return strcmp(a, b) == 0 ||
	       (request_set(&r, request_keys[key], a, NULL) == 0 && request_set(&r, request_keys[key], b, NULL) == 0);
}

int incus_config_settle(struct incus_config *c, const struct conf *conf, struct error *err)
{
	if (!conf_takes_environment(conf))
		return 0;
	if (c->unknown)
		return error_set(err, -EINVAL, INCUS_ENVIRONMENT "%s: no such key", quote(c->unknown).text);
	for (int k = 0; k < KEY_COUNT; k++) {
		if (!c->variable[k])
			continue;
		if (c->asked[k] && !is_same(k, c->asked[k], c->variable[k]))
			return error_set(err, -EINVAL, INCUS_PREFIX "%s is \"%s\" but %s is \"%s\"", request_keys[k],
					 quote(c->asked[k]).text, request_variable((enum request_key)k).text,
					 quote(c->variable[k]).text);
		if (c->asked[k])
			continue;
		c->asked[k] = steal_ptr(c->variable[k]);
		c->by_variable |= 1U << k;
	}
	return 0;
}

void incus_config_free(struct incus_config *c)
{
	for (int k = 0; k < KEY_COUNT; k++) {
		free(c->native[k]);
		free(c->asked[k]);
		free(c->variable[k]);
	}
	for (int i = 0; i < INCUS_HUGE_SIZES; i++)
		free(c->huge[i]);
	device_refs_free(&c->devices);
	incus_device_free(&c->device);
	free(c->unknown);
	free(c->mode);
	free(c->name);
	free(c->type);
	*c = (struct incus_config){ 0 };
}

/* Parses a percentage of the host's memory ("50%") or a size. */
static int memory_of(const char *text, uint64_t host_memory, uint64_t *bytes, struct error *err)
{
	const char *end = text;
	uint64_t percent;

	if (!number_prefix(&end, UINT64_MAX, &percent) || strcmp(end, "%") != 0)
		return size_parse(text, bytes, err);
	if (!host_memory)
		return error_set(err, -EINVAL, "\"%s\": the memory size of the host is not known", quote(text).text);
	if (percent > SIZE_LIMIT / host_memory)
		return error_set(err, -EINVAL, "\"%s\": more than 1EiB", quote(text).text);
	*bytes = host_memory / 100 * percent;
	return 0;
}

/* Sets a user.numaplace key in the request. Errors name the key with its prefix. */
static int set_asked(const struct incus_config *c, int key, unsigned int allowed, uint64_t host_memory,
		     struct request *r, struct error *err)
{
	const char *value = c->asked[key];
	char number[24];
	uint64_t bytes;
	int ret = 0;

	if (!value || request_key_is_hint(key))
		return 0;
	if (!(allowed & 1U << key))
		return error_set(err, -EINVAL, "%s: \"%s\": containers may not set this key (container-keys)",
				 name_of(c, key).text, quote(value).text);
	if (key == KEY_MEMORY) {
		ret = memory_of(value, host_memory, &bytes, err);
		if (ret < 0)
			return error_prefix(err, ret, "%s", name_of(c, key).text);
		if (strchr(value, '%')) {
			snprintf(number, sizeof(number), "%llu", (unsigned long long)bytes);
			value = number;
		}
	}
	ret = request_set(r, request_keys[key], value, err);
	if (ret < 0 && strncmp(err->text, "limits.", 7) == 0) {
		struct error text = *err;

		if (c->by_variable >> key & 1)
			ret = error_set(err, ret, "%s: %s", name_of(c, key).text, text.text);
		else
			ret = error_set(err, ret, INCUS_PREFIX "%s", text.text);
	}
	return ret;
}

uint64_t incus_host_memory(int root)
{
	static const char name[] = "MemTotal:";
	char text[4096];
	const char *at;
	uint64_t kib;

	if (file_read(root, "proc/meminfo", text, sizeof(text)) < 0)
		return 0;
	at = strstr(text, name);
	if (!at)
		return 0;
	at += strlen(name);
	at += strspn(at, " ");
	return number_prefix(&at, UINT64_MAX >> 10, &kib) ? kib << 10 : 0;
}

/* One of the daemon's own sizes in bytes; 0: not set or invalid (incus_doubts() reports it). */
static uint64_t own_size(const char *text, uint64_t host_memory)
{
	uint64_t bytes;

	return text && memory_of(text, host_memory, &bytes, NULL) == 0 ? bytes : 0;
}

/* Uses the daemon's own limits for keys that user.numaplace leaves out. Call before request_finish(). */
static int fall_back(const struct incus_config *c, uint64_t host_memory, struct request *r, struct error *err)
{
	bool huge = r->given & 1U << KEY_MEMORY_HUGEPAGES;

	if (!c->asked[KEY_MEMORY])
		request_fallback_memory(r, (int64_t)own_size(c->native[KEY_MEMORY], host_memory));
	for (int i = 0; i < INCUS_HUGE_SIZES && !huge; i++) {
		int ret = request_fallback_hugepages(r, huge_keys[i].size, own_size(c->huge[i], host_memory), err);

		if (ret < 0)
			return ret;
	}
	return 0;
}

/* limits.memory.hugepages of a VM: all its memory is in huge pages. */
static bool all_huge(const struct incus_config *c)
{
	bool on = false;

	return c->native[KEY_MEMORY_HUGEPAGES] && bool_parse(c->native[KEY_MEMORY_HUGEPAGES], &on, NULL) == 0 && on;
}

static void doubt(void (*say)(const char *line), const char *key, struct error *fault)
{
	struct error line;

	error_set(&line, -EINVAL, "%s: %s; ignored", key, fault->text);
	say(line.text);
}

void incus_doubts(const struct incus_config *c, uint64_t host_memory, void (*say)(const char *line))
{
	struct error fault;
	uint64_t bytes;
	bool on;

	if (c->native[KEY_MEMORY] && !c->asked[KEY_MEMORY] &&
	    memory_of(c->native[KEY_MEMORY], host_memory, &bytes, &fault) < 0)
		doubt(say, request_keys[KEY_MEMORY], &fault);
	if (c->native[KEY_MEMORY_HUGEPAGES] && bool_parse(c->native[KEY_MEMORY_HUGEPAGES], &on, &fault) < 0)
		doubt(say, request_keys[KEY_MEMORY_HUGEPAGES], &fault);
	for (int i = 0; i < INCUS_HUGE_SIZES && !c->asked[KEY_MEMORY_HUGEPAGES]; i++)
		if (c->huge[i] && memory_of(c->huge[i], host_memory, &bytes, &fault) < 0)
			doubt(say, huge_keys[i].key, &fault);
}

static int own_key(const struct incus_config *c, int key, struct request *r, struct error *err)
{
	return c->native[key] ? request_set(r, request_keys[key], c->native[key], err) : 0;
}

int incus_plan_ahead(const struct incus_config *c, const struct conf *conf, uint64_t host_memory, struct request *out,
		     struct error *err)
{
	static const int shared[] = { KEY_CPU, KEY_CPU_NODES, KEY_MEMORY_HUGEPAGES };
	struct request r;
	int ret = 0;

	request_init(&r);
	for (int k = 0; ret == 0 && k < KEY_COUNT; k++)
		ret = set_asked(c, k, conf->container_keys, host_memory, &r, err);
	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(shared); i++) {
		/* With a node request in user.numaplace, the daemon's own key holds an earlier choice by numaplace. */
		if (shared[i] == KEY_CPU_NODES && c->asked[KEY_CPU_NODES])
			continue;
		if (shared[i] == KEY_MEMORY_HUGEPAGES && (!all_huge(c) || !c->native[KEY_MEMORY]))
			continue;
		ret = own_key(c, shared[i], &r, err);
	}
	if (ret == 0 && r.huge_memory && !r.memory)
		r.memory = own_size(c->native[KEY_MEMORY], host_memory);
	if (ret == 0 && !(r.given & 1U << KEY_CPU_NODES))
		ret = request_set(&r, request_keys[KEY_CPU_NODES], "balanced", err);
	if (ret == 0)
		ret = fall_back(c, host_memory, &r, err);
	if (ret == 0)
		ret = request_finish(&r, err);
	if (ret == 0)
		*out = r;
	return ret;
}

/* Nodes configured, or chosen by the daemon; NULL: none. */
static int chosen_nodes(const struct incus_config *c, const char **out, struct error *err)
{
	*out = c->native[KEY_CPU_NODES];
	if (!*out || strcmp(*out, "balanced") != 0)
		return 0;
	*out = c->native[KEY_VOLATILE_CPU_NODES];
	if (!*out)
		return error_set(err, -EINVAL, "limits.cpu.nodes: \"balanced\": volatile.cpu.nodes is missing");
	return 0;
}

/*
 * Refuses CPU keys where Incus schedules CPUs. A request for nodes is allowed beside the daemon's nodes: `numaplace
 * incus place` has used it already.
 */
static int refuse_choice(const struct incus_config *c, struct error *err)
{
	static const int cpu_keys[] = { KEY_CPU,        KEY_CPU_NODES, KEY_CPU_EXCLUSIVE,
					KEY_CPU_DEVICE, KEY_CPU_CLASS, KEY_CPU_THREADS, KEY_CPU_WORK,
					KEY_CPU_IRQ };

	for (size_t i = 0; i < ARRAY_SIZE(cpu_keys); i++)
		if (c->asked[cpu_keys[i]] && !(cpu_keys[i] == KEY_CPU_NODES && c->native[KEY_CPU_NODES]))
			return error_set(err, -EINVAL,
					 "%s: \"%s\": needs " INCUS_PREFIX "mode = lead: with follow the daemon chooses the CPUs",
					 name_of(c, cpu_keys[i]).text, quote(c->asked[cpu_keys[i]]).text);
	return 0;
}

/* Takes the number of CPUs from the daemon's limits.cpu. */
static int follow_cpus(const struct incus_config *c, struct request *r, struct error *err)
{
	int ret = own_key(c, KEY_CPU, r, err);

	if (ret < 0 || !r->cpu_listed)
		return ret;
	/* In Incus, a CPU list overrides nodes. Its memory is still requested on the nodes. */
	r->given &= ~(1U << KEY_CPU);
	r->cpu_listed = false;
	idset_clear(&r->cpu_list);
	return 0;
}

static int plan_behind(const struct incus_config *c, const struct conf *conf, uint64_t host_memory, enum incus_way *way,
		       struct request *out, struct error *err)
{
	bool listed = c->native[KEY_CPU] && strpbrk(c->native[KEY_CPU], ",-");
	const char *nodes = NULL;
	struct request r;
	int ret = refuse_choice(c, err);

	request_init(&r);
	if (ret == 0)
		ret = chosen_nodes(c, &nodes, err);
	if (ret < 0)
		return ret;
	/* An instance with pinned CPUs and mode = follow requests memory near them. */
	if (!nodes && !(listed && (c->mode || conf->without_keys == DEFAULT_FOLLOW_PINS))) {
		*way = INCUS_LEAVE;
		return 0;
	}
	for (int k = 0; ret == 0 && k < KEY_COUNT; k++)
		if (k != KEY_CPU_NODES)
			ret = set_asked(c, k, conf->container_keys, host_memory, &r, err);
	if (ret == 0)
		ret = nodes ? follow_cpus(c, &r, err) : own_key(c, KEY_CPU, &r, err);
	if (ret == 0 && nodes)
		ret = request_set(&r, request_keys[KEY_CPU_NODES], nodes, err);
	if (ret == 0)
		ret = fall_back(c, host_memory, &r, err);
	if (ret == 0)
		ret = request_finish(&r, err);
	if (ret < 0)
		return ret;
	*way = INCUS_BEHIND;
	*out = r;
	return 0;
}

static int find_mode(const struct incus_config *c, const struct conf *conf, bool *lead, struct error *err)
{
	*lead = conf->incus_mode == INCUS_LEAD;
	if (!c->mode)
		return 0;
	*lead = strcmp(c->mode, "lead") == 0;
	if (!*lead && strcmp(c->mode, "follow") != 0)
		return error_set(err, -EINVAL, INCUS_PREFIX "mode: \"%s\": not follow or lead", quote(c->mode).text);
	return 0;
}

int incus_plan(const struct incus_config *c, const struct conf *conf, uint64_t host_memory, enum incus_way *way,
	       struct request *out, struct error *err)
{
	bool lead, asks = c->native[KEY_CPU_NODES] || conf->without_keys == DEFAULT_BALANCED;
	int ret = find_mode(c, conf, &lead, err);

	if (ret < 0)
		return ret;
	if (!lead)
		return plan_behind(c, conf, host_memory, way, out, err);
	for (int k = 0; k < KEY_COUNT; k++)
		asks |= c->asked[k] && !request_key_is_hint(k);
	/*
	 * `mode = lead` on an instance is itself a request. The host-wide setting applies only to instances with keys.
	 */
	*way = asks || c->mode ? INCUS_AHEAD : INCUS_LEAVE;
	return *way == INCUS_LEAVE ? 0 : incus_plan_ahead(c, conf, host_memory, out, err);
}
