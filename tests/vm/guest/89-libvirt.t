# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# libvirt with placement='auto': virtual machines of QEMU without a disk, which end in the firmware. Their nodes are those
# that numad answers, also if three start at once; they are in the ledger, and a container does not get their CPUs.
# Layout: 4x2-pairs, systemd.
# time limit: 900 s

# shellcheck source=lib.sh
. /tests/lib.sh
# shellcheck source=containers.sh
. /tests/containers.sh
# shellcheck source=placed.sh
. /tests/placed.sh

vir() { virsh --quiet --connect qemu:///system "$@"; }
# xml NAME CPUS MIB [MORE] [PLACEMENT]: the XML of a machine.
xml() {
	cat > "/run/tests/$1.xml" << end
<domain type='qemu'><name>$1</name><memory unit='MiB'>$3</memory>
${5-<vcpu placement='auto'>$2</vcpu><numatune><memory mode='strict' placement='auto'/></numatune>}
$4
<os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/></devices></domain>
end
}
create() { said=$(vir create "/run/tests/$1.xml" 2>&1); }
# scope NAME: its cgroup, from the ledger. in_cgroup NAME FILE: a file of the cgroup of its first virtual CPU.
field() { numaplace --json status | jq -r --arg id "$1" ".containers[] | select(.id == \$id) | $2"; }
in_cgroup() { cat "/sys/fs/cgroup$(field "$1" .cgroup)/libvirt/vcpu0/$2"; }
ids() { numaplace --json status | jq -r '[.containers[].id] | sort | join(" ")'; }
runs() { vir version > /dev/null 2>&1; }
# start_libvirtd: runs the daemon until it answers.
start_libvirtd() { systemd-run --quiet --unit "libvirtd-$1" /usr/sbin/libvirtd && eventually runs; }

mv /usr/bin/numad /usr/bin/numad.real
mkdir -p /run/tests /etc/libvirt/hooks/qemu.d
ln -s ../sbin/numaplace-numad /usr/bin/numad
ln -s /usr/sbin/numaplace-libvirt-hook /etc/libvirt/hooks/qemu.d/numaplace
printf '%s\n' 'user = "root"' 'group = "root"' 'security_driver = "none"' 'stdio_handler = "file"' >> /etc/libvirt/qemu.conf
systemctl start dbus.socket systemd-machined.service
ok "libvirtd starts" start_libvirtd 1
diag "$(libvirtd --version)"

# --- three machines at once
for n in 1 2 3; do
	xml vm$n 2 64
	vir create /run/tests/vm$n.xml > /run/tests/vm$n.log 2>&1 &
	eval "job$n=$!"
done
# shellcheck disable=SC2154 # set by eval
ok "three machines start at once" eval 'wait "$job1" && wait "$job2" && wait "$job3"'
cat /run/tests/vm?.log
diag "$(vir list)"; diag "$(numaplace status)"
is "they are in the ledger" "$(ids)" 'vm1 vm2 vm3'
is "they are on three nodes" "$(numaplace --json status | jq '[.containers[].nodes] | unique | length')" 3
for n in 1 2 3; do
	is "vm$n runs on the CPUs and the memory node of its record" \
		"$(in_cgroup vm$n cpuset.cpus.effective) $(in_cgroup vm$n cpuset.mems.effective)" "$(field vm$n '.cpus + " " + .mems')"
done
like "its cgroup is that of the whole machine" "$(field vm1 .cgroup)" '^/machine\.slice/machine-qemu.*vm1\.scope$'
is "the cpuset of that is not changed" "$(cat "/sys/fs/cgroup$(field vm1 .cgroup)/cpuset.cpus")" ''

# --- a container beside them
ok "a container starts beside them" np_create runc createRuntime beside limits.cpu=2
free=$(numaplace --json status | jq -r '[.containers[] | select(.runtime == "libvirt") | .nodes | tonumber] | [0, 1, 2, 3] - . | .[0]')
is "it gets the node that no machine has" "$(field beside .nodes)" "$free"
ct_delete beside

# --- what the verbs say
said=$(numaplace verify vm1)
diag "$said"
ok "verify finds the pages of the machine on its nodes" numaplace verify vm1
echo "$said"
said=$(numaplace explain vm1)
like "explain names libvirt" "$(echo "$said" | grep policy)" 'strict, by libvirt'
like "explain has the size of the machine" "$said" 'limits.memory +64MiB'
said=$(numaplace move vm1 "$free" 2>&1)
like "a move is refused" "$said" 'libvirt has placed it'

# --- the other numad
# Its answers follow the load of the moment: two questions need not get the same one.
like "numad of Debian answers with nodes, as ours does" "$(numad.real -w 2:64) $(numad.real -w 2:64)" '^[0-3,-]+ [0-3,-]+$'
first=$(numad -w 2:64) second=$(numad -w 1:64)
diag "numad of Debian: $(numad.real -w 2:64); ours: $first, then $second"
is "ours names the free node" "$first" "$free"
unlike "a second question before the machine starts gets another answer" "$second" "^$free\$"

# --- refusals, and machines that fail to start
xml huge 2 4096
not_ok "a machine that does not fit is refused" create huge
like "virsh says why" "$said" 'limits.memory: 4(GiB|.*MiB) requested, .* available'
xml broken 2 64 '<memoryBacking><source type="file"/><access mode="shared"/></memoryBacking>'
sed -i 's|<memballoon|<disk type="file"><source file="/nowhere"/><target dev="sda"/></disk>&|' /run/tests/broken.xml
not_ok "a machine without its disk fails to start" create broken
unlike "nothing stays reserved for it" "$(ids)" 'broken|huge'

# --- the end, and a lost ledger
third=$(field vm3 .nodes)
ok "vm3 is destroyed" vir destroy vm3
unlike "its record is gone" "$(ids)" 'vm3'
systemctl stop libvirtd-1
rm -r /run/numaplace
ok "libvirtd starts again" start_libvirtd 2
like "it records the machines that run" "$(ids)" '^vm1 vm2$'

# --- pins and hugepages
echo 32 > "/sys/devices/system/node/node$third/hugepages/hugepages-2048kB/nr_hugepages"
mkdir -p /dev/hugepages
mountpoint -q /dev/hugepages || mount -t hugetlbfs none /dev/hugepages
xml pages 1 64 '<memoryBacking><hugepages><page size="2" unit="M"/></hugepages></memoryBacking>'
ok "a machine of hugepages starts" create pages
echo "$said"
is "it is on the node that has them" "$(field pages '.nodes + " " + .mems')" "$third $third"
ok "verify finds no page of it elsewhere" numaplace verify pages
like "verify finds its hugepages" "$(numaplace verify pages | grep '^ *hugepages')" '64(\.0)?( ?MiB)?'
vir destroy pages
xml pinned 2 64 '' "<vcpu>2</vcpu><cputune><vcpupin vcpu='0' cpuset='6'/><vcpupin vcpu='1' cpuset='7'/></cputune>"
ok "a machine with pins starts" create pinned
is "its record has the CPUs of the pins" "$(field pinned .cpus)" '6-7'
for n in vm1 vm2 pinned; do vir destroy $n; done
is "in the end, the ledger is empty" "$(ids)" ''
systemctl stop libvirtd-2 systemd-machined.service
done_testing
