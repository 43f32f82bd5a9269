# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# LXC, many at a time: twenty starts at once, a config file that others rewrite
# while we do, a lock that nobody gives back, and ids of its own.
# Layout: 4x2-pairs.

. /tests/lib.sh
# shellcheck source=lxc.sh
. /tests/lxc.sh

# --- twenty at once
lx_slow_hooks="lxc.hook.pre-start = $lx_hook --timeout 120\\
lxc.hook.start-host = $lx_hook --timeout 120\\
lxc.hook.post-stop = $lx_hook --timeout 120"
many=$(seq -f m%g 20)
for c in $many; do
	lx_make "$c" 'limits.cpu = 1' 'limits.cpu.nodes = balanced'
	# Twenty at once on one emulated CPU take what they take.
	sed -i "s|^lxc.include.*|$lx_slow_hooks|" "$lx_path/$c/config"
done
for c in $many; do
	lx_start "$c" > "$lx_out/$c.said" 2>&1 &
	jobs="${jobs:-} $!"
done
for j in $jobs; do
	wait "$j" || echo "one failed"
done
started=0
for c in $many; do
	if [ -e "$lx_out/$c/status" ]; then started=$((started + 1)); else cat "$lx_out/$c.said" "$lx_out/$c.log"; fi
done
is "twenty start at once" $started 20
for c in $many; do
	lx_seen "$c" Cpus_allowed_list
done > /run/tests/cpus
like "each on one CPU" "$(grep -vc '^[0-7]$' /run/tests/cpus)" '^0$'
sort /run/tests/cpus | uniq -c > /run/tests/counts
cat /run/tests/counts
is "on each CPU two or three of them" "$(awk '$1 == 2 || $1 == 3' /run/tests/counts | wc -l)" 8
is "five on each node" "$(awk '{ n[int($1 / 2)]++ } END { print n[0], n[1], n[2], n[3] }' /run/tests/cpus)" "5 5 5 5"
is "with memory beside them" "$(for c in $many; do
	lx_seen "$c" Mems_allowed_list; done | sort | uniq -c | awk '{ print $1, $2 }' | xargs)" "5 0 5 1 5 2 5 3"
wrong=0
for c in $many; do
	[ "$(lx_line "$c" volatile.memory.nodes)" = "$(lx_seen "$c" Mems_allowed_list)" ] || wrong=$((wrong + 1))
done
is "every config says so" $wrong 0
is "status has them all" "$(numaplace --json status | jq '.containers | length')" 20
is "lxc-ls, too" "$(timeout 60 lxc-ls --running -1 | wc -l)" 20
for c in $many; do
	lx_stop "$c" &
done
wait
is "all stopped: an empty ledger" "$(find /run/numaplace/containers -type f | wc -l)" 0
for c in $many; do
	rm -rf "${lx_path:?}/$c"
done

# --- others rewrite the config
w=/run/tests/lxc-writer
gcc -o $w /tests/lxc-writer.c -llxc || bail "gcc"
lx_make w 'limits.cpu = 4' 'lxc.start.order = 0' '# the end'
ok "a container" lx_start w
LXC_PID=$(lxc-info -n w -pH) LXC_NAME=w LXC_CONFIG_FILE=$lx_path/w/config LXC_HOOK_TYPE=start-host
export LXC_PID LXC_NAME LXC_CONFIG_FILE LXC_HOOK_TYPE
nodes=$(lx_line w volatile.cpu.nodes)
cp $lx_path/w/config /run/tests/w.before
# As lxc-update-config: without a lock, and by renaming. What was written has to be there: by a hook that met it the one
# before may stand in its place, but for a moment only.
edit() {
	for n in $(seq "$1"); do
		sed -i "/^volatile/d; s/^lxc.start.order.*/lxc.start.order = $n/" $lx_path/w/config || return
		eventually grep -qx "lxc.start.order = $n" $lx_path/w/config || return
	done
}
for how in save fresh edit; do
	# An old handle knows of no volatile lines: it takes them out at each save.
	[ $how != save ] || sed -i '/^volatile/d' $lx_path/w/config
	if [ $how = edit ]; then edit 60; else $w $how w 60; fi &
	writer=$!
	$w check w 150 > /run/tests/check &
	checker=$!
	i=0 bad=0 found=0
	while kill -0 $writer 2>/dev/null; do
		[ "$(lx_line w volatile.cpu.nodes)" != "$nodes" ] || found=$((found + 1))
		$lx_hook || bad=$((bad + 1))
		i=$((i + 1))
	done
	wait $writer
	is "$how: 60 writings by others went well" $? 0
	wait $checker
	is "$how: whoever held the lock saw a whole file" "$(cat /run/tests/check)" "0 torn of 150"
	echo "$how: $i hooks, $found found their lines" | sed 's/^/# /' >&3
	is "$how: all $i hooks went well" $bad 0
	ok "$how: one last time" $lx_hook
	is "$how: our lines are there" "$(grep -c ^volatile $lx_path/w/config)" 3
	is "$how: and right" "$(lx_line w volatile.cpu.nodes)" "$nodes"
	is "$how: theirs is the last that they wrote" "$(lx_line w lxc.start.order | tail -n 1)" 60
	is "$how: every other line is as it was" "$(grep -v '^volatile\|^lxc.start.order' $lx_path/w/config | sort)" \
		"$(grep -v '^volatile\|^lxc.start.order' /run/tests/w.before | sort)"
	is "$how: nothing is left beside it" "$(find $lx_path/w -type f)" "$lx_path/w/config"
done
unset LXC_PID LXC_NAME LXC_CONFIG_FILE LXC_HOOK_TYPE
lx_stop w

# --- a lock that nobody gives back
$w hold w 60 &
holder=$!
sed -i '/^volatile/d' $lx_path/w/config
sleep 1
begin=$(date +%s)
LXC_NAME=w LXC_CONFIG_FILE=$lx_path/w/config LXC_HOOK_TYPE=pre-start timeout 20 $lx_hook
is "pre-start goes on without the lock" $? 0
ok "in time" [ $(($(date +%s) - begin)) -lt 8 ]
kill $holder

# --- ids of its own
lx_make map 'limits.cpu = 2' 'lxc.idmap = u 0 1000000 65536' 'lxc.idmap = g 0 1000000 65536'
ok "an id-mapped container" lx_start map
like "is placed" "$(lx_seen map Cpus_allowed_list)" '^[0-7]-[0-7]$'
is "its init is nobody here" "$(stat -c %u "/proc/$(lxc-info -n map -pH)")" 1000000
is "recorded" "$(in_ledger map)" 1
lx_stop map
is "and forgotten" "$(in_ledger map)" 0
done_testing
