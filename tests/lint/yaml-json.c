/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * yaml-json: prints each document of a YAML stream on stdin as a line of JSON, for tests with jq. Plain true, false, null
 * and decimal numbers keep their type. A key that occurs twice in a mapping is an error.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

static void put_text(const yaml_node_t *n)
{
	putchar('"');
	for (size_t i = 0; i < n->data.scalar.length; i++) {
		unsigned char c = n->data.scalar.value[i];

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < ' ')
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static bool is_json(const yaml_node_t *n)
{
	static const char *const words[] = { "true", "false", "null" };
	const char *text = (const char *)n->data.scalar.value;

	if (n->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return *text && strspn(text, "0123456789") == strlen(text) && (*text != '0' || !text[1]);
}

static const char *key_of(yaml_document_t *d, const yaml_node_pair_t *p)
{
	const yaml_node_t *key = yaml_document_get_node(d, p->key);

	if (key->type != YAML_SCALAR_NODE) {
		fprintf(stderr, "line %zu: a key that is no scalar\n", key->start_mark.line + 1);
		exit(1);
	}
	return (const char *)key->data.scalar.value;
}

static void check_twice(yaml_document_t *d, const yaml_node_t *n)
{
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++)
		for (yaml_node_pair_t *q = n->data.mapping.pairs.start; q < p; q++)
			if (strcmp(key_of(d, p), key_of(d, q)) == 0) {
				fprintf(stderr, "line %zu: %s: given twice\n", n->start_mark.line + 1, key_of(d, p));
				exit(1);
			}
}

static void put_node(yaml_document_t *d, const yaml_node_t *n)
{
	switch (n->type) {
	case YAML_SCALAR_NODE:
		if (is_json(n))
			fputs((const char *)n->data.scalar.value, stdout);
		else
			put_text(n);
		break;
	case YAML_SEQUENCE_NODE:
		putchar('[');
		for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top; i++) {
			if (i > n->data.sequence.items.start)
				putchar(',');
			put_node(d, yaml_document_get_node(d, *i));
		}
		putchar(']');
		break;
	case YAML_MAPPING_NODE:
		check_twice(d, n);
		putchar('{');
		for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
			if (p > n->data.mapping.pairs.start)
				putchar(',');
			put_text(yaml_document_get_node(d, p->key));
			putchar(':');
			put_node(d, yaml_document_get_node(d, p->value));
		}
		putchar('}');
		break;
	default:
		fprintf(stderr, "line %zu: an unknown kind of node\n", n->start_mark.line + 1);
		exit(1);
	}
}

int main(void)
{
	yaml_parser_t parser;
	yaml_document_t document;
	yaml_node_t *root;

	if (!yaml_parser_initialize(&parser))
		return 1;
	yaml_parser_set_input_file(&parser, stdin);
	while (yaml_parser_load(&parser, &document)) {
		root = yaml_document_get_root_node(&document);
		if (!root) {
			yaml_document_delete(&document);
			yaml_parser_delete(&parser);
			return 0;
		}
		put_node(&document, root);
		putchar('\n');
		yaml_document_delete(&document);
	}
	fprintf(stderr, "line %zu: %s\n", parser.problem_mark.line + 1, parser.problem ? parser.problem : "out of memory");
	yaml_parser_delete(&parser);
	return 1;
}
