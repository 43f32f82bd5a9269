# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Reads the lines of ways.sh and prints the table of bench/locality/run. Exit status 1 as described there, or if there are
# not as many lines as -v expected=N says.

BEGIN {
	name["nothing"] = "nothing"
	name["cpus"] = "CPUs alone"
	name["hand"] = "pins by hand"
	name["kubelet"] = "kubelet"
	ours["runc"] = ours["crun"] = ours["lxc"] = 1
	for (w in ours)
		name[w] = "numaplace, " w
}

{
	rows++
	scenario[rows] = $1
	way[rows] = $2
	if ($3 == "fails:") {
		why[rows] = $0
		sub(/^[^:]*: /, "", why[rows])
	} else {
		shares[rows] = sprintf("%6.1f %6.1f %6.1f %8.3f %8.1f", $3, $4, $5, $6, $7)
		latency[rows] = $6
		if ($2 == "hand")
			hand[$1] = $6
	}
}

END {
	printf "%-16s %-16s %6s %6s %6s %8s %8s %8s\n", "scenario", "way", "local", "near", "far", "latency", "busiest", "of hand"
	for (i = 1; i <= rows; i++) {
		s = scenario[i]
		printf "%-16s %-16s ", i > 1 && scenario[i - 1] == s ? "" : s, name[way[i]]
		if (i in why) {
			print "fails: " why[i]
			if (way[i] == "hand" || way[i] in ours)
				failed[++nfailed] = s ": " name[way[i]] " fails"
			continue
		}
		if (!(s in hand)) {
			print shares[i]
			continue
		}
		ratio = latency[i] / hand[s]
		printf "%s %8.3f\n", shares[i], ratio
		if (way[i] in ours && ratio > 1.02)
			failed[++nfailed] = sprintf("%s: %s has %.1f %% more latency than pins by hand", s, name[way[i]], 100 * ratio - 100)
	}
	for (i = 1; i <= nfailed; i++)
		print failed[i]
	if (rows != expected)
		printf "%d results, and not %d\n", rows, expected
	exit nfailed > 0 || rows != expected
}
