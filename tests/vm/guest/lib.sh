# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
#
# The library of the guest tests. It prints TAP on descriptor 3; other output goes to a log. When a test fails, the part
# of the log since the test before it is shown. A test file is
#	. /tests/lib.sh
#	is "what" "$got" "$wanted"
#	done_testing
# Containers (bundles, hooks, events) are in /tests/containers.sh.

tap_count=0
tap_failed=0
echo '=== before test 1'	# marks in the log, so that a failure shows its own part

diag() { printf '%s\n' "$*" | sed 's/^/# /' >&3; }

# tap_result STATUS NAME: prints one TAP line, and on failure the log since the last one. It starts no process for a
# success, because each process costs 50 ms under emulation.
tap_result() {
	tap_count=$((tap_count + 1))
	if [ "$1" = 0 ]; then
		echo "ok - $TEST: $2" >&3
	else
		tap_failed=1
		echo "not ok - $TEST: $2" >&3
		sed "0,/^=== before test $tap_count\$/d" "$LOG" | tail -n 60 | sed 's/^/# /' >&3
	fi
	echo "=== before test $((tap_count + 1))"
}

# pass NAME, fail NAME [WHY]
pass() { tap_result 0 "$1"; }
fail() {
	[ -z "${2:-}" ] || echo "$2"
	tap_result 1 "$1"
}

# ok NAME COMMAND...: COMMAND succeeds. not_ok: it fails, but not because it does not exist, or by a time limit or a
# signal.
ok() {
	tap_name=$1
	shift
	echo "\$ $*"
	"$@"
	tap_status=$?
	[ $tap_status = 0 ] || echo "status $tap_status"
	tap_result $tap_status "$tap_name"
}
not_ok() {
	tap_name=$1
	shift
	echo "\$ $*"
	"$@"
	tap_status=$?
	echo "status $tap_status, wanted a failure"
	case $tap_status in
	0 | 12[4-9] | 1[3-8]?) tap_result 1 "$tap_name" ;;
	*) tap_result 0 "$tap_name" ;;
	esac
}

# is NAME GOT WANTED
is() {
	[ "$2" = "$3" ] || printf 'got:    %s\nwanted: %s\n' "$2" "$3"
	[ "$2" = "$3" ]
	tap_result $? "$1"
}

# like NAME GOT ERE: GOT matches ERE; unlike: it does not.
like() {
	printf 'got:         %s\nwanted like: %s\n' "$2" "$3"
	printf '%s\n' "$2" | grep -Eq -- "$3"
	tap_result $? "$1"
}
unlike() {
	printf 'got:           %s\nwanted unlike: %s\n' "$2" "$3"
	! printf '%s\n' "$2" | grep -Eq -- "$3"
	tap_result $? "$1"
}

# skip NAME WHY: a failure if STRICT is set.
skip() {
	if [ "$STRICT" ]; then
		fail "$1" "skipped although STRICT: $2"
	else
		tap_count=$((tap_count + 1))
		echo "ok - $TEST: $1 # SKIP $2" >&3
	fi
}

# reboot_guest: in a test with a line "# reboots the guest", under systemd: reboots the guest and runs the test again from
# its beginning; then "rebooted" is true. The results before the reboot count.
boot_of_test=/var/lib/numaplace-tests/boot
reboot_guest() {
	[ ! -e $boot_of_test ] || bail "a second reboot"
	cat /proc/sys/kernel/random/boot_id > $boot_of_test
	exit 75
}
rebooted() { [ -e $boot_of_test ] && [ "$(cat /proc/sys/kernel/random/boot_id)" != "$(cat $boot_of_test)" ]; }

# bail WHY: a failure after which the rest of the test file is useless.
bail() {
	fail "the test file can continue" "$1"
	: > "$LOG.done"
	exit 1
}

# done_testing [COUNT]: ends each test file; COUNT is the expected number of tests.
done_testing() {
	[ -z "${1:-}" ] || is "the number of tests is the planned one" "$tap_count" "$1"
	: > "$LOG.done"
	exit $tap_failed
}

# within SECONDS COMMAND...: repeats COMMAND until it succeeds; fails after SECONDS. For conditions without an event to wait
# for. Must not be nested.
within() {
	read -r tap_now _ < /proc/uptime
	tap_end=$((${tap_now%.*} + $1))
	shift
	until "$@"; do
		read -r tap_now _ < /proc/uptime
		[ "${tap_now%.*}" -le $tap_end ] || return 1
		sleep 0.1
	done
}
# Two minutes, because the host may be busy.
eventually() { within 120 "$@"; }
