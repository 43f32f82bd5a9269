#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Reading changes nothing: every verb that only reads leaves the state folder unchanged, byte for byte, whatever the
# state of the ledger. A folder that is not a ledger is an error and stays unchanged. Without a boot id, and with another
# --sysroot, no record is removed. bench/hook/cell simulates the machine.
# shellcheck source=tests/hooks/tap.bash disable=SC2317 # cell calls the functions
. "${0%/*}/tap.bash"

need_cell
export numaplace=${hook%/*}/numaplace hook

verbs=(status topology metrics map 'explain placed-0' verify doctor 'plan limits.cpu=1' 'plan limits.memory=1EiB'
	'plan limits.cpu=2 limits.cpu.exclusive=true' 'rebalance --dry-run' simulate)
looking() { # [OPTION...]: runs all verbs
	local verb
	for verb in "${verbs[@]}"; do
		# shellcheck disable=SC2086 # several words
		"$numaplace" "$@" $verb < /dev/null > "$tmp/out" 2> "$tmp/err"
		echo "$? $(wc -l < "$tmp/err") $verb" >> "$tmp/ended"
	done
}
# Prints the files of folder $1: names, types, modes, owners, times, contents.
print_of() {
	(cd "$1" && find . -printf '%p %y %m %U %s %T@ %C@ %i %l\n' | sort && find . -type f -exec sha256sum {} + | sort)
}
# Run inside cell: makes each state from a good ledger with five containers.
in_states() {
	local state
	cp -a /run/numaplace /mnt/good
	for state in "${!states[@]}"; do
		rm -rf /run/numaplace
		cp -a /mnt/good /run/numaplace
		(cd /run/numaplace && eval "${states[state]}") || echo "cannot be made" >> "$tmp/changed-$state"
		print_of /run/numaplace > /mnt/before
		looking
		looking --state /run/numaplace
		print_of /run/numaplace > /mnt/after
		cmp -s /mnt/before /mnt/after || diff /mnt/before /mnt/after >> "$tmp/changed-$state"
	done
}
states=(
	': clean'
	'printf CHNG | dd of=usage bs=1 seek=8 conv=notrunc status=none'
	'printf LOST | dd of=usage bs=1 seek=8 conv=notrunc status=none'
	'printf CHNG | dd of=usage bs=1 seek=8 conv=notrunc status=none; printf x | dd of=usage bs=1 seek=99 conv=notrunc status=none'
	'printf xx | dd of=usage bs=1 seek=99 conv=notrunc status=none'
	'printf 00000000 | dd of=usage bs=1 seek=24 conv=notrunc status=none; : another boot'
	'rm usage'
	'rm lock'
	'rm -r containers'
	'rm -r containers usage lock'
	'echo x > containers/oci:placed-1; printf LOST | dd of=usage bs=1 seek=8 conv=notrunc status=none'
	'mkdir containers/notes; ln -s /etc/passwd containers/oci:web; rm usage'
	'chmod 755 .'
	'mkdir damaged; touch damaged/usage.0 usage.tmp containers/.tmp moving-77'
)

# Run inside cell: uses folders that are not ledgers.
among_others() {
	mkdir /run/lock && mkdir -p /run/others/containers/web1 && touch /run/others/containers/{a:b,db.img} &&
		ln -s /mnt/pool /run/others/containers/web2
	mkdir -m 700 /run/file && echo mine > /run/file/usage
	print_of /run > "$tmp/run-before"
	looking --state /run
	looking --state /run/others
	looking --state /run/file
	for stage in createRuntime poststop; do
		for state in /run /run/others /run/file; do
			"$BUILD/oci-hook" --conf conf --state $state $stage < keyed 2>> "$tmp/hook-said"
			echo "$?" >> "$tmp/hook-ended"
		done
	done
	print_of /run > "$tmp/run-after"
}

# Run inside cell, with five containers in the ledger.
without_boot() {
	local list='ls /run/numaplace/containers'
	$list > "$tmp/list-before"
	mount --bind /dev/null /proc/sys/kernel/random/boot_id
	for stage in createRuntime poststop; do
		"$BUILD/oci-hook" --conf conf $stage < keyed 2>> "$tmp/boot-said"
		echo "$? $(wc -w < "$CGROUP/c0/cpuset.cpus")" >> "$tmp/boot-ended"
	done
	echo 'on-failure = warn' > warn
	"$BUILD/oci-hook" --conf warn createRuntime < keyed 2>> "$tmp/boot-said"
	echo "$? $(wc -w < "$CGROUP/c0/cpuset.cpus")" >> "$tmp/boot-ended"
	looking
	umount /proc/sys/kernel/random/boot_id
	$list > "$tmp/list-after"
	"$BUILD/oci-hook" --conf conf createRuntime < keyed
	echo "$?" > "$tmp/boot-then"
	$list | wc -l > "$tmp/list-then"
}

# Run inside cell: uses the files of another machine and the ledger of this one.
other_sysroot() {
	mkdir -p recorded/proc/sys/kernel/random
	cp -r /mnt/machine/sys recorded/sys
	echo 99999999-2222-3333-4444-555555555555 > recorded/proc/sys/kernel/random/boot_id
	print_of /run/numaplace > "$tmp/sysroot-before"
	"$numaplace" --sysroot recorded --state /run/numaplace status --json > "$tmp/sysroot-status" 2>&1
	looking --sysroot recorded --state /run/numaplace
	"$numaplace" --sysroot recorded --state /run/numaplace move placed-0 1 2> "$tmp/sysroot-move"
	echo "$?" > "$tmp/sysroot-moved"
	"$BUILD/oci-hook" --conf conf --sysroot recorded createRuntime < keyed 2> "$tmp/sysroot-hook"
	echo "$?" >> "$tmp/sysroot-moved"
	"$BUILD/oci-hook" --conf conf --sysroot recorded --state /run/numaplace poststop < keyed 2>> "$tmp/sysroot-hook"
	echo "$?" >> "$tmp/sysroot-moved"
	print_of /run/numaplace > "$tmp/sysroot-after"
}

# Run by cell: the usual folder, with a mode that a placement repairs.
usual_folder() {
	chmod 755 /run/numaplace
	looking
	stat -c %a /run/numaplace > "$tmp/usual"
	"$BUILD/oci-hook" --conf conf createRuntime < keyed
	stat -c "$? %a" /run/numaplace >> "$tmp/usual"
	cd / && setpriv --reuid 65534 --regid 65534 --clear-groups "$numaplace" status 2> "$tmp/user"
	echo "$?" >> "$tmp/usual"
}
# run_in_cell COMMAND: runs COMMAND inside cell with the functions and variables of this test.
run_in_cell() {
	"$cell" 2 4 5 bash -c "$(declare -p verbs states); $1" > "$tmp/cell" 2>&1
}
export -f looking print_of in_states among_others without_boot other_sysroot usual_folder

run_in_cell in_states
ok $? 'the test can make a ledger in each state' "$(cat "$tmp/cell")"
for state in "${!states[@]}"; do
	[ ! -e "$tmp/changed-$state" ]
	ok $? "no verb that reads changes a ledger after: ${states[state]}" "$(cat "$tmp/changed-$state" 2> /dev/null)"
done
n=$(grep -c . "$tmp/ended")
[ "$n" = $((${#states[@]} * ${#verbs[@]} * 2)) ] && ! grep -qE '^(12[67]|1[3-9].) ' "$tmp/ended"
ok $? "each of $n verbs that read ends without a signal" "$(sort "$tmp/ended" | uniq -c)"

rm "$tmp/ended"
run_in_cell among_others
cmp -s "$tmp/run-before" "$tmp/run-after" && [ -s "$tmp/run-after" ]
ok $? "--state with a folder that is not a ledger: the folder is unchanged" "$(diff "$tmp/run-before" "$tmp/run-after")" "$(cat "$tmp/cell")"
[ "$(grep -c . "$tmp/ended")" = $((3 * ${#verbs[@]})) ] && ! grep -v '^2 1 ' "$tmp/ended"
ok $? '--state with a folder that is not a ledger: each verb prints one line and ends with status 2' "$(cat "$tmp/ended")"
[ "$(xargs < "$tmp/hook-ended")" = '2 2 2 2 2 2' ] && [ "$(grep -c "not a ledger folder" "$tmp/hook-said")" = 6 ]
ok $? '--state with a folder that is not a ledger: each hook prints an error and ends with status 2' "$(cat "$tmp/hook-ended" "$tmp/hook-said")"

run_in_cell without_boot
[ "$(wc -l < "$tmp/list-before")" = 5 ] && cmp -s "$tmp/list-before" "$tmp/list-after"
ok $? "without a boot id, no record is removed" "$(diff "$tmp/list-before" "$tmp/list-after")" "$(cat "$tmp/cell")"
[ "$(xargs < "$tmp/boot-ended")" = '1 0 1 0 0 0' ] && [ "$(grep -c "cannot read the boot id" "$tmp/boot-said")" = 3 ]
ok $? 'without a boot id, createRuntime is refused; with on-failure = warn it warns' "$(cat "$tmp/boot-ended" "$tmp/boot-said")"
[ "$(cat "$tmp/boot-then" "$tmp/list-then" | xargs)" = '0 6' ]
ok $? 'when the boot id is readable again, a container is placed' "$(cat "$tmp/boot-then" "$tmp/list-then")"

run_in_cell other_sysroot
cmp -s "$tmp/sysroot-before" "$tmp/sysroot-after" && [ -s "$tmp/sysroot-after" ]
ok $? "--sysroot of another machine: the ledger of this host is unchanged" "$(diff "$tmp/sysroot-before" "$tmp/sysroot-after")" "$(cat "$tmp/cell")"
[ "$(jq '.containers | length' "$tmp/sysroot-status")" = 5 ]
ok $? '--sysroot of another machine: status shows all records' "$(cat "$tmp/sysroot-status")"
[ "$(xargs < "$tmp/sysroot-moved")" = '2 1 2' ]
ok $? '--sysroot of another machine: move and the hooks are refused' "$(cat "$tmp/sysroot-moved" "$tmp/sysroot-move" "$tmp/sysroot-hook")"

run_in_cell usual_folder
[ "$(xargs < "$tmp/usual")" = '755 0 700 1' ]
ok $? 'a placement makes the default state folder private, a verb that reads does not' "$(cat "$tmp/usual" "$tmp/cell")"
[ "$(cat "$tmp/user")" = 'numaplace: /run/numaplace: Permission denied: the ledger belongs to root, run this as root' ]
ok $? 'another user gets a message that the ledger belongs to root' "$(cat "$tmp/user")"
done_testing
