/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps of a move.  The ledger has the new place first, so that nobody else is
 * put there meanwhile (and gets the old one back where that is cut off: cgroup/moving.h).  cpuset.mems is widened to both, its pages are brought
 * over some MiB at a time (writing the new nodes at once would have the kernel move
 * everything in one system call, minutes long on a large container), then it is
 * narrowed, which takes along what had been missed.
 */
#include "cgroup/move.h"

#include "cgroup/choose.h"
#include "cgroup/folios.h"
#include "cgroup/moving.h"
#include "cgroup/own.h"
#include "cgroup/pages.h"
#include "plugin/util.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#define CHUNK (2ULL << 20) /* what goes to one node: the size of huge pages of most machines */
#define ROUNDS 3         /* over all processes: they go on touching memory */
#define SETTLE_TRIES 20  /* tenths of a second, for pages that were busy */

struct deal {
	uint64_t weight[PAGES_NODE_MAX], given[PAGES_NODE_MAX]; /* bytes, in the order of the nodes */
};

struct move {
	struct place_env *env;
	const struct move_job *job;
	struct choice choice;
	int mount;
	struct cgroup_dir cgroup;
	struct cpuset cpuset;    /* as it was */
	const struct record *old, *new;
	const char *class;
	bool mems_only;
	struct moving moving;
	bool finished;
	time_t end;              /* CLOCK_MONOTONIC; 0: none */
	uint64_t total, done;    /* bytes to bring over */
	bool again;              /* the first round over all pages is done */
	int node[PAGES_NODE_MAX]; /* ids to bring pages to */
	unsigned int nnodes;
	struct deal small, huge; /* over these: explicit huge pages are counted apart, as the nodes' room for them is */
};

static void move_close(struct move *m)
{
	moving_end(m->env->state, &m->moving, m->finished);
	choice_close(&m->choice);
	cgroup_dir_close(&m->cgroup);
	cleanup_closep(&m->mount);
}
#define cleanup_move __attribute__((cleanup(move_close)))

static time_t now(void)
{
	struct timespec t = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static int check_time(const struct move *m, struct error *err)
{
	if (!m->end || now() < m->end)
		return 0;
	return error_set(err, -ETIMEDOUT, "not done in %u seconds (%" PRIu64 " of %" PRIu64 " MiB moved)",
			 m->job->seconds, m->done >> 20, m->total >> 20);
}

static void tell(const struct move *m)
{
	if (m->job->progress)
		m->job->progress(m->job->arg, m->done < m->total ? m->done : m->total, m->total);
}

/* --- pages, step by step --- */

/* What each of the new nodes gets: in proportion to what the placement asks for there, or the same of each. */
static void begin_deals(struct move *m)
{
	const struct topology *t = m->choice.machine.topology;
	const struct share *share = &m->new->placement.share;
	unsigned int n = 0;

	idset_foreach(id, &m->new->placement.mems) {
		m->node[n] = id;
		m->small.given[n] = m->huge.given[n] = m->small.weight[n] = m->huge.weight[n] = 0;
		for (unsigned int i = 0; i < share->nmem; i++) {
			if (share->mem[i].id != id)
				continue;
			m->small.weight[n] = share->mem[i].memory;
			for (unsigned int h = 0; h < t->nhuge; h++)
				m->huge.weight[n] += share->mem[i].huge[h] * t->huge_size[h];
		}
		n++;
	}
	m->nnodes = n;
}

/* The node that is the furthest behind its part of a deal. */
static unsigned int next_node(const struct move *m, const struct deal *d)
{
	uint64_t asked = 0;
	double least = 0;
	unsigned int best = 0;

	for (unsigned int i = 0; i < m->nnodes; i++)
		asked += d->weight[i];
	for (unsigned int i = 0; i < m->nnodes; i++) {
		double weight = asked ? (double)d->weight[i] : 1;
		double level = weight > 0 ? (double)(d->given[i] + 1) / weight : HUGE_VAL;

		if (i == 0 || level < least) {
			best = i;
			least = level;
		}
	}
	return best;
}

/*
 * For each call of move_pages() the kernel drains lists of all CPUs and waits for them, so a call takes many pages, of
 * several mappings where these are small.  It also lasts as long as its pages take, and is what a move can be stopped
 * between, so it does not take too many.
 */
#define CALL_BYTES (64ULL << 20)
#define CALL_FOLIOS (FOLIOS_STEP * 3 / 4)

struct call {
	size_t n;
	uint64_t bytes;
	bool shared_too;
	void *page[CALL_FOLIOS + FOLIOS_STEP];
	int node[CALL_FOLIOS + FOLIOS_STEP], status[CALL_FOLIOS + FOLIOS_STEP];
	struct dealt {
		uint64_t size;
		struct deal *deal;
		unsigned int to; /* the index of the node */
	} dealt[CALL_FOLIOS + FOLIOS_STEP];
};

struct step {
	struct folios folios;
	size_t n; /* folios of a part of a mapping */
	struct folio folio[FOLIOS_STEP];
	void *page[FOLIOS_STEP];
	int status[FOLIOS_STEP];
	struct call call; /* what is to be moved next */
	uint64_t chunk;   /* the last one that was dealt */
	unsigned int to;  /* and the index of its node */
};

/*
 * The node of the folio at @address, as an index.  What lies in one CHUNK goes to one node: where the folios are not
 * known (/proc/kpageflags may not be read), the addresses of a huge page are not sent to different nodes in turn, each
 * of which would take the whole page along.
 */
static unsigned int deal(const struct move *m, struct deal *d, struct step *s, const struct folio *f)
{
	if (s->chunk != f->address / CHUNK) {
		s->chunk = f->address / CHUNK;
		s->to = next_node(m, d);
	}
	d->given[s->to] += f->size;
	return s->to;
}

/* Gone processes are no error. */
static int make_call(struct move *m, pid_t pid, struct call *c, struct error *err)
{
	size_t n = c->n;
	int rc = n ? libnuma_move_pages(pid, n, c->page, c->node, c->status, c->shared_too) : 0;

	c->n = 0;
	c->bytes = 0;
	if (!n)
		return 0;
	if (rc < 0 && rc != -ESRCH && rc != -ENOMEM)
		return error_errno(err, rc, "pid %d: move its pages", (int)pid);
	/* Those that could not be moved are looked for again later. */
	for (size_t i = 0; i < n; i++)
		if (c->status[i] == c->node[i])
			m->done += c->dealt[i].size;
		else
			c->dealt[i].deal->given[c->dealt[i].to] -= c->dealt[i].size;
	tell(m);
	return check_time(m, err);
}

static void add_to_call(const struct move *m, struct step *s, const struct folio *f, struct deal *d)
{
	struct call *c = &s->call;
	unsigned int to = deal(m, d, s, f);

	c->page[c->n] = (void *)(uintptr_t)f->address;
	c->node[c->n] = m->node[to];
	c->status[c->n] = -EAGAIN;
	c->dealt[c->n++] = (struct dealt){ f->size, d, to };
	c->bytes += f->size;
}

/*
 * Adds the folios of @s that are elsewhere to the next call: all of them where @ask is false.  *@found: their bytes.
 * -ESRCH: the process is gone.
 */
static int add_elsewhere(const struct move *m, pid_t pid, struct step *s, struct deal *d, bool ask, uint64_t *found)
{
	int rc = 0;

	for (size_t i = 0; ask && i < s->n; i++)
		s->page[i] = (void *)(uintptr_t)s->folio[i].address;
	if (ask && s->n)
		rc = libnuma_move_pages(pid, s->n, s->page, NULL, s->status, false);
	for (size_t i = 0; rc == 0 && i < s->n; i++) {
		if (ask && (s->status[i] < 0 || idset_has(&m->new->placement.mems, (unsigned int)s->status[i])))
			continue;
		add_to_call(m, s, &s->folio[i], d);
		*found += s->folio[i].size;
	}
	return rc;
}

/* The folios of the next part of a mapping; explicit huge pages are those of the mapping. */
static void next_folios(struct step *s, const struct mapping *map, uint64_t *at)
{
	s->n = 0;
	if (map->page_size == s->folios.page_size)
		s->n = folios_next(&s->folios, at, map->end, s->folio);
	else
		for (uint64_t bytes = 0; *at < map->end && bytes < CALL_BYTES && s->n < FOLIOS_STEP;
		     bytes += map->page_size, *at += map->page_size)
			s->folio[s->n++] = (struct folio){ *at, map->page_size };
}

/*
 * Whether the kernel is to be asked where each folio is.  Not where all of them are elsewhere by numa_maps and present
 * by pagemap.  That leaves the page of zeroes, which is neither here nor elsewhere and cannot be moved: later rounds
 * ask.
 */
static bool must_ask(const struct move *m, const struct step *s, const struct mapping *map)
{
	return m->again || map->partly || s->folios.pagemap < 0 || map->page_size != s->folios.page_size;
}

/* One mapping that has pages elsewhere. @map->elsewhere: how many bytes of them. */
static int move_mapping(struct move *m, pid_t pid, const struct mapping *map, struct step *s, struct error *err)
{
	struct deal *d = map->page_size == s->folios.page_size ? &m->small : &m->huge;
	struct call *c = &s->call;
	bool ask = must_ask(m, s, map);
	uint64_t found = 0;
	int rc = c->shared_too != map->own ? make_call(m, pid, c, err) : 0;

	c->shared_too = map->own;
	for (uint64_t at = map->start; at < map->end && rc == 0 && found < map->elsewhere;) {
		next_folios(s, map, &at);
		rc = add_elsewhere(m, pid, s, d, ask, &found);
		if (rc == -ESRCH)
			return 0;
		if (rc < 0)
			return error_errno(err, rc, "pid %d: ask where its pages are", (int)pid);
		rc = c->n >= CALL_FOLIOS || c->bytes >= CALL_BYTES ? make_call(m, pid, c, err) : check_time(m, err);
	}
	return rc;
}

static int move_process(struct move *m, pid_t pid, struct step *s, struct error *err)
{
	cleanup_mappings struct mappings maps = { 0 };
	int rc = mappings_of_pid(m->env->root, pid, &m->new->placement.mems, &maps, err);

	if (rc < 0)
		return rc == -ESRCH ? 0 : rc;
	folios_open(m->env->root, pid, &s->folios);
	for (size_t i = 0; i < maps.n && rc == 0; i++)
		rc = move_mapping(m, pid, &maps.map[i], s, err);
	if (rc == 0)
		rc = make_call(m, pid, &s->call, err);
	folios_close(&s->folios);
	return rc;
}

static struct pages *look_at_pages(const struct move *m, struct error *err)
{
	cleanup_free struct pages *p = malloc(sizeof(*p));

	if (!p)
		error_errno(err, -ENOMEM, "look at its pages");
	else if (pages_of_cgroup(m->env->root, m->mount, m->cgroup.path, p, err) == 0)
		return steal_ptr(p);
	return NULL;
}

/* What of its own is elsewhere, over all of its processes. */
static int count_elsewhere(const struct move *m, uint64_t *bytes, struct error *err)
{
	cleanup_free struct pages *p = look_at_pages(m, err);

	if (!p)
		return err->status;
	*bytes = pages_elsewhere(p, &m->new->placement.mems);
	return 0;
}

/* What is to be brought over, and what the new nodes have of their parts already. */
static int count_first(struct move *m, struct error *err)
{
	cleanup_free struct pages *p = look_at_pages(m, err);

	if (!p)
		return err->status;
	m->total = pages_elsewhere(p, &m->new->placement.mems);
	for (unsigned int n = 0; n < m->nnodes; n++)
		for (unsigned int i = 0; i < p->n; i++)
			if (p->node[i].id == m->node[n]) {
				m->small.given[n] = p->node[i].anon + p->node[i].shared;
				m->huge.given[n] = p->node[i].huge;
			}
	return 0;
}

static int move_pages_over(struct move *m, struct error *err)
{
	cleanup_cgroup_pids struct cgroup_pids pids = { 0 };
	cleanup_free struct step *s = calloc(1, sizeof(*s));
	int rc = s ? cgroup_read_pids(m->mount, m->cgroup.path, &pids, err) : error_errno(err, -ENOMEM, "move");

	for (size_t i = 0; i < pids.n && rc == 0; i++)
		rc = move_process(m, pids.pid[i], s, err);
	return rc;
}

/* --- the cgroup --- */

static int widen(struct move *m, struct error *err)
{
	struct idset both = m->cpuset.mems_effective;
	static const struct idset none;

	idset_or(&both, &m->new->placement.mems);
	return cgroup_write_cpuset(m->mount, &m->cgroup, NULL, &none, &both, err);
}

static int narrow_down(struct move *m, struct error *err)
{
	static const struct idset none;

	return cgroup_write_cpuset(m->mount, &m->cgroup, NULL,
				   m->mems_only ? &none : &m->new->placement.share.cpus, &m->new->placement.mems, err);
}

/* Nothing of its own is elsewhere in the end; pages that are busy get a little time. */
static int settle(struct move *m, struct error *err)
{
	const struct timespec tenth = { .tv_nsec = 100000000 };
	uint64_t bytes = 0;
	int rc = 0;

	for (int i = 0; i < SETTLE_TRIES; i++) {
		rc = count_elsewhere(m, &bytes, err);
		if (rc < 0 || !bytes)
			return rc;
		rc = move_pages_over(m, err);
		if (rc == 0)
			rc = check_time(m, err);
		if (rc < 0)
			return rc;
		nanosleep(&tenth, NULL);
	}
	return error_set(err, -EBUSY, "%" PRIu64 " KiB cannot be moved (locked for devices, or shared)", bytes >> 10);
}

static int carry(struct move *m, struct error *err)
{
	uint64_t left = 0;
	int rc = count_first(m, err);

	if (rc == 0)
		rc = widen(m, err);
	for (int i = 0; i < ROUNDS && rc == 0; i++) {
		rc = move_pages_over(m, err);
		m->again = true;
		if (rc == 0)
			rc = count_elsewhere(m, &left, err);
		if (rc == 0)
			m->done = m->total > left ? m->total - left : 0;
		if (!left)
			break;
	}
	if (rc == 0)
		rc = check_time(m, err);
	if (rc == 0)
		rc = narrow_down(m, err);
	if (rc == 0)
		rc = settle(m, err);
	if (rc == 0)
		m->done = m->total;
	return rc;
}

/* Back: the kernel takes the pages along when it is narrowed to where they were. */
static void carry_back(struct move *m)
{
	struct error why;

	if (cgroup_restore_cpuset(m->mount, &m->cgroup, &m->cpuset, &why) < 0) {
		m->moving.keep = true;
		place_say(m->env, "not put back: %s", why.text);
	}
}

/* --- the ledger --- */

static const char *const classes[] = { "oci", "lxc", "incus", "lxd" };

static int find_record(struct move *m, struct ledger *l, struct record *out, struct error *err)
{
	int rc = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(classes) && rc == -ENOENT; i++) {
		m->class = classes[i];
		rc = ledger_find(l, classes[i], m->job->id, out, err);
	}
	if (rc == -ENOENT)
		return error_set(err, rc, "no container \"%s\" is placed", quote(m->job->id).text);
	return rc;
}

/*
 * A process's policy names its nodes, and only the process can change that: preferred would go on preferring the old
 * ones.  An interleaved one should follow its cpuset, but where that was tried (Linux 6.12, emulated) it did not end.
 */
static int check_policy(const struct record *r, struct error *err)
{
	if (r->placement.policy == POLICY_STRICT)
		return 0;
	return error_set(err, -ENOTSUP,
			 "limits.memory.policy: \"%s\": cannot be moved: its processes' policy names their nodes",
			 memory_policy_name(r->placement.policy));
}

/* The new record, from the old one's request with other nodes. */
static int choose_new(struct move *m, struct ledger *l, const struct record *old, struct record *out, struct error *err)
{
	struct request *r = &m->choice.request;

	*r = old->request;
	r->nodes_mode = NODES_LIST;
	r->nodes = m->job->nodes;
	r->all_nodes = false;
	/* Where it is now is no wish of its own to be there. */
	idset_clear(&r->last_nodes);
	idset_clear(&r->last_mems);
	m->choice.without = &old->placement.share;
	/* As at its start: where Incus gives the CPUs, whoever names nodes has chosen, and all of them are taken. */
	m->choice.whole = m->mems_only && !r->cpu_listed;
	memcpy(out->id, old->id, sizeof(out->id));
	memcpy(out->runtime, old->runtime, sizeof(out->runtime));
	memcpy(out->applied, old->applied, sizeof(out->applied));
	out->cgroup_inode = old->cgroup_inode;
	out->started = old->started;
	out->request = old->request;
	out->cgroup = strdup(old->cgroup);
	if (!out->cgroup)
		return error_errno(err, -ENOMEM, "move");
	return choice_make(&m->choice, l, &out->placement, &out->reasons, err);
}

static uint64_t more(uint64_t free, uint64_t own, uint64_t total)
{
	return own < total - free ? free + own : total;
}

/* What it holds of a node is not taken from it by others: where it stays, or half of it is already, there is room for it. */
static void free_own(struct move *m)
{
	cleanup_free struct numa_stat *stat = malloc(sizeof(*stat));
	struct topology *t = m->choice.machine.topology;

	if (!stat)
		return;
	if (cgroup_read_numa_pages(&m->cgroup, stat, NULL) == 0) {
		for (unsigned int i = 0; i < stat->n; i++) {
			int n = topology_find_node(t, stat->node[i].id);

			if (n >= 0 && t->nodes[n].mem_free <= t->nodes[n].mem_total)
				t->nodes[n].mem_free = more(t->nodes[n].mem_free, stat->node[i].anon, t->nodes[n].mem_total);
		}
	}
	for (unsigned int h = 0; h < t->nhuge; h++) {
		if (!t->huge_size[h] || cgroup_read_hugetlb_stat(&m->cgroup, t->huge_size[h], stat, NULL) < 0)
			continue;
		for (unsigned int i = 0; i < stat->n; i++) {
			int n = topology_find_node(t, stat->node[i].id);

			if (n >= 0 && t->nodes[n].huge_free[h] <= t->nodes[n].huge_total[h])
				t->nodes[n].huge_free[h] = more(t->nodes[n].huge_free[h], stat->node[i].anon / t->huge_size[h],
								t->nodes[n].huge_total[h]);
		}
	}
}

static int open_cgroup(struct move *m, const struct record *r, struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir parent = CGROUP_DIR_NONE;
	int rc = cgroup_open(m->mount, r->cgroup, &m->cgroup, err);

	if (rc == 0 && m->cgroup.inode != r->cgroup_inode)
		return error_set(err, -ENOENT, "cgroup %.200s is another one by now", r->cgroup);
	if (rc == 0)
		rc = own_while_placed(m->mount, r, &m->cgroup, err);
	if (rc == 0)
		rc = cgroup_read_cpuset(&m->cgroup, &m->cpuset, err);
	if (rc == 0)
		rc = cgroup_parent(m->mount, &m->cgroup, &parent, err);
	if (rc == 0)
		rc = cgroup_read_effective(&parent, &m->choice.allowed_cpus, &m->choice.allowed_mems, err);
	m->choice.limited = rc == 0;
	return rc;
}

/* Under the lock: the old record, and the new one in its place. */
static int decide(struct move *m, struct record *old, struct record *new, struct error *err)
{
	cleanup_ledger struct ledger *l = NULL;
	int rc = ledger_open(m->env->state, m->choice.topology, &m->choice.world.ledger, m->env->timeout_ms, &l, err);

	if (rc == 0)
		rc = ledger_sweep(l, false, err);
	if (rc >= 0) {
		moving_mend(m->env, l, m->mount);
		rc = find_record(m, l, old, err);
	}
	if (rc == 0)
		rc = open_cgroup(m, old, err);
	/* Where Incus has chosen, it writes the CPUs itself, and would write them again. */
	m->mems_only = rc == 0 && strcmp(old->applied, PLACE_MEMS_ONLY) == 0;
	if (rc == 0)
		rc = check_policy(old, err);
	if (rc == 0) {
		free_own(m);
		rc = choose_new(m, l, old, new, err);
	}
	if (rc == 0 && !m->job->dry_run)
		rc = moving_begin(m->env->state, new->id, new->cgroup_inode, &m->moving, err);
	if (rc == 0 && !m->job->dry_run)
		rc = ledger_add(l, m->class, new, err);
	if (l)
		place_say_ledger(m->env, l);
	return rc;
}

static void put_back(struct move *m)
{
	cleanup_ledger struct ledger *l = NULL;
	struct error why;
	int rc = ledger_open(m->env->state, m->choice.topology, &m->choice.world.ledger, m->env->timeout_ms, &l, &why);

	if (rc == 0)
		rc = ledger_add(l, m->class, m->old, &why);
	if (rc < 0) {
		m->moving.keep = true;
		place_say(m->env, "the ledger has %s at the new place: %s", m->old->id, why.text);
	}
}

static int carry_out(struct move *m, struct error *err)
{
	static const struct idset none;
	int rc;

	begin_deals(m);
	rc = carry(m, err);
	if (rc == 0)
		rc = place_mark(m->env, &m->cgroup, m->new, err);
	if (rc < 0) {
		carry_back(m);
		put_back(m);
	} else {
		m->finished = true;
		place_tell_systemd(m->env, &m->cgroup, m->mems_only ? &none : &m->new->placement.share.cpus,
				   &m->new->placement.mems);
	}
	tell(m);
	return rc;
}

int place_move(struct place_env *env, const struct move_job *job, struct record *before, struct record *after,
	       struct error *err)
{
	cleanup_record struct record old = { 0 }, new = { 0 };
	cleanup_move struct move m = {
		.env = env, .job = job, .mount = -1, .cgroup = CGROUP_DIR_NONE, .old = &old, .new = &new,
		.moving = MOVING_NONE,
	};
	int rc;

	cgroup_write_by(libcgroup_write_cpuset);
	m.end = job->seconds ? now() + job->seconds : 0;
	rc = choice_open(&m.choice, env, NULL, err);
	if (rc == 0)
		rc = cgroup_mount(&m.mount, NULL, 0, err);
	if (rc == 0)
		rc = place_find_state(env, err);
	if (rc < 0)
		return rc;
	world_init(&m.choice.world, env->root, m.mount, m.choice.topology, machine_boot_id(&m.choice.machine));
	rc = decide(&m, &old, &new, err);
	if (rc < 0)
		return rc;
	rc = job->dry_run ? 0 : carry_out(&m, err);
	if (rc < 0)
		return error_prefix(err, "%s is where it was", old.id);
	*before = old;
	*after = new;
	old = (struct record){ 0 };
	new = (struct record){ 0 };
	return 0;
}
