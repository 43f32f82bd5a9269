/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An element that is there is changed where it is, so that a second call changes nothing. New ones are put where the
 * schema of libvirt allows them, in any order.
 */
#include "runtime-hooks/libvirt/domain-layout.h"

#include "plugin/base/strbuf.h"
#include "plugin/base/util.h"
#include "runtime-hooks/libvirt/xml-tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct edit {
	struct xml_tree *tree;
	const struct domain *d;
	const struct domain_layout *l;
	char list[IDSET_TEXT_MAX]; /* of put_list() */
};

static void put_list(struct edit *e, struct xml_element *element, const char *name, struct ids s)
{
	ids_format(s, e->list, sizeof(e->list));
	xml_set(e->tree, element, name, e->list);
}

static void put_number(struct edit *e, struct xml_element *element, const char *name, uint64_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, n);
	xml_set(e->tree, element, name, text);
}

/* The child @name of @parent whose attribute @key is @n, made if it is missing. */
static struct xml_element *have_numbered(struct edit *e, struct xml_element *parent, const char *name, const char *key,
					 unsigned int n, unsigned int indent)
{
	struct xml_element *child;
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	for (child = xml_find(parent, name); child; child = xml_next(child))
		if (xml_is(child, key, text))
			return child;
	child = xml_make(e->tree, parent, name, indent);
	xml_set(e->tree, child, key, text);
	return child;
}

/* Removes the children @name of @parent whose attribute @key is no number that @wanted allows. */
static void drop_others(struct xml_element *parent, const char *name, const char *key, const struct edit *e,
			bool (*wanted)(const struct edit *e, const struct xml_element *child, const char *key))
{
	struct xml_element *next;

	for (struct xml_element *child = xml_find(parent, name); child; child = next) {
		next = xml_next(child);
		if (!wanted(e, child, key))
			xml_remove(child);
	}
}

static bool is_number(const struct xml_element *child, const char *key, unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	return xml_is(child, key, text);
}

static bool is_pinned(const struct edit *e, const struct xml_element *child, const char *key)
{
	for (unsigned int i = 0; i < e->l->npins; i++)
		if (is_number(child, key, e->l->pin[i].vcpu))
			return true;
	return false;
}

static bool is_iothread(const struct edit *e, const struct xml_element *child, const char *key)
{
	idset_foreach(id, &e->d->iothreads)
		if (is_number(child, key, (unsigned int)id))
			return true;
	return false;
}

static bool is_cell(const struct edit *e, const struct xml_element *child, const char *key)
{
	for (unsigned int i = 0; i < e->l->ncells; i++)
		if (is_number(child, key, e->l->cell[i].id))
			return true;
	return false;
}

/* --- CPUs --- */

static void edit_cpus(struct edit *e, struct xml_element *root)
{
	struct xml_element *vcpu = xml_find(root, "vcpu"), *tune = xml_have(e->tree, root, "cputune", 2);

	xml_set(e->tree, vcpu, "placement", "static");
	put_list(e, vcpu, "cpuset", ids_of(&e->l->cpus));
	drop_others(tune, "vcpupin", "vcpu", e, is_pinned);
	for (unsigned int i = 0; i < e->l->npins; i++) {
		const struct domain_pin *p = &e->l->pin[i];

		put_number(e, have_numbered(e, tune, "vcpupin", "vcpu", p->vcpu, 4), "cpuset", p->cpu);
	}
	put_list(e, xml_have(e->tree, tune, "emulatorpin", 4), "cpuset", ids_of(&e->l->others));
	drop_others(tune, "iothreadpin", "iothread", e, is_iothread);
	idset_foreach(id, &e->d->iothreads)
		put_list(e, have_numbered(e, tune, "iothreadpin", "iothread", (unsigned int)id, 4), "cpuset",
			 ids_of(&e->l->others));
}

/* --- memory --- */

static void edit_memory(struct edit *e, struct xml_element *root)
{
	struct xml_element *tune = xml_have(e->tree, root, "numatune", 2), *memory = xml_have(e->tree, tune, "memory", 4);

	xml_set(e->tree, memory, "mode", e->l->mode);
	xml_set(e->tree, memory, "placement", NULL);
	put_list(e, memory, "nodeset", ids_of(&e->l->mems));
	drop_others(tune, "memnode", "cellid", e, is_cell);
	for (unsigned int i = 0; i < e->l->ncells; i++) {
		const struct layout_cell *c = &e->l->cell[i];
		struct xml_element *node = have_numbered(e, tune, "memnode", "cellid", c->id, 4);

		xml_set(e->tree, node, "mode", e->l->mode);
		put_number(e, node, "nodeset", c->node);
	}
}

/* --- cells of the guest, unless they are its user's --- */

static void edit_cells(struct edit *e, struct xml_element *root)
{
	struct xml_element *cpu = xml_find(root, "cpu"), *numa = xml_find(cpu, "numa");

	if (!e->l->make_cells && e->d->made_cells) {
		xml_remove(numa);
		if (cpu && xml_is_bare(cpu))
			xml_remove(cpu);
	}
	if (!e->l->make_cells)
		return;
	cpu = xml_have(e->tree, root, "cpu", 2);
	numa = xml_have(e->tree, cpu, "numa", 4);
	drop_others(numa, "cell", "id", e, is_cell);
	for (unsigned int i = 0; i < e->l->ncells; i++) {
		const struct layout_cell *c = &e->l->cell[i];
		struct xml_element *cell = have_numbered(e, numa, "cell", "id", c->id, 6);

		if (idset_empty(&c->vcpus))
			xml_set(e->tree, cell, "cpus", NULL);
		else
			put_list(e, cell, "cpus", ids_of(&c->vcpus));
		put_number(e, cell, "memory", c->kib);
		xml_set(e->tree, cell, "unit", "KiB");
	}
}

/* --- what a later call needs --- */

/* A key that has a blank in its value cannot be kept; no canonical value has one. */
static void put_keys(const struct request *asked, struct strbuf *out)
{
	for (int k = 0; k < KEY_COUNT; k++) {
		char value[4096];

		if (request_format(asked, (enum request_key)k, value, sizeof(value)) && !strchr(value, ' '))
			strbuf_printf(out, "%s%s=%s", out->len ? " " : "", request_keys[k], value);
	}
}

static int edit_place(struct edit *e, struct xml_element *root, struct error *err)
{
	struct xml_element *place = xml_have_foreign(e->tree, xml_have(e->tree, root, "metadata", 2), "numaplace", "place",
						     DOMAIN_NAMESPACE, 4);
	cleanup_strbuf struct strbuf keys = { 0 };

	put_keys(&e->d->asked, &keys);
	if (keys.failed)
		return error_set(err, -ENOMEM, "out of memory");
	xml_set(e->tree, place, "keys", keys.text ? keys.text : "");
	xml_set(e->tree, place, "cells", e->l->make_cells ? "made" : NULL);
	put_list(e, place, "cpus", ids_of(&e->d->pin_cpus));
	if (!*e->list)
		xml_set(e->tree, place, "cpus", NULL);
	put_list(e, place, "nodes", ids_of(&e->d->pin_mems));
	if (!*e->list)
		xml_set(e->tree, place, "nodes", NULL);
	return 0;
}

/* An element may be there twice, for example; libvirt would choose one of them. */
static int check_edited(const char *text, size_t len, const struct domain_layout *l, struct error *err)
{
	cleanup_free struct domain *d = calloc(1, sizeof(*d));
	int rc = d ? domain_parse(text, len, d, err) : error_set(err, -ENOMEM, "out of memory");

	if (rc == 0)
		rc = domain_check(d, l, err);
	if (rc == -EBADMSG)
		rc = err->status = -EINVAL;
	return rc < 0 ? error_prefix(err, rc, "domain XML: it cannot be changed, is an element there twice?") : 0;
}

static int edit_all(struct edit *e, struct error *err)
{
	struct xml_element *root = xml_root(e->tree);

	if (!xml_find(root, "vcpu"))
		return error_set(err, -EINVAL, "domain XML: it has no <vcpu>");
	edit_cpus(e, root);
	edit_memory(e, root);
	edit_cells(e, root);
	return edit_place(e, root, err);
}

int domain_edit(const char *text, size_t len, const struct domain *d, const struct domain_layout *l, char **out,
		size_t *out_len, struct error *err)
{
	cleanup_free struct edit *e = calloc(1, sizeof(*e));
	cleanup_xml_tree struct xml_tree *tree = NULL;
	cleanup_free char *edited = NULL;
	size_t edited_len;
	int rc = xml_tree_parse(text, len, &tree, err);

	if (rc < 0)
		return error_prefix(err, rc, "domain XML");
	if (!e)
		return error_set(err, -ENOMEM, "out of memory");
	*e = (struct edit){ .tree = tree, .d = d, .l = l };
	rc = edit_all(e, err);
	if (rc == 0)
		rc = xml_tree_format(tree, &edited, &edited_len, err);
	if (rc == 0)
		rc = check_edited(edited, edited_len, l, err);
	if (rc < 0)
		return rc;
	*out = steal_ptr(edited);
	*out_len = edited_len;
	return 0;
}
