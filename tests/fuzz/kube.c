/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What numaplace-kube reads: files of refused containers, and answers of the API server. The same input is tried as both.
 */
#include "tests/fuzz/fuzz.h"

#include "runtime-hooks/common/json-write.h"
#include "runtime-hooks/kube/answer.h"
#include "runtime-hooks/kube/event.h"
#include "runtime-hooks/kube/refusal.h"

static void use_refusal(const struct refusal *r)
{
	cleanup_kube_events struct kube_events events = { 0 };
	cleanup_json struct json_writer o = JSON_IN_MEMORY;
	char name[KUBE_NAME_MAX + 1];
	struct error err;

	must(refusal_check(r, &err) == 0);
	must(kube_events_add(&events, r) == 0);
	kube_event_name(&events.event[0], name);
	must(kube_is_name(name));
	kube_event_write(&o, &events.event[0], "node");
	must(!o.out.failed && !o.replaced);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_text(data, size);
	struct error err = { 0 };
	char said[ANSWER_SAID_MAX];
	struct refusal r;
	int rc = refusal_parse(text, size, &r, &err);

	fuzz_check_error(rc, &err);
	if (rc == 0)
		use_refusal(&r);
	answer_message(text, size, "secret", said);
	must(memchr(said, '\0', sizeof(said)));
	must(!strstr(said, "secret"));
	for (const char *p = said; *p; p++)
		must((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f);
	return 0;
}
