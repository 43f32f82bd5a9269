#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# numaplace-numad and numaplace-libvirt-hook as libvirt calls them: first alone, then in its order, on the simulated machine
# and the cgroups of bench/hook/cell. libvirt/auto.xml is what libvirt 9 has given to a hook; "machines" are sleeping processes
# in the cgroups that libvirt makes.
# shellcheck source=tests/hooks/tap.bash disable=SC2317 # functions for cell to call
. "${0%/*}/tap.bash"
hook=${hook%/*}/numaplace-libvirt-hook numad=${hook%/*}/numaplace-numad
xml=$PWD/tests/hooks/libvirt/auto.xml
[ -x "$hook" ] || {
	echo '1..0 # SKIP numaplace-libvirt-hook is not built'
	exit
}

bad_input() {
	local n
	"$hook" vm1 prepare begin < "$xml" 2> "$tmp/stderr"
	[ $? = 2 ] && grep -q '^numaplace: usage: libvirt-hook .* NAME OPERATION SUBOPERATION EXTRA$' "$tmp/stderr"
	ok $? 'three arguments are refused with the usage' "$(cat "$tmp/stderr")"
	run_hook --no vm1 prepare begin - < "$xml"
	came_out 'an unknown option' 2 'numaplace: --no: no such option'
	for n in prepare started; do
		run_hook vm1 "$n" begin - <<< '<domain><name>vm1</name>'
		came_out "$n with truncated XML" 0 'numaplace: domain XML: it is not well-formed XML (line *)'
		run_hook vm2 "$n" begin - < "$xml"
		came_out "$n with the XML of another domain" 0 'numaplace: domain vm1: its XML is of domain "vm1"'
		run_hook vm1 "$n" begin - < <(head -c 5000000 /dev/zero | tr '\0' ' ')
		came_out "$n with 5 MB of XML" 0 'numaplace: *4 MiB*'
	done
	run_hook vm1 start begin - < <(head -c 5000000 /dev/zero)
	came_out 'an operation that the hook ignores' 0 ''
	run_hook --state=x started begin - < <(sed 's|vm1|--state=x|' "$xml")
	came_out 'a domain that is named like an option' 0 'numaplace: domain 90b0d213-*/run/libvirt/qemu/--state=x*'
	hook=$numad
	run_hook -w 0
	came_out 'numad: no CPU' 2 'numaplace: numad: -w: "0": not CPUS*MB], such as 4:8192'
	run_hook -w 2:99x
	came_out 'numad: memory that is no number' 2 'numaplace: numad: -w: "2:99x": not CPUS*'
	run_hook -i 0
	came_out 'numad: an option of its daemon' 2 'numaplace: numad: numad gives advice with -w alone*'
	run_hook
	came_out 'numad without arguments' 2 'numaplace: numad: usage: numad -w CPUS*'
}

# call NAME OPERATION [SED]: what libvirt calls, with the XML changed by SED.
call() {
	sed "s/vm1/$1/; s/>2</>1</; ${3:-}" "$xml" | "$BUILD/numaplace-libvirt-hook" --conf conf "$1" "$2" begin - > "$tmp/printed" 2> "$tmp/said"
	status=$?
}
ask() { "$BUILD/numaplace-numad" --conf conf -w "${1:-1:96}"; }
records() { "$BUILD/../numaplace" --json status | jq -r '[.containers[].id] | sort | join(" ")'; }
of() { "$BUILD/../numaplace" --json status | jq -r --arg id "$1" ".containers[] | select(.id == \$id) | $2"; }
# after SECONDS COMMAND: runs it with a clock that is so much ahead.
after() { unshare --time --boottime "$1" bash -c "$2"; }
# machine NAME CPU: a process on CPU in cgroups as libvirt makes them.
machine() {
	local group=${CGROUP#/sys/fs/cgroup}/$1.scope
	sleep infinity &
	taskset -c -p "$2" $! > /dev/null
	mkdir -p "/mnt/v2$group/libvirt/emulator" /run/libvirt/qemu
	echo $! > "/mnt/v2$group/libvirt/emulator/cgroup.procs"
	"$BUILD/stage" cgroup /sys/fs/cgroup "$group" $!
	"$BUILD/stage" cgroup /sys/fs/cgroup "$group/libvirt" $!
	"$BUILD/stage" cgroup /sys/fs/cgroup "$group/libvirt/emulator" $!
	echo $! > "/run/libvirt/qemu/$1.pid"
}
end_machine() {
	kill "$(cat "/run/libvirt/qemu/$1.pid")"
	printf 'populated 0\nfrozen 0\n' > "$CGROUP/$1.scope/cgroup.events"
}

advised() {
	local first second third
	call vm1 prepare
	[ "$status $(cat "$tmp/said" "$tmp/printed")" = '0 ' ]
	ok $? 'prepare of a domain with placement=auto succeeds and says nothing' "$(cat "$tmp/said")"
	[ "$(records) $(of vm1 .runtime)" = 'vm1 libvirt' ]
	ok $? 'it has a place' "$(records)"
	call vm2 prepare
	first=$(ask) second=$(ask)
	[ "$first $second" = "$(of vm1 .nodes) $(of vm2 .nodes)" ] && [ "$first" != "$second" ]
	ok $? 'numad answers with the places of the two, which differ' "$first $second" "$(of vm1 .nodes) $(of vm2 .nodes)"
	third=$(ask 1:32)
	[ "$third" != "$first" ] && [ "$third" != "$second" ] && [ "$(records | wc -w)" = 3 ]
	ok $? 'without a reservation, the answer is an offer elsewhere' "$third" "$(records)"
	[[ $(after 25 records) == *numad-* && $(after 35 records) == 'vm1 vm2' ]]
	ok $? 'the offer ends after 30 seconds, and the reservations do not' "$(after 25 records)" "$(after 35 records)"
	call vm1 release
	call vm2 release
	after 35 'call vm0 prepare; call vm0 release'
	[ "$(ls /run/numaplace/containers)" = '' ]
	ok $? 'release of domains that did not start drops their places' "$(records)"
	call vm3 prepare 's/auto/static/'
	[ "$status $(records)" = '0 ' ]
	ok $? 'a domain that does not ask gets no place' "$(records)"
	call big prepare 's/98304/98304000000/'
	[ "$status" = 1 ] && grep -q '^numaplace: domain big: limits.memory: .* requested, .* available' "$tmp/said"
	ok $? 'a domain that does not fit is refused with the numbers' "$(cat "$tmp/said")"
	echo 'on-failure = warn' > conf
	call big prepare 's/98304/98304000000/'
	[ "$status" = 0 ] && grep -q requested "$tmp/said"
	ok $? 'with on-failure = warn, it is a warning' "$(cat "$tmp/said")"
	[ "$(ask 1:99999999 2> "$tmp/said")" = 0-3 ] && grep -q requested "$tmp/said"
	ok $? 'numad then answers with all nodes' "$(cat "$tmp/said")"
	printf 'on-failure = warn\nreserved-nodes = 0\n' > conf
	[ "$(ask 1:99999999 2> "$tmp/said")" = 1-3 ]
	ok $? 'but not with reserved ones' "$(cat "$tmp/said")"
	echo 'no such key' > conf
	call vm1 prepare
	[ "$status" = 2 ]
	ok $? 'an invalid numaplace.conf refuses a domain that asks' "$(cat "$tmp/said")"
	: > conf
}

run_machines() {
	machine vm1 1
	call vm1 started
	[ "$status $(cat "$tmp/said")" = '0 ' ]
	ok $? 'started succeeds' "$(cat "$tmp/said")"
	[ "$(of vm1 '.cpus + " " + .mems + " " + .cgroup')" = "1 0 ${CGROUP#/sys/fs/cgroup}/vm1.scope" ]
	ok $? 'the record has the CPUs and the memory nodes of its threads, and the cgroup of the machine' "$(of vm1 .)"
	[ "$(cat "$CGROUP/vm1.scope/cpuset.cpus")" = '' ] && [ "$("$BUILD/stage" marked "$CGROUP/vm1.scope")" = vm1 ]
	ok $? 'its cpuset is not written, and it is marked' "$(cat "$CGROUP/vm1.scope/cpuset.cpus")"
	call vm1 reconnect
	[ "$status $(records)" = '0 vm1' ]
	ok $? 'reconnect records it again' "$(records)"
	rm -r /run/numaplace
	call vm1 reconnect
	[ "$status $(records)" = '0 vm1' ]
	ok $? 'reconnect records it after the ledger was lost' "$(records)"
	"$BUILD/oci-hook" --conf conf createRuntime < keyed 2> "$tmp/said"
	[ "$(of web0 .cpus)" != '' ] && [[ ! $(of web0 '.cpus | gsub("-"; ",") | "," + . + ","') = *,1,* ]]
	ok $? 'a container does not get its CPU' "$(of web0 .)" "$(cat "$tmp/said")"
	call vm1 release
	[ "$(records)" = 'vm1 web0' ]
	ok $? 'release of a machine that runs drops nothing' "$(records)"
	end_machine vm1
	call vm1 release
	[ "$(records)" = web0 ]
	ok $? 'release of one that has ended drops its record' "$(records)"
}

# Two domains of the same size: libvirt may ask for the second one first.
crossed() {
	local first second
	call vm1 prepare
	call vm2 prepare
	first=$(of vm1 .nodes) second=$(of vm2 .nodes)
	ask > /dev/null
	ask > /dev/null
	machine vm1 "$second"
	call vm1 started
	[ "$(of vm1 .nodes) $(of vm2 .nodes)" = "$second $first" ]
	ok $? 'if a domain runs where the other was reserved, the other has its place' "$(of vm1 .nodes) $(of vm2 .nodes)" "$first $second"
	machine vm2 "$first"
	call vm2 started
	[ "$(of vm2 .nodes) $(records)" = "$first vm1 vm2 web0" ]
	ok $? 'and is recorded there when it runs' "$(records)"
	end_machine vm1
	end_machine vm2
	first=$(ask 1:48)
	machine vm4 "$first"
	call vm4 started 's/98304/49152/'
	[[ $(records) != *numad-* ]]
	ok $? 'an offer ends when a machine of its size runs on its nodes' "$(records)"
}

# Domains that numaplace virt has placed.
# placed NAME [KEY=VALUE...]: makes $tmp/NAME.xml, for call_placed.
placed() {
	sed "s/vm1/$1/; s/>2</>1</" "$xml" > "$tmp/$1.in"
	"$BUILD/../numaplace" virt --xml "$tmp/$1.in" "${@:2}" > "$tmp/$1.xml" 2> "$tmp/said"
	status=$?
}
call_placed() {
	"$BUILD/numaplace-libvirt-hook" --conf conf "$1" "$2" begin - < "$tmp/$1.xml" > "$tmp/printed" 2> "$tmp/said"
	status=$?
}
cpu_of() { sed -n 's/.*<vcpupin vcpu="0" cpuset="\([0-9]*\)".*/\1/p' "$tmp/$1.xml"; }
placed_domains() {
	local cpu vm
	for vm in vm4 vm5; do
		end_machine "$vm"
		call "$vm" release
	done
	placed vm6 limits.cpu.exclusive=true
	cpu=$(cpu_of vm6)
	[ "$status" = 0 ] && [ -n "$cpu" ] && [ "$(records)" = web0 ]
	ok $? 'numaplace virt --xml writes the XML of a domain and nothing else' "$(cat "$tmp/said" "$tmp/vm6.xml")"
	call_placed vm6 prepare
	[ "$status $(of vm6 .cpus) $(cat "$tmp/said")" = "0 $cpu " ]
	ok $? 'prepare reserves the CPU of a placed domain' "$(of vm6 .)" "$(cat "$tmp/said")"
	[ "$(ask 1:96 2> /dev/null)" != "$(of vm6 .nodes)" ]
	ok $? 'numad does not answer another domain of its size with it'
	sed 's/vm6/vm7/' "$tmp/vm6.xml" > "$tmp/vm7.xml"
	call_placed vm7 prepare
	[ "$status" = 1 ] && grep -q "^numaplace: domain vm7: others have what numaplace had chosen for it; run numaplace virt again: .*CPU $cpu is held exclusively" "$tmp/said"
	ok $? 'a domain whose CPU another one holds does not start' "$status" "$(cat "$tmp/said")"
	machine vm6 "$cpu"
	call_placed vm6 started
	[ "$(of vm6 '.cpus + " " + .exclusive')" = "$cpu placed containers" ]
	ok $? 'started records it as it runs, and that it holds its CPU' "$(of vm6 .)" "$(cat "$tmp/said")"
	sed 's/vm6/vm8/; s/ keys="[^"]*"/ keys=""/' "$tmp/vm6.xml" > "$tmp/vm8.xml"
	call_placed vm8 prepare
	[ "$status" = 1 ] && grep -q "CPU $cpu is held exclusively" "$tmp/said"
	ok $? 'it holds its CPU also while it runs, against a domain that would share it' "$(cat "$tmp/said")"
	end_machine vm6
	call_placed vm6 release
	call_placed vm7 prepare
	[ "$status" = 0 ]
	ok $? 'after its end, the other one starts' "$(cat "$tmp/said")"
	call_placed vm7 release
	sed -i "s/<vcpupin .*/<!-- -->/" "$tmp/vm7.xml"
	call_placed vm7 prepare
	[ "$status" = 0 ] && [[ $(records) != *vm7* ]]
	ok $? 'a domain whose pins were removed needs no place' "$(records)"
}

# No available libvirt changes the pins that it is given: this virsh changes one at the first definition.
lossy_libvirt() {
	mkdir "$tmp/bin"
	cat > "$tmp/bin/virsh" <<- 'END'
		#!/bin/sh
		cd "${0%/*}/.." || exit
		case $* in
		*dumpxml*) cat defined.xml ;;
		*domstate*) echo 'shut off' ;;
		*define*)
			cat /dev/stdin > new.xml
			[ -e changed ] || sed -i 's/vcpu="0" cpuset="[0-9]*"/vcpu="0" cpuset="77"/' new.xml
			: > changed
			mv new.xml defined.xml
			;;
		esac
	END
	chmod +x "$tmp/bin/virsh"
	sed 's/>2</>1</' "$xml" > "$tmp/defined.xml"
	cp "$tmp/defined.xml" "$tmp/before.xml"
	PATH=$tmp/bin:$PATH "$BUILD/../numaplace" virt vm1 > "$tmp/printed" 2> "$tmp/said"
	[ "$?$(cat "$tmp/printed")" = 1 ] && grep -q 'libvirt has not defined what was chosen, so the domain is as before: its virtual CPUs have other pins$' "$tmp/said" &&
		cmp "$tmp/before.xml" "$tmp/defined.xml"
	ok $? 'if libvirt keeps other pins, numaplace virt fails, and the domain is as before' "$(cat "$tmp/said")"
	PATH=$tmp/bin:$PATH "$BUILD/../numaplace" virt vm1 > "$tmp/printed" 2> "$tmp/said"
	status=$?
	[ "$status" = 0 ] && grep -q '^vm1: 1 virtual CPU on CPU ' "$tmp/printed" && grep -q 'numaplace:place' "$tmp/defined.xml"
	ok $? 'if it keeps them, the domain is defined' "$(cat "$tmp/said" "$tmp/printed")"
}

# A kill at any time leaves the machine once in the ledger, after the next call.
killed() {
	local us kills=0 wrong=0
	call vm5 prepare
	machine vm5 0
	sed 's/vm1/vm5/; s/>2</>1</' "$xml" > "$tmp/vm5.xml"
	for us in $(seq 250 250 10000); do
		timeout -s KILL "0.$(printf %06d "$us")" "$BUILD/numaplace-libvirt-hook" --conf conf vm5 started begin - \
			< "$tmp/vm5.xml" || kills=$((kills + 1))
		call vm5 reconnect
		[ "$status $(records)" = '0 vm4 vm5 web0' ] || wrong=$((wrong + 1))
	done 2> /dev/null
	[ "$wrong" = 0 ] && [ "$kills" -gt 3 ]
	ok $? 'a hook that was killed is completed by the next one' "$wrong times, $kills kills" "$(records)"
}

parts() { advised; run_machines; crossed; killed; placed_domains; lossy_libvirt; done_testing; }
bad_input
need_cell
export -f call ask records of after machine end_machine advised run_machines crossed killed placed call_placed cpu_of placed_domains lossy_libvirt parts ok done_testing
export tmp xml
# Nodes of one CPU, because only CPUs of the real machine can be in an affinity.
"$cell" 4 1 0 bash -c "tests=$tests failures=$failures; parts"
