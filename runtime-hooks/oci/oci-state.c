/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parses the state and makes a request from the annotations.
 *
 * The runtime is trusted; the annotations are written by the user who started the container. The id is stored unchecked
 * and checked only if the container requests a placement: a container that requests nothing must start with any id that
 * its runtime accepts.
 */
#include "runtime-hooks/oci/oci-state.h"

#include "plugin/base/strbuf.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/json.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* CRI-O's and containerd's marks of a pod's pause container. */
static const char *const sandbox_marks[] = {
	"io.kubernetes.cri-o.ContainerType",
	"io.kubernetes.cri.container-type",
};

static bool is_sandbox_mark(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(sandbox_marks); i++)
		if (strcmp(key, sandbox_marks[i]) == 0)
			return true;
	return false;
}

static bool has_prefix(const char *key)
{
	return strncmp(key, OCI_PREFIX, strlen(OCI_PREFIX)) == 0;
}

bool oci_annotation_wanted(const char *key)
{
	return has_prefix(key) || is_sandbox_mark(key) || request_find_key(key) >= 0;
}

int oci_annotation_add(struct oci_annotations *a, const struct json_value *v, struct error *err)
{
	bool prefixed = has_prefix(v->key);
	int key = request_find_key(prefixed ? v->key + strlen(OCI_PREFIX) : v->key);

	if (v->len > OCI_VALUE_MAX)
		return error_set(err, -EINVAL, "longer than %d bytes", OCI_VALUE_MAX);
	if (is_sandbox_mark(v->key))
		a->sandbox |= strcmp(v->text, "sandbox") == 0;
	else if (key >= 0)
		return string_keep(prefixed ? &a->prefixed[key] : &a->bare[key], v->text, err);
	else if (!a->unknown)
		return string_keep(&a->unknown, v->key, err);
	return 0;
}

void oci_annotations_free(struct oci_annotations *a)
{
	for (int i = 0; i < KEY_COUNT; i++) {
		free(a->bare[i]);
		free(a->prefixed[i]);
	}
	free(a->unknown);
	*a = (struct oci_annotations){ 0 };
}

bool oci_annotations_ask(const struct oci_annotations *a)
{
	for (int i = 0; i < KEY_COUNT; i++)
		if (!request_key_is_hint(i) && (a->bare[i] || a->prefixed[i]))
			return true;
	return a->unknown;
}

static int set_key(const struct oci_annotations *a, int key, unsigned int allowed, struct request *r, struct error *err)
{
	const char *name = request_keys[key];
	const char *bare = a->bare[key], *prefixed = a->prefixed[key];

	if (!bare && !prefixed)
		return 0;
	/* Hints count only beside a request: a copied container may carry stale ones, which must not stop it. */
	if (request_key_is_hint(key) && !oci_annotations_ask(a)) {
		request_set(r, name, bare ? bare : prefixed, NULL);
		return 0;
	}
	if (bare && prefixed && strcmp(bare, prefixed) != 0)
		return error_set(err, -EINVAL, "%s is \"%s\" but " OCI_PREFIX "%s is \"%s\"", name, quote(bare).text,
				 name, quote(prefixed).text);
	if (!request_key_is_hint(key) && !(allowed & 1U << key))
		return error_set(err, -EINVAL, "%s: containers may not set this key (container-keys)", name);
	return request_set(r, name, bare ? bare : prefixed, err);
}

int oci_annotations_request(const struct oci_annotations *a, unsigned int allowed, struct request *out,
			    struct error *err)
{
	struct request r;
	int status = 0;

	if (a->unknown)
		return error_set(err, -EINVAL, "%s: no such key", quote(a->unknown).text);
	request_init(&r);
	for (int i = 0; i < KEY_COUNT && status == 0; i++)
		status = set_key(a, i, allowed, &r, err);
	if (status == 0)
		*out = r;
	return status;
}

static int set_id(void *arg, const struct json_value *v, struct error *err)
{
	struct oci_state *s = arg;

	return string_keep(&s->id, v->text, err);
}

static int set_pid(void *arg, const struct json_value *v, struct error *err)
{
	struct oci_state *s = arg;

	if (v->integer < 0 || v->integer > INT_MAX)
		return error_set(err, -EINVAL, "%s is not a process id", quote(v->text).text);
	s->pid = (pid_t)v->integer;
	return 0;
}

/* Only "creating" and "created" matter; a value too long for the buffer is neither. */
static int set_status(void *arg, const struct json_value *v, struct error *err)
{
	struct oci_state *s = arg;

	(void)err;
	if (v->len < sizeof(s->status))
		memcpy(s->status, v->text, v->len + 1);
	return 0;
}

static int set_bundle(void *arg, const struct json_value *v, struct error *err)
{
	struct oci_state *s = arg;

	if (v->len >= PATH_MAX)
		return error_set(err, -EINVAL, "longer than %d bytes", PATH_MAX - 1);
	return string_keep(&s->bundle, v->text, err);
}

static int set_annotation(void *arg, const struct json_value *v, struct error *err)
{
	struct oci_state *s = arg;

	return oci_annotation_add(&s->annotations, v, err);
}

static int see_annotations(void *arg, const struct json_value *v, struct error *err)
{
	struct oci_state *s = arg;

	(void)v;
	(void)err;
	s->annotations.any = true;
	return 0;
}

static const struct json_rule state_rules[] = {
	{ .path = "id", .types = JSON_STRING, .set = set_id },
	{ .path = "pid", .types = JSON_INTEGER, .set = set_pid },
	{ .path = "status", .types = JSON_STRING, .set = set_status },
	{ .path = "bundle", .types = JSON_STRING, .set = set_bundle },
	{ .path = "annotations", .types = JSON_OBJECT, .set = see_annotations },
	{ .path = "annotations/*", .types = JSON_STRING, .wants = oci_annotation_wanted, .set = set_annotation },
};

int oci_state_parse(const char *text, size_t len, struct oci_state *out, struct error *err)
{
	int r;

	*out = (struct oci_state){ 0 };
	if (!len)
		return error_set(err, -EINVAL, "empty: a runtime writes it to stdin of the hook");
	r = json_parse(text, len, OCI_STATE_MAX, state_rules, ARRAY_SIZE(state_rules), out, err);
	if (r == 0 && (!out->id || !*out->id))
		r = error_set(err, -EINVAL, "the id is missing");
	return r;
}

void oci_state_free(struct oci_state *s)
{
	free(s->id);
	free(s->bundle);
	oci_annotations_free(&s->annotations);
	*s = (struct oci_state){ 0 };
}
