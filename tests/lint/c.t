#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# cppcheck and clang-tidy on each room, one test per room and tool, and gcc's analyzer on all. Only checks for errors are
# enabled, not those for style. All findings are shown. Also finds circles of calls between files, and long files without
# a reason.
# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"
rooms='plugin cgroup place lib runtime-hooks cli examples'

# shellcheck disable=SC2317 # ok calls it
diagnose() { head -n 60 "$tmp/log"; }

if needs cppcheck cppcheck; then
	for room in $rooms; do
		# Suppressed: unknown macros of system headers, and leaks that cleanup attributes prevent.
		cppcheck -q -j "$(nproc)" --std=c11 --language=c --enable=warning,performance,portability --inline-suppr \
			--suppress=missingInclude --suppress=missingIncludeSystem --suppress=unknownMacro \
			--suppress=resourceLeak --suppress=memleak --suppress=uninitvar --suppress=normalCheckLevelMaxBranches \
			--error-exitcode=1 -D__linux__ -D__LP64__ -D_GNU_SOURCE -DARRAY_SIZE'(a)=1' -I. -Iinclude "$room" > "$tmp/log" 2>&1
		ok $? "cppcheck finds nothing in $room"
	done
fi
if needs clang-tidy clang-tidy; then
	# Without the path-sensitive analyzer: it assumes that error_set() may return 0 and does not know the cleanup
	# attribute, so all of its findings here are wrong.
	checks='-*,bugprone-*'
	checks+=',-bugprone-easily-swappable-parameters,-bugprone-assignment-in-if-condition'
	checks+=',-bugprone-implicit-widening-of-multiplication-result,-bugprone-branch-clone,-bugprone-narrowing-conversions'
	checks+=',-bugprone-reserved-identifier,-bugprone-macro-parentheses,-bugprone-sizeof-expression,-bugprone-multi-level-implicit-pointer-conversion'
	# The other libraries have their headers in folders that are searched anyway.
	read -ra include <<< "$(pkg-config --cflags libxml-2.0)"
	for room in $rooms; do
		find "$room" -name '*.c' | xargs -P "$(nproc)" -I{} timeout 300 clang-tidy --quiet \
			--warnings-as-errors='*' --checks="$checks" {} -- -std=gnu11 -D_GNU_SOURCE -I. -Iinclude -I"${NUMAPLACE_BUILD:-build}" \
			"${include[@]}" -DNUMAPLACE_VERSION='"0"' > "$tmp/log" 2> /dev/null
		ok $? "clang-tidy finds nothing in $room"
	done
fi
if needs gcc gcc; then
	make -s -j"$(nproc)" CC=gcc O="${NUMAPLACE_BUILD:-build}" analyze > "$tmp/log" 2>&1
	ok $? 'gcc -fanalyzer finds nothing'
	# ARCHITECTURE.md: in a room, a file calls only files below it. tsort names each circle on stderr.
	for room in plugin/base plugin/machine plugin/select plugin/ledger; do
		for file in "$room"/*.c; do
			nm -A "${NUMAPLACE_BUILD:-build}/analyze/${file%.c}.o"
		done | awk '
			{ sub(/:.*/, "", $1) }
			$2 == "U" { uses[$1 " " $3] }
			$2 ~ /^[A-TV-Z]$/ { defined[$3] = $1 }
			END {
				for (u in uses) {
					split(u, use, " ")
					if (use[2] in defined && defined[use[2]] != use[1])
						print use[1], defined[use[2]]
				}
			}' | tsort 2>&1 > "$tmp/sorted" | sed "s|.*/$room/||" > "$tmp/log"
		[ ! -s "$tmp/log" ] && [ -s "$tmp/sorted" ]
		ok $? "no circle of calls between the files of $room"
	done
fi

# CONTRIBUTING.md: a file over 600 lines says why in its first comment, after "Long:".
# shellcheck disable=SC2086 # several words
git ls-files $rooms | grep '\.[ch]$' | while read -r file; do
	lines=$(wc -l < "$file")
	[ "$lines" -le 600 ] || sed '\|^ \*/|q' "$file" | grep -q '^ \* Long: ' || echo "$file: $lines lines"
done > "$tmp/log"
[ ! -s "$tmp/log" ]
ok $? 'each file over 600 lines has its reason in its first comment'
done_testing
