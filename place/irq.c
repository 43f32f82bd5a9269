/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads all affinities, computes what they should be, writes the file, and then the affinities that differ.
 */
#include "place/irq.h"

#include "cgroup/irq.h"
#include "place/irq-state.h"
#include "place/message.h"
#include "plugin/base/path.h"
#include "plugin/base/util.h"
#include "plugin/base/vec.h"
#include "plugin/machine/device-irq.h"

#include <errno.h>
#include <string.h>

/* One computation. */
struct settling {
	int root, dir;
	const char *boot_id;
	struct irq_state state;
	struct idset away, online, housekeeping, present;
	const struct record *asked; /* .kept is counted for this container; NULL: not */
	bool changed;           /* the file must be written */
	unsigned int kept;      /* interrupts that cannot be moved as the key says */
	bool kept_work;         /* nor can unbound workqueues */
	unsigned int left;      /* affinities that are not the original ones, and could not be written */
	int refused;            /* the last reason for that, a negative errno */
};
#define SETTLING_NONE(r, d, boot) { .root = (r), .dir = (d), .boot_id = (boot) }

static void settling_free(struct settling *s)
{
	irq_state_free(&s->state);
}
#define cleanup_settling __attribute__((cleanup(settling_free)))

/* --- what should be --- */

static void read_cpus(struct settling *s)
{
	struct idset isolated = { { 0 } };

	if (path_read_list(s->root, ids_into(&s->online), "sys/devices/system/cpu/online") < 0)
		idset_fill(&s->online);
	for (unsigned int i = 0; i < s->state.nholders; i++)
		if (s->state.holder[i].mode == IRQ_AWAY)
			idset_or(&s->away, &s->state.holder[i].cpus);
	s->housekeeping = s->online;
	idset_andnot(&s->housekeeping, &s->away);
	if (path_read_list(s->root, ids_into(&isolated), "sys/devices/system/cpu/isolated") < 0 ||
	    idset_subset(&s->housekeeping, &isolated))
		return;
	idset_andnot(&s->housekeeping, &isolated);
}

static bool is_near(const struct settling *s, int what, struct idset *cpus)
{
	bool any = false;

	*cpus = (struct idset){ { 0 } };
	for (unsigned int i = 0; what >= 0 && i < s->state.nholders; i++) {
		const struct irq_holder *h = &s->state.holder[i];

		if (h->mode == IRQ_NEAR && irq_list_has(&h->near, what)) {
			idset_or(cpus, &h->cpus);
			any = true;
		}
	}
	return any && idset_intersects(cpus, &s->online);
}

static struct idset wanted(const struct settling *s, int what, const struct idset *original)
{
	struct idset cpus;

	if (is_near(s, what, &cpus))
		return cpus;
	cpus = *original;
	if (!idset_intersects(&cpus, &s->away))
		return cpus;
	idset_andnot(&cpus, &s->away);
	if (!idset_intersects(&cpus, &s->online))
		cpus = s->housekeeping;
	return idset_empty(&cpus) ? *original : cpus;
}

/* --- what is --- */

static char *text_of(const struct idset *s)
{
	cleanup_free char *text = malloc(IDSET_TEXT_MAX);

	if (!text)
		return NULL;
	idset_format(s, text, IDSET_TEXT_MAX);
	return strdup(*text ? text : "-");
}

static bool is_ours(const struct irq_change *c, const char *now)
{
	return strcmp(now, c->original) == 0 || strcmp(now, c->before) == 0 || strcmp(now, c->after) == 0;
}

/* An interrupt that was requested since then has got the default affinity, which numaplace had changed. */
static const char *inherited(const struct settling *s, int what, const char *now)
{
	const struct irq_change *def = what < 0 || idset_has(&s->state.seen, (unsigned int)what) || what >= IDSET_MAX ?
					       NULL :
					       irq_state_find(&s->state, IRQ_DEFAULT);

	return def && is_ours(def, now) ? def->original : now;
}

static int replace(char **where, char **with)
{
	if (!*with)
		return -ENOMEM;
	free(*where);
	*where = steal_ptr(*with);
	return 0;
}

static int keep(char **where, const char *text)
{
	char *copy = strdup(text);

	return replace(where, &copy);
}

/* Notes in the entry of an affinity, which is made if it must change, what is now and what should be. */
static int consider(struct settling *s, int what)
{
	struct irq_change *c = irq_state_find(&s->state, what);
	cleanup_free char *now = NULL, *after = NULL;
	struct idset cpus, should;
	const char *original;

	if (irq_read(s->root, what, &cpus) < 0)
		return 0;
	now = text_of(&cpus);
	if (!now)
		return -ENOMEM;
	original = c ? (is_ours(c, now) ? c->original : now) : inherited(s, what, now);
	if (strcmp(original, now) != 0 && idset_parse(original, &cpus, NULL) < 0)
		return 0;
	should = wanted(s, what, &cpus);
	after = text_of(&should);
	if (!after)
		return -ENOMEM;
	if (!c && strcmp(after, now) == 0 && strcmp(original, now) == 0)
		return 0;
	if (!c)
		c = irq_state_add(&s->state, what, original);
	if (!c)
		return -ENOMEM;
	s->changed |= strcmp(c->original, original) != 0 || strcmp(c->before, now) != 0 || strcmp(c->after, after) != 0;
	if (original != c->original && keep(&c->original, original) < 0)
		return -ENOMEM;
	return replace(&c->before, &now) < 0 ? -ENOMEM : replace(&c->after, &after);
}

static int consider_irq(void *arg, int irq)
{
	struct settling *s = arg;

	if (irq < IDSET_MAX)
		idset_add(&s->present, (unsigned int)irq);
	return consider(s, irq);
}

static int consider_all(struct settling *s)
{
	bool first = !s->state.nchanges && idset_empty(&s->state.seen);
	int rc;

	read_cpus(s);
	/* From now on, only interrupts that are not there yet can inherit a default affinity that numaplace has changed. */
	if (first)
		idset_fill(&s->state.seen);
	rc = consider(s, IRQ_DEFAULT);
	if (rc == 0)
		rc = consider(s, IRQ_WORKQUEUE);
	if (rc == 0)
		rc = irq_each(s->root, consider_irq, s);
	s->state.seen = s->present;
	return rc == -ENOENT ? 0 : rc;
}

/* --- the change --- */

static bool is_there(const struct settling *s, int what)
{
	struct idset cpus;

	return what < 0 || what >= IDSET_MAX ? irq_read(s->root, what, &cpus) == 0 :
					       idset_has(&s->present, (unsigned int)what);
}

/* Whether one that could not be written is where the key does not want it. */
static bool is_misplaced(const struct settling *s, int what)
{
	const struct irq_holder *h = s->asked ? irq_state_holder(&s->state, s->asked->cgroup_inode) : NULL;
	struct idset cpus;

	if (!h || h->mode == IRQ_NEAR)
		return h && irq_list_has(&h->near, what);
	if (irq_read_effective(s->root, what, &cpus) < 0)
		return irq_read(s->root, what, &cpus) == 0 && idset_intersects(&cpus, &h->cpus);
	return idset_intersects(&cpus, &h->cpus);
}

/* True: the entry is needed, as the affinity is not the original one. */
static bool write_one(struct settling *s, struct irq_change *c)
{
	bool changed = strcmp(c->before, c->original) != 0;
	struct idset cpus;
	int rc;

	if (!is_there(s, c->what))
		return false;
	if (strcmp(c->before, c->after) == 0)
		return changed;
	rc = idset_parse(c->after, &cpus, NULL);
	if (rc == 0)
		rc = irq_write(s->root, c->what, &cpus);
	if (rc == 0)
		return strcmp(c->after, c->original) != 0;
	if (c->what == IRQ_WORKQUEUE)
		s->kept_work = is_misplaced(s, c->what);
	else if (c->what >= 0)
		s->kept += is_misplaced(s, c->what);
	s->left += changed;
	s->refused = rc;
	/* It stays as it was. If that is not the original affinity, a later call tries again. */
	return changed;
}

/* Drops entries that are not needed any more, after their affinities were written. */
static int write_all(struct settling *s, struct error *err)
{
	bool dropped = false;

	for (unsigned int i = s->state.nchanges; i-- > 0;) {
		struct irq_change *c = &s->state.change[i];

		if (!write_one(s, c)) {
			irq_state_drop(&s->state, c);
			dropped = true;
		}
	}
	return dropped || (!s->state.nholders && !s->state.nchanges) ? irq_state_write(s->dir, &s->state, err) : 0;
}

static int settle(struct settling *s, struct error *err)
{
	int rc = consider_all(s);

	if (rc < 0)
		return error_errno(err, rc, "read the affinities of interrupts");
	/* A file without containers and without changes is removed below. */
	if (s->changed && (s->state.nholders || s->state.nchanges))
		rc = irq_state_write(s->dir, &s->state, err);
	return rc < 0 ? rc : write_all(s, err);
}

/* --- the containers --- */

static int add_irq(void *arg, int irq)
{
	return irq_list_add(arg, irq) == -ENOMEM ? -ENOMEM : 0;
}

/* The interrupts of the devices of @r, which were named or found. */
static void find_near(int root, const struct request *r, struct irq_list *out)
{
	for (unsigned int i = 0; r->devices_mode == DEVICES_NAMED && i < r->ndevices; i++)
		device_each_irq(root, r->device[i], add_irq, out);
	for (unsigned int i = 0; r->devices_mode == DEVICES_AUTO && i < r->nfound; i++)
		device_each_irq(root, r->found[i].name, add_irq, out);
}

static int hold(struct settling *s, const struct record *r)
{
	struct irq_holder *h = irq_state_holder(&s->state, r->cgroup_inode);

	if (h)
		irq_state_drop_holder(&s->state, h);
	s->changed |= h || r->request.irq != IRQ_NONE;
	if (r->request.irq == IRQ_NONE)
		return 0;
	h = vec_push(s->state.holder, s->state.nholders, s->state.holders_room);
	if (!h)
		return -ENOMEM;
	h->inode = r->cgroup_inode;
	snprintf(h->class, sizeof(h->class), "%s", record_class(r));
	memcpy(h->id, r->id, sizeof(h->id));
	h->mode = r->request.irq;
	h->cpus = r->placement.share.cpus;
	if (h->mode == IRQ_NEAR)
		find_near(s->root, &r->request, &h->near);
	return 0;
}

/*
 * The records say which containers there are, and on which CPUs. One may be lost without a release: its file was damaged, and
 * its container has ended. Or it has changed, and the process that changed it was killed, or could not write affinities.
 */
static void check_holders(struct settling *s, struct ledger *l)
{
	for (unsigned int i = s->state.nholders; i-- > 0;) {
		struct irq_holder *h = &s->state.holder[i];
		cleanup_record struct record r = { 0 };

		int rc = ledger_find_cgroup(l, h->class, h->id, h->inode, &r, NULL);
		bool lost = rc == -ENOENT || (rc == 0 && r.request.irq == IRQ_NONE);

		s->changed |= lost || (rc == 0 && !idset_equal(&h->cpus, &r.placement.share.cpus));
		if (lost)
			irq_state_drop_holder(&s->state, h);
		else if (rc == 0)
			h->cpus = r.placement.share.cpus;
	}
}

/* --- what callers see --- */

#define CANNOT_WRITE "/proc/irq cannot be written (%s)"

int irq_admit(const struct place_env *env, const struct request *r, struct error *err)
{
	int rc = r->irq == IRQ_NONE ? 0 : irq_may_write(env->root);

	if (rc == 0 || rc == -ENOENT) /* a kernel without interrupts to move: a reason will say so */
		return 0;
	return error_set(err, -EPERM, IRQ_REASON "\"%s\": " CANNOT_WRITE ": only root of the host moves interrupts",
			 irq_mode_name(r->irq), strerror(-rc));
}

/*
 * A service of systemd may be kept from writing affinities. Then the file stays as it is: it differs from the ledger, which the
 * next placement finds (irq_mend).
 */
static int may_write(const struct settling *s, struct error *err)
{
	int may = irq_may_write(s->root);

	return may < 0 && may != -ENOENT ?
		       error_set(err, may, CANNOT_WRITE " by this process: the next placement does it", strerror(-may)) : 0;
}

static int hold_and_settle(struct settling *s, struct ledger *l, const struct record *r, struct error *err)
{
	int rc = may_write(s, err);

	if (rc == 0)
		rc = irq_state_read(s->dir, s->boot_id, &s->state, err);
	if (rc == 0 && hold(s, r) < 0)
		rc = error_errno(err, -ENOMEM, "note the container");
	if (rc < 0)
		return rc;
	s->asked = r;
	check_holders(s, l);
	return settle(s, err);
}

static bool has_reason(const struct record *r)
{
	for (unsigned int i = 0; i < r->reasons.n; i++)
		if (strncmp(r->reasons.text[i], IRQ_REASON, strlen(IRQ_REASON)) == 0)
			return true;
	return false;
}

static void explain(const struct settling *s, const struct record *r, int rc, const struct error *why, char *text, size_t size)
{
	const struct irq_holder *h = irq_state_holder(&s->state, r->cgroup_inode);

	if (rc < 0)
		snprintf(text, size, IRQ_REASON "not moved: %.300s", why->text);
	else if (irq_may_write(s->root) == -ENOENT)
		snprintf(text, size, IRQ_REASON "this kernel has no /proc/irq");
	else if (r->request.irq == IRQ_NEAR && (!h || !h->near.n))
		snprintf(text, size, IRQ_REASON "\"near\": its devices have no interrupts that the kernel shows");
	else if (s->kept || s->kept_work)
		snprintf(text, size, IRQ_REASON "interrupts that stay, because the kernel or their driver binds them to CPUs: %u%s", s->kept,
			 s->kept_work ? "; the kernel refuses to move unbound workqueues" : "");
	else
		snprintf(text, size, IRQ_REASON "interrupts %s", r->request.irq == IRQ_AWAY ?
			 "and unbound work of the kernel are kept away from its CPUs" : "of its devices are handled on its CPUs");
}

int irq_follow(struct place_env *env, struct ledger *l, struct record *r, struct error *err)
{
	cleanup_settling struct settling s = SETTLING_NONE(env->root, env->state, env->live.boot_id);
	struct error why = { 0 };
	char text[400];
	int rc;

	if (record_is_reserved(r) || (r->request.irq == IRQ_NONE && !irq_state_exists(env->state)))
		return 0;
	rc = hold_and_settle(&s, l, r, &why);
	if (r->request.irq == IRQ_NONE) {
		if (rc < 0)
			place_say(env, IRQ_REASON "%s", why.text);
		return 0;
	}
	explain(&s, r, rc, &why, text, sizeof(text));
	if (rc < 0 || s.kept || s.kept_work)
		place_say(env, "%s", text);
	if (has_reason(r))
		return 0;
	reasons_add(&r->reasons, "%s", text);
	return ledger_add(l, record_class(r), r, err);
}

static int settle_back(struct settling *s, struct error *err)
{
	int rc = settle(s, err);

	if (rc == 0 && s->left)
		rc = error_set(err, s->refused, "%u affinities of interrupts are not restored: %s", s->left, strerror(-s->refused));
	return rc;
}

int irq_release(int root, int dir, const char *boot_id, uint64_t inode, struct error *err)
{
	cleanup_settling struct settling s = SETTLING_NONE(root, dir, boot_id);
	struct irq_holder *h;
	int rc;

	if (!irq_state_exists(dir))
		return 0;
	rc = may_write(&s, err);
	if (rc == 0)
		rc = irq_state_read(dir, boot_id, &s.state, err);
	if (rc < 0)
		return rc;
	h = irq_state_holder(&s.state, inode);
	if (h)
		irq_state_drop_holder(&s.state, h);
	s.changed = h;
	return settle_back(&s, err);
}

void irq_mend(struct place_env *env, struct ledger *l)
{
	cleanup_settling struct settling s = SETTLING_NONE(env->root, env->state, env->live.boot_id);
	struct error why = { 0 };
	int rc;

	if (!irq_state_exists(env->state) || may_write(&s, &why) < 0)
		return;
	rc = irq_state_read(s.dir, s.boot_id, &s.state, &why);
	if (rc == 0) {
		check_holders(&s, l);
		if (s.changed || !s.state.nholders)
			rc = settle_back(&s, &why);
	}
	if (rc < 0)
		place_say(env, IRQ_REASON "%s", why.text);
}

/* --- reading --- */

struct looking {
	const struct irq_state *state;
	int root;
	const struct idset *cpus;
	struct irq_drift *out;
};

static void list_add(struct irq_drift *d, int irq)
{
	size_t used = strlen(d->list);

	/* 12 bytes: a comma and the largest number */
	if (used + 12 < sizeof(d->list))
		snprintf(d->list + used, sizeof(d->list) - used, "%s%d", used ? "," : "", irq);
	d->n++;
}

static int look_at(void *arg, int irq)
{
	const struct looking *l = arg;
	const struct irq_change *c = irq_state_find(l->state, irq);
	struct idset now, after;

	/* One that no entry has cannot be moved, or has never been on these CPUs. */
	if (c && irq_read(l->root, irq, &now) == 0 && idset_intersects(&now, l->cpus) &&
	    idset_parse(c->after, &after, NULL) == 0 && !idset_equal(&now, &after))
		list_add(l->out, irq);
	return 0;
}

int irq_look(int root, int dir, const struct idset *cpus, struct irq_drift *out, struct error *err)
{
	cleanup_irq_state struct irq_state state = { .nholders = 0 };
	struct irq_drift found = { 0 };
	struct looking l = { &state, root, cpus, &found };
	int rc = irq_state_read(dir, NULL, &state, err);

	if (rc == 0 && state.nchanges)
		rc = irq_each(root, look_at, &l);
	if (rc < 0)
		return rc == -EBADMSG ? rc : error_errno(err, rc, "read the affinities of interrupts");
	*out = found;
	return 0;
}

static int mark_known(void *arg, const struct record *r)
{
	struct irq_state *s = arg;
	struct irq_holder *h = irq_state_holder(s, r->cgroup_inode);

	if (h && strcmp(h->id, r->id) == 0)
		irq_state_drop_holder(s, h);
	return 0;
}

int irq_look_left(int dir, struct ledger *l, struct irq_left *out, struct error *err)
{
	cleanup_irq_state struct irq_state state = { .nholders = 0 };
	struct irq_left found = { 0 };
	int rc = irq_state_read(dir, NULL, &state, err);

	if (rc < 0)
		return rc;
	found.containers = state.nholders;
	found.changes = state.nchanges;
	if (l)
		rc = ledger_each(l, mark_known, &state, err);
	if (rc < 0)
		return rc;
	found.lost = state.nholders;
	*out = found;
	return 0;
}
