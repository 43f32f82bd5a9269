# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR disable=SC2016
#
# libnumaplace from its Debian packages: the example is compiled against the installed library, places a real process,
# and the numaplace command, the hook and the library read each other's records.
# Layout: 4x2-pairs.

# shellcheck source=lib.sh
. /tests/lib.sh
export DEBIAN_FRONTEND=noninteractive

cg=/sys/fs/cgroup
root=$cg/library
record=trusted.numaplace.record

# box NAME: a cgroup $root/NAME with a process in it; its pid in $pid.
box() {
	mkdir -p "$root/$1"
	sh -c 'echo $$ > "$0/cgroup.procs"; exec sleep 1000' "$root/$1" > /dev/null 2>&1 &
	pid=$!
	eventually grep -qx $pid "$root/$1/cgroup.procs"
}
allowed() { grep -E '^(Cpus|Mems)_allowed_list' "/proc/$1/status" | awk '{ print $2 }' | xargs; }

rm -f /usr/lib/libnumaplace* /usr/lib/pkgconfig/numaplace.pc /usr/include/numaplace.h
# The image leaves documentation out.
ok "the packages of the library and of the hook can be installed" \
	dpkg --path-include='/usr/share/doc/libnumaplace-dev/*' -i /tests/deb/*.deb
ok "the linker finds the library" sh -c 'ldconfig -p | grep -q "libnumaplace.so.0 "'
cp /usr/share/doc/libnumaplace-dev/examples/place.c* /run/
gunzip -f /run/place.c.gz 2> /dev/null
ok "the example of the package compiles with pkg-config" \
	sh -c 'gcc -Wall -Wextra -Werror /run/place.c -o /run/place $(pkg-config --cflags --libs numaplace)'
like "the example uses the installed library" "$(ldd /run/place)" 'libnumaplace.so.0 => /(usr/)?lib/'

is "the library and the command plan the same" \
	"$(/run/place / 0 limits.cpu=4 | sed -n '1s/.*CPUs/CPUs/p')" \
	"$(numaplace plan --json limits.cpu=4 | jq -r '"CPUs \(.cpus), memory nodes \(.mems)"')"

mkdir -p $root
box web
said=$(/run/place / $pid limits.cpu=4 limits.cpu.nodes=balanced 2>&1)
like "numaplace_place(): four CPUs are on a near pair of nodes" "$said" \
	'^nodes (0-1, CPUs 0-3, memory nodes 0-1|2-3, CPUs 4-7, memory nodes 2-3)$'
line=$(echo "$said" | head -n 1)
is "the process has the CPUs and memory nodes that were returned" "$(allowed $pid)" \
	"$(echo "$line" | sed 's/.*CPUs \([^,]*\), memory nodes \(.*\)/\1 \2/')"
is "the cgroup has these CPUs" "$(cat $root/web/cpuset.cpus.effective)" "$(allowed $pid | cut -d ' ' -f 1)"
ok "the cgroup has the record" sh -c "getfattr -n $record --absolute-names $root/web > /dev/null"
is "numaplace status shows the container" "$(numaplace status --json | jq -r '.containers[] | "\(.id) \(.runtime) \(.cpus)"')" \
	"example oci $(allowed $pid | cut -d ' ' -f 1)"
is "a second call returns the first placement" "$(/run/place / $pid limits.cpu=4 limits.cpu.nodes=balanced 2>&1 | head -n 1)" "$line"

# The hook of an OCI runtime takes the other nodes.
web=$pid
box hook
jq -n --argjson pid $pid '{ociVersion: "1.0.2", id: "hook", pid: $pid, bundle: "/nowhere", status: "created",
	annotations: {"limits.cpu": "4"}}' | /usr/libexec/numaplace/oci-hook --timeout 60 createRuntime
both=$(printf '%s\n%s' "$(allowed $web)" "$(allowed $pid)" | sort | xargs)
is "the hook gives a second container the other nodes" "$both" '0-3 0-1 4-7 2-3'

box many
said=$(/run/place / $pid limits.memory=64GiB 2>&1)
is "numaplace_place(): a container that does not fit is refused" $? 1
like "and the error names the key" "$said" '^place: limits.memory: 64GiB requested, '
is "its cgroup is unchanged" "$(cat $root/many/cpuset.cpus 2> /dev/null)" ''
said=$(/run/place / $$ limits.cpu=1 2>&1)
is "numaplace_place(): the cgroup of this test is not a container's" $? 1
like "and the error says so" "$said" '^place: .+'

# A move, a release and a list by the library, from a program that the test writes.
cat > /run/more.c << 'END_OF_C'
#include <numaplace.h>
#include <stdio.h>
#include <string.h>

static int show(void *arg, const struct numaplace_placement *p)
{
	(void)arg;
	return printf("%s %s\n", numaplace_placement_id(p), numaplace_placement_cpus(p)) < 0;
}

int main(int argc, char **argv)
{
	struct numaplace *np;
	int rc = numaplace_open(&np, NULL, NULL, NULL, 0);

	if (rc == 0 && argc == 4)
		rc = numaplace_move(np, argv[2], argv[3], 300, NULL, NULL, NULL);
	else if (rc == 0 && argc == 3)
		rc = numaplace_release(np, "oci", argv[2]);
	else if (rc == 0)
		rc = numaplace_list(np, show, NULL);
	if (rc)
		printf("%s\n", numaplace_error(np));
	numaplace_close(np);
	return rc != 0;
}
END_OF_C
ok "a program that moves, releases and lists compiles" \
	sh -c 'gcc -Wall -Wextra -Werror /run/more.c -o /run/more $(pkg-config --cflags --libs numaplace)'
is "numaplace_list(): the two containers" "$(/run/more list | sort | xargs)" \
	"$(numaplace status --json | jq -r '.containers[] | "\(.id) \(.cpus)"' | sort | xargs)"
echo 1 > $root/hook/cgroup.kill
eventually rmdir $root/hook
case $(allowed $web) in '0-3 '*) to=2-3 wanted='4-7 2-3' ;; *) to=0-1 wanted='0-3 0-1' ;; esac
ok "numaplace_move(): to the other nodes" /run/more move example $to
is "the process is there" "$(allowed $web)" "$wanted"
ok "numaplace_release(): a live container stays" /run/more release example
is "it is in the ledger" "$(/run/more list | xargs)" "example ${wanted% *}"
echo 1 > $root/web/cgroup.kill
eventually rmdir $root/web
ok "numaplace_release(): an ended container" /run/more release example
is "it is no longer in the ledger" "$(numaplace status --json | jq -c .containers)" '[]'

echo 1 > $root/many/cgroup.kill
eventually rmdir $root/many $root
ok "the packages can be removed" dpkg -P libnumaplace-dev libnumaplace0 numaplace-kube numaplace-numad numaplace-lxc numaplace-nri numaplace
rm -f /run/place /run/place.c /run/more /run/more.c
done_testing
