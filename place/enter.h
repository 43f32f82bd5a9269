/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Placements of this process itself, which then becomes a command, or lets systemd start a service in its cgroup; and of
 * a process that runs, such as a virtual machine's. A place is reserved first; with it, systemd makes the cgroup, or gets
 * its cpuset; place_container() turns the reservation into a placement. So a command that does not fit leaves no cgroup,
 * and systemd has the cpuset before the cgroup has it.
 */
#ifndef NUMAPLACE_PLACE_ENTER_H
#define NUMAPLACE_PLACE_ENTER_H

#include "place/place.h"

#define ENTER_RUN "run"         /* the runtime, and its class, of commands */
#define ENTER_APPLIED "inherited" /* record.applied: the process sets the memory policy on itself */

/*
 * Places this process as the command @id: in a scope of systemd, or without systemd in a cgroup that this function makes.
 * Its pid, its runtime and ENTER_APPLIED are set here. After a failure the process is in its previous cgroup, or in a
 * scope of its own that ends with it. @out: the record, as place_container(). Errors as place_container(); -EREMOTEIO, -EEXIST: a command of
 * this name runs; -EACCES: no cgroup is delegated to this user.
 */
int place_run(struct place_env *env, const char *id, const char *command, const struct request *request,
	      struct record *out, struct error *err);

/* The scope of a machine: PREFIX-ID.scope in @slice. */
struct enter_scope {
	const char *prefix, *slice, *description;
	const char *const *before; /* as struct systemd_scope */
};

/*
 * Places a machine that runs: the process @job->pid of another program is put into a scope of its own, unless it is there
 * from an earlier call, which changes nothing then. @job and @out as place_container(). After a failure the process may be
 * in the scope, which ends with it. Errors as place_container() and systemd_start_scope(); -ENOTSUP: systemd does not run
 * here.
 */
int place_adopt(struct place_env *env, const struct place_job *job, const struct enter_scope *scope, struct record *out,
		struct error *err);

/*
 * Places the service @unit of systemd, of which this process is a control process (ExecStartPre=), before systemd starts its
 * main process. systemd must confirm that this process is in the cgroup of the unit (-EPERM). @request is not finished:
 * CPUQuota= and MemoryMax= of the unit replace absent keys. @out as place_run().
 */
int place_service(struct place_env *env, const char *unit, const struct request *request, struct record *out,
		  struct error *err);

#endif
