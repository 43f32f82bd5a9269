/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The option parser: what it takes and refuses, and which words it leaves.
 */
#include "plugin/base/options.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *conf, *config, *out, *set;
static bool json, help;
static int times;

static int set_it(void *arg, const char *value, struct error *err)
{
	++*(int *)arg;
	set = value ? value : "NULL";
	return strcmp(set, "bad") == 0 ? error_set(err, -EINVAL, "--watch=bad") : 0;
}

static const struct option_rule rules[] = {
	{ .name = "conf", .value = &conf },
	{ .name = "config", .value = &config },
	{ .name = "output", .letter = 'o', .value = &out },
	{ .name = "json", .flag = &json },
	{ .name = "help", .letter = 'h', .flag = &help },
	{ .name = "watch", .set = set_it, .arg = &times, .value_optional = true },
};

/* Parses @line at its blanks; "''" is an empty word. Returns the words, or the error. */
static const char *parse(struct option_table *o, const char *line)
{
	static char text[200], result[1200];
	char *argv[20] = { "program" };
	struct error err = { 0 };
	int argc = 1, words;

	conf = config = out = set = NULL;
	json = help = false;
	times = 0;
	snprintf(text, sizeof(text), "%s", line);
	for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
		argv[argc++] = strcmp(w, "''") == 0 ? w + 2 : w;
	o->rule = rules;
	o->n = sizeof(rules) / sizeof(*rules);
	words = options_parse(o, argc - 1, argv + 1, &err);
	*result = '\0';
	if (words < 0)
		snprintf(result, sizeof(result), "%s", err.text);
	for (int i = 0; i < words; i++)
		snprintf(result + strlen(result), sizeof(result) - strlen(result), "%s%s", i ? " " : "", argv[1 + i]);
	return result;
}

static void test_values(void)
{
	struct option_table o = { .verb = NULL };

	is_str(parse(&o, "a --conf x b --json c"), "a b c", "words between options");
	ok(conf && strcmp(conf, "x") == 0 && json && !config, "a value and a flag");
	parse(&o, "--config=y --conf=x=1");
	ok(config && conf && strcmp(config, "y") == 0 && strcmp(conf, "x=1") == 0, "--name=VALUE, also of a longer name");
	parse(&o, "--conf --json");
	ok(conf && strcmp(conf, "--json") == 0 && !json, "the word after an option is its value, whatever it looks like");
	parse(&o, "-o f");
	is_str(out, "f", "-o f");
	parse(&o, "-of");
	is_str(out, "f", "-of");
	parse(&o, "-o=f");
	is_str(out, "f", "-o=f");
	is_str(parse(&o, "--json -- --conf -x"), "--conf -x", "after -- there are words");
	is_str(parse(&o, "- ''"), "- ", "a dash and an empty word are words");
	is_str(parse(&o, "--watch 3"), "3", "an optional value must be in the same word");
	is_str(set, "NULL", "and is absent else");
	parse(&o, "--watch=3 --watch=4");
	ok(times == 2 && set && strcmp(set, "4") == 0, "a function is called for each option");
	setenv("POSIXLY_CORRECT", "1", 1);
	is_str(parse(&o, "a --json b"), "a b", "POSIXLY_CORRECT has no influence");
	ok(json, "also not on the option");
	unsetenv("POSIXLY_CORRECT");
}

static void test_refused(void)
{
	struct option_table o = { .verb = NULL }, of_verb = { .verb = "map" };

	is_str(parse(&o, "--verbose"), "--verbose: no such option", "an unknown option");
	is_str(parse(&o, "--conf x --jso"), "--jso: no such option", "an abbreviation");
	is_str(parse(&o, "--json=1"), "--json=1: no such option", "a flag with a value");
	is_str(parse(&o, "-x"), "-x: no such option", "an unknown letter");
	is_str(parse(&o, "-hx"), "-hx: no such option", "two letters in a word");
	is_str(parse(&o, "--conf"), "--conf: needs a value", "no value");
	is_str(parse(&o, "-o"), "-o: needs a value", "no value of a letter");
	is_str(parse(&o, "--conf="), "--conf: empty", "an empty value");
	is_str(parse(&of_verb, "--conf ''"), "map: --conf: empty", "the verb is in front");
	is_str(parse(&of_verb, "--watch=bad"), "map: --watch=bad", "also of a function's error");
	o.empty_values = true;
	is_str(parse(&o, "--conf= a"), "a", "an empty value where it may be");
}

static void test_unknown(void)
{
	struct option_table keep = { .unknown = OPTIONS_KEEP }, end = { .unknown = OPTIONS_END };

	is_str(parse(&keep, "--nodes 1 --json -xy --conf a"), "--nodes 1 -xy", "unknown options are kept as words");
	ok(json && conf && strcmp(conf, "a") == 0, "and known ones behind them are taken");
	is_str(parse(&keep, "verify --json -- -x --conf a"), "verify -- -x --conf a", "-- behind a word is kept with what follows");
	ok(json && !conf, "and nothing behind it is an option");
	is_str(parse(&keep, "--json -- verify --conf a"), "verify --conf a", "-- before all words is left out");
	parse(&end, "--json x --conf a");
	ok(json && !conf, "a word ends the options");
	parse(&end, "--json --x --conf a");
	ok(json && !conf, "an unknown option ends the options");
	parse(&end, "--json -- --conf a");
	ok(json && !conf, "-- ends the options");
}

int main(void)
{
	test_values();
	test_refused();
	test_unknown();
	return done();
}
