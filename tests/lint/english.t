#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The language rules of CONTRIBUTING.md: words and phrases of english.words in comments, messages, test names,
# documentation and man pages. Each one is a failure, unless english.exceptions allows that line or lists its
# folder as not checked yet. First, the test plants sentences in files of its own and expects that they are reported.
# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"
cd "${0%/*}/../.." || exit
list=tests/lint/english.words exceptions=tests/lint/english.exceptions

# kinds: reads names of files, prints "KIND<tab>NAME" of those whose text is checked.
kinds() {
	local file kind
	while IFS= read -r file; do
		case $file in
		tests/fuzz/corpus/* | tests/lint/english.* | tests/corpus/expected* | LICENSE) continue ;;
		*.c | *.h) kind=c ;;
		*.md) kind=md ;;
		man/*) kind='man' ;;
		NEWS | debian/control | *.yaml | *.svg) kind=text ;;
		Makefile | debian/rules | *.sh | *.bash | *.t | *.conf | *.machine | *.layout | *.jq | *.awk) kind=shell ;;
		*.star | *.py | *.in | *.timer | *.service | *.supp | *-overrides) kind=shell ;;
		*)
			IFS= read -rn 40 kind < "$file" 2> /dev/null
			[[ $kind == '#!'*sh* ]] || continue
			kind=shell
			;;
		esac
		printf '%s\t%s\n' "$kind" "$file"
	done
}

# report < "KIND<tab>PATH" lines
report() { awk -v words="$list" -f tests/lint/english.awk; }

# --- planted sentences

mkdir "$tmp/plant"
plant() { printf '%b' "$2" > "$tmp/plant/$1"; }
# found FILE KIND LINES...: the lines on which words are reported, for each report one.
found() {
	local file=$tmp/plant/$1 kind=$2 want=$3 got
	got=$(printf '%s\t%s\n' "$kind" "$file" | report | cut -f 2 | xargs)
	[ "$got" = "$want" ]
	ok $? "planted in $1: reported on lines: ${want:-none}" "got: $got" "$(cat "$file")"
}

wrong=''
while IFS=$'\t' read -r pattern instead example _; do
	case $pattern in '#'* | '') continue ;; esac
	printf '/* %s */\n' "$example" > "$tmp/plant/one.c"
	got=$(printf 'c\t%s\n' "$tmp/plant/one.c" | report | cut -f 3)
	[ -n "$instead" ] && grep -qxF "$pattern" <<< "$got" || wrong+="$pattern"$'\n'
done < "$list"
[ -z "$wrong" ]
ok $? 'each pattern of english.words reports its own example' "$wrong"

plant comment.c '/* Who holds the lock is killed. */\nint who;\nint x; /* a list of what is to\n\t* be had */\n'
found comment.c c '1 4 3'
plant message.c '#include "who/is/told.h"\nint f(void)\n{\n\tputs("the container is "\n\t     "told of it");\n\treturn g("nobody", who);\n}\n'
found message.c c '4 6'
plant clean.c '/* The process that holds the lock is killed; a user who waits is not. */\nint who = '"'\"'"', told; /* "stand" */\n'
found clean.c c ''
plant script.sh '#!/bin/sh\n# Everybody\n# waits.\nwho=$(who | wc -l) # nobody is here\nok $? "a value that makes no sense"\ncase $x in who) ;; esac\n'
found script.sh shell '2 4 5'
plant page.md '# Title\n\nThe file is read as far\nas it goes.\n\n    somebody pasted this\n\n```\nsomebody too\n```\n\n| who | by now |\n'
found page.md md '3 12 12'
plant page.1 '.Dd today\n.Sh DESCRIPTION\nThe value\n.Ql who\nmakes\nno sense.\n.Bd -literal\nnobody\n.Ed\n'
found page.1 man '4 5'
plant end.md 'The folder is. None is made.\n'
found end.md md ''

# --- the tree

# Columns of english.exceptions: skip PREFIX REASON, or allow PATH TEXT REASON.
sed '/^#/d;/^$/d' "$exceptions" > "$tmp/exceptions"
awk -F'\t' '!($1 == "skip" && NF == 3 && $3 != "") && !($1 == "allow" && NF == 4 && $3 != "" && $4 != "")' "$tmp/exceptions" > "$tmp/bad"
[ ! -s "$tmp/bad" ]
ok $? 'each line of english.exceptions has its columns and a reason' "$(cat "$tmp/bad")"

tests/files | kinds > "$tmp/files"
report < "$tmp/files" > "$tmp/all"
: > "$tmp/skipped"
: > "$tmp/unused"
awk -F'\t' -v skipped="$tmp/skipped" -v unused="$tmp/unused" '
	FILENAME == ARGV[1] && $1 == "skip" { prefix[++skips] = $2; next }
	FILENAME == ARGV[1] { path[++allows] = $2; text[allows] = $3; next }
	{
		for (i = 1; i <= skips; i++)
			if (index($1, prefix[i]) == 1) {
				n[i]++
				next
			}
		for (i = 1; i <= allows; i++)
			if ($1 == path[i] && index($5, text[i])) {
				used[i] = 1
				next
			}
		printf "%s:%d: \"%s\" (write: %s): ...%s...\n", $1, $2, $3, $4, $5
	}
	END {
		for (i = 1; i <= skips; i++)
			printf "%s\t%d\n", prefix[i], n[i] > skipped
		for (i = 1; i <= allows; i++)
			if (!used[i])
				printf "%s\t%s\n", path[i], text[i] > unused
	}' "$tmp/exceptions" "$tmp/all" > "$tmp/hits"
[ "$(wc -l < "$tmp/files")" -gt 200 ]
ok $? 'the files of the tree are read' "$(wc -l < "$tmp/files") files"
for part in plugin cgroup place include lib examples runtime-hooks cli bench man docs contrib debian tests; do
	grep "^$part/" "$tmp/hits" > "$tmp/part"
	[ ! -s "$tmp/part" ]
	ok $? "$part/ follows the language rules of CONTRIBUTING.md, where it is checked" "$(head -n 60 "$tmp/part")"
done
grep -vE '^(plugin|cgroup|place|include|lib|examples|runtime-hooks|cli|bench|man|docs|contrib|debian|tests)/' "$tmp/hits" > "$tmp/part"
[ ! -s "$tmp/part" ]
ok $? 'the other files follow the language rules of CONTRIBUTING.md' "$(head -n 60 "$tmp/part")"
[ ! -s "$tmp/unused" ]
ok $? 'each line that english.exceptions allows still exists' "$(cat "$tmp/unused")"
while IFS=$'\t' read -r prefix n; do
	echo "# $prefix is not checked yet: $n hits"
done < "$tmp/skipped"
done_testing
