# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034
#
# Shared by the programs of the VM tier on the host: paths, messages (progress and errors on stderr, results on stdout), and
# the locks between programs that run at the same time.

vm_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top_dir=$(cd "$vm_dir/../.." && pwd)
cache_dir=${NUMAPLACE_CACHE:-/var/cache/numaplace-tests}
me=${0##*/}

say() { echo "$me: $*" >&2; }
die() { say "$*"; exit 1; }

# need COMMAND PACKAGE: ends with the remedy if COMMAND is missing.
need() {
	command -v "$1" >/dev/null || die "$1 not found: apt-get install $2"
}

# hash_of: a short name for what is on stdin.
hash_of() { sha256sum | cut -c1-12; }

# The number of guests that run at the same time on this machine: three on two CPUs, as an emulated one sleeps a fifth of
# its time. With more, guests reach their time limits.
guests=$(($(nproc) + $(nproc) / 2))

# wait_for_turn NAME: waits until fewer than $guests guests, or $TURNS, run on this machine. First come, first served: the
# head of the queue holds a lock (descriptor 5) until it has a turn. The turn lasts until all processes that inherit
# descriptor 6 have ended.
wait_for_turn() {
	local n turns=${TURNS:-$guests} told=
	exec 5> "$cache_dir/turn-queue.lock"
	flock --nonblock 5 || {
		say "$1: waits behind another guest for its turn"
		told=1
		# In the background, so that a signal can end this program at once.
		setpriv --pdeathsig KILL flock 5 &
		wait $!
	}
	until false; do
		for n in $(seq "$turns"); do
			exec 6> "$cache_dir/turn-$n.lock"
			! flock --nonblock 6 || break 2
		done
		[ "$told" ] || say "$1: waits for another guest to end"
		told=1
		sleep 0.5
	done
	exec 5>&-
}

# drop_leftovers: removes what killed programs left in the cache more than a day ago.
drop_leftovers() {
	find "$cache_dir" -mindepth 1 -maxdepth 1 \( -name 'run.*' -o -name 'tmp.*' \) -mmin +1440 -exec rm -rf {} +
}

# names_of SUITE: sets release, Debian's name of the suite. SUITE-arm64 is a guest of that architecture: for it, arch,
# triple (the GNU triple) and emulator (the program that runs one of its programs on this machine) are set; for a guest of
# x86-64 they are empty.
# shellcheck disable=SC2034 # used by the caller
names_of() {
	release=$1 arch='' triple='' emulator=''
	case $1 in
	*-arm64) release=${1%-arm64} arch=arm64 triple=aarch64-linux-gnu emulator=qemu-aarch64 ;;
	esac
}

# Prints the URL from which apt gets Debian itself (not its security or backports archive).
mirror() {
	local url
	# shellcheck disable=SC2016 # the names are apt's
	url=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
		awk '$1 == "Debian" && $2 !~ /-/ && $3 == "main" { print $4; exit }')
	[ -n "$url" ] || die "apt knows no Debian archive: apt-get update"
	echo "$url"
}

# Prints the settings of apt for downloads (proxies, certificates, checks) as a configuration file.
apt_settings() {
	apt-config dump --format '%f "%v";%n' |
		grep -E '^Acquire::(http|https|ftp|Check-|Retries|Allow)' || true
}
