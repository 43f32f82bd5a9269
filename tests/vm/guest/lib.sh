# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
#
# The guest tests' library: TAP on descriptor 3, the test's own output in a log
# that is shown, from the last test on, when one fails. A test file is
#	. /tests/lib.sh
#	is "what" "$got" "$wanted"
#	done_testing
# Containers (bundles, hooks, events) are in /tests/containers.sh.

tap_count=0
tap_failed=0
echo '=== before test 1'	# marks in the log, so that a failure shows its own part

diag() { printf '%s\n' "$*" | sed 's/^/# /' >&3; }

# tap_result STATUS NAME: one TAP line, and on failure the log since the last one. No
# process is started for a success: each costs a twentieth of a second under emulation.
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

# ok NAME COMMAND...: COMMAND succeeds. not_ok: it fails of itself, neither for want
# of the command nor by a time limit or a signal.
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

# like NAME GOT ERE; unlike: the ERE is nowhere in it.
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

# skip NAME WHY: under STRICT a failure.
skip() {
	if [ "$STRICT" ]; then
		fail "$1" "skipped although STRICT: $2"
	else
		tap_count=$((tap_count + 1))
		echo "ok - $TEST: $1 # SKIP $2" >&3
	fi
}

# reboot_guest: in a test with a line "# reboots the guest", under systemd: reboots the machine, and runs the test from its
# beginning with "rebooted" true. What it has said so far counts.
boot_of_test=/var/lib/numaplace-tests/boot
reboot_guest() {
	[ ! -e $boot_of_test ] || bail "a second reboot"
	cat /proc/sys/kernel/random/boot_id > $boot_of_test
	exit 75
}
rebooted() { [ -e $boot_of_test ] && [ "$(cat /proc/sys/kernel/random/boot_id)" != "$(cat $boot_of_test)" ]; }

# bail WHY: nothing of what follows would make sense.
bail() {
	fail "goes on" "$1"
	: > "$LOG.done"
	exit 1
}

# done_testing [COUNT]: the end of every test file; COUNT is how many there should have been.
done_testing() {
	[ -z "${1:-}" ] || is "as many tests as planned" "$tap_count" "$1"
	: > "$LOG.done"
	exit $tap_failed
}

# within SECONDS COMMAND...: until it succeeds, or it failed when they were over. For what gives no event; not within itself.
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
# Two minutes, as the machine that the guest is on may be busy.
eventually() { within 120 "$@"; }
