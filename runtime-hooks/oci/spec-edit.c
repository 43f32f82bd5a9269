/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One parse finds the positions, then the text is changed there. Missing members are collected from the innermost
 * object outwards: members whose object is missing become a new object, which is a member of the enclosing one. The
 * result is parsed again before it is returned.
 */
#include "runtime-hooks/oci/spec-edit.h"

#include "plugin/select/request.h"
#include "plugin/base/strbuf.h"
#include "plugin/base/util.h"
#include "plugin/base/json.h"
#include "runtime-hooks/oci/oci-config.h"

#include <errno.h>
#include <string.h>

#define HOOKS_MAX 256 /* in one stage */

enum stage { CREATE_RUNTIME, PRESTART, POSTSTOP, STAGES };
static const char *const stage_names[STAGES] = { "createRuntime", "prestart", "poststop" };

/* Position of a value: @end is after the opening brace of an object or array, or after any other value. */
struct spot {
	enum json_type type; /* 0: absent */
	size_t end;
};

struct hook_spot {
	struct spot object, args;
	bool ours, policy; /* the path is that of edit->hook; its arguments say that it sets memoryPolicy */
};

struct spots {
	const struct spec_edit *edit;
	struct spot root, annotations, cpu_nodes, memory_nodes, hooks, stage[STAGES];
	struct spot linux_, resources, cpu, cpus, mems, policy;
	struct hook_spot hook[STAGES][HOOKS_MAX];
	unsigned int nhooks[STAGES];
};

#define SPOT(function, member)                                                                                         \
	static int function(void *arg, const struct json_value *v, struct error *err)                                  \
	{                                                                                                              \
		(void)err;                                                                                             \
		((struct spots *)arg)->member = (struct spot){ v->type, v->end };                                      \
		return 0;                                                                                              \
	}
SPOT(at_root, root)
SPOT(at_annotations, annotations)
SPOT(at_cpu_nodes, cpu_nodes)
SPOT(at_memory_nodes, memory_nodes)
SPOT(at_hooks, hooks)
SPOT(at_linux, linux_)
SPOT(at_resources, resources)
SPOT(at_cpu, cpu)
SPOT(at_cpus, cpus)
SPOT(at_mems, mems)
SPOT(at_policy, policy)

static int see_hook(struct spots *s, enum stage stage, const struct json_value *v, struct error *err)
{
	if (v->index >= HOOKS_MAX)
		return error_set(err, -EINVAL, "more than %d hooks", HOOKS_MAX);
	s->hook[stage][v->index].object = (struct spot){ v->type, v->end };
	s->nhooks[stage] = v->index + 1;
	return 0;
}

static int see_path(struct spots *s, enum stage stage, const struct json_value *v)
{
	s->hook[stage][s->nhooks[stage] - 1].ours = s->edit->hook && strcmp(v->text, s->edit->hook) == 0;
	return 0;
}

static int see_args(struct spots *s, enum stage stage, const struct json_value *v)
{
	s->hook[stage][s->nhooks[stage] - 1].args = (struct spot){ v->type, v->end };
	return 0;
}

static int see_arg(struct spots *s, enum stage stage, const struct json_value *v)
{
	if (strcmp(v->text, "memoryPolicy") == 0)
		s->hook[stage][s->nhooks[stage] - 1].policy = true;
	return 0;
}

/* The same functions for each stage: the parser's rules have no argument of their own. */
#define STAGE(name, which)                                                                                             \
	SPOT(at_##name, stage[which])                                                                                  \
	static int name##_hook(void *arg, const struct json_value *v, struct error *err)                               \
	{                                                                                                              \
		return see_hook(arg, which, v, err);                                                                   \
	}                                                                                                              \
	static int name##_path(void *arg, const struct json_value *v, struct error *err)                               \
	{                                                                                                              \
		(void)err;                                                                                             \
		return see_path(arg, which, v);                                                                        \
	}                                                                                                              \
	static int name##_args(void *arg, const struct json_value *v, struct error *err)                               \
	{                                                                                                              \
		(void)err;                                                                                             \
		return see_args(arg, which, v);                                                                        \
	}                                                                                                              \
	static int name##_arg(void *arg, const struct json_value *v, struct error *err)                                \
	{                                                                                                              \
		(void)err;                                                                                             \
		return see_arg(arg, which, v);                                                                         \
	}
STAGE(create_runtime, CREATE_RUNTIME)
STAGE(prestart, PRESTART)
STAGE(poststop, POSTSTOP)

#define STAGE_RULES(name, key)                                                                                         \
	{ .path = "hooks/" key, .types = JSON_ARRAY | JSON_NULL, .set = at_##name },                                   \
		{ .path = "hooks/" key "/#", .types = JSON_OBJECT, .set = name##_hook },                               \
		{ .path = "hooks/" key "/#/path", .types = JSON_STRING, .set = name##_path },                          \
		{ .path = "hooks/" key "/#/args", .types = JSON_ARRAY | JSON_NULL, .set = name##_args },               \
	{                                                                                                              \
		.path = "hooks/" key "/#/args/#", .types = JSON_STRING, .set = name##_arg                              \
	}

#define BRACES (JSON_OBJECT | JSON_NULL)
static const struct json_rule spec_rules[] = {
	{ .path = "", .types = JSON_OBJECT, .set = at_root },
	{ .path = "annotations", .types = BRACES, .set = at_annotations },
	{ .path = "annotations/volatile.cpu.nodes", .types = JSON_STRING | JSON_NULL, .set = at_cpu_nodes },
	{ .path = "annotations/volatile.memory.nodes", .types = JSON_STRING | JSON_NULL, .set = at_memory_nodes },
	{ .path = "hooks", .types = BRACES, .set = at_hooks },
	STAGE_RULES(create_runtime, "createRuntime"),
	STAGE_RULES(prestart, "prestart"),
	STAGE_RULES(poststop, "poststop"),
	{ .path = "linux", .types = BRACES, .set = at_linux },
	{ .path = "linux/resources", .types = BRACES, .set = at_resources },
	{ .path = "linux/resources/cpu", .types = BRACES, .set = at_cpu },
	{ .path = "linux/resources/cpu/cpus", .types = JSON_STRING | JSON_NULL, .set = at_cpus },
	{ .path = "linux/resources/cpu/mems", .types = JSON_STRING | JSON_NULL, .set = at_mems },
	{ .path = "linux/memoryPolicy", .types = BRACES, .set = at_policy },
};

/* Begins another member in a list of members. */
static void add_key(struct strbuf *t, const char *key)
{
	if (t->len)
		strbuf_puts(t, ",");
	strbuf_json(t, key);
	strbuf_puts(t, ":");
}

/* --- changes, collected and then applied in one pass --- */

struct change {
	size_t at, drop; /* offset, and number of bytes removed there */
	struct strbuf put;
};

struct editor {
	const char *text;
	size_t len;
	unsigned int n;
	struct change change[16 + STAGES * HOOKS_MAX];
	bool failed;
};

static void editor_free(struct editor *e)
{
	for (unsigned int i = 0; i < e->n; i++)
		strbuf_free(&e->change[i].put);
	free(e);
}
static void cleanup_editorp(struct editor **e)
{
	if (*e)
		editor_free(*e);
}
#define cleanup_editor __attribute__((cleanup(cleanup_editorp)))

static struct strbuf *new_change(struct editor *e, size_t at, size_t drop)
{
	struct change *c = &e->change[e->n++];

	*c = (struct change){ .at = at, .drop = drop };
	return &c->put;
}

/* Whether the object or array whose opening brace ends at @at has members. */
static bool has_members(const struct editor *e, size_t at)
{
	while (at < e->len && strchr(" \t\r\n", e->text[at]))
		at++;
	return at < e->len && e->text[at] != '}' && e->text[at] != ']';
}

/* The end of the object or array whose opening brace ends at @at. The text is well-formed. */
static size_t closing(const struct editor *e, size_t at)
{
	unsigned int depth = 1;

	for (; at < e->len && depth; at++) {
		char c = e->text[at];

		if (c == '"') {
			for (at++; at < e->len && e->text[at] != '"'; at++)
				at += e->text[at] == '\\';
		} else if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return at;
}

/* The first byte of the value at @s. */
static size_t beginning(const struct editor *e, const struct spot *s)
{
	size_t at = s->end;

	if (s->type == JSON_NULL)
		return at - strlen("null");
	if (s->type != JSON_STRING)
		return at - 1;
	/* A quote inside a string has a backslash before it; the opening quote does not. */
	for (at -= 2; e->text[at] != '"' || e->text[at - 1] == '\\'; at--)
		;
	return at;
}

/* Removes the value at @s; returns the text to put in its place. */
static struct strbuf *replace(struct editor *e, const struct spot *s)
{
	size_t from = beginning(e, s);
	size_t to = s->type == JSON_OBJECT || s->type == JSON_ARRAY ? closing(e, s->end) : s->end;

	return new_change(e, from, to - from);
}

/*
 * Inserts @members into the object @key at @s (or array: @braces "[]"). If it is missing, adds it to @parent with these
 * members.
 */
static void put_members(struct editor *e, const struct spot *s, const char *key, const char *braces,
			const struct strbuf *members, struct strbuf *parent)
{
	bool there = s->type == JSON_OBJECT || s->type == JSON_ARRAY;
	struct strbuf *t = parent;

	e->failed |= members->failed;
	if (!members->len)
		return;
	if (there)
		t = new_change(e, s->end, 0);
	else if (s->type)
		t = replace(e, s);
	else
		add_key(t, key);
	if (!there)
		strbuf_add(t, braces, 1);
	strbuf_add(t, members->text, members->len);
	if (!there)
		strbuf_add(t, braces + 1, 1);
	else if (has_members(e, s->end))
		strbuf_puts(t, ",");
}

/* Sets the string @key: replaces it, or adds it to @members. */
static void put_string(struct editor *e, const struct spot *s, const char *key, const char *value, struct strbuf *members)
{
	struct strbuf *t = members;

	if (!value)
		return;
	if (s->type)
		t = replace(e, s);
	else
		add_key(t, key);
	strbuf_json(t, value);
}

/* --- the parts of a spec --- */

static void add_options(struct strbuf *t, const char *const *options)
{
	for (unsigned int i = 0; i < SPEC_OPTIONS_MAX && options[i]; i++) {
		strbuf_puts(t, ",");
		strbuf_json(t, options[i]);
	}
}

static void add_args(struct strbuf *t, const struct spec_edit *edit, enum stage stage)
{
	const char *name = strrchr(edit->hook, '/');

	strbuf_puts(t, "[");
	strbuf_json(t, name ? name + 1 : edit->hook);
	add_options(t, edit->options);
	if (stage != POSTSTOP)
		add_options(t, edit->plan);
	strbuf_puts(t, ",");
	strbuf_json(t, stage_names[stage]);
	strbuf_puts(t, "]");
}

/* Updates the arguments of numaplace's hooks in the stage; returns how many there are. */
static unsigned int renew_hooks(struct editor *e, const struct spots *s, enum stage stage)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->nhooks[stage]; i++) {
		const struct hook_spot *h = &s->hook[stage][i];
		struct strbuf *t;

		if (!h->ours)
			continue;
		n++;
		if (h->args.type) {
			t = replace(e, &h->args);
		} else {
			t = new_change(e, h->object.end, 0);
			strbuf_puts(t, "\"args\":");
		}
		add_args(t, s->edit, stage);
		if (!h->args.type)
			strbuf_puts(t, ","); /* other members follow: at least the path */
	}
	return n;
}

static void put_hook(struct editor *e, const struct spots *s, enum stage stage, struct strbuf *hooks)
{
	cleanup_strbuf struct strbuf entry = { 0 };

	strbuf_puts(&entry, "{\"path\":");
	strbuf_json(&entry, s->edit->hook);
	strbuf_puts(&entry, ",\"args\":");
	add_args(&entry, s->edit, stage);
	strbuf_puts(&entry, "}");
	put_members(e, &s->stage[stage], stage_names[stage], "[]", &entry, hooks);
}

static void edit_hooks(struct editor *e, const struct spots *s, struct strbuf *root)
{
	cleanup_strbuf struct strbuf hooks = { 0 };
	unsigned int n;

	if (!s->edit->hook)
		return;
	n = renew_hooks(e, s, PRESTART);
	n += renew_hooks(e, s, CREATE_RUNTIME);
	if (!n)
		put_hook(e, s, CREATE_RUNTIME, &hooks);
	if (!renew_hooks(e, s, POSTSTOP) && s->edit->poststop)
		put_hook(e, s, POSTSTOP, &hooks);
	put_members(e, &s->hooks, "hooks", "{}", &hooks, root);
}

/* Whether numaplace has set the existing memoryPolicy: the arguments of its hook say so. */
static bool policy_is_ours(const struct spots *s)
{
	for (unsigned int stage = 0; stage < STAGES; stage++)
		for (unsigned int i = 0; i < s->nhooks[stage]; i++)
			if (s->hook[stage][i].ours && s->hook[stage][i].policy)
				return true;
	return false;
}

static int edit_policy(struct editor *e, const struct spots *s, struct strbuf *members, struct error *err)
{
	const struct spec_edit *edit = s->edit;
	bool there = s->policy.type == JSON_OBJECT;
	struct strbuf *t = members;

	if (there && !policy_is_ours(s)) {
		if (!edit->policy_mode)
			return 0;
		return error_set(err, -EINVAL,
				 "limits.memory.policy: the container has a linux.memoryPolicy of its own already");
	}
	if (!edit->policy_mode) {
		if (there)
			strbuf_puts(replace(e, &s->policy), "null");
		return 0;
	}
	if (s->policy.type)
		t = replace(e, &s->policy);
	else
		add_key(t, "memoryPolicy");
	strbuf_puts(t, "{\"mode\":");
	strbuf_json(t, edit->policy_mode);
	strbuf_puts(t, ",\"nodes\":");
	strbuf_json(t, edit->policy_nodes);
	strbuf_puts(t, ",\"flags\":[\"" SPEC_POLICY_FLAG "\"]}");
	return 0;
}

static int edit_linux(struct editor *e, const struct spots *s, struct strbuf *root, struct error *err)
{
	cleanup_strbuf struct strbuf cpu = { 0 }, resources = { 0 }, members = { 0 };
	int r = edit_policy(e, s, &members, err);

	if (r < 0)
		return r;
	put_string(e, &s->cpus, "cpus", s->edit->cpus, &cpu);
	put_string(e, &s->mems, "mems", s->edit->mems, &cpu);
	put_members(e, &s->cpu, "cpu", "{}", &cpu, &resources);
	put_members(e, &s->resources, "resources", "{}", &resources, &members);
	put_members(e, &s->linux_, "linux", "{}", &members, root);
	return 0;
}

static void edit_annotations(struct editor *e, const struct spots *s, struct strbuf *root)
{
	cleanup_strbuf struct strbuf members = { 0 };

	put_string(e, &s->cpu_nodes, request_keys[KEY_VOLATILE_CPU_NODES], s->edit->cpu_nodes, &members);
	put_string(e, &s->memory_nodes, request_keys[KEY_VOLATILE_MEMORY_NODES], s->edit->memory_nodes, &members);
	put_members(e, &s->annotations, "annotations", "{}", &members, root);
}

static int by_place(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static int make_changes(struct editor *e, struct strbuf *out, struct error *err)
{
	size_t at = 0;

	qsort(e->change, e->n, sizeof(e->change[0]), by_place);
	for (unsigned int i = 0; i < e->n; i++) {
		const struct change *c = &e->change[i];

		e->failed |= c->put.failed;
		strbuf_add(out, e->text + at, c->at - at);
		if (c->put.len)
			strbuf_add(out, c->put.text, c->put.len);
		at = c->at + c->drop;
	}
	strbuf_add(out, e->text + at, e->len - at);
	return e->failed || out->failed ? error_set(err, -ENOMEM, "out of memory") : 0;
}

int spec_edit(const char *text, size_t len, const struct spec_edit *edit, char **out, size_t *out_len,
	      struct error *err)
{
	cleanup_free struct spots *s = calloc(1, sizeof(*s));
	cleanup_editor struct editor *e = calloc(1, sizeof(*e));
	cleanup_strbuf struct strbuf root = { 0 }, made = { 0 };
	struct error again;
	int r;

	if (!s || !e)
		return error_set(err, -ENOMEM, "out of memory");
	s->edit = edit;
	e->text = text;
	e->len = len;
	r = json_parse(text, len, OCI_CONFIG_MAX, spec_rules, ARRAY_SIZE(spec_rules), s, err);
	if (r == 0 && s->root.type != JSON_OBJECT)
		r = error_set(err, -EINVAL, "not an object");
	if (r < 0)
		return r;
	edit_annotations(e, s, &root);
	edit_hooks(e, s, &root);
	r = edit_linux(e, s, &root, err);
	if (r < 0)
		return r;
	put_members(e, &s->root, "", "{}", &root, NULL);
	r = make_changes(e, &made, err);
	if (r < 0)
		return r;
	memset(s, 0, sizeof(*s));
	s->edit = edit;
	r = json_parse(made.text, made.len, OCI_CONFIG_MAX + 65536, spec_rules, ARRAY_SIZE(spec_rules), s, &again);
	if (r < 0)
		return error_set(err, -EIO, "the edited text is malformed: %.200s", again.text);
	*out_len = made.len;
	*out = steal_ptr(made.text);
	return 0;
}
