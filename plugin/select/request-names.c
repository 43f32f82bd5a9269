/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The words of a request's values.
 */
#include "plugin/select/request.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static const char *const policy_names[] = {
	[POLICY_STRICT] = "strict",
	[POLICY_PREFERRED] = "preferred",
	[POLICY_INTERLEAVE] = "interleave",
	[POLICY_WEIGHTED] = "weighted-interleave",
};

static const char *const class_names[] = {
	[CLASS_ANY] = "any",
	[CLASS_PERFORMANCE] = "performance",
	[CLASS_EFFICIENT] = "efficient",
	[CLASS_ISOLATED] = "isolated",
};

static const char *const work_names[WORK_KINDS] = {
	[WORK_COMPUTE] = "compute",
	[WORK_LATENCY] = "latency",
	[WORK_BANDWIDTH] = "bandwidth",
};

const char *cpu_class_name(enum cpu_class c)
{
	return class_names[c];
}

const char *memory_policy_name(enum memory_policy p)
{
	return policy_names[p];
}

int memory_policy_parse(const char *text, enum memory_policy *out, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(policy_names); i++) {
		if (strcmp(text, policy_names[i]) == 0) {
			*out = (enum memory_policy)i;
			return 0;
		}
	}
	return error_set(err, -EINVAL, "\"%s\": not strict, preferred, interleave or weighted-interleave",
			 quote(text).text);
}

const char *work_kind_name(enum work_kind k)
{
	return work_names[k];
}

const char *irq_mode_name(enum irq_mode m)
{
	static const char *const names[] = { [IRQ_NONE] = "none", [IRQ_AWAY] = "away", [IRQ_NEAR] = "near" };

	return names[m];
}

const char *partition_name(enum partition p)
{
	static const char *const names[] = { "member", "root", "isolated" };

	return names[p];
}

int bool_parse(const char *text, bool *out, struct error *err)
{
	static const char *const words[] = { "false", "true", "0", "1", "no", "yes", "off", "on" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*out = i & 1;
			return 0;
		}
	}
	return error_set(err, -EINVAL, "\"%s\": not true or false", quote(text).text);
}
