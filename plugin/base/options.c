/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * getopt_long() keeps its position in static variables, so it is initialised for each option; groups of letters are
 * not supported. A leading '-' in its string makes it return words in order, without a look at POSIXLY_CORRECT.
 */
#include "plugin/base/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* The codes that getopt_long() returns for rules; words are 1, letters are below 256. */
#define CODE_FIRST 256

static int refuse(const struct option_table *o, const char *word, const char *text, struct error *err)
{
	error_set(err, -EINVAL, "%s: %s", quote(word).text, text);
	if (o->verb)
		error_prefix(err, -EINVAL, "%s", o->verb);
	return -EINVAL;
}

/* The rule for what getopt_long() has found in @word; NULL: none, or its name was abbreviated. */
static const struct option_rule *find(const struct option_table *o, int code, const char *word)
{
	for (unsigned int i = 0; i < o->n; i++) {
		const struct option_rule *rule = &o->rule[i];

		if (word[1] != '-' && rule->letter && word[1] == rule->letter)
			return rule;
		if (word[1] == '-' && code == (int)(CODE_FIRST + i))
			return strcspn(word + 2, "=") == strlen(rule->name) ? rule : NULL;
	}
	return NULL;
}

static int apply(const struct option_table *o, const struct option_rule *rule, const char *word, const char *value,
		 struct error *err)
{
	char name[64];
	int r;

	if (rule->flag) {
		*rule->flag = true;
		return 0;
	}
	snprintf(name, sizeof(name), "%.*s", word[1] == '-' ? (int)strcspn(word, "=") : 2, word);
	if (!value && !rule->value_optional)
		return refuse(o, name, "needs a value", err);
	/* -oFILE, and -o=FILE, too */
	if (value && word[1] != '-' && word[2] == '=' && value == word + 2)
		value++;
	if (value && !*value && !rule->value_optional && !o->empty_values)
		return refuse(o, name, "empty", err);
	if (!rule->set) {
		*rule->value = value;
		return 0;
	}
	r = rule->set(rule->arg, value, err);
	if (r < 0 && o->verb)
		error_prefix(err, r, "%s", o->verb);
	return r;
}

/* Fills getopt_long()'s tables; @letters has room for a leading "-:", two characters per rule, and a NUL. */
static void make_tables(const struct option_table *o, struct option *names, char *letters)
{
	letters += sprintf(letters, "-:");
	for (unsigned int i = 0; i < o->n; i++) {
		const struct option_rule *rule = &o->rule[i];

		names[i] = (struct option){
			.name = rule->name,
			.has_arg = rule->flag ? no_argument : rule->value_optional ? optional_argument : required_argument,
			.val = (int)(CODE_FIRST + i),
		};
		if (rule->letter)
			letters += sprintf(letters, "%c%s", rule->letter, rule->flag ? "" : ":");
	}
	names[o->n] = (struct option){ 0 };
}

int options_parse(const struct option_table *o, int argc, char **argv, struct error *err)
{
	struct option names[OPTIONS_MAX + 1];
	char letters[2 * OPTIONS_MAX + 3];
	int words = 0;

	make_tables(o, names, letters);
	opterr = 0;
	for (int i = 0; i < argc;) {
		char *word = argv[i];
		const struct option_rule *rule;
		int code, r;

		optind = 0;
		code = getopt_long(argc - i + 1, argv + i - 1, letters, names, NULL);
		if (code == -1 && o->unknown == OPTIONS_END)
			break;
		if (code == -1) {
			/* "--": words follow. A verb that parses the kept words needs the "--", too. */
			for (i += o->unknown != OPTIONS_KEEP || !words; i < argc; i++)
				argv[words++] = argv[i];
			break;
		}
		/* ':' a value is missing; '?' unknown; else optind is behind the option, unless letters follow it */
		rule = code == 1 || code == '?' ? NULL : find(o, code == ':' ? optopt : code, word);
		if (!rule || optind == 1) {
			if (o->unknown == OPTIONS_END)
				break;
			if (code != 1 && o->unknown == OPTIONS_REFUSE)
				return refuse(o, word, "no such option", err);
			argv[words++] = word;
			i++;
			continue;
		}
		i += optind - 1;
		r = apply(o, rule, word, code == ':' ? NULL : optarg, err);
		if (r < 0)
			return r;
	}
	return words;
}
