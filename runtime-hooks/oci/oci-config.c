/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parses config.json and makes a request from it.
 *
 * The runtime has already read this file and accepted it. Nevertheless its folder may belong to another user, so the
 * file is opened as hostile input.
 */
#include "runtime-hooks/oci/oci-config.h"

#include "plugin/base/file.h"
#include "plugin/base/number.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/json.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define DEFAULT_PERIOD 100000 /* microseconds, the kernel's default */

static int set_quota(void *arg, const struct json_value *v, struct error *err)
{
	(void)err;
	((struct oci_config *)arg)->cpu_quota = v->integer;
	return 0;
}

static int set_period(void *arg, const struct json_value *v, struct error *err)
{
	(void)err;
	((struct oci_config *)arg)->cpu_period = v->integer;
	return 0;
}

static int set_limit(void *arg, const struct json_value *v, struct error *err)
{
	(void)err;
	((struct oci_config *)arg)->memory_limit = v->integer;
	return 0;
}

static int keep_list(char **where, const struct json_value *v, struct error *err)
{
	if (v->len > OCI_VALUE_MAX)
		return error_set(err, -EINVAL, "longer than %d bytes", OCI_VALUE_MAX);
	*where = strdup(v->text);
	return *where ? 0 : error_set(err, -ENOMEM, "out of memory");
}

static int set_cgroups_path(void *arg, const struct json_value *v, struct error *err)
{
	/* podman's paths are shorter; a longer one is no reason to refuse the container */
	return v->len > OCI_VALUE_MAX ? 0 : keep_list(&((struct oci_config *)arg)->cgroups_path, v, err);
}

static int set_cpus(void *arg, const struct json_value *v, struct error *err)
{
	return keep_list(&((struct oci_config *)arg)->cpus, v, err);
}

static int set_mems(void *arg, const struct json_value *v, struct error *err)
{
	return keep_list(&((struct oci_config *)arg)->mems, v, err);
}

static int set_policy_mode(void *arg, const struct json_value *v, struct error *err)
{
	return keep_list(&((struct oci_config *)arg)->policy_mode, v, err);
}

static int set_policy_nodes(void *arg, const struct json_value *v, struct error *err)
{
	return keep_list(&((struct oci_config *)arg)->policy_nodes, v, err);
}

static int see_huge(void *arg, const struct json_value *v, struct error *err)
{
	struct oci_config *c = arg;

	if (v->index >= OCI_HUGE_MAX)
		return error_set(err, -EINVAL, "more than %d page sizes", OCI_HUGE_MAX);
	c->nhuge = v->index + 1;
	return 0;
}

static int set_huge_size(void *arg, const struct json_value *v, struct error *err)
{
	struct oci_config *c = arg;

	return size_parse_page(v->text, &c->huge[v->index].page_size, err);
}

/* The OCI type is unsigned: a value over 63 bits means "no limit", so nothing is requested. */
static int set_huge_limit(void *arg, const struct json_value *v, struct error *err)
{
	struct oci_config *c = arg;
	int64_t limit;

	if (!number_parse_signed(v->text, INT64_MIN, INT64_MAX, &limit)) {
		if (v->text[strspn(v->text, "0123456789")])
			return error_set(err, -EINVAL, "a whole number is expected");
		limit = 0;
	}
	c->huge[v->index].limit = limit < 0 ? 0 : (uint64_t)limit;
	return 0;
}

static int set_annotation(void *arg, const struct json_value *v, struct error *err)
{
	return oci_annotation_add(&((struct oci_config *)arg)->annotations, v, err);
}

static int see_annotations(void *arg, const struct json_value *v, struct error *err)
{
	(void)v;
	(void)err;
	((struct oci_config *)arg)->annotations.any = true;
	return 0;
}

static int add_variable(void *arg, const struct json_value *v, struct error *err)
{
	return oci_variables_add(&((struct oci_config *)arg)->variables, v->text, v->len, err);
}

static int see_device(void *arg, const struct json_value *v, struct error *err)
{
	(void)v;
	return oci_devices_see_device(&((struct oci_config *)arg)->devices, err);
}

static int see_rule(void *arg, const struct json_value *v, struct error *err)
{
	(void)v;
	return oci_devices_see_rule(&((struct oci_config *)arg)->devices, err);
}

static int set_device_type(void *arg, const struct json_value *v, struct error *err)
{
	(void)err;
	oci_devices_set_type(&((struct oci_config *)arg)->devices, v->text);
	return 0;
}

static int set_major(void *arg, const struct json_value *v, struct error *err)
{
	(void)err;
	((struct oci_config *)arg)->devices.now.major = v->integer;
	return 0;
}

static int set_minor(void *arg, const struct json_value *v, struct error *err)
{
	(void)err;
	((struct oci_config *)arg)->devices.now.minor = v->integer;
	return 0;
}

static int set_allow(void *arg, const struct json_value *v, struct error *err)
{
	(void)err;
	((struct oci_config *)arg)->devices.now.allow = v->boolean;
	return 0;
}

static int see_interface(void *arg, const struct json_value *v, struct error *err)
{
	return device_refs_add_name(&((struct oci_config *)arg)->devices.refs, v->key, err);
}

static int see_mount(void *arg, const struct json_value *v, struct error *err)
{
	return device_refs_add_path(&((struct oci_config *)arg)->devices.refs, v->text, err);
}

static int add_default(struct oci_config *c, const char *text, struct error *err)
{
	for (unsigned int i = 0; i < c->ndefaults; i++)
		if (strcmp(c->defaults[i], text) == 0)
			return 0;
	if (c->ndefaults == OCI_DEFAULTS_MAX)
		return error_set(err, -EINVAL, "more than %d times --default", OCI_DEFAULTS_MAX);
	c->defaults[c->ndefaults] = strdup(text);
	return c->defaults[c->ndefaults++] ? 0 : error_set(err, -ENOMEM, "out of memory");
}

/*
 * Not only the hook that has this option needs it: with an annotation, another hook of numaplace may be called first, or
 * change the options.
 */
int oci_config_add_hook_arg(struct oci_config *c, size_t index, const char *text, struct error *err)
{
	bool now = c->in_hook && c->default_next;

	if (index == 0) {
		c->in_hook = strcmp(text, "oci-hook") == 0;
		now = false;
	}
	c->default_next = strcmp(text, "--default") == 0;
	return now ? add_default(c, text, err) : 0;
}

static int see_hook_arg(void *arg, const struct json_value *v, struct error *err)
{
	return oci_config_add_hook_arg(arg, v->index, v->text, err);
}

#define RESOURCES "linux/resources/"
static const struct json_rule config_rules[] = {
	{ .path = "linux/cgroupsPath", .types = JSON_STRING, .set = set_cgroups_path },
	{ .path = RESOURCES "cpu/quota", .types = JSON_INTEGER, .set = set_quota },
	{ .path = RESOURCES "cpu/period", .types = JSON_INTEGER, .set = set_period },
	{ .path = RESOURCES "cpu/cpus", .types = JSON_STRING, .set = set_cpus },
	{ .path = RESOURCES "cpu/mems", .types = JSON_STRING, .set = set_mems },
	{ .path = RESOURCES "memory/limit", .types = JSON_INTEGER, .set = set_limit },
	{ .path = RESOURCES "hugepageLimits/#", .types = JSON_OBJECT, .set = see_huge },
	{ .path = RESOURCES "hugepageLimits/#/pageSize", .types = JSON_STRING, .set = set_huge_size },
	{ .path = RESOURCES "hugepageLimits/#/limit", .types = JSON_NUMBER, .set = set_huge_limit },
	{ .path = "linux/memoryPolicy/mode", .types = JSON_STRING, .set = set_policy_mode },
	{ .path = "linux/memoryPolicy/nodes", .types = JSON_STRING, .set = set_policy_nodes },
	{ .path = "hooks/createRuntime/#/args/#", .types = JSON_STRING, .set = see_hook_arg },
	{ .path = "process/env/#", .types = JSON_STRING, .set = add_variable },
	{ .path = "linux/devices/#", .types = JSON_OBJECT, .set = see_device },
	{ .path = "linux/devices/#/type", .types = JSON_STRING, .set = set_device_type },
	{ .path = "linux/devices/#/major", .types = JSON_INTEGER, .set = set_major },
	{ .path = "linux/devices/#/minor", .types = JSON_INTEGER, .set = set_minor },
	{ .path = RESOURCES "devices/#", .types = JSON_OBJECT, .set = see_rule },
	{ .path = RESOURCES "devices/#/allow", .types = JSON_BOOL, .set = set_allow },
	{ .path = RESOURCES "devices/#/type", .types = JSON_STRING, .set = set_device_type },
	{ .path = RESOURCES "devices/#/major", .types = JSON_INTEGER, .set = set_major },
	{ .path = RESOURCES "devices/#/minor", .types = JSON_INTEGER, .set = set_minor },
	{ .path = "linux/netDevices/*", .types = JSON_OBJECT, .set = see_interface },
	{ .path = "mounts/#/source", .types = JSON_STRING, .set = see_mount },
	{ .path = "annotations", .types = JSON_OBJECT, .set = see_annotations },
	{ .path = "annotations/*", .types = JSON_STRING, .wants = oci_annotation_wanted, .set = set_annotation },
};

static int check_size(size_t size, struct oci_config *out, struct error *err)
{
	*out = (struct oci_config){ .too_large = size > OCI_CONFIG_MAX };
	return out->too_large ? error_set(err, -EINVAL, "more than %u MiB", OCI_CONFIG_MAX >> 20) : 0;
}

int oci_config_parse(const char *text, size_t len, struct oci_config *out, struct error *err)
{
	int r;

	if (check_size(len, out, err) < 0)
		return -EINVAL;
	r = json_parse(text, len, OCI_CONFIG_MAX, config_rules, ARRAY_SIZE(config_rules), out, err);
	return r < 0 ? r : oci_devices_flush(&out->devices, err);
}

/* Whether the string that begins at @quote is a member's name. */
static bool is_member(const char *quote, const char *end)
{
	const char *p = memchr(quote + 1, '"', (size_t)(end - quote - 1));

	while (p && ++p < end)
		if (!strchr(" \t\r\n", *p))
			return *p == ':';
	return false;
}

bool oci_config_looks_asking(const char *text, size_t len)
{
	static const char *const begin[] = { "\"limits.", "\"org.numaplace.limits." };
	const char *end = text + len;

	for (size_t i = 0; i < ARRAY_SIZE(begin); i++)
		for (const char *p = text; (p = memmem(p, (size_t)(end - p), begin[i], strlen(begin[i]))); p++)
			if (is_member(p, end))
				return true;
	return memmem(text, len, "\"" REQUEST_VARIABLE, strlen("\"" REQUEST_VARIABLE)) != NULL;
}

/* Opens the file. -ENOENT without a message: there is none; other errors have a message. */
static int open_config(const char *bundle, size_t *size, struct error *err)
{
	cleanup_close int fd = -1;
	char path[PATH_MAX];
	struct stat st;

	if (!bundle || bundle[0] != '/' || !bundle[strspn(bundle, "/")])
		return -ENOENT;
	if ((size_t)snprintf(path, sizeof(path), "%s/config.json", bundle) >= sizeof(path))
		return error_errno(err, -ENAMETOOLONG, "open");
	/* Non-blocking, in case it is a FIFO. */
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? -ENOENT : error_errno(err, -errno, "open");
	if (fstat(fd, &st) < 0)
		return error_errno(err, -errno, "stat");
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "not a regular file");
	*size = (size_t)st.st_size;
	return steal_fd(&fd);
}

/* Reads only the size at open(): the runtime has finished with the file, so later growth does not matter. */
static int read_config(int fd, size_t size, struct oci_config *out, struct error *err)
{
	cleanup_free char *text = NULL;
	ssize_t n;

	if (check_size(size, out, err) < 0)
		return -EINVAL;
	text = malloc(size + 1);
	n = text ? file_read_fd(fd, text, size) : -ENOMEM;

	if (n < 0)
		return error_errno(err, (int)n, "read");
	text[n] = '\0';
	return oci_config_parse(text, (size_t)n, out, err);
}

int oci_config_read(const char *bundle, struct oci_config *out, struct error *err)
{
	cleanup_close int fd = -1;
	size_t size = 0;
	int r;

	*out = (struct oci_config){ 0 };
	fd = open_config(bundle, &size, err);
	if (fd == -ENOENT)
		return 0;
	r = fd < 0 ? fd : read_config(fd, size, out, err);
	return r < 0 ? error_prefix(err, r, "config.json") : r;
}

const char *oci_config_id(const struct oci_config *c)
{
	static const char *const before[] = { ":libpod:", "/libpod-" };
	const char *id = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(before) && c->cgroups_path && !id; i++) {
		id = strstr(c->cgroups_path, before[i]);
		if (id)
			id += strlen(before[i]);
	}
	return id && *id && strlen(id) == strspn(id, "0123456789abcdef") ? id : NULL;
}

void oci_config_free(struct oci_config *c)
{
	free(c->cgroups_path);
	free(c->cpus);
	free(c->mems);
	free(c->policy_mode);
	free(c->policy_nodes);
	oci_annotations_free(&c->annotations);
	oci_variables_free(&c->variables);
	device_refs_free(&c->devices.refs);
	for (unsigned int i = 0; i < c->ndefaults; i++)
		free(c->defaults[i]);
	*c = (struct oci_config){ 0 };
}

bool oci_config_asks(const struct oci_config *c, const struct conf *conf)
{
	return oci_annotations_ask(&c->annotations) || oci_variables_ask(&c->variables, conf) || c->ndefaults;
}

int oci_default_parse(void *defaults, const char *value, struct error *err)
{
	const char *equals = strchr(value, '=');
	cleanup_free char *key = equals ? strndup(value, (size_t)(equals - value)) : NULL;
	int k = key ? request_find_key(key) : -1;

	if (k < 0 || request_key_is_hint(k))
		return error_set(err, -EINVAL, "--default: \"%s\": KEY=VALUE with a known key is expected", quote(value).text);
	return request_set(defaults, key, equals + 1, err);
}

int oci_config_add_defaults(const struct oci_config *c, const struct request *more, struct request *r, struct error *err)
{
	struct request all;
	int ret = 0;

	request_init(&all);
	if (more)
		all = *more;
	for (unsigned int i = 0; i < c->ndefaults && ret == 0; i++)
		ret = oci_default_parse(&all, c->defaults[i], err);
	if (ret < 0 || !all.given)
		return ret;
	request_change(&all, r);
	*r = all;
	return 0;
}

int oci_config_fallback(const struct oci_config *c, struct request *r, struct error *err)
{
	request_fallback_cpus(r, c->cpu_quota, c->cpu_period > 0 ? (uint64_t)c->cpu_period : DEFAULT_PERIOD);
	request_fallback_memory(r, c->memory_limit);
	for (unsigned int i = 0; i < c->nhuge; i++) {
		int ret = request_fallback_hugepages(r, c->huge[i].page_size, c->huge[i].limit, err);

		if (ret < 0)
			return error_prefix(err, ret, "hugepageLimits");
	}
	request_pin(r, c->cpus, c->mems);
	return 0;
}

int oci_config_default(const struct oci_config *c, enum conf_default what, struct request *r, struct error *err)
{
	int ret = 0;

	if (what == DEFAULT_FOLLOW_PINS) {
		request_follow_pins(r, c->cpus, c->mems);
		return 0;
	}
	if (what == DEFAULT_BALANCED)
		ret = request_set(r, request_keys[KEY_CPU_NODES], "balanced", err);
	return ret < 0 ? ret : oci_config_fallback(c, r, err);
}

int oci_config_request(const struct oci_config *c, const struct conf *conf, struct request *out, struct error *err)
{
	struct request r;
	int ret;

	request_init(&r);
	*out = r;
	if (c->annotations.sandbox)
		return 0;
	ret = oci_annotations_request(&c->annotations, conf->container_keys, &r, err);
	if (ret == 0)
		ret = oci_variables_request(&c->variables, &c->annotations, conf, &r, err);
	if (ret == 0)
		ret = oci_config_add_defaults(c, NULL, &r, err);
	if (ret == 0 && oci_config_asks(c, conf))
		ret = oci_config_fallback(c, &r, err);
	else if (ret == 0)
		ret = oci_config_default(c, conf->without_keys, &r, err);
	if (ret == 0 && request_asks(&r))
		ret = request_finish(&r, err);
	if (ret == 0)
		*out = r;
	return ret;
}

const char *oci_policy_mode(enum memory_policy policy, const struct nodeset *nodes)
{
	switch (policy) {
	case POLICY_PREFERRED:
		/* MPOL_PREFERRED takes one node, and every kernel supports it. */
		return nodeset_count(nodes) == 1 ? "MPOL_PREFERRED" : "MPOL_PREFERRED_MANY";
	case POLICY_INTERLEAVE:
		return "MPOL_INTERLEAVE";
	case POLICY_WEIGHTED:
		return "MPOL_WEIGHTED_INTERLEAVE";
	case POLICY_STRICT:
		break;
	}
	return NULL;
}
