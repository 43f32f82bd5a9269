# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Containers that CRIU restores from a checkpoint are placed and recorded like those that start: under podman with both
# runtimes and both cgroup managers, also as copies with another name; under runc and crun alone; and under LXC.
# Layout: 4x2-pairs (two CPUs on each node), systemd.
# time limit: 900 s

# shellcheck source=lib.sh
. /tests/lib.sh
# shellcheck source=containers.sh
. /tests/containers.sh
# shellcheck source=lxc.sh
. /tests/lxc.sh
trap 'ct_delete_all; lx_end' EXIT

ct_setup
tar -C "$ct_root" -cf /run/tests/root.tar .
podman import /run/tests/root.tar np > /dev/null || bail "no image"
criu_line='action-script /usr/libexec/numaplace/criu-hook'
# A process with 20 MiB of memory and without descriptors of the host, which runc and crun would have to restore.
# shellcheck disable=SC2016 # expanded in the container
payload='exec < /dev/null > /dev/null 2>&1; x=$(head -c 20971520 /dev/zero | tr "\0" x); while :; do sleep 1; done'

# placed PID, recorded ID: "CPUs nodes" of the process, and of its record.
placed() { sed -n 's/^\(Cpus\|Mems\)_allowed_list:[[:space:]]*//p' "/proc/$1/status" | xargs; }
# A container that podman has imported has no poststop hook: its record stays until the next look of a hook.
live() { numaplace --json status | jq '.containers | length'; }
recorded() { numaplace --json status | jq -r --arg id "$1" '.containers[] | select(.id == $id) | .cpus + " " + .mems'; }
loaded() { [ "$(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$1/status")" -gt 20000 ]; }
# is_whole WHAT PID ID: the process has the place of its record, and its pages are there.
is_whole() {
	like "$1: it has two CPUs of one node" "$(placed "$2")" '^(0-1 0|2-3 1|4-5 2|6-7 3)$'
	is "$1: its record has the same place" "$(recorded "$3")" "$(placed "$2")"
	ok "$1: its pages are on that node" numaplace verify "$3"
}

# pm ARG...: podman with the runtime $rt and the cgroup manager $manager.
pm() { podman --runtime "$rt" --cgroup-manager "$manager" "$@"; }
pid_of() { podman inspect -f '{{.State.Pid}}' "$1"; }
id_of() { podman inspect -f '{{.Id}}' "$1"; }
# refusal: the last message; CRIU does not pass on what its action script says, but syslog has it.
refusal() { journalctl -b --no-pager -t numaplace | tail -n 1; }
begin() { # OPTION...: starts c, and waits until it has its memory
	ok "$what: podman run succeeds" pm run -d --name c --network none --annotation limits.cpu=2 \
		--annotation limits.cpu.exclusive=true "$@" np sh -c "$payload"
	eventually loaded "$(pid_of c)"
	before=$(placed "$(pid_of c)")
	ok "$what: a checkpoint succeeds" pm container checkpoint --export /run/tests/c.tar c
	is "$what: after the checkpoint, no container is placed" "$(live)" 0
}
copy() { pm container restore --import /run/tests/c.tar --name "$1"; }

# --- the configuration of CRIU
ok "install: the line is added for CRIU" /usr/share/numaplace/criu/install
is "install: CRIU's configuration has the line" "$(cat /etc/criu/default.conf)" "$criu_line"
/usr/share/numaplace/criu/install
is "install: a second time changes nothing" "$(cat /etc/criu/default.conf)" "$criu_line"

for combination in "crun systemd" "crun cgroupfs" "runc systemd"; do
	rt=${combination% *} manager=${combination#* }
	what="$rt, $manager"
	begin
	ok "$what: podman container restore succeeds" pm container restore c
	is "$what: the container is on its previous nodes" "$(placed "$(pid_of c)")" "$before"
	is_whole "$what, restored" "$(pid_of c)" "$(id_of c)"
	if [ "$rt" = runc ]; then
		said=$(copy d 2>&1)
		is "$what: a copy is refused, because this runc cannot restore it in its own cgroup" $? 125
		echo "$said"
		like "$what: the reason is in the log" "$(refusal)" 'runc before 1.2 cannot restore a copy on cgroup2, crun can'
		is "$what: the first container keeps its place" "$(placed "$(pid_of c)")" "$before"
		is "$what: it alone is placed" "$(live)" 1
		pm rm -f -t 0 -a > /dev/null
		continue
	fi
	ok "$what: a copy is restored beside it" copy d
	is_whole "$what, copy" "$(pid_of d)" "$(id_of d)"
	is "$what: both are placed" "$(live)" 2
	unlike "$what: the copy has other CPUs than the first" "$(placed "$(pid_of d)")" "^$before\$"
	if [ "$manager" = systemd ]; then
		copy e > /dev/null
		copy f > /dev/null
		is "$what: four containers are placed" "$(live)" 4
		copy g
		is "$what: a fifth is refused" $? 125
		like "$what: the refusal has the numbers" "$(refusal)" 'no CPU left on nodes 0-3: 8 are held by others'
		is "$what: the refused one is not placed" "$(live)" 4
	fi
	pm rm -f -t 0 -a > /dev/null
	is "$what: after their end, no container is placed" "$(live)" 0
done

# --- precreate: the spec has the CPUs of the first container. crun gives them to the scope around a copy's cgroup; as the first
# one is a partition, the kernel gives the scope other CPUs.
mkdir -p /etc/containers/containers.conf.d
ln -s /usr/share/numaplace/podman/50-numaplace.conf /etc/containers/containers.conf.d/
rt=crun manager=systemd what=precreate
begin --cpuset-cpus 0-3
ok "$what: podman container restore succeeds" pm container restore c
is "$what: the container is on its previous nodes" "$(placed "$(pid_of c)")" "$before"
ok "$what: a copy is restored beside it" copy d
is_whole "$what, copy" "$(pid_of d)" "$(id_of d)"
unlike "$what: the copy has other CPUs than the first" "$(placed "$(pid_of d)")" "^$before\$"
like "$what: the copy has CPUs that the user has allowed" "$(placed "$(pid_of d)")" '^(0-1|2-3) '
pm rm -f -t 0 -a > /dev/null
rm /etc/containers/containers.conf.d/50-numaplace.conf

# --- runc and crun alone
for rt in runc crun; do
	what="$rt alone"
	b=$ct_dir/a
	ok "$what: a container is created" ct_create $rt a -h createRuntime=/usr/libexec/numaplace/oci-hook,createRuntime \
		-a limits.cpu=2 -j '.mounts |= map(select(.destination != "/out"))' -- /bin/sh -c "$payload"
	$rt start a
	eventually loaded "$(ct_pid a)"
	before=$(placed "$(ct_pid a)")
	mkdir $b/image
	ok "$what: a checkpoint succeeds" $rt checkpoint --image-path $b/image --work-path $b/image a
	tail -n 3 $b/image/dump.log
	grep -B 2 Error $b/image/dump.log
	$rt delete a 2> /dev/null
	ok "$what: restore succeeds" sh -c "cd $b && timeout 100 $rt restore --image-path image --work-path image --bundle $b --pid-file $b/pid --detach a < /dev/null > /run/tests/said 2>&1"
	cat /run/tests/said
	is "$what: the container is on its previous nodes" "$(placed "$(ct_pid a)")" "$before"
	is_whole "$what, restored" "$(ct_pid a)" a
	ct_delete a
done

# --- LXC
lx_make a 'limits.cpu = 2'
ok "LXC: a container starts" lx_start a
before=$(placed "$(lxc-info -n a -pH)")
ok "LXC: a checkpoint succeeds" lxc-checkpoint -n a -s -D /run/tests/image -o /run/tests/lxc.log -l INFO
is_gone() { [ "$(in_ledger a)" = 0 ]; }
ok "LXC: after the checkpoint, nothing is recorded" eventually is_gone
ok "LXC: a restore succeeds" lxc-checkpoint -n a -r -D /run/tests/image -o /run/tests/lxc.log -l INFO
tail -n 5 /run/tests/lxc.log
is "LXC: the container is on its previous nodes" "$(placed "$(lxc-info -n a -pH)")" "$before"
is_whole "LXC, restored" "$(lxc-info -n a -pH)" a
ok "LXC: the restored container stops" lx_stop a
ok "LXC: after its end, nothing is recorded" eventually is_gone
sed -i 's/^limits.cpu .*/limits.memory = 100GiB/' $lx_path/a/config
not_ok "LXC: a restore that does not fit is refused" lxc-checkpoint -n a -r -D /run/tests/image
is "LXC: the refused one leaves no record" "$(in_ledger a)" 0

# --- numaplace-runtime tells CRIU itself
/usr/share/numaplace/criu/install --remove
not_ok "install --remove: CRIU's configuration is gone" [ -e /etc/criu/default.conf ]
ln -sf /usr/bin/numaplace-runtime /usr/local/bin/numaplace-crun
rt=/usr/local/bin/numaplace-crun manager=systemd what=numaplace-runtime
begin --annotation limits.memory=64MiB
ok "$what: podman container restore succeeds" pm container restore c
is_whole "$what, restored" "$(pid_of c)" "$(id_of c)"
ok "$what: a copy is restored beside it" copy d
is_whole "$what, copy" "$(pid_of d)" "$(id_of d)"
is "$what: both are placed" "$(live)" 2
pm rm -f -t 0 -a > /dev/null
done_testing
