/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The numaplace program. Parses the global options, which may be anywhere on the command line, runs the verb, and
 * reports an error: one line on stderr, or with --json an object on stdout. Exit status: 0 success, 1 cannot be placed
 * or the system failed, 2 bad input.
 */
#include "cli/cli.h"
#include "cli/help.h"
#include "place/paths.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/json-write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static const struct verb {
	const char *name;
	int (*run)(struct cli *cli, int argc, char **argv, struct error *err);
	const char *arguments;
	const char *summary;
} verbs[] = {
	{ "topology", verb_topology, "", "the machine's nodes: CPUs, memory, hugepages, distances, load" },
	{ "plan", verb_plan, "KEY=VALUE...", "what would be chosen now; writes nothing" },
	{ "status", verb_status, "", "the containers that are placed now" },
	{ "map", verb_map, "[-o FILE.svg]", "the machine and its containers, as a picture or in letters" },
	{ "explain", verb_explain, "ID", "why a container is where it is" },
	{ "verify", verb_verify, "[ID|PID...]", "where their pages are, and where they should be" },
	{ "move", verb_move, "ID NODES", "bring a live container, memory first, to other nodes" },
	{ "resize", verb_resize, "ID KEY=VALUE...", "give a live container more or fewer resources" },
	{ "run", verb_run, "KEY=VALUE... -- COMMAND", "place a command, and become it" },
	{ "follow", verb_follow, "[--watch]", "let records follow cpusets that another program has written" },
	{ "rebalance", verb_rebalance, "[--dry-run]", "move containers to even the load or to join split ones" },
	{ "doctor", verb_doctor, "", "check this host: what works, and what needs to be done" },
	{ "metrics", verb_metrics, "[-o FILE]", "numbers for Prometheus: per node, and counts of the hooks" },
	{ "simulate", verb_simulate, "", "place containers from JSON lines on stdin onto an idle machine" },
	{ "virt", verb_virt, "NAME [KEY=VALUE...]", "choose CPUs and nodes for a domain of libvirt, and define it" },
	{ "incus", verb_incus, "place NAME", "choose nodes for a stopped instance, such as a virtual machine" },
};

static void print_help(FILE *f)
{
	fputs("Usage: numaplace [OPTION...] VERB [ARGUMENT...]\n\n"
	      "Chooses NUMA nodes for containers. Verbs:\n", f);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(f, "  %-10s%-25s%s\n", verbs[i].name, verbs[i].arguments, verbs[i].summary);
	fputs("\nOptions, before or after the verb:\n"
	      "  --sysroot DIR  a recorded machine: the folder that holds its sys/ and proc/\n"
	      "  --state DIR    the ledger's folder (" PLACE_STATE ")\n"
	      "  --conf FILE    the configuration (" PLACE_CONF ")\n"
	      "  --json         one JSON object on stdout\n"
	      "  --help, --version; `numaplace help VERB` for one verb\n\n"
	      "Keys of `plan`, as in a container's annotations or config:\n ", f);
	for (unsigned int k = 0; numaplace_key(k); k++)
		fprintf(f, " %s%s", numaplace_key(k), k % 4 == 3 && numaplace_key(k + 1) ? "\n " : "");
	fputs("\n\nExit status: 0 done; 1 cannot be placed, or the system failed; 2 bad input or usage.\n", f);
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(name, verbs[i].name))
			return &verbs[i];
	return NULL;
}

struct command {
	int argc;
	char **argv; /* the verb and its own arguments */
	bool help, version;
};

/* Removes the global options from @argv; options that are not global are left to the verb. */
static int take_options(struct cli *cli, struct command *cmd, int argc, char **argv, struct error *err)
{
	const struct option_rule rules[] = {
		{ .name = "sysroot", .value = &cli->sysroot },
		{ .name = "state", .value = &cli->state },
		{ .name = "conf", .value = &cli->conf },
		{ .name = "json", .flag = &cli->json },
		{ .name = "help", .letter = 'h', .flag = &cmd->help },
		{ .name = "version", .flag = &cmd->version },
	};
	const struct option_table table = { .unknown = OPTIONS_KEEP, .rule = rules, .n = ARRAY_SIZE(rules) };
	int words;

	*cmd = (struct command){ .argv = argv };
	words = options_parse(&table, argc, argv, err);
	cmd->argc = words;
	return words < 0 ? words : 0;
}

static int give_help(const struct command *cmd, struct error *err)
{
	if (!cmd->argc)
		print_help(stdout);
	else if (!help_print(stdout, cmd->argv[0]))
		return error_set(err, -EINVAL, "unknown verb: %s: see numaplace --help", quote(cmd->argv[0]).text);
	return 0;
}

static int run(struct cli *cli, int argc, char **argv, struct error *err)
{
	cleanup_close int root = -1;
	const struct verb *verb;
	struct command cmd;
	int ret = take_options(cli, &cmd, argc, argv, err);

	if (ret < 0)
		return ret;
	if (cmd.argc && !strcmp(cmd.argv[0], "help")) {
		cmd.help = true;
		cmd.argv++;
		cmd.argc--;
	}
	if (cmd.help)
		return give_help(&cmd, err);
	if (cmd.version) {
		puts("numaplace " NUMAPLACE_VERSION);
		return 0;
	}
	if (!cmd.argc)
		return error_set(err, -EINVAL, "no verb given: see numaplace --help");
	verb = find_verb(cmd.argv[0]);
	if (!verb)
		return error_set(err, -EINVAL, "unknown %s: %s: see numaplace --help",
				 *cmd.argv[0] == '-' ? "option" : "verb", quote(cmd.argv[0]).text);
	root = open(cli->sysroot ? cli->sysroot : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_set(err, -EINVAL, "--sysroot %s: %s", quote(cli->sysroot ? cli->sysroot : "/").text,
				 strerror(errno));
	if (cli->sysroot && faccessat(root, "sys", F_OK, 0) < 0)
		return error_set(err, -EINVAL, "--sysroot %s: it has no sys/: a folder that holds sys/ and proc/ is expected",
				 quote(cli->sysroot).text);
	cli->root = root;
	ret = cli_check_state(cli, err);
	if (ret < 0)
		return ret;
	return verb->run(cli, cmd.argc - 1, cmd.argv + 1, err);
}

int main(int argc, char **argv)
{
	struct cli cli = { .root = -1 };
	struct error err = { 0 };
	int status;

	/* --json applies to errors in the options, too */
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!strcmp(argv[i], "--json"))
			cli.json = true;
	status = error_exit_status(run(&cli, argc - 1, argv + 1, &err));
	if (status && cli.json) {
		struct json_writer o = JSON_TO(stdout);

		json_begin_object(&o, NULL);
		json_put_string(&o, "error", err.text);
		json_end(&o);
	} else if (status) {
		fprintf(stderr, "numaplace: %s\n", err.text);
	}
	if (status && cli.status)
		status = cli.status;
	if (!status && cli.failed)
		status = 1;
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "numaplace: stdout: %s\n", strerror(errno));
		return 1;
	}
	return status;
}
