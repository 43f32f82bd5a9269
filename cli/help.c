/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace help VERB` and `numaplace VERB --help`: what a verb does, its options, an example. The man pages
 * numaplace-VERB(1) have the details.
 */
#include "cli/help.h"

#include "plugin/base/util.h"

#include <string.h>

static const struct {
	const char *verb, *text;
} help[] = {
	{ "topology",
	  "Usage: numaplace [OPTION...] topology\n"
	  "       [--nfd | --nrt [--node-name NAME]]\n"
	  "\n"
	  "Shows each node's CPUs, memory, free memory, the load that placed containers\n"
	  "put on its CPUs, free hugepages, and the distances between nodes.\n"
	  "\n"
	  "Free memory is the memory available to a new process: free pages, and page\n"
	  "cache and slab that the kernel can reclaim.\n"
	  "\n"
	  "  --nfd\n"
	  "        Print labels for Kubernetes' node-feature-discovery instead, one\n"
	  "        KEY=VALUE per line. A file with them in\n"
	  "        /etc/kubernetes/node-feature-discovery/features.d/ sets them as labels\n"
	  "        of the node.\n"
	  "  --nrt\n"
	  "        Print a NodeResourceTopology object for Kubernetes instead, in JSON: a\n"
	  "        zone for each node, with what placed containers leave available.\n"
	  "  --node-name NAME\n"
	  "        The name of the object, instead of NODE_NAME in the environment or the\n"
	  "        name of the host.\n"
	  "\n"
	  "Example: numaplace --sysroot machine topology\n" },
	{ "plan",
	  "Usage: numaplace [OPTION...] plan KEY=VALUE...\n"
	  "\n"
	  "Chooses nodes, CPUs and memory nodes for a container with these keys, as a\n"
	  "hook would do at this moment, and prints the reasons. Nothing is written.\n"
	  "numaplace(1) describes the keys.\n"
	  "\n"
	  "Example: numaplace plan limits.cpu=4 limits.memory=8GiB\n" },
	{ "simulate",
	  "Usage: numaplace [OPTION...] simulate\n"
	  "\n"
	  "Reads JSON lines from standard input and places containers as if nothing ran\n"
	  "on this machine: the ledger is empty, and all hugepages and the memory outside of\n"
	  "hugepage pools are free. Prints one line for each start, in order; ns is the\n"
	  "time of the decision in nanoseconds.\n"
	  "numaplace(1) describes the format of the lines.\n"
	  "\n"
	  "Example: seq 10 | jq -c '{op:\"start\",id:tostring,config:{\"limits.cpu\":\"2\"}}' | numaplace simulate\n" },
	{ "status",
	  "Usage: numaplace [OPTION...] status [--watch[=SECONDS]]\n"
	  "\n"
	  "Shows for each node a bar of the load and a bar of the memory in use, and its\n"
	  "free hugepages, and lists the live containers with their nodes, CPUs and\n"
	  "memory nodes.\n"
	  "\n"
	  "On a terminal the bars are coloured: green, yellow from three quarters, red\n"
	  "when full. NO_COLOR disables colours.\n"
	  "\n"
	  "  --watch[=SECONDS]\n"
	  "        Repeat every 2 seconds, or every SECONDS seconds, until interrupted.\n"
	  "\n"
	  "Example: numaplace --json status | jq -r '.containers[] | .id + \" \" + .cpus'\n" },
	{ "explain",
	  "Usage: numaplace [OPTION...] explain ID\n"
	  "\n"
	  "Shows the decision that is recorded in the ledger: the request, from keys and\n"
	  "from the limits and pins of the runtime; the placement; the reasons, with the\n"
	  "runner-up; the memory policy and how it was applied. The decision is not made\n"
	  "again. The first four or more characters of an id are enough if no other id\n"
	  "begins with them. If several containers have the same id, give the cgroup of\n"
	  "the container (/machine.slice/...), which the error message lists.\n"
	  "\n"
	  "Example: numaplace explain $(podman inspect -f '{{.Id}}' web1)\n" },
	{ "map",
	  "Usage: numaplace [OPTION...] map [-o FILE.svg]\n"
	  "\n"
	  "Prints each node with a letter for every CPU: a dot for an idle CPU, a plus\n"
	  "for a CPU that several containers share.\n"
	  "\n"
	  "With -o the output is an SVG file: packages, nodes, last-level caches, cores\n"
	  "and their threads coloured by container, memory bars, the distances, and a\n"
	  "legend of the containers. The coloured upper half of a memory bar is the\n"
	  "memory that placed containers requested, the grey part is all memory in use.\n"
	  "\n"
	  "  -o FILE\n"
	  "        Write the picture to FILE; - is standard output.\n"
	  "\n"
	  "Example: numaplace map -o machine.svg\n" },
	{ "metrics",
	  "Usage: numaplace [OPTION...] metrics [-o FILE]\n"
	  "\n"
	  "Prints in the text format of Prometheus, for each node: CPUs, load, memory\n"
	  "(total, free, requested, requested but not yet touched), hugepages,\n"
	  "containers, and anonymous memory of placed containers that should be on other\n"
	  "nodes. It also prints the counters of the hooks since boot: decisions by\n"
	  "result, releases, and a histogram of the time that placements took.\n"
	  "\n"
	  "The unit numaplace-metrics.timer, if enabled, writes them into the textfile\n"
	  "folder of node-exporter every minute.\n"
	  "\n"
	  "  -o FILE\n"
	  "        Write to a temporary file, readable for all users, and rename it to\n"
	  "        FILE.\n"
	  "\n"
	  "Example: numaplace metrics -o /var/lib/prometheus/node-exporter/numaplace.prom\n" },
	{ "rebalance",
	  "Usage: numaplace [OPTION...] rebalance [--dry-run] [--by-use]\n"
	  "                 [--max-move BYTES]\n"
	  "\n"
	  "Searches for a sequence of single moves. The best sequence ends with the lowest\n"
	  "load of the most loaded node, then with containers on the fewest and nearest\n"
	  "nodes, and then moves the least memory. Each move must improve the result.\n"
	  "Pages that are not on the memory nodes of their container return to them.\n"
	  "Of these moves, the command makes those that gain more than they cost: the\n"
	  "predicted speed of all containers, for as long as they have run up to now,\n"
	  "against the CPU time of copying.\n"
	  "\n"
	  "The command prints the moves with their gains and costs, and then makes one\n"
	  "move at a time, memory first, and verifies each as numaplace-move(1) does. It\n"
	  "can be interrupted: it completes the current move and begins no other (exit\n"
	  "status 1). The completed moves are improvements. The first move that fails ends\n"
	  "the command; that container is moved back. A machine whose processes wait for\n"
	  "CPUs or memory for longer than before the first move also ends it.\n"
	  "\n"
	  "These containers are not moved: those with listed CPUs, with exclusive cores,\n"
	  "near a device, with hugepages or a memory policy other than strict, and those\n"
	  "whose runtime chooses their CPUs.\n"
	  "\n"
	  "The unit numaplace-rebalance.timer, if enabled, does this every night.\n"
	  "\n"
	  "  --dry-run\n"
	  "        Print the moves; move nothing.\n"
	  "  --by-use\n"
	  "        Judge gains by the CPU time that containers use, not by what they have\n"
	  "        requested.\n"
	  "  --max-move BYTES\n"
	  "        The most memory that all moves together may move (4GiB, 512MB).\n"
	  "\n"
	  "Example: numaplace rebalance --dry-run --max-move 4GiB\n" },
	{ "doctor",
	  "Usage: numaplace [OPTION...] doctor\n"
	  "\n"
	  "Checks the cgroups of the kernel, the configuration, the ledger, the installed\n"
	  "runtimes, whether each runtime finds the hook, and known problems: a default\n"
	  "of numaplace.conf for containers for which podman calls no hook, runc before\n"
	  "1.1.6 under systemd, numad, automatic NUMA balancing, systemd scopes on new\n"
	  "kernels, a kubelet with a static CPU manager. Each check prints one line: fine,\n"
	  "note (for information), or do (with the action). The exit status is 1 if an\n"
	  "action is needed.\n"
	  "\n"
	  "Example: numaplace --json doctor | jq -r '.checks[] | select(.verdict == \"do\") | .text'\n" },
	{ "verify",
	  "Usage: numaplace [OPTION...] verify [--watch[=SECONDS]] [--nodes LIST] [ID|PID...]\n"
	  "\n"
	  "Shows for each node the memory of containers or processes, and the nodes on\n"
	  "which it should be. Without an argument it shows all placed containers.\n"
	  "Private memory, shared memory without a file and hugepages count; pages of\n"
	  "files are shown separately. The exit status is 1 if any page is on another\n"
	  "node, unless the policy is preferred.\n"
	  "\n"
	  "  --nodes LIST\n"
	  "        The expected nodes, instead of those in the ledger.\n"
	  "  --watch[=SECONDS]\n"
	  "        Repeat every 2 seconds, or every SECONDS seconds.\n"
	  "\n"
	  "Example: numaplace verify\n" },
	{ "move",
	  "Usage: numaplace [OPTION...] move [--dry-run] [--timeout SECONDS] ID NODES\n"
	  "\n"
	  "Chooses a new placement for the container within NODES, and moves the running\n"
	  "container: first its memory, in steps, then its CPUs. Then it verifies the\n"
	  "nodes of the pages. For an instance in the mode follow, the memory goes to all\n"
	  "of NODES, and Incus keeps the choice of its CPUs. If pages remain on the old\n"
	  "nodes, or the time limit expires, the container is moved back and the exit\n"
	  "status is 1. The first four or more characters of an id are enough if no other\n"
	  "id begins with them. If several containers have the same id, give the cgroup of\n"
	  "the container (/machine.slice/...), which the error message lists.\n"
	  "\n"
	  "  --dry-run\n"
	  "        Choose and print the placement; write nothing.\n"
	  "  --timeout SECONDS\n"
	  "        The time limit. The default is 300; 0 means no limit.\n"
	  "\n"
	  "Example: numaplace move web1 2-3\n" },
	{ "resize",
	  "Usage: numaplace [OPTION...] resize [--dry-run] [--timeout SECONDS] ID KEY=VALUE...\n"
	  "\n"
	  "Replaces keys in the request of a running container, and changes its placement.\n"
	  "The container stays on its nodes if they have room, and otherwise gets the\n"
	  "nearest ones; then its memory moves as with `numaplace move`. If the request\n"
	  "cannot be fulfilled, or the container uses more memory than is requested,\n"
	  "nothing changes and the exit status is 1. Limits that the runtime sets\n"
	  "(cpu.max, memory.max) are not changed.\n"
	  "\n"
	  "  --dry-run\n"
	  "        Choose and print the placement; write nothing.\n"
	  "  --timeout SECONDS\n"
	  "        The time limit. The default is 300; 0 means no limit.\n"
	  "\n"
	  "Example: numaplace resize web1 limits.cpu=6 limits.memory=8GiB\n" },
	{ "run",
	  "Usage: numaplace [OPTION...] run [--name NAME] KEY=VALUE... -- COMMAND [ARG...]\n"
	  "\n"
	  "Places this process as a container with these keys would be placed, and then\n"
	  "executes the command in its place, so that its exit status, signals, terminal and\n"
	  "pipes are the command's own. The command gets a scope of systemd or, without\n"
	  "systemd, a cgroup of its own, and the place in NUMAPLACE_CPUS, NUMAPLACE_NODES and\n"
	  "NUMAPLACE_MEMORY_NODES. If it does not fit, it is not executed.\n"
	  "\n"
	  "  --name NAME\n"
	  "        The id in the ledger. A command of the same name returns to the same nodes.\n"
	  "\n"
	  "Exit status: of the command; 1: it cannot be placed; 2: bad input; 126: it cannot be\n"
	  "executed; 127: it is not found.\n"
	  "\n"
	  "Example: numaplace run limits.cpu=8 limits.memory=16GiB -- make -j8\n" },
	{ "follow",
	  "Usage: numaplace [OPTION...] follow [--watch]\n"
	  "\n"
	  "Compares the cpuset of each placed container with its record. If another program\n"
	  "has written it, as `podman update --cpuset-cpus` does, the record gets these\n"
	  "CPUs, and the memory moves to their nodes. If a runtime has written all CPUs or\n"
	  "the pins of its configuration again, the container is placed again.\n"
	  "\n"
	  "  --watch\n"
	  "        Wait for such writes until SIGTERM, as the service numaplace-follow does.\n"
	  "\n"
	  "Example: numaplace follow\n" },
	{ "incus",
	  "Usage: numaplace [OPTION...] incus place [--dry-run] [--project NAME] [--socket PATH] INSTANCE\n"
	  "\n"
	  "This verb is for virtual machines: their memory is bound when QEMU starts, and\n"
	  "no hook runs for them. It chooses nodes for the instance and sets them as its\n"
	  "limits.cpu.nodes. The previous value is kept in\n"
	  "user.numaplace.limits.cpu.nodes, so that the next call chooses again.\n"
	  "Containers do not need this verb, because the hook places them.\n"
	  "\n"
	  "  --dry-run\n"
	  "        Choose and print the nodes; set nothing.\n"
	  "  --project NAME\n"
	  "        The project of the instance; the default is default.\n"
	  "  --socket PATH\n"
	  "        The socket of the daemon, instead of the default ones.\n"
	  "\n"
	  "Example: numaplace incus place vm1 && incus start vm1\n" },
};

bool help_print(FILE *f, const char *verb)
{
	for (size_t i = 0; i < ARRAY_SIZE(help); i++) {
		if (strcmp(help[i].verb, verb) != 0)
			continue;
		fputs(help[i].text, f);
		return true;
	}
	return false;
}
