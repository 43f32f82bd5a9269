#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The order of the rooms (docs/ARCHITECTURE.md), at link level: no object file uses a symbol of a higher room, and no
# files of one room use each other's symbols in a circle. walls.allowed lists the exceptions with their reasons. Some
# files of cli/ use the library alone.
# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"
cd "${0%/*}/../.." || exit
build=${NUMAPLACE_BUILD:-build}
rooms='base machine select ledger cgroup place lib=runtime-hooks/common runtime-hooks/kube runtime-hooks=cli'

# found ROOMS < "FILE U|D SYMBOL" lines
found() { awk -v rooms="$1" -f tests/lint/walls.awk; }

# --- planted symbols

planted() {
	local name=$1 want=$2 got
	got=$(printf '%b' "$3" | found 'low mid a=b')
	[ "$got" = "$want" ]
	ok $? "planted: $name" "$got"
}
planted 'a symbol of a lower room' '' 'mid/x U f\nlow/y D f\n'
planted 'a symbol of a higher room' 'up low/x mid/y f' 'low/x U f\nmid/y D f\n'
planted 'a symbol of a room of the same height' 'up a/x b/y f' 'a/x U f\nb/y D f\n'
planted 'a symbol that the own room defines, too' '' 'a/x U f\nb/y D f\na/z D f\n'
planted 'a symbol of libc' '' 'low/x U malloc\n'
planted 'one file of a room uses another' '' 'low/x U f\nlow/y D f\nlow/y U g\nlow/z D g\n'
planted 'a circle of three files' 'circle low/x low/y low/z' \
	'low/x U f\nlow/y D f\nlow/y U g\nlow/z D g\nlow/z U h\nlow/x D h\n'
planted 'two circles' $'circle low/x low/y\ncircle mid/x mid/y' \
	'low/x U f\nlow/y D f\nlow/y U g\nlow/x D g\nmid/x U k\nmid/y D k\nmid/y U m\nmid/x D m\n'

# --- files of cli/, and nrt.c of numaplace-kube, that use the library: what they include and call is in include/, lib/
# (numaplace_*), plugin/base/, runtime-hooks/common/, runtime-hooks/kube/ and cli/.
front_door='cli explain find left-out map map-load metrics move plan status svg svg-distances svg-text table term topology vcpus verify virt'

# inner_headers < FILE.d: the headers of a dependency file that only cli/engine.h may include.
inner_headers() { tr ' ' '\n' | grep -E '^(plugin/(machine|select|ledger)|cgroup|place|lib|runtime-hooks/(oci|lxc|incus|libvirt))/|^cli/engine\.h$' | sort -u; }
# inner_symbols FILE < "FILE U|D SYMBOL" lines: the symbols of inner folders that FILE uses.
inner_symbols() {
	awk -v file="$1" '
		$1 == file && $2 == "U" { used[$3] = 1 }
		$2 == "D" && $1 ~ /^(machine|select|ledger|cgroup|place|lib)\// && !($1 ~ /^lib\// && $3 ~ /^numaplace_/) { inner[$3] = $1 }
		END { for (s in used) if (s in inner) print s, inner[s] }' | sort
}
got=$(printf 'build/cli/a.o: cli/a.c cli/cli.h include/numaplace.h plugin/base/util.h place/place.h \\\n plugin/select/select.h\n' | inner_headers | xargs)
[ "$got" = 'place/place.h plugin/select/select.h' ]
ok $? 'planted: inner headers' "$got"
got=$(printf 'cli/a U f\ncli/a U g\ncli/a U numaplace_plan\ncli/a U lib_keep\ncli/b U h\nplace/x D f\nbase/x D g\nlib/x D numaplace_plan\nlib/x D lib_keep\nplace/x D h\n' |
	inner_symbols cli/a | xargs)
[ "$got" = 'f place/x lib_keep lib/x' ]
ok $? 'planted: inner symbols' "$got"

# --- the tree

find plugin cgroup place lib runtime-hooks cli -name '*.c' | LC_ALL=C sort > "$tmp/sources"
: > "$tmp/missing"
while IFS= read -r source; do
	object=$build/${source%.c}.o
	if [ ! -e "$object" ]; then
		echo "$source" >> "$tmp/missing"
		continue
	fi
	file=${source%.c}
	nm -P "$object" | awk -v file="${file#plugin/}" '
		$2 == "U" { print file, "U", $1 }
		$2 ~ /^[TDBRVWCG]$/ { print file, "D", $1 }'
done < "$tmp/sources" > "$tmp/symbols"
# A build without liblxc or libyaml leaves out what needs it.
grep -vE '^runtime-hooks/(lxc|incus)/' "$tmp/missing" > "$tmp/unbuilt"
[ ! -s "$tmp/unbuilt" ] && [ "$(cut -d' ' -f1 "$tmp/symbols" | sort -u | wc -l)" -gt 90 ]
ok $? 'the object files of the tree are read' "$(cat "$tmp/unbuilt")"

found "$rooms" < "$tmp/symbols" | LC_ALL=C sort > "$tmp/found"
awk -F'\t' -v unused="$tmp/unused" '
	function names(text, set,    n, part, i) {
		split("", set)
		n = split(text, part, " ")
		for (i = 2; i <= n; i++)
			set[part[i]] = 1
		return part[1]
	}
	FNR == NR { if ($1 ~ /^(up|circle) / && $2 != "") { line[++n] = $1 } next }
	{
		kind = names($0 " ", have)
		if (kind == "up") # without the symbol
			split($0, w, " ")
		for (k = 1; k <= n; k++) {
			if (names(line[k], may) != kind)
				continue
			ok = 1
			if (kind == "up")
				ok = line[k] == w[1] " " w[2] " " w[3]
			else
				for (file in have)
					ok = ok && (file in may)
			if (ok) {
				used[k] = 1
				next
			}
		}
		print
	}
	END { for (k = 1; k <= n; k++) if (!used[k]) print line[k] > unused }' tests/lint/walls.allowed "$tmp/found" > "$tmp/bad"
for kind in up circle; do
	grep "^$kind " "$tmp/bad" > "$tmp/part"
	[ ! -s "$tmp/part" ]
	case $kind in
	up) ok $? 'no file uses a symbol of a higher room' "$(cat "$tmp/part")" ;;
	circle) ok $? 'no files of a room use each other in a circle' "$(cat "$tmp/part")" ;;
	esac
done
[ ! -s "$tmp/unused" ]
ok $? 'each line of walls.allowed is needed' "$(cat "$tmp/unused" 2> /dev/null)"
! grep -vE '^#|	.' tests/lint/walls.allowed > "$tmp/part"
ok $? 'each line of walls.allowed has a reason' "$(cat "$tmp/part")"

for name in $(printf 'cli/%s ' $front_door) runtime-hooks/kube/nrt; do
	inner_headers < "$build/$name.d" | sed "s|^|$name.c includes |"
	inner_symbols "$name" < "$tmp/symbols" | sed "s|^|$name.c uses |"
done > "$tmp/part" 2>&1
[ ! -s "$tmp/part" ]
ok $? "files of cli/ that use the library use nothing below it" "$(cat "$tmp/part")"

# Variables of the process, in the rooms that a library is made of: a context has its own. Constant tables are in other
# sections. A static variable of a function has a number behind its name.
grep -E '^(plugin|cgroup|place)/' "$tmp/sources" | while IFS= read -r source; do
	objdump -t "$build/${source%.c}.o" | awk -v file="$source" '
		NF > 3 && $(NF - 2) ~ /^(\.data|\.bss|\.tbss|\.tdata|\*COM\*)$/ && $NF !~ /^\./ {
			sub(/\.[0-9]+$/, "", $NF)
			print file, $NF
		}'
done > "$tmp/variables"
sed -n 's/^variable \([^\t]*\)\t.*/\1/p' tests/lint/walls.allowed | LC_ALL=C sort > "$tmp/allowed"
LC_ALL=C sort "$tmp/variables" | diff "$tmp/allowed" - > "$tmp/part"
ok $? 'plugin/, cgroup/ and place/ have no variables of the process but those that walls.allowed lists' "$(cat "$tmp/part")"
done_testing
