/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages of NRI as plain structs, independent of protobuf-c. What is decoded lives in the caller's arena. Every text
 * comes from another process: it has any bytes, and a NUL behind its last one.
 */
#ifndef NUMAPLACE_NRI_MESSAGE_H
#define NUMAPLACE_NRI_MESSAGE_H

#include "plugin/base/error.h"
#include "plugin/base/strbuf.h"
#include "runtime-hooks/nri/nri-arena.h"

#include <stdbool.h>
#include <stdint.h>

#define NRI_PLUGIN_SERVICE "nri.pkg.api.v1alpha1.Plugin"
#define NRI_RUNTIME_SERVICE "nri.pkg.api.v1alpha1.Runtime"

/* Numbers of google.rpc.Code. */
enum nri_code { NRI_OK = 0, NRI_UNKNOWN = 2, NRI_UNIMPLEMENTED = 12 };

enum nri_event_kind {
	NRI_RUN_POD = 1,
	NRI_STOP_POD,
	NRI_REMOVE_POD,
	NRI_CREATE,
	NRI_POST_CREATE,
	NRI_START,
	NRI_POST_START,
	NRI_UPDATE,
	NRI_POST_UPDATE,
	NRI_STOP,
	NRI_REMOVE,
	NRI_EVENTS
};
#define NRI_BIT(kind) (1 << ((kind) - 1))

struct nri_text {
	const char *text; /* never NULL */
	size_t len;       /* strlen(text), unless the text has a NUL in it */
};

struct nri_entry {
	struct nri_text key, value;
};

struct nri_huge {
	struct nri_text page_size; /* "2MB" */
	uint64_t limit;            /* bytes */
};

/* Zero and empty: not given. */
struct nri_resources {
	bool given;
	int64_t memory_limit; /* bytes */
	uint64_t shares;
	int64_t quota;        /* microseconds for each @period */
	uint64_t period;
	struct nri_text cpus, mems;
	size_t nhuge;
	const struct nri_huge *huge;
};

struct nri_pod {
	struct nri_text id, name, uid, namespace, handler;
	size_t nannotations;
	const struct nri_entry *annotations;
	struct nri_resources resources;
};

struct nri_device {
	char type; /* 'b' or 'c'; 0: another one */
	int64_t major, minor;
};

/* The arguments of a hook; the first one is its name. */
struct nri_words {
	size_t n;
	const struct nri_text *word;
};

struct nri_container {
	struct nri_text id, pod, name, cgroups_path;
	uint32_t pid; /* 0: not known */
	size_t nvariables; /* of the environment: those that may be keys of numaplace */
	const struct nri_text *variables;
	size_t nhooks; /* of the stage createRuntime, also those of CDI */
	const struct nri_words *hooks;
	size_t ndevices;
	const struct nri_device *devices;
	size_t npaths;     /* sources of mounts below /dev */
	const struct nri_text *paths;
	size_t ninterfaces;
	const struct nri_text *interfaces;
	bool all_devices;  /* it may use every device */
	size_t nannotations;
	const struct nri_entry *annotations;
	struct nri_resources resources;
};

struct nri_call {
	struct nri_text service, method;
	const uint8_t *payload;
	size_t len;
};

struct nri_answer {
	int code; /* NRI_OK: success */
	struct nri_text message;
	const uint8_t *payload;
	size_t len;
};

struct nri_configuration {
	struct nri_text config, runtime, runtime_version, nri_version; /* the last: "" before NRI 0.12 */
	int64_t request_ms; /* how long the runtime waits for an answer; 0: not told */
};

struct nri_event {
	int kind; /* enum nri_event_kind; others for a newer runtime */
	struct nri_pod pod;
	struct nri_container container;
	struct nri_resources resources; /* of UpdateContainer */
};

struct nri_state {
	size_t npods, ncontainers;
	const struct nri_pod *pods;
	const struct nri_container *containers;
	bool more; /* another part follows */
};

/* All return 0; -EBADMSG: the bytes are not such a message; -ENOMEM: it takes more than the arena may hold. */
int nri_decode_call(struct nri_arena *a, const uint8_t *bytes, size_t n, struct nri_call *out, struct error *err);
int nri_decode_answer(struct nri_arena *a, const uint8_t *bytes, size_t n, struct nri_answer *out, struct error *err);
/* @failed: the containers that the runtime has not updated. */
int nri_decode_updated(struct nri_arena *a, const uint8_t *bytes, size_t n, size_t *failed, struct error *err);
int nri_decode_configuration(struct nri_arena *a, const uint8_t *bytes, size_t n, struct nri_configuration *out,
			     struct error *err);
int nri_decode_state(struct nri_arena *a, const uint8_t *bytes, size_t n, struct nri_state *out, struct error *err);
/* @kind: of the method; 0: StateChange, which has it in the message. */
int nri_decode_event(struct nri_arena *a, const uint8_t *bytes, size_t n, int kind, struct nri_event *out,
		     struct error *err);

#define NRI_HOOK_ARGS_MAX 16

/* A hook for the stage createRuntime. */
struct nri_hook {
	const char *path; /* NULL: none */
	size_t nargs;
	const char *args[NRI_HOOK_ARGS_MAX]; /* the first one is its name */
};

/* What a container gets. NULL: that field is not sent. */
struct nri_place {
	const char *cpus, *mems;              /* lists */
	const char *cpu_nodes, *memory_nodes; /* for the annotations: "0,1" */
	bool environment;                     /* the same for the process, as variables NUMAPLACE_... */
	int policy;                           /* LinuxMemoryPolicy.mode; 0: none */
	const char *policy_nodes;
	const struct nri_hook *hook;
};

/*
 * Each appends one ttrpc frame to @out (ttrpc_write()). Return 0, -EMSGSIZE or -ENOMEM.
 */
int nri_write_register(struct strbuf *out, uint32_t stream, const char *name, const char *index, struct error *err);
int nri_write_error(struct strbuf *out, uint32_t stream, enum nri_code code, const char *message, struct error *err);
int nri_write_empty(struct strbuf *out, uint32_t stream, struct error *err);
int nri_write_configured(struct strbuf *out, uint32_t stream, int events, struct error *err);
int nri_write_synchronized(struct strbuf *out, uint32_t stream, bool more, struct error *err);
int nri_write_created(struct strbuf *out, uint32_t stream, const struct nri_place *p, struct error *err);
/* Sets cpus and mems of the container @id. */
int nri_write_updated(struct strbuf *out, uint32_t stream, const char *id, const struct nri_place *p,
		      struct error *err);

/* The request UpdateContainers, which does the same without being asked. */
int nri_write_update(struct strbuf *out, uint32_t stream, const char *id, const char *cpus, const char *mems,
		     struct error *err);

#endif
