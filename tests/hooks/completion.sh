#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Completion in real shells on a terminal: bash, zsh and fish get ids that would run a command if a shell expanded
# them. Nothing must run, and the shell must insert the id as one word.
# shellcheck source=tests/hooks/tap.bash
. "${0%/*}/tap.bash"
contrib=$PWD/contrib
mkdir "$tmp/bin" "$tmp/home" "$tmp/work" "$tmp/zsh"
cp "$contrib/zsh-completion/_numaplace" "$tmp/zsh/"

# A fake numaplace. It lists the ids of $tmp/ids, and records its other arguments and the files in its working folder.
# If $tmp/turn exists, it lists the ids from that line on, and the next line after each call.
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

# in_shell SHELL KEYS: types the keys on a terminal and saves the screen in $tmp/screen.
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
# in_fish LINE: what fish offers at TAB for a line, without a terminal.
in_fish() {
	(cd "$tmp/work" && env -i TERM=dumb HOME="$tmp/home" NP_TMP="$tmp" PATH="$tmp/bin:$PATH" LC_ALL=C.UTF-8 timeout 30 fish -c \
		'complete -C $argv[1]' "$1") > "$tmp/offered" 2> "$tmp/screen"
}
nothing_ran() {
	[ -z "$(ls -A "$tmp/work")" ]
	ok $? "$1: no command runs" "$(ls -lA "$tmp/work")" "$(cat -v "$tmp/screen")"
	rm -rf "$tmp/work"
	mkdir "$tmp/work"
}
called_with() { # NAME WORD...
	local name=$1
	shift
	printf '%s\0' "$@" '*' > "$tmp/want" # * is not expanded, because the working folder is empty
	cmp -s "$tmp/want" "$tmp/called"
	ok $? "$name" "called with: $(tr '\0' '|' < "$tmp/called" 2>&1)" "$(cat -v "$tmp/screen")"
}

# Ids that crun accepts; each one creates a file named ran if a shell expands it.
ids=('$(touch${IFS}ran)' '`touch${IFS}ran`' 'a;touch${IFS}ran' 'a|touch${IFS}ran' 'a&touch${IFS}ran' '${x:=$(>ran)}' '>ran'
	'<(>ran)' 'a"$(>ran)"' "a'\$(>ran)'" '*' '?' '[a]' '{a,b}' '~root' '!!' '#a' '\$(>ran)' '$((a[$(>ran)]))' 'a=b' '-x;>ran'
	'a:b@c' $'\x9b31m' 'café' '%s%n' '(>ran)' 'web-1')

bash_and_zsh() {
	local shell n keys
	for shell in bash zsh; do
		# One line for each id: TAB completes it, and the line is run.
		printf '%s\n' "${ids[@]}" > "$tmp/ids"
		echo 1 > "$tmp/turn"
		keys=
		for n in "${!ids[@]}"; do
			rm -f "$tmp/called$((n + 1))"
			keys+='numaplace explain \t\n'
		done
		in_shell $shell "${keys}exit\n"
		rm -f "$tmp/turn"
		nothing_ran "$shell, ids completed one by one"
		for n in "${!ids[@]}"; do
			printf 'explain\0%s\0*\0' "${ids[n]}" > "$tmp/want"
			cmp -s "$tmp/want" "$tmp/called$((n + 1))"
			ok $? "$shell, id $(printf %q "${ids[n]}"): inserted as one word, and no command runs" \
				"called with: $(tr '\0' '|' < "$tmp/called$((n + 1))" 2>&1)" "$(cat -v "$tmp/screen" | tail -n 20)"
		done
		# All ids at once: listed, and with a started word.
		in_shell $shell 'numaplace explain \t\t\t\003\nnumaplace move $(\t\t\003\nexit\n'
		nothing_ran "$shell, all ids listed at once"
		# Lines that are not in the format of the table.
		printf 'a b c\n\n$(touch ran) $(touch ran)\n"\n`touch ran`\n' > "$tmp/ids"
		in_shell $shell 'numaplace verify \t\t\t\003\nexit\n'
		nothing_ran "$shell, status lines with blanks and quotes"
		# Names of files.
		: > "$tmp/work/\$(touch ran)"
		in_shell $shell 'numaplace --conf \t\nexit\n'
		rm "$tmp/work/\$(touch ran)"
		nothing_ran "$shell, a file name with a command"
		printf 'web-1\nweb-2\n' > "$tmp/ids"
		in_shell $shell 'numaplace explain web-\t2\nexit\n'
		called_with "$shell: completion keeps the common prefix that was typed" explain web-2
		in_shell $shell 'numaplace reb\t --dr\t\nexit\n'
		called_with "$shell: verbs and options are completed" rebalance --dry-run
		in_shell $shell 'numaplace plan limits.memory.pol\tinter\t\nexit\n'
		called_with "$shell: keys and their values are completed" plan limits.memory.policy=interleave
		in_shell $shell 'numaplace plan limits.cpu.cl\teff\t\nexit\n'
		called_with "$shell: values of limits.cpu.class are completed" plan limits.cpu.class=efficient
		in_shell $shell 'numaplace plan limits.cpu.wo\tband\t\nexit\n'
		called_with "$shell: values of limits.cpu.work are completed" plan limits.cpu.work=bandwidth
		in_shell $shell 'numaplace plan limits.cpu.ir\taw\t\nexit\n'
		called_with "$shell: values of limits.cpu.irq are completed" plan limits.cpu.irq=away
		printf 'a:b@c\n' > "$tmp/ids"
		in_shell $shell 'numaplace explain a:b\t\nexit\n'
		called_with "$shell: an id that readline splits into several words is completed" explain a:b@c
	done
}

of_fish() {
	local id
	for id in "${ids[@]}"; do
		printf '%s\n' "$id" > "$tmp/ids"
		in_fish 'numaplace explain '
		nothing_ran "fish, id $(printf %q "$id")"
		case $id in -* | $'\x9b'*) continue ;; esac
		grep -qxF -- "$id" "$tmp/offered"
		ok $? "fish, id $(printf %q "$id"): it is offered" "$(cat -v "$tmp/offered")" "$(cat -v "$tmp/screen")"
	done
	printf 'a b c\n\n$(touch ran) (touch ran)\n"\n(touch ran)\n' > "$tmp/ids"
	in_fish 'numaplace explain (touch'
	in_fish 'numaplace verify '
	nothing_ran 'fish, status lines with blanks and quotes'
	in_fish 'numaplace reb'
	[ "$(cat "$tmp/offered")" = rebalance ]
	ok $? 'fish: a verb is offered' "$(cat "$tmp/offered")" "$(cat "$tmp/screen")"
	in_fish 'numaplace rebalance --dr'
	[ "$(cat "$tmp/offered")" = --dry-run ]
	ok $? "fish: an option of a verb is offered" "$(cat "$tmp/offered")" "$(cat "$tmp/screen")"
	in_fish 'numaplace --json plan limits.memory.policy=int'
	[ "$(cat "$tmp/offered")" = limits.memory.policy=interleave ]
	ok $? "fish: a value of a key is offered" "$(cat "$tmp/offered")" "$(cat "$tmp/screen")"
}

# The completion of each shell has all verbs.
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
