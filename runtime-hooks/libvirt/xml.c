/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Drives the reader of libxml2, which does not recurse: one node at a time, with the path of the open elements.
 */
#include "runtime-hooks/libvirt/xml.h"

#include "plugin/base/strbuf.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <libxml/xmlreader.h>

#define PATH_SIZE 512

struct reader {
	xmlTextReader *xml;
	const struct xml_rule *rules;
	unsigned int nrules;
	void *arg;
	char path[PATH_SIZE];          /* of the open elements: "domain/vcpu" */
	size_t end[XML_DEPTH_LIMIT];   /* the length of @path without the element at that depth */
	unsigned int depth;
	struct strbuf text;            /* of the innermost element, if a rule takes it */
	bool collecting;
	struct error *err;
};

static void reader_free(struct reader *r)
{
	xmlFreeTextReader(r->xml);
	strbuf_free(&r->text);
}
#define cleanup_reader __attribute__((cleanup(reader_free)))

static const struct xml_rule *rule_of(const struct reader *r, const char *path)
{
	for (unsigned int i = 0; i < r->nrules; i++)
		if (strcmp(r->rules[i].path, path) == 0)
			return &r->rules[i];
	return NULL;
}

static int give(struct reader *r, const struct xml_rule *rule, const char *value)
{
	int rc;

	if (strlen(value) >= XML_VALUE_MAX)
		return error_set(r->err, -EINVAL, "%s: longer than %d bytes", rule->path, XML_VALUE_MAX - 1);
	rc = rule->set(r->arg, value, r->err);
	return rc < 0 ? error_prefix(r->err, rc, "%s", rule->path) : 0;
}

static int attributes(struct reader *r)
{
	const size_t len = strlen(r->path);

	for (unsigned int i = 0; i < r->nrules; i++) {
		const char *path = r->rules[i].path;
		xmlChar *value;
		int rc;

		if (strncmp(path, r->path, len) != 0 || path[len] != '@')
			continue;
		value = xmlTextReaderGetAttribute(r->xml, (const xmlChar *)path + len + 1);
		if (!value)
			continue;
		rc = give(r, &r->rules[i], (const char *)value);
		xmlFree(value);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int end_element(struct reader *r)
{
	const struct xml_rule *rule = r->collecting ? rule_of(r, r->path) : NULL;
	int rc = 0;

	if (rule) {
		char *text = r->text.text ? r->text.text + strspn(r->text.text, " \t\r\n") : NULL;

		if (r->text.failed)
			return error_set(r->err, -ENOMEM, "out of memory");
		for (size_t n = text ? strlen(text) : 0; n && strchr(" \t\r\n", text[n - 1]); n--)
			text[n - 1] = '\0';
		rc = give(r, rule, text ? text : "");
	}
	r->collecting = false;
	strbuf_free(&r->text);
	r->path[r->end[--r->depth]] = '\0';
	return rc;
}

static int begin_element(struct reader *r)
{
	const char *name = (const char *)xmlTextReaderConstName(r->xml);
	const bool empty = xmlTextReaderIsEmptyElement(r->xml) == 1;
	size_t len = strlen(r->path);
	int rc;

	if (r->depth == XML_DEPTH_LIMIT || !name || len + strlen(name) + 2 > sizeof(r->path))
		return error_set(r->err, -EINVAL, "its elements are nested too deep");
	r->end[r->depth++] = len;
	snprintf(r->path + len, sizeof(r->path) - len, "%s%s", len ? "/" : "", name);
	strbuf_free(&r->text);
	r->collecting = rule_of(r, r->path);
	rc = attributes(r);
	return rc == 0 && empty ? end_element(r) : rc;
}

static int node(struct reader *r)
{
	const char *value;

	switch (xmlTextReaderNodeType(r->xml)) {
	case XML_READER_TYPE_ELEMENT:
		return begin_element(r);
	case XML_READER_TYPE_END_ELEMENT:
		return end_element(r);
	case XML_READER_TYPE_DOCUMENT_TYPE:
	case XML_READER_TYPE_ENTITY_REFERENCE:
		return error_set(r->err, -EINVAL, "it has a document type");
	case XML_READER_TYPE_TEXT:
	case XML_READER_TYPE_CDATA:
		value = (const char *)xmlTextReaderConstValue(r->xml);
		if (r->collecting && value && r->text.len <= XML_VALUE_MAX)
			strbuf_puts(&r->text, value);
		return 0;
	default:
		return 0;
	}
}

/* The library's own reports are not for the user of a hook. */
static void be_silent(void *arg, const char *message, xmlParserSeverities severity, xmlTextReaderLocatorPtr where)
{
	(void)arg, (void)message, (void)severity, (void)where;
}

int xml_parse(const char *text, size_t len, const struct xml_rule *rules, unsigned int nrules, void *arg,
	      struct error *err)
{
	cleanup_reader struct reader r = { .rules = rules, .nrules = nrules, .arg = arg, .err = err };
	int rc = 0, more;

	if (len > INT_MAX || memchr(text, '\0', len))
		return error_set(err, -EINVAL, "it is not XML");
	r.xml = xmlReaderForMemory(text, (int)len, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	if (!r.xml)
		return error_set(err, -ENOMEM, "out of memory");
	xmlTextReaderSetErrorHandler(r.xml, be_silent, NULL);
	while (rc == 0 && (more = xmlTextReaderRead(r.xml)) != 0)
		rc = more < 0 ? error_set(err, -EINVAL, "it is not well-formed XML (line %d)",
					  xmlTextReaderGetParserLineNumber(r.xml)) : node(&r);
	return rc;
}
