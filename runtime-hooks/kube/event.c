/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kubelet tries to start a refused container again and again, and the free amounts in the message change each time.
 * Therefore numbers do not distinguish messages, and each event is sent at most every ten seconds.
 */
#include "runtime-hooks/kube/event.h"

#include "plugin/base/hash.h"
#include "plugin/base/vec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A series of digits and dots counts as one character. */
static uint64_t shape_of(const struct refusal *r)
{
	uint64_t h = hash_text(hash_text(HASH_START, r->uid), r->container);
	const char *at = r->message;

	while (*at) {
		size_t digits = strspn(at, "0123456789.");

		h = digits ? hash_bytes(h, "#", 1) : hash_bytes(h, at, 1);
		at += digits ? digits : 1;
	}
	return h;
}

static struct kube_event *find(const struct kube_events *e, uint64_t shape)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->event[i].shape == shape)
			return &e->event[i];
	return NULL;
}

static struct kube_event *oldest(const struct kube_events *e)
{
	struct kube_event *found = &e->event[0];

	for (size_t i = 1; i < e->n; i++)
		if (e->event[i].last.time < found->last.time)
			found = &e->event[i];
	return found;
}

int kube_events_add(struct kube_events *e, const struct refusal *r)
{
	uint64_t shape = shape_of(r);
	struct kube_event *event = find(e, shape);

	if (!event) {
		event = e->n < EVENTS_MAX ? vec_push(e->event, e->n, e->room) : oldest(e);
		if (!event)
			return -ENOMEM;
		*event = (struct kube_event){ .shape = shape, .first = r->time };
	}
	event->last = *r;
	event->count++;
	event->due = true;
	return 0;
}

struct kube_event *kube_events_due(const struct kube_events *e, uint64_t now, uint64_t *wait)
{
	*wait = UINT64_MAX;
	for (size_t i = 0; i < e->n; i++) {
		struct kube_event *event = &e->event[i];

		if (!event->due)
			continue;
		if (event->not_before <= now)
			return event;
		if (event->not_before - now < *wait)
			*wait = event->not_before - now;
	}
	return NULL;
}

void kube_event_done(struct kube_event *e, uint64_t now)
{
	e->due = false;
	e->not_before = now + EVENT_PAUSE_MS;
}

void kube_event_name(const struct kube_event *e, char out[KUBE_NAME_MAX + 1])
{
	uint64_t hash = hash_bytes(e->shape, &e->first, sizeof(e->first));
	int len = (int)strlen(e->last.pod);

	if (len > KUBE_NAME_MAX - 17)
		len = KUBE_NAME_MAX - 17;
	while (len && (e->last.pod[len - 1] == '.' || e->last.pod[len - 1] == '-'))
		len--;
	snprintf(out, KUBE_NAME_MAX + 1, "%.*s.%016" PRIx64, len, e->last.pod, hash);
}

static void put_time(struct json_writer *o, const char *key, uint64_t seconds)
{
	const time_t t = (time_t)seconds;
	char text[32];
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	json_put_string(o, key, text);
}

void kube_event_write(struct json_writer *o, const struct kube_event *e, const char *node_name)
{
	char name[KUBE_NAME_MAX + 1];

	kube_event_name(e, name);
	json_begin_object(o, NULL);
	json_put_string(o, "apiVersion", "v1");
	json_put_string(o, "kind", "Event");
	json_begin_object(o, "metadata");
	json_put_string(o, "name", name);
	json_put_string(o, "namespace", e->last.namespace);
	json_end(o);
	json_begin_object(o, "involvedObject");
	json_put_string(o, "apiVersion", "v1");
	json_put_string(o, "kind", "Pod");
	json_put_string(o, "namespace", e->last.namespace);
	json_put_string(o, "name", e->last.pod);
	json_put_string(o, "uid", e->last.uid);
	json_end(o);
	json_put_string(o, "type", "Warning");
	json_put_string(o, "reason", EVENT_REASON);
	json_put_string(o, "message", e->last.message);
	json_put_uint(o, "count", e->count);
	put_time(o, "firstTimestamp", e->first);
	put_time(o, "lastTimestamp", e->last.time);
	json_begin_object(o, "source");
	json_put_string(o, "component", "numaplace");
	json_put_string(o, "host", node_name);
	json_end(o);
	json_put_string(o, "reportingComponent", "numaplace.org/numaplace-kube");
	json_put_string(o, "reportingInstance", node_name);
	json_end(o);
}

void kube_events_free(struct kube_events *e)
{
	free(e->event);
	*e = (struct kube_events){ 0 };
}
