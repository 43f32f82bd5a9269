/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parses backup.yaml, the daemon's copy of an instance's configuration in the instance's folder: name, type, and the
 * configuration and devices with all profiles applied.
 */
#include "runtime-hooks/incus/incus-config.h"

#include "plugin/base/strbuf.h"
#include "plugin/base/util.h"
#include "runtime-hooks/incus/yaml.h"

#include <errno.h>
#include <string.h>

static int take_config(void *arg, const char *key, const char *value, struct error *err)
{
	return incus_config_add(arg, key, value, err);
}

static int take_name(void *arg, const char *key, const char *value, struct error *err)
{
	struct incus_config *c = arg;

	(void)key;
	return string_keep(&c->name, value, err);
}

static int take_type(void *arg, const char *key, const char *value, struct error *err)
{
	struct incus_config *c = arg;

	(void)key;
	return string_keep(&c->type, value, err);
}

static int take_property(void *arg, const char *key, const char *value, struct error *err)
{
	return incus_device_set(arg, key, value, err);
}

static int end_device(void *arg, struct error *err)
{
	return incus_device_end(arg, err);
}

int incus_config_parse(const char *text, size_t len, const char *name, struct incus_config *c, struct error *err)
{
	/* LXD before 4.0 used "container". */
	static const struct yaml_rule rules[] = {
		{ "instance/expanded_config/*", take_config, NULL },
		{ "instance/expanded_devices/*/*", take_property, NULL },
		{ "instance/expanded_devices/*", NULL, end_device },
		{ "instance/name", take_name, NULL },
		{ "instance/type", take_type, NULL },
		{ "container/expanded_config/*", take_config, NULL },
		{ "container/expanded_devices/*/*", take_property, NULL },
		{ "container/expanded_devices/*", NULL, end_device },
		{ "container/name", take_name, NULL },
		{ "container/type", take_type, NULL },
	};
	int r = yaml_parse(text, len, INCUS_BACKUP_MAX, rules, ARRAY_SIZE(rules), c, err);

	if (r < 0)
		return error_prefix(err, r, "%s", name);
	return c->name ? 0 : error_set(err, -EINVAL, "%s: contains no instance", name);
}
