/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Describes left-out CPUs and nodes in words.
 */
#include "cli/left-out.h"

#include "plugin/base/size.h"

#include <stdarg.h>
#include <string.h>

/* The load of placed containers on these CPUs; 0 without a ledger. */
static double load_on(const struct numaplace_snapshot *s, const struct idset *cpus)
{
	char list[IDSET_TEXT_MAX];
	double load;

	idset_format(cpus, list, sizeof(list));
	load = numaplace_snapshot_load(s, list);
	return load > 0 ? load : 0;
}

double left_out_fill(const struct numaplace_snapshot *s, const struct numaplace_node *n)
{
	struct idset usable = cli_set(n->usable);

	return idset_empty(&usable) ? 0 : load_on(s, &usable) / idset_count(&usable);
}

/* A line that is written in parts, and cut at its end. */
static void append(struct left_out_text *line, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void append(struct left_out_text *line, const char *fmt, ...)
{
	size_t used = strlen(line->text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line->text + used, sizeof(line->text) - used, fmt, ap);
	va_end(ap);
}

struct left_out_text left_out_load(const struct numaplace_snapshot *s, const struct numaplace_node *n, const char *unit)
{
	const struct {
		const char *word, *cpus;
	} reasons[] = {
		{ "isolated", n->isolated },
		{ "reserved", n->reserved },
		{ "not allowed here", n->not_allowed },
		{ "offline", n->offline },
		{ "held exclusively", n->held },
	};
	struct idset usable = cli_set(n->usable), seen = { { 0 } };
	double load = numaplace_snapshot_load(s, n->usable);
	struct left_out_text out = { "" };

	if (load >= 0)
		append(&out, "%.1f of %u%s", load, idset_count(&usable), unit);
	else
		append(&out, "- of %u%s", idset_count(&usable), unit);
	for (size_t k = 0; k < ARRAY_SIZE(reasons); k++) {
		struct idset cpus = cli_set(reasons[k].cpus);

		idset_andnot(&cpus, &seen);
		idset_or(&seen, &cpus);
		if (idset_empty(&cpus))
			continue;
		append(&out, ", %u %s", idset_count(&cpus), reasons[k].word);
		load = reasons[k].cpus == n->held ? 0 : load_on(s, &cpus);
		if (load >= 0.05)
			append(&out, " (load %.1f)", load);
	}
	return out;
}

bool left_out_kind(const struct numaplace_node *n)
{
	return strcmp(n->memory_kind, "none") != 0 && strcmp(n->memory_kind, "ordinary") != 0;
}

struct left_out_text left_out_memory(const struct numaplace_node *n, const char *none)
{
	struct left_out_text out = { "" };
	char size[32];

	if (strcmp(n->memory_kind, "unknown") == 0)
		append(&out, "unknown kind of memory: only where named");
	else if (left_out_kind(n))
		append(&out, "%s memory: only where named", n->memory_kind);
	else if (strcmp(n->memory_kind, "ordinary") == 0 && !n->ncpus)
		append(&out, "ordinary memory");
	if (n->memory_movable)
		append(&out, "%smovable memory alone", *out.text ? ", " : "");
	if (!n->memory_allowed)
		append(&out, "%smemory reserved or not allowed here", *out.text ? ", " : "");
	if (n->memory_cached) {
		size_human(n->memory_cached, size, sizeof(size));
		append(&out, "%s%s of it free in ZFS's cache", *out.text ? ", " : "", size);
	}
	if (!*out.text)
		append(&out, "%s", none);
	return out;
}

void left_out_json(struct json_writer *o, const struct numaplace_node *n)
{
	json_put_string(o, "isolated", n->isolated);
	json_put_string(o, "reserved", n->reserved);
	json_put_string(o, "not_allowed", n->not_allowed);
	json_put_string(o, "offline", n->offline);
	json_put_string(o, "held", n->held);
}
