/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An xml_element is a node of libxml2. Blanks are text nodes between the elements, and are kept.
 */
#include "runtime-hooks/libvirt/xml-tree.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xmlsave.h>

struct xml_tree {
	xmlDoc *doc;
	bool failed; /* out of memory */
};

static xmlNode *node_of(struct xml_element *e)
{
	return (xmlNode *)(void *)e;
}

static const xmlNode *const_node_of(const struct xml_element *e)
{
	return (const xmlNode *)(const void *)e;
}

static struct xml_element *element_of(xmlNode *n)
{
	return (struct xml_element *)(void *)n;
}

static const xmlChar *chars(const char *text)
{
	return (const xmlChar *)text;
}

int xml_tree_parse(const char *text, size_t len, struct xml_tree **out, struct error *err)
{
	cleanup_xml_tree struct xml_tree *t = calloc(1, sizeof(*t));

	if (!t)
		return error_set(err, -ENOMEM, "out of memory");
	if (len <= INT_MAX)
		t->doc = xmlReadMemory(text, (int)len, NULL, NULL,
				       XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	if (!t->doc || !xmlDocGetRootElement(t->doc))
		return error_set(err, -EINVAL, "it is not well-formed XML");
	*out = steal_ptr(t);
	return 0;
}

void xml_tree_free(struct xml_tree *t)
{
	if (!t)
		return;
	xmlFreeDoc(t->doc);
	free(t);
}

/* Without an XML declaration: libvirt writes none either. */
int xml_tree_format(struct xml_tree *t, char **out, size_t *len, struct error *err)
{
	xmlBuffer *buffer = t->failed ? NULL : xmlBufferCreate();
	xmlSaveCtxt *save = buffer ? xmlSaveToBuffer(buffer, "UTF-8", XML_SAVE_NO_DECL) : NULL;
	char *text = NULL;

	if (save && xmlSaveDoc(save, t->doc) >= 0 && xmlSaveClose(save) >= 0)
		text = strdup((const char *)xmlBufferContent(buffer));
	xmlBufferFree(buffer);
	if (!text)
		return error_set(err, -ENOMEM, "out of memory");
	*out = text;
	*len = strlen(text);
	return 0;
}

struct xml_element *xml_root(struct xml_tree *t)
{
	return element_of(xmlDocGetRootElement(t->doc));
}

/* The first of @n and its next siblings with this name. */
static xmlNode *search(xmlNode *n, const xmlChar *name)
{
	while (n && (n->type != XML_ELEMENT_NODE || !xmlStrEqual(n->name, name)))
		n = n->next;
	return n;
}

struct xml_element *xml_find(struct xml_element *e, const char *name)
{
	return e ? element_of(search(node_of(e)->children, chars(name))) : NULL;
}

struct xml_element *xml_next(struct xml_element *child)
{
	return element_of(search(node_of(child)->next, node_of(child)->name));
}

static bool is_blank(const xmlNode *n)
{
	return n && n->type == XML_TEXT_NODE && xmlIsBlankNode(n);
}

/* A line break and @indent blanks. */
static xmlNode *new_blanks(xmlDoc *doc, unsigned int indent)
{
	char text[64];

	snprintf(text, sizeof(text), "\n%*s", (int)(indent < 60 ? indent : 60), "");
	return xmlNewDocText(doc, chars(text));
}

/*
 * Puts @n behind @last, or behind all others: before the blanks that indent the end of the parent, which are made for a
 * parent that was empty.
 */
static void put(struct xml_tree *t, xmlNode *parent, xmlNode *last, xmlNode *n, unsigned int indent)
{
	xmlNode *blanks = new_blanks(t->doc, indent), *end;

	if (!blanks) {
		t->failed = true;
		xmlFreeNode(n);
		return;
	}
	if (!last && !parent->last) {
		end = new_blanks(t->doc, indent >= 2 ? indent - 2 : 0);
		t->failed |= !end;
		if (end)
			xmlAddChild(parent, end);
	}
	if (!last)
		last = is_blank(parent->last) ? parent->last->prev : parent->last;
	/* Text nodes beside each other would be merged: the element comes first. */
	if (last)
		xmlAddNextSibling(last, n);
	else if (parent->children)
		xmlAddPrevSibling(parent->children, n);
	else
		xmlAddChild(parent, n);
	xmlAddPrevSibling(n, blanks);
}

static struct xml_element *make(struct xml_tree *t, struct xml_element *e, xmlNode *n, unsigned int indent)
{
	xmlNode *last = NULL;

	if (!n) {
		t->failed = true;
		return NULL;
	}
	for (xmlNode *other = search(node_of(e)->children, n->name); other; other = search(other->next, n->name))
		last = other;
	put(t, node_of(e), last, n, indent);
	return t->failed ? NULL : element_of(n);
}

struct xml_element *xml_make(struct xml_tree *t, struct xml_element *e, const char *name, unsigned int indent)
{
	if (!e)
		return NULL;
	return make(t, e, xmlNewDocNode(t->doc, NULL, chars(name), NULL), indent);
}

struct xml_element *xml_have(struct xml_tree *t, struct xml_element *e, const char *name, unsigned int indent)
{
	struct xml_element *found = xml_find(e, name);

	return found ? found : xml_make(t, e, name, indent);
}

struct xml_element *xml_have_foreign(struct xml_tree *t, struct xml_element *e, const char *prefix, const char *name,
				     const char *space, unsigned int indent)
{
	struct xml_element *found;
	xmlNode *n;

	for (found = xml_find(e, name); found; found = xml_next(found))
		if (node_of(found)->ns && xmlStrEqual(node_of(found)->ns->href, chars(space)))
			return found;
	if (!e)
		return NULL;
	n = xmlNewDocNode(t->doc, NULL, chars(name), NULL);
	if (n) {
		xmlNs *ns = xmlNewNs(n, chars(space), chars(prefix));

		t->failed |= !ns;
		xmlSetNs(n, ns);
	}
	return make(t, e, n, indent);
}

void xml_remove(struct xml_element *e)
{
	xmlNode *n = e ? node_of(e) : NULL, *before = n ? n->prev : NULL;

	if (!n)
		return;
	if (is_blank(before)) {
		xmlUnlinkNode(before);
		xmlFreeNode(before);
	}
	xmlUnlinkNode(n);
	xmlFreeNode(n);
}

bool xml_is_bare(const struct xml_element *e)
{
	const xmlNode *n = const_node_of(e);

	for (const xmlNode *child = n->children; child; child = child->next)
		if (!is_blank(child))
			return false;
	return !n->properties;
}

void xml_set(struct xml_tree *t, struct xml_element *e, const char *name, const char *value)
{
	if (!e)
		return;
	if (!value)
		xmlUnsetProp(node_of(e), chars(name));
	else if (!xmlSetProp(node_of(e), chars(name), chars(value)))
		t->failed = true;
}

bool xml_is(const struct xml_element *e, const char *name, const char *value)
{
	xmlChar *have = xmlGetProp(const_node_of(e), chars(name));
	const bool same = have && strcmp((const char *)have, value) == 0;

	xmlFree(have);
	return same;
}
