/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace rebalance [--dry-run] [--by-use] [--max-move BYTES]`: plans moves that even out the load, bring split
 * containers together or pages home, shows what each gains and costs, then makes them one at a time and verifies each.
 * Every move is an improvement by itself, so the program may be interrupted between any two. A move that fails ends the
 * rebalance, and so does a machine whose processes wait for longer than before.
 */
#include "place/move.h"
#include "plugin/base/clock.h"
#include "cli/engine.h"
#include "cli/rebalance-measure.h"
#include "cli/table.h"
#include "cli/snapshot.h"
#include "place/rebalance.h"
#include "runtime-hooks/common/json-write.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>

#define MOVE_SECONDS 300
#define WORSE 0.1 /* part of the time: more waiting than before the first move ends the command */

struct rebalance {
	struct cli *cli;
	struct snapshot s;
	struct conf conf;
	struct rebalance_item *item;
	struct measured *measured; /* by item */
	uint64_t *held;      /* by item and node index */
	struct rebalance_plan plan;
	uint64_t max_move;
	unsigned int done;   /* number of moves made */
	bool *made;          /* for each move: it was made */
	bool dry_run, begun; /* begun: moves may have been made, even if an error followed */
	bool by_use;         /* judge by the CPU time that containers use, not by what they have requested */
};

static volatile sig_atomic_t interrupted;

static void on_signal(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

static void free_all(struct rebalance *b)
{
	snapshot_free(&b->s);
	free(b->item);
	free(b->measured);
	free(b->held);
	rebalance_free(&b->plan);
	free(b->made);
}

static int make_plan(struct rebalance *b, struct error *err)
{
	unsigned int nodes = b->s.topology->nnodes;
	cleanup_free struct numa_stat *stat = malloc(sizeof(*stat));
	cleanup_close int mount = -1;
	struct measure measure = { .topology = b->s.topology, .now = clock_boot_seconds(), .stat = stat };
	struct rebalance_input in = {
		.topology = b->s.topology,
		.usage = b->s.usage,
		.policy = &b->conf.select,
		.n = b->s.n,
		.max_move = b->max_move,
	};
	int ret;

	b->item = calloc(b->s.n + 1, sizeof(*b->item));
	b->measured = calloc(b->s.n + 1, sizeof(*b->measured));
	b->held = calloc((size_t)b->s.n * nodes + 1, sizeof(*b->held));
	if (!b->item || !b->measured || !b->held || !stat)
		return error_set(err, -ENOMEM, "out of memory");
	if (!b->cli->sysroot)
		cgroup_mount(&mount, NULL, 0, NULL);
	measure.mount = mount;
	for (unsigned int i = 0; i < b->s.n; i++) {
		struct measured *m = &b->measured[i];

		measure_container(&measure, b->s.record[i], &b->held[(size_t)i * nodes], m);
		b->item[i] = (struct rebalance_item){
			.record = b->s.record[i], .held = m->held, .astray = m->astray,
			.idle = b->by_use && m->busy >= 0 ? 1 - m->busy : 0,
		};
	}
	in.item = b->item;
	ret = rebalance_plan(&in, &b->plan, err);
	return ret < 0 ? ret : rebalance_judge(&in, b->s.topology, measure.now, &b->plan, err);
}

/* --- output --- */

/* @error: why not all moves were made; NULL: no error. */
static void rebalance_print_json(const struct rebalance *b, const char *error)
{
	struct json_writer o = JSON_TO(stdout);

	json_begin_object(&o, NULL);
	json_put_number(&o, "load_over_mean", b->plan.before);
	json_put_number(&o, "load_over_mean_after", b->plan.after);
	json_put_uint(&o, "bytes", b->plan.bytes);
	json_put_uint(&o, "moves_not_worth_it", b->plan.dropped);
	json_put_bool(&o, "dry_run", b->dry_run);
	json_put_bool(&o, "interrupted", error && interrupted);
	if (error)
		json_put_string(&o, "error", error);
	json_begin_array(&o, "moves");
	for (unsigned int i = 0; i < b->plan.n; i++) {
		const struct rebalance_move *m = &b->plan.move[i];

		json_begin_object(&o, NULL);
		json_put_string(&o, "id", b->s.record[m->item]->id);
		json_put_comma(&o, "from", ids_of(&b->s.record[m->item]->placement.nodes));
		json_put_comma(&o, "to", ids_of(&m->nodes));
		json_put_uint(&o, "bytes", m->bytes);
		json_put_number(&o, "load_over_mean", m->after);
		json_put_bool(&o, "joins", m->joins);
		json_put_bool(&o, "returns", m->returns);
		if (b->measured[m->item].busy >= 0)
			json_put_number(&o, "busy", b->measured[m->item].busy);
		json_put_number(&o, "gain_cpus", m->gain);
		json_put_number(&o, "cost_cpu_seconds", m->cost);
		json_put_bool(&o, "done", b->made && b->made[i]);
		json_end(&o);
	}
	json_end(&o);
	json_end(&o);
}

static const char *plural(unsigned int n)
{
	return n == 1 ? "" : "s";
}

static void print_summary(const struct rebalance *b)
{
	double gain = 0, cost = 0;
	char size[32];

	printf("highest load of a node over the mean: %.2f", b->plan.before);
	if (!b->plan.n) {
		puts("; no move gains");
	} else {
		size_human(b->plan.bytes, size, sizeof(size));
		for (unsigned int i = 0; i < b->plan.n; i++) {
			gain += b->plan.move[i].gain;
			cost += b->plan.move[i].cost;
		}
		printf(", after %u move%s of %s in all: %.2f\n", b->plan.n, plural(b->plan.n), size, b->plan.after);
		printf("predicted: as fast as with %.2f more CPUs, for %.1f CPU seconds of moving\n", gain, cost);
	}
	if (b->plan.dropped)
		printf("%u more move%s would even the load, but would cost more than %s gain%s\n", b->plan.dropped,
		       plural(b->plan.dropped), b->plan.dropped == 1 ? "it" : "they", b->plan.dropped == 1 ? "s" : "");
}

static const char *why_moved(const struct rebalance_move *m)
{
	if (m->returns)
		return "pages return";
	if (m->joins)
		return "together";
	return m->after < m->before ? "evener" : "makes room";
}

static int rebalance_print_plan(const struct rebalance *b, struct error *err)
{
	cleanup_table struct table t = { 0 };
	char size[32];

	print_summary(b);
	if (!b->plan.n)
		return 0;
	putchar('\n');
	table_init(&t, stdout, "lllrrrrrl");
	table_cell(&t, "CONTAINER");
	table_cell(&t, "FROM");
	table_cell(&t, "TO");
	table_cell(&t, "BUSY");
	table_cell(&t, "MEMORY");
	table_cell(&t, "LOAD");
	table_cell(&t, "CPUS GAINED");
	table_cell(&t, "CPU SECONDS");
	table_cell(&t, "WHY");
	for (unsigned int i = 0; i < b->plan.n; i++) {
		const struct rebalance_move *m = &b->plan.move[i];

		size_human(m->bytes, size, sizeof(size));
		table_id(&t, b->s.record[m->item]->id);
		table_comma(&t, ids_of(&b->s.record[m->item]->placement.nodes));
		table_comma(&t, ids_of(&m->nodes));
		if (b->measured[m->item].busy >= 0)
			table_cell(&t, "%.0f %%", b->measured[m->item].busy * 100);
		else
			table_cell(&t, "-");
		table_cell(&t, "%s", size);
		table_cell(&t, "%.2f", m->after);
		table_cell(&t, "%+.2f", m->gain);
		table_cell(&t, "%.1f", m->cost);
		table_cell(&t, "%s", why_moved(m));
	}
	return table_print(&t, err);
}

/* --- moving --- */

static int move_one(struct rebalance *b, struct place_env *env, unsigned int i, struct error *err)
{
	const struct rebalance_move *m = &b->plan.move[i];
	cleanup_record struct record before = { 0 }, after = { 0 };
	const struct record *r = b->s.record[m->item];
	struct move_job job = {
		.id = r->id, .cgroup_inode = r->cgroup_inode, .nodes = m->nodes, .seconds = MOVE_SECONDS
	};
	char list[200];
	int ret = place_move(env, &job, &before, &after, err);

	/* The container has ended; skip it. */
	if (ret == -ENOENT) {
		cli_warn(err->text);
		return 0;
	}
	if (ret < 0)
		return ret;
	b->made[i] = true;
	b->done++;
	nodeset_format_comma(&after.placement.nodes, list, sizeof(list));
	if (!b->cli->json)
		printf("moved %s to node%s %s\n", job.id, nodeset_count(&after.placement.nodes) == 1 ? "" : "s", list);
	return fflush(stdout) ? error_errno(err, -errno, "stdout") : 0;
}

/* Only one rebalance may move containers of a ledger: each has planned on what the other one changes. */
static int take_lock(struct place_env *env, int *lock, struct error *err)
{
	int ret = place_open(env, PLACE_WRITE, err);

	if (ret == 0)
		ret = place_need_state(env, err);
	if (ret < 0)
		return ret;
	*lock = openat(env->state, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*lock >= 0 && flock(*lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return error_set(err, -EBUSY, "rebalance: another rebalance is running");
	return error_errno(err, -errno, "rebalance: lock the folder of the ledger");
}

/* Compares the machine with @before, the time before the first move. */
static int stop_if_worse(const struct rebalance *b, const double before[STALLS], struct error *err)
{
	double most[STALLS];
	int worse;

	for (int i = 0; i < STALLS; i++)
		most[i] = before[i] + WORSE;
	worse = watch_stalls(b->cli->root, most);
	if (worse < 0)
		return 0;
	return error_set(err, -EBUSY,
			 "rebalance: stopped after %u of %u moves: processes wait for %s for more than %.0f %% of the time, %.0f %% before",
			 b->done, b->plan.n, stall_names[worse], most[worse] * 100, before[worse] * 100);
}

static int move_all(struct rebalance *b, struct error *err)
{
	struct sigaction stop = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	cleanup_env struct place_env env = CLI_ENV_NONE;
	double before[STALLS] = { 0 };
	cleanup_close int lock = -1;
	bool known;
	int ret = cli_env(b->cli, &env, err);

	if (ret == 0 && b->cli->sysroot)
		return error_set(err, -EINVAL, "rebalance: containers of a recorded machine cannot be moved: --dry-run");
	if (ret == 0)
		ret = take_lock(&env, &lock, err);
	b->made = calloc(b->plan.n, sizeof(*b->made));
	if (ret == 0 && !b->made)
		return error_set(err, -ENOMEM, "out of memory");
	b->begun = ret == 0;
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	/* a single move has no next one to stop */
	known = ret == 0 && b->plan.n > 1 && measure_stalls(b->cli->root, before);
	for (unsigned int i = 0; i < b->plan.n && ret == 0; i++) {
		if (i && known && !interrupted)
			ret = stop_if_worse(b, before, err);
		if (interrupted)
			return error_set(err, -EINTR, "rebalance: interrupted after %u of %u moves", b->done, b->plan.n);
		if (ret == 0)
			ret = move_one(b, &env, i, err);
	}
	return ret;
}

static int rebalance_parse(struct rebalance *b, int argc, char **argv, struct error *err)
{
	const char *size = NULL;
	const struct option_rule rules[] = {
		{ .name = "max-move", .value = &size },
		{ .name = "dry-run", .flag = &b->dry_run },
		{ .name = "by-use", .flag = &b->by_use },
	};
	int words = cli_options("rebalance", rules, ARRAY_SIZE(rules), argc, argv, err);

	if (words)
		return words < 0 ? words : cli_no_arguments("rebalance", words, argv, err);
	b->max_move = UINT64_MAX;
	return size && size_parse(size, &b->max_move, err) < 0 ? error_prefix(err, -EINVAL, "rebalance: --max-move") : 0;
}

int verb_rebalance(struct cli *cli, int argc, char **argv, struct error *err)
{
	__attribute__((cleanup(free_all))) struct rebalance b = { .cli = cli };
	int ret = rebalance_parse(&b, argc, argv, err), moved;

	if (ret == 0)
		ret = cli_conf(cli, &b.conf, err);
	if (ret == 0)
		ret = snapshot_take(cli, &b.s, err);
	if (ret == 0)
		ret = make_plan(&b, err);
	if (ret == 0 && !cli->json)
		ret = rebalance_print_plan(&b, err);
	if (ret < 0)
		return ret;
	moved = b.dry_run || !b.plan.n ? 0 : move_all(&b, err);
	if (!cli->json || (moved < 0 && !b.begun))
		return moved;
	rebalance_print_json(&b, moved < 0 ? err->text : NULL);
	cli->failed = moved < 0;
	return 0;
}
