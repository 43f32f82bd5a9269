/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In a hook's object, its path may follow its arguments: they are collected for each hook, and kept if the path fits.
 */
#include "runtime-hooks/oci/spec-hook.h"

#include "plugin/base/util.h"
#include "runtime-hooks/common/json.h"
#include "runtime-hooks/oci/oci-config.h"

#include <errno.h>
#include <string.h>

enum stage { CREATE_RUNTIME, PRESTART, STAGES };

struct search {
	const char *path;
	struct spec_hook at[STAGES];    /* of the hook that is being read */
	bool fits[STAGES];              /* it has the path */
	struct spec_hook found[STAGES]; /* of the first one that fits */
};

void spec_hook_free(struct spec_hook *h)
{
	for (unsigned int i = 0; i < h->n; i++)
		free(h->arg[i]);
	*h = (struct spec_hook){ 0 };
}

const char *spec_hook_option(const struct spec_hook *h, const char *name)
{
	for (unsigned int i = 1; i + 1 < h->n; i++)
		if (strcmp(h->arg[i], name) == 0)
			return h->arg[i + 1];
	return NULL;
}

static void end_hook(struct search *s, enum stage stage)
{
	if (s->fits[stage] && !s->found[stage].n) {
		s->found[stage] = s->at[stage];
		s->at[stage] = (struct spec_hook){ 0 };
	}
	spec_hook_free(&s->at[stage]);
	s->fits[stage] = false;
}

static int take_path(struct search *s, enum stage stage, const struct json_value *v)
{
	s->fits[stage] = strcmp(v->text, s->path) == 0;
	return 0;
}

static int take_arg(struct search *s, enum stage stage, const struct json_value *v, struct error *err)
{
	struct spec_hook *h = &s->at[stage];

	if (h->n == SPEC_HOOK_ARGS_MAX)
		return error_set(err, -EINVAL, "more than %d arguments", SPEC_HOOK_ARGS_MAX);
	h->arg[h->n] = strdup(v->text);
	if (!h->arg[h->n])
		return error_set(err, -ENOMEM, "out of memory");
	h->n++;
	return 0;
}

/* The same functions for each stage: the parser's rules have no argument of their own. */
#define STAGE(name, which)                                                                                             \
	static int name##_hook(void *arg, const struct json_value *v, struct error *err)                               \
	{                                                                                                              \
		(void)v;                                                                                               \
		(void)err;                                                                                             \
		end_hook(arg, which);                                                                                  \
		return 0;                                                                                              \
	}                                                                                                              \
	static int name##_path(void *arg, const struct json_value *v, struct error *err)                               \
	{                                                                                                              \
		(void)err;                                                                                             \
		return take_path(arg, which, v);                                                                       \
	}                                                                                                              \
	static int name##_arg(void *arg, const struct json_value *v, struct error *err)                                \
	{                                                                                                              \
		return take_arg(arg, which, v, err);                                                                   \
	}
STAGE(create_runtime, CREATE_RUNTIME)
STAGE(prestart, PRESTART)

#define STAGE_RULES(name, key)                                                                                         \
	{ .path = "hooks/" key "/#", .types = JSON_OBJECT, .set = name##_hook },                                       \
		{ .path = "hooks/" key "/#/path", .types = JSON_STRING, .set = name##_path },                          \
	{                                                                                                              \
		.path = "hooks/" key "/#/args/#", .types = JSON_STRING, .set = name##_arg                              \
	}

static const struct json_rule rules[] = {
	STAGE_RULES(create_runtime, "createRuntime"),
	STAGE_RULES(prestart, "prestart"),
};

int spec_hook_find(const char *text, size_t len, const char *path, struct spec_hook *out, struct error *err)
{
	struct search s = { .path = path };
	int rc = json_parse(text, len, OCI_CONFIG_MAX, rules, ARRAY_SIZE(rules), &s, err);

	*out = (struct spec_hook){ 0 };
	for (enum stage i = 0; i < STAGES; i++) {
		end_hook(&s, i);
		if (rc == 0 && s.found[i].n && !out->n)
			*out = s.found[i];
		else
			spec_hook_free(&s.found[i]);
	}
	return rc < 0 ? rc : out->n > 0;
}
