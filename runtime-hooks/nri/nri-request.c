/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The annotations of a pod are written by a user of the cluster: hostile input. They are read with the same rules as
 * those of an OCI container.
 */
#include "runtime-hooks/nri/nri-request.h"

#include "plugin/base/util.h"
#include "runtime-hooks/common/json.h"
#include "runtime-hooks/oci/oci-config.h"

#include <errno.h>
#include <string.h>

#define FOR_CONTAINER "/container."
#define SHARES_MIN 2 /* the least that a kubelet sets */

/* --- annotations --- */

/* Adds an annotation if its name, of which @len bytes count, is a key of numaplace. */
static int add(struct oci_annotations *to, const struct nri_entry *e, size_t len, struct error *err)
{
	cleanup_free char *key = strndup(e->key.text, len);
	struct json_value v = { .type = JSON_STRING, .text = e->value.text, .len = e->value.len, .key = key };
	int rc;

	if (!key)
		return error_errno(err, -ENOMEM, "annotations");
	if (!oci_annotation_wanted(key))
		return 0;
	if (strlen(v.text) != v.len)
		rc = error_set(err, -EINVAL, "a NUL in the value");
	else
		rc = oci_annotation_add(to, &v, err);
	return rc < 0 ? error_prefix(err, rc, "%s", quote(e->key.text).text) : 0;
}

/* The container's own annotations count more than those of the pod, and the pod's for one container most of all. */
static void prefer(struct oci_annotations *to, struct oci_annotations *more)
{
	for (int i = 0; i < KEY_COUNT; i++) {
		if (!more->bare[i] && !more->prefixed[i])
			continue;
		free(to->bare[i]);
		free(to->prefixed[i]);
		to->bare[i] = steal_ptr(more->bare[i]);
		to->prefixed[i] = steal_ptr(more->prefixed[i]);
	}
	if (!to->unknown)
		to->unknown = steal_ptr(more->unknown);
}

static int collect(const struct nri_entry *entries, size_t n, const char *container, struct oci_annotations *out,
		   struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		const char *key = entries[i].key.text, *mark = strstr(key, FOR_CONTAINER);
		size_t len = mark ? (size_t)(mark - key) : strlen(key);
		int rc = 0;

		if (strlen(key) != entries[i].key.len || !mark != !container)
			continue;
		if (!mark || strcmp(mark + strlen(FOR_CONTAINER), container) == 0)
			rc = add(out, &entries[i], len, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int collect_all(const struct nri_pod *pod, const struct nri_container *c, struct oci_annotations *out,
		       struct error *err)
{
	struct oci_annotations own = { 0 }, named = { 0 };
	int rc = collect(pod->annotations, pod->nannotations, NULL, out, err);

	if (rc == 0)
		rc = collect(c->annotations, c->nannotations, NULL, &own, err);
	if (rc == 0 && c->name.len)
		rc = collect(pod->annotations, pod->nannotations, c->name.text, &named, err);
	prefer(out, &own);
	prefer(out, &named);
	oci_annotations_free(&own);
	oci_annotations_free(&named);
	return rc;
}

/* --- environment, devices of CDI, and other devices --- */

static int collect_variables(const struct nri_container *c, struct oci_variables *out, struct error *err)
{
	int rc = 0;

	for (size_t i = 0; i < c->nvariables && rc == 0; i++) {
		const struct nri_text *v = &c->variables[i];

		rc = strlen(v->text) == v->len ? oci_variables_add(out, v->text, v->len, err) :
						 error_set(err, -EINVAL, "a NUL in the value");
		if (rc < 0)
			error_prefix(err, rc, "environment");
	}
	return rc;
}

/* A device of CDI that stands for a placement has put a hook with its keys into the spec. */
static int collect_defaults(const struct nri_container *c, struct oci_config *out, struct error *err)
{
	int rc = 0;

	for (size_t i = 0; i < c->nhooks; i++)
		for (size_t k = 0; k < c->hooks[i].n && rc == 0; k++)
			rc = oci_config_add_hook_arg(out, k, c->hooks[i].word[k].text, err);
	return rc;
}

static int collect_devices(const struct nri_container *c, struct device_refs *out, struct error *err)
{
	int rc = 0;

	out->all = c->all_devices;
	for (size_t i = 0; i < c->ndevices && rc == 0; i++)
		if (c->devices[i].type == 'b' || c->devices[i].type == 'c')
			rc = device_refs_add_number(out, c->devices[i].type == 'b', c->devices[i].major,
						    c->devices[i].minor, err);
	for (size_t i = 0; i < c->npaths && rc == 0; i++)
		rc = device_refs_add_path(out, c->paths[i].text, err);
	for (size_t i = 0; i < c->ninterfaces && rc == 0; i++)
		rc = device_refs_add_name(out, c->interfaces[i].text, err);
	return rc;
}

void nri_find_devices(struct place_env *env, const struct nri_container *c, struct request *r)
{
	cleanup_device_refs struct device_refs refs = { 0 };
	struct error err;

	if ((c->ndevices || c->npaths || c->ninterfaces) && collect_devices(c, &refs, &err) == 0 && refs.n &&
	    place_open(env, PLACE_READ, &err) == 0)
		place_find_devices(env, &refs, r);
}

/* --- resources --- */

bool nri_is_guaranteed(const struct nri_resources *r)
{
	uint64_t milli, shares;

	if (r->memory_limit <= 0 || r->quota <= 0 || !r->period || (uint64_t)r->quota > UINT64_MAX / 1024000)
		return false;
	milli = (uint64_t)r->quota * 1000 / r->period;
	shares = milli * 1024 / 1000;
	return r->shares == (shares < SHARES_MIN ? SHARES_MIN : shares);
}

static int copy_list(char **out, const struct nri_text *text, const char *what, struct error *err)
{
	if (!text->len)
		return 0;
	if (text->len > OCI_VALUE_MAX || strlen(text->text) != text->len)
		return error_set(err, -EINVAL, "%s: not a list", what);
	return string_keep(out, text->text, err);
}

/* The resources in the form of a config.json, whose rules apply. */
static int copy_resources(const struct nri_resources *r, struct oci_config *out, struct error *err)
{
	int rc = copy_list(&out->cpus, &r->cpus, "cpus", err);

	if (rc == 0)
		rc = copy_list(&out->mems, &r->mems, "mems", err);
	if (rc < 0)
		return rc;
	out->cpu_quota = r->quota;
	out->cpu_period = r->period > INT64_MAX ? 0 : (int64_t)r->period;
	out->memory_limit = r->memory_limit;
	for (size_t i = 0; i < r->nhuge; i++) {
		struct oci_huge *h = &out->huge[out->nhuge];

		if (!r->huge[i].limit || r->huge[i].limit > INT64_MAX)
			continue; /* none, or not limited */
		if (out->nhuge == OCI_HUGE_MAX)
			return error_set(err, -EINVAL, "hugepage_limits: more than %d page sizes", OCI_HUGE_MAX);
		rc = size_parse_page(r->huge[i].page_size.text, &h->page_size, err);
		if (rc < 0)
			return error_prefix(err, rc, "hugepage_limits");
		h->limit = r->huge[i].limit;
		out->nhuge++;
	}
	return 0;
}

/* --- the default of the host --- */

/* Whether @name is one of the words of @list. */
static bool is_listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; len && *p;) {
		size_t word = strcspn(p, " ");

		if (word == len && memcmp(p, name, len) == 0)
			return true;
		p += word;
		p += strspn(p, " ");
	}
	return false;
}

static enum conf_default default_for(const struct nri_pod *pod, const struct nri_container *c, const struct conf *conf)
{
	enum conf_default what = conf->pods;

	if (*conf->pod_namespaces ? !is_listed(conf->pod_namespaces, pod->namespace.text) :
				    strcmp(pod->namespace.text, "kube-system") == 0)
		what = DEFAULT_NONE;
	if (*conf->pod_classes && !is_listed(conf->pod_classes, pod->handler.text))
		what = DEFAULT_NONE;
	if (what == DEFAULT_GUARANTEED)
		what = nri_is_guaranteed(&c->resources) ? DEFAULT_BALANCED : DEFAULT_NONE;
	if (what == DEFAULT_NONE && conf->without_keys == DEFAULT_FOLLOW_PINS)
		what = DEFAULT_FOLLOW_PINS;
	return what;
}

int nri_request(const struct nri_pod *pod, const struct nri_container *c, const struct conf *conf, struct request *out,
		bool *asked, struct error *err)
{
	cleanup_oci_config struct oci_config config = { 0 };
	struct request r;
	int rc = collect_all(pod, c, &config.annotations, err);

	request_init(&r);
	*out = r;
	if (rc == 0)
		rc = collect_variables(c, &config.variables, err);
	if (rc == 0)
		rc = collect_defaults(c, &config, err);
	*asked = oci_config_asks(&config, conf);
	if (rc == 0)
		rc = oci_annotations_request(&config.annotations, conf->container_keys, &r, err);
	if (rc == 0)
		rc = oci_variables_request(&config.variables, &config.annotations, conf, &r, err);
	if (rc == 0)
		rc = oci_config_add_defaults(&config, NULL, &r, err);
	if (rc < 0) {
		*asked = true;
		return rc;
	}
	if (!*asked && default_for(pod, c, conf) == DEFAULT_NONE)
		return 0;
	rc = copy_resources(&c->resources, &config, err);
	if (rc == 0)
		rc = *asked ? oci_config_fallback(&config, &r, err) :
			      oci_config_default(&config, default_for(pod, c, conf), &r, err);
	if (rc == 0 && request_asks(&r))
		rc = request_finish(&r, err);
	if (rc == 0)
		*out = r;
	return rc;
}

/* --- the pod --- */

/* Whether a key is for one container, which may have other claims than its resources, or be the only placed one. */
static bool names_container(const struct nri_pod *pod)
{
	for (size_t i = 0; i < pod->nannotations; i++)
		if (strstr(pod->annotations[i].key.text, FOR_CONTAINER))
			return true;
	return false;
}

static bool says_claims(const struct request *r)
{
	return r->cpu_count || r->cpu_listed || r->memory || r->huge_memory || r->nhuge;
}

int nri_pod_request(const struct nri_pod *pod, const struct nri_container *c, const struct conf *conf,
		    struct request *out, struct error *err)
{
	cleanup_oci_config struct oci_config config = { 0 }, own = { 0 };
	struct request r;
	bool asked;
	int rc;

	request_init(out);
	request_init(&r);
	if (!pod->resources.given || names_container(pod) || c->resources.cpus.len || c->resources.mems.len)
		return 0;
	rc = collect(c->annotations, c->nannotations, NULL, &own.annotations, err);
	if (rc == 0)
		rc = collect_variables(c, &own.variables, err);
	if (rc == 0)
		rc = collect_defaults(c, &own, err);
	if (rc < 0 || oci_config_asks(&own, conf))
		return rc;
	rc = collect(pod->annotations, pod->nannotations, NULL, &config.annotations, err);
	if (rc == 0)
		rc = oci_annotations_request(&config.annotations, conf->container_keys, &r, err);
	if (rc < 0 || says_claims(&r))
		return rc;
	asked = oci_annotations_ask(&config.annotations);
	if (!asked && (default_for(pod, c, conf) != DEFAULT_BALANCED ||
		       (conf->pods == DEFAULT_GUARANTEED && !nri_is_guaranteed(&pod->resources))))
		return 0;
	rc = copy_resources(&pod->resources, &config, err);
	if (rc == 0)
		rc = asked ? oci_config_fallback(&config, &r, err) :
			     oci_config_default(&config, DEFAULT_BALANCED, &r, err);
	if (rc < 0 || !says_claims(&r))
		return rc;
	r.policy = POLICY_STRICT; /* set for each container */
	rc = request_finish(&r, err);
	if (rc == 0)
		*out = r;
	return rc;
}
