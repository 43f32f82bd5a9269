/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keys to a request.  The daemon has checked its own keys, and what they limit is its business: limits.memory is
 * a request only where user.numaplace.limits.memory does not say better.  The
 * nodes are asked for by name: without limits.cpu.nodes an instance is left alone.
 */
#include "runtime-hooks/incus-config.h"

#include "plugin/util.h"

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

static int keep(char **where, const char *value, struct error *err)
{
	char *copy = strdup(value);

	if (!copy)
		return error_set(err, -ENOMEM, "out of memory");
	free(*where);
	*where = copy;
	return 0;
}

int incus_config_add(struct incus_config *c, const char *key, const char *value, struct error *err)
{
	size_t prefix = strlen(INCUS_PREFIX);
	bool ours = strncmp(key, INCUS_PREFIX, prefix) == 0;
	int k = request_find_key(ours ? key + prefix : key);

	/* Unset and empty are one in Incus. */
	if (!*value)
		return 0;
	if (k >= 0)
		return keep(ours ? &c->asked[k] : &c->native[k], value, err);
	if (ours && strcmp(key + prefix, "mode") == 0)
		return keep(&c->mode, value, err);
	if (ours)
		return error_set(err, -EINVAL, "%s: \"%s\": no such key", quote(key).text, quote(value).text);
	for (size_t i = 0; i < INCUS_HUGE_SIZES; i++)
		if (strcmp(key, huge_keys[i].key) == 0)
			return keep(&c->huge[i], value, err);
	return 0;
}

void incus_config_free(struct incus_config *c)
{
	for (int k = 0; k < KEY_COUNT; k++) {
		free(c->native[k]);
		free(c->asked[k]);
	}
	for (int i = 0; i < INCUS_HUGE_SIZES; i++)
		free(c->huge[i]);
	free(c->mode);
	free(c->name);
	free(c->type);
	*c = (struct incus_config){ 0 };
}

static bool is_hint(int key)
{
	return key == KEY_VOLATILE_CPU_NODES || key == KEY_VOLATILE_MEMORY_NODES;
}

/* A key of ours, under its whole name in messages. */
static int set_asked(const struct incus_config *c, int key, unsigned int allowed, struct request *r, struct error *err)
{
	int ret;

	if (!c->asked[key] || is_hint(key))
		return 0;
	if (!(allowed & 1U << key))
		return error_set(err, -EINVAL, INCUS_PREFIX "%s: \"%s\": containers may not set this key (container-keys)",
				 request_keys[key], quote(c->asked[key]).text);
	ret = request_set(r, request_keys[key], c->asked[key], err);
	if (ret < 0 && strncmp(err->text, "limits.", 7) == 0) {
		struct error text = *err;

		ret = error_set(err, ret, INCUS_PREFIX "%s", text.text);
	}
	return ret;
}

/* "50%" of the host's memory, or a size; 0: not understood, or not known. */
static uint64_t memory_of(const char *text, uint64_t host_memory)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t bytes;

	if (digits && digits < 4 && strcmp(text + digits, "%") == 0)
		return host_memory / 100 * strtoul(text, NULL, 10);
	return size_parse(text, &bytes, NULL) < 0 ? 0 : bytes;
}

/* The daemon's own limits where our keys are silent; before request_finish. */
static int fall_back(const struct incus_config *c, uint64_t host_memory, struct request *r, struct error *err)
{
	bool huge = r->given & 1U << KEY_MEMORY_HUGEPAGES;
	uint64_t memory;

	if (c->native[KEY_MEMORY] && !c->asked[KEY_MEMORY]) {
		memory = memory_of(c->native[KEY_MEMORY], host_memory);
		if (memory && memory <= INT64_MAX)
			request_fallback_memory(r, (int64_t)memory);
	}
	for (int i = 0; i < INCUS_HUGE_SIZES && !huge; i++) {
		int ret = 0;

		memory = c->huge[i] ? memory_of(c->huge[i], host_memory) : 0;
		if (memory)
			ret = request_fallback_hugepages(r, huge_keys[i].size, memory, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int own_key(const struct incus_config *c, int key, struct request *r, struct error *err)
{
	return c->native[key] ? request_set(r, request_keys[key], c->native[key], err) : 0;
}

int incus_plan_ahead(const struct incus_config *c, const struct conf *conf, uint64_t host_memory, struct request *out,
		     struct error *err)
{
	/* limits.memory.hugepages of a VM: all its memory. */
	static const int shared[] = { KEY_CPU, KEY_CPU_NODES, KEY_MEMORY_HUGEPAGES };
	struct request r;
	int ret = 0;

	request_init(&r);
	for (int k = 0; ret == 0 && k < KEY_COUNT; k++)
		ret = set_asked(c, k, conf->container_keys, &r, err);
	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(shared); i++) {
		/* Its own nodes are an earlier choice of ours where the wish is beside them. */
		if (shared[i] == KEY_CPU_NODES && c->asked[KEY_CPU_NODES])
			continue;
		if (shared[i] == KEY_MEMORY_HUGEPAGES && c->native[shared[i]] &&
		    (strcmp(c->native[shared[i]], "true") != 0 || !c->native[KEY_MEMORY]))
			continue;
		ret = own_key(c, shared[i], &r, err);
	}
	if (ret == 0 && r.huge_memory && !r.memory && c->native[KEY_MEMORY])
		r.memory = memory_of(c->native[KEY_MEMORY], host_memory);
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

/* The nodes that the daemon has chosen, or was told to take; NULL: it goes by none. */
static int chosen_nodes(const struct incus_config *c, const char **out, struct error *err)
{
	*out = c->native[KEY_CPU_NODES];
	if (!*out || strcmp(*out, "balanced") != 0)
		return 0;
	*out = c->native[KEY_VOLATILE_CPU_NODES];
	if (!*out)
		return error_set(err, -EINVAL, "limits.cpu.nodes: \"balanced\": and no volatile.cpu.nodes says what was chosen");
	return 0;
}

/* Keys that choose CPUs, where somebody else does.  A wish beside nodes is what numaplace incus place went by. */
static int refuse_choice(const struct incus_config *c, struct error *err)
{
	static const int cpu_keys[] = { KEY_CPU, KEY_CPU_NODES, KEY_CPU_EXCLUSIVE, KEY_CPU_DEVICE };

	for (size_t i = 0; i < ARRAY_SIZE(cpu_keys); i++)
		if (c->asked[cpu_keys[i]] && !(cpu_keys[i] == KEY_CPU_NODES && c->native[KEY_CPU_NODES]))
			return error_set(err, -EINVAL,
					 INCUS_PREFIX "%s: \"%s\": needs " INCUS_PREFIX "mode = lead: with follow the CPUs "
						      "are chosen elsewhere",
					 request_keys[cpu_keys[i]], quote(c->asked[cpu_keys[i]]).text);
	return 0;
}

/* How many CPUs it has, as the daemon's limits.cpu tells. */
static int follow_cpus(const struct incus_config *c, struct request *r, struct error *err)
{
	int ret = own_key(c, KEY_CPU, r, err);

	if (ret < 0 || !r->cpu_listed)
		return ret;
	/* A list beside nodes overrides them in Incus; its memory is asked for on the nodes all the same. */
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
	/* To say follow of an instance with CPUs of its own is to ask for memory beside them. */
	if (!nodes && !(listed && (c->mode || conf->without_keys == DEFAULT_FOLLOW_PINS))) {
		*way = INCUS_LEAVE;
		return 0;
	}
	for (int k = 0; ret == 0 && k < KEY_COUNT; k++)
		if (k != KEY_CPU_NODES)
			ret = set_asked(c, k, conf->container_keys, &r, err);
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
		asks |= c->asked[k] && !is_hint(k);
	/* To say lead of an instance is to ask for it; a whole host's lead is for those that ask. */
	*way = asks || c->mode ? INCUS_AHEAD : INCUS_LEAVE;
	return *way == INCUS_LEAVE ? 0 : incus_plan_ahead(c, conf, host_memory, out, err);
}
