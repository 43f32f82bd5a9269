/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Collects the devices of a configuration, and finds them in sysfs. Most containers have a few ordinary device nodes
 * only; these are recognised by their major numbers and cost no system call.
 */
#include "plugin/machine/device-ref.h"

#include "plugin/base/file.h"
#include "plugin/base/name.h"
#include "plugin/base/number.h"
#include "plugin/base/path.h"
#include "plugin/base/util.h"
#include "plugin/base/vec.h"
#include "plugin/machine/device-name.h"
#include "plugin/machine/device-node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define MAJOR_NVIDIA 195
#define NVIDIA_CONTROL 254 /* the first minor number that is no GPU */
#define GPUS "proc/driver/nvidia/gpus"
#define DEV "/dev/"

enum ref_kind { REF_CHAR, REF_BLOCK, REF_NAME, REF_PATH };

struct device_ref {
	enum ref_kind kind;
	unsigned int major, minor;
	char *text; /* of a name or a path */
};

/* Devices that belong to the kernel, not to hardware with a node: memory, terminals, /dev/net/tun, /dev/fuse, /dev/kvm. */
static bool has_no_node(bool block, unsigned int major)
{
	if (block)
		return major == 1 || major == 2 || major == 7 || major == 43; /* RAM disks, floppies, loops, nbd */
	return major <= 5 || major == 7 || major == 10 || major == 13 || major == 29 || major == 108 ||
	       (major >= 136 && major <= 143);
}

static bool is_same(const struct device_ref *a, const struct device_ref *b)
{
	return a->kind == b->kind && a->major == b->major && a->minor == b->minor &&
	       (a->text == b->text || (a->text && b->text && strcmp(a->text, b->text) == 0));
}

static int add(struct device_refs *r, const struct device_ref *ref, struct error *err)
{
	struct device_ref *to;
	char *text = NULL;

	for (unsigned int i = 0; i < r->n; i++)
		if (is_same(&r->ref[i], ref))
			return 0;
	if (r->n == DEVICE_REFS_MAX) {
		r->more = true;
		return 0;
	}
	if (ref->text) {
		text = strdup(ref->text);
		if (!text)
			return error_set(err, -ENOMEM, "out of memory");
	}
	to = vec_push(r->ref, r->n, r->room);
	if (!to) {
		free(text);
		return error_set(err, -ENOMEM, "out of memory");
	}
	*to = *ref;
	to->text = text;
	return 0;
}

int device_refs_add_number(struct device_refs *r, bool block, int64_t major, int64_t minor, struct error *err)
{
	struct device_ref ref = { .kind = block ? REF_BLOCK : REF_CHAR };

	if (major < 0 || minor < 0 || major >= 1 << 12 || minor >= 1 << 20 || has_no_node(block, (unsigned int)major))
		return 0;
	ref.major = (unsigned int)major;
	ref.minor = (unsigned int)minor;
	return add(r, &ref, err);
}

int device_refs_add_name(struct device_refs *r, const char *name, struct error *err)
{
	char plain[DEVICE_NAME_MAX];

	if (strchr(name, '/') || device_name_parse(name, plain, NULL) < 0)
		return 0;
	return add(r, &(struct device_ref){ .kind = REF_NAME, .text = plain }, err);
}

int device_refs_add_path(struct device_refs *r, const char *path, struct error *err)
{
	struct device_ref ref = { .kind = REF_PATH };
	char copy[256];

	if (strncmp(path, DEV, strlen(DEV)) != 0 || strlen(path) >= sizeof(copy) || strstr(path, "/..") ||
	    !path[strlen(DEV)])
		return 0;
	memcpy(copy, path, strlen(path) + 1);
	ref.text = copy;
	return add(r, &ref, err);
}

int device_refs_add_rule(struct device_refs *r, const char *rule, struct error *err)
{
	uint64_t major, minor;
	const char *p;

	if (*rule == 'a')
		r->all = true;
	if ((*rule != 'b' && *rule != 'c') || (rule[1] != ' ' && rule[1] != '\t'))
		return 0;
	p = rule + 1 + strspn(rule + 1, " \t");
	/* A rule with a star is for a kind of devices, not for one. */
	if (!number_prefix(&p, UINT32_MAX, &major) || *p++ != ':' || !number_prefix(&p, UINT32_MAX, &minor))
		return 0;
	return device_refs_add_number(r, *rule == 'b', (int64_t)major, (int64_t)minor, err);
}

void device_refs_free(struct device_refs *r)
{
	for (unsigned int i = 0; i < r->n; i++)
		free(r->ref[i].text);
	free(r->ref);
	*r = (struct device_refs){ 0 };
}

/* --- looking up --- */

/* A device being looked up: its name for people, and its folder in sysfs. */
struct sought {
	char name[DEVICE_FOUND_NAME];
	int dir;
};

/* What the kernel calls the device with the folder @dir, without the folders below /dev. */
static bool read_name(int dir, char *path, size_t size)
{
	static const char field[] = "DEVNAME=";
	char text[1024], *at;

	if (file_read(dir, "uevent", text, sizeof(text)) <= 0)
		return false;
	at = strstr(text, field);
	if (!at || (at != text && at[-1] != '\n'))
		return false;
	at += strlen(field);
	snprintf(path, size, "%.*s", (int)strcspn(at, "\n"), at);
	return true;
}

static void name_it(struct sought *s, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	snprintf(s->name, sizeof(s->name), "%s", name_check_device(name, sizeof(s->name), NULL) == 0 ? name : "a device");
}

/* The first device of a VFIO group: all of its devices are behind the same bridge. */
static int open_group(int root, const char *group)
{
	cleanup_closedir DIR *dir = device_list_group(root, group);

	for (struct dirent *e; dir && (e = readdir(dir));)
		if (*e->d_name != '.')
			return path_open(dirfd(dir), O_PATH | O_DIRECTORY, "%s", e->d_name);
	return -ENOENT;
}

/* NVIDIA's own driver shows its devices in /proc alone. */
static int open_nvidia(int root, unsigned int minor)
{
	static const char field[] = "Device Minor:";
	cleanup_closedir DIR *dir = path_list(root, GPUS);

	for (struct dirent *e; dir && (e = readdir(dir));) {
		char text[4096], *at;

		if (*e->d_name == '.' || path_read(dirfd(dir), text, sizeof(text), "%s/information", e->d_name) <= 0)
			continue;
		at = strstr(text, field);
		if (at && strtoul(at + strlen(field), NULL, 10) == minor)
			return path_open(root, O_PATH | O_DIRECTORY, "sys/bus/pci/devices/%s", e->d_name);
	}
	return -ENOENT;
}

static void open_number(int root, bool block, unsigned int major, unsigned int minor, struct sought *s)
{
	char path[256] = "";

	s->dir = path_open(root, O_PATH | O_DIRECTORY, "sys/dev/%s/%u:%u", block ? "block" : "char", major, minor);
	if (s->dir >= 0 && read_name(s->dir, path, sizeof(path)))
		name_it(s, path);
	else
		snprintf(s->name, sizeof(s->name), "%u:%u", major, minor);
	if (s->dir >= 0 && strncmp(path, "vfio/", 5) == 0) {
		int group = open_group(root, path + 5);

		if (group >= 0) {
			close(s->dir);
			s->dir = group;
		}
		snprintf(s->name, sizeof(s->name), "vfio group %.20s", path + 5);
	} else if (s->dir < 0 && !block && major == MAJOR_NVIDIA && minor < NVIDIA_CONTROL) {
		s->dir = open_nvidia(root, minor);
		snprintf(s->name, sizeof(s->name), "nvidia%u", minor);
	}
}

static void open_name(int root, const char *name, struct sought *s)
{
	s->dir = device_open(root, name);
	name_it(s, name);
}

/* Follows symbolic links, such as those of /dev/disk and /dev/mapper. A folder is not a device. */
static void open_path(int root, const char *path, struct sought *s)
{
	const char *slash = strrchr(path, '/');
	struct stat st;

	s->dir = -1;
	if (fstatat(root, path + strspn(path, "/"), &st, 0) == 0) {
		bool block = S_ISBLK(st.st_mode);

		if ((block || S_ISCHR(st.st_mode)) && !has_no_node(block, major(st.st_rdev)))
			open_number(root, block, major(st.st_rdev), minor(st.st_rdev), s);
		if (block || S_ISCHR(st.st_mode) || S_ISDIR(st.st_mode))
			return;
	}
	/* Not made yet, or a recorded machine: the kernel's name. */
	if (strncmp(path, "/dev/vfio/", 10) == 0) {
		s->dir = open_group(root, path + 10);
		snprintf(s->name, sizeof(s->name), "vfio group %.20s", path + 10);
	} else if (name_check_device(slash + 1, DEVICE_NAME_MAX, NULL) == 0) {
		open_name(root, slash + 1, s);
	}
}

static void open_ref(int root, const struct device_ref *ref, struct sought *s)
{
	switch (ref->kind) {
	case REF_CHAR:
	case REF_BLOCK:
		open_number(root, ref->kind == REF_BLOCK, ref->major, ref->minor, s);
		break;
	case REF_NAME:
		open_name(root, ref->text, s);
		break;
	case REF_PATH:
		open_path(root, ref->text, s);
		break;
	}
}

unsigned int device_refs_find(int root, const struct device_refs *r, struct device_found *out)
{
	struct device_place seen[DEVICES_FOUND_MAX];
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->n && n < DEVICES_FOUND_MAX; i++) {
		struct sought s = { .dir = -1 };
		struct device_place place = { .node = -1 };
		unsigned int k = 0;

		open_ref(root, &r->ref[i], &s);
		if (s.dir >= 0) {
			place = device_place_of(s.dir);
			close(s.dir);
		}
		/* A GPU has two device nodes, and a network card with RDMA three: that is one reason, not three. */
		while (k < n && (seen[k].dev != place.dev || seen[k].inode != place.inode))
			k++;
		if (place.node < 0 || k < n)
			continue;
		seen[n] = place;
		out[n].node = (uint16_t)place.node;
		memcpy(out[n++].name, s.name, sizeof(s.name));
	}
	return n;
}
