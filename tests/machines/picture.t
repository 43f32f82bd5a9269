#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# `numaplace map -o` on machines of 2 to 1,024 nodes with containers that numaplace places: the picture is XML, has every
# node and every container once, no element overlaps another or the border, and docs/map.svg is up to date.
# NUMAPLACE_PICTURES=DIR keeps the pictures in DIR.

# Thousands of small files: in memory, if /dev/shm exists.
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm
# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"
here=$(cd "$(dirname "$0")" && pwd)
numaplace=${NUMAPLACE_BUILD:-$here/../../build}/numaplace
# shellcheck source=tests/machines/ledger.bash
. "$here/ledger.bash"

# shellcheck disable=SC2317 # ok calls it
diagnose() { head -n 20 "$tmp/said"; }

# place NAME: places the containers on stdin (lines ID CPUS MEMORY-IN-GIB RUNTIME) one after the other.
place() {
	local id count gib runtime nodes cpus mems node words k n
	cat > "$tmp/asked"
	jq -Rc 'split(" ") | {op: "start", id: .[0], config: {"limits.cpu": .[1], "limits.memory": "\(.[2])GiB"}}' \
		"$tmp/asked" | "$numaplace" --sysroot "$tmp/$1" simulate 2> "$tmp/said" |
		jq -r '[.nodes // "-", .cpus // "-", .mems // "-"] | @tsv' > "$tmp/chosen"
	while read -r id count gib runtime nodes cpus mems; do
		[ "$cpus" != - ] || continue
		n=${nodes//[^,]/} k=$((${#n} + 1)) words=()
		for node in ${nodes//,/ }; do words+=("mem.$node=$((gib * 1073741824 / k))"); done
		record "$tmp/$1/state" "$id" "$count" "$cpus" "$nodes" "$mems" "runtime=$runtime" \
			"ask.limits.cpu=$count" "${words[@]}"
	done < <(paste -d' ' "$tmp/asked" <(tr '\t' ' ' < "$tmp/chosen"))
}

machine() { "$here/make-machine" -v root="$tmp/$1" /dev/stdin; }
many() { # N: so many containers of some sizes
	awk -v n="$1" 'BEGIN { for (i = 1; i <= n; i++)
		print "job-" i (i % 10 ? "" : "-of-a-Rather-Long-NAME-THAT-WILL-NOT-FIT"), i % 9 ? i % 7 + 1 : 24, i % 5 + 1,
			i % 2 ? "runc" : "crun" }'
}

# Prints overlapping elements, one per line. The width of a text is estimated from its length; each element is a line.
overlaps() {
	awk '
	function attr(name,    at) {
		at = index($0, " " name "=\047")
		if (!at) return ""
		at = substr($0, at + length(name) + 3)
		return substr(at, 1, index(at, "\047") - 1)
	}
	function box(kind, name, l, t, r, b,    row, k, o) {
		if (l < 0 || t < 0 || r > width || b > height) print kind " " name " sticks out"
		for (row = int(t / 40); row <= int(b / 40); row++) {
			for (k = 0; k < n[kind, row]; k++) {
				o = at[kind, row, k]
				if (l < R[o] - 0.5 && L[o] < r - 0.5 && t < B[o] - 0.5 && T[o] < b - 0.5)
					print kind " " name " overlaps " N[o]
			}
			at[kind, row, n[kind, row]++] = boxes
		}
		L[boxes] = l; T[boxes] = t; R[boxes] = r; B[boxes] = b; N[boxes] = name; boxes++
	}
	/^<svg/ { width = attr("width") + 0; height = attr("height") + 0 }
	/^<rect/ && attr("class") ~ /^(box|package|llc)$/ {
		box(attr("class"), NR, attr("x") + 0, attr("y") + 0, attr("x") + attr("width"), attr("y") + attr("height"))
		if (attr("class") == "box") { left = attr("x") + 0; right = left + attr("width") }
	}
	/^<rect/ && entry { box("entry", "square", attr("x") + 0, attr("y") + 0, attr("x") + attr("width"), attr("y") + attr("height")) }
	/^<g class=.container/ { entry = 1 }
	/^<g class=.node/ { node = 1 }
	/^<\/g/ { entry = node = 0 }
	/^<text/ {
		size = attr("font-size")
		if (!size) size = attr("class") == "title" ? 18 : attr("class") == "name" ? 14 : attr("class") == "entry" ? 13 : attr("class") == "detail" ? 11 : 12
		if (match($0, /style=.font-size:[0-9.]+/)) size = substr($0, RSTART + 17, RLENGTH - 17)
		text = $0; sub(/^<text[^>]*>/, "", text); sub(/<.*/, "", text); gsub(/&[a-z]+;/, "x", text)
		wide = length(text) * 0.58 * size
		x = attr("x") + 0; y = attr("y") + 0
		if (attr("text-anchor") == "end") x -= wide
		if (attr("text-anchor") == "middle") x -= wide / 2
		box(entry ? "entry" : "text", "\"" text "\"", x, y - 0.75 * size, x + wide, y + 0.1 * size)
		if (node && (x < left || x + wide > right)) print "text \"" text "\" sticks out of its node"
	}' "$1" | sort | uniq -c
}

look() { # NAME NODES
	local f=$tmp/$1.svg
	"$numaplace" --sysroot "$tmp/$1" --state "$tmp/$1/state" map -o "$f" 2> "$tmp/said"
	ok $? "picture $1: map succeeds"
	xmllint --noout "$f" 2> "$tmp/said"
	ok $? "picture $1: is well-formed XML"
	[ "$(xmllint --xpath "count(//*[local-name()='g'][@class='node'])" "$f" 2> "$tmp/said")" = "$2" ]
	ok $? "picture $1: has each of $2 nodes once"
	"$numaplace" --sysroot "$tmp/$1" --state "$tmp/$1/state" status --json 2> /dev/null | jq -r '.containers[].id' | sort > "$tmp/ids"
	xmllint --xpath "//*[local-name()='g'][@class='container']/@data-id" "$f" 2> /dev/null |
		sed 's/^ data-id="//; s/"$//' | sort | diff "$tmp/ids" - > "$tmp/said" && [ -s "$tmp/ids" ]
	ok $? "picture $1: has each of $(wc -l < "$tmp/ids") containers once"
	overlaps "$f" > "$tmp/said"
	[ ! -s "$tmp/said" ]
	ok $? "picture $1: no element overlaps another"
	[ "$(stat -c %s "$f")" -lt 5000000 ]
	ok $? "picture $1: is smaller than 5 MB"
	[ -z "${NUMAPLACE_PICTURES:-}" ] || cp "$f" "$NUMAPLACE_PICTURES/"
}

# --- the one of the README: two packages of two nodes ---
machine four << 'END'
node 0 cpus 0-7,32-39 mem 131072 free 117000
node 1 cpus 8-15,40-47 mem 131072 free 121000
node 2 cpus 16-23,48-55 mem 131072 free 88000
node 3 cpus 24-31,56-63 mem 131072 free 119000
distance 0 10 12 21 21
distance 1 12 10 21 21
distance 2 21 21 10 12
distance 3 21 21 12 10
file sys/devices/system/cpu/online 0-63
hugepages 0 2048 4096 4096
hugepages 1 2048 4096 4096
hugepages 2 2048 4096 1024
hugepages 3 2048 4096 4096
END
for cpu in {0..63}; do
	core=$((cpu % 32)) d=$tmp/four/sys/devices/system/cpu/cpu$cpu
	echo "$core,$((core + 32))" > "$d/topology/thread_siblings_list"
	echo $((core / 16)) > "$d/topology/physical_package_id"
	mkdir -p "$d/cache/index3"
	echo "$((core / 4 * 4))-$((core / 4 * 4 + 3)),$((core / 4 * 4 + 32))-$((core / 4 * 4 + 35))" > "$d/cache/index3/shared_cpu_list"
done
place four << 'END'
postgres 16 60 crun
web-1 4 8 runc
web-2 4 8 runc
redis 2 24 crun
spark 20 96 runc
build 6 12 incus
cache 3 16 lxc
END
look four 4
[ "${NUMAPLACE_PICTURES:-}" ] || cmp "$tmp/four.svg" "$here/../../docs/map.svg" > "$tmp/said" 2>&1
ok $? 'docs/map.svg is what map draws now'

# --- two nodes, few CPUs; two of very many ---
machine two << 'END'
node 0 cpus 0-7 mem 65536 free 40000
node 1 cpus 8-15 mem 65536 free 60000
smt 2
hugepages 0 2048 1048576 1048575
hugepages 1 1048576 4 4
END
many 3 | place two
look two 2
{
	echo 'node 0 cpus 0-127,256-383 mem 1048576 free 900000'
	echo 'node 1 cpus 128-255,384-511 mem 1048576 free 60000'
	printf 'smt 2\nllc 16\npackage 256\n'
} | machine wide
many 40 | place wide
look wide 2

# --- eight, of which two have no CPUs ---
{
	for n in {0..5}; do echo "node $n cpus $((n * 16))-$((n * 16 + 15)) mem 131072 free $((n * 20000 + 9000))"; done
	echo 'node 6 cpus - mem 262144 free 262144'
	echo 'node 7 cpus - mem 262144 free 100000'
	printf 'smt 2\nllc 8\npackage 48\n'
	for n in {0..5}; do echo "hugepages $n 2048 4096 4096"; done
} | machine eight
many 30 | place eight
look eight 8

# --- sixty-four: a package each, and four packages of sixteen ---
for n in {0..63}; do echo "node $n cpus $((n * 4))-$((n * 4 + 3)) mem 8192 free $((n * 100 + 900))"; done | machine small64
many 30 | place small64
look small64 64
{
	for n in {0..63}; do echo "node $n cpus $((n * 32))-$((n * 32 + 31)) mem 131072 free $((n * 2000 + 900))"; done
	printf 'smt 2\nllc 16\npackage 512\n'
} | machine large64
many 70 | place large64
look large64 64

# --- 1,024: sixteen to a package, alike in their distances; and sixty-five, no two of which are alike ---
# distances N FUNCTION-BODY: of i and j below N, all rows
distances() {
	awk -v n="$1" "function of(i, j) { $2 }"'
		BEGIN { for (i = 0; i < n; i++) { printf "distance %d", i; for (j = 0; j < n; j++) printf " %d", of(i, j); print "" } }'
}
# shows WHAT XPATH NAME WANTED
shows() {
	local got
	got=$(xmllint --xpath "$2" "$tmp/$3.svg" 2>&1)
	[ "$got" = "$4" ]
	ok $? "$3: $1" "$got"
}
texts='//*[local-name()="text"][@class="axis"]'
nodes() { for ((n = 0; n < $1; n++)); do echo "node $n cpus $((n * 2))-$((n * 2 + 1)) mem 8192 free 4096"; done; echo package 32; }
{
	nodes 1024
	distances 1024 'return i == j ? 10 : int(i / 16) == int(j / 16) ? 12 : int(i / 256) == int(j / 256) ? 21 : i < j ? 33 : 35'
} | machine huge
many 100 | place huge
look huge 1024
shows 'the matrix has a row and a column for each package' "count($texts)" huge $((64 * 64 + 2 * 64))
shows 'a column is labelled with its nodes' "string(${texts}[starts-with(., '1008')])" huge 1008-1023
for d in 10:0 12:64 21:960 33:1536 35:1536; do
	shows "distance ${d%:*} is in the matrix ${d#*:} times" "count(${texts}[.='${d%:*}'][@text-anchor='middle'][@x > 100][@y > 100])" huge "${d#*:}"
done
{
	nodes 65
	distances 65 'return i == j ? 10 : 11 + (i * 31 + j * 17) % 200'
} | machine unlike
many 30 | place unlike
look unlike 65
shows 'the distances of 65 unlike nodes are not drawn' "count($texts)" unlike 0
shows 'the picture says that distances are not drawn' "count(//*[local-name()='text'][starts-with(., 'not drawn: ')])" unlike 1

done_testing
