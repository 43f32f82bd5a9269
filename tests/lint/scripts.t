#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every script through ShellCheck, every man page through groff's and mandoc's
# warnings: a test for each, so that a finding is shown with its file. And the names of packages.
# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"

# shellcheck disable=SC2317 # ok calls it
diagnose() { cat "$tmp/log"; }

# Files of the tree that say that they are scripts, and parts of scripts that name their shell.
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
	# Guest tests find their library at /tests, where ShellCheck does not look: what it assigns
	# and what it reads is not seen.
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
		# In which order sections and references stand is taste.
		mandoc -T lint -W warning "$page" 2>&1 | grep -Ev 'conventional order|unusual Xr order' > "$tmp/log"
		[ ! -s "$tmp/log" ]
		ok $? "mandoc -T lint $page"
	fi
	if needs groff "$page"; then
		groff -mdoc -ww -z -T utf8 "$page" > "$tmp/log" 2>&1 && [ ! -s "$tmp/log" ]
		ok $? "groff -ww $page"
	fi
done
# What is installed to build numaplace is called in every suite as the suite's image calls it, where it is built too;
# for another architecture it is built with this machine's tools.
for list in tests/vm/packages.*; do
	case $list in *-arm64) tools='gcc|make|pkg-config' ;; *) tools=none ;; esac
	tests/packages -n build | tr ' ' '\n' | grep -vxE "$tools" | sort > "$tmp/wanted"
	sed 's/#.*//' "$list" | xargs -n 1 | sort > "$tmp/named"
	comm -23 "$tmp/wanted" "$tmp/named" > "$tmp/log"
	[ -s "$tmp/wanted" ] && [ ! -s "$tmp/log" ]
	ok $? "packages to build with: ${list##*.} has them by these names"
done
done_testing
