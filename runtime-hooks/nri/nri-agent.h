/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the plugin does at each event of a container: reserves a place when it is created, applies and verifies it when it
 * is started, chooses again when its resources change, and releases it when it has stopped.
 *
 * The agent holds no placement itself: the ledger does, so that the agent can be killed at any point. It remembers the
 * homes of pods, and makes them from the ledger again when it connects.
 */
#ifndef NUMAPLACE_NRI_AGENT_H
#define NUMAPLACE_NRI_AGENT_H

#include "place/place.h"
#include "runtime-hooks/nri/nri-home.h"
#include "runtime-hooks/nri/nri-moves.h"
#include "runtime-hooks/nri/nri-session.h"

#define NRI_CONTAINERS_MAX 65536U /* of one state */

/* A container of the state that the runtime is telling. */
struct nri_member {
	char id[NAME_ID_MAX + 1], pod[NAME_ID_MAX + 1], name[256]; /* the name may be cut */
	uint64_t place; /* hash of the CPUs and memory nodes in its spec */
};

struct nri_agent {
	const char *conf_path;
	const char *hook;       /* path of oci-hook for created containers; NULL: none */
	const char *hook_state; /* its --state; NULL: the usual one */
	struct place_env env; /* settings; opened and closed at each event */
	char runtime[16];     /* for records: "containerd", "cri-o" */
	bool knows_policy;    /* the runtime's NRI has memory policies */
	unsigned int wait_ms; /* how long an event may wait for the ledger */
	struct nri_homes homes;
	bool homes_known;     /* those of the containers that ran before the plugin, too */
	size_t nmembers, member_room;
	struct nri_member *members; /* sorted when the state is complete */
	struct nri_moves moves;
};

/* The handlers of @a, for nri_session_begin(). */
struct nri_handlers nri_agent_handlers(struct nri_agent *a);

/* Completes what a killed process may have left, and rebuilds a lost ledger: before the first request. */
int nri_agent_begin(struct nri_agent *a, struct error *err);

void nri_agent_free(struct nri_agent *a);

#endif
