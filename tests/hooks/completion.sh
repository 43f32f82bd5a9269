#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Completion in real shells on a terminal: bash, zsh and fish get ids that would run a command if a shell expanded
# them. Nothing runs, and what the shell puts into the line is that id, as one word.
# shellcheck source=tests/hooks/tap.bash
. "${0%/*}/tap.bash"
contrib=$PWD/contrib
mkdir "$tmp/bin" "$tmp/home" "$tmp/work" "$tmp/zsh"
cp "$contrib/zsh-completion/_numaplace" "$tmp/zsh/"

# A numaplace that lists the ids of $tmp/ids, and writes down what else it is called with, and what has run before it. With
# a $tmp/turn it lists one of them, the next one after each call.
cat > "$tmp/bin/numaplace" <<-'END'
	#!/bin/bash
	turn=$(cat "$NP_TMP/turn" 2> /dev/null)
	if [ "$1" = status ]; then
		printf 'node 0   ##   1.0 of 2\n\nCONTAINER  RUNTIME  NODES\n'
		sed -n "${turn:-1,\$}{s/\$/  crun  0/;p}" "$NP_TMP/ids"
		exit
	fi
	printf '%s\0' "$@" * > "$NP_TMP/called$turn"
	[ -z "$turn" ] || echo $((turn + 1)) > "$NP_TMP/turn"
END
chmod +x "$tmp/bin/numaplace"

printf '. "%s"\nPS1="> "\nbind "set enable-bracketed-paste off"\n' "$contrib/bash-completion/numaplace" > "$tmp/bashrc"
cat > "$tmp/home/.zshrc" <<-END
	PS1='> ' KEYTIMEOUT=1
	setopt no_beep
	bindkey -e
	fpath=("$tmp/zsh" \$fpath)
	autoload -Uz compinit
	compinit -u -D
END
mkdir -p "$tmp/home/.config/fish/completions"
cp "$contrib/fish-completion/numaplace.fish" "$tmp/home/.config/fish/completions/"

# in_shell SHELL KEYS: types the keys on a terminal; the screen is in $tmp/screen.
in_shell() {
	local command
	case $1 in
	bash) command="bash --noprofile --rcfile $tmp/bashrc -i" ;;
	zsh) command='zsh -d -i' ;;
	esac
	rm -f "$tmp/called"
	(cd "$tmp/work" && printf '%b' "$2" | env -i TERM=dumb HOME="$tmp/home" ZDOTDIR="$tmp/home" NP_TMP="$tmp" \
		PATH="$tmp/bin:$PATH" LC_ALL=C.UTF-8 timeout 30 script -qec "$command" /dev/null) > "$tmp/screen" 2>&1
}
# fish as its own library: what TAB would offer for a line.
in_fish() {
	(cd "$tmp/work" && env -i TERM=dumb HOME="$tmp/home" NP_TMP="$tmp" PATH="$tmp/bin:$PATH" LC_ALL=C.UTF-8 timeout 30 fish -c \
		'complete -C $argv[1]' "$1") > "$tmp/offered" 2> "$tmp/screen"
}
nothing_ran() {
	[ -z "$(ls -A "$tmp/work")" ]
	ok $? "$1: nothing ran" "$(ls -lA "$tmp/work")" "$(cat -v "$tmp/screen")"
	rm -rf "$tmp/work"
	mkdir "$tmp/work"
}
called_with() { # NAME WORD...
	local name=$1
	shift
	printf '%s\0' "$@" '*' > "$tmp/want" # * : the folder that it is called in is empty
	cmp -s "$tmp/want" "$tmp/called"
	ok $? "$name" "called with: $(tr '\0' '|' < "$tmp/called" 2>&1)" "$(cat -v "$tmp/screen")"
}

# What ids of crun may be; each touches a file called ran where a shell expands it.
ids=('$(touch${IFS}ran)' '`touch${IFS}ran`' 'a;touch${IFS}ran' 'a|touch${IFS}ran' 'a&touch${IFS}ran' '${x:=$(>ran)}' '>ran'
	'<(>ran)' 'a"$(>ran)"' "a'\$(>ran)'" '*' '?' '[a]' '{a,b}' '~root' '!!' '#a' '\$(>ran)' '$((a[$(>ran)]))' 'a=b' '-x;>ran'
	'a:b@c' $'\x9b31m' 'café' '%s%n' '(>ran)' 'web-1')

bash_and_zsh() {
	local shell n keys
	for shell in bash zsh; do
		# One line for each id: what TAB makes of it is called.
		printf '%s\n' "${ids[@]}" > "$tmp/ids"
		echo 1 > "$tmp/turn"
		keys=
		for n in "${!ids[@]}"; do
			rm -f "$tmp/called$((n + 1))"
			keys+='numaplace explain \t\n'
		done
		in_shell $shell "${keys}exit\n"
		rm -f "$tmp/turn"
		nothing_ran "$shell, id by id"
		for n in "${!ids[@]}"; do
			printf 'explain\0%s\0*\0' "${ids[n]}" > "$tmp/want"
			cmp -s "$tmp/want" "$tmp/called$((n + 1))"
			ok $? "$shell, $(printf %q "${ids[n]}"): it is put in as one word, and nothing runs" \
				"called with: $(tr '\0' '|' < "$tmp/called$((n + 1))" 2>&1)" "$(cat -v "$tmp/screen" | tail -n 20)"
		done
		# All of them at once, listed and begun.
		in_shell $shell 'numaplace explain \t\t\t\003\nnumaplace move $(\t\t\003\nexit\n'
		nothing_ran "$shell, all at once"
		# Lines that are no table: nothing in them is an id, or runs.
		printf 'a b c\n\n$(touch ran) $(touch ran)\n"\n`touch ran`\n' > "$tmp/ids"
		in_shell $shell 'numaplace verify \t\t\t\003\nexit\n'
		nothing_ran "$shell, blanks and quotes"
		# Names of files.
		: > "$tmp/work/\$(touch ran)"
		in_shell $shell 'numaplace --conf \t\nexit\n'
		rm "$tmp/work/\$(touch ran)"
		nothing_ran "$shell, a file's name"
		printf 'web-1\nweb-2\n' > "$tmp/ids"
		in_shell $shell 'numaplace explain web-\t2\nexit\n'
		called_with "$shell: what is begun stays" explain web-2
		in_shell $shell 'numaplace reb\t --dr\t\nexit\n'
		called_with "$shell: verbs and options" rebalance --dry-run
		in_shell $shell 'numaplace plan limits.memory.pol\tinter\t\nexit\n'
		called_with "$shell: keys and their values" plan limits.memory.policy=interleave
		in_shell $shell 'numaplace plan limits.cpu.cl\teff\t\nexit\n'
		called_with "$shell: values of another key" plan limits.cpu.class=efficient
		printf 'a:b@c\n' > "$tmp/ids"
		in_shell $shell 'numaplace explain a:b\t\nexit\n'
		called_with "$shell: an id that readline takes for several words" explain a:b@c
	done
}

of_fish() {
	local id
	for id in "${ids[@]}"; do
		printf '%s\n' "$id" > "$tmp/ids"
		in_fish 'numaplace explain '
		nothing_ran "fish, $(printf %q "$id")"
		case $id in -* | $'\x9b'*) continue ;; esac
		grep -qxF -- "$id" "$tmp/offered"
		ok $? "fish, $(printf %q "$id"): it is offered" "$(cat -v "$tmp/offered")" "$(cat -v "$tmp/screen")"
	done
	printf 'a b c\n\n$(touch ran) (touch ran)\n"\n(touch ran)\n' > "$tmp/ids"
	in_fish 'numaplace explain (touch'
	in_fish 'numaplace verify '
	nothing_ran 'fish, blanks and quotes'
	in_fish 'numaplace reb'
	[ "$(cat "$tmp/offered")" = rebalance ]
	ok $? 'fish: a verb' "$(cat "$tmp/offered")" "$(cat "$tmp/screen")"
	in_fish 'numaplace rebalance --dr'
	[ "$(cat "$tmp/offered")" = --dry-run ]
	ok $? "fish: a verb's option" "$(cat "$tmp/offered")" "$(cat "$tmp/screen")"
	in_fish 'numaplace --json plan limits.memory.policy=int'
	[ "$(cat "$tmp/offered")" = limits.memory.policy=interleave ]
	ok $? "fish: a key's value" "$(cat "$tmp/offered")" "$(cat "$tmp/screen")"
}

# Every shell knows every verb.
verbs() {
	local shell verb missing
	for shell in bash-completion/numaplace zsh-completion/_numaplace fish-completion/numaplace.fish; do
		missing=
		for verb in $("${hook%/*}/numaplace" help | awk '/Verbs:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }'); do
			grep -qw -- "$verb" "$contrib/$shell" || missing+=" $verb"
		done
		[ -z "$missing" ]
		ok $? "$shell has every verb" "$missing"
	done
}

for shell in bash zsh fish script; do
	command -v $shell > /dev/null && continue
	echo "1..0 # SKIP no $shell"
	exit
done
bash_and_zsh
of_fish
verbs
done_testing
