/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps of a move, and of a resize, which is a move with another request. The ledger gets the new placement first,
 * so that its place is not given to another container (if the move is interrupted, the old one is restored:
 * place/move-journal.h). Then cpuset.mems is widened to the old and the new nodes, and the pages are moved some MiB at a
 * time; a write of the new nodes alone would move everything in one system call, which takes minutes for a large
 * container. At the end cpuset.mems is narrowed, which moves the remaining pages.
 */
#include "place/move.h"

#include "cgroup/move-pages.h"
#include "cgroup/own.h"
#include "place/exclusive.h"
#include "place/irq.h"
#include "place/machine.h"
#include "place/marks.h"
#include "place/message.h"
#include "place/note.h"
#include "place/move-choose.h"
#include "place/move-journal.h"
#include "place/place.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define ROUNDS 3         /* passes over all processes, which touch memory in the meantime */
#define SETTLE_TRIES 20  /* tenths of a second, for pages that are busy */

struct move {
	struct place_env *env;
	const struct move_job *job;
	struct machine machine;
	struct move_choice choice;
	struct cgroup_dir cgroup;
	struct cpuset cpuset;    /* before the move */
	const struct record *old;
	struct record *new;
	const char *class;
	struct move_journal journal;
	bool finished;
	struct page_move pages;
};

static void move_close(struct move *m)
{
	move_journal_end(m->env->state, &m->journal, m->finished);
	machine_close(&m->machine);
	cgroup_dir_close(&m->cgroup);
}
#define cleanup_move __attribute__((cleanup(move_close)))

static int open_ledger(struct move *m, struct ledger **out, struct error *err)
{
	struct ledger_world world = liveness_world(&m->env->live);

	return ledger_open(m->env->state, m->machine.topology, &world, m->env->timeout_ms, out, err);
}

/* --- the cgroup --- */

static int widen(struct move *m, struct error *err)
{
	struct nodeset both = m->cpuset.mems_effective;
	static const struct idset none;

	nodeset_or(&both, &m->new->placement.mems);
	return cgroup_write_cpuset(&m->env->writer, &m->cgroup, NULL, &none, &both, err);
}

static int leave_partition(struct move *m, struct error *err)
{
	cleanup_ledger struct ledger *l = NULL;
	int rc = m->old->partition == PARTITION_MEMBER ? 0 : open_ledger(m, &l, err);

	if (l)
		exclusive_leave(m->env, m->old);
	return rc;
}

static int enter_partition(struct move *m, struct error *err)
{
	cleanup_ledger struct ledger *l = NULL;
	int rc = exclusive_asks(m->new) || m->old->request.irq != IRQ_NONE ? open_ledger(m, &l, err) : 0;

	return l ? exclusive_enter(m->env, l, &m->cgroup, m->new, err) : rc;
}

/* A partition keeps its CPUs whatever is in cpuset.cpus: it is ended before, and entered again after. */
static int narrow_down(struct move *m, struct error *err)
{
	static const struct idset none;
	const struct placement *to = &m->new->placement;
	int rc = leave_partition(m, err);

	if (rc == 0)
		rc = cgroup_write_cpuset(&m->env->writer, &m->cgroup, NULL, m->choice.mems_only ? &none : &to->share.cpus,
					 &to->mems, err);
	return rc < 0 ? rc : enter_partition(m, err);
}

/* Checks that no own pages are left on other nodes; retries pages that are busy for a short time. */
static int settle(struct move *m, struct error *err)
{
	const struct timespec tenth = { .tv_nsec = 100000000 };
	uint64_t bytes = 0;
	int rc = 0;

	for (int i = 0; i < SETTLE_TRIES; i++) {
		rc = page_move_elsewhere(&m->pages, &bytes, err);
		if (rc < 0 || !bytes)
			return rc;
		rc = page_move_round(&m->pages, err);
		if (rc == 0)
			rc = page_move_check_time(&m->pages, err);
		if (rc < 0)
			return rc;
		nanosleep(&tenth, NULL);
	}
	return error_set(err, -EBUSY, "%" PRIu64 " KiB cannot be moved (locked for devices, or shared)", bytes >> 10);
}

static int carry(struct move *m, struct error *err)
{
	uint64_t left = 0;
	int rc;

	/* A resize on the same memory nodes changes the CPUs alone. */
	if (m->job->changes && nodeset_equal(&m->old->placement.mems, &m->new->placement.mems))
		return narrow_down(m, err);
	rc = page_move_count_first(&m->pages, err);
	if (rc == 0)
		rc = widen(m, err);
	for (int i = 0; i < ROUNDS && rc == 0; i++) {
		rc = page_move_round(&m->pages, err);
		if (rc == 0)
			rc = page_move_elsewhere(&m->pages, &left, err);
		if (rc == 0)
			m->pages.done = m->pages.total > left ? m->pages.total - left : 0;
		if (!left)
			break;
	}
	if (rc == 0)
		rc = page_move_check_time(&m->pages, err);
	if (rc == 0)
		rc = narrow_down(m, err);
	if (rc == 0)
		rc = settle(m, err);
	if (rc == 0)
		m->pages.done = m->pages.total;
	return rc;
}

/* Narrowing cpuset.mems to the old nodes makes the kernel move the pages back. */
static void carry_back(struct move *m)
{
	struct error why;

	if (cgroup_restore_cpuset(&m->env->writer, &m->cgroup, &m->cpuset, &why) < 0) {
		m->journal.keep = true;
		place_say(m->env, "not restored: %s", why.text);
	}
}

/* --- the ledger --- */

static int find_record(struct move *m, struct ledger *l, struct record *out, struct error *err)
{
	int rc = -ENOENT;

	for (size_t i = 0; record_classes[i] && rc == -ENOENT; i++) {
		m->class = record_classes[i];
		rc = ledger_find_cgroup(l, m->class, m->job->id, m->job->cgroup_inode, out, err);
	}
	if (rc == -ENOENT)
		return error_set(err, rc, "no container \"%s\" is placed", quote(m->job->id).text);
	return rc;
}

static int open_cgroup(struct move *m, const struct record *r, struct error *err)
{
	int rc;

	if (note_is_foreign(r))
		return error_set(err, -ENOTSUP, "%s has placed it and would not know: use its own tools (virsh vcpupin, "
				 "emulatorpin and numatune)", r->runtime);
	if (record_is_reserved(r))
		return error_set(err, -EAGAIN, "it has no cgroup yet: it can be moved when it has started");
	rc = cgroup_open(m->env->mount, r->cgroup, &m->cgroup, err);
	if (rc == 0 && m->cgroup.inode != r->cgroup_inode)
		return error_set(err, -ENOENT, "cgroup %.200s was replaced by another one", r->cgroup);
	if (rc == 0)
		rc = own_while_placed(m->env->mount, r, &m->cgroup, err);
	return rc < 0 ? rc : cgroup_read_cpuset(&m->cgroup, &m->cpuset, err);
}

/* Under the lock: finds the old record and replaces it with the new one. */
static int decide(struct move *m, struct record *old, struct record *new, struct error *err)
{
	cleanup_ledger struct ledger *l = NULL;
	int rc = open_ledger(m, &l, err);

	if (rc == 0)
		rc = ledger_sweep(l, false, err);
	if (rc >= 0) {
		move_journal_mend(m->env, l);
		rc = find_record(m, l, old, err);
	}
	if (rc == 0)
		rc = open_cgroup(m, old, err);
	/* If Incus chose the nodes, it writes the CPUs itself and would overwrite ours. */
	m->choice.mems_only = rc == 0 && strcmp(old->applied, PLACE_MEMS_ONLY) == 0;
	if (rc == 0)
		rc = move_choose(&m->choice, m->env, m->machine.topology, l, old, new, err);
	if (rc == 0 && !m->job->dry_run)
		rc = move_journal_begin(m->env->state, new->id, new->cgroup_inode, &m->journal, err);
	if (rc == 0 && !m->job->dry_run)
		rc = ledger_add(l, m->class, new, err);
	if (l)
		place_say_ledger(m->env, l);
	return rc;
}

/*
 * Ends the new partition and makes the old one again. If that is not possible, the old record says so, too. Interrupts that
 * have followed come back.
 */
static int enter_again(struct move *m, struct ledger *l, struct record *old, struct error *err)
{
	enum partition was = old->partition;
	int rc;

	exclusive_leave(m->env, m->new);
	if (was == PARTITION_MEMBER)
		return irq_follow(m->env, l, old, err);
	rc = exclusive_enter(m->env, l, &m->cgroup, old, err);
	return rc < 0 || old->partition == was ? rc : marks_set(m->env, &m->cgroup, old, NULL, 0, err);
}

static void put_back(struct move *m, struct record *old)
{
	cleanup_ledger struct ledger *l = NULL;
	struct error why;
	int rc = open_ledger(m, &l, &why);

	if (rc == 0)
		rc = ledger_add(l, m->class, old, &why);
	if (rc == 0)
		rc = enter_again(m, l, old, &why);
	if (rc < 0) {
		m->journal.keep = true;
		place_say(m->env, "the ledger still records %s on the new nodes: %s", m->old->id, why.text);
	}
}

static int carry_out(struct move *m, struct record *old, struct error *err)
{
	static const struct idset none;
	int rc;

	m->pages.root = m->env->root;
	m->pages.mount = m->env->mount;
	m->pages.cgroup = m->cgroup.path;
	m->pages.nodes = &m->new->placement.mems;
	m->pages.progress = m->job->progress;
	m->pages.arg = m->job->arg;
	page_move_begin(&m->pages, m->machine.topology, &m->new->placement);
	rc = carry(m, err);
	if (rc == 0)
		rc = marks_set(m->env, &m->cgroup, m->new, NULL, 0, err);
	if (rc < 0) {
		carry_back(m);
		put_back(m, old);
	} else {
		m->finished = true;
		marks_tell_systemd(m->env, &m->cgroup, m->new, m->choice.mems_only ? &none : &m->new->placement.share.cpus,
				   &m->new->placement.mems);
	}
	page_move_tell(&m->pages);
	return rc;
}

int place_move(struct place_env *env, const struct move_job *job, struct record *before, struct record *after,
	       struct error *err)
{
	cleanup_record struct record old = { 0 }, new = { 0 };
	cleanup_move struct move m = {
		.env = env, .job = job, .cgroup = CGROUP_DIR_NONE, .old = &old, .new = &new,
		.journal = MOVE_JOURNAL_NONE, .choice = { .job = job, .cgroup = &m.cgroup },
	};
	int rc;

	page_move_limit(&m.pages, job->seconds);
	rc = place_open(env, PLACE_WRITE, err);
	if (rc == 0)
		rc = machine_read(&m.machine, env, true, true, err);
	if (rc == 0)
		rc = place_need_mount(env, err);
	if (rc == 0)
		rc = place_need_state(env, err);
	if (rc < 0)
		return rc;
	liveness_init(&env->live, env->root, env->mount, env->state, m.machine.topology, machine_boot_id(&m.machine));
	rc = decide(&m, &old, &new, err);
	if (rc < 0)
		return rc;
	rc = job->dry_run ? 0 : carry_out(&m, &old, err);
	if (rc < 0)
		return error_prefix(err, rc, job->changes ? "%s is not resized" : "%s stays on its nodes", old.id);
	*before = old;
	*after = new;
	old = (struct record){ 0 };
	new = (struct record){ 0 };
	return 0;
}
