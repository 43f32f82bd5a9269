#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The documents name files and tests of this tree that exist. A name is a word in backquotes, or a path anywhere in the
# text that begins with a folder of this tree; a pattern must match at least one file.
# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"
cd "${0%/*}/../.." || exit
export LC_ALL=C

folders='bench|cgroup|cli|conf|contrib|debian|docs|man|place|plugin|runtime-hooks|tests'

# words FILE: what may be a name of a file or of a test.
words() {
	{
		# shellcheck disable=SC2016 # backquotes of the document
		grep -oE '`[^` ]+`' "$1" | tr -d '`"'
		grep -oE "(^|[^[:alnum:]_/.-])($folders)/[[:alnum:]_./*-]*[[:alnum:]_/*-]" "$1" | sed -E "s,^[^[:alnum:]],,"
		grep -oE '[[:alnum:]_-]+\.(t|sh)\b' "$1"
	} | sort -u
}

# exists PATH-OR-PATTERN
exists() { compgen -G "$1" > /dev/null; }

# names WORD: 0: it exists; 1: it does not; 2: it is no name of this tree.
names() {
	case $1 in
	/* | -* | *[!A-Za-z0-9_./*-]*) return 2 ;;
	*-test) exists "tests/unit/$1.c" ;;
	[0-9][0-9]-*[a-z]) exists "tests/vm/guest/${1%.t}.t" ;;
	*/*) exists "$1" || exists "tests/$1" || exists "plugin/$1" || exists "runtime-hooks/$1" ;;
	*.t | *.sh) exists "$1" || [ "$(find tests bench contrib .ci -name "$1" 2> /dev/null)" ] ;;
	*) return 2 ;;
	esac
}

# broken FILE: the names in it that do not exist, one a line; the number of names that do as the last line.
broken() {
	local word found=0
	while read -r word; do
		names "$word"
		case $? in
		0) found=$((found + 1)) ;;
		1) grep -qxF "$word" <<< "$elsewhere" || echo "$word" ;;
		esac
	done < <(words "$1")
	echo $found
}

# Of containers, of other programs, and of the installed system.
elsewhere='damaged/'

for file in SECURITY.md CONTRIBUTING.md README.md docs/*.md; do
	mapfile -t wrong < <(broken "$file")
	found=${wrong[-1]}
	unset 'wrong[-1]'
	[ ${#wrong[@]} = 0 ]
	ok $? "$file: the $found files and tests that it names exist" "${wrong[@]}"
done
# The test itself: each kind of name that does not exist is found.
# shellcheck disable=SC2016 # backquotes of the document
{
	echo 'It is in `plugin/no-such.c`, tests/hooks/no-such.sh and tests/unit/*.no-such.'
	echo 'Tests: `no-such-test`, `hooks/no-such.sh`, guest `99-no-such`, no-such.t; but not `/run/no-such` or `make such`.'
} > "$tmp/document"
said=$(broken "$tmp/document" | xargs)
[ "$said" = '99-no-such hooks/no-such.sh no-such-test no-such.sh no-such.t plugin/no-such.c tests/hooks/no-such.sh tests/unit/*.no-such 0' ]
ok $? 'each kind of name that does not exist is found' "$said"
done_testing
