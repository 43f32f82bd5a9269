# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR disable=SC2317 # ok calls functions
#
# numaplace virt: domains of libvirt that are defined with pins, memory nodes and cells. Their threads and their pages are
# where the XML says, also in hugepages; a container does not get their CPUs, and they do not start on CPUs that a
# container holds.
# Layout: 4x2-pairs, systemd.
# time limit: 900 s

# shellcheck source=lib.sh
. /tests/lib.sh
# shellcheck source=containers.sh
. /tests/containers.sh
# shellcheck source=placed.sh
. /tests/placed.sh

vir() { virsh --quiet --connect qemu:///system "$@"; }
# define NAME CPUS MIB [MORE]: a domain without a place; its pages are all allocated at its start.
define() {
	cat > "/run/tests/$1.xml" << end
<domain type='qemu'><name>$1</name><memory unit='MiB'>$3</memory><vcpu>$2</vcpu>
${4:-<memoryBacking><allocation mode='immediate'/></memoryBacking>}
<os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/>${5:-}</devices></domain>
end
	vir define "/run/tests/$1.xml"
}
virt() { said=$(numaplace virt "$@" 2>&1); }
field() { numaplace --json status | jq -r --arg id "$1" ".containers[] | select(.id == \$id) | $2"; }
# planned NAME FILTER: a field of what is chosen for it, which is what it is defined with if nothing changes.
planned() { numaplace --json virt --dry-run "$1" | jq -r "$2"; }
# allowed NAME VCPU: on which CPUs its thread may run, from the kernel.
allowed() {
	for t in "/proc/$(cat "/run/libvirt/qemu/$1.pid")"/task/*; do
		if grep -q "^CPU $2/" "$t/comm"; then sed -n 's/^Cpus_allowed_list:\t//p' "$t/status"; fi
	done
}
# huge_on NAME NODE: its hugepages there, from the kernel.
huge_on() {
	sed -n "/ huge /s/.* N$2=\([0-9]*\).*/\1/p" "/proc/$(cat "/run/libvirt/qemu/$1.pid")/numa_maps" | jq -s add
}
pages() { echo "$2" > "/sys/devices/system/node/node$1/hugepages/hugepages-2048kB/nr_hugepages"; }
runs() { vir version > /dev/null 2>&1; }
start_libvirtd() { systemd-run --quiet --unit libvirtd-virt /usr/sbin/libvirtd && eventually runs; }

mkdir -p /run/tests /etc/libvirt/hooks/qemu.d
ln -sf /usr/sbin/numaplace-libvirt-hook /etc/libvirt/hooks/qemu.d/numaplace
printf '%s\n' 'user = "root"' 'group = "root"' 'security_driver = "none"' 'stdio_handler = "file"' >> /etc/libvirt/qemu.conf
systemctl start dbus.socket systemd-machined.service
mkdir -p /dev/hugepages
mountpoint -q /dev/hugepages || mount -t hugetlbfs none /dev/hugepages
ok "libvirtd starts" start_libvirtd

# --- a domain with two cells, in hugepages that no node has for both
for n in 0 1; do pages $n 0; done
for n in 2 3; do pages $n 20; done
define cells 2 64 "<memoryBacking><hugepages><page size='2' unit='M'/></hugepages></memoryBacking>
<cpu><numa><cell id='0' cpus='0' memory='32' unit='MiB'/><cell id='1' cpus='1' memory='32' unit='MiB'/></numa></cpu>"
vir dumpxml --inactive cells > /run/tests/before
ok "--dry-run succeeds" virt --dry-run cells limits.cpu.exclusive=true
diag "$said"
like "it prints the pins that the domain would get" "$said" '^\+ +<vcpupin vcpu="0" cpuset="[4-7]"/>'
is "it changes nothing" "$(vir dumpxml --inactive cells)" "$(cat /run/tests/before)"
ok "the domain gets a place" virt cells limits.cpu.exclusive=true
diag "$said"
vir dumpxml --inactive cells > /run/tests/cells.placed
is "its cells are on the two nodes that have the hugepages" \
	"$(sed -n "s/.*<memnode .*nodeset='\([0-9]*\)'.*/\1/p" /run/tests/cells.placed | sort | xargs)" '2 3'
ok "a second call succeeds" virt cells
like "it has nothing to change" "$said" 'nothing to change'
is "the XML is the same" "$(vir dumpxml --inactive cells)" "$(cat /run/tests/cells.placed)"
first=$(planned cells '.vcpus[0].cpu') second=$(planned cells '.vcpus[1].cpu')
placed=$(planned cells .cpus)
node0=$(planned cells '.cells[0].node') node1=$(planned cells '.cells[1].node')
is "each virtual CPU is pinned to the node of its cell" "$((first / 2)) $((second / 2))" "$node0 $node1"
ok "it starts" vir start cells
is "the thread of each virtual CPU may run on its CPU alone" "$(allowed cells 0) $(allowed cells 1)" "$first $second"
is "16 hugepages are on each of the two nodes" "$(huge_on cells 2) $(huge_on cells 3)" '16 16'
is "it is recorded with these CPUs" "$(field cells .cpus)" "$placed"
said=$(numaplace verify cells)
diag "$said"
ok "verify finds the pages on their nodes, and the threads on their CPUs" numaplace verify cells
like "verify shows the thread of each virtual CPU" "$said" "^ *0 +[0-9]+ +$first +$first +$node0 +hit"
is "verify has the same in JSON" "$(numaplace --json verify cells | jq -c '[.containers[0].vcpus[] | [.vcpu, .allowed, .verdict]]')" \
	"[[0,\"$first\",\"hit\"],[1,\"$second\",\"hit\"]]"
not_ok "a domain that runs is refused" virt cells
like "the message says that it runs" "$said" 'it is running'

# --- containers beside it
ok "a container of six CPUs starts" np_create runc createRuntime beside limits.cpu=6
unlike "it does not get the CPUs of the domain" ",$(field beside '.cpus' | sed 's/-/,/g')," ",($first|$second),"
ct_delete beside
vir vcpupin cells 0 0 --live
not_ok "verify fails if a virtual CPU has got a CPU that is not recorded" numaplace verify --json cells
like "it names that virtual CPU" "$(numaplace verify cells)" '^ *0 +[0-9]+ +0 .*miss'
vir vcpupin cells 0 "$first" --live
vir destroy cells

# --- no cells of its own, more CPUs than a node has
define wide 3 96
ok "a domain of three virtual CPUs gets a place" virt wide
diag "$said"
is "it gets cells like the nodes" "$(vir dumpxml --inactive wide | grep -c '<cell id=')" 2
vir dumpxml --inactive wide > /run/tests/wide.placed
virt wide
is "a second call changes nothing" "$(vir dumpxml --inactive wide)" "$(cat /run/tests/wide.placed)"
ok "it starts" vir start wide
for v in 0 1 2; do allowed wide $v; done | xargs > /run/tests/allowed
is "its threads are on the CPUs of the XML" "$(cat /run/tests/allowed)" \
	"$(sed -n "s/.*<vcpupin .*cpuset='\([0-9]*\)'.*/\1/p" /run/tests/wide.placed | xargs)"
ok "verify finds its pages on their nodes" numaplace verify wide
diag "$(numaplace verify wide)"; diag "$(numaplace status)"
vir destroy wide
for d in cells wide; do vir undefine $d; done

# --- domains that do not run yet
define one 2 32
define two 2 32 '' "<graphics type='vnc' port='-1' passwd='pass1'/>"
virt one limits.cpu.exclusive=true && virt --json two
like "the password of a display stays" "$(vir dumpxml --inactive --security-info two)" "passwd='pass1'"
unlike "a dry run does not read it" "$(numaplace virt --dry-run --drop-pins two limits.cpu.nodes=1; numaplace virt --dry-run two)" pass1
is "two domains that do not run get different CPUs" \
	"$(for d in one two; do vir dumpxml --inactive $d; done | sed -n "s/.*<vcpupin .*cpuset='\([0-9]*\)'.*/\1/p" | sort -u | wc -l)" 4
taken=$(planned one .cpus)
ok "a container holds the CPUs of the first" np_create runc createRuntime other "limits.cpu=$taken" limits.cpu.exclusive=true
said=$(vir start one 2>&1)
like "that domain does not start then, with the reason" "$said" 'held exclusively by another container'
like "the message says what to do" "$said" 'numaplace virt'
is "nothing stays reserved for it" "$(field one .id)" ''
ok "numaplace virt finds other CPUs" virt one
again=$(planned one .cpus)
unlike "these are others" "$again" "^$taken\$"
ok "it starts there" vir start one
is "these are recorded" "$(field one .cpus)" "$again"
ct_delete other
vir destroy one
for d in one two; do vir undefine $d; done

# --- refusals
not_ok "a domain that does not exist is refused" virt nowhere
like "the message is that of libvirt" "$said" 'failed to get domain'
not_ok "a name with a slash is refused" virt ../cells
not_ok "a name like an option is refused" virt -- --all
define large 9 64
not_ok "a domain of more virtual CPUs than CPUs is refused" virt large
like "the message has both numbers" "$said" '9 virtual CPUs need one CPU each, 8 can be given'
define memory 1 8192
not_ok "a domain of more memory than the machine has is refused" virt memory
like "the message has both numbers" "$said" 'limits.memory: 8GiB requested, .* available'
is "it is defined as before" "$(vir dumpxml --inactive memory | grep -c 'cpuset\|nodeset')" 0

for d in large memory; do vir undefine $d; done
for n in 2 3; do pages $n 0; done
is "in the end, the ledger is empty" "$(numaplace --json status | jq '.containers | length')" 0
systemctl stop libvirtd-virt systemd-machined.service
done_testing
