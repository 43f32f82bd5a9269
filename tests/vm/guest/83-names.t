# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR disable=SC2016
#
# Names of containers that real runtimes accept: every byte from 1 to 255 under crun, which accepts nearly all, and a few
# under runc and LXC. An invalid name is refused only if the container has a key, its end removes no record of another
# container, and no log or table of numaplace has a byte that is not printable. Layout: 4x2-pairs.
# time limit: 1200 s

. /tests/lib.sh
. /tests/containers.sh
. /tests/placed.sh
. /tests/lxc.sh
trap 'ct_delete_all; lx_end' EXIT
np_syslog

# plain FILE: succeeds if the file has only printable characters and newlines.
plain() { ! LC_ALL=C grep -q '[^ -~]' "$1"; }
# outputs ID: succeeds if all verbs print plain text.
outputs() {
	{
		numaplace status; numaplace --json status; numaplace metrics; numaplace map -o /dev/stdout; numaplace map
		numaplace doctor; numaplace verify; numaplace explain "$1"; numaplace --json explain "$1"; numaplace move "$1" 1
	} > /run/tests/outputs 2>&1
	plain /run/tests/outputs
}

ok "a container with the name good is placed" np_create crun createRuntime good limits.cpu=1 limits.cpu.nodes=2
is "status shows the container good" "$(np_status good)" "2 4 2 crun"

# --- crun: one bundle for all containers, which differ by id
bundle keyed -j '.annotations["limits.cpu"] = "1"' -h "createRuntime=$np_hook,--timeout,60,createRuntime" \
	-h "poststop=$np_hook,--timeout,60,poststop"
bundle keyless -h "createRuntime=$np_hook,--timeout,60,createRuntime" -h "poststop=$np_hook,--timeout,60,poststop"
# create RUNTIME BUNDLE ID
create() { timeout 180 "$1" create --bundle "$ct_dir/$2" -- "$3" > /run/tests/created 2>&1 < /dev/null; }
byte() { printf "\\$(printf %o "$1")"; }

placed='' passed='' n=1
while [ $n -lt 256 ]; do
	id="a$(byte $n; echo .)"
	id=${id%.}b
	case $n in
	4[89] | 5[0-7] | 6[5-9] | 7? | 8? | 90 | 9[7-9] | 10? | 11? | 12[0-2])
		# Digits and letters are allowed in names; the test uses a few of them.
		case $n in 57 | 90 | 122) ;; *) n=$((n + 1)); continue ;; esac ;;
	esac
	if create crun keyed "$id"; then
		placed="$placed $n"
		[ "$(numaplace status | grep -cF "$id")" = 1 ] || passed="$passed $n"
		crun delete --force -- "$id" > /dev/null 2>&1
	fi
	n=$((n + 1))
done
is "crun, with a key: ids with exactly the allowed bytes start" "$placed" " 43 45 46 57 58 64 90 95 122"
is "crun, with a key: status shows each started id" "$passed" ""
is "crun: status shows no other container" "$(np_ids)" "good "
ok "crun: the output of all verbs is plain text" outputs good
is "crun: status shows the node to which move moved the container good" "$(np_status good)" "1 2 1 crun"
ok "crun: the log is plain text" plain $np_log
like "crun: the log names the byte of an id" "$(grep -F 'id: "a#b"' $np_log | tail -n 1)" 'numaplace: id: "a#b": contains "#"; allowed are '
like "crun: the log says that a byte alone is not UTF-8" "$(cat $np_log)" 'numaplace: state: (not UTF-8|lexical error: invalid bytes in UTF8 string)'
is "crun: the ledger has the record of good only" "$(cd /run/numaplace/containers && echo *)" "oci:good"

# --- hostile names
for id in '$(touch${IFS}/run/tests/ran)' '`touch /run/tests/ran`' "a b" '-x' 'x;y' "$(printf 'a\342\200\256b')" "$(printf 'a\342\200\250b')" \
	"$(printf '\033]0;x\007')" 'a"}x{"'; do
	not_ok "crun, with a key: the id $(printf %s "$id" | cat -v) is refused" create crun keyed "$id"
	# crun makes a folder of that name, so one with a slash does not start at all.
	case $id in
	*/*) not_ok "crun itself refuses an id with a slash" create crun keyless "$id" ;;
	*) ok "crun, without a key: the id $(printf %s "$id" | cat -v) starts" create crun keyless "$id" ;;
	esac
	numaplace explain "$id" > /run/tests/explained 2>&1
	is "crun: explain of $(printf %s "$id" | cat -v) reports in plain text that it is not placed" "$? $(plain /run/tests/explained; echo $?)" "2 0"
	crun delete --force -- "$id" > /dev/null 2>&1
	is "crun: the end of $(printf %s "$id" | cat -v) removes no record" "$(np_status good)" "1 2 1 crun"
done
not_ok "no command in an id is run" [ -e /run/tests/ran ]
for id in 'a b' '$(x)' "$(printf 'a\233b')"; do
	not_ok "runc itself refuses the id $(printf %s "$id" | cat -v)" create runc keyed "$id"
done
ok "runc: an id with all allowed special characters is placed" create runc keyed a_b+c-d.e
is "runc: status shows an id with special characters" "$(np_ids | tr ' ' '\n' | grep -cx 'a_b+c-d.e')" 1
runc delete --force a_b+c-d.e

# --- LXC
for id in 'a b' "$(printf 'a\23331mb')" "$(printf 'caf\303\251')" '$(x)'; do
	lx_make "$id" 'limits.cpu = 1'
	ok "lxc, with a key: $(printf %s "$id" | cat -v) is refused" lx_refused "$id"
	ok "lxc: the log of $(printf %s "$id" | cat -v) is plain text" sh -c '! grep "^numaplace " "$1" | LC_ALL=C grep -q "[^ -~]"' - "$lx_out/$id.log"
	like "lxc: the log of $(printf %s "$id" | cat -v) has the reason" "$(lx_said "$id")" 'container name: ".*": contains ".*"'
	is "lxc: no container with the name $(printf %s "$id" | cat -v) is placed" "$(np_ids)" "good "
done
printf '\357\273\277limits.cpu = 1\n' > /run/tests/bom
lx_make bom
cat $lx_path/bom/config >> /run/tests/bom
cp /run/tests/bom $lx_path/bom/config
ok "lxc: a container whose config begins with a byte order mark starts" lx_start bom
is "lxc: a key after a byte order mark is read" "$(in_ledger bom)" 1
lx_stop bom
ok "at the end, the output of all verbs is plain text" outputs good
ok "at the end, the log is plain text" plain $np_log
ct_delete good
done_testing
