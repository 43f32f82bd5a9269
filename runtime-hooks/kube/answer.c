/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The message is only for people. What is done next depends on the HTTP status.
 */
#include "runtime-hooks/kube/answer.h"

#include "plugin/base/util.h"
#include "runtime-hooks/common/json.h"

#include <string.h>

struct status {
	bool is_status;
	char message[ANSWER_SAID_MAX];
};

static int set_kind(void *arg, const struct json_value *v, struct error *err)
{
	struct status *s = arg;

	(void)err;
	s->is_status = strcmp(v->text, "Status") == 0;
	return 0;
}

static int set_message(void *arg, const struct json_value *v, struct error *err)
{
	struct status *s = arg;

	(void)err;
	snprintf(s->message, sizeof(s->message), "%s", v->text);
	make_printable(s->message);
	return 0;
}

void answer_message(const char *text, size_t len, const char *secret, char out[ANSWER_SAID_MAX])
{
	static const struct json_rule rules[] = {
		{ .path = "kind", .types = JSON_STRING, .set = set_kind },
		{ .path = "message", .types = JSON_STRING, .set = set_message },
	};
	struct status s = { .is_status = false };
	struct error err;

	*out = '\0';
	/* Compared with the parsed message as well: JSON can write each character in another way. */
	if (json_parse(text, len, ANSWER_BYTES_MAX, rules, ARRAY_SIZE(rules), &s, &err) < 0 || !s.is_status ||
	    (*secret && (memmem(text, len, secret, strlen(secret)) || strstr(s.message, secret))))
		return;
	memcpy(out, s.message, sizeof(s.message));
}
