/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Virtual machines and others that another program places: libvirt asks for advice, sets the CPUs and the memory nodes
 * itself, and tells when the machine runs. They are recorded as they run, so that no container gets their CPUs and
 * memory, and their cpusets are never written.
 *
 * Advice is held as a reservation. One of place_reserve(), with .offered = NOTE_ASKED, has the id of the machine and
 * waits for the question, which does not name the machine. An answer to a question without such a reservation is one
 * with NOTE_OFFER: no program will release it, so it ends after NOTE_OFFER_SECONDS.
 */
#ifndef NUMAPLACE_PLACE_NOTE_H
#define NUMAPLACE_PLACE_NOTE_H

#include "place/place.h"

#include <string.h>

/* record.applied of a reservation */
#define NOTE_ASKED "asked"       /* nothing has asked for it yet */
#define NOTE_ADVISED "advised"
#define NOTE_OFFER "offer"
#define NOTE_PINNED "pinned"     /* its program has the CPUs and nodes already, and asks nothing */
#define NOTE_OFFER_SECONDS 30    /* from the answer until the machine runs */

/* Whether another program writes its CPUs and memory nodes. */
static inline bool note_is_foreign(const struct record *r)
{
	return strcmp(r->applied, r->runtime) == 0;
}

static inline bool note_offer_ended(const struct record *r, uint64_t now)
{
	return strcmp(r->applied, NOTE_OFFER) == 0 && now > r->started && now - r->started > NOTE_OFFER_SECONDS;
}

/* A machine that runs. */
struct note_job {
	const char *runtime;       /* "libvirt" */
	const char *runtime_class;
	const char *id;
	pid_t pid;                 /* its process, in @cgroup or below it */
	const char *cgroup;        /* that holds the whole machine and nothing else */
	struct request request;    /* what it was given: CPUs, memory, hugepages, memory policy; finished */
	struct idset cpus;         /* on which its virtual CPUs run */
	struct nodeset mems;       /* from which it may allocate */
};

/*
 * Records and marks a machine, in place of an earlier record of it and of its reservation. The cpuset of @job->cgroup
 * is not read and not written. The caller zeroes @out before and frees it with record_free(). -EPERM: the cgroup is not
 * the machine's own; -ESRCH: its process has ended.
 *
 * Two machines of the same size may have got each other's advice. The reservation of the other one is then corrected.
 */
int place_note(struct place_env *env, const struct note_job *job, struct record *out, struct error *err);

/*
 * Advice for the next machine with the CPUs and the memory of @job->request, rounded up to MiB: the nodes of its
 * reservation, else of an offer, which is made here with the id @job->id. *@nodes: those with its CPUs and those with
 * its memory. Errors as place_reserve().
 */
int place_advise(struct place_env *env, const struct place_job *job, const char *cgroup, struct nodeset *nodes,
		 struct error *err);

#endif
