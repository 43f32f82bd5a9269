/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Event objects of Kubernetes for refused containers. Refusals of one container whose messages differ only in numbers are
 * one event with a count. The number of events, and how often each is sent, are bounded.
 */
#ifndef NUMAPLACE_KUBE_EVENT_H
#define NUMAPLACE_KUBE_EVENT_H

#include "runtime-hooks/common/json-write.h"
#include "runtime-hooks/kube/refusal.h"

#include <stdbool.h>

#define EVENTS_MAX 256
#define EVENT_PAUSE_MS 10000 /* between two messages about the same event */
#define EVENT_REASON "NumaPlacementRefused"

struct kube_event {
	struct refusal last;
	uint64_t shape;      /* hash of the uid, the container and the message without its numbers */
	uint64_t first;      /* time of the first refusal, seconds since 1970 */
	unsigned int count;
	bool due;            /* the server does not know the last refusal */
	uint64_t not_before; /* milliseconds */
};

struct kube_events {
	size_t n, room;
	struct kube_event *event;
};

/* Counts a refusal. With EVENTS_MAX events, it replaces the one that is the longest ago. Returns 0 or -ENOMEM. */
int kube_events_add(struct kube_events *e, const struct refusal *r);

/* The first event to send at @now, or NULL. *@wait becomes the time until the next one, UINT64_MAX without any. */
struct kube_event *kube_events_due(const struct kube_events *e, uint64_t now, uint64_t *wait);

/* At @now, the server has taken @e, or will never take it. */
void kube_event_done(struct kube_event *e, uint64_t now);

/* The name of the object: that of the pod, which may be cut, and a hash. */
void kube_event_name(const struct kube_event *e, char out[KUBE_NAME_MAX + 1]);

/* Writes the object. @node_name: where the pod is. */
void kube_event_write(struct json_writer *o, const struct kube_event *e, const char *node_name);

void kube_events_free(struct kube_events *e);
#define cleanup_kube_events __attribute__((cleanup(kube_events_free)))

#endif
