/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A context of the public API, and what its functions share. Names begin with lib_, because the command links these
 * objects statically.
 */
#ifndef NUMAPLACE_LIB_CONTEXT_H
#define NUMAPLACE_LIB_CONTEXT_H

#include "include/numaplace.h"
#include "place/place.h"

struct numaplace {
	int root;
	bool real, read_only;
	char *state;        /* path; NULL: no ledger */
	bool state_named;   /* a person has named it */
	struct conf conf;
	struct error error; /* the last failure */
	void (*log)(void *arg, int priority, const char *line);
	void *log_arg;
};

/* Keeps @err for numaplace_error() if @status is a failure; returns @status. */
int lib_keep(struct numaplace *np, int status, const struct error *err);

/* Fails because the argument @what is NULL. */
int lib_missing(struct numaplace *np, const char *what);

/* Fails for a context that must not write. */
int lib_check_writable(const struct numaplace *np, struct error *err);

/* Passes a warning to the log of @np. */
void lib_warn(const struct numaplace *np, const char *line);

/* The context of place/ for one call. Its warnings go to the log of @np. Declare it with cleanup_env. */
struct place_env lib_env(struct numaplace *np);
#define cleanup_env __attribute__((cleanup(place_close)))

/* Parses a list; NULL and "" are the empty set. @what begins the message. */
int lib_parse_list(const char *text, const char *what, struct ids_out out, struct error *err);

/* The live container with the id or the cgroup @name, as numaplace_find(). Problems of the ledger are not logged. */
struct lib_container {
	uint64_t inode;
	char id[RECORD_ID_MAX + 1];
};
int lib_find(struct numaplace *np, const char *name, struct lib_container *out, struct error *err);

/* The keys of a request that changes another one. *@out belongs to @r. -EINVAL: no key, or a pin or limit beside them. */
int lib_request_changes(const struct numaplace_request *r, const struct request **out, struct error *err);

/* The request as the internal functions take it. */
int lib_request_finish(const struct numaplace_request *r, struct request *out, struct error *err);

#endif
