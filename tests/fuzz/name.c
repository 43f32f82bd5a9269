/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names from outside. An accepted name is unchanged in every output format, and any name is printed as one line of printable
 * ASCII.
 */
#include "tests/fuzz/fuzz.h"

#include "cli/svg-text.h"
#include "cli/table.h"
#include "runtime-hooks/common/json-write.h"
#include "plugin/base/name.h"

#include <errno.h>

static void is_plain(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		must(*p >= 0x20 && *p <= 0x7e);
}

/* Characters with a special meaning in a shell, systemd, Prometheus, JSON or XML. */
static void is_text_everywhere(const char *name, const char *more)
{
	must(*name && *name != '-');
	for (const char *p = name; *p; p++)
		must(!strchr(" \t\r\n\"'`$&;|<>()[]{}*?!#~^%=,", *p) || strchr(more, *p));
}

static char *json_of(const char *text)
{
	char *buf = NULL;
	size_t size;
	FILE *f = open_memstream(&buf, &size);
	struct json_writer o = JSON_TO(f);

	must(f != NULL);
	json_begin_object(&o, NULL);
	json_put_string(&o, "id", text);
	json_end(&o);
	must(fclose(f) == 0);
	return buf;
}

static char *table_of(const char *text)
{
	cleanup_table struct table t = { 0 };
	char *buf = NULL;
	size_t size;
	FILE *f = open_memstream(&buf, &size);

	must(f != NULL);
	table_init(&t, f, "l");
	table_cell(&t, "%s", text);
	must(table_print(&t, NULL) == 0);
	must(fclose(f) == 0);
	return buf;
}

static char *svg_of(const char *text)
{
	char *buf = NULL;
	size_t size;
	FILE *f = open_memstream(&buf, &size);

	must(f != NULL);
	svg_escaped(f, text, strlen(text));
	must(fclose(f) == 0);
	return buf;
}

/* Checks that each format prints one line, @line and a newline. */
static void check_formats(const char *text, bool accepted)
{
	cleanup_free char *json = json_of(text), *table = table_of(text), *svg = svg_of(text), *want = NULL;
	cleanup_free char *plain = strdup(text);
	struct error err = { 0 };

	make_printable(plain);
	is_plain(plain);
	is_plain(quote(text).text);
	error_set(&err, -EINVAL, "%s", text);
	is_plain(err.text);
	json[strcspn(json, "\n")] = '\0';
	is_plain(json);
	table[strcspn(table, "\n")] = '\0';
	is_plain(table);
	is_plain(svg);
	must(!strpbrk(svg, "<>\"'"));
	if (!accepted)
		return;
	must(asprintf(&want, "{\"id\":\"%s\"}", text) > 0);
	must(strcmp(json, want) == 0 && strcmp(table, text) == 0 && strcmp(svg, text) == 0 && strcmp(plain, text) == 0);
	must(strcmp(err.text, text) == 0);
	must(strlen(text) > QUOTED_MAX || strcmp(quote(text).text, text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_text(data, size);
	struct error err = { 0 };
	int id = name_check_id(text, &err), device, cgroup;

	fuzz_check_error(id, &err);
	device = name_check_device(text, 128, &err);
	fuzz_check_error(device, &err);
	cgroup = name_check_cgroup(text, 4096, &err);
	fuzz_check_error(cgroup, &err);
	if (id == 0) {
		is_text_everywhere(text, "");
		must(strlen(text) <= NAME_ID_MAX && !strpbrk(text, "/\\") && strcmp(text, ".") != 0 && strcmp(text, "..") != 0);
	}
	if (device == 0) {
		is_text_everywhere(text, "!");
		must(strlen(text) < 128 && !strpbrk(text, "/\\") && *text != '.');
	}
	if (cgroup == 0) {
		is_text_everywhere(text, "");
		must(*text == '/' && strlen(text) < 4096 && !strstr(text, "/../"));
	}
	check_formats(text, id == 0);
	return 0;
}
