/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads a config file through liblxc, which handles includes and overrides.
 *
 * In a hook, most liblxc calls ask the container's monitor, which waits for this hook: a deadlock. The calls used here
 * do not. The handle is for a folder without containers: with the real folder, lxc_container_new() would destroy a
 * partially created container, and load_config() would wait for a lock that this hook's caller holds.
 */
#include "runtime-hooks/lxc/lxc-config.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <lxc/lxccontainer.h>
#include <string.h>

#define NO_CONTAINERS "/run/numaplace/no-containers"
#define INTERFACES_MAX 32 /* numbers of network interfaces that are looked for */

static void put_container(struct lxc_container **c)
{
	if (*c)
		lxc_container_put(*c);
}

/* Sets *@out to NULL if the item is empty or unknown to this version of liblxc. */
static int get_item(struct lxc_container *c, const char *key, char **out, struct error *err)
{
	int len = c->get_config_item(c, key, NULL, 0);
	char *text;

	*out = NULL;
	if (len <= 0)
		return 0;
	text = calloc(1, (size_t)len + 1);
	if (!text)
		return error_set(err, -ENOMEM, "out of memory");
	if (c->get_config_item(c, key, text, len + 1) != len || !*text) {
		free(text);
		return 0;
	}
	*out = text;
	return 0;
}

/* Network interfaces that LXC moves into the container. */
static int find_interfaces(struct lxc_container *c, struct lxc_limits *out, struct error *err)
{
	int r = 0;

	for (unsigned int i = 0; i < INTERFACES_MAX && r == 0; i++) {
		cleanup_free char *type = NULL, *link = NULL;
		char key[32];

		snprintf(key, sizeof(key), "lxc.net.%u.type", i);
		r = get_item(c, key, &type, err);
		if (r < 0 || !type || strcmp(type, "phys") != 0)
			continue;
		snprintf(key, sizeof(key), "lxc.net.%u.link", i);
		r = get_item(c, key, &link, err);
		if (r == 0 && link)
			r = device_refs_add_name(&out->devices, link, err);
	}
	return r;
}

int lxc_config_read(const char *name, const char *file, struct lxc_limits *out, struct error *err)
{
	struct lxc_container *c __attribute__((cleanup(put_container))) = lxc_container_new(name, NO_CONTAINERS);
	cleanup_lxc_limits struct lxc_limits l = { 0 };
	cleanup_free char *cgroup2 = NULL, *mounts = NULL;
	int r;

	if (!c)
		return error_set(err, -EIO, "%s: liblxc gives no handle", quote(name).text);
	c->clear_config(c);
	if (!c->load_config(c, file))
		return error_set(err, -EIO, "%.300s: liblxc cannot load it", file);
	r = get_item(c, "lxc.cgroup2", &cgroup2, err);
	if (r == 0)
		r = get_item(c, "lxc.cgroup.dir.container.inner", &l.inner, err);
	if (r == 0 && cgroup2)
		r = lxc_limits_parse(cgroup2, &l, err);
	if (r == 0)
		r = get_item(c, "lxc.mount.entry", &mounts, err);
	if (r == 0 && mounts)
		r = lxc_mounts_parse(mounts, &l, err);
	if (r == 0)
		r = find_interfaces(c, &l, err);
	if (r < 0)
		return r;
	*out = l;
	l = (struct lxc_limits){ 0 };
	return 0;
}
