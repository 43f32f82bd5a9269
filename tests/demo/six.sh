#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# six.sh: starts the six containers of the demo, prints the placement of each and what its process sees, and deletes them.
# In the guest of the demo it is a guest test (tests/vm/boot), with HOST=1 it runs on this machine. It needs no image and no
# jq: a container uses /usr of this machine, read-only.
#
# Writes lines to descriptor 3:  step TEXT | machine TEXT | row ID|RUNTIME|ASKED|NODES|CPUS|MEMS|SEES CPUS|SEES MEMS
# or  refused ID|RUNTIME|ASKED|WHY.  HOOK, NUMAPLACE, STATE: other paths for these.

set -u
HOOK=${HOOK:-/usr/libexec/numaplace/oci-hook}
NUMAPLACE=${NUMAPLACE:-/usr/bin/numaplace}
STATE=${STATE:-/run/numaplace}
dir=$(mktemp -d /run/numaplace-demo.XXXXXX) || exit 1
group=numaplace-demo-$$

say() { echo "$*" >&3; }

make_root() {
	mkdir -p "$dir/root/proc" "$dir/root/dev" "$dir/root/usr" "$dir/root/out"
	for d in bin sbin lib lib64; do
		[ ! -e /$d ] || ln -s usr/$d "$dir/root/$d"
	done
}

# annotations KEY=VALUE...: prints them as members of a JSON object.
annotations() {
	comma=
	for a; do
		printf '%s"%s": "%s"' "$comma" "${a%%=*}" "${a#*=}"
		comma=', '
	done
}

# make_bundle ID KEY=VALUE...
make_bundle() {
	b=$dir/$1
	id=$1
	shift
	mkdir "$b"
	mkfifo "$b/ready"
	cat > "$b/config.json" <<END
{
  "ociVersion": "1.0.2",
  "process": {
    "user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin"], "noNewPrivileges": true,
    "args": ["/bin/sh", "-c",
      "while read -r l; do echo \"\$l\"; done < /proc/self/status > /out/status; echo > /out/ready; exec sleep 600"]
  },
  "root": {"path": "$dir/root", "readonly": true},
  "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
    {"destination": "/usr", "type": "bind", "source": "/usr", "options": ["bind", "ro"]},
    {"destination": "/out", "type": "bind", "source": "$b", "options": ["bind", "rw"]}
  ],
  "annotations": {$(annotations "$@")},
  "hooks": {
    "createRuntime": [{"path": "$HOOK", "args": ["oci-hook", "--state", "$STATE", "createRuntime"]}],
    "poststop": [{"path": "$HOOK", "args": ["oci-hook", "--state", "$STATE", "poststop"]}]
  },
  "linux": {
    "cgroupsPath": "/$group/$id",
    "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}]
  }
}
END
}

# sees FIELD: a field of /proc/self/status at the start of the container's process.
sees() { sed -n "s/^$1:[[:space:]]*//p" "$b/status"; }

# container RUNTIME ID KEY=VALUE...
container() {
	rt=$1 id=$2
	shift 2
	command -v "$rt" > /dev/null || rt=$other
	make_bundle "$id" "$@"
	echo "$rt" > "$b/runtime"
	if ! timeout 60 "$rt" run --detach --bundle "$b" "numaplace-demo-$id" > "$b/log" 2>&1 < /dev/null ||
		! timeout 60 cat "$b/ready"; then
		cat "$b/log"
		say "refused $id|$rt|$*|$(grep -o 'numaplace: .*' "$b/log" | head -n 1)"
		return
	fi
	# shellcheck disable=SC2046 # the columns of status
	set -- "$*" $("$NUMAPLACE" --state "$STATE" status | grep "^numaplace-demo-$id ")
	say "row $id|$rt|$1|${4:-}|${5:-}|${6:-}|$(sees Cpus_allowed_list)|$(sees Mems_allowed_list)"
}

finish() {
	for b in "$dir"/*/; do
		[ ! -e "$b/runtime" ] || "$(cat "$b/runtime")" delete --force "numaplace-demo-$(basename "$b")"
	done
	rmdir /sys/fs/cgroup/$group
	rm -rf "$dir"
} > /dev/null 2>&1
trap finish EXIT
trap 'exit 1' INT TERM HUP

# More memory than one node has, so that it needs several nodes.
largest=$(cat /sys/devices/system/node/node*/meminfo | awk '$3 == "MemTotal:" && $4 > m { m = $4 } END { print int(m / 1024) }')
other=$(command -v runc > /dev/null && echo runc || echo crun)

"$NUMAPLACE" --state "$STATE" topology | while IFS= read -r line; do say "machine |$line"; done
make_root
say "step starting six containers"
container runc web limits.cpu=4 limits.cpu.nodes=balanced
container crun db limits.cpu=2 limits.memory=256MiB
container runc cache limits.cpu=2 limits.cpu.nodes=balanced
container crun batch limits.cpu=1 "limits.memory=$((largest * 11 / 10))MiB"
container runc listed limits.cpu=1,4
container crun away limits.cpu=1 limits.cpu.nodes=0-3,^1
say "step deleting them"
[ -z "${LOG:-}" ] || : > "$LOG.done"
