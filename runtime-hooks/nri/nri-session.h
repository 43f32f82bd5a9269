/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One connection to a runtime: registers the plugin, answers requests one after the other, and keeps what could not be
 * written yet. The socket is non-blocking. What the requests mean is for the handlers.
 */
#ifndef NUMAPLACE_NRI_SESSION_H
#define NUMAPLACE_NRI_SESSION_H

#include "plugin/base/idset.h"
#include "runtime-hooks/nri/nri-frame.h"
#include "runtime-hooks/nri/nri-message.h"

/* Room for the lists of an answer. */
#define NRI_LIST_MAX IDSET_TEXT_MAX

/* The answer to an event: a place, or nothing. */
struct nri_result {
	bool placed;
	char cpus[NRI_LIST_MAX], mems[NRI_LIST_MAX];           /* "0-3" */
	char cpu_nodes[NRI_LIST_MAX], memory_nodes[NRI_LIST_MAX]; /* "0,1" */
	int policy;            /* LinuxMemoryPolicy.mode */
	struct nri_hook hook;  /* for CreateContainer; refers to texts of the handler or of this answer */
};

/*
 * A failure of .event is sent to the runtime, which refuses the container with its text. The runtime waits for the
 * answer: a handler must return within the time that .configure receives.
 */
struct nri_handlers {
	void *ctx;
	/* Returns the events that the plugin subscribes to, bits NRI_BIT(). */
	int (*configure)(void *ctx, const struct nri_configuration *c);
	int (*synchronize)(void *ctx, const struct nri_state *s, struct error *err);
	/* @out: unchanged if there is nothing to say. */
	int (*event)(void *ctx, const struct nri_event *e, struct nri_result *out, struct error *err);
	/* The runtime has refused nri_session_update(), for this reason. */
	void (*refused)(void *ctx, const struct error *why);
};

struct nri_session {
	int fd;                   /* -1: closed */
	const struct nri_handlers *handlers;
	struct mux_reader in;
	struct strbuf out;
	size_t sent;              /* bytes of @out */
	bool registered;          /* the runtime has accepted the registration */
	bool configured;          /* and has sent Configure */
	bool synchronized;        /* and has reported its containers: it sends events from now on */
	bool ended;               /* it has sent Shutdown */
	uint32_t stream;          /* of our last request */
	unsigned int updates;     /* that the runtime has not answered yet */
	struct nri_result result; /* too large for a stack */
};

/* Takes over @fd, and registers. Close it with nri_session_end(), also after a failure. */
int nri_session_begin(struct nri_session *s, int fd, const char *name, const char *index,
		      const struct nri_handlers *handlers, struct error *err);

/*
 * Asks the runtime to change the CPUs and memory nodes of a container; its answer comes later. Never call it in a handler:
 * the runtime would wait for the plugin, and the plugin for the runtime.
 */
int nri_session_update(struct nri_session *s, const char *id, const char *cpus, const char *mems, struct error *err);

/* The events to poll for: nothing is read while many answers wait to be written. */
short nri_session_events(const struct nri_session *s);

/*
 * Reads and writes what is possible without waiting. 0; -ECONNRESET: the runtime has closed the connection; -EBADMSG:
 * what it sent is not NRI; -ECONNREFUSED: it refuses the plugin; or another negative errno. The session is then of no
 * more use.
 */
int nri_session_run(struct nri_session *s, short revents, struct error *err);

void nri_session_end(struct nri_session *s);

#endif
