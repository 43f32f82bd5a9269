/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * runtime-hooks/spec-edit: what is inserted where; all other bytes are kept, and a second edit changes nothing.
 */
#include "plugin/base/strbuf.h"
#include "plugin/base/util.h"
#include "runtime-hooks/oci/spec-edit.h"
#include "tests/unit/tap.h"

#include <errno.h>

#define HOOK "/usr/libexec/numaplace/oci-hook"
#define ENTRY(stage) "{\"path\":\"" HOOK "\",\"args\":[\"oci-hook\",\"" stage "\"]}"
#define PLANNED "[\"oci-hook\",\"--mems\",\"0-1\",\"--applied\",\"memoryPolicy\",\"createRuntime\"]"

static const struct spec_edit hook = { .hook = HOOK, .poststop = true };
static const struct spec_edit lists = { .cpus = "0-3", .mems = "0" };
static const struct spec_edit all = {
	.cpus = "0-3", .mems = "0-1", .policy_mode = "MPOL_INTERLEAVE", .policy_nodes = "0-1", .cpu_nodes = "0,1",
	.memory_nodes = "0,1", .hook = HOOK, .plan = { "--mems", "0-1", "--applied", "memoryPolicy" },
};
static const struct spec_edit told = { .variable = { "0-3", "0,1", "0,1" } };
static const struct spec_edit told_cpus = { .variable = { [SPEC_CPUS] = "8" } };
#define ENV "\"NUMAPLACE_CPUS=0-3\",\"NUMAPLACE_NODES=0,1\",\"NUMAPLACE_MEMORY_NODES=0,1\""
#define POLICY "\"memoryPolicy\":{\"mode\":\"MPOL_INTERLEAVE\",\"nodes\":\"0-1\",\"flags\":[\"MPOL_F_STATIC_NODES\"]}"
#define CPU "\"cpu\":{\"cpus\":\"0-3\",\"mems\":\"0-1\"}"
#define NOTES "\"annotations\":{\"volatile.cpu.nodes\":\"0,1\",\"volatile.memory.nodes\":\"0,1\"}"

static const struct {
	const char *name;
	const struct spec_edit *edit;
	const char *before, *after; /* after NULL: unchanged */
} cases[] = {
	{ "an empty object", &hook, "{}",
	  "{\"hooks\":{\"createRuntime\":[" ENTRY("createRuntime") "],\"poststop\":[" ENTRY("poststop") "]}}" },
	{ "an object with other keys", &hook, " { \"a\" : 1 }\n",
	  " {\"hooks\":{\"createRuntime\":[" ENTRY("createRuntime") "],\"poststop\":[" ENTRY(
		  "poststop") "]}, \"a\" : 1 }\n" },
	{ "hooks that are null", &hook, "{\"hooks\": null }",
	  "{\"hooks\": {\"createRuntime\":[" ENTRY("createRuntime") "],\"poststop\":[" ENTRY("poststop") "]} }" },
	{ "stages that are null or empty", &hook, "{\"hooks\":{\"createRuntime\":null,\"poststop\":[ ]}}",
	  "{\"hooks\":{\"createRuntime\":[" ENTRY("createRuntime") "],\"poststop\":[" ENTRY("poststop") " ]}}" },
	{ "before hooks of other programs", &hook, "{\"hooks\":{\"createRuntime\":[{\"path\":\"/x\"}]}}",
	  "{\"hooks\":{\"poststop\":[" ENTRY("poststop") "],\"createRuntime\":[" ENTRY(
		  "createRuntime") ",{\"path\":\"/x\"}]}}" },
	{ "our hook from hooks.d gets its arguments, all else is kept", &hook,
	  "{\"hooks\":{\"createRuntime\":[{\"path\":\"/x\"},{\"timeout\":9,\"args\":[\"a\",\"]\\\"\"],\"path\":\"" HOOK
	  "\"}],\"poststop\":[{\"path\":\"" HOOK "\"}]}}",
	  "{\"hooks\":{\"createRuntime\":[{\"path\":\"/x\"},{\"timeout\":9,\"args\":[\"oci-hook\",\"createRuntime\"],"
	  "\"path\":\"" HOOK "\"}],\"poststop\":[{\"args\":[\"oci-hook\",\"poststop\"],\"path\":\"" HOOK "\"}]}}" },
	{ "our hook at prestart is used", &hook,
	  "{\"hooks\":{\"prestart\":[{\"path\":\"" HOOK "\",\"args\":null}],\"poststop\":[" ENTRY("poststop") "]}}",
	  "{\"hooks\":{\"prestart\":[" ENTRY("prestart") "],\"poststop\":[" ENTRY("poststop") "]}}" },
	{ "lists without cpu", &lists, "{}",
	  "{\"linux\":{\"resources\":{\"cpu\":{\"cpus\":\"0-3\",\"mems\":\"0\"}}}}" },
	{ "lists beside an existing one", &lists,
	  "{\"linux\":{\"resources\":{\"cpu\":{\"shares\":2,\"cpus\":\"0-7\"}}}}",
	  "{\"linux\":{\"resources\":{\"cpu\":{\"mems\":\"0\",\"shares\":2,\"cpus\":\"0-3\"}}}}" },
	{ "an empty string, a quote in a string", &lists,
	  "{\"x\":\"\\\"}\",\"linux\":{\"resources\":{\"cpu\":{\"mems\":\"\",\"cpus\":\"\\\"\"}}}}",
	  "{\"x\":\"\\\"}\",\"linux\":{\"resources\":{\"cpu\":{\"mems\":\"0\",\"cpus\":\"0-3\"}}}}" },
	{ "cpu that is null", &lists, "{\"linux\":{\"resources\":{\"cpu\": null,\"pids\":{}}}}",
	  "{\"linux\":{\"resources\":{\"cpu\": {\"cpus\":\"0-3\",\"mems\":\"0\"},\"pids\":{}}}}" },
	{ "numbers, escapes and unusual spaces are kept", &lists,
	  "{\"n\":1e400,\"u\":\"\\u00e4\\/\",\n\t\"linux\" : {\r\n "
	  "\"resources\":{\"cpu\":{\"cpus\":null,\"mems\":null}}}}",
	  "{\"n\":1e400,\"u\":\"\\u00e4\\/\",\n\t\"linux\" : {\r\n "
	  "\"resources\":{\"cpu\":{\"cpus\":\"0-3\",\"mems\":\"0\"}}}}" },
	{ "all edits at once", &all, "{\"linux\":{},\"annotations\":{}}",
	  "{\"hooks\":{\"createRuntime\":[{\"path\":\"" HOOK "\",\"args\":" PLANNED "}]},\"linux\":{" POLICY
	  ",\"resources\":{" CPU "}}," NOTES "}" },
	{ "our memory policy is removed", &hook,
	  "{\"linux\":{" POLICY "},\"hooks\":{\"createRuntime\":[{\"path\":\"" HOOK "\",\"args\":" PLANNED
	  "}],\"poststop\":[" ENTRY("poststop") "]}}",
	  "{\"linux\":{\"memoryPolicy\":null},\"hooks\":{\"createRuntime\":[" ENTRY(
		  "createRuntime") "],\"poststop\":[" ENTRY("poststop") "]}}" },
	{ "variables without env", &told, "{\"process\":{\"args\":[\"env\"]}}",
	  "{\"process\":{\"env\":[" ENV "],\"args\":[\"env\"]}}" },
	{ "variables with an env that is null", &told, "{\"process\":{\"env\":null}}", "{\"process\":{\"env\":[" ENV "]}}" },
	{ "variables with an empty env", &told, "{\"process\":{\"env\":[]}}", "{\"process\":{\"env\":[" ENV "]}}" },
	{ "variables before others", &told, "{\"process\":{\"env\":[ \"A=1\", \"B=\\\"\"]}}",
	  "{\"process\":{\"env\":[" ENV ", \"A=1\", \"B=\\\"\"]}}" },
	{ "variables of the image are replaced, however often it sets them", &told,
	  "{\"process\":{\"env\":[\"NUMAPLACE_NODES=7\",\"A=1\",\"NUMAPLACE_CPUS\",\"NUMAPLACE_\\u004eODES=\\\"\"]}}",
	  "{\"process\":{\"env\":[\"NUMAPLACE_MEMORY_NODES=0,1\",\"NUMAPLACE_NODES=0,1\",\"A=1\",\"NUMAPLACE_CPUS=0-3\","
	  "\"NUMAPLACE_NODES=0,1\"]}}" },
	{ "variables with longer names are kept", &told_cpus,
	  "{\"process\":{\"env\":[\"NUMAPLACE_CPUS_ALL=1\",\"numaplace_cpus=2\",\"NUMAPLACE_NODES=3\"]}}",
	  "{\"process\":{\"env\":[\"NUMAPLACE_CPUS=8\",\"NUMAPLACE_CPUS_ALL=1\",\"numaplace_cpus=2\",\"NUMAPLACE_NODES=3\"]}}" },
	{ "a variable that is replaced where others are added", &told, "{\"process\":{\"env\":[\"NUMAPLACE_NODES=7\"]}}",
	  "{\"process\":{\"env\":[\"NUMAPLACE_CPUS=0-3\",\"NUMAPLACE_MEMORY_NODES=0,1\",\"NUMAPLACE_NODES=0,1\"]}}" },
	{ "a spec without a process gets no variables", &told, "{\"process\":null}", NULL },
	{ "another program's memory policy is kept", &lists,
	  "{\"linux\":{\"memoryPolicy\":{\"mode\":\"MPOL_LOCAL\"},\"resources\":{\"cpu\":{\"cpus\":\"0-3\",\"mems\":"
	  "\"0\"}}}}",
	  NULL },
};

static void test_cases(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *want = cases[i].after ? cases[i].after : cases[i].before;
		cleanup_free char *once = NULL, *twice = NULL;
		struct error err = { 0 };
		size_t len = 0, again = 0;

		is_int(spec_edit(cases[i].before, strlen(cases[i].before), cases[i].edit, &once, &len, &err), 0,
		       "spec_edit: %s (%s)", cases[i].name, err.text);
		is_str(once, want, "spec_edit: %s: text", cases[i].name);
		if (!once)
			continue;
		is_int(spec_edit(once, len, cases[i].edit, &twice, &again, &err), 0, "spec_edit: %s: second edit",
		       cases[i].name);
		is_str(twice, want, "spec_edit: %s: the second edit changes nothing", cases[i].name);
	}
}

static void test_refused(void)
{
	static const char *const bad[] = {
		"", "[]", "{", "{\"linux\":[]}", "{\"hooks\":{\"createRuntime\":{}}}", "{\"linux\":{},\"linux\":{}}",
		"{\"linux\":{\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"0\"}}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = { 0 };
		char *out = NULL;
		size_t len;

		is_int(spec_edit(bad[i], strlen(bad[i]), &all, &out, &len, &err), -EINVAL, "spec_edit: refused: %s",
		       bad[i]);
		ok(!out && *err.text, "spec_edit: message: %s", err.text);
	}
}

/* A hostile image can set one variable often: each is replaced, up to 64 with those that are added. */
static void test_many_variables(void)
{
	for (unsigned int n = 62; n <= 65; n++) {
		cleanup_strbuf struct strbuf text = { 0 };
		cleanup_free char *out = NULL;
		struct error err = { 0 };
		size_t len;
		int r;

		strbuf_puts(&text, "{\"process\":{\"env\":[\"A=\"");
		for (unsigned int i = 0; i < n; i++)
			strbuf_puts(&text, ",\"NUMAPLACE_CPUS=x\"");
		strbuf_puts(&text, "]}}");
		r = spec_edit(text.text, text.len, &told, &out, &len, &err);
		is_int(r, n > 62 ? -EINVAL : 0, "spec_edit: NUMAPLACE_CPUS %u times (%s)", n, err.text);
		ok(n > 62 ? !out : out && !strstr(out, "=x"), "spec_edit: NUMAPLACE_CPUS %u times: the image's value is gone", n);
	}
}

int main(void)
{
	test_cases();
	test_many_variables();
	test_refused();
	return done();
}
