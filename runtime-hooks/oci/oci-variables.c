/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Variables are written by the user who starts a container, or by the author of its image.
 */
#include "runtime-hooks/oci/oci-variables.h"

#include "plugin/base/strbuf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int oci_variables_add(struct oci_variables *v, const char *variable, size_t len, struct error *err)
{
	const char *equals = memchr(variable, '=', len);
	size_t name = equals ? (size_t)(equals - variable) : len;
	int key = equals ? request_find_variable(variable, name) : -1;

	if (key == -1)
		return 0;
	if (len - name - 1 > OCI_VALUE_MAX)
		return error_set(err, -EINVAL, "longer than %d bytes", OCI_VALUE_MAX);
	if (key >= 0)
		return string_keep_part(&v->value[key], equals + 1, len - name - 1, err);
	return v->unknown ? 0 : string_keep_part(&v->unknown, variable, name, err);
}

void oci_variables_free(struct oci_variables *v)
{
	for (int i = 0; i < KEY_COUNT; i++)
		free(v->value[i]);
	free(v->unknown);
	*v = (struct oci_variables){ 0 };
}

/* The value of a key; NULL also if it is empty. */
static const char *given(const struct oci_variables *v, int key)
{
	return v->value[key] && *v->value[key] ? v->value[key] : NULL;
}

bool oci_variables_ask(const struct oci_variables *v, const struct conf *conf)
{
	bool any = v->unknown;

	for (int i = 0; i < KEY_COUNT; i++)
		any |= given(v, i) != NULL;
	return any && conf_takes_environment(conf);
}

static int set_key(const struct oci_variables *v, const struct oci_annotations *said, enum request_key key,
		   struct request *r, struct error *err)
{
	const char *value = given(v, (int)key), *other = said->bare[key] ? said->bare[key] : said->prefixed[key];
	struct error fault;
	int ret = request_set(r, request_keys[key], value, &fault);

	if (ret < 0 && other)
		return error_set(err, ret, "%s is \"%s\" but %s is \"%s\"", request_keys[key], quote(other).text,
				 request_variable(key).text, quote(value).text);
	return ret < 0 ? error_set(err, ret, "%s: %s", request_variable(key).text, fault.text) : 0;
}

int oci_variables_request(const struct oci_variables *v, const struct oci_annotations *said, const struct conf *conf,
			  struct request *r, struct error *err)
{
	int ret = 0;

	if (!oci_variables_ask(v, conf))
		return 0;
	if (v->unknown)
		return error_set(err, -EINVAL, "%s: no such key (environment)", quote(v->unknown).text);
	for (int i = 0; i < KEY_COUNT && ret == 0; i++) {
		if (!given(v, i))
			continue;
		if (!(conf->container_keys & 1U << i))
			return error_set(err, -EINVAL, "%s: containers may not set this key (container-keys)",
					 request_variable((enum request_key)i).text);
		ret = set_key(v, said, (enum request_key)i, r, err);
	}
	return ret;
}
