#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs ShellCheck on every script, and groff and mandoc on every man page, with a test for each file. And checks the names
# of packages.
# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"

# shellcheck disable=SC2317 # ok calls it
diagnose() { cat "$tmp/log"; }

# Files of the tree that begin with #!, and parts of scripts that name their shell for ShellCheck.
scripts() {
	tests/files | while read -r f; do
		case $f in *.c | *.h | *.md | debian/rules | tests/fuzz/corpus/*) continue ;; esac
		case $(head -c 60 "$f" 2> /dev/null | tr -d '\0' | head -n 1) in
		'#!'*bash* | '#!'*/sh | '#!'*/sh\ *) echo "$f" ;;
		*) head -n 8 "$f" 2> /dev/null | tr -d '\0' | grep -q '^# shellcheck shell=' && echo "$f" ;;
		esac
	done
}

if needs shellcheck 'shell scripts'; then
	# Guest tests read their library from /tests, where ShellCheck does not find it, so it does not see which variables
	# the library assigns and uses.
	# shellcheck disable=SC2016 # the inner shell expands it
	scripts | xargs -P "$(nproc)" -I{} sh -c '
		out=$2/$(echo "$1" | tr / _)
		case $1 in tests/vm/guest/*) not=SC2154,SC2034,SC1091 ;; *) not=SC1091 ;; esac
		cd "${1%/*}" && shellcheck -x -P SCRIPTDIR:"$3" -S warning -e "$not" "${1##*/}" > "$out" 2>&1 ||
			: > "$out.failed"' - {} "$tmp" "$PWD"
	for f in $(scripts); do
		name=$tmp/${f//\//_}
		cp "$name" "$tmp/log"
		[ ! -e "$name.failed" ]
		ok $? "shellcheck $f"
	done
fi
for page in man/*.[1358]; do
	if needs mandoc "$page"; then
		# The order of sections and references is not checked.
		mandoc -T lint -W warning "$page" 2>&1 | grep -Ev 'conventional order|unusual Xr order' > "$tmp/log"
		[ ! -s "$tmp/log" ]
		ok $? "mandoc -T lint finds nothing in $page"
	fi
	if needs groff "$page"; then
		groff -mdoc -ww -z -T utf8 "$page" > "$tmp/log" 2>&1 && [ ! -s "$tmp/log" ]
		ok $? "groff -ww finds nothing in $page"
	fi
done
# The packages that are installed to build numaplace have the names that the package list of each suite has; for another
# architecture, the tools of this machine are used.
for list in tests/vm/packages.*; do
	case $list in *-arm64) tools='gcc|make|pkg-config|protobuf-c-compiler' ;; *) tools=none ;; esac
	tests/packages -n build | tr ' ' '\n' | grep -vxE "$tools" | sort > "$tmp/wanted"
	sed 's/#.*//' "$list" | xargs -n 1 | sort > "$tmp/named"
	comm -23 "$tmp/wanted" "$tmp/named" > "$tmp/log"
	[ -s "$tmp/wanted" ] && [ ! -s "$tmp/log" ]
	ok $? "the package list of ${list##*.} has the packages that a build needs"
done
done_testing
