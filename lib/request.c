/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests of the public API: the keys, pins and limits of one container.
 */
#include "lib/context.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

#define KEY_PREFIX "org.numaplace."

struct numaplace_request {
	struct numaplace *np;
	struct request keys; /* not finished, and without the limits */
	int64_t quota, memory;
	uint64_t period;
};

const char *numaplace_key(unsigned int i)
{
	return i < KEY_COUNT ? request_keys[i] : NULL;
}

int numaplace_request_new(struct numaplace *np, struct numaplace_request **out)
{
	struct error err = { 0 };
	struct numaplace_request *r;

	if (!np)
		return -EINVAL;
	if (!out)
		return lib_missing(np, "request");
	r = calloc(1, sizeof(*r));
	if (!r)
		return lib_keep(np, error_set(&err, -ENOMEM, "out of memory"), &err);
	r->np = np;
	request_init(&r->keys);
	*out = r;
	return 0;
}

int numaplace_request_set(struct numaplace_request *r, const char *key, const char *value)
{
	const size_t prefix = strlen(KEY_PREFIX);
	struct error err = { 0 };

	if (!r)
		return -EINVAL;
	if (!key || !value)
		return lib_missing(r->np, key ? "value" : "key");
	if (strncmp(key, KEY_PREFIX, prefix) == 0)
		key += prefix;
	return lib_keep(r->np, request_set(&r->keys, key, value, &err), &err);
}

int lib_parse_list(const char *text, const char *what, struct ids_out out, struct error *err)
{
	int rc = text && *text ? ids_parse(text, out, err) : ids_parse_kernel("", out, err);

	return rc < 0 ? error_prefix(err, rc, "%s", what) : 0;
}

int numaplace_request_pin(struct numaplace_request *r, const char *cpus, const char *mems)
{
	struct idset pin_cpus;
	struct nodeset pin_mems;
	struct error err = { 0 };
	int rc;

	if (!r)
		return -EINVAL;
	rc = lib_parse_list(cpus, "pinned CPUs", ids_into(&pin_cpus), &err);
	if (rc == 0)
		rc = lib_parse_list(mems, "pinned memory nodes", ids_into(&pin_mems), &err);
	if (rc < 0)
		return lib_keep(r->np, rc, &err);
	r->keys.pin_cpus = pin_cpus;
	r->keys.pin_mems = pin_mems;
	return 0;
}

void numaplace_request_limit(struct numaplace_request *r, int64_t quota, uint64_t period, int64_t memory)
{
	r->quota = quota;
	r->period = period;
	r->memory = memory;
}

void numaplace_request_free(struct numaplace_request *r)
{
	free(r);
}

int lib_request_finish(const struct numaplace_request *r, struct request *out, struct error *err)
{
	if (!request_asks(&r->keys))
		return error_set(err, -EINVAL, "a key is missing, for example limits.cpu=4");
	*out = r->keys;
	request_fallback_cpus(out, r->quota, r->period);
	request_fallback_memory(out, r->memory);
	return request_finish(out, err);
}

int lib_request_changes(const struct numaplace_request *r, const struct request **out, struct error *err)
{
	if (!request_asks(&r->keys))
		return error_set(err, -EINVAL, "a key is missing, for example limits.cpu=4");
	if (!idset_empty(&r->keys.pin_cpus) || !nodeset_empty(&r->keys.pin_mems))
		return error_set(err, -EINVAL, "pins are the runtime's: they cannot be changed");
	if (r->quota || r->memory)
		return error_set(err, -EINVAL, "limits are the runtime's: they cannot be changed");
	*out = &r->keys;
	return 0;
}
