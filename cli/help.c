/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace help VERB` and `numaplace VERB --help`: what a verb does, its options, an example. The man pages
 * numaplace-VERB(1) have the details.
 */
#include "cli/help.h"

#include "plugin/util.h"

#include <string.h>

static const struct {
	const char *verb, *text;
} help[] = {
	{ "topology",
	  "Usage: numaplace [OPTION...] topology [--nfd]\n"
	  "\n"
	  "Shows each node's CPUs, memory, free memory, the load that placed containers\n"
	  "put on its CPUs, free hugepages, and the distances between nodes.\n"
	  "\n"
	  "Free memory is what a new process could have: free pages, and page cache and\n"
	  "slab that the kernel would give up.\n"
	  "\n"
	  "  --nfd\n"
	  "        Print labels for Kubernetes' node-feature-discovery instead, one\n"
	  "        KEY=VALUE a line: a file of them in\n"
	  "        /etc/kubernetes/node-feature-discovery/features.d/ makes them labels\n"
	  "        of the node.\n"
	  "\n"
	  "Example: numaplace --sysroot machine topology\n" },
	{ "plan",
	  "Usage: numaplace [OPTION...] plan KEY=VALUE...\n"
	  "\n"
	  "Chooses nodes, CPUs and memory nodes for a container with these keys, as a\n"
	  "hook would at this moment, and says why. Nothing is written. The keys are\n"
	  "described in numaplace(1).\n"
	  "\n"
	  "Example: numaplace plan limits.cpu=4 limits.memory=8GiB\n" },
	{ "simulate",
	  "Usage: numaplace [OPTION...] simulate\n"
	  "\n"
	  "Reads JSON lines from standard input and places containers as if nothing ran\n"
	  "here: all memory and hugepages free, the ledger empty. Each start is answered\n"
	  "by one line, in order; ns is how long the decision took. numaplace(1) has the\n"
	  "form of the lines.\n"
	  "\n"
	  "Example: seq 10 | jq -c '{op:\"start\",id:tostring,config:{\"limits.cpu\":\"2\"}}' | numaplace simulate\n" },
	{ "status",
	  "Usage: numaplace [OPTION...] status [--watch[=SECONDS]]\n"
	  "\n"
	  "Shows a bar of load and of taken memory for each node, its free hugepages, and\n"
	  "the live containers with the nodes, CPUs and memory nodes that they were\n"
	  "given.\n"
	  "\n"
	  "On a terminal bars are coloured: green, yellow from three quarters, red when\n"
	  "full. NO_COLOR turns that off.\n"
	  "\n"
	  "  --watch[=SECONDS]\n"
	  "        Look again every 2, or so many, seconds until interrupted.\n"
	  "\n"
	  "Example: numaplace --json status | jq -r '.containers[] | .id + \" \" + .cpus'\n" },
	{ "explain",
	  "Usage: numaplace [OPTION...] explain ID\n"
	  "\n"
	  "Shows the decision as it was made and noted in the ledger: what was asked, by\n"
	  "keys and by the runtime's own limits and pins; what was chosen; the reasons,\n"
	  "with the runner-up; the memory policy and how it was applied. Nothing is\n"
	  "decided again. The first four or more characters of an id will do if no other\n"
	  "begins so.\n"
	  "\n"
	  "Example: numaplace explain $(podman inspect -f '{{.Id}}' web1)\n" },
	{ "map",
	  "Usage: numaplace [OPTION...] map [-o FILE.svg]\n"
	  "\n"
	  "Prints each node with a letter for every CPU: a dot is idle, a plus shared by\n"
	  "several containers.\n"
	  "\n"
	  "With -o the picture is an SVG file: packages, nodes, last-level caches, cores\n"
	  "and their threads coloured by container, memory bars, the distances, and each\n"
	  "container once in a legend. The coloured upper half of a memory bar is what\n"
	  "placed containers asked for, the grey is all that is taken.\n"
	  "\n"
	  "  -o FILE\n"
	  "        Write the picture there; - is standard output.\n"
	  "\n"
	  "Example: numaplace map -o machine.svg\n" },
	{ "metrics",
	  "Usage: numaplace [OPTION...] metrics [-o FILE]\n"
	  "\n"
	  "Prints, in Prometheus's text format, per node: CPUs, load, memory (all, free,\n"
	  "asked for, still to be touched), hugepages, containers, and anonymous memory\n"
	  "of placed containers that belongs elsewhere; and, counted by the hooks since\n"
	  "boot: decisions by result, releases, and how long placements took, as a\n"
	  "histogram.\n"
	  "\n"
	  "The unit numaplace-metrics.timer writes them into node-exporter's textfile\n"
	  "folder every minute, once it is enabled.\n"
	  "\n"
	  "  -o FILE\n"
	  "        Write them there, aside first and then under that name, readable for\n"
	  "        all.\n"
	  "\n"
	  "Example: numaplace metrics -o /var/lib/prometheus/node-exporter/numaplace.prom\n" },
	{ "rebalance",
	  "Usage: numaplace [OPTION...] rebalance [--dry-run] [--max-move BYTES]\n"
	  "\n"
	  "Looks for the sequence of single moves that ends with the lowest load of the\n"
	  "most loaded node, then with containers on the fewest and nearest nodes, and\n"
	  "that moves the least memory of those. A move that does not gain is never made.\n"
	  "The moves are shown with what each costs, and then made one at a time, memory\n"
	  "first, each verified as numaplace-move(1) does it. It may be interrupted: the\n"
	  "move that is under way is finished, no other is begun (exit status 1), and\n"
	  "what has been moved was a gain already. So two containers that would have to\n"
	  "change places stay where they are if neither of the two moves gains alone. The\n"
	  "first move that fails ends it, with that container back where it was.\n"
	  "\n"
	  "These stay where they are: containers whose CPUs were named, that hold cores\n"
	  "for themselves, are near a device, have hugepages or a memory policy other\n"
	  "than strict, and those whose runtime chooses their CPUs.\n"
	  "\n"
	  "The unit numaplace-rebalance.timer does this every night, once it is enabled.\n"
	  "\n"
	  "  --dry-run\n"
	  "        Show the moves; nothing is written.\n"
	  "  --max-move BYTES\n"
	  "        Moves that cost more than this together are not made (4GiB, 512MB).\n"
	  "\n"
	  "Example: numaplace rebalance --dry-run --max-move 4GiB\n" },
	{ "doctor",
	  "Usage: numaplace [OPTION...] doctor\n"
	  "\n"
	  "Checks the kernel's cgroups, the configuration, the ledger, which runtimes are\n"
	  "there and whether the hook is where each looks for it, and the known traps: a\n"
	  "default of numaplace.conf for containers that podman runs no hook for, runc\n"
	  "before 1.1.6 under systemd, numad, automatic NUMA balancing, systemd scopes on\n"
	  "new kernels, a kubelet with a static CPU manager. Each check is a line: fine,\n"
	  "note (good to know), or do (with what to do). The exit status is 1 if there is\n"
	  "anything to do.\n"
	  "\n"
	  "Example: numaplace --json doctor | jq -r '.checks[] | select(.verdict == \"do\") | .text'\n" },
	{ "verify",
	  "Usage: numaplace [OPTION...] verify [--watch[=SECONDS]] [--nodes LIST] [ID|PID...]\n"
	  "\n"
	  "Shows, node by node, the memory of containers or processes beside where it\n"
	  "should be; of all placed containers if none is named. Private memory, shared\n"
	  "memory without a file and hugepages count; pages of files are shown apart. The\n"
	  "exit status is 1 if any page lies elsewhere, unless the policy is preferred.\n"
	  "\n"
	  "  --nodes LIST\n"
	  "        Where it should be, instead of what the ledger says.\n"
	  "  --watch[=SECONDS]\n"
	  "        Look again every 2, or so many, seconds.\n"
	  "\n"
	  "Example: numaplace verify\n" },
	{ "move",
	  "Usage: numaplace [OPTION...] move [--dry-run] [--timeout SECONDS] ID NODES\n"
	  "\n"
	  "Chooses again for the container within NODES and brings it there while it\n"
	  "runs: memory first, in steps, then its CPUs, and looks where its pages are. An\n"
	  "instance that follows Incus has its memory on all of NODES, and its CPUs stay\n"
	  "Incus's. If pages stay behind, or time is up, it is put back to where it was\n"
	  "and the exit status is 1. The first four or more characters of an id will do if\n"
	  "no other begins so.\n"
	  "\n"
	  "  --dry-run\n"
	  "        Choose, and show; nothing is written.\n"
	  "  --timeout SECONDS\n"
	  "        How long it may take (300; 0: no limit).\n"
	  "\n"
	  "Example: numaplace move web1 2-3\n" },
	{ "incus",
	  "Usage: numaplace [OPTION...] incus place [--dry-run] [--project NAME] [--socket PATH] INSTANCE\n"
	  "\n"
	  "For virtual machines, whose memory is bound when QEMU starts and for which no\n"
	  "hook is run: chooses nodes for the instance and sets them as its\n"
	  "limits.cpu.nodes. What it asked for is kept in\n"
	  "user.numaplace.limits.cpu.nodes, so that the next time chooses anew.\n"
	  "Containers need none of this: their hook places them.\n"
	  "\n"
	  "  --dry-run\n"
	  "        Choose, and show; nothing is set.\n"
	  "  --project NAME\n"
	  "        The instance's project (default).\n"
	  "  --socket PATH\n"
	  "        The daemon's socket, instead of the usual ones.\n"
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
