# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# LXC with concurrency: twenty starts at once, a config file that other programs and the hook rewrite at the same time, and
# a lock that is not released; and an id-mapped container.
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
	# Twenty starts at once on an emulated CPU need more than the default timeout.
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
like "each of twenty containers is on one CPU" "$(grep -vc '^[0-7]$' /run/tests/cpus)" '^0$'
sort /run/tests/cpus | uniq -c > /run/tests/counts
cat /run/tests/counts
is "each CPU has two or three of twenty containers" "$(awk '$1 == 2 || $1 == 3' /run/tests/counts | wc -l)" 8
is "each node has five of twenty containers" "$(awk '{ n[int($1 / 2)]++ } END { print n[0], n[1], n[2], n[3] }' /run/tests/cpus)" "5 5 5 5"
is "each of twenty containers has the memory of its node" "$(for c in $many; do
	lx_seen "$c" Mems_allowed_list; done | sort | uniq -c | awk '{ print $1, $2 }' | xargs)" "5 0 5 1 5 2 5 3"
wrong=0
for c in $many; do
	[ "$(lx_line "$c" volatile.memory.nodes)" = "$(lx_seen "$c" Mems_allowed_list)" ] || wrong=$((wrong + 1))
done
is "each of twenty configs has the memory node of its container" $wrong 0
is "numaplace status shows all twenty containers" "$(numaplace --json status | jq '.containers | length')" 20
is "lxc-ls shows all twenty containers" "$(timeout 60 lxc-ls --running -1 | wc -l)" 20
for c in $many; do
	lx_stop "$c" &
done
wait
is "the ledger is empty after twenty containers have stopped" "$(find /run/numaplace/containers -type f | wc -l)" 0
for c in $many; do
	rm -rf "${lx_path:?}/$c"
done

# --- other programs rewrite the config
w=/run/tests/lxc-writer
gcc -o $w /tests/lxc-writer.c -llxc || bail "gcc"
lx_make w 'limits.cpu = 4' 'lxc.start.order = 0' '# the end'
ok "the container whose config is rewritten starts" lx_start w
LXC_PID=$(lxc-info -n w -pH) LXC_NAME=w LXC_CONFIG_FILE=$lx_path/w/config LXC_HOOK_TYPE=start-host
export LXC_PID LXC_NAME LXC_CONFIG_FILE LXC_HOOK_TYPE
nodes=$(lx_line w volatile.cpu.nodes)
cp $lx_path/w/config /run/tests/w.before
# Edits as lxc-update-config does: without a lock, by rename. A hook that runs at the same time may restore the previous
# text for a moment; then the edit must be in the file.
edit() {
	for n in $(seq "$1"); do
		sed -i "/^volatile/d; s/^lxc.start.order.*/lxc.start.order = $n/" $lx_path/w/config || return
		eventually grep -qx "lxc.start.order = $n" $lx_path/w/config || return
	done
}
for how in save fresh edit; do
	# An old liblxc handle has no volatile lines and removes them at each save.
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
	is "$how: 60 writes of another program succeed" $? 0
	wait $checker
	is "$how: a reader that holds the lock always sees a complete file" "$(cat /run/tests/check)" "0 torn of 150"
	echo "$how: $i hooks, $found found their lines" | sed 's/^/# /' >&3
	is "$how: all $i hooks that ran at the same time succeed" $bad 0
	ok "$how: a hook after the last write succeeds" $lx_hook
	is "$how: the config has the three volatile lines" "$(grep -c ^volatile $lx_path/w/config)" 3
	is "$how: the volatile lines have the nodes of the container" "$(lx_line w volatile.cpu.nodes)" "$nodes"
	is "$how: the config has the last value that the other program wrote" "$(lx_line w lxc.start.order | tail -n 1)" 60
	is "$how: all other lines of the config are unchanged" "$(grep -v '^volatile\|^lxc.start.order' $lx_path/w/config | sort)" \
		"$(grep -v '^volatile\|^lxc.start.order' /run/tests/w.before | sort)"
	is "$how: no other file is left beside the config" "$(find $lx_path/w -type f)" "$lx_path/w/config"
done
unset LXC_PID LXC_NAME LXC_CONFIG_FILE LXC_HOOK_TYPE
lx_stop w

# --- a lock that is not released
$w hold w 60 &
holder=$!
sed -i '/^volatile/d' $lx_path/w/config
sleep 1
begin=$(date +%s)
LXC_NAME=w LXC_CONFIG_FILE=$lx_path/w/config LXC_HOOK_TYPE=pre-start timeout 20 $lx_hook
is "pre-start succeeds although another program holds the lock of LXC" $? 0
ok "pre-start waits less than 8 seconds for the lock of LXC" [ $(($(date +%s) - begin)) -lt 8 ]
kill $holder

# --- id mapping
lx_make map 'limits.cpu = 2' 'lxc.idmap = u 0 1000000 65536' 'lxc.idmap = g 0 1000000 65536'
ok "an id-mapped container starts" lx_start map
like "an id-mapped container is placed" "$(lx_seen map Cpus_allowed_list)" '^[0-7]-[0-7]$'
is "the init of an id-mapped container has a mapped uid on the host" "$(stat -c %u "/proc/$(lxc-info -n map -pH)")" 1000000
is "the ledger has a record of an id-mapped container" "$(in_ledger map)" 1
lx_stop map
is "an id-mapped container leaves no record" "$(in_ledger map)" 0
done_testing
