/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One parse finds the positions, then the text is changed there. Missing members are collected from the innermost
 * object outwards: members whose object is missing become a new object, which is a member of the enclosing one. The
 * result is parsed again before it is returned.
 *
 * Long: the positions of all parts of a spec and their changes belong together.
 */
#include "runtime-hooks/oci/spec-edit.h"

#include "plugin/select/request.h"
#include "plugin/base/strbuf.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/json-write.h"
#include "runtime-hooks/common/json.h"
#include "runtime-hooks/oci/oci-config.h"

#include <errno.h>
#include <string.h>

#define HOOKS_MAX 256 /* in one stage */
#define VARIABLES_MAX 64 /* of numaplace's names, in process.env */

enum stage { CREATE_RUNTIME, PRESTART, POSTSTOP, STAGES };
static const char *const stage_names[STAGES] = { "createRuntime", "prestart", "poststop" };

static const char *const variable_names[] = { "NUMAPLACE_CPUS", "NUMAPLACE_NODES", "NUMAPLACE_MEMORY_NODES" };
_Static_assert(ARRAY_SIZE(variable_names) == SPEC_VARIABLES, "the variables in the order of spec_edit.variable");

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
	struct spot linux_, resources, cpu, cpus, mems, policy, process, env;
	struct variable_spot {
		struct spot where;
		size_t name; /* index in variable_names */
	} variable[VARIABLES_MAX];
	unsigned int nvariables;
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
SPOT(at_process, process)
SPOT(at_env, env)

static int too_many_variables(struct error *err)
{
	return error_set(err, -EINVAL, "process.env: numaplace's variables are set more than %d times", VARIABLES_MAX);
}

/* An element of process.env. */
static int see_variable(void *arg, const struct json_value *v, struct error *err)
{
	struct spots *s = arg;

	for (size_t i = 0; i < SPEC_VARIABLES; i++) {
		size_t len = strlen(variable_names[i]);

		if (strncmp(v->text, variable_names[i], len) != 0 || (v->text[len] && v->text[len] != '='))
			continue;
		if (s->nvariables == ARRAY_SIZE(s->variable))
			return too_many_variables(err);
		s->variable[s->nvariables++] = (struct variable_spot){ { v->type, v->end }, i };
	}
	return 0;
}

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
	{ .path = "process", .types = BRACES, .set = at_process },
	{ .path = "process/env", .types = JSON_ARRAY | JSON_NULL, .set = at_env },
	{ .path = "process/env/#", .types = JSON_STRING, .set = see_variable },
};

/* --- changes, collected and then applied in one pass --- */

struct change {
	size_t at, drop; /* offset, and number of bytes removed there */
	char *value;     /* JSON, malloc'd; NULL: no memory */
	size_t len;
	bool members;    /* @value is an object or array: insert what is between its braces */
	bool comma;      /* and a comma after it */
};

struct editor {
	const char *text;
	size_t len;
	unsigned int n;
	struct change change[16 + STAGES * HOOKS_MAX + VARIABLES_MAX];
	bool replaced; /* a string of the edit is not UTF-8 */
};

static void editor_free(struct editor *e)
{
	for (unsigned int i = 0; i < e->n; i++)
		free(e->change[i].value);
	free(e);
}
static void cleanup_editorp(struct editor **e)
{
	if (*e)
		editor_free(*e);
}
#define cleanup_editor __attribute__((cleanup(cleanup_editorp)))

/* Inserts @value, and takes its text. */
static struct change *new_change(struct editor *e, size_t at, size_t drop, struct json_writer *value)
{
	struct change *c = &e->change[e->n++];

	*c = (struct change){ .at = at, .drop = drop, .len = value->out.len };
	e->replaced |= value->replaced;
	if (!value->out.failed)
		c->value = steal_ptr(value->out.text);
	return c;
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

/* Replaces the value at @s. */
static void replace(struct editor *e, const struct spot *s, struct json_writer *value)
{
	size_t from = beginning(e, s);
	size_t to = s->type == JSON_OBJECT || s->type == JSON_ARRAY ? closing(e, s->end) : s->end;

	new_change(e, from, to - from, value);
}

/* Inserts the members of @value after the opening brace at @s. */
static void insert_members(struct editor *e, const struct spot *s, struct json_writer *value)
{
	struct change *c = new_change(e, s->end, 0, value);

	c->members = true;
	c->comma = has_members(e, s->end);
}

/* Whether an object or array that is still open has no members. */
static bool is_empty(const struct json_writer *w)
{
	return !w->out.failed && w->out.len == 1;
}

/*
 * Ends @value, an object or array, and inserts its members into the member @key at @s. If that is missing, adds it to
 * @parent with these members.
 */
static void put_members(struct editor *e, const struct spot *s, const char *key, struct json_writer *value,
			struct json_writer *parent)
{
	bool empty = is_empty(value);

	json_end(value);
	if (empty)
		return;
	if (s->type == JSON_OBJECT || s->type == JSON_ARRAY)
		insert_members(e, s, value);
	else if (s->type)
		replace(e, s, value);
	else
		json_put_value(parent, key, value);
}

/* Sets the string @key: replaces it, or adds it to @parent. */
static void put_string(struct editor *e, const struct spot *s, const char *key, const char *value,
		       struct json_writer *parent)
{
	cleanup_json struct json_writer w = JSON_IN_MEMORY;

	if (!value)
		return;
	if (!s->type) {
		json_put_string(parent, key, value);
		return;
	}
	json_put_string(&w, NULL, value);
	replace(e, s, &w);
}

/* --- the parts of a spec --- */

static void put_options(struct json_writer *w, const char *const *options)
{
	for (unsigned int i = 0; i < SPEC_OPTIONS_MAX && options[i]; i++)
		json_put_string(w, NULL, options[i]);
}

static void put_args(struct json_writer *w, const char *key, const struct spec_edit *edit, enum stage stage)
{
	const char *name = strrchr(edit->hook, '/');

	json_begin_array(w, key);
	json_put_string(w, NULL, name ? name + 1 : edit->hook);
	put_options(w, edit->options);
	if (stage != POSTSTOP)
		put_options(w, edit->plan);
	json_put_string(w, NULL, stage_names[stage]);
	json_end(w);
}

/* Updates the arguments of numaplace's hooks in the stage; returns how many there are. */
static unsigned int renew_hooks(struct editor *e, const struct spots *s, enum stage stage)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->nhooks[stage]; i++) {
		const struct hook_spot *h = &s->hook[stage][i];
		cleanup_json struct json_writer w = JSON_IN_MEMORY;

		if (!h->ours)
			continue;
		n++;
		if (h->args.type) {
			put_args(&w, NULL, s->edit, stage);
			replace(e, &h->args, &w);
		} else {
			json_begin_object(&w, NULL);
			put_args(&w, "args", s->edit, stage);
			json_end(&w);
			insert_members(e, &h->object, &w);
		}
	}
	return n;
}

static void put_hook(struct editor *e, const struct spots *s, enum stage stage, struct json_writer *hooks)
{
	cleanup_json struct json_writer entries = JSON_IN_MEMORY;

	json_begin_array(&entries, NULL);
	json_begin_object(&entries, NULL);
	json_put_string(&entries, "path", s->edit->hook);
	put_args(&entries, "args", s->edit, stage);
	json_end(&entries);
	put_members(e, &s->stage[stage], stage_names[stage], &entries, hooks);
}

static void edit_hooks(struct editor *e, const struct spots *s, struct json_writer *root)
{
	cleanup_json struct json_writer hooks = JSON_IN_MEMORY;
	unsigned int n;

	if (!s->edit->hook)
		return;
	json_begin_object(&hooks, NULL);
	n = renew_hooks(e, s, PRESTART);
	n += renew_hooks(e, s, CREATE_RUNTIME);
	if (!n)
		put_hook(e, s, CREATE_RUNTIME, &hooks);
	if (!renew_hooks(e, s, POSTSTOP) && s->edit->poststop)
		put_hook(e, s, POSTSTOP, &hooks);
	put_members(e, &s->hooks, "hooks", &hooks, root);
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

/* {"mode":...}, or null where a policy is removed. */
static void write_policy(struct json_writer *w, const struct spec_edit *edit)
{
	if (!edit->policy_mode) {
		json_put_null(w, NULL);
		return;
	}
	json_begin_object(w, NULL);
	json_put_string(w, "mode", edit->policy_mode);
	json_put_string(w, "nodes", edit->policy_nodes);
	json_begin_array(w, "flags");
	json_put_string(w, NULL, SPEC_POLICY_FLAG);
	json_end(w);
	json_end(w);
}

static int edit_policy(struct editor *e, const struct spots *s, struct json_writer *linux_, struct error *err)
{
	cleanup_json struct json_writer policy = JSON_IN_MEMORY;
	const struct spec_edit *edit = s->edit;
	bool there = s->policy.type == JSON_OBJECT;

	if (there && !policy_is_ours(s)) {
		if (!edit->policy_mode)
			return 0;
		return error_set(err, -EINVAL,
				 "limits.memory.policy: the container has a linux.memoryPolicy of its own already");
	}
	if (!edit->policy_mode && !there)
		return 0;
	write_policy(&policy, edit);
	if (s->policy.type)
		replace(e, &s->policy, &policy);
	else
		json_put_value(linux_, "memoryPolicy", &policy);
	return 0;
}

static int edit_linux(struct editor *e, const struct spots *s, struct json_writer *root, struct error *err)
{
	cleanup_json struct json_writer cpu = JSON_IN_MEMORY, resources = JSON_IN_MEMORY, members = JSON_IN_MEMORY;
	int r;

	json_begin_object(&cpu, NULL);
	json_begin_object(&resources, NULL);
	json_begin_object(&members, NULL);
	r = edit_policy(e, s, &members, err);
	if (r < 0)
		return r;
	put_string(e, &s->cpus, "cpus", s->edit->cpus, &cpu);
	put_string(e, &s->mems, "mems", s->edit->mems, &cpu);
	put_members(e, &s->cpu, "cpu", &cpu, &resources);
	put_members(e, &s->resources, "resources", &resources, &members);
	put_members(e, &s->linux_, "linux", &members, root);
	return 0;
}

static void put_variable(struct json_writer *w, const char *name, const char *value)
{
	cleanup_strbuf struct strbuf text = { 0 };

	strbuf_printf(&text, "%s=%s", name, value);
	json_put_string(w, NULL, text.failed ? "" : text.text);
	w->out.failed |= text.failed;
}

/* Replaces the variables that the image or an earlier edit has set, however often, and adds the others. */
static int edit_environment(struct editor *e, const struct spots *s, struct error *err)
{
	cleanup_json struct json_writer added = JSON_IN_MEMORY, process = JSON_IN_MEMORY;
	bool there[SPEC_VARIABLES] = { false };
	unsigned int n = s->nvariables;

	if (s->process.type != JSON_OBJECT)
		return 0;
	for (unsigned int i = 0; i < s->nvariables; i++) {
		const struct variable_spot *v = &s->variable[i];
		cleanup_json struct json_writer w = JSON_IN_MEMORY;

		there[v->name] = true;
		if (!s->edit->variable[v->name])
			continue;
		put_variable(&w, variable_names[v->name], s->edit->variable[v->name]);
		replace(e, &v->where, &w);
	}
	json_begin_array(&added, NULL);
	for (size_t i = 0; i < SPEC_VARIABLES; i++)
		if (s->edit->variable[i] && !there[i] && n++ < VARIABLES_MAX)
			put_variable(&added, variable_names[i], s->edit->variable[i]);
	if (n > VARIABLES_MAX) /* the next edit could not replace them */
		return too_many_variables(err);
	json_begin_object(&process, NULL);
	put_members(e, &s->env, "env", &added, &process);
	put_members(e, &s->process, "process", &process, NULL);
	return 0;
}

static void edit_annotations(struct editor *e, const struct spots *s, struct json_writer *root)
{
	cleanup_json struct json_writer members = JSON_IN_MEMORY;

	json_begin_object(&members, NULL);
	put_string(e, &s->cpu_nodes, request_keys[KEY_VOLATILE_CPU_NODES], s->edit->cpu_nodes, &members);
	put_string(e, &s->memory_nodes, request_keys[KEY_VOLATILE_MEMORY_NODES], s->edit->memory_nodes, &members);
	put_members(e, &s->annotations, "annotations", &members, root);
}

/* What is inserted at the beginning of a replaced value comes before it. */
static int by_place(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->drop < y->drop ? -1 : x->drop > y->drop;
}

static char *copy(char *to, const char *from, size_t len)
{
	memcpy(to, from, len);
	return to + len;
}

static int make_changes(struct editor *e, char **out, size_t *out_len, struct error *err)
{
	size_t at = 0, room = e->len + 1;
	bool failed = false;
	char *text, *to;

	if (e->replaced)
		return error_set(err, -EIO, "the edited text is malformed: not UTF-8");
	for (unsigned int i = 0; i < e->n; i++) {
		room += e->change[i].len;
		failed |= !e->change[i].value;
	}
	text = failed ? NULL : malloc(room);
	if (!text)
		return error_set(err, -ENOMEM, "out of memory");
	to = text;
	qsort(e->change, e->n, sizeof(e->change[0]), by_place);
	for (unsigned int i = 0; i < e->n; i++) {
		const struct change *c = &e->change[i];

		to = copy(to, e->text + at, c->at - at);
		to = copy(to, c->value + c->members, c->len - 2 * c->members);
		if (c->comma)
			*to++ = ','; /* in place of a brace */
		at = c->at + c->drop;
	}
	to = copy(to, e->text + at, e->len - at);
	*to = '\0';
	*out = text;
	*out_len = (size_t)(to - text);
	return 0;
}

int spec_edit(const char *text, size_t len, const struct spec_edit *edit, char **out, size_t *out_len,
	      struct error *err)
{
	cleanup_free struct spots *s = calloc(1, sizeof(*s));
	cleanup_editor struct editor *e = calloc(1, sizeof(*e));
	cleanup_json struct json_writer root = JSON_IN_MEMORY;
	cleanup_free char *made = NULL;
	struct error again;
	size_t made_len = 0;
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
	json_begin_object(&root, NULL);
	edit_annotations(e, s, &root);
	edit_hooks(e, s, &root);
	r = edit_environment(e, s, err);
	if (r == 0)
		r = edit_linux(e, s, &root, err);
	if (r < 0)
		return r;
	put_members(e, &s->root, NULL, &root, NULL);
	r = make_changes(e, &made, &made_len, err);
	if (r < 0)
		return r;
	memset(s, 0, sizeof(*s));
	s->edit = edit;
	r = json_parse(made, made_len, OCI_CONFIG_MAX + 65536, spec_rules, ARRAY_SIZE(spec_rules), s, &again);
	if (r < 0)
		return error_set(err, -EIO, "the edited text is malformed: %.200s", again.text);
	*out_len = made_len;
	*out = steal_ptr(made);
	return 0;
}
