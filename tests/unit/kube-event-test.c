/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Refusals become events: which of them are one event, how often it is sent, and what the object has.
 */
#include "runtime-hooks/kube/event.h"

#include "tests/unit/tap.h"

#include <stdlib.h>

static struct refusal refusal(const char *uid, const char *container, const char *message, uint64_t time)
{
	struct refusal r = { .namespace = "shop", .pod = "web-0", .time = time };

	snprintf(r.uid, sizeof(r.uid), "%s", uid);
	snprintf(r.container, sizeof(r.container), "%s", container);
	snprintf(r.message, sizeof(r.message), "%s", message);
	return r;
}

static void add(struct kube_events *e, const char *uid, const char *container, const char *message, uint64_t time)
{
	const struct refusal r = refusal(uid, container, message, time);

	kube_events_add(e, &r);
}

static void same(void)
{
	cleanup_kube_events struct kube_events e = { 0 };

	add(&e, "u1", "app", "limits.memory: 8GiB requested, 2.0GiB available (node 0: 501.0MiB, 1: 544.7MiB)", 100);
	add(&e, "u1", "app", "limits.memory: 8GiB requested, 1.5GiB available (node 0: 9MiB, 1: 12.25MiB)", 110);
	is_int(e.n, 1, "messages that differ in numbers are one event");
	is_int(e.event[0].count, 2, "with a count");
	is_str(e.event[0].last.message, "limits.memory: 8GiB requested, 1.5GiB available (node 0: 9MiB, 1: 12.25MiB)",
	       "and the last numbers");
	ok(e.event[0].first == 100 && e.event[0].last.time == 110, "and the times of the first and the last one");
	add(&e, "u1", "app", "limits.cpu: 8 requested, 2 available", 120);
	add(&e, "u2", "app", "limits.cpu: 8 requested, 2 available", 130);
	add(&e, "u2", "log", "limits.cpu: 8 requested, 2 available", 140);
	is_int(e.n, 4, "another reason, another pod and another container are other events");
}

static void sending(void)
{
	cleanup_kube_events struct kube_events e = { 0 };
	struct kube_event *due;
	uint64_t wait;

	ok(!kube_events_due(&e, 0, &wait) && wait == UINT64_MAX, "without events, there is nothing to wait for");
	add(&e, "u1", "app", "a", 1);
	due = kube_events_due(&e, 5000, &wait);
	ok(due == &e.event[0], "a new event is sent at once");
	kube_event_done(due, 5000);
	ok(!kube_events_due(&e, 90000, &wait) && wait == UINT64_MAX, "and only once");
	kube_event_done(due, 5000);
	add(&e, "u1", "app", "a", 2);
	ok(!kube_events_due(&e, 6000, &wait), "the next refusal waits");
	is_int(wait, 9000, "until ten seconds after the event was sent");
	add(&e, "u2", "app", "a", 2);
	due = kube_events_due(&e, 6000, &wait);
	ok(due == &e.event[1], "another event does not wait for it");
	ok(kube_events_due(&e, 15000, &wait) == &e.event[0], "then it is sent");
}

static void bounded(void)
{
	cleanup_kube_events struct kube_events e = { 0 };
	char uid[16];
	bool has_oldest = false;

	for (unsigned int i = 0; i < EVENTS_MAX + 10; i++) {
		snprintf(uid, sizeof(uid), "u%u", i);
		add(&e, uid, "app", "a", 1000 + i);
	}
	for (size_t i = 0; i < e.n; i++)
		has_oldest |= e.event[i].last.time < 1010;
	is_int(e.n, EVENTS_MAX, "the number of events is bounded");
	ok(!has_oldest, "the oldest ones are dropped");
}

static void names(void)
{
	cleanup_kube_events struct kube_events e = { 0 };
	char name[KUBE_NAME_MAX + 1], other[KUBE_NAME_MAX + 1];

	add(&e, "u1", "app", "a", 1);
	kube_event_name(&e.event[0], name);
	ok(kube_is_name(name) && strncmp(name, "web-0.", 6) == 0, "the name of the object: %s", name);
	add(&e, "u1", "app", "a", 2);
	kube_event_name(&e.event[0], other);
	is_str(other, name, "the same for all refusals of the event");
	e.event[0].first = 9;
	kube_event_name(&e.event[0], other);
	ok(strcmp(name, other) != 0, "another one if the series begins later");
	memset(e.event[0].last.pod, 'a', KUBE_NAME_MAX);
	memcpy(&e.event[0].last.pod[KUBE_NAME_MAX - 20], "-.-.", 4);
	kube_event_name(&e.event[0], name);
	ok(kube_is_name(name), "a long name of a pod is cut to a valid name");
}

static void object(void)
{
	cleanup_kube_events struct kube_events e = { 0 };
	cleanup_json struct json_writer o = JSON_IN_MEMORY;

	add(&e, "u1", "app", "he said \"no\"", 1700000000);
	add(&e, "u1", "app", "he said \"no\"", 1700000061);
	kube_event_write(&o, &e.event[0], "worker-1");
	ok(strstr(o.out.text, "\"message\":\"he said \\\"no\\\"\",\"count\":2,\"firstTimestamp\":\"2023-11-14T22:13:20Z\","
			      "\"lastTimestamp\":\"2023-11-14T22:14:21Z\""), "count, times and an escaped message");
	ok(strstr(o.out.text, "\"involvedObject\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"namespace\":\"shop\",\"name\":\"web-0\","
			      "\"uid\":\"u1\"}"), "the pod");
}

int main(void)
{
	same();
	sending();
	bounded();
	names();
	object();
	return done();
}
