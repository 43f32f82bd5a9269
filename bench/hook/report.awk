# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Reads the measurements of run and prints tables; with -v check=1 the exit status is 1 if a value exceeds its bound.
#	CELL time NAME MEDIAN P99 LEAST MEMORY | CELL calls NAME N | CELL instructions NAME N
#	CELL part NAME MICROSECONDS CALLS FAULTS | rate NAME PER-SECOND | libcgroup MOUNTS INIT FAULTS WRITE
# CELL: NODES:CPUS:PLACED

$1 == "libcgroup" { init[$2] = $3; init_faults[$2] = $4; through[$2] = $5; next }
$1 == "rate" { rate[$2, ++rates[$2]] = $3; next }
!($1 in seen) { seen[$1] = 1; cell[++cells] = $1 }
$2 == "time" { median[$1, $3] = $4; p99[$1, $3] = $5; memory[$1, $3] = $7 }
$2 == "calls" { calls[$1, $3] = $4 }
$2 == "instructions" { instructions[$1, $3] = $4 }
$2 == "part" { part[$1, $3] = $4; part_calls[$1, $3] = $5; part_faults[$1, $3] = $6; parts[$3] = 1 }

function nodes_of(c, a) { split(c, a, ":"); return a[1] }
function cpus_of(c, a) { split(c, a, ":"); return a[1] * a[2] }
function placed_of(c, a) { split(c, a, ":"); return a[3] }
function over(c, a, b) { return median[c, b] ? median[c, a] / median[c, b] : 0 }

# The median of the rounds.
function rate_of(name, n, i, j, v, t) {
	n = rates[name]
	for (i = 1; i <= n; i++)
		v[i] = rate[name, i]
	for (i = 1; i <= n; i++)
		for (j = i + 1; j <= n; j++)
			if (v[j] < v[i]) { t = v[i]; v[i] = v[j]; v[j] = t }
	return v[int((n + 1) / 2)]
}

function bound(what, value, most) {
	printf "%s  %-72s %8.2f  (at most %s)\n", value <= most ? "kept  " : "MISSED", what, value, most
	missed += value > most
}

# Compares two machines in units of no-ops measured at the same time, because the speed of the processor varies.
function times(to, from) {
	return over(from, "oci-hook", "noop-static") ? over(to, "oci-hook", "noop-static") / over(from, "oci-hook", "noop-static") : 0
}

function growth(what, from, to, factor) {
	if ((from, "oci-hook") in median && (to, "oci-hook") in median)
		printf "%-40s %6.2f times, for %g times as many: exponent %.2f\n", what, times(to, from), factor,
			log(times(to, from)) / log(factor)
}

function parts_table(c, order, n, i, p, name) {
	if (!(c in seen))
		return
	printf "\n%d nodes, %d CPUs, %d placed: where it goes\n", nodes_of(c), cpus_of(c), placed_of(c)
	printf "%-12s %12s %12s %12s\n", "part", "microseconds", "system calls", "page faults"
	n = split("start confine conf input topology cgroup ledger decide record write read-back mark counters rest", name, " ")
	for (i = 1; i <= n; i++) {
		p = name[i]
		printf "%-12s %12s %12s %12s\n", p, part[c, p], part_calls[c, p], part_faults[c, p]
	}
}

END {
	small = "4:4:0"
	print "microseconds from fork to end, medians; the hook places and is taken back each time"
	printf "%6s %6s %7s |%7s %7s %7s %7s %7s |%8s %8s %8s %8s |%8s %8s |%6s %6s %9s %6s\n", "nodes", "CPUs", "placed", "static",
		"true", "libc", "dynamic", "cgroup", "keyless", "hook", "p99", "first", "/dynamic", "/static", "calls", "of it", "instr", "KiB"
	for (i = 1; i <= cells; i++) {
		c = cell[i]
		printf "%6d %6d %7d |%7.0f %7.0f %7.0f %7.0f %7.0f |%8.0f %8.0f %8.0f %8.0f |%8.2f %8.2f |%6d %6d %9d %6d\n", nodes_of(c),
			cpus_of(c), placed_of(c), median[c, "noop-static"], median[c, "true"], median[c, "noop-plain"],
			median[c, "noop-dynamic"], median[c, "noop-libcgroup"], median[c, "keyless"], median[c, "oci-hook"],
			p99[c, "oci-hook"], median[c, "cold"], over(c, "oci-hook", "noop-dynamic"), over(c, "oci-hook", "noop-static"),
			calls[c, "hook"], calls[c, "dynamic"], instructions[c, "hook"], memory[c, "oci-hook"]
	}
	print "static, libc, dynamic, cgroup: a hook that does nothing, linked statically, with libc, with the libraries of the hook"
	print "(libyajl, libc), with libcgroup as well; of it: the system calls of the dynamic one"
	print "first: that of the first start after a boot, which reads the whole machine and keeps it"
	printf "the same hook linked dynamically: %.2f times the static one; it makes no difference to what it does\n",
		over(small, "oci-hook-dynamic", "oci-hook")
	parts_table(small)
	parts_table("64:4:1000")
	parts_table("1024:8:10000")
	print "\ngrowth of the whole, in static no-ops of the same minute"
	growth("nodes, 4 to 64, none placed", small, "64:4:0", 16)
	growth("nodes, 64 to 1,024, none placed", "64:4:0", "1024:8:0", 16)
	growth("placed, 100 to 1,000, 64 nodes", "64:4:100", "64:4:1000", 10)
	growth("placed, 1,000 to 10,000, 64 nodes", "64:4:1000", "64:4:10000", 10)
	growth("placed, 100 to 10,000, 1,024 nodes", "1024:8:100", "1024:8:10000", 100)
	printf "\nlibcgroup, which the hook does not use: cgroup_init() %d us and %d page faults, the write %d us; with 1,000 mounts " \
		"more %d and %d us\n", init[0], init_faults[0], through[0], init[1000], through[1000]
	printf "\n16 at a time: %.0f that do nothing a second, %.0f hooks, all placing\n\n", rate_of("noop"), rate_of("hook")

	split(load, average, " ")
	if (average[1] + 0 > processors || average[2] + 0 > processors)
		printf "this machine was busy (load %s, then %s, on %d processors): times, above all the longer ones, are too long\n",
			average[1], average[2], processors
	bound("4 nodes, 16 CPUs, none placed: times the dynamic no-op", over(small, "oci-hook", "noop-dynamic"), 1.5)
	bound("4 nodes, 16 CPUs, none placed: times the static no-op", over(small, "oci-hook", "noop-static"), 3)
	bound("4 nodes, 16 CPUs, none placed: system calls", calls[small, "hook"], 149)
	bound("a container without keys: times the dynamic no-op", over(small, "keyless", "noop-dynamic"), 1.1)
	big = "64:4:1000"
	bound("64 nodes, 256 CPUs, 1,000 placed: times the small one", times(big, small), 2)
	huge = "1024:8:10000"
	bound("1,024 nodes, 8,192 CPUs, 10,000 placed: times the small one",
		times(huge, small), 10)
	bound("the same: MiB of memory", memory[huge, "oci-hook"] / 1024, 32)
	bound("16 at a time: no-ops for each hook", rate_of("hook") ? rate_of("noop") / rate_of("hook") : 1000, 3)
	exit check && missed > 0
}
