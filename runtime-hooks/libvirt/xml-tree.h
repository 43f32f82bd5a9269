/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes single elements and attributes of an XML document. All others, comments and blanks stay as they are.
 *
 * The text has passed xml_parse(), which bounds its depth and refuses a document type. Only xml-tree.c and xml.c use
 * libxml2.
 */
#ifndef NUMAPLACE_XML_TREE_H
#define NUMAPLACE_XML_TREE_H

#include "plugin/base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct xml_tree;
struct xml_element;

/* -EINVAL: not well-formed; -ENOMEM. The caller frees *@out with xml_tree_free(). */
int xml_tree_parse(const char *text, size_t len, struct xml_tree **out, struct error *err);
void xml_tree_free(struct xml_tree *t);
static inline void cleanup_xml_treep(struct xml_tree **t)
{
	xml_tree_free(*t);
}
#define cleanup_xml_tree __attribute__((cleanup(cleanup_xml_treep)))

/* Writes the document; the caller frees *@out. -ENOMEM, also if an earlier change ran out of memory. */
int xml_tree_format(struct xml_tree *t, char **out, size_t *len, struct error *err);

struct xml_element *xml_root(struct xml_tree *t);

/* The first child of @e with this name, or NULL; the next one of the same name after @child. @e NULL: none. */
struct xml_element *xml_find(struct xml_element *e, const char *name);
struct xml_element *xml_next(struct xml_element *child);

/*
 * Makes a child behind the last one of that name, else behind all others; @indent: the number of blanks before it. NULL:
 * out of memory, which xml_tree_format() reports; functions that get it do nothing.
 */
struct xml_element *xml_make(struct xml_tree *t, struct xml_element *e, const char *name, unsigned int indent);

/* As xml_find(), but makes the child if it is missing. */
struct xml_element *xml_have(struct xml_tree *t, struct xml_element *e, const char *name, unsigned int indent);

/* The same with a namespace of its own. */
struct xml_element *xml_have_foreign(struct xml_tree *t, struct xml_element *e, const char *prefix, const char *name,
				     const char *space, unsigned int indent);

/* Removes an element with all that it holds, and the blanks before it. NULL: does nothing. */
void xml_remove(struct xml_element *e);

/* Whether it has no attributes and no elements. */
bool xml_is_bare(const struct xml_element *e);

/* @value NULL: removes the attribute. */
void xml_set(struct xml_tree *t, struct xml_element *e, const char *name, const char *value);

/* Whether the attribute has that value. */
bool xml_is(const struct xml_element *e, const char *name, const char *value);

#endif
