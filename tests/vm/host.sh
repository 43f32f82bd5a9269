# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034
#
# What the VM tier's host programs share: where things are, how they say what
# they do (progress and errors on stderr, results on stdout), and the locks
# that let several of them run at once.

vm_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top_dir=$(cd "$vm_dir/../.." && pwd)
cache_dir=${NUMAPLACE_CACHE:-/var/cache/numaplace-tests}
me=${0##*/}

say() { echo "$me: $*" >&2; }
die() { say "$*"; exit 1; }

# need COMMAND PACKAGE: die with the remedy where a command is missing.
need() {
	command -v "$1" >/dev/null || die "$1 not found: apt-get install $2"
}

# hash_of: a short name for what is on stdin.
hash_of() { sha256sum | cut -c1-12; }
